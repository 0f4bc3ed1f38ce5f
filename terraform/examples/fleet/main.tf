# A fleet of some 8,000 vehicles: 8 shards, a standby, positions, the archive,
# and a raw archive that shares no code with the worker.
#
# One worker has all shards and pulls one subscription; the other instance
# stands by.

provider "google" {
  project = var.project
  region  = var.region
}

provider "google-beta" {
  project = var.project
  region  = var.region
}

module "pipeline" {
  source = "../../modules/pipeline"

  project = var.project
  prefix  = "fleet"
  region  = var.region
  image   = var.image

  shards    = 8
  instances = 2
  cpu       = 2
  memory    = "4Gi"

  # Survives the loss of a region; each commit waits for one region only.
  journal_location = "EUR4"
  fences_bucket    = var.fences_bucket

  enforce_ping_schema = true
  archive_location    = "EU"
  archive_keep_days   = 400
  raw_archive         = true

  settings = {
    "tenant"             = "acme"
    "journal.keep"       = "72h"
    "detection.dwell"    = "5m,15m,1h"
    "http.listen"        = "127.0.0.1:8080"
    "detection.idle_gap" = "5m"
  }

  labels = {
    service = "fleet-telemetry"
  }
}
