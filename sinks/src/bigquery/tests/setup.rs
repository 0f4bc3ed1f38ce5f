//! Tables and views as `ensure` leaves them.

use super::*;

#[tokio::test]
async fn ensure_leaves_what_a_sink_needs() {
    let world = World::new(Vec::new()).await;
    let again = ensure(&world.settings, &world.endpoints(), false).await.unwrap();
    assert!(again.iter().all(|step| step.action == Action::Keep), "{again:?}");
    world.service().await.check().await.unwrap();

    // Tables of other names, of which the second is only looked at.
    let other = Settings { pings_table: "raw".into(), ..world.settings.clone() };
    let steps = ensure(&other, &world.endpoints(), true).await.unwrap();
    assert_eq!(steps[0].action, Action::Create);
    let missing = Service::connect(other, &world.endpoints()).await.unwrap().check().await;
    let missing = missing.unwrap_err();
    assert!(!missing.passes());
    assert!(missing.to_string().starts_with(&format!("{DATASET}/tables/raw does not exist")));

    let events = Settings { pings_table: "events".into(), ..world.settings.clone() };
    let unfit = Service::connect(events.clone(), &world.endpoints()).await.unwrap().check().await;
    let unfit = unfit.unwrap_err().to_string();
    assert!(unfit.contains("column ping_id is missing; column seq is missing"), "{unfit}");
    assert!(unfit.contains("column event_id must not be REQUIRED"), "{unfit}");

    let nowhere = Settings::new("projects/p/datasets/nowhere".parse().unwrap());
    let error = ensure(&nowhere, &world.endpoints(), false).await.unwrap_err();
    assert!(error.to_string().starts_with("projects/p/datasets/nowhere does not exist"), "{error}");
}

/// What this program knows nothing of is for whoever set it.
#[tokio::test]
async fn ensure_leaves_what_others_have_set_of_columns() {
    let world = World::new(Vec::new()).await;
    const TABLE: &str = "/fleet/tables/pings";
    let mut table = world.rest("GET", TABLE, None).await;
    let columns = table["schema"]["fields"].as_array_mut().unwrap();
    columns[0]["maxLength"] = "64".into();
    columns[0]["description"] = "Ours.".into();
    columns.push(serde_json::json!({ "name": "mine", "type": "STRING", "maxLength": "5" }));
    let changed = serde_json::json!({ "schema": table["schema"] });
    world.rest("PATCH", TABLE, Some(changed)).await;

    let steps = ensure(&world.settings, &world.endpoints(), false).await.unwrap();
    assert_eq!(steps[0].action, Action::Alter(vec!["column vehicle_id described".into()]));
    let table = world.rest("GET", TABLE, None).await;
    let columns = table["schema"]["fields"].as_array().unwrap();
    let lengths = [&columns[0], &columns[columns.len() - 1]].map(|column| &column["maxLength"]);
    assert_eq!(lengths, ["64", "5"]);
    assert_ne!(columns[0]["description"], "Ours.");
}
