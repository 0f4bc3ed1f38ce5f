# The worker: a Cloud Run worker pool, which pulls and serves nothing. No key
# and no secret: it gets its credentials from the metadata server.

resource "google_cloud_run_v2_worker_pool" "worker" {
  project     = var.project
  name        = var.name
  location    = var.location
  description = "fleetstream: pings in, events, positions and rows out."
  labels      = var.labels

  deletion_protection = false

  # By hand: the shards are what limits how many can work, and a second
  # instance is a standby, not capacity.
  scaling {
    manual_instance_count = var.instances
  }

  template {
    service_account = var.service_account

    containers {
      image = var.image
      args  = ["run"]

      resources {
        limits = {
          cpu    = tostring(var.cpu)
          memory = var.memory
        }
      }

      dynamic "env" {
        for_each = var.environment
        content {
          name  = env.key
          value = env.value
        }
      }

      # Written to but never needed again: the journal is in Cloud Storage.
      volume_mounts {
        name       = "data"
        mount_path = "/data"
      }

      dynamic "volume_mounts" {
        for_each = var.fences_bucket == null ? [] : ["fences"]
        content {
          name       = volume_mounts.value
          mount_path = "/fences"
        }
      }
    }

    volumes {
      name = "data"
      empty_dir {
        medium     = "MEMORY"
        size_limit = "256Mi"
      }
    }

    dynamic "volumes" {
      for_each = var.fences_bucket == null ? [] : [var.fences_bucket]
      content {
        name = "fences"
        gcs {
          bucket    = volumes.value
          read_only = true
        }
      }
    }
  }
}
