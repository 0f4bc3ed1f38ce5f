//! Bad days on request: which call goes wrong next, and how.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A kind of call that can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// `CreateWriteStream`.
    CreateWriteStream,
    /// One request on an `AppendRows` connection.
    AppendRows,
    /// `GetWriteStream`.
    GetWriteStream,
    /// `FinalizeWriteStream`.
    FinalizeWriteStream,
    /// `BatchCommitWriteStreams`.
    BatchCommitWriteStreams,
    /// `FlushRows`.
    FlushRows,
    /// Any call to the REST interface, the control calls excepted.
    Rest,
}

/// How a call goes wrong. None of these takes the rows of an append, except
/// [`CutAfter`](Self::CutAfter).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// A gRPC call ends with this status; of an `AppendRows` connection the
    /// whole call.
    Status(Code),
    /// An append is answered with this error, and the connection goes on.
    Answer(Code),
    /// An append is answered with errors for the rows at these indices, as far
    /// as it has them.
    RowErrors(Vec<u32>),
    /// The TCP connection is gone before the append is looked at.
    CutBefore,
    /// The append is carried out, and the TCP connection is gone instead of an
    /// answer.
    CutAfter,
    /// A REST call is answered with this HTTP status, 400 to 599.
    Http(u16),
}

/// The status codes that the service's documentation tells clients to expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "gRPC's own names")]
pub enum Code {
    Cancelled,
    InvalidArgument,
    DeadlineExceeded,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    ResourceExhausted,
    FailedPrecondition,
    Aborted,
    OutOfRange,
    Internal,
    Unavailable,
    Unauthenticated,
}

/// A fault that its call cannot have.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{call:?} cannot go wrong as {fault:?}: {reason}")]
pub struct Misfit {
    call: Call,
    fault: Fault,
    reason: &'static str,
}

/// What is to go wrong, and what was called.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    due: BTreeMap<Call, VecDeque<Due>>,
    delays: BTreeMap<Call, Duration>,
    seen: BTreeMap<Call, u64>,
}

#[derive(Debug)]
struct Due {
    fault: Fault,
    times: u32,
}

impl Fault {
    fn misfit(&self, call: Call) -> Option<&'static str> {
        match (self, call) {
            (Self::Http(status), Call::Rest) if (400..600).contains(status) => None,
            (Self::Http(_), Call::Rest) => Some("an HTTP status of 400 to 599 is due"),
            (Self::Http(_), _) => Some("only REST has HTTP statuses"),
            (_, Call::Rest) => Some("REST goes wrong by an HTTP status"),
            (Self::Status(_), _) | (_, Call::AppendRows) => None,
            _ => Some("only appends go wrong so"),
        }
    }
}

impl Faults {
    /// After those asked for before, the next `times` calls go wrong.
    pub(crate) fn inject(&mut self, call: Call, fault: Fault, times: u32) -> Result<(), Misfit> {
        if let Some(reason) = fault.misfit(call) {
            return Err(Misfit { call, fault, reason });
        }
        self.due.entry(call).or_default().push_back(Due { fault, times });
        Ok(())
    }

    /// Every call takes so much longer; zero ends it.
    pub(crate) fn delay(&mut self, call: Call, delay: Duration) {
        self.delays.insert(call, delay);
    }

    pub(crate) fn clear(&mut self) {
        self.due.clear();
        self.delays.clear();
    }

    pub(crate) fn seen(&self, call: Call) -> u64 {
        self.seen.get(&call).copied().unwrap_or(0)
    }

    /// Counts a call; how long it waits, and what then goes wrong with it.
    pub(crate) fn next(&mut self, call: Call) -> (Duration, Option<Fault>) {
        *self.seen.entry(call).or_default() += 1;
        let due = self.due.entry(call).or_default();
        while due.front().is_some_and(|first| first.times == 0) {
            due.pop_front();
        }
        let fault = due.front_mut().map(|first| {
            first.times -= 1;
            first.fault.clone()
        });
        (self.delays.get(&call).copied().unwrap_or_default(), fault)
    }
}

impl From<Code> for tonic::Code {
    fn from(code: Code) -> Self {
        match code {
            Code::Cancelled => Self::Cancelled,
            Code::InvalidArgument => Self::InvalidArgument,
            Code::DeadlineExceeded => Self::DeadlineExceeded,
            Code::NotFound => Self::NotFound,
            Code::AlreadyExists => Self::AlreadyExists,
            Code::PermissionDenied => Self::PermissionDenied,
            Code::ResourceExhausted => Self::ResourceExhausted,
            Code::FailedPrecondition => Self::FailedPrecondition,
            Code::Aborted => Self::Aborted,
            Code::OutOfRange => Self::OutOfRange,
            Code::Internal => Self::Internal,
            Code::Unavailable => Self::Unavailable,
            Code::Unauthenticated => Self::Unauthenticated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_come_in_the_order_they_were_asked_for() {
        let mut faults = Faults::default();
        let unavailable = Fault::Status(Code::Unavailable);
        faults.inject(Call::AppendRows, unavailable.clone(), 2).unwrap();
        faults.inject(Call::AppendRows, Fault::CutAfter, 1).unwrap();
        let seen: Vec<_> = (0..4).map(|_| faults.next(Call::AppendRows).1).collect();
        assert_eq!(
            seen,
            [Some(unavailable.clone()), Some(unavailable), Some(Fault::CutAfter), None]
        );
        assert_eq!((faults.seen(Call::AppendRows), faults.seen(Call::Rest)), (4, 0));
    }

    #[test]
    fn a_fault_must_suit_its_call() {
        let mut faults = Faults::default();
        for (call, fault, fits) in [
            (Call::Rest, Fault::Http(429), true),
            (Call::Rest, Fault::Http(200), false),
            (Call::Rest, Fault::CutBefore, false),
            (Call::FlushRows, Fault::Status(Code::Internal), true),
            (Call::FlushRows, Fault::Answer(Code::Internal), false),
            (Call::FlushRows, Fault::Http(500), false),
            (Call::AppendRows, Fault::Answer(Code::Internal), true),
            (Call::AppendRows, Fault::RowErrors(vec![0]), true),
        ] {
            assert_eq!(faults.inject(call, fault.clone(), 1).is_ok(), fits, "{call:?} {fault:?}");
        }
    }
}
