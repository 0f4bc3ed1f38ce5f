output "table" {
  description = "The table as project.dataset.table."
  value       = "${var.project}.${var.dataset}.${google_bigquery_table.raw.table_id}"
}
