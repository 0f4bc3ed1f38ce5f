# What the worker pulls from, and what holds refused pings.
#
# The dead-letter policy works only with two grants to Pub/Sub's own service
# agent: publisher on the dead-letter topic, subscriber on each subscription
# here. `access` has them, `grants` makes them.

resource "google_pubsub_subscription" "ingest" {
  for_each = var.ingest

  project = var.project
  name    = each.value.subscription
  topic   = var.ingest_topics[each.key]
  labels  = var.labels

  ack_deadline_seconds       = var.ack_deadline_seconds
  message_retention_duration = var.backlog_retention

  # Order comes from event times, and duplicates are recognised: both features
  # would only cost throughput.
  enable_message_ordering      = false
  enable_exactly_once_delivery = false

  retry_policy {
    minimum_backoff = "${var.retry_backoff.minimum}s"
    maximum_backoff = "${var.retry_backoff.maximum}s"
  }

  dead_letter_policy {
    dead_letter_topic     = var.dead_letter_topic
    max_delivery_attempts = var.max_delivery_attempts
  }

  # Never expires: a fleet may be parked for a month.
  expiration_policy {
    ttl = ""
  }
}

# Without a subscription, what is published to a topic is gone.
resource "google_pubsub_subscription" "dead_letters" {
  project = var.project
  name    = var.dead_letter_subscription
  topic   = var.dead_letter_topic
  labels  = var.labels

  ack_deadline_seconds       = 600
  message_retention_duration = "604800s"

  expiration_policy {
    ttl = ""
  }
}
