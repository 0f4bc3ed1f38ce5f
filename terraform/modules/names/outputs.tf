output "shards" {
  description = "Every shard, from 0."
  value       = local.shards
}

output "ingest" {
  description = "Topic and subscription of the pings, with the shards they carry, by a stable key."
  value       = local.ingest
}

output "subscription" {
  description = "Id of the subscription of pings as the worker's setting takes it: {shard} stands for a shard's number where each has its own."
  value       = var.topic_per_shard ? "${var.prefix}-worker-shard-{shard}" : "${var.prefix}-worker"
}

output "ping_schema" {
  description = "Id of the Pub/Sub schema of a ping."
  value       = "${var.prefix}-vehicle-ping"
}

output "events_topic" {
  description = "Id of the topic that events are published to."
  value       = "${var.prefix}-events"
}

output "dead_letter_topic" {
  description = "Id of the topic of refused pings."
  value       = "${var.prefix}-dead-letters"
}

output "dead_letter_subscription" {
  description = "Id of the subscription that holds refused pings until somebody looks at them."
  value       = "${var.prefix}-dead-letters"
}

output "raw_archive" {
  description = "Id of the BigQuery subscription and its table: messages as they came."
  value = {
    subscription = "${var.prefix}-raw"
    table        = "raw_messages"
  }
}

output "journal_bucket" {
  description = "Name of the journal's bucket. Bucket names are global, so it carries the project."
  value       = "${var.project}-${var.prefix}-journal"
}

output "dataset" {
  description = "Id of the BigQuery dataset; datasets take no hyphens."
  value       = replace(var.prefix, "-", "_")
}

output "database" {
  description = "Id of the Firestore database."
  value       = var.prefix
}

output "collection" {
  description = "Id of the collection of positions: the worker's own default, unless its settings say another."
  value       = lookup(var.settings, "firestore.collection", "LiveMap")
}

output "workers" {
  description = "Name of each Cloud Run worker pool and the shards it owns, by a stable key."
  value       = local.workers
}

output "accounts" {
  description = "Service account ids by role, one for each."
  value = {
    worker   = "${var.prefix}-worker"
    producer = "${var.prefix}-producer"
    operator = "${var.prefix}-operator"
    analyst  = "${var.prefix}-analyst"
  }
}
