# The definition of one ping as a Pub/Sub schema takes it: exactly one
# top-level message, no imports. The engine's source has the batch beside it,
# so the batch is cut off here rather than kept in a second file that drifts.

locals {
  source_file = coalesce(var.source_file, "${path.module}/../../../protos/proto/fleet/telemetry/v1/ping.proto")

  # Up to the closing brace in the first column.
  definition = regex("(?s)^.*?\nmessage VehiclePing \\{\n.*?\n\\}\n", file(local.source_file))

  messages = regexall("(?m)^message ([A-Za-z0-9_]+)", local.definition)
}
