# The views' queries, and in which order they can be made: BigQuery refuses a
# view of what does not exist. No provider: `terraform test` checks it offline.

locals {
  directory = coalesce(var.directory, "${path.module}/../../../sinks/bigquery/views")
  sources   = { for file in fileset(local.directory, "*.sql") : trimsuffix(file, ".sql") => file("${local.directory}/${file}") }

  # What each view reads, of the other views.
  reads = {
    for name, source in local.sources : name => [
      for read in distinct(flatten(regexall("\\{dataset\\}\\.([A-Za-z0-9_]+)", source))) : read
      if contains(keys(local.sources), read)
    ]
  }

  queries = { for name, source in local.sources : name => replace(source, "{dataset}", var.dataset) }
  base    = [for name, reads in local.reads : name if length(reads) == 0]
  derived = [for name, reads in local.reads : name if length(reads) > 0]
}
