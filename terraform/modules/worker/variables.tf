variable "project" {
  description = "Id of the project."
  type        = string
  nullable    = false
}

variable "name" {
  description = "Name of the worker pool."
  type        = string
  nullable    = false
}

variable "location" {
  description = "Region to run in: the journal's, for the shortest commits."
  type        = string
  nullable    = false
}

variable "image" {
  description = "Container image of `fleetstream`, by digest, so that a restart runs what was tested."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image))
    error_message = "Name the image by digest: …@sha256:<64 hexadecimal digits>."
  }
}

variable "service_account" {
  description = "Email of the account the worker runs as."
  type        = string
  nullable    = false
}

variable "environment" {
  description = "Settings as environment variables: FLEETSTREAM_COMMIT__MAX_DELAY sets commit.max_delay."
  type        = map(string)
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.environment) : startswith(name, "FLEETSTREAM_")])
    error_message = "Settings of the worker begin with FLEETSTREAM_."
  }
}

variable "fences_bucket" {
  description = "Bucket of GeoJSON files, mounted for reading at /fences; null for none."
  type        = string
  default     = null
}

variable "instances" {
  description = "Instances: one works, any other stands by and takes over within some ten commit delays. 0 stops the worker; pings wait in their subscription."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = contains([0, 1, 2], var.instances)
    error_message = "0, 1, or 2 with a standby; a third would only stand by too."
  }
}

variable "cpu" {
  description = "Processors of an instance."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = contains([1, 2, 4, 6, 8], var.cpu)
    error_message = "Cloud Run has instances of 1, 2, 4, 6 and 8 processors."
  }
}

variable "memory" {
  description = "Memory of an instance. Local files count towards it."
  type        = string
  default     = "2Gi"
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+(Mi|Gi)$", var.memory))
    error_message = "Memory is written like \"2Gi\" or \"512Mi\"."
  }
}

variable "labels" {
  description = "Labels of the pool."
  type        = map(string)
  default     = {}
  nullable    = false
}
