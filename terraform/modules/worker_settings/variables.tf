variable "shards" {
  description = "Number of shards."
  type        = number
  nullable    = false
}

variable "shards_owned" {
  description = "Shards that this worker owns, by number; null for all."
  type        = list(number)
  default     = null

  validation {
    condition     = var.shards_owned == null ? true : length(setsubtract(var.shards_owned, range(var.shards))) == 0 && length(var.shards_owned) > 0
    error_message = "A worker owns one shard at the least, and none but 0 to shards - 1."
  }
}

variable "journal_url" {
  description = "Where the journal is: gs://bucket/prefix."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.journal_url, "gs://")
    error_message = "An instance loses its files when it ends, so the journal must be in Cloud Storage: gs://bucket/prefix."
  }
}

variable "subscription" {
  description = "Full name of the subscription that pings come from, with {shard} where each shard has its own."
  type        = string
  nullable    = false

  validation {
    condition     = var.shards_owned == null || strcontains(var.subscription, "{shard}")
    error_message = "A worker that owns some of the shards pulls their own subscriptions: {shard} stands for a shard's number."
  }
}

variable "events_topic" {
  description = "Full name of the topic of events."
  type        = string
  nullable    = false
}

variable "dead_letter_topic" {
  description = "Full name of the topic of refused pings."
  type        = string
  nullable    = false
}

variable "database" {
  description = "Full name of the Firestore database; null for none."
  type        = string
  default     = null
}

variable "dataset" {
  description = "Full name of the BigQuery dataset; null for none."
  type        = string
  default     = null
}

variable "fences" {
  description = "Path of the fences inside the container; null for none."
  type        = string
  default     = null
}

variable "settings" {
  description = "Further settings by key (\"detection.profile\"), as docs/configuration.md has them; they win over what follows from the rest."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key in keys(var.settings) : can(regex("^[a-z][a-z_]*(\\.[a-z][a-z_]*)?$", key))])
    error_message = "A setting's key is written section.key, in lower case."
  }
  validation {
    condition     = length(setintersection(keys(var.settings), ["shards", "shards_owned", "journal.url"])) == 0
    error_message = "Shards and journal follow from the module's own variables; set those."
  }
}
