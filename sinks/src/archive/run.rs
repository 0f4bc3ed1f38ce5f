//! The pings of a run, one by one, out of its columns.

use prost::bytes::Buf;
use protos::journal::{Disposition, PingRun};

/// The disposition of a ping that could correct nothing any more.
pub(crate) const TOO_LATE: &str = "too_late";

/// One ping of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunPing<'a> {
    /// Encoded `VehiclePing`.
    pub(crate) payload: &'a [u8],
    /// Milliseconds since the Unix epoch.
    pub(crate) receive_time_ms: i64,
    /// In the words of the table.
    pub(crate) disposition: &'static str,
    /// Id at its source, if it has one.
    pub(crate) message_id: Option<&'a str>,
    /// Identity of the ping it took the place of.
    pub(crate) supersedes: Option<&'a str>,
}

impl RunPing<'_> {
    /// Bytes it has in its segment.
    pub(super) fn bytes(&self) -> usize {
        let text = |text: Option<&str>| text.map_or(0, str::len);
        self.payload.len() + text(self.message_id) + text(self.supersedes)
    }
}

/// A run whose columns do not belong together.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RunError {
    /// A column is too long or too short.
    #[error("a run of {pings} pings has {values} {column}")]
    Column {
        /// Payload lengths.
        pings: usize,
        /// Which column.
        column: &'static str,
        /// What it has.
        values: usize,
    },
    /// A disposition this version does not know.
    #[error("ping {index} of a run has the unknown disposition {value}")]
    Disposition {
        /// In the run.
        index: usize,
        /// The wire's number.
        value: i32,
    },
}

/// Walks the columns of `run` in step. Checks beforehand whatever could end
/// the walk half-way.
pub(crate) fn pings(run: &PingRun) -> Result<impl Iterator<Item = RunPing<'_>>, RunError> {
    check(run)?;
    let mut payloads = &run.payloads[..];
    let mut receive_time_ms = run.receive_time_ms;
    let mut supersedes: Vec<(usize, &str)> =
        run.supersedes.iter().map(|it| (it.index as usize, it.identity.as_str())).collect();
    supersedes.sort_unstable();
    let mut supersedes = supersedes.into_iter().peekable();
    let walk = run.payload_lengths.iter().enumerate().map(move |(index, &length)| {
        let (payload, rest) = payloads.split_at(length as usize);
        payloads = rest;
        if index > 0 {
            receive_time_ms = receive_time_ms.wrapping_add(run.receive_time_deltas[index - 1]);
        }
        RunPing {
            payload,
            receive_time_ms,
            disposition: disposition_name(run.dispositions[index]).expect("checked above"),
            message_id: run.message_ids.get(index).map(String::as_str).filter(|id| !id.is_empty()),
            supersedes: supersedes.next_if(|&(of, _)| of == index).map(|(_, identity)| identity),
        }
    });
    Ok(walk)
}

fn check(run: &PingRun) -> Result<(), RunError> {
    let pings = run.payload_lengths.len();
    let expect = |column, values: usize, expected: usize| {
        if values == expected { Ok(()) } else { Err(RunError::Column { pings, column, values }) }
    };
    let bytes: usize = run.payload_lengths.iter().map(|&length| length as usize).sum();
    expect("bytes of payload, unlike its lengths", run.payloads.remaining(), bytes)?;
    expect("dispositions", run.dispositions.len(), pings)?;
    expect("receive time deltas", run.receive_time_deltas.len(), pings.saturating_sub(1))?;
    if !run.message_ids.is_empty() {
        expect("message ids", run.message_ids.len(), pings)?;
    }
    let unknown = run.dispositions.iter().position(|&value| disposition_name(value).is_none());
    match unknown {
        None => Ok(()),
        Some(index) => Err(RunError::Disposition { index, value: run.dispositions[index] }),
    }
}

/// The table's word for a disposition.
fn disposition_name(value: i32) -> Option<&'static str> {
    match Disposition::try_from(value).ok()? {
        Disposition::Unspecified => None,
        Disposition::OnTime => Some("on_time"),
        Disposition::Late => Some("late"),
        Disposition::TooLate => Some(TOO_LATE),
        Disposition::Future => Some("future"),
        Disposition::Ancient => Some("ancient"),
        Disposition::RolloverSuspected => Some("rollover_suspected"),
        Disposition::Superseded => Some("superseded"),
    }
}

#[cfg(test)]
mod tests {
    use protos::journal::Supersedes;

    use super::*;

    fn run() -> PingRun {
        PingRun {
            payloads: b"abbccc"[..].into(),
            payload_lengths: vec![1, 2, 3],
            receive_time_ms: 1000,
            receive_time_deltas: vec![5, -2],
            dispositions: vec![1, 7, 6],
            message_ids: vec!["m0".into(), String::new(), "m2".into()],
            supersedes: vec![Supersedes { index: 2, identity: "ff".into() }],
            ..PingRun::default()
        }
    }

    #[test]
    fn columns_are_walked_in_step() {
        let run = run();
        let ping = |payload, receive_time_ms, disposition, message_id, supersedes| RunPing {
            payload,
            receive_time_ms,
            disposition,
            message_id,
            supersedes,
        };
        assert_eq!(
            pings(&run).unwrap().collect::<Vec<_>>(),
            [
                ping(b"a".as_slice(), 1000, "on_time", Some("m0"), None),
                ping(b"bb".as_slice(), 1005, "superseded", None, None),
                ping(b"ccc".as_slice(), 1003, "rollover_suspected", Some("m2"), Some("ff")),
            ]
        );
    }

    #[test]
    fn columns_that_do_not_belong_together_are_refused() {
        type Damage = fn(&mut PingRun);
        let cases: [(Damage, &str); 5] = [
            (
                |run| run.payloads = b"abbcc"[..].into(),
                "a run of 3 pings has 5 bytes of payload, unlike its lengths",
            ),
            (|run| run.dispositions.truncate(2), "a run of 3 pings has 2 dispositions"),
            (|run| run.receive_time_deltas.push(1), "a run of 3 pings has 3 receive time deltas"),
            (|run| run.message_ids.truncate(2), "a run of 3 pings has 2 message ids"),
            (|run| run.dispositions[1] = 99, "ping 1 of a run has the unknown disposition 99"),
        ];
        for (damage, message) in cases {
            let mut run = run();
            damage(&mut run);
            let error = pings(&run).err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), Some(message));
        }
    }
}
