//! Whole histories of a shard: a world's pings in some order, with everything
//! else that a journal may hold, and memory that is short.

use std::sync::Arc;

use geofence::{FenceSet, Input, OnSilence, Ping, PingRun, Settings, SourceState, TimeMs};

use super::random::Random;
use super::worlds::{Delivery, World};

/// One segment's input, and its clock.
pub(crate) type Segment = (Vec<Input>, TimeMs);

/// What a shard took in.
pub(crate) struct History {
    pub(crate) settings: Settings,
    pub(crate) segments: Vec<Segment>,
    /// Settings change on the way.
    is_changing: bool,
}

impl History {
    /// The world's in the order of `seed`.
    pub(crate) fn of(world: &World, seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0xD1FF);
        let Delivery { settings, segments: delivered } = world.delivered(seed);
        let settings = Settings {
            forget_after_ms: *random.pick(&[settings.forget_after_ms, 1_200_000]),
            vehicles_max: *random.pick(&[1, 10, 10, 10]),
            hot_bytes_max: *random.pick(&[4_000, 1 << 30, 1 << 30]),
            ..settings
        };
        let is_marked = random.chance(0.6);
        let is_changing = random.chance(0.5);
        let set = Arc::new(FenceSet::new(world.fences.clone()).unwrap());
        let mut segments = vec![(vec![Input::Fences { set, valid_from: TimeMs::MIN }], TimeMs(0))];
        for mut segment in delivered {
            for input in &mut segment.inputs {
                let Input::Pings(run) = input else { continue };
                run.source = random.whole(2) as u32;
                if is_marked {
                    run.low_mark = Some(segment.now);
                }
            }
            if random.chance(0.03) {
                segment.inputs.push(said_of_a_source(&mut random, segment.now));
            }
            if is_changing && random.chance(0.05) {
                segment.inputs.push(Input::Settings(changed(&mut random, &settings)));
            }
            if is_changing && random.chance(0.02) {
                segment.inputs.push(announced(&mut random, world, segment.now));
            }
            segments.push((segment.inputs, segment.now));
            if random.chance(0.2) {
                // A moment in which no ping comes, and maybe a low mark.
                let mark = is_marked.then(|| mark_alone(&mut random, segment.now));
                segments.push((
                    mark.into_iter().collect(),
                    segment.now.plus(random.whole(3_000) as i64),
                ));
            }
        }
        let end = TimeMs(world.end_ms);
        segments.push((vec![Input::End { end }], TimeMs::MIN));
        Self { settings, segments, is_changing }
    }

    /// Whether a vehicle's window may be shorter than the hot lateness that the
    /// history begins with.
    pub(crate) fn may_cut_windows(&self) -> bool {
        self.is_changing
            || self.settings.hot_bytes_max < 1 << 30
            || self.settings.vehicles_max == 1
            || self.forgets()
    }

    /// Whether vehicles are forgotten on the way.
    pub(crate) fn forgets(&self) -> bool {
        self.settings.forget_after_ms < 24 * 3_600_000
    }

    /// The pings of the segment with this index.
    pub(crate) fn pings_of(&self, segment: usize) -> impl Iterator<Item = &Ping> {
        let inputs = self.segments.get(segment).map_or(&[][..], |(inputs, _)| inputs);
        inputs.iter().flat_map(|input| match input {
            Input::Pings(run) => run.pings.as_slice(),
            _ => &[],
        })
    }
}

fn mark_alone(random: &mut Random, low_mark: TimeMs) -> Input {
    let (source, low_mark) = (random.whole(2) as u32, Some(low_mark));
    Input::Pings(PingRun { source, low_mark, ..PingRun::default() })
}

fn said_of_a_source(random: &mut Random, at: TimeMs) -> Input {
    let source = random.whole(2) as u32;
    let stalled = random.chance(0.5);
    Input::Source(SourceState { source, name: format!("source-{source}"), stalled, at })
}

fn changed(random: &mut Random, settings: &Settings) -> Settings {
    let mut changed = settings.clone();
    match random.whole(5) {
        0 => changed.on_silence = *random.pick(&[OnSilence::Wait, OnSilence::Assume]),
        1 => changed.exit_confirm = 1 + random.whole(3) as u32,
        2 => changed.hot_lateness_ms = *random.pick(&[60_000, 900_000, 3_600_000]),
        3 => changed.dwell_s = random.pick(&[vec![], vec![30], vec![60, 900]]).clone(),
        _ => changed.reorder_delay_ms = *random.pick(&[0, 2_000, 60_000]),
    }
    changed
}

/// Other fences of the world, from some time on that is yet to come.
fn announced(random: &mut Random, world: &World, now: TimeMs) -> Input {
    let later = world.changes.iter().map(|(_, fences)| fences);
    let sets: Vec<_> = later.chain([&world.fences]).collect();
    let set = Arc::new(FenceSet::new((*random.pick(&sets)).clone()).unwrap());
    Input::Fences { set, valid_from: now.plus(random.whole(600_000) as i64) }
}
