//! What a process that owns some of the shards answers, and what it does not.

use engine::intake::{OwnedShards, shard_of};
use geofence::{LivePosition, Position, Status, TimeMs};

use crate::client::{ask, get, post};
use crate::world::{Setup, World, json_ping};

/// A vehicle of `shard`, one of two.
fn vehicle_of(shard: u32) -> String {
    (0..).map(|n| format!("bus-{n}")).find(|id| shard_of(id, 2) == shard).expect("one of many")
}

async fn first_of_two() -> World {
    World::with(Setup { owned: OwnedShards::some(2, [0]), ..Setup::default() }).await
}

#[tokio::test]
async fn nothing_is_taken_or_changed_where_other_processes_own_shards() {
    let world = first_of_two().await;
    let own = json_ping(&vehicle_of(0));
    let pings = post(world.address, "application/json", own.as_bytes()).await;
    assert_eq!((pings.status, pings.code()), (421, "not_all_shards".into()));
    assert_eq!(world.intake.pings_held(), 0);
    let tags = format!("/v1/vehicles/{}/tags", vehicle_of(0));
    for (method, path) in
        [("PUT", "/v1/fences/depot"), ("DELETE", "/v1/fences/depot"), ("PUT", &*tags)]
    {
        let answer = ask(world.address, &format!("{method} {path}"), &[], b"").await;
        assert_eq!(
            (answer.status, answer.code()),
            (421, "not_all_shards".into()),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn of_a_vehicle_of_another_process_its_shard_is_told() {
    let world = first_of_two().await;
    let live = |vehicle_id: String| LivePosition {
        vehicle_id: vehicle_id.as_str().into(),
        event_time: TimeMs(1_480_075_200_000),
        position: Position::from_degrees(30.0, -97.0).unwrap(),
        accuracy_m: None,
        heading_deg: None,
        speed_mps: None,
        status: Status::Moving,
        fences: [""; 0].into_iter().collect(),
        seq: 1,
    };
    world.positions.update([live(vehicle_of(0))]);
    let position =
        async |shard| get(world.address, &format!("/v1/positions/{}", vehicle_of(shard))).await;
    assert_eq!(position(0).await.status, 200);
    let foreign = [
        position(1).await,
        get(world.address, &format!("/v1/vehicles/{}/tags", vehicle_of(1))).await,
    ];
    for answer in foreign {
        assert_eq!((answer.status, answer.code()), (421, "foreign_shard".into()));
        let told = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(told.contains("belongs to shard 1"), "{told}");
    }
}
