//! What of an outage is told.

use std::time::Duration;

use tokio::time::Instant;

/// What stays the same is told this often.
pub const TELL_EVERY: Duration = Duration::from_secs(300);

/// What the log has of something that fails: told at once, whenever the error
/// becomes another, and every [`TELL_EVERY`] while it stays the same.
#[derive(Debug, Default)]
pub struct News {
    /// The last line, and when it was written.
    told: Option<(String, Instant)>,
}

impl News {
    /// Whether the log should have `error` at `now`; it counts as told then.
    pub fn admit(&mut self, error: String, now: Instant) -> bool {
        let is_old = |(told, at): &(String, Instant)| *told == error && now < *at + TELL_EVERY;
        let is_news = !self.told.as_ref().is_some_and(is_old);
        if is_news {
            self.told = Some((error, now));
        }
        is_news
    }

    /// The outage is over. Whether the log has anything of it.
    pub fn over(&mut self) -> bool {
        self.told.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_over_once_and_a_new_outage_is_told_at_once() {
        let mut news = News::default();
        let now = Instant::now();
        assert!(!news.over(), "nothing was told");
        assert!(news.admit("away".to_owned(), now));
        assert!(!news.admit("away".to_owned(), now));
        assert!(news.over());
        assert!(!news.over());
        assert!(news.admit("away".to_owned(), now));
    }
}
