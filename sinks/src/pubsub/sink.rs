//! A sink that publishes what a segment holds for its topic.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use google_cloud_pubsub::model::Message;
use protos::journal::{Cursor, Segment};

use super::{Messages, Topic, trace};
use crate::fail_point;
use crate::{Flush, Sink, SinkError};

/// The sink. One segment at a time: all its messages are published before the
/// next one is taken, and only then does the cursor pass it.
pub(super) struct TopicSink<M: Messages> {
    messages: M,
    topic: Topic,
    /// What of the segment `seq` is still to be published.
    left: Option<(u64, VecDeque<Message>)>,
    through_seq: u64,
}

impl<M: Messages> TopicSink<M> {
    /// Begins with the first segment it is given.
    pub(super) fn new(messages: M, topic: Topic) -> Self {
        Self { messages, topic, left: None, through_seq: 0 }
    }
}

#[async_trait]
impl<M: Messages> Sink for TopicSink<M> {
    fn name(&self) -> &'static str {
        M::NAME
    }

    async fn write(&mut self, segment: Arc<Segment>) -> Result<(), SinkError> {
        // A call that failed comes again: what was published then is not
        // published anew.
        let mut left = match self.left.take() {
            Some((seq, left)) if seq == segment.seq => left,
            _ => trace::traced(self.messages.of(&segment)?, &segment),
        };
        fail_point::hit_in(M::NAME, "publish");
        let published = self.topic.publish_all(&mut left).await;
        if let Err(error) = published {
            self.left = Some((segment.seq, left));
            return Err(error);
        }
        fail_point::hit_in(M::NAME, "published");
        self.through_seq = segment.seq;
        Ok(())
    }

    async fn flush(&mut self, _: Flush) -> Result<Cursor, SinkError> {
        Ok(Cursor { sink: M::NAME.to_owned(), through_seq: self.through_seq, ..Cursor::default() })
    }

    async fn recorded(&mut self, _: &Cursor) -> Result<Option<Cursor>, SinkError> {
        Ok(None)
    }
}
