//! Independent pieces of work on the cores there are.
//!
//! For making what is immutable, fences and their index, off the hot path, and
//! for a state that comes back before the first apply; an apply never comes
//! here. What comes out depends neither on how many threads
//! there are nor on which of them does what: every piece is worked on alone,
//! and results are put in the order of the pieces.

use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ScopedJoinHandle};

/// More are not used, however many cores there are: what remains to be done by
/// one thread is then most of the time, and others have work for the cores.
const THREADS_MAX: usize = 4;
/// Fewer pieces are not worth a thread, which takes some 50 µs to come and go.
const PIECES_MIN: usize = 8;
/// Pieces are taken in batches, of which each thread gets about so many: enough
/// for all to end at about the same time.
const BATCHES_PER_THREAD: usize = 32;

/// Which cores there are to be had.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cores {
    /// All of them: no shard works yet.
    All,
    /// All but one, which is left to the shards that work meanwhile.
    Spare,
}

impl Cores {
    /// Threads for so many pieces of work.
    fn threads(self, pieces: usize) -> usize {
        let all = thread::available_parallelism().map_or(1, NonZero::get);
        let count = match self {
            Self::All => all,
            Self::Spare => all - 1,
        };
        if pieces < PIECES_MIN { 1 } else { count.clamp(1, THREADS_MAX) }
    }
}

/// What `work` makes of each of `pieces`, in their order. Every thread works
/// with a `desk` of its own, for what it wants to use again.
pub(crate) fn map<T: Sync, D, R: Send>(
    cores: Cores,
    pieces: &[T],
    desk: impl Fn() -> D + Sync,
    work: impl Fn(&mut D, usize, &T) -> R + Sync,
) -> Vec<R> {
    map_beside(cores, pieces, desk, work, || ()).0
}

/// [`map`], and what comes of one more piece of work, of another kind.
pub(crate) fn map_beside<T: Sync, D, R: Send, B: Send>(
    cores: Cores,
    pieces: &[T],
    desk: impl Fn() -> D + Sync,
    work: impl Fn(&mut D, usize, &T) -> R + Sync,
    beside: impl FnOnce() -> B + Send,
) -> (Vec<R>, B) {
    on(cores.threads(pieces.len()), pieces, desk, work, beside)
}

/// [`map_beside`] on `count` threads, of which this is one.
fn on<T: Sync, D, R: Send, B: Send>(
    count: usize,
    pieces: &[T],
    desk: impl Fn() -> D + Sync,
    work: impl Fn(&mut D, usize, &T) -> R + Sync,
    beside: impl FnOnce() -> B + Send,
) -> (Vec<R>, B) {
    if count == 1 {
        let (beside, mut desk) = (beside(), desk());
        let made = pieces.iter().enumerate().map(|(i, piece)| work(&mut desk, i, piece));
        return (made.collect(), beside);
    }
    let size = (pieces.len() / (count * BATCHES_PER_THREAD)).max(1);
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let worker = || {
        let mut desk = desk();
        loop {
            let first = next.fetch_add(size, Ordering::Relaxed);
            let Some(rest) = pieces.get(first..).filter(|rest| !rest.is_empty()) else { break };
            let batch = (first..).zip(&rest[..size.min(rest.len())]);
            let made: Vec<R> = batch.map(|(i, piece)| work(&mut desk, i, piece)).collect();
            done.lock().expect("no thread panics with the lock").push((first, made));
            // Whoever waits for a core waits for no more than a batch: shards
            // have work that is more urgent.
            thread::yield_now();
        }
    };
    let beside = thread::scope(|scope| {
        let beside = scope.spawn(|| {
            let beside = beside();
            worker();
            beside
        });
        let others: Vec<_> = (2..count).map(|_| scope.spawn(worker)).collect();
        worker();
        // Joined by hand, so that it is a piece's own panic that goes on.
        others.into_iter().for_each(joined);
        joined(beside)
    });
    let mut done = done.into_inner().expect("no thread panics with the lock");
    done.sort_unstable_by_key(|batch| batch.0);
    (done.into_iter().flat_map(|batch| batch.1).collect(), beside)
}

fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn however_many_threads_there_are_the_results_are_the_same(
            pieces in prop::collection::vec(any::<u32>(), 0..300),
            count in 1_usize..6,
        ) {
            let work = |worked: &mut u64, i: usize, piece: &u32| {
                *worked += 1;
                (i, u64::from(*piece) * 3)
            };
            let (made, beside) = on(count, &pieces, || 0, work, || "beside");
            let alone: Vec<(usize, u64)> =
                pieces.iter().map(|piece| u64::from(*piece) * 3).enumerate().collect();
            prop_assert_eq!((made, beside), (alone, "beside"));
        }
    }

    #[test]
    #[should_panic(expected = "piece 40")]
    fn a_panic_of_a_piece_is_not_lost() {
        let pieces: Vec<u32> = (0..100).collect();
        let work = |(): &mut (), _, piece: &u32| assert!(*piece != 40, "piece {piece}");
        on(3, &pieces, || (), work, || ());
    }
}
