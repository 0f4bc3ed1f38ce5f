output "definition" {
  description = "Source of the schema: syntax, package and the message VehiclePing."
  value       = local.definition

  precondition {
    condition     = jsonencode(flatten(local.messages)) == jsonencode(["VehiclePing"])
    error_message = "A Pub/Sub schema has exactly one top-level message, here VehiclePing."
  }
  precondition {
    condition     = length(regexall("(?m)^import ", local.definition)) == 0
    error_message = "A Pub/Sub schema imports nothing."
  }
}
