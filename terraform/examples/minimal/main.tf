# The least that runs: one topic, one worker, events and refused pings out.
# Positions and archive are off; what was detected is in the events' topic.

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
  region  = var.region
  image   = var.image

  shards    = 1
  cpu       = 1
  memory    = "1Gi"
  positions = false
  archive   = false
}
