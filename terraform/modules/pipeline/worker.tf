# The worker itself.

module "worker_settings" {
  source = "../worker_settings"
  count  = var.topic_per_shard ? 0 : 1

  shards            = var.shards
  journal_url       = module.journal.url
  subscription      = one(values(module.subscriptions.ingest))
  events_topic      = module.topics.events
  dead_letter_topic = module.topics.dead_letters
  database          = one(module.positions[*].database)
  dataset           = one(module.archive[*].dataset)
  fences            = var.fences_bucket == null ? null : "/fences"
  settings          = var.settings
}

module "worker" {
  source = "../worker"
  count  = var.image == null ? 0 : 1

  project         = var.project
  name            = module.names.worker_pool
  location        = var.region
  image           = var.image
  service_account = google_service_account.account["worker"].email
  environment     = module.worker_settings[0].environment
  fences_bucket   = var.fences_bucket
  instances       = var.instances
  cpu             = var.cpu
  memory          = var.memory
  labels          = var.labels

  # A worker that starts before it may do anything only crashes.
  depends_on = [module.grants]
}
