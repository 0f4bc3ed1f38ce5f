variables {
  project = "acme-fleet-prod"
  prefix  = "fleet"
}

run "one_topic_serves_every_shard" {
  command = plan

  variables {
    shards = 4
  }

  assert {
    condition = jsonencode(output.ingest) == jsonencode({
      pings = { topic = "fleet-pings", subscription = "fleet-worker", shards = [0, 1, 2, 3] }
    })
    error_message = "One topic and one subscription carry all shards."
  }
  assert {
    condition     = output.subscription == one([for ingest in output.ingest : ingest.subscription])
    error_message = "The worker's setting names the subscription there is."
  }
  assert {
    condition = jsonencode(output.workers) == jsonencode({
      worker = { pool = "fleet-worker", shards = [0, 1, 2, 3] }
    })
    error_message = "One worker owns all shards."
  }
}

run "each_shard_has_a_topic" {
  command = plan

  variables {
    shards          = 3
    topic_per_shard = true
  }

  assert {
    condition = jsonencode(output.ingest) == jsonencode({
      shard-000 = { topic = "fleet-pings-shard-000", subscription = "fleet-worker-shard-000", shards = [0] }
      shard-001 = { topic = "fleet-pings-shard-001", subscription = "fleet-worker-shard-001", shards = [1] }
      shard-002 = { topic = "fleet-pings-shard-002", subscription = "fleet-worker-shard-002", shards = [2] }
    })
    error_message = "Topic, subscription and shard go together, one of each."
  }
  assert {
    condition = [for ingest in output.ingest : ingest.subscription] == [
      for shard in output.shards : replace(output.subscription, "{shard}", format("%03d", shard))
    ]
    error_message = "With a shard's number in three digits the worker's setting names its subscription."
  }
  assert {
    condition     = jsonencode(output.workers["worker"].shards) == jsonencode(output.shards)
    error_message = "Topics of their own do not make several workers."
  }
}

run "workers_share_the_shards" {
  command = plan

  variables {
    shards          = 5
    topic_per_shard = true
    workers         = 2
  }

  assert {
    condition = jsonencode(output.workers) == jsonencode({
      worker-000 = { pool = "fleet-worker-000", shards = [0, 2, 4] }
      worker-001 = { pool = "fleet-worker-001", shards = [1, 3] }
    })
    error_message = "Each shard has one worker."
  }
}

run "workers_without_topics_of_their_shards_are_refused" {
  command = plan

  variables {
    workers = 2
  }

  expect_failures = [var.workers]
}

run "a_worker_without_a_shard_is_refused" {
  command = plan

  variables {
    shards          = 2
    topic_per_shard = true
    workers         = 3
  }

  expect_failures = [var.workers]
}

run "no_topic_is_shared" {
  command = plan

  variables {
    shards          = 1024
    topic_per_shard = true
  }

  assert {
    condition     = length(distinct([for ingest in output.ingest : ingest.topic])) == 1024
    error_message = "No two shards share a topic."
  }
}

run "names_keep_the_services_limits" {
  command = plan

  variables {
    project = "a23456789-123456789-123456789x"
    prefix  = "a2345678-1234567890x"
  }

  assert {
    condition     = alltrue([for id in values(output.accounts) : length(id) >= 6 && length(id) <= 30])
    error_message = "A service account id has 6 to 30 characters."
  }
  assert {
    condition     = length(output.journal_bucket) <= 63
    error_message = "A bucket's name has at most 63 characters."
  }
  assert {
    condition     = can(regex("^[A-Za-z0-9_]+$", output.dataset))
    error_message = "A dataset's id has letters, digits and underscores only."
  }
  assert {
    condition     = can(regex("^[a-z][a-z0-9-]{2,61}[a-z0-9]$", output.database))
    error_message = "A database's id has 4 to 63 characters of a-z, 0-9 and -."
  }
  assert {
    condition     = length(distinct(values(output.accounts))) == length(output.accounts)
    error_message = "One account for each role."
  }
}

run "a_prefix_with_capitals_is_refused" {
  command = plan

  variables {
    prefix = "Fleet"
  }

  expect_failures = [var.prefix]
}

run "a_prefix_too_long_for_an_account_is_refused" {
  command = plan

  variables {
    prefix = "a-prefix-of-21-chars-"
  }

  expect_failures = [var.prefix]
}

run "a_project_number_is_refused" {
  command = plan

  variables {
    project = "123456789012"
  }

  expect_failures = [var.project]
}

run "no_shards_are_refused" {
  command = plan

  variables {
    shards = 0
  }

  expect_failures = [var.shards]
}

run "half_a_shard_is_refused" {
  command = plan

  variables {
    shards = 1.5
  }

  expect_failures = [var.shards]
}

run "positions_are_where_the_worker_writes_them_by_default" {
  command = plan

  variables {
    settings = { "positions.min_interval" = "3s" }
  }

  assert {
    condition     = output.collection == "LiveMap"
    error_message = "Without a setting the collection is the worker's own default."
  }
}

run "positions_are_where_a_setting_says" {
  command = plan

  variables {
    settings = { "firestore.collection" = "Positions" }
  }

  assert {
    condition     = output.collection == "Positions"
    error_message = "What is not indexed is not indexed in the collection that the worker writes."
  }
}
