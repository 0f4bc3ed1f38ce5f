output "base" {
  description = "Queries by name of the views that read tables only."
  value       = { for name in local.base : name => local.queries[name] }

  precondition {
    condition     = length(local.sources) > 0
    error_message = "${local.directory} has no queries."
  }
}

output "derived" {
  description = "Queries by name of the views that read other views; made after those."
  value       = { for name in local.derived : name => local.queries[name] }

  precondition {
    condition     = alltrue(flatten([for name in local.derived : [for read in local.reads[name] : contains(local.base, read)]]))
    error_message = "A view reads a view that itself reads views: the module makes them in two steps only."
  }
}

output "descriptions" {
  description = "What each table and view is, by name."
  value       = local.descriptions
}
