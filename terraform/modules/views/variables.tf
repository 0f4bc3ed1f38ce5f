variable "dataset" {
  description = "The dataset as project.dataset: what {dataset} in the queries becomes."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]+\\.[A-Za-z0-9_]+$", var.dataset))
    error_message = "The dataset is written project.dataset."
  }
}

variable "directory" {
  description = "Directory of the queries, a file name.sql for each view. Null takes those of this repository, which the engine itself uses."
  type        = string
  default     = null
}
