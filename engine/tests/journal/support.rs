//! A store that fails on request, and what the tests share.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use engine::journal::{
    Claim, Committed, Fenced, Journal, JournalError, OpenOptions, Standby, Store, WriterId,
    await_quiet, claim,
};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result,
};
use protos::journal::{DeadLetter, Segment, SegmentKind, Snapshot};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

/// What becomes of one put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    Works,
    /// Never arrives; the caller sees an error.
    Lost,
    /// Is applied; the caller sees a time-out.
    AppliedTimeout,
    /// Is applied twice by a retry below: the caller sees `AlreadyExists`.
    AppliedTwice,
    /// Works, as far as the caller sees, and stores a flipped bit.
    Damaged,
}

/// In chaos a listing may show what was there so long ago.
const LISTING_LAG: Duration = Duration::from_secs(5);

/// A store that fails on request. Clones are handles on the same store.
#[derive(Clone, Debug)]
pub(crate) struct Faulty {
    inner: Arc<dyn ObjectStore>,
    plan: Arc<Mutex<Plan>>,
}

#[derive(Debug, Default)]
struct Plan {
    puts: VecDeque<Put>,
    /// So many reads give half a body.
    torn_reads: u32,
    /// So many reads fail.
    failed_reads: u32,
    /// So many writes and deletes work, then nothing does any more.
    mutations_left: Option<u32>,
    /// What every listing shows, whatever is there.
    stale_listing: Option<Vec<ObjectMeta>>,
    /// Chance of everything above, and pauses round each operation.
    chaos: Option<StdRng>,
    /// Short pauses round each operation.
    slow: Option<StdRng>,
    /// What a listing showed, and when: in chaos others show it for a while.
    listed: Option<(Instant, Vec<ObjectMeta>)>,
    /// Names of creates that arrived, in order.
    creates: Vec<String>,
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Faulty({})", self.inner)
    }
}

impl Faulty {
    pub(crate) fn new() -> Self {
        Self::over(Arc::new(InMemory::new()))
    }

