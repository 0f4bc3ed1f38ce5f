output "dataset" {
  description = "What `bigquery.dataset` takes."
  value       = "projects/${var.project}/datasets/${google_bigquery_dataset.fleet.dataset_id}"
}

output "dataset_id" {
  description = "Id of the dataset."
  value       = google_bigquery_dataset.fleet.dataset_id
}

output "tables" {
  description = "Ids of the tables that the worker appends to."
  value       = [for table in google_bigquery_table.table : table.table_id]
}
