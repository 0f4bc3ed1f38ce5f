variable "project" {
  description = "Id of the project."
  type        = string
  nullable    = false
}

variable "bucket" {
  description = "Name of the bucket, unique in all of Cloud Storage."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "A bucket's name has 3 to 63 characters of a-z, 0-9, - and _, and begins and ends with a letter or digit."
  }
}

variable "location" {
  description = "Region of the worker, for the shortest commits; a dual region (NAM4, EUR4, ASIA1) survives the loss of one, at about twice the price."
  type        = string
  nullable    = false
}

variable "soft_delete_days" {
  description = "Days for which a deleted object can be brought back, 0 or 7 to 90. They are paid for: at 1,600 pings/s a week is some 150 GB."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.soft_delete_days == 0 || (var.soft_delete_days >= 7 && var.soft_delete_days <= 90)
    error_message = "Soft delete is off (0) or lasts 7 to 90 days."
  }
}

variable "kms_key" {
  description = "Full name of a KMS key to encrypt with; null for Google's own. Storage's service agent must be allowed to use it."
  type        = string
  default     = null
}

variable "labels" {
  description = "Labels of the bucket."
  type        = map(string)
  default     = {}
  nullable    = false
}
