# Names of everything, and which topic carries which shard. No provider: `terraform test`
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
}
