variables {
  project = "acme-fleet-prod"
  ingest = {
    shard-000 = { topic = "pings-0", subscription = "worker-0", shards = [0] }
    shard-001 = { topic = "pings-1", subscription = "worker-1", shards = [1] }
  }
  events_topic             = "events"
  dead_letter_topic        = "dead"
  dead_letter_subscription = "dead-hold"
  journal_bucket           = "journal"
  dataset                  = "fleet"
  database                 = "fleet"
  fences_bucket            = "fences"
}

run "dead_lettering_has_both_its_grants" {
  command = plan

  assert {
    condition     = contains(keys(output.grants.topic), "dead/pubsub_agent/pubsub.publisher")
    error_message = "Pub/Sub publishes what it gives up on."
  }
  assert {
    condition = alltrue([
      for subscription in ["worker-0", "worker-1"] :
      contains(keys(output.grants.subscription), "${subscription}/pubsub_agent/pubsub.subscriber")
    ])
    error_message = "Pub/Sub acknowledges what it forwards, on every subscription with a dead-letter policy."
  }
}

run "the_worker_has_what_it_needs_and_no_more" {
  command = plan

  assert {
    condition = jsonencode(sort(flatten([
      for kind, grants in output.grants : [for key, grant in grants : "${kind} ${key}" if grant.member == "worker"]
      ]))) == jsonencode([
      "bucket fences/worker/storage.objectViewer",
      "bucket journal/worker/storage.objectUser",
      "dataset fleet/worker/bigquery.metadataViewer",
      "project acme-fleet-prod/worker/bigquery.jobUser",
      "project acme-fleet-prod/worker/datastore.user",
      "subscription worker-0/worker/pubsub.subscriber",
      "subscription worker-0/worker/pubsub.viewer",
      "subscription worker-1/worker/pubsub.subscriber",
      "subscription worker-1/worker/pubsub.viewer",
      "table events/worker/bigquery.dataEditor",
      "table pings/worker/bigquery.dataEditor",
      "topic dead/worker/pubsub.publisher",
      "topic dead/worker/pubsub.viewer",
      "topic events/worker/pubsub.publisher",
      "topic events/worker/pubsub.viewer",
    ])
    error_message = "A change of what the worker may do is a change of this list."
  }
}

run "a_producer_only_publishes_pings" {
  command = plan

  assert {
    condition = jsonencode(sort(flatten([
      for kind, grants in output.grants : [for key, grant in grants : "${kind} ${key}" if grant.member == "producer"]
      ]))) == jsonencode([
      "topic pings-0/producer/pubsub.publisher",
      "topic pings-1/producer/pubsub.publisher",
    ])
    error_message = "A vehicle gateway that is broken into can send pings, and nothing else."
  }
}

run "an_analyst_only_reads" {
  command = plan

  assert {
    condition = jsonencode(sort(flatten([
      for kind, grants in output.grants : [for key, grant in grants : "${kind} ${key}" if grant.member == "analyst"]
      ]))) == jsonencode([
      "dataset fleet/analyst/bigquery.dataViewer",
      "project acme-fleet-prod/analyst/bigquery.jobUser",
    ])
    error_message = "An analyst reads the dataset and runs queries."
  }
}

run "nobody_administers_anything" {
  command = plan

  assert {
    condition = alltrue(flatten([
      for grants in values(output.grants) : [
        for grant in grants :
        !can(regex("(?i)(admin|owner|roles/editor|roles/viewer|serviceAccount)", grant.role))
      ]
    ]))
    error_message = "No basic roles, no administration, no acting as another account."
  }
  assert {
    condition = alltrue([
      for grant in output.grants.project :
      grant.condition != null if grant.role != "roles/bigquery.jobUser"
    ])
    error_message = "On the project, everything but running queries is narrowed by a condition."
  }
  assert {
    condition = (
      output.grants.project["acme-fleet-prod/worker/datastore.user"].condition
      == "resource.name == \"projects/acme-fleet-prod/databases/fleet\""
    )
    error_message = "The worker reaches one database."
  }
}

run "what_is_not_there_is_not_granted" {
  command = plan

  variables {
    dataset  = null
    database = null
  }

  assert {
    condition     = length(output.grants.project) + length(output.grants.table) + length(output.grants.dataset) == 0
    error_message = "Without BigQuery and Firestore there are no grants for them."
  }
  assert {
    condition     = !contains(output.members, "analyst")
    error_message = "Nothing to query, no analyst."
  }
}

run "pings_come_from_somewhere" {
  command = plan

  variables {
    ingest = {}
  }

  expect_failures = [var.ingest]
}
