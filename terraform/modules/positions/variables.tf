variable "project" {
  description = "Id of the project."
  type        = string
  nullable    = false
}

variable "database" {
  description = "Id of the database; \"(default)\" for the project's own, which must not exist yet."
  type        = string
  nullable    = false
}

variable "location" {
  description = "Location of the database: the worker's region, or a multi-region (nam5, eur3)."
  type        = string
  nullable    = false
}

variable "unindexed" {
  description = <<-TEXT
    Fields without an index, by collection. A field whose values only rise,
    such as a time, holds a collection to 500 writes a second while it is
    indexed; and every index is written with every position.
  TEXT
  type        = map(list(string))
  nullable    = false

  validation {
    condition     = alltrue([for fields in values(var.unindexed) : length(distinct(fields)) == length(fields)])
    error_message = "A field is there twice."
  }
}

variable "deletion_protection" {
  description = "Whether the database refuses to be deleted."
  type        = bool
  default     = true
  nullable    = false
}
