//! Whether Pub/Sub is there while nothing comes from it, and when streams are
//! opened anew.
//!
//! A subscription to which nobody publishes is as silent as a service that is
//! away. While it is away the client's own pauses grow to a minute, and a new
//! stream begins without them: streams are opened anew once the service
//! answers again. Not for mere silence: what closes an idle stream is a reset,
//! which Google's emulator does not heed. It goes on to deliver to the closed
//! stream, and what it delivers there comes again only when its lease ends.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::Heard;

/// After so long a silence the service is asked whether it is there.
const ASK_AFTER: Duration = Duration::from_secs(15);
/// How often, while it does not answer.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Streams that are silent for so long are opened anew even where the service
/// answers: their connection may have died without a word.
const SILENT_MAX: Duration = Duration::from_secs(600);

/// Tells the streams, by `renew`, when to be opened anew; `answers` asks the
/// service. Never ends.
pub(super) async fn watch<F>(heard: Arc<Heard>, renew: watch::Sender<()>, answers: impl Fn() -> F)
where
    F: Future<Output = bool>,
{
    let (mut away, mut renewed) = (false, Instant::now());
    loop {
        let silent_for = heard.silent_for();
        if silent_for < ASK_AFTER {
            away = false;
            sleep(ASK_AFTER - silent_for).await;
            continue;
        }
        if !answers().await {
            away = true;
            sleep(ASK_AGAIN_AFTER).await;
            continue;
        }
        if std::mem::take(&mut away) || silent_for.min(renewed.elapsed()) >= SILENT_MAX {
            renew.send_replace(());
            renewed = Instant::now();
        }
        sleep(ASK_AFTER).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::time::timeout;

    use super::*;

    /// A watched service that is there as `there` says.
    fn watched() -> (Arc<Heard>, Arc<AtomicBool>, watch::Receiver<()>) {
        let (heard, there) = (Arc::new(Heard::new()), Arc::new(AtomicBool::new(true)));
        let (renew, told) = watch::channel(());
        let asked = Arc::clone(&there);
        let answers = move || std::future::ready(asked.load(Ordering::Relaxed));
        tokio::spawn(watch(Arc::clone(&heard), renew, answers));
        (heard, there, told)
    }

    async fn is_told_within(told: &mut watch::Receiver<()>, time: Duration) -> bool {
        timeout(time, told.changed()).await.is_ok_and(|told| told.is_ok())
    }

    #[tokio::test(start_paused = true)]
    async fn silence_alone_renews_nothing_for_long() {
        let (_heard, _there, mut told) = watched();
        assert!(!is_told_within(&mut told, SILENT_MAX - ASK_AFTER).await);
        assert!(is_told_within(&mut told, 3 * ASK_AFTER).await);
        assert!(!is_told_within(&mut told, SILENT_MAX - ASK_AFTER).await, "nor soon again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_was_away_and_answers_again_renews_at_once_and_once() {
        let (_heard, there, mut told) = watched();
        there.store(false, Ordering::Relaxed);
        assert!(!is_told_within(&mut told, 4 * ASK_AFTER).await, "it is still away");
        there.store(true, Ordering::Relaxed);
        assert!(is_told_within(&mut told, 2 * ASK_AGAIN_AFTER).await);
        assert!(!is_told_within(&mut told, 4 * ASK_AFTER).await);
    }

    #[tokio::test(start_paused = true)]
    async fn where_messages_come_nothing_is_renewed() {
        let (heard, there, mut told) = watched();
        there.store(false, Ordering::Relaxed);
        assert!(!is_told_within(&mut told, 2 * ASK_AFTER).await);
        // The client came through by itself.
        heard.now();
        there.store(true, Ordering::Relaxed);
        assert!(!is_told_within(&mut told, 4 * ASK_AFTER).await);
    }
}
