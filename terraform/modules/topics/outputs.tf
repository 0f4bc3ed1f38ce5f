output "ingest" {
  description = "Full names of the topics of pings by key."
  value       = { for key, topic in google_pubsub_topic.ingest : key => topic.id }
}

output "events" {
  description = "Full name of the topic of events."
  value       = google_pubsub_topic.events.id
}

output "dead_letters" {
  description = "Full name of the topic of refused pings."
  value       = google_pubsub_topic.dead_letters.id
}
