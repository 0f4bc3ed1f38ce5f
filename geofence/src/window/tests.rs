use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::chunk::CHUNK_FIXES;
use super::*;
use crate::Position;

fn fix(random: &mut StdRng, t: i64) -> Fix {
    let far = random.random_bool(0.02);
    Fix {
        identity: Identity(random.random()),
        t: TimeMs(t),
        received: TimeMs(t + random.random_range(-60_000..3_000_000)),
        seq: if far { random.random() } else { random.random_range(0..1 << 40) },
        position: Position { lat: random.random(), lon: random.random() },
        accuracy: random.random_bool(0.8).then(|| random.random::<f32>()).into(),
        speed_mps: random.random_bool(0.8).then(|| random.random::<f32>() - 0.5).into(),
        engine: [None, Some(false), Some(true)][random.random_range(0..3)],
    }
}

/// The same as a plain list.
#[derive(Default)]
struct Model(Vec<Fix>);

impl Model {
    fn insert(&mut self, fix: Fix) -> Inserted {
        let start = self.0.partition_point(|known| known.t < fix.t);
        let end = self.0.partition_point(|known| known.t <= fix.t);
        let same_time = &self.0[start..end];
        if same_time.iter().any(|known| known.identity == fix.identity) {
            return Inserted::Duplicate;
        }
        match same_time.first().copied() {
            None => {
                self.0.insert(end, fix);
                Inserted::New
            }
            Some(winner) if fix.wins_over(&winner) => {
                self.0.insert(start, fix);
                Inserted::Supersedes(winner.identity)
            }
            Some(_) => {
                self.0.insert(end, fix);
                Inserted::Superseded
            }
        }
    }

    fn winners(&self, after: i64, through: i64) -> Vec<Fix> {
        let mut of_span = self.0.clone();
        of_span.retain(|fix| after < fix.t.0 && fix.t.0 <= through);
        of_span.dedup_by_key(|fix| fix.t);
        of_span
    }
}

#[test]
fn a_window_is_a_sorted_list_whatever_the_order() {
    for seed in 0..200 {
        let mut random = StdRng::seed_from_u64(seed);
        let (mut window, mut model) = (Window::default(), Model::default());
        let mut spares = SpareChunks::default();
        let spread = [1, 30, 1_000, 1 << 40][random.random_range(0..4)];
        for step in 0..300 {
            let t = step * [0, 1, 10][random.random_range(0..3)] + random.random_range(0..spread);
            let again = random.random_bool(0.1).then(|| model.0.first().copied()).flatten();
            let fix = again.unwrap_or_else(|| fix(&mut random, t));
            assert_eq!(window.insert(&fix, &mut spares), model.insert(fix), "seed {seed}");
            if random.random_bool(0.05) {
                let through = random.random_range(0..spread);
                window.forget_through(TimeMs(through), &mut spares);
                model.0.retain(|fix| fix.t.0 > through);
            }
            assert_eq!(window.len(), model.0.len());
            assert!(window.fixes().eq(model.0.iter().copied()), "seed {seed}");
            let (after, through) = (random.random_range(0..spread), random.random_range(0..spread));
            let winners: Vec<Fix> = window.winners(TimeMs(after), TimeMs(through)).collect();
            assert_eq!(winners, model.winners(after, through), "seed {seed}");
            let first = window.first_winner(TimeMs(after), TimeMs(through));
            assert_eq!(first, winners.first().copied(), "seed {seed}");
            let next = model.winners(after, i64::MAX).first().map(|fix| fix.t);
            assert_eq!(window.next_after(TimeMs(after)), next, "seed {seed}");
        }
        assert!(Window::restore(model.0.clone()).fixes().eq(model.0));
    }
}

#[test]
fn numbers_at_the_ends_of_their_range_come_back() {
    let mut random = StdRng::seed_from_u64(1);
    let mut fixes: Vec<Fix> = Vec::new();
    for t in [i64::MIN, -1, 0, 1, i64::MAX] {
        for received in [i64::MIN, 0, i64::MAX] {
            for seq in [0, 1, 1 << 29, (1 << 29) + 1, u64::MAX] {
                let (t, received) = (TimeMs(t), TimeMs(received));
                let accuracy = Some([f32::INFINITY, 0.0, -0.0][fixes.len() % 3]).into();
                fixes.push(Fix { t, received, seq, accuracy, ..fix(&mut random, 0) });
            }
        }
    }
    assert!(Window::restore(fixes.clone()).fixes().eq(fixes));
}

#[test]
fn chunks_are_used_again() {
    let mut random = StdRng::seed_from_u64(2);
    let (mut window, mut spares) = (Window::default(), SpareChunks::default());
    for t in 0..10 * CHUNK_FIXES as i64 {
        window.insert(&fix(&mut random, t), &mut spares);
    }
    window.forget_through(TimeMs::MAX, &mut spares);
    assert_eq!(window.len(), 0);
    assert!(spares.0.len() >= 10);
}
