variable "project" {
  description = "Id of the project."
  type        = string
  nullable    = false
}

variable "prefix" {
  description = "What every name begins with."
  type        = string
  default     = "fleetstream"
  nullable    = false
}

variable "region" {
  description = "Region of the worker, the journal and the positions."
  type        = string
  nullable    = false
}

variable "image" {
  description = "Container image of `fleetstream`, by digest; null to leave the worker out and run it elsewhere."
  type        = string
  default     = null
}

variable "instances" {
  description = "Instances of each worker: 1, 2 with a standby, 0 to stop it."
  type        = number
  default     = 1
  nullable    = false
}

variable "cpu" {
  description = "Processors of an instance."
  type        = number
  default     = 2
  nullable    = false
}

variable "memory" {
  description = "Memory of an instance."
  type        = string
  default     = "2Gi"
  nullable    = false
}

variable "shards" {
  description = "Number of shards, fixed once the journal exists."
  type        = number
  default     = 8
  nullable    = false
}

variable "topic_per_shard" {
  description = "One topic and subscription for each shard instead of one for all, which several workers need. Producers send each ping to the topic of its vehicle's shard."
  type        = bool
  default     = false
  nullable    = false
}

variable "workers" {
  description = "Workers that share the shards, each a pool of its own. More than one need topic_per_shard. To change it, stop the workers first (instances = 0)."
  type        = number
  default     = 1
  nullable    = false
}

variable "ingest_retention" {
  description = "How long pings stay readable after they were acknowledged, to seek back to: seconds with an s, 600s to 2678400s; null for not at all."
  type        = string
  default     = "86400s"
}

variable "enforce_ping_schema" {
  description = "Let Pub/Sub refuse, at the publisher, whatever is not one protobuf ping a message. Batches and JSON are refused too."
  type        = bool
  default     = false
  nullable    = false
}

variable "positions" {
  description = "Keep live positions in Firestore."
  type        = bool
  default     = true
  nullable    = false
}

variable "archive" {
  description = "Archive pings and events in BigQuery."
  type        = bool
  default     = true
  nullable    = false
}

variable "archive_location" {
  description = "Location of the dataset; null for the region."
  type        = string
  default     = null
}

variable "archive_keep_days" {
  description = "Days for which partitions of the archive are kept, 39 or more; null for ever."
  type        = number
  default     = null
}

variable "raw_archive" {
  description = "Let Pub/Sub itself archive every message as it came, beside the worker. Needs the archive."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.raw_archive || var.archive
    error_message = "The raw archive's table is in the archive's dataset: set archive too."
  }
}

variable "journal_location" {
  description = "Location of the journal's bucket; null for the region, a dual region to survive the loss of one."
  type        = string
  default     = null
}

variable "journal_soft_delete_days" {
  description = "Days for which a deleted object of the journal can be brought back, 0 or 7 to 90. They are paid for."
  type        = number
  default     = 7
  nullable    = false
}

variable "fences_bucket" {
  description = "Bucket of GeoJSON files that the worker mounts and watches; null for none."
  type        = string
  default     = null
}

variable "settings" {
  description = "Further settings of the worker by key, such as \"detection.profile\"."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "deletion_protection" {
  description = "Whether tables and database refuse to be deleted. The journal's bucket always does."
  type        = bool
  default     = true
  nullable    = false
}

variable "labels" {
  description = "Labels of everything that takes them."
  type        = map(string)
  default     = {}
  nullable    = false
}
