output "environment" {
  description = "Each worker's settings as environment variables, to run it elsewhere."
  value       = { for key, settings in module.worker_settings : key => settings.environment }
}

output "ingest_topics" {
  description = "Full names of the topics to publish pings to, by key."
  value       = module.topics.ingest
}

output "events_topic" {
  description = "Full name of the topic to subscribe to for events."
  value       = module.topics.events
}

output "dead_letter_subscription" {
  description = "Full name of the subscription that `fleetstream dlq` reads."
  value       = module.subscriptions.dead_letters
}

output "accounts" {
  description = "Emails of the service accounts by role."
  value       = { for role, account in google_service_account.account : role => account.email }
}
