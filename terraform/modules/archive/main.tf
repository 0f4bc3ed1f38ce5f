# The analysts' side: a dataset, the two tables the worker appends to, and
# views over them. Columns and queries are the files that the engine itself
# uses, and descriptions the same as its own, so `fleetstream bigquery ensure`
# finds nothing to do here.

locals {
  schema_directory = coalesce(var.schema_directory, "${path.module}/../../../sinks/bigquery")
}

resource "google_bigquery_dataset" "fleet" {
  project     = var.project
  dataset_id  = var.dataset
  location    = var.location
  description = "Pings and events of the fleet."
  labels      = var.labels

  delete_contents_on_destroy = false
}

resource "google_bigquery_table" "table" {
  for_each = toset(["pings", "events"])

  project             = var.project
  dataset_id          = google_bigquery_dataset.fleet.dataset_id
  table_id            = each.key
  description         = module.views.descriptions[each.key]
  schema              = file("${local.schema_directory}/${each.key}.schema.json")
  clustering          = ["vehicle_id"]
  deletion_protection = var.deletion_protection
  labels              = var.labels

  # A partition a day of event time; `day` is held within 31 days before the
  # arrival and one after, so a broken clock cannot make thousands.
  time_partitioning {
    type          = "DAY"
    field         = "day"
    expiration_ms = var.keep_days == null ? null : var.keep_days * 86400000
  }
}

module "views" {
  source = "../views"

  dataset = "${var.project}.${var.dataset}"
}

resource "google_bigquery_table" "base_view" {
  for_each = module.views.base

  project             = var.project
  dataset_id          = google_bigquery_dataset.fleet.dataset_id
  table_id            = each.key
  description         = module.views.descriptions[each.key]
  deletion_protection = false
  labels              = var.labels

  view {
    query          = each.value
    use_legacy_sql = false
  }

  depends_on = [google_bigquery_table.table]
}

resource "google_bigquery_table" "derived_view" {
  for_each = module.views.derived

  project             = var.project
  dataset_id          = google_bigquery_dataset.fleet.dataset_id
  table_id            = each.key
  description         = module.views.descriptions[each.key]
  deletion_protection = false
  labels              = var.labels

  view {
    query          = each.value
    use_legacy_sql = false
  }

  depends_on = [google_bigquery_table.base_view]
}
