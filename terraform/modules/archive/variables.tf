variable "project" {
  description = "Id of the project."
  type        = string
  nullable    = false
}

variable "dataset" {
  description = "Id of the dataset."
  type        = string
  nullable    = false
}

variable "location" {
  description = "Location of the dataset: a region, or EU or US. It cannot be changed later."
  type        = string
  nullable    = false
}

variable "schema_directory" {
  description = "Directory of pings.schema.json and events.schema.json. Null takes those of this repository, which the engine itself uses."
  type        = string
  default     = null
}

variable "keep_days" {
  description = <<-TEXT
    Days for which partitions are kept, 32 and backlog_days at the least; null
    for ever. Positions are personal data: set what your privacy notice says.
    A ping that waits for longer than a backlog does, as a dead letter or while
    BigQuery is away, needs as many days more.
  TEXT
  type        = number
  default     = null

  # A ping's day lies up to 31 days before its publishing, and what is written
  # to a partition that has expired is lost.
  validation {
    condition     = var.keep_days == null ? true : var.keep_days >= 32 + var.backlog_days
    error_message = "Partitions are kept for ${32 + var.backlog_days} days at least: pings are up to 31 days late when they are published, and wait up to ${var.backlog_days} days for the worker."
  }
}

variable "backlog_days" {
  description = "Days for which a ping may wait for the worker, at the most."
  type        = number
  default     = 7
  nullable    = false
}

variable "deletion_protection" {
  description = "Whether Terraform refuses to delete the tables."
  type        = bool
  default     = true
  nullable    = false
}

variable "labels" {
  description = "Labels of dataset, tables and views."
  type        = map(string)
  default     = {}
  nullable    = false
}
