//! A sink that publishes what segments hold for its topic.

use std::sync::Arc;

use async_trait::async_trait;
use protos::journal::{Cursor, Segment};

use super::outbox::Outbox;
use super::{Messages, Topic, trace};
use crate::fail_point;
use crate::{Flush, Sink, SinkError};

/// Segments that one that is behind publishes together. Each key with anything
/// to say costs a request, however much it says: a topic that is slow by the
/// request would else fall behind for ever.
const TOGETHER_MAX: usize = 8;

/// The sink. All messages of the segments that it is given are published
/// before further ones are taken, and only then does the cursor pass them.
pub(super) struct TopicSink<M: Messages> {
    messages: M,
    topic: Topic,
    /// What of the segments up to this one is still to be published.
    left: Option<(u64, Outbox)>,
    through_seq: u64,
}

impl<M: Messages> TopicSink<M> {
    /// Begins with the first segment it is given.
    pub(super) fn new(messages: M, topic: Topic) -> Self {
        Self { messages, topic, left: None, through_seq: 0 }
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
        let published = self.topic.publish_all(&mut left).await;
        if let Err(error) = published {
            self.left = Some((last.seq, left));
            return Err(error);
        }
        fail_point::hit_in(M::NAME, "published");
        self.through_seq = last.seq;
        Ok(())
    }

    async fn flush(&mut self, _: Flush) -> Result<Cursor, SinkError> {
        Ok(Cursor { sink: M::NAME.to_owned(), through_seq: self.through_seq, ..Cursor::default() })
    }

    async fn recorded(&mut self, _: &Cursor) -> Result<Option<Cursor>, SinkError> {
        Ok(None)
    }
}
