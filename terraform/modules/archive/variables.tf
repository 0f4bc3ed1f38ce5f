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
  description = "Days for which partitions are kept, 1 or more; null for ever. Positions are personal data: set what your privacy notice says."
  type        = number
  default     = null

  # The engine takes pings up to 31 days old; what expires at once is lost.
  validation {
    condition     = var.keep_days == null ? true : var.keep_days >= 32
    error_message = "Partitions are kept for 32 days at least: pings arrive up to 31 days late."
  }
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
