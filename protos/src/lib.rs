//! Wire types of the telemetry engine, generated from `proto/` and checked in.
//!
//! Holds what crosses a process boundary and the conversions between its
//! encodings; knows no business rule. `tests/fresh.rs` proves that the
//! generated code matches its sources and regenerates it on request.
//! `FleetEvent` alone is written by hand.

mod event;
pub mod event_json;
pub mod json;
mod ping_view;

#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated")]
mod fleet {
    pub mod telemetry {
        pub mod v1 {
            include!("gen/fleet.telemetry.v1.rs");
        }
    }
    pub mod events {
        pub mod v1 {
            include!("gen/fleet.events.v1.rs");
            pub use crate::event::{FleetEvent, ID_DIGITS, Id, IdText, NoId};
            /// Where generated code would have it.
            pub mod fleet_event {
                pub use crate::event::Detail;
            }
        }
    }
    pub mod journal {
        pub mod v1 {
            include!("gen/fleet.journal.v1.rs");
        }
    }
}

pub use ping_view::{NoPing, PingView};

/// Events as the engine emits them.
pub use fleet::events::v1 as events;
/// Journal segments, snapshots and their parts.
pub use fleet::journal::v1 as journal;
/// Pings as vehicles report them.
pub use fleet::telemetry::v1 as telemetry;
