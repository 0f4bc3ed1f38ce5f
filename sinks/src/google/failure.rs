//! What a failed call to a Google service asks for, by its status alone: at
//! the start of sinks and sources, and for their checks. What a status says of
//! a row, a stream or a document is judged where those are known: rows in
//! `bigquery::stream`, messages in `pubsub::refusal`, documents in
//! `firestore::requests` and `firestore::writer`. A sink that runs tries again
//! whatever the failure: see [`crate::SinkError::Remote`].

use google_cloud_gax::error::Error;

/// What a failed call asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nothing wrong with the call: the same one may succeed after a pause. A
    /// quota that is used up is no different: pauses double, which is to ask
    /// less.
    Transient,
    /// Something is missing or not allowed that somebody can put right while
    /// the worker runs: a topic, a table, a role. To try again is right, to
    /// keep quiet about it is not; at a start it is a mistake in the
    /// configuration.
    Setup,
    /// The same call gives the same answer for ever.
    Permanent,
}

impl Failure {
    /// By the code of a gRPC status, as a number (`tonic::Code as i32`).
    #[must_use]
    pub fn of_grpc(code: i32) -> Self {
        match code {
            // cancelled, unknown, deadline exceeded, aborted, internal,
            // unavailable; resource exhausted
            1 | 2 | 4 | 10 | 13 | 14 | 8 => Self::Transient,
            // not found, permission denied, unauthenticated
            5 | 7 | 16 => Self::Setup,
            // invalid argument, already exists, failed precondition, out of
            // range, unimplemented, data loss
            _ => Self::Permanent,
        }
    }

    /// By the status of an HTTP answer.
    #[must_use]
    pub fn of_http(status: u16) -> Self {
        match status {
            408 | 429 | 499 | 500..=599 => Self::Transient,
            401 | 403 | 404 => Self::Setup,
            _ => Self::Permanent,
        }
    }

    /// By the error of one of Google's own clients.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        if let Some(status) = error.status() {
            return Self::of_grpc(status.code as i32);
        }
        if let Some(status) = error.http_status_code() {
            return Self::of_http(status);
        }
        if error.is_transient_and_before_rpc()
            || error.is_io()
            || error.is_timeout()
            || error.is_connect()
            || error.is_transport()
            || error.is_exhausted()
        {
            return Self::Transient;
        }
        if error.is_authentication() { Self::Setup } else { Self::Permanent }
    }
}

#[cfg(test)]
mod tests {
    use google_cloud_gax::error::rpc::{Code, Status};

    use super::*;

    #[test]
    fn every_grpc_code_is_decided() {
        use Failure::{Permanent, Setup, Transient};
        let decided = [
            (Code::Cancelled, Transient),
            (Code::Unknown, Transient),
            (Code::InvalidArgument, Permanent),
            (Code::DeadlineExceeded, Transient),
            (Code::NotFound, Setup),
            (Code::AlreadyExists, Permanent),
            (Code::PermissionDenied, Setup),
            (Code::ResourceExhausted, Transient),
            (Code::FailedPrecondition, Permanent),
            (Code::Aborted, Transient),
            (Code::OutOfRange, Permanent),
            (Code::Unimplemented, Permanent),
            (Code::Internal, Transient),
            (Code::Unavailable, Transient),
            (Code::DataLoss, Permanent),
            (Code::Unauthenticated, Setup),
        ];
        for (code, failure) in decided {
            assert_eq!(Failure::of_grpc(code as i32), failure, "{code:?}");
            let error = Error::service(Status::default().set_code(code));
            assert_eq!(Failure::of(&error), failure, "{code:?}");
        }
    }

    #[test]
    fn what_never_reached_the_service_is_transient() {
        assert_eq!(Failure::of(&Error::io("connection reset")), Failure::Transient);
        assert_eq!(Failure::of(&Error::timeout("too slow")), Failure::Transient);
        assert_eq!(Failure::of(&Error::ser("not a number")), Failure::Permanent);
    }

    #[test]
    fn http_statuses() {
        let decided = [
            (400, Failure::Permanent),
            (401, Failure::Setup),
            (404, Failure::Setup),
            (409, Failure::Permanent),
            (429, Failure::Transient),
            (500, Failure::Transient),
            (503, Failure::Transient),
        ];
        for (status, failure) in decided {
            assert_eq!(Failure::of_http(status), failure, "{status}");
        }
    }
}
