//! What is not answered here because other processes own shards too.

use axum::http::StatusCode;

use super::answer::Refusal;
use crate::decode::entry::FOREIGN_SHARD;
use crate::intake::OwnedShards;

/// Refuses what takes or changes something unless all shards are `owned`: it
/// could not be done in all of them or in none.
///
/// # Errors
/// 421.
pub(super) fn need_all(owned: &OwnedShards) -> Result<(), Refusal> {
    if owned.is_all() {
        return Ok(());
    }
    let message = format!(
        "this worker owns {} of {} shards: pings come by Pub/Sub here, fences and tags of vehicles \
         by files",
        owned.numbers().len(),
        owned.shards()
    );
    Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, "not_all_shards", message))
}

/// Refuses what is asked of a vehicle that another process knows.
///
/// # Errors
/// 421.
pub(super) fn need_shard_of(owned: &OwnedShards, vehicle_id: &str) -> Result<(), Refusal> {
    owned.place_of(vehicle_id).map(drop).map_err(foreign)
}

/// 421: the vehicle is of this `shard`, which is not owned.
pub(super) fn foreign(shard: u32) -> Refusal {
    let message =
        format!("the vehicle belongs to shard {shard}, which another worker owns; ask that");
    Refusal::new(StatusCode::MISDIRECTED_REQUEST, FOREIGN_SHARD, message)
}
