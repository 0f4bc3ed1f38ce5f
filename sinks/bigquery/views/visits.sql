-- Visits of vehicles to fences. One that is still open has an enter and no
-- exit yet; exit_time, duration_s and what follows them are then null.
WITH enters AS (
  SELECT * FROM `{dataset}.events_current` WHERE kind = 'geofence_enter'
),
closed AS (
  SELECT * FROM `{dataset}.events_current` WHERE kind = 'geofence_visit'
)
SELECT
  visit_id,
  COALESCE(closed.vehicle_id, enters.vehicle_id) AS vehicle_id,
  COALESCE(closed.fence_id, enters.fence_id) AS fence_id,
  COALESCE(closed.fence_version, enters.fence_version) AS fence_version,
  COALESCE(closed.enter_time, enters.event_time) AS enter_time,
  enters.not_before AS enter_not_before,
  enters.not_after AS enter_not_after,
  enters.reason AS enter_reason,
  closed.event_time AS exit_time,
  closed.not_before AS exit_not_before,
  closed.not_after AS exit_not_after,
  closed.reason AS exit_reason,
  closed.duration_s,
  closed.certain_s,
  closed.possible_s,
  closed.max_gap_s,
  closed.pings,
  closed.event_id IS NULL AS is_open
FROM enters
FULL JOIN closed USING (visit_id)
