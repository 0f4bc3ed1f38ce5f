//! Google's messages and the service of the Storage Write API, generated from
//! the sources in `protos` (their comments are the documentation) and checked
//! by the test `fresh`.

#![allow(clippy::all, missing_docs, unreachable_pub)]

pub use google::cloud::bigquery::storage::v1::*;
pub use google::rpc;

mod google {
    pub mod rpc {
        include!("gen/google.rpc.rs");
    }
    // One module for each part of the package's name: generated code counts
    // its way up by them.
    pub mod cloud {
        pub mod bigquery {
            pub mod storage {
                pub mod v1 {
                    include!("gen/google.cloud.bigquery.storage.v1.rs");
                }
            }
        }
    }
}
