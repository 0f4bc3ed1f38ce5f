# Carries the matrix of `access` out, grant by grant. Each is a member added to
# a role and not the role's whole list, so that what others granted stays.

resource "google_pubsub_topic_iam_member" "grant" {
  for_each = var.grants.topic

  project = var.project
  topic   = each.value.resource
  role    = each.value.role
  member  = var.members[each.value.member]
}

resource "google_pubsub_subscription_iam_member" "grant" {
  for_each = var.grants.subscription

  project      = var.project
  subscription = each.value.resource
  role         = each.value.role
  member       = var.members[each.value.member]
}

resource "google_storage_bucket_iam_member" "grant" {
  for_each = var.grants.bucket

  bucket = each.value.resource
  role   = each.value.role
  member = var.members[each.value.member]
}

resource "google_bigquery_table_iam_member" "grant" {
  for_each = var.grants.table

  project    = var.project
  dataset_id = var.dataset
  table_id   = each.value.resource
  role       = each.value.role
  member     = var.members[each.value.member]
}

resource "google_bigquery_dataset_iam_member" "grant" {
  for_each = var.grants.dataset

  project    = var.project
  dataset_id = each.value.resource
  role       = each.value.role
  member     = var.members[each.value.member]
}

resource "google_project_iam_member" "grant" {
  for_each = var.grants.project

  project = each.value.resource
  role    = each.value.role
  member  = var.members[each.value.member]

  dynamic "condition" {
    for_each = each.value.condition == null ? [] : [each.value.condition]
    content {
      title      = "one_resource"
      expression = condition.value
    }
  }
}
