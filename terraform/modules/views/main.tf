# The views' queries, in which order they can be made (BigQuery refuses a view
# of what does not exist), and what tables and views are described as. No
# provider: `terraform test` checks it offline.

locals {
  directory = coalesce(var.directory, "${path.module}/../../../sinks/bigquery/views")
  sources   = { for file in fileset(local.directory, "*.sql") : trimsuffix(file, ".sql") => file("${local.directory}/${file}") }

  # What each view reads, of the other views.
  reads = {
    for name, source in local.sources : name => [
      for read in distinct(flatten(regexall("\\{dataset\\}\\.([A-Za-z0-9_]+)", source))) : read
      if contains(keys(local.sources), read)
    ]
  }

  queries = { for name, source in local.sources : name => replace(source, "{dataset}", var.dataset) }
  base    = [for name, reads in local.reads : name if length(reads) == 0]
  derived = [for name, reads in local.reads : name if length(reads) > 0]

  # As the engine has them (sinks/src/bigquery/definition.rs, which a test
  # compares): `fleetstream bigquery ensure` puts its own in the place of others.
  descriptions = {
    pings  = "Every ping that was taken in. One row for each, but for repeats that came after the hot window; the view pings_unique has no repeats."
    events = "Every operation on an event: the highest revision of an event_id wins, a retract hides. The view events_current has events as they stand."

    pings_unique          = "One row for each vehicle and event time, without repeats."
    events_current        = "Events as they stand: corrections folded, retracted ones hidden."
    positions_latest      = "The newest ping of every vehicle heard of in the last 31 days."
    visits                = "Visits of vehicles to geofences, open ones included."
    idle_episodes         = "Stretches in which a vehicle stood with its engine on."
    daily_vehicle_summary = "What each vehicle did on each day (UTC)."
  }
}
