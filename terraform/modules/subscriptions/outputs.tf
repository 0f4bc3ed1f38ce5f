output "ingest" {
  description = "Full names of the subscriptions of pings by key."
  value       = { for key, subscription in google_pubsub_subscription.ingest : key => subscription.id }
}

output "dead_letters" {
  description = "Full name of the subscription that holds refused pings."
  value       = google_pubsub_subscription.dead_letters.id
}
