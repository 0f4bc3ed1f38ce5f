//! A sink's files, driven from async code: encoding, writing and fsync block.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinHandle;

use crate::SinkError;

/// Runs blocking work on the runtime's blocking threads, one call at a time.
///
/// A call that was begun ends, even when its future is dropped: the value is
/// never lost half-way, the next call merely waits for it.
///
/// After an error that no retry mends ([`SinkError::is_retryable`]), and that asks
/// for nothing ([`SinkError::Unrecorded`]), the value is not touched again: some
/// of a segment's rows may be in, and a retry would double them. A restart begins
/// from the recorded cursor.
pub(crate) struct Blocking<T>(Arc<Mutex<Guarded<T>>>);

struct Guarded<T> {
    value: T,
    stopped: Option<String>,
}

impl<T: Send + 'static> Blocking<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Arc::new(Mutex::new(Guarded { value, stopped: None })))
    }

    /// What `work` returns; a panic in it goes on in the caller.
    pub(crate) async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut T) -> Result<R, SinkError> + Send + 'static,
    ) -> Result<R, SinkError> {
        let guarded = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || {
            // Poisoned only by a panic, which stopped a caller already.
            guarded.lock().unwrap_or_else(PoisonError::into_inner).run(work)
        });
        join(done).await
    }
}

/// What a blocking task returned; a panic in it goes on in the caller.
pub(crate) async fn join<R>(task: JoinHandle<R>) -> R {
    match task.await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Cancelled: the runtime shuts down and drops this task too.
            Err(_) => std::future::pending().await,
        },
    }
}

impl<T> Guarded<T> {
    fn run<R>(
        &mut self,
        work: impl FnOnce(&mut T) -> Result<R, SinkError>,
    ) -> Result<R, SinkError> {
        if let Some(reason) = &self.stopped {
            return Err(SinkError::Stopped { reason: reason.clone() });
        }
        let result = work(&mut self.value);
        if let Err(error) = &result
            && !(error.is_retryable() || matches!(error, SinkError::Unrecorded(_)))
        {
            self.stopped = Some(error.to_string());
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_error_for_good_stops_every_later_call() {
        let calls = Blocking::new(0);
        let io = |_: &mut i32| {
            Err(SinkError::Io { path: "p".into(), source: std::io::ErrorKind::StorageFull.into() })
        };
        let broken =
            |_: &mut i32| Err(SinkError::Encode { what: "a row", source: "no such number".into() });
        let count = |calls: &mut i32| {
            *calls += 1;
            Ok(*calls)
        };
        assert!(calls.run::<()>(io).await.is_err());
        assert_eq!(calls.run(count).await.unwrap(), 1);
        assert!(calls.run::<()>(broken).await.is_err());
        let error = calls.run(count).await.unwrap_err();
        assert_eq!(error.to_string(), "stopped until a restart: a row: no such number");
    }
}
