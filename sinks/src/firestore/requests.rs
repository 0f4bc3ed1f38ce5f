//! Requests as the writer makes them: in batches, each document's own answer
//! read, and a document that spoils its batch found and set apart.

use std::sync::Arc;

use tonic::{Code, Status};

use super::Layout;
use super::client::{Client, WriteStatus};
use super::codec;
use super::tracker::{Read, Write};

/// What came of a request.
#[derive(Debug)]
pub(super) enum Answer {
    /// Whether the collection was found to be empty.
    Probed(Result<bool, Status>),
    /// Each document with what was read of it.
    Read(Vec<(Arc<str>, Read)>, Option<Status>),
    /// Each document with what became of it, and what ended the request early
    /// if anything did.
    Written(Vec<(Write, Verdict)>, Option<Status>),
}

/// What became of the write of a document.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verdict {
    /// The document was judged by itself.
    Judged(WriteStatus),
    /// The request failed as a whole.
    Unknown,
}

/// Reads the documents `ids`. As with writes, a document that spoils the
/// request is found by halves.
pub(super) async fn read(client: &Client, layout: Layout, ids: Vec<Arc<str>>) -> Answer {
    let mut done = Vec::with_capacity(ids.len());
    let mut failure = None;
    let mut parts = vec![ids];
    while let Some(part) = parts.pop() {
        match client.read(part.iter().map(|id| &**id)).await {
            Ok(mut found) => done.extend(part.into_iter().map(|id| {
                let read = match found.remove(&*id) {
                    None => Read::Missing,
                    Some(document) => match document.update_time {
                        Some(at) => Read::Found(at, codec::read(layout, document)),
                        // Firestore gives every document its time.
                        None => Read::Again,
                    },
                };
                (id, read)
            })),
            Err(status) if is_about_a_document(&status) => match halves(part) {
                Ok(halves) => parts.extend(halves),
                Err(at_fault) => done.extend(at_fault.map(|id| (id, Read::Never))),
            },
            Err(status) => {
                let rest = part.into_iter().chain(parts.drain(..).flatten());
                done.extend(rest.map(|id| (id, Read::Again)));
                failure = Some(status);
            }
        }
    }
    Answer::Read(done, failure)
}

/// Makes `writes`. A request that is refused as a whole for what is in it is
/// halved until the document at fault stands alone.
pub(super) async fn write(
    client: &Client,
    layout: Layout,
    shard: u32,
    writes: Vec<Write>,
) -> Answer {
    let mut done = Vec::with_capacity(writes.len());
    let mut failure = None;
    let mut parts = vec![writes];
    while let Some(part) = parts.pop() {
        let encode = |write: &Write| {
            codec::write(layout, client.name(&write.id), shard, write.guard, &write.positions)
        };
        match client.write(part.iter().map(encode).collect()).await {
            Ok(statuses) => {
                done.extend(part.into_iter().zip(statuses.into_iter().map(Verdict::Judged)));
            }
            Err(status) if is_about_a_document(&status) => {
                let judged =
                    Verdict::Judged(WriteStatus { code: status.code(), update_time: None });
                match halves(part) {
                    Ok(halves) => parts.extend(halves),
                    Err(at_fault) => done.extend(at_fault.map(|write| (write, judged))),
                }
            }
            Err(status) => {
                let rest = part.into_iter().chain(parts.drain(..).flatten());
                done.extend(rest.map(|write| (write, Verdict::Unknown)));
                failure = Some(status);
            }
        }
    }
    Answer::Written(done, failure)
}

/// The halves of what a request asked for, the later one first; of a single
/// document, which is the one at fault, itself.
fn halves<T>(mut part: Vec<T>) -> Result<[Vec<T>; 2], Option<T>> {
    if part.len() > 1 {
        let later = part.split_off(part.len() / 2);
        return Ok([later, part]);
    }
    Err(part.pop())
}

/// Whether a request was refused for something in it, and not for what the
/// service, the database or the caller is.
fn is_about_a_document(status: &Status) -> bool {
    matches!(status.code(), Code::InvalidArgument | Code::OutOfRange)
}
