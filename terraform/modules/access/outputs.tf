output "grants" {
  description = "Every grant by kind of resource, each under a key that names all of it and so never moves."
  value = {
    for kind, grants in local.by_kind : kind => {
      for grant in grants : "${grant.resource}/${grant.member}/${trimprefix(grant.role, "roles/")}" => grant
    }
  }

  precondition {
    condition     = alltrue([for grants in values(local.by_kind) : length(distinct(grants)) == length(grants)])
    error_message = "A grant is there twice."
  }
}

output "members" {
  description = "Everybody who has a grant."
  value       = distinct(flatten([for grants in values(local.by_kind) : [for grant in grants : grant.member]]))
}
