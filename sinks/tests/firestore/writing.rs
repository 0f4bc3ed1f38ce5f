//! What ends up in the collection, and how often it is written.

use std::time::Duration;

use geofence::{LivePosition, Status};
use googleapis_tonic_google_firestore_v1::google::firestore::v1::value::ValueType;
use googleapis_tonic_google_firestore_v1::google::firestore::v1::{
    Document, DocumentMask, Value, Write, write,
};
use sinks::firestore::{Layout, LiveOptions};
use tokio::time::Instant;

use crate::support::{Collection, at, seq};

fn value(of: ValueType) -> Value {
    Value { value_type: Some(of) }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_arrives_as_its_type() {
    let Some(collection) = Collection::new("fields") else { return };
    let writer = collection.writer(collection.options()).await;
    writer.offer([LivePosition {
        accuracy_m: Some(4.5),
        heading_deg: Some(270.5),
        speed_mps: Some(0.0),
        status: Status::Idle,
        fences: ["depot", "zone-ü"].into_iter().collect(),
        ..at("bus-7", 30.267_2, 42)
    }]);
    writer.stop().await;
    let document = collection.documents().await.remove("bus-7").unwrap();
    let of = |name: &str| document.fields[name].value_type.clone().unwrap();
    assert_eq!(of("vehicle_id"), ValueType::StringValue("bus-7".into()));
    let ValueType::GeoPointValue(location) = of("location") else { panic!("{document:?}") };
    assert_eq!((location.latitude, location.longitude), (30.267_2, -97.743_106_1));
    let ValueType::TimestampValue(time) = of("event_time") else { panic!("{document:?}") };
    assert_eq!((time.seconds, time.nanos), (1_480_075_200, 42_000_000));
    assert_eq!(of("accuracy_m"), ValueType::DoubleValue(4.5));
    assert_eq!(of("heading_deg"), ValueType::DoubleValue(270.5));
    assert_eq!(of("speed_mps"), ValueType::DoubleValue(0.0));
    assert_eq!(of("status"), ValueType::StringValue("idle".into()));
    let ValueType::ArrayValue(fences) = of("fences") else { panic!("{document:?}") };
    let ids = ["depot", "zone-ü"].map(|id| value(ValueType::StringValue(id.into())));
    assert_eq!(fences.values, ids);
    assert_eq!(of("seq"), ValueType::IntegerValue(42));
    assert_eq!(of("shard"), ValueType::IntegerValue(3));
    assert_eq!(document.fields.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_longer_known_goes_and_what_others_keep_there_stays() {
    let Some(collection) = Collection::new("others") else { return };
    let mut writer = collection.writer(collection.options()).await;
    writer.offer([LivePosition { heading_deg: Some(1.0), ..at("a", 1.0, 1) }]);
    writer.wait_through(1).await;
    let label = value(ValueType::StringValue("line 7".into()));
    let document = Document {
        name: collection.document_name("a"),
        fields: [("label".to_owned(), label.clone())].into(),
        ..Document::default()
    };
    collection
        .put(vec![Write {
            update_mask: Some(DocumentMask { field_paths: vec!["label".into()] }),
            operation: Some(write::Operation::Update(document)),
            ..Write::default()
        }])
        .await;
    writer.offer([at("a", 1.1, 2)]);
    let report = writer.stop().await;
    assert_eq!((report.counts.refused, report.through), (0, 2));
    let document = &collection.documents().await["a"];
    assert_eq!(seq(&document.fields), 2);
    assert_eq!(document.fields["label"], label);
    assert!(!document.fields.contains_key("heading_deg"));
}

#[tokio::test(flavor = "multi_thread")]
async fn v42_twenty_pings_a_second_are_one_write_a_second() {
    let Some(collection) = Collection::new("v42") else { return };
    let mut writer = collection.writer(collection.options()).await;
    let begun = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    for n in 1..=60_u32 {
        ticks.tick().await;
        writer.offer([at("fast", f64::from(n) * 0.001, n.into())]);
    }
    let last = Instant::now();
    let report = writer.wait_through(60).await;
    assert!(last.elapsed() <= collection.options().max_delay, "{:?}", last.elapsed());
    let seconds = begun.elapsed().as_secs();
    assert!(report.documents_written <= seconds + 1, "{report:?} in {seconds} s");
    assert!(report.documents_written >= 2, "{report:?}");
    assert_eq!(collection.seqs().await["fast"], 60);
    writer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packed_document_holds_many_vehicles_and_takes_only_what_changed() {
    let Some(collection) = Collection::new("packed") else { return };
    let layout = Layout::Packed { documents: 3 };
    let options = LiveOptions { layout, ..collection.options() };
    let mut writer = collection.writer(options.clone()).await;
    let fleet = |lat, seq| (0..200).map(move |n| at(&format!("bus.{n}:x-y"), lat, seq));
    writer.offer(fleet(1.0, 1));
    writer.wait_through(1).await;
    writer.offer([at("bus.7:x-y", 2.0, 2)]);
    let report = writer.wait_through(2).await;
    assert_eq!((report.documents_written, report.counts.written), (4, 201));
    writer.stop().await;

    // A restart finds what is there, and writes what is not.
    let writer = collection.writer(options).await;
    writer.offer(fleet(1.0, 1).filter(|it| &*it.vehicle_id != "bus.7:x-y"));
    writer.offer([at("bus.7:x-y", 2.0, 2), at("..", 3.0, 3)]);
    let report = writer.stop().await;
    assert_eq!((report.documents_written, report.counts.written), (1, 1));

    let documents = collection.documents().await;
    assert_eq!(documents.len(), 3);
    let mut vehicles = Vec::new();
    for document in documents.values() {
        assert_eq!(document.fields["shard"], value(ValueType::IntegerValue(3)));
        let Some(ValueType::MapValue(map)) = &document.fields["vehicles"].value_type else {
            panic!("{document:?}");
        };
        vehicles.extend(map.fields.iter().map(|(name, entry)| match &entry.value_type {
            Some(ValueType::MapValue(entry)) => (name.clone(), seq(&entry.fields)),
            other => panic!("{other:?}"),
        }));
    }
    assert_eq!(vehicles.len(), 201);
    for (name, seq) in vehicles {
        let expected = match name.as_str() {
            "bus.7:x-y" => 2,
            "%2E." => 3,
            _ => 1,
        };
        assert_eq!(seq, expected, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_absolute_limit_of_writes_is_kept() {
    let Some(collection) = Collection::new("limit") else { return };
    let options = LiveOptions { writes_per_second_max: Some(20), ..collection.options() };
    let mut writer = collection.writer(options).await;
    let begun = Instant::now();
    writer.offer((0..60).map(|n| at(&format!("v{n}"), 1.0, 1)));
    let waiting = writer.wait_until("some are written", |it| it.documents_written > 10).await;
    assert!(waiting.documents_waiting > 0 && waiting.oldest > Duration::ZERO, "{waiting:?}");
    let report = writer.wait_through(1).await;
    assert!(begun.elapsed() >= Duration::from_millis(2800), "{:?}", begun.elapsed());
    assert_eq!((report.documents_written, report.oldest), (60, Duration::ZERO));
    writer.stop().await;
}
