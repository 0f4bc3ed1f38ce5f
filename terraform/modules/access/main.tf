# Who may do what to which resource: the whole matrix, in one place, as data.
# No provider: `terraform test` checks it offline, and `grants` carries it out.
#
# Rules it keeps: predefined roles, the narrowest that suffices, on the single
# resource and not on the project wherever the service allows that; nobody may
# administer anything or hand out rights.
#
#   worker         pulls pings, publishes events and refused pings, keeps the
#                  journal, writes positions and rows
#   producer       publishes pings
#   operator       looks at refused pings and sends them in again
#   analyst        queries
#   pubsub_agent   Pub/Sub itself: forwards what was delivered too often
#
# Not here: the two grants of the raw archive, which has to make them between
# its table and its subscriptions.

locals {
  ingest_topics        = [for ingest in var.ingest : ingest.topic]
  ingest_subscriptions = [for ingest in var.ingest : ingest.subscription]

  topics = concat(
    # `viewer` is what lets a worker say at its start, rather than at the first
    # event, that a topic is not there.
    flatten([for topic in [var.events_topic, var.dead_letter_topic] : [
      { member = "worker", resource = topic, role = "roles/pubsub.publisher" },
      { member = "worker", resource = topic, role = "roles/pubsub.viewer" },
    ]]),
    [for topic in local.ingest_topics : { member = "producer", resource = topic, role = "roles/pubsub.publisher" }],
    [for topic in local.ingest_topics : { member = "operator", resource = topic, role = "roles/pubsub.publisher" }],
    # First of the two grants without which a dead-letter policy does nothing.
    [{ member = "pubsub_agent", resource = var.dead_letter_topic, role = "roles/pubsub.publisher" }],
  )

  subscriptions = concat(
    flatten([for subscription in local.ingest_subscriptions : [
      { member = "worker", resource = subscription, role = "roles/pubsub.subscriber" },
      { member = "worker", resource = subscription, role = "roles/pubsub.viewer" },
      # The second one: forwarding a message acknowledges it here.
      { member = "pubsub_agent", resource = subscription, role = "roles/pubsub.subscriber" },
    ]]),
    [
      { member = "operator", resource = var.dead_letter_subscription, role = "roles/pubsub.subscriber" },
      { member = "operator", resource = var.dead_letter_subscription, role = "roles/pubsub.viewer" },
    ],
  )

  # Reads, creates and deletes objects; no rights over the bucket itself.
  buckets = concat(
    [{ member = "worker", resource = var.journal_bucket, role = "roles/storage.objectUser" }],
    var.fences_bucket == null ? [] : [
      { member = "worker", resource = var.fences_bucket, role = "roles/storage.objectViewer" },
    ],
  )

  # The Storage Write API asks for `bigquery.tables.updateData`, which no
  # narrower role has.
  tables = var.dataset == null ? [] : [
    for table in var.tables : { member = "worker", resource = table, role = "roles/bigquery.dataEditor" }
  ]
  datasets = var.dataset == null ? [] : [
    # Views and tables are listed and read; nothing is written through them.
    { member = "worker", resource = var.dataset, role = "roles/bigquery.metadataViewer" },
    { member = "analyst", resource = var.dataset, role = "roles/bigquery.dataViewer" },
  ]

  # What can only be granted on the project, with a condition where the
  # service knows one. Running a query is a right over the project that pays.
  projects = concat(
    var.dataset == null ? [] : [for member in ["worker", "analyst"] : {
      member = member, resource = var.project, role = "roles/bigquery.jobUser", condition = null
    }],
    var.database == null ? [] : [{
      member    = "worker"
      resource  = var.project
      role      = "roles/datastore.user"
      condition = "resource.name == \"projects/${var.project}/databases/${var.database}\""
    }],
  )

  by_kind = {
    topic        = local.topics
    subscription = local.subscriptions
    bucket       = local.buckets
    table        = local.tables
    dataset      = local.datasets
    project      = local.projects
  }
}
