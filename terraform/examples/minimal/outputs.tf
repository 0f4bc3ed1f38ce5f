output "pipeline" {
  description = "Names to publish to, subscribe to and run with."
  value       = module.pipeline
}
