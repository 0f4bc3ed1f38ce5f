variable "project" {
  description = "Id of the project."
  type        = string
  nullable    = false
}

variable "ingest" {
  description = "Topics of the pings by key, as `names` gives them."
  type        = map(object({ topic = string, subscription = string, shards = list(number) }))
  nullable    = false
}

variable "events_topic" {
  description = "Id of the topic that events are published to."
  type        = string
  nullable    = false
}

variable "dead_letter_topic" {
  description = "Id of the topic of refused pings."
  type        = string
  nullable    = false
}

variable "ping_schema" {
  description = <<-TEXT
    The schema that Pub/Sub holds pings to before they are published: its id
    and source. Topics with it take one protobuf ping a message and nothing
    else; null leaves batches and JSON possible, and the engine to judge.
  TEXT
  type        = object({ id = string, definition = string })
  default     = null
}

variable "ingest_retention" {
  description = "How long pings stay readable after they were acknowledged, to seek back to: seconds with an s, 10 minutes to 31 days; null for not at all."
  type        = string
  default     = "86400s"

  validation {
    condition = var.ingest_retention == null ? true : (
      can(regex("^[0-9]+s$", var.ingest_retention))
      && tonumber(trimsuffix(var.ingest_retention, "s")) >= 600
      && tonumber(trimsuffix(var.ingest_retention, "s")) <= 2678400
    )
    error_message = "A retention is written like \"86400s\", from 600s to 2678400s."
  }
}

variable "regions" {
  description = "Regions that messages may be stored in; empty for what the organisation allows."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "labels" {
  description = "Labels of every topic."
  type        = map(string)
  default     = {}
  nullable    = false
}
