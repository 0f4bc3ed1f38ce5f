variable "source_file" {
  description = "Path of the .proto source of a ping. Null takes the one of this repository."
  type        = string
  default     = null
}
