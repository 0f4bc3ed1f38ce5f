# Names of everything, which topic carries which shard, and which worker owns it. No provider: `terraform test`
# checks all of it offline.

locals {
  shards = range(var.shards)

  # 20 digits would fit any journal; three fit 1024 shards and sort as they count.
  shard_keys = [for shard in local.shards : format("shard-%03d", shard)]

  ingest_keys = var.topic_per_shard ? local.shard_keys : ["pings"]
  ingest = {
    for index, key in local.ingest_keys : key => {
      topic        = var.topic_per_shard ? "${var.prefix}-pings-${key}" : "${var.prefix}-pings"
      subscription = var.topic_per_shard ? "${var.prefix}-worker-${key}" : "${var.prefix}-worker"
      shards       = var.topic_per_shard ? [index] : local.shards
    }
  }

  # One after the other in turn, so that no worker has more than one shard more
  # than another.
  workers = {
    for worker in range(var.workers) : var.workers == 1 ? "worker" : format("worker-%03d", worker) => {
      pool   = var.workers == 1 ? "${var.prefix}-worker" : format("%s-worker-%03d", var.prefix, worker)
      shards = [for shard in local.shards : shard if shard % var.workers == worker]
    }
  }
}
