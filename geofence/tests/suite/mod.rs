//! What runs the published suites: their files, the geometries in them, and
//! how those come onto the grid.
#![allow(
    clippy::unwrap_used,
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "each test binary uses a part of it"
)]

pub mod grid;
pub mod oracle;
pub mod wkt;
pub mod xml;
