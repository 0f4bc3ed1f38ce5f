variable "project" {
  description = "Id of the project."
  type        = string
  nullable    = false
}

variable "dataset" {
  description = "Id of the dataset that the table is made in."
  type        = string
  nullable    = false
}

variable "table" {
  description = "Id of the table."
  type        = string
  nullable    = false
}

variable "subscription" {
  description = "What the subscriptions' ids begin with; the key of the topic follows."
  type        = string
  nullable    = false
}

variable "ingest_topics" {
  description = "Full names of the topics of pings by key."
  type        = map(string)
  nullable    = false
}

variable "dead_letter_topic" {
  description = "Full name of the topic of refused pings; it takes messages that BigQuery refuses."
  type        = string
  nullable    = false
}

variable "agent" {
  description = "Pub/Sub's service agent as an IAM member."
  type        = string
  nullable    = false
}

variable "keep_days" {
  description = "Days for which raw messages are kept, 1 or more."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.keep_days >= 1
    error_message = "Raw messages are kept for a day at least."
  }
}

variable "deletion_protection" {
  description = "Whether Terraform refuses to delete the table."
  type        = bool
  default     = true
  nullable    = false
}

variable "labels" {
  description = "Labels of table and subscriptions."
  type        = map(string)
  default     = {}
  nullable    = false
}
