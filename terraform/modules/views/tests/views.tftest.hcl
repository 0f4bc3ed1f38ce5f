variables {
  dataset   = "acme-fleet-prod.fleet"
  directory = "tests/two_steps"
}

run "views_of_views_come_second" {
  command = plan

  assert {
    condition     = jsonencode(keys(output.base)) == jsonencode(["unique"])
    error_message = "What reads tables only is made first."
  }
  assert {
    condition     = jsonencode(keys(output.derived)) == jsonencode(["summary"])
    error_message = "What reads another view is made after it."
  }
}

run "the_dataset_is_put_in" {
  command = plan

  assert {
    condition     = strcontains(output.base.unique, "FROM `acme-fleet-prod.fleet.pings`")
    error_message = "{dataset} becomes project.dataset."
  }
  assert {
    condition     = alltrue([for query in concat(values(output.base), values(output.derived)) : !strcontains(query, "{dataset}")])
    error_message = "No placeholder is left."
  }
}

run "the_engines_own_views_come_in_two_steps" {
  command = plan

  variables {
    directory = null
  }

  assert {
    condition     = jsonencode(keys(output.base)) == jsonencode(["events_current", "pings_unique", "positions_latest"])
    error_message = "What reads the tables only is made first."
  }
  assert {
    condition     = jsonencode(keys(output.derived)) == jsonencode(["daily_vehicle_summary", "idle_episodes", "visits"])
    error_message = "What reads the folded events or pings is made after them."
  }
}

run "tables_and_views_are_described_as_the_engine_does" {
  command = plan

  variables {
    directory = null
  }

  assert {
    condition     = setsubtract(keys(output.descriptions), concat(keys(output.base), keys(output.derived))) == toset(["events", "pings"])
    error_message = "Two tables are described, and every view."
  }
  # In the source a name stands before its description, and a backslash at the
  # end of a line joins the next to it.
  assert {
    condition = alltrue([
      for name, description in output.descriptions : strcontains(
        replace(replace(replace(file("../../../sinks/src/bigquery/definition.rs"), "/\\\\\n\\s*/", ""), "/\\s+/", " "), "description: ", ""),
        "\"${name}\", \"${description}\"",
      )
    ])
    error_message = "Another description is altered by `fleetstream bigquery ensure`, and changed back by Terraform."
  }
}

run "three_steps_are_refused" {
  command = plan

  variables {
    directory = "tests/three_steps"
  }

  expect_failures = [output.derived]
}

run "an_empty_directory_is_refused" {
  command = plan

  variables {
    directory = "tests/nothing"
  }

  expect_failures = [output.base]
}

run "a_dataset_without_its_project_is_refused" {
  command = plan

  variables {
    dataset = "fleet"
  }

  expect_failures = [var.dataset]
}
