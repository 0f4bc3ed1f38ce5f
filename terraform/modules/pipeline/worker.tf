# The workers themselves: one that owns all shards, or several that share them.

module "worker_settings" {
  source   = "../worker_settings"
  for_each = module.names.workers

  shards            = var.shards
  shards_owned      = var.workers == 1 ? null : each.value.shards
  journal_url       = module.journal.url
  subscription      = "projects/${var.project}/subscriptions/${module.names.subscription}"
  events_topic      = module.topics.events
  dead_letter_topic = module.topics.dead_letters
  database          = one(module.positions[*].database)
  dataset           = one(module.archive[*].dataset)
  fences            = var.fences_bucket == null ? null : "/fences"
  settings          = var.settings
}

module "worker" {
  source   = "../worker"
  for_each = var.image == null ? {} : module.names.workers

  project         = var.project
  name            = each.value.pool
  location        = var.region
  image           = var.image
  service_account = google_service_account.account["worker"].email
  environment     = module.worker_settings[each.key].environment
  fences_bucket   = var.fences_bucket
  instances       = var.instances
  cpu             = var.cpu
  memory          = var.memory
  labels          = var.labels

  # A worker that starts before it may do anything only crashes.
  depends_on = [module.grants]
}
