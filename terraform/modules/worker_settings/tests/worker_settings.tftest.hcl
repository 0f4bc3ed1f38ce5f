variables {
  shards            = 8
  journal_url       = "gs://acme-journal/journal"
  subscription      = "projects/acme/subscriptions/fleet-worker"
  events_topic      = "projects/acme/topics/fleet-events"
  dead_letter_topic = "projects/acme/topics/fleet-dead-letters"
}

run "keys_become_variables" {
  command = plan

  assert {
    condition     = output.environment["FLEETSTREAM_JOURNAL__URL"] == "gs://acme-journal/journal"
    error_message = "Two underscores between section and key."
  }
  assert {
    condition     = output.environment["FLEETSTREAM_COMMIT__MAX_DELAY"] == "1s"
    error_message = "A single underscore inside a key stays."
  }
  assert {
    condition     = output.environment["FLEETSTREAM_SHARDS"] == "8"
    error_message = "A key without a section has no double underscore."
  }
}

run "a_worker_is_told_its_shards" {
  command = plan

  variables {
    shards_owned = [1, 3]
    subscription = "projects/acme/subscriptions/fleet-worker-shard-{shard}"
  }

  assert {
    condition     = output.environment["FLEETSTREAM_SHARDS_OWNED"] == "1,3"
    error_message = "A list is separated by commas in the environment."
  }
  assert {
    condition     = output.environment["FLEETSTREAM_PUBSUB__SUBSCRIPTION"] == "projects/acme/subscriptions/fleet-worker-shard-{shard}"
    error_message = "The worker fills the numbers in."
  }
}

run "some_shards_of_one_subscription_are_refused" {
  command = plan

  variables {
    shards_owned = [1, 3]
  }

  expect_failures = [var.subscription]
}

run "a_shard_that_is_not_there_is_refused" {
  command = plan

  variables {
    shards_owned = [8]
    subscription = "projects/acme/subscriptions/fleet-worker-shard-{shard}"
  }

  expect_failures = [var.shards_owned]
}

run "what_is_not_there_is_not_set" {
  command = plan

  assert {
    condition     = length(setintersection(keys(output.environment), ["FLEETSTREAM_FIRESTORE__DATABASE", "FLEETSTREAM_BIGQUERY__DATASET", "FLEETSTREAM_FENCES", "FLEETSTREAM_SHARDS_OWNED"])) == 0
    error_message = "An output without a target is off."
  }
}

run "further_settings_win" {
  command = plan

  variables {
    settings = {
      "commit.max_delay"  = "500ms"
      "detection.profile" = "plain"
    }
  }

  assert {
    condition = (
      output.environment["FLEETSTREAM_COMMIT__MAX_DELAY"] == "500ms"
      && output.environment["FLEETSTREAM_DETECTION__PROFILE"] == "plain"
    )
    error_message = "What is set by hand counts."
  }
}

run "a_journal_on_an_instances_disk_is_refused" {
  command = plan

  variables {
    journal_url = "/data/journal"
  }

  expect_failures = [var.journal_url]
}

run "a_key_spelled_as_a_variable_is_refused" {
  command = plan

  variables {
    settings = { "COMMIT__MAX_DELAY" = "1s" }
  }

  expect_failures = [var.settings]
}

run "shards_are_set_in_one_place" {
  command = plan

  variables {
    settings = { "shards" = "4" }
  }

  expect_failures = [var.settings]
}
