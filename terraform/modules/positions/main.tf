# The live positions: a Firestore database, and what is not indexed in it.
# Positions can be written anew from the journal's state, so no point-in-time
# recovery is paid for.

resource "google_firestore_database" "positions" {
  project     = var.project
  name        = var.database
  location_id = var.location
  type        = "FIRESTORE_NATIVE"

  point_in_time_recovery_enablement = "POINT_IN_TIME_RECOVERY_DISABLED"
  delete_protection_state           = var.deletion_protection ? "DELETE_PROTECTION_ENABLED" : "DELETE_PROTECTION_DISABLED"
  deletion_policy                   = var.deletion_protection ? "ABANDON" : "DELETE"
}

locals {
  unindexed = merge([
    for collection, fields in var.unindexed : {
      for field in fields : "${collection}/${field}" => { collection = collection, field = field }
    }
  ]...)
}

resource "google_firestore_field" "unindexed" {
  for_each = local.unindexed

  project    = var.project
  database   = google_firestore_database.positions.name
  collection = each.value.collection
  field      = each.value.field

  # Empty: no index at all.
  index_config {}
}
