use super::*;

/// What arrival order means, said once more without any structure: delays and
/// copies by row, then a stable sort.
fn oracle(times_ms: &[i64], disturbance: Disturbance) -> Vec<(u64, i64)> {
    let mut arrivals: Vec<(i64, u64)> = Vec::new();
    for (row, &ms) in times_ms.iter().enumerate() {
        let row = row as u64;
        let at = ms + disturbance.delay_ms(row);
        arrivals.push((at, row));
        arrivals.extend(disturbance.duplicate_after_ms(row).map(|after| (at + after, row)));
    }
    arrivals.sort_by_key(|&(at, row)| (at, row));
    arrivals.into_iter().map(|(at, row)| (row, at)).collect()
}

fn options(delay_ms_max: u32, duplicates: f64, seed: u64) -> ReplayOptions {
    ReplayOptions {
        disturbance: Disturbance { delay_ms_max, duplicates, seed },
        ..ReplayOptions::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn rows_arrive_in_the_order_of_their_times_ties_in_file_order(
        times_ms in prop::collection::vec(1_000_i64..3_000, 0..400),
        delay_ms_max in prop_oneof![Just(0_u32), Just(700)],
        duplicates in prop_oneof![Just(0.0), Just(0.2), Just(1.0)],
        seed in any::<u64>(),
        batch_entries_max in 1_usize..500,
    ) {
        let options =
            ReplayOptions { batch_entries_max, ..options(delay_ms_max, duplicates, seed) };
        let disturbance = options.disturbance;
        let found = entries(open_with(plain_csv(times_ms.iter().copied()), options).expect("good"));
        prop_assert_eq!(rows_and_times(&found), oracle(&times_ms, disturbance));
    }

    #[test]
    fn a_batch_is_cut_where_the_low_mark_changes(
        steps in prop::collection::vec(0_i64..9_000, 1..300),
        batch_entries_max in 1_usize..40,
    ) {
        let times_ms = steps.iter().scan(1_000_000, |at, step| {
            *at += step;
            Some(*at)
        });
        let times_ms: Vec<i64> = times_ms.collect();
        let options = ReplayOptions { batch_entries_max, ..ReplayOptions::default() };
        let (batches, _) = drain(open_with(plain_csv(times_ms.clone()), options).expect("good"));
        let mut oracle = LowMark::new();
        let mut last: Option<&SourceBatch> = None;
        for batch in &batches {
            prop_assert!((1..=batch_entries_max).contains(&batch.entries.len()));
            for (at, _) in received(&batch.entries) {
                prop_assert_eq!(batch.low_mark, oracle.observe(at, TimeMs(at)));
            }
            // No cut without a reason.
            if let Some(last) = last {
                let full = last.entries.len() == batch_entries_max;
                prop_assert!(full || last.low_mark != batch.low_mark);
            }
            last = Some(batch);
        }
        prop_assert_eq!(batches.iter().map(|b| b.entries.len()).sum::<usize>(), times_ms.len());
    }
}

#[test]
fn the_same_seed_gives_the_same_arrivals_and_another_gives_others() {
    let file = || plain_csv((0..5_000).map(|second| second * 1_000 + 1));
    let run = |seed| drain(open_with(file(), options(60_000, 0.05, seed)).expect("good")).0;
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    let split = |seed| {
        let text = String::from_utf8(file()).expect("text");
        let (head, tail) = text.split_at(text.find("v3000,").expect("row 3000"));
        let tail = format!("vehicle_id,event_time_ms,lat,lon\n{tail}");
        let files = [input("a", head.to_owned()), input("b", tail)];
        drain(FileReplay::open(files, options(60_000, 0.05, seed)).expect("good")).0
    };
    assert_eq!(split(1), run(1), "how the input is cut into files changes nothing");
}

#[test]
fn delays_and_copies_stay_within_their_bounds() {
    let times: Vec<i64> = (0..20_000).map(|second| second * 1_000 + 1).collect();
    let found = rows_and_times(&entries(
        open_with(plain_csv(times.iter().copied()), options(600_000, 0.05, 3)).expect("good"),
    ));
    let mut arrivals = std::collections::BTreeMap::<u64, Vec<i64>>::new();
    for (row, at) in &found {
        arrivals.entry(*row).or_default().push(*at);
    }
    assert_eq!(arrivals.len(), times.len(), "every row arrives");
    for (row, at) in &arrivals {
        assert!((0..=600_000).contains(&(at[0] - times[*row as usize])));
        assert!(at.len() == 1 || at.len() == 2 && at[1] - at[0] <= 600_000);
    }
    let copies = found.len() - times.len();
    assert!((900..1_100).contains(&copies), "{copies} of 20,000");
    assert!(found.windows(2).all(|pair| pair[0].1 <= pair[1].1), "in order of arrival");
}

/// Without delays a copy comes right behind its original.
#[test]
fn undelayed_copies_follow_at_once() {
    let found = entries(open_with(plain_csv([5, 5, 6]), options(0, 1.0, 0)).expect("good"));
    assert_eq!(rows_and_times(&found), [(0, 5), (0, 5), (1, 5), (1, 5), (2, 6), (2, 6)]);
}

/// A sort memory of some 50,000 rows of [`plain_csv`].
const SMALL: u64 = 4 << 20;

#[test]
fn an_input_larger_than_the_sort_memory_is_mended_as_far_as_it_reaches() {
    let times: Vec<i64> = (0..200_000).map(|second| second * 1_000 + 1).collect();
    // Delays of up to an hour, or 3,600 rows, of which the memory holds more.
    let disturbed = options(3_600_000, 0.05, 9);
    let disturbance = disturbed.disturbance;
    let bounded = ReplayOptions { sort_bytes_max: SMALL, ..disturbed };
    let mut replay = open_with(plain_csv(times.iter().copied()), bounded).expect("a good file");
    let first = replay.next_batch().expect("a batch").expect("good");
    assert_eq!(replay.rows_total(), None, "the input was not read whole");
    assert!(replay.progress().rows_read < 100_000, "{:?}", replay.progress());
    let (rest, error) = drain(replay);
    assert!(error.is_none(), "{error:?}");
    let found: Vec<Entry> =
        std::iter::once(first).chain(rest).flat_map(|batch| batch.entries).collect();
    assert!(rows_and_times(&found) == oracle(&times, disturbance), "another order");
}

#[test]
fn beyond_that_a_row_out_of_order_is_an_error_by_its_number() {
    let times = (0..200_000).map(|second| if second == 150_000 { 1 } else { second * 1_000 + 1 });
    let options = ReplayOptions { sort_bytes_max: SMALL, ..ReplayOptions::default() };
    let (batches, error) = drain(open_with(plain_csv(times), options).expect("a good file"));
    let delivered: usize = batches.iter().map(|batch| batch.entries.len()).sum();
    assert_eq!(delivered, 150_000, "every row before it");
    match error.expect("out of order") {
        FileError::OutOfOrder { row, limit, behind_ms, .. } => {
            assert_eq!((row, limit), (150_001, SMALL));
            assert!((90_000_000..150_000_000).contains(&behind_ms), "{behind_ms}");
        }
        other => panic!("{other}"),
    }
}

#[test]
fn an_input_larger_than_the_sort_memory_may_hold_rows_without_a_time() {
    let mut text = String::from("vehicle_id,event_time_ms,lat,lon\n");
    for row in 0..60_000 {
        text.push_str(&format!("v{row},{},30.25,-97.75\nx,x,x,x\n", row * 1_000 + 1));
    }
    let bounded = ReplayOptions { sort_bytes_max: SMALL, ..options(100_000, 0.0, 5) };
    let found = entries(open_with(text, bounded).expect("a good file"));
    assert_eq!((found.len(), letters(&found).len()), (120_000, 60_000));
    assert!(letters(&found).iter().all(|letter| letter.payload == "x,x,x,x"));
}
