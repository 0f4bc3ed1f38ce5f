//! What came of a run, against the truth and against what must hold.

mod score;

pub use score::{KindScore, Quantiles, score};
