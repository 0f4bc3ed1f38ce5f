output "bucket" {
  description = "Name of the bucket."
  value       = google_storage_bucket.journal.name
}

output "url" {
  description = "What `journal.url` takes."
  value       = "gs://${google_storage_bucket.journal.name}/journal"
}
