# Messages as they came, written by Pub/Sub itself: an archive that shares no
# line of code with the engine, to check it by and to replay from. At least
# once: duplicates are told by message_id.

resource "google_bigquery_table" "raw" {
  project             = var.project
  dataset_id          = var.dataset
  table_id            = var.table
  description         = "Pub/Sub messages of pings as they came; written by a BigQuery subscription, at least once."
  deletion_protection = var.deletion_protection
  labels              = var.labels

  # The columns that a subscription with metadata and no schema writes.
  schema = jsonencode([
    { name = "subscription_name", type = "STRING", mode = "NULLABLE", description = "Subscription that wrote the row." },
    { name = "message_id", type = "STRING", mode = "NULLABLE", description = "Pub/Sub's id of the message, unique in its topic." },
    { name = "publish_time", type = "TIMESTAMP", mode = "NULLABLE", description = "When Pub/Sub took the message." },
    { name = "data", type = "BYTES", mode = "NULLABLE", description = "The payload, byte for byte." },
    { name = "attributes", type = "JSON", mode = "NULLABLE", description = "Attributes, among them content-type; and the ordering key." },
  ])

  time_partitioning {
    type          = "DAY"
    field         = "publish_time"
    expiration_ms = var.keep_days * 86400000
  }
}

# Not in `access` with the others: the subscription cannot be created before
# Pub/Sub may write the table.
resource "google_bigquery_table_iam_member" "agent" {
  project    = var.project
  dataset_id = var.dataset
  table_id   = google_bigquery_table.raw.table_id
  role       = "roles/bigquery.dataEditor"
  member     = var.agent
}

resource "google_pubsub_subscription" "raw" {
  for_each = var.ingest_topics

  project = var.project
  name    = "${var.subscription}-${each.key}"
  topic   = each.value
  labels  = var.labels

  bigquery_config {
    table            = "${var.project}.${var.dataset}.${google_bigquery_table.raw.table_id}"
    use_topic_schema = false
    write_metadata   = true
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "60s"
  }

  dead_letter_policy {
    dead_letter_topic     = var.dead_letter_topic
    max_delivery_attempts = 100
  }

  expiration_policy {
    ttl = ""
  }

  depends_on = [google_bigquery_table_iam_member.agent]
}

# Forwarding what BigQuery refuses acknowledges it here.
resource "google_pubsub_subscription_iam_member" "agent" {
  for_each = google_pubsub_subscription.raw

  project      = var.project
  subscription = each.value.name
  role         = "roles/pubsub.subscriber"
  member       = var.agent
}
