//! Whether the streams may pull.

use tokio::sync::watch;

/// What the streams are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// For now.
    Shut,
    /// For good.
    Over,
}

/// The end that decides; dropped, it is shut for good.
#[derive(Debug)]
pub(super) struct Gate(watch::Sender<State>);

/// The end that streams look at.
#[derive(Clone, Debug)]
pub(super) struct Passage(watch::Receiver<State>);

impl Gate {
    /// An open one.
    pub(super) fn open() -> (Self, Passage) {
        let (sender, receiver) = watch::channel(State::Open);
        (Self(sender), Passage(receiver))
    }

    /// Opens or shuts it; whether that changed anything.
    pub(super) fn set_open(&self, open: bool) -> bool {
        let to = if open { State::Open } else { State::Shut };
        self.0.send_if_modified(|state| {
            let changes = *state != State::Over && *state != to;
            if changes {
                *state = to;
            }
            changes
        })
    }

    /// Shuts it for good.
    pub(super) fn end(&self) {
        self.0.send_replace(State::Over);
    }
}

impl Passage {
    /// Waits until it is open; false if it never will be.
    pub(super) async fn opened(&mut self) -> bool {
        let decided = self.0.wait_for(|state| *state != State::Shut).await;
        decided.is_ok_and(|state| *state == State::Open)
    }

    /// Waits until it is shut, for now or for good.
    pub(super) async fn shut(&mut self) {
        // Without its gate it is shut as well.
        let _ = self.0.wait_for(|state| *state != State::Open).await;
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn it_opens_and_shuts_until_it_is_over() {
        let (gate, mut passage) = Gate::open();
        assert_eq!(passage.opened().now_or_never(), Some(true));
        assert_eq!(passage.shut().now_or_never(), None);
        assert!(gate.set_open(false) && !gate.set_open(false));
        assert_eq!(passage.opened().now_or_never(), None);
        assert_eq!(passage.shut().now_or_never(), Some(()));
        gate.set_open(true);
        assert_eq!(passage.opened().now_or_never(), Some(true));
        gate.end();
        assert!(!gate.set_open(true), "over is over");
        assert_eq!(passage.opened().now_or_never(), Some(false));
    }
}
