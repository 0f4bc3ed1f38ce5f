//! What came of a run, against the truth and against what must hold.

mod checks;
mod html;
mod report;
mod score;
mod text;

pub use checks::{Check, pass_verdict};
pub use html::html;
pub use report::{Cost, Events, Part, Pings, Rejects, Report, Sending, Timing, Unread};
pub use score::{KindScore, Quantiles, score};
pub use text::text;
