variable "project" {
  description = "Id of the project that everything lives in."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "A project id has 6 to 30 characters of a-z, 0-9 and -, begins with a letter and does not end with a hyphen."
  }
}

variable "prefix" {
  description = "What every name begins with, so that several pipelines fit in one project."
  type        = string
  default     = "fleetstream"
  nullable    = false

  # Service account ids are the tightest: 30 characters with their suffix.
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,18}[a-z0-9]$", var.prefix))
    error_message = "The prefix has 4 to 20 characters of a-z, 0-9 and -, begins with a letter and does not end with a hyphen."
  }
}

variable "shards" {
  description = "Number of shards. The worker refuses another number once its journal exists: a vehicle's shard is a hash modulo this."
  type        = number
  default     = 8
  nullable    = false

  validation {
    condition     = var.shards >= 1 && var.shards <= 1024 && floor(var.shards) == var.shards
    error_message = "There are 1 to 1024 shards, a whole number."
  }
}

variable "topic_per_shard" {
  description = "One topic and subscription for each shard instead of one for all. Producers then send each ping to the topic of its vehicle's shard."
  type        = bool
  default     = false
  nullable    = false
}

variable "workers" {
  description = "Workers that share the shards. More than one need a topic for each shard."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.workers >= 1 && var.workers <= var.shards && floor(var.workers) == var.workers
    error_message = "There are 1 worker to as many as there are shards, a whole number."
  }
  validation {
    condition     = var.workers == 1 || var.topic_per_shard
    error_message = "Several workers pull the subscriptions of their own shards: set topic_per_shard too."
  }
}

variable "settings" {
  description = "Further settings of the worker by key, of which firestore.collection is a name."
  type        = map(string)
  default     = {}
  nullable    = false
}
