run "the_ping_alone_is_the_schema" {
  command = plan

  assert {
    condition     = length(regexall("(?m)^message ", output.definition)) == 1
    error_message = "One top-level message."
  }
  assert {
    condition     = !strcontains(output.definition, "VehiclePingBatch")
    error_message = "The batch is cut off."
  }
  assert {
    condition     = startswith(trimprefix(output.definition, regex("^(?://[^\n]*\n)*", output.definition)), "syntax = \"proto3\";")
    error_message = "The syntax comes first."
  }
  assert {
    condition     = strcontains(output.definition, "\nmessage VehiclePing {\n") && endswith(output.definition, "\n}\n")
    error_message = "The message is whole."
  }
  assert {
    condition     = length(regexall("(?m)^  [a-z].* = [0-9]+;$", output.definition)) == 18
    error_message = "All 18 fields of a ping are there."
  }
  assert {
    condition     = length(output.definition) < 300000
    error_message = "A definition has at most 300 KB."
  }
}

run "a_schema_that_imports_is_refused" {
  command = plan

  variables {
    source_file = "tests/importing.proto"
  }

  expect_failures = [output.definition]
}

run "a_second_message_before_it_is_refused" {
  command = plan

  variables {
    source_file = "tests/two_messages.proto"
  }

  expect_failures = [output.definition]
}
