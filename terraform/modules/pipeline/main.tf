# Everything one pipeline needs, from the topic of pings to the worker.

module "names" {
  source = "../names"

  project         = var.project
  prefix          = var.prefix
  shards          = var.shards
  topic_per_shard = var.topic_per_shard
  workers         = var.workers
  settings        = var.settings
}

module "ping_schema" {
  source = "../ping_schema"
}

module "topics" {
  source = "../topics"

  project           = var.project
  ingest            = module.names.ingest
  ingest_retention  = var.ingest_retention
  events_topic      = module.names.events_topic
  dead_letter_topic = module.names.dead_letter_topic
  labels            = var.labels

  ping_schema = var.enforce_ping_schema ? {
    id         = module.names.ping_schema
    definition = module.ping_schema.definition
  } : null
}

module "subscriptions" {
  source = "../subscriptions"

  project                  = var.project
  ingest                   = module.names.ingest
  ingest_topics            = module.topics.ingest
  dead_letter_topic        = module.topics.dead_letters
  dead_letter_subscription = module.names.dead_letter_subscription
  labels                   = var.labels
}

module "journal" {
  source = "../journal"

  project  = var.project
  bucket   = module.names.journal_bucket
  location = coalesce(var.journal_location, var.region)
  labels   = var.labels

  soft_delete_days = var.journal_soft_delete_days
}

module "positions" {
  source = "../positions"
  count  = var.positions ? 1 : 0

  project             = var.project
  database            = module.names.database
  location            = var.region
  unindexed           = local.unindexed
  deletion_protection = var.deletion_protection
}

module "archive" {
  source = "../archive"
  count  = var.archive ? 1 : 0

  project             = var.project
  dataset             = module.names.dataset
  location            = coalesce(var.archive_location, var.region)
  keep_days           = var.archive_keep_days
  backlog_days        = module.subscriptions.backlog_days
  deletion_protection = var.deletion_protection
  labels              = var.labels
}

module "raw_archive" {
  source = "../raw_archive"
  count  = var.raw_archive ? 1 : 0

  project             = var.project
  dataset             = module.archive[0].dataset_id
  table               = module.names.raw_archive.table
  subscription        = module.names.raw_archive.subscription
  ingest_topics       = module.topics.ingest
  dead_letter_topic   = module.topics.dead_letters
  agent               = local.members.pubsub_agent
  deletion_protection = var.deletion_protection
  labels              = var.labels
}

locals {
  # What only rises, of a position; and the map that is all of a packed one.
  unindexed = {
    (module.names.collection) = ["event_time", "seq", "vehicles"]
  }
}
