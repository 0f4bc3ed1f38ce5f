variable "project" {
  description = "Id of an existing project with billing."
  type        = string
}

variable "region" {
  description = "Region to run in."
  type        = string
  default     = "europe-west1"
}

variable "image" {
  description = "Container image of `fleetstream`, by digest; null to make everything but the worker."
  type        = string
  default     = null
}
