//! The rows of the report: what is measured against what.

use super::case::{Case, Who};
use super::core::{Core, Rules, WINDOW_MIN};
use super::decode::Decode;
use super::fences::Fences;
use super::file::{File, Profile};
use super::goal::Goal;
use super::http::Http;
use super::index::Index;
use super::parquet::{Parquet, Table};
use super::pubsub::Pubsub;
use super::recovery::Recovery;
use super::reload::Reload;
use super::sample::Sample;
use super::scaling;
use super::scratch::World;
use super::section::Section;
use super::size::Size;
use super::units::{self, count};

/// One line of a table.
pub(super) struct Row {
    pub(super) section: Section,
    pub(super) what: String,
    pub(super) figure: Figure,
    pub(super) ours: Case,
    pub(super) floor: Option<Case>,
    pub(super) baseline: Option<Case>,
    pub(super) goal: Option<Goal>,
    /// Where it stands on a curve of [`Section::Scaling`].
    pub(super) point: Option<scaling::Point>,
}

/// What of a sample is shown, for each operation unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figure {
    Cpu,
    /// CPU of the core alone.
    CoreCpu,
    Wall,
    Bytes,
    /// Of one apply.
    ApplyMedian,
    ApplyP99,
    TakeUp,
}

impl Figure {
    pub(super) fn of(self, sample: &Sample) -> f64 {
        let all = match self {
            Self::Cpu => sample.cpu_s,
            Self::CoreCpu => sample.core_cpu_s,
            Self::Wall => sample.wall_s,
            Self::Bytes => sample.bytes as f64,
            Self::ApplyMedian => return sample.applies.median_s,
            Self::ApplyP99 => return sample.applies.p99_s,
            Self::TakeUp => return sample.applies.take_up_s,
        };
        all / sample.operations as f64
    }

    pub(super) fn text(self, value: f64) -> String {
        if self == Self::Bytes { units::bytes(value) } else { units::time(value) }
    }
}

impl Row {
    pub(super) fn new(section: Section, what: impl Into<String>, ours: Case) -> Self {
        Self {
            section,
            what: what.into(),
            figure: Figure::Cpu,
            ours,
            floor: None,
            baseline: None,
            goal: None,
            point: None,
        }
    }

    fn figure(self, figure: Figure) -> Self {
        Self { figure, ..self }
    }

    fn above(self, floor: Case) -> Self {
        Self { floor: Some(floor), ..self }
    }

    fn beside(self, baseline: Case) -> Self {
        Self { baseline: Some(baseline), ..self }
    }

    fn goal(self, goal: Goal) -> Self {
        Self { goal: Some(goal), ..self }
    }

    /// What must be measured for it.
    pub(super) fn cases(&self) -> impl Iterator<Item = &Case> {
        [Some(&self.ours), self.floor.as_ref(), self.baseline.as_ref()].into_iter().flatten()
    }
}

/// The rows of `sections`.
pub(super) fn of(sections: &[Section], size: &Size, world: &World) -> Vec<Row> {
    let rows = |section: &Section| match section {
        Section::Decode => decode(size),
        Section::Index => index(size),
        Section::Core => core(size),
        Section::File => file(world),
        Section::Http => http(size),
        Section::Pubsub => pubsub(size),
        Section::Parquet => parquet(world),
        Section::Recovery => recovery(size, world),
        Section::Fences => fences(size),
        Section::Scaling => scaling::rows(size),
    };
    sections.iter().flat_map(rows).collect()
}

fn decode(size: &Size) -> Vec<Row> {
    let case = |who| Case::Decode(Decode { who, batches: size.batches });
    let row = Row::new(Section::Decode, "decode and admit", case(Who::Ours));
    vec![row.above(case(Who::Floor)).beside(case(Who::Naive))]
}

