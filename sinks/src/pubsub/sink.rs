//! A sink that publishes what segments hold for its topic.

use std::sync::Arc;

use async_trait::async_trait;
use protos::journal::{Cursor, Segment};

use super::outbox::Outbox;
use super::refusal::{SetAside, Streak};
use super::{Messages, Topic, trace};
use crate::fail_point;
use crate::{Flush, Progress, Sink, SinkError};

/// Segments that one that is behind publishes together. Each key with anything
/// to say costs a request, however much it says: a topic that is slow by the
/// request would else fall behind for ever.
const TOGETHER_MAX: usize = 8;

/// The sink. All messages of the segments that it is given are published
/// before further ones are taken, and only then does the cursor pass them. Those
/// that the topic refuses for good are dead letters of the segment that records
/// it.
pub(super) struct TopicSink<M: Messages> {
    messages: M,
    topic: Topic,
    /// `None`: there is no place for what is refused, which is asked for again
    /// until it is taken.
    set_aside: Option<SetAside>,
    streak: Streak,
    /// What of the segments up to this one is still to be published.
    left: Option<(u64, Outbox)>,
    through_seq: u64,
}

impl<M: Messages> TopicSink<M> {
    /// Begins with the first segment it is given.
    pub(super) fn new(messages: M, topic: Topic, set_aside: Option<SetAside>) -> Self {
        let streak = Streak::new(set_aside.is_some());
        Self { messages, topic, set_aside, streak, left: None, through_seq: 0 }
    }

    fn cursor(&self) -> Cursor {
        Cursor { sink: M::NAME.to_owned(), through_seq: self.through_seq, ..Cursor::default() }
    }

    fn messages_of(&self, segments: &[Arc<Segment>]) -> Result<Outbox, SinkError> {
        let mut outbox = Outbox::default();
        for segment in segments {
            outbox.continue_trace(trace::of_segment(segment));
            self.messages.add_to(&mut outbox, segment)?;
        }
        Ok(outbox)
    }
}

#[async_trait]
impl<M: Messages> Sink for TopicSink<M> {
    fn name(&self) -> &'static str {
        M::NAME
    }

    async fn write(&mut self, segment: Arc<Segment>) -> Result<(), SinkError> {
        self.write_together(&[segment]).await
    }

    fn together_max(&self) -> usize {
        TOGETHER_MAX
    }

    async fn write_together(&mut self, segments: &[Arc<Segment>]) -> Result<(), SinkError> {
        let Some(last) = segments.last() else { return Ok(()) };
        // A call that failed comes again: what was published then is not
        // published anew.
        let mut left = match self.left.take() {
            Some((seq, left)) if seq == last.seq => left,
            _ => self.messages_of(segments)?,
        };
        fail_point::hit_in(M::NAME, "publish");
        let published = self.topic.publish_all(&mut left, &self.streak).await;
        if let Err(error) = published {
            self.left = Some((last.seq, left));
            return Err(error);
        }
        fail_point::hit_in(M::NAME, "published");
        self.through_seq = last.seq;
        let refused = left.into_refused();
        let dead_letters: Vec<_> =
            self.set_aside.into_iter().flat_map(|it| refused.iter().map(it)).collect();
        if dead_letters.is_empty() {
            return Ok(());
        }
        fail_point::hit_in(M::NAME, "refused");
        // Both in one segment: whoever dies before it is there publishes the
        // segments again, and is refused again.
        Err(SinkError::Unrecorded(Box::new(Progress { cursor: self.cursor(), dead_letters })))
    }

    async fn flush(&mut self, _: Flush) -> Result<Cursor, SinkError> {
        Ok(self.cursor())
    }

    async fn recorded(&mut self, _: &Cursor) -> Result<Option<Cursor>, SinkError> {
        Ok(None)
    }
}
