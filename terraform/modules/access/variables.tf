variable "project" {
  description = "Id of the project that everything lives in."
  type        = string
  nullable    = false
}

variable "ingest" {
  description = "Topic and subscription of the pings by key, as `names` gives them."
  type        = map(object({ topic = string, subscription = string, shards = list(number) }))
  nullable    = false

  validation {
    condition     = length(var.ingest) > 0
    error_message = "Pings come from somewhere: at least one topic."
  }
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

variable "dead_letter_subscription" {
  description = "Id of the subscription that holds refused pings."
  type        = string
  nullable    = false
}

variable "journal_bucket" {
  description = "Name of the journal's bucket."
  type        = string
  nullable    = false
}

variable "fences_bucket" {
  description = "Name of the bucket of fences that the worker reads; null without."
  type        = string
  default     = null
}

variable "dataset" {
  description = "Id of the BigQuery dataset; null without an archive in BigQuery."
  type        = string
  default     = null
}

variable "tables" {
  description = "Ids of the tables that the worker appends to."
  type        = list(string)
  default     = ["pings", "events"]
  nullable    = false
}

variable "database" {
  description = "Id of the Firestore database; null without positions in Firestore."
  type        = string
  default     = null
}
