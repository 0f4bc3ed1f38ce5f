# Who runs what, and may do what.

# One account for each role, and no keys: whoever runs elsewhere impersonates
# or federates.
resource "google_service_account" "account" {
  for_each = module.names.accounts

  project      = var.project
  account_id   = each.value
  display_name = "fleetstream ${each.key}"
}

# Pub/Sub's own account in this project; asking for it makes it.
resource "google_project_service_identity" "pubsub" {
  provider = google-beta

  project = var.project
  service = "pubsub.googleapis.com"
}

locals {
  members = merge(
    { for role, account in google_service_account.account : role => "serviceAccount:${account.email}" },
    { pubsub_agent = "serviceAccount:${google_project_service_identity.pubsub.email}" },
  )
}

module "access" {
  source = "../access"

  project                  = var.project
  ingest                   = module.names.ingest
  events_topic             = module.names.events_topic
  dead_letter_topic        = module.names.dead_letter_topic
  dead_letter_subscription = module.names.dead_letter_subscription
  journal_bucket           = module.names.journal_bucket
  fences_bucket            = var.fences_bucket
  dataset                  = var.archive ? module.names.dataset : null
  database                 = var.positions ? module.names.database : null
}

module "grants" {
  source = "../grants"

  project = var.project
  grants  = module.access.grants
  members = local.members
  dataset = var.archive ? module.names.dataset : null

  # The matrix names resources by their ids, which are known before they exist.
  depends_on = [module.topics, module.subscriptions, module.journal, module.archive, module.positions]
}
