//! Work of a request that would hold up others, on a thread of its own.

use super::answer::Refusal;
use crate::intake::{IntakeError, PauseReason};

/// Does `work` where it delays nobody. What a bug in it costs is what it would
/// cost in the request itself: an answer of `internal_error`.
///
/// # Errors
/// The worker ends.
pub(super) async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => IntakeError::Paused(PauseReason::Draining).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_done_is_handed_back() {
        assert_eq!(on_thread(|| 7).await, Ok(7));
    }

    #[tokio::test]
    #[should_panic(expected = "a bug")]
    async fn a_bug_is_one_of_the_request() {
        let _ = on_thread(|| panic!("a bug")).await;
    }
}
