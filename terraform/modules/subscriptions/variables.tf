variable "project" {
  description = "Id of the project."
  type        = string
  nullable    = false
}

variable "ingest" {
  description = "Subscriptions of the pings by key, as `names` gives them."
  type        = map(object({ topic = string, subscription = string, shards = list(number) }))
  nullable    = false
}

variable "ingest_topics" {
  description = "Full names of their topics, by the same keys."
  type        = map(string)
  nullable    = false
}

variable "dead_letter_topic" {
  description = "Full name of the topic of refused pings."
  type        = string
  nullable    = false
}

variable "dead_letter_subscription" {
  description = "Id of the subscription that holds refused pings."
  type        = string
  nullable    = false
}

variable "ack_deadline_seconds" {
  description = "First deadline of a message, 10 to 600. The worker extends it for as long as it holds the message; this is how long a killed worker's messages stay away."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.ack_deadline_seconds >= 10 && var.ack_deadline_seconds <= 600
    error_message = "The deadline is 10 to 600 seconds."
  }
}

variable "backlog_retention" {
  description = "How long a ping waits for the worker: seconds with an s, 10 minutes to 31 days. Pings older than the engine's ancient limit are archived, but detect nothing."
  type        = string
  default     = "604800s"
  nullable    = false

  validation {
    condition = (
      can(regex("^[0-9]+s$", var.backlog_retention))
      && tonumber(trimsuffix(var.backlog_retention, "s")) >= 600
      && tonumber(trimsuffix(var.backlog_retention, "s")) <= 2678400
    )
    error_message = "A retention is written like \"604800s\", from 600s to 2678400s."
  }
}

variable "retry_backoff" {
  description = "Shortest and longest pause before a message is delivered again, in seconds."
  type        = object({ minimum = number, maximum = number })
  default     = { minimum = 10, maximum = 60 }
  nullable    = false

  validation {
    condition = (
      var.retry_backoff.minimum >= 0
      && var.retry_backoff.minimum <= var.retry_backoff.maximum
      && var.retry_backoff.maximum <= 600
    )
    error_message = "0 <= minimum <= maximum <= 600 seconds."
  }
}

variable "max_delivery_attempts" {
  description = "Deliveries after which Pub/Sub gives a message up, 5 to 100. Only a backstop: the worker itself sets aside what it refuses, at the first delivery."
  type        = number
  default     = 100
  nullable    = false

  validation {
    condition     = var.max_delivery_attempts >= 5 && var.max_delivery_attempts <= 100
    error_message = "Pub/Sub allows 5 to 100 attempts."
  }

  # A worker that crashes on start for an hour must eat no good ping.
  validation {
    condition     = var.max_delivery_attempts * var.retry_backoff.maximum >= 3600
    error_message = "max_delivery_attempts times retry_backoff.maximum must be an hour at least: in less, a crash loop would move good pings to the dead letters."
  }
}

variable "labels" {
  description = "Labels of every subscription."
  type        = map(string)
  default     = {}
  nullable    = false
}