    pub(crate) fn over(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, plan: Arc::default() }
    }

    /// Another handle on the same objects with faults of its own.
    pub(crate) fn chaotic(&self, seed: u64) -> Self {
        let another = self.another();
        another.plan().chaos = Some(StdRng::seed_from_u64(seed));
        another
    }

    /// Another handle on the same objects, which answers when it likes.
    pub(crate) fn slow(&self, seed: u64) -> Self {
        let another = self.another();
        another.plan().slow = Some(StdRng::seed_from_u64(seed));
        another
    }

    /// Another handle on the same objects, with no faults yet.
    pub(crate) fn another(&self) -> Self {
        Self::over(Arc::clone(&self.inner))
    }

    pub(crate) fn store(&self) -> Store {
        Store::shared(Arc::new(self.clone()))
    }

    pub(crate) fn next_puts(&self, puts: impl IntoIterator<Item = Put>) {
        self.plan().puts.extend(puts);
    }

    pub(crate) fn tear_reads(&self, reads: u32) {
        self.plan().torn_reads = reads;
    }

    pub(crate) fn fail_reads(&self, reads: u32) {
        self.plan().failed_reads = reads;
    }

    pub(crate) fn die_after(&self, mutations: u32) {
        self.plan().mutations_left = Some(mutations);
    }

    pub(crate) fn revive(&self) {
        self.plan().mutations_left = None;
    }

    pub(crate) async fn freeze_listing(&self) {
        let listed = self.inner.list(None).try_collect().await.unwrap();
        self.plan().stale_listing = Some(listed);
    }

    pub(crate) fn thaw_listing(&self) {
        self.plan().stale_listing = None;
    }

    pub(crate) fn creates(&self) -> Vec<String> {
        self.plan().creates.clone()
    }

    /// The object as it is, past all faults.
    pub(crate) async fn raw(&self, name: &str) -> Option<Bytes> {
        Some(self.inner.get(&Path::from(name)).await.ok()?.bytes().await.unwrap())
    }

    pub(crate) async fn overwrite(&self, name: &str, bytes: impl Into<Bytes>) {
        self.inner.put(&Path::from(name), bytes.into().into()).await.unwrap();
    }

    pub(crate) async fn remove(&self, name: &str) {
        self.inner.delete(&Path::from(name)).await.unwrap();
    }

    /// Names under `prefix`, sorted.
    pub(crate) async fn names(&self, prefix: &str) -> Vec<String> {
        let listed = self.inner.list(Some(&Path::from(prefix)));
        let mut names: Vec<String> =
            listed.map_ok(|meta| meta.location.to_string()).try_collect().await.unwrap();
        names.sort();
        names
    }

    fn plan(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.plan.lock().unwrap()
    }

    /// A pause in paused time: orders racing workers by the seed alone.
    async fn dawdle(&self) {
        if let Some(pause) = self.draw_pause() {
            tokio::time::sleep(pause).await;
        }
    }

    fn draw_pause(&self) -> Option<Duration> {
        let plan = &mut *self.plan();
        let (random, may_be_held_up) = match (&mut plan.chaos, &mut plan.slow) {
            (Some(random), _) => (random, true),
            (None, Some(random)) => (random, false),
            (None, None) => return None,
        };
        // Now and then a worker is held up for longer than any standby waits.
        let is_held_up = may_be_held_up && random.random_range(0..60) == 0;
        let longest = if is_held_up { 120_000 } else { 300 };
        Some(Duration::from_millis(random.random_range(0..longest)))
    }

    /// What a listing shows instead of what is there.
    fn stale_listing(&self) -> Option<Vec<ObjectMeta>> {
        let plan = &mut *self.plan();
        if let Some(random) = &mut plan.chaos {
            let (at, listed) = plan.listed.as_ref()?;
            let lags = at.elapsed() < LISTING_LAG && random.random_range(0..2) == 0;
            return lags.then(|| listed.clone());
        }
        plan.stale_listing.clone()
    }

    async fn list_anew(&self) -> Result<Vec<ObjectMeta>> {
        let listed: Vec<ObjectMeta> = self.inner.list(None).try_collect().await?;
        self.plan().listed = Some((Instant::now(), listed.clone()));
        Ok(listed)
    }

    fn draw_put(&self) -> Put {
        let mut plan = self.plan();
        if let Some(random) = &mut plan.chaos {
            return match random.random_range(0..20) {
                0 => Put::Lost,
                1 => Put::AppliedTimeout,
                2 => Put::AppliedTwice,
                _ => Put::Works,
            };
        }
        plan.puts.pop_front().unwrap_or(Put::Works)
    }

    fn mutate(&self) -> Result<()> {
        match &mut self.plan().mutations_left {
            Some(0) => Err(fault("the process is dead")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

fn fault(message: &str) -> Error {
    Error::Generic { store: "faulty", source: message.to_owned().into() }
}

fn damaged(payload: PutPayload) -> PutPayload {
    let mut bytes = Vec::from(Bytes::from(payload));
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    bytes.into()
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.dawdle().await;
        if options.mode == PutMode::Create {
            self.plan().creates.push(location.to_string());
        }
        self.mutate()?;
        let put = self.draw_put();
        if put == Put::Lost {
            return Err(fault("lost on the way"));
        }
        let payload = if put == Put::Damaged { damaged(payload) } else { payload };
        let result = self.inner.put_opts(location, payload, options).await;
        self.dawdle().await;
        let result = result?;
        match put {
            Put::AppliedTimeout => Err(fault("timed out")),
            Put::AppliedTwice => {
                Err(Error::AlreadyExists { path: location.to_string(), source: "own write".into() })
            }
            Put::Works | Put::Damaged | Put::Lost => Ok(result),
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.dawdle().await;
        let torn = {
            let mut plan = self.plan();
            if plan.failed_reads > 0 {
                plan.failed_reads -= 1;
                return Err(fault("connection reset"));
            }
            let torn = plan.torn_reads > 0 && !options.head;
            plan.torn_reads -= u32::from(torn);
            torn
        };
        let mut result = self.inner.get_opts(location, options).await?;
        if torn {
            let meta = result.meta.clone();
            let attributes = result.attributes.clone();
            let extensions = result.extensions.clone();
            let whole = result.bytes().await?;
            let half = whole.slice(..whole.len() / 2);
            let range = 0..half.len() as u64;
            let payload =
                GetResultPayload::Stream(futures::stream::once(async move { Ok(half) }).boxed());
            result = GetResult { payload, meta, range, attributes, extensions };
        }
        Ok(result)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let this = self.clone();
        locations
            .then(move |location| {
                let this = this.clone();
                async move {
                    let location = location?;
                    this.dawdle().await;
                    this.mutate()?;
                    this.inner.delete(&location).await?;
                    Ok(location)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (this, prefix) = (self.clone(), prefix.cloned().unwrap_or_default());
        let listing = async move {
            let all = match this.stale_listing() {
                Some(stale) => stale,
                None => this.list_anew().await?,
            };
            let shown = all.into_iter().filter(move |meta| meta.location.prefix_matches(&prefix));
            Ok::<_, Error>(futures::stream::iter(shown.map(Ok)))
        };
        futures::stream::once(listing).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

pub(crate) const FIRST_SEQ: u64 = 1_000;

pub(crate) fn options() -> OpenOptions {
    OpenOptions {
        shard: 0,
        shards: 1,
        first_seq: FIRST_SEQ,
        created_at_ms: 1_480_000_000_000,
        writer: WriterId::random(),
        standby: Standby::ExclusiveLock,
        set_aside_tail: false,
    }
}

/// A segment that can be told from others.
pub(crate) fn marked(mark: &str) -> Segment {
    let letter = DeadLetter { reason: mark.to_owned(), ..DeadLetter::default() };
    Segment { dead_letters: vec![letter], ..Segment::default() }
}

pub(crate) fn mark_of(segment: &Segment) -> &str {
    segment.dead_letters.first().map_or("", |letter| letter.reason.as_str())
}

/// The marks of a journal's data segments, as re-applying finds them.
pub(crate) async fn reapply(claim: &mut Claim) -> std::result::Result<Vec<String>, JournalError> {
    let mut marks = Vec::new();
    while let Some(segment) = claim.next_segment().await? {
        if segment.kind() == SegmentKind::Data {
            marks.push(mark_of(&segment).to_owned());
        }
    }
    Ok(marks)
}

/// The options of whoever has stood by, whatever happens meanwhile.
pub(crate) fn waited() -> OpenOptions {
    waited_until(u64::MAX)
}

/// The options of whoever has seen the journal stand still at this tail.
pub(crate) fn waited_until(tail: u64) -> OpenOptions {
    OpenOptions { standby: Standby::Waited { tail }, ..options() }
}

/// Stands by for `quiet`, then begins to claim.
pub(crate) async fn take_over(
    store: Store,
    quiet: Duration,
) -> std::result::Result<Claim, JournalError> {
    let tails = await_quiet(&store, &[0], quiet, quiet / 10).await?;
    claim(store, waited_until(tails[0])).await
}

/// Claims, re-applies, and fences where nobody else is there.
pub(crate) async fn own_with(store: Store, options: OpenOptions) -> (Journal, Vec<String>) {
    let mut claim = claim(store, options).await.unwrap();
    let marks = reapply(&mut claim).await.unwrap();
    match claim.fence(Segment::default()).await.unwrap() {
        Fenced::Won(journal, _) => (*journal, marks),
        Fenced::Behind(segment) => panic!("nobody else is there: {segment:?}"),
    }
}

pub(crate) async fn own(store: Store) -> Journal {
    own_with(store, options()).await.0
}

pub(crate) async fn commit(journal: &mut Journal, mark: &str) -> Committed {
    journal.commit(marked(mark)).await.unwrap()
}

pub(crate) fn snapshot_at(journal: &Journal, seq: u64) -> Snapshot {
    Snapshot {
        journal_id: journal.journal_id().to_owned(),
        seq,
        epoch: journal.epoch(),
        core: Bytes::from(format!("state after {seq}")),
        ..Snapshot::default()
    }
}

pub(crate) fn segment_name(seq: u64) -> String {
    format!("shard-0/journal/{seq:020}")
}

pub(crate) fn snapshot_name(seq: u64) -> String {
    format!("shard-0/snapshots/{seq:020}")
}