fn index(size: &Size) -> Vec<Row> {
    let row = |(fences, times): (&u32, f64)| {
        let case = |who| Case::Index(Index { who, fences: *fences, places: size.places });
        Row::new(Section::Index, format!("{} fences", count(*fences)), case(Who::Ours))
            .beside(case(Who::Naive))
            .goal(Goal::Faster(times))
    };
    size.fences.iter().zip([15.0, 15.0, 10.0]).map(row).collect()
}

fn core(size: &Size) -> Vec<Row> {
    let [few, many, very_many] = size.fences;
    let core = |rules, fences, late_percent| {
        let Size { vehicles, warm_up, measured, .. } = *size;
        let (corners, window_min) = (None, WINDOW_MIN);
        Core { rules, vehicles, fences, late_percent, corners, window_min, warm_up, measured }
    };
    let cold = |rules| {
        let usual = core(rules, few, 0);
        Case::Core(Core { vehicles: size.vehicles_cold, warm_up: 0, measured: 5, ..usual })
    };
    let case = |rules, fences, late_percent| Case::Core(core(rules, fences, late_percent));
    let row = |what: String, ours| Row::new(Section::Core, what, ours);
    let fleet = |fences| format!("{} vehicles, {} fences", count(size.vehicles), count(fences));
    let naive = |fences| case(Rules::Naive, fences, 0);
    let (plain, robust) = (case(Rules::Plain, few, 0), case(Rules::Robust, few, 0));
    let decode = Case::Decode(Decode { who: Who::Ours, batches: size.batches });
    vec![
        row(format!("{}, plain", fleet(few)), plain.clone())
            .above(decode.clone())
            .beside(naive(few))
            .goal(Goal::AtMost(0.13e-6)),
        row(format!("{}, robust", fleet(few)), robust.clone())
            .above(decode)
            .beside(naive(few))
            .goal(Goal::AtMost(0.17e-6)),
        row("… robust beside plain".to_owned(), robust.clone())
            .beside(plain.clone())
            .goal(Goal::Share(1.4)),
        row("… `Detector::apply` alone, plain".to_owned(), plain)
            .figure(Figure::CoreCpu)
            .beside(naive(few)),
        row("… `Detector::apply` alone, robust".to_owned(), robust)
            .figure(Figure::CoreCpu)
            .beside(naive(few)),
        row("… plain, 10 % up to 10 min late".to_owned(), case(Rules::Plain, few, 10))
            .beside(case(Rules::Naive, few, 10)),
        row("… robust, 10 % up to 10 min late".to_owned(), case(Rules::Robust, few, 10))
            .beside(case(Rules::Naive, few, 10)),
        row(format!("{}, robust", fleet(many)), case(Rules::Robust, many, 0))
            .beside(naive(many))
            .goal(Goal::AtMost(0.25e-6)),
        row(format!("{}, robust", fleet(very_many)), case(Rules::Robust, very_many, 0))
            .beside(naive(very_many)),
        row(
            format!(
                "{} vehicles from cold, 5 pings each, {} fences, robust",
                count(size.vehicles_cold),
                count(few)
            ),
            cold(Rules::Robust),
        )
        .beside(cold(Rules::Naive))
        .goal(Goal::AtMost(0.45e-6)),
    ]
}

fn file(world: &World) -> Vec<Row> {
    let case = |who, profile| Case::File(File { who, profile, shards: 1, world: world.clone() });
    // The baseline and the floor know no profiles.
    let other = |who| case(who, Profile::Plain);
    [("plain", Profile::Plain), ("robust", Profile::Robust)]
        .map(|(name, profile)| {
            Row::new(Section::File, format!("{}, {name}", world.name()), case(Who::Ours, profile))
                .above(other(Who::Floor))
                .beside(other(Who::Naive))
                .goal(Goal::AtMost(0.8e-6))
        })
        .into()
}

fn http(size: &Size) -> Vec<Row> {
    let Size { vehicles, fences: [fences, ..], http_rounds: rounds, .. } = *size;
    let case = |who| Case::Http(Http { who, vehicles, fences, rounds });
    let what = format!("{} pings of {} vehicles", count(vehicles * rounds), count(vehicles));
    let row = Row::new(Section::Http, what, case(Who::Ours));
    vec![row.above(case(Who::Floor)).beside(case(Who::Naive))]
}

