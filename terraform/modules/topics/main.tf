# The topics: pings in, events and refused pings out.

resource "google_pubsub_schema" "ping" {
  count = var.ping_schema == null ? 0 : 1

  project    = var.project
  name       = var.ping_schema.id
  type       = "PROTOCOL_BUFFER"
  definition = var.ping_schema.definition
}

resource "google_pubsub_topic" "ingest" {
  for_each = var.ingest

  project                    = var.project
  name                       = each.value.topic
  message_retention_duration = var.ingest_retention
  labels                     = var.labels

  dynamic "schema_settings" {
    for_each = google_pubsub_schema.ping
    content {
      schema   = schema_settings.value.id
      encoding = "BINARY"
    }
  }

  dynamic "message_storage_policy" {
    for_each = length(var.regions) == 0 ? [] : [var.regions]
    content {
      allowed_persistence_regions = message_storage_policy.value
    }
  }
}

# Events are in the journal until they are published, so the topic keeps none.
resource "google_pubsub_topic" "events" {
  project = var.project
  name    = var.events_topic
  labels  = var.labels

  dynamic "message_storage_policy" {
    for_each = length(var.regions) == 0 ? [] : [var.regions]
    content {
      allowed_persistence_regions = message_storage_policy.value
    }
  }
}

# Takes what the worker refuses, with its reason, and what Pub/Sub gives up
# delivering. No schema: it holds what did not fit one.
resource "google_pubsub_topic" "dead_letters" {
  project = var.project
  name    = var.dead_letter_topic
  labels  = var.labels

  dynamic "message_storage_policy" {
    for_each = length(var.regions) == 0 ? [] : [var.regions]
    content {
      allowed_persistence_regions = message_storage_policy.value
    }
  }
}
