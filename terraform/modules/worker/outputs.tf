output "name" {
  description = "Full name of the worker pool."
  value       = google_cloud_run_v2_worker_pool.worker.id
}
