# The worker's settings as environment variables. No provider: `terraform test`
# checks it offline, and a test of the engine holds the keys to those it knows.

locals {
  settings = merge(
    {
      "data_dir"                 = "/data"
      "shards"                   = tostring(var.shards)
      "journal.url"              = var.journal_url
      "pubsub.subscription"      = var.subscription
      "pubsub.events_topic"      = var.events_topic
      "pubsub.dead_letter_topic" = var.dead_letter_topic

      # A commit is one object: 86,400 a day and shard at one a second.
      "commit.max_delay" = "1s"

      # An instance's files end with it; the cloud's outputs take their place.
      "files.parquet"      = "false"
      "files.event_log"    = "false"
      "files.dead_letters" = "false"
      "files.positions"    = "false"

      "log.format" = "json"
    },
    { for key, value in {
      "shards_owned"       = var.shards_owned == null ? null : join(",", var.shards_owned)
      "firestore.database" = var.database
      "bigquery.dataset"   = var.dataset
      "fences"             = var.fences
    } : key => value if value != null },
    var.settings,
  )
}
