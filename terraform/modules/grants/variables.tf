variable "project" {
  description = "Id of the project."
  type        = string
  nullable    = false
}

variable "grants" {
  description = "The matrix that `access` gives: by kind of resource, then by key."
  type = map(map(object({
    member    = string
    resource  = string
    role      = string
    condition = optional(string)
  })))
  nullable = false
}

variable "members" {
  description = "IAM member of everybody in the matrix: \"serviceAccount:…\"."
  type        = map(string)
  nullable    = false

  validation {
    condition     = alltrue([for member in values(var.members) : startswith(member, "serviceAccount:")])
    error_message = "Everybody in the matrix is a service account."
  }
}

variable "dataset" {
  description = "Id of the dataset that tables in the matrix are in; null without."
  type        = string
  default     = null
}
