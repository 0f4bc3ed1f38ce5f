# The journal's bucket: the one place whose loss cannot be made good.
#
# What is deliberately absent:
#
# - Lifecycle rules. Only the engine knows which segments every sink and two
#   snapshots are past; a rule by age would delete a journal whose sink was
#   down for longer, and the worker would refuse to start.
# - A retention policy or holds. They would keep the engine from deleting, and
#   the bucket would grow for ever.
# - Object versioning. Objects are created once and never changed, so versions
#   would only keep, and bill, what the engine deleted. Soft delete is what
#   helps against a deletion by mistake: the engine never sees it, and a new
#   object may take a soft-deleted one's name.
# - Other storage classes. A segment lives a day; the colder classes bill 30
#   days at the least.

resource "google_storage_bucket" "journal" {
  project  = var.project
  name     = var.bucket
  location = var.location
  labels   = var.labels

  storage_class               = "STANDARD"
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false

  versioning {
    enabled = false
  }

  soft_delete_policy {
    retention_duration_seconds = var.soft_delete_days * 86400
  }

  dynamic "encryption" {
    for_each = var.kms_key == null ? [] : [var.kms_key]
    content {
      default_kms_key_name = encryption.value
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}
