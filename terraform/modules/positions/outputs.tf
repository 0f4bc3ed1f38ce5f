output "database" {
  description = "What `firestore.database` takes."
  value       = "projects/${var.project}/databases/${google_firestore_database.positions.name}"
}
