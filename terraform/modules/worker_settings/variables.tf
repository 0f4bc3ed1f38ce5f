variable "shards" {
  description = "Number of shards."
  type        = number
  nullable    = false
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
  description = "Full name of the subscription that pings come from."
  type        = string
  nullable    = false
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
    condition     = !contains(keys(var.settings), "shards") && !contains(keys(var.settings), "journal.url")
    error_message = "Shards and journal follow from the module's own variables; set those."
  }
}
