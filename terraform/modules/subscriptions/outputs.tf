output "ingest" {
  description = "Full names of the subscriptions of pings by key."
  value       = { for key, subscription in google_pubsub_subscription.ingest : key => subscription.id }
}

output "dead_letters" {
  description = "Full name of the subscription that holds refused pings."
  value       = google_pubsub_subscription.dead_letters.id
}

output "backlog_days" {
  description = "Days for which a ping waits for the worker at the most, begun ones included."
  value       = ceil(tonumber(trimsuffix(var.backlog_retention, "s")) / 86400)
}
