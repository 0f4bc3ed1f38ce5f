output "environment" {
  description = "Settings by environment variable."
  value       = { for key, value in local.settings : "FLEETSTREAM_${upper(replace(key, ".", "__"))}" => value }
}