fn pubsub(size: &Size) -> Vec<Row> {
    let Size { vehicles, fences: [fences, ..], pubsub_rounds: rounds, .. } = *size;
    let case = |who| Case::Pubsub(Pubsub { who, vehicles, fences, rounds });
    let what = format!("{} messages of {} vehicles", count(vehicles * rounds), count(vehicles));
    let row = Row::new(Section::Pubsub, what, case(Who::Ours));
    vec![row.above(case(Who::Floor)).beside(case(Who::Naive)).goal(Goal::AtMost(2e-6))]
}

fn parquet(world: &World) -> Vec<Row> {
    let rows = |(name, table): (&str, Table)| {
        let case = |who| Case::Parquet(Parquet { who, world: world.clone(), table });
        let row = |what: &str, figure| {
            Row::new(Section::Parquet, format!("{}, {name}, {what}", world.name()), case(Who::Ours))
                .figure(figure)
                .beside(case(Who::Naive))
                .goal(Goal::Share(0.65))
        };
        [row("CPU a row", Figure::Cpu), row("bytes a row", Figure::Bytes)]
    };
    [("pings", Table::Pings), ("events", Table::Events)].into_iter().flat_map(rows).collect()
}

fn recovery(size: &Size, world: &World) -> Vec<Row> {
    let (journal, read) = (Recovery::Journal(world.clone()), Recovery::Read(world.clone()));
    let (vehicles, fences) = (size.vehicles_snapshot, size.fences[0]);
    let snapshot = Case::Recovery(Recovery::Snapshot { vehicles, fences });
    let row = |what: String, ours| Row::new(Section::Recovery, what, ours);
    let from_snapshot = format!("{} vehicles from a snapshot", count(vehicles));
    vec![
        row("journal, a ping, CPU".to_owned(), Case::Recovery(journal.clone()))
            .above(Case::Recovery(read.clone())),
        row("journal, a ping, wall time".to_owned(), Case::Recovery(journal))
            .above(Case::Recovery(read))
            .figure(Figure::Wall)
            .goal(Goal::AtMost(0.5e-6)),
        row(format!("{from_snapshot}, CPU"), snapshot.clone()),
        row(format!("{from_snapshot}, wall time"), snapshot)
            .figure(Figure::Wall)
            .goal(Goal::AtMost(5.0)),
    ]
}

fn fences(size: &Size) -> Vec<Row> {
    let rows = |(fences, limit_s): (&u32, f64)| {
        let (vehicles, fences) = (size.vehicles, *fences);
        let row = move |others: u32, what| {
            let case = |who| Case::Fences(Fences { who, vehicles, fences, others });
            let what =
                format!("{} fences, {} of them others, {what}", count(fences), count(others));
            Row::new(Section::Fences, what, case(Who::Ours)).beside(case(Who::Naive))
        };
        [fences, fences.div_ceil(100)].into_iter().flat_map(move |others| {
            let wall_time = row(others, "wall time").figure(Figure::Wall);
            [row(others, "CPU"), wall_time.goal(Goal::AtMost(limit_s))]
        })
    };
    let reloads = |fences: &u32| {
        let of = count(*fences);
        let (vehicles, fences, rounds) = (size.vehicles, *fences, size.reload_rounds);
        let case = |reloads| Case::Reload(Reload { reloads, vehicles, fences, rounds });
        let row = |what: &str, figure| {
            let what = format!("{of} fences, {what}");
            Row::new(Section::Fences, what, case(true)).figure(figure).above(case(false))
        };
        [
            row("an apply while others are read, median", Figure::ApplyMedian),
            row("… p99", Figure::ApplyP99),
            row("the apply that takes them up", Figure::TakeUp),
        ]
    };
    let sizes = size.fences.iter().zip([0.1, 1.0]);
    sizes.clone().flat_map(rows).chain(sizes.flat_map(|(fences, _)| reloads(fences))).collect()
}
