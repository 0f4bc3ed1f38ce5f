-- Stretches in which a vehicle stood with its engine on. One that lasts still
-- has no end_time.
WITH starts AS (
  SELECT * FROM `{dataset}.events_current` WHERE kind = 'idle_start'
),
ends AS (
  SELECT * FROM `{dataset}.events_current` WHERE kind = 'idle_end'
)
SELECT
  episode_id,
  COALESCE(starts.vehicle_id, ends.vehicle_id) AS vehicle_id,
  starts.event_time AS start_time,
  ends.event_time AS end_time,
  ends.not_after AS end_not_after,
  ends.duration_s,
  ends.reason AS end_reason,
  COALESCE(starts.lat, ends.lat) AS lat,
  COALESCE(starts.lon, ends.lon) AS lon,
  COALESCE(starts.location, ends.location) AS location,
  ends.event_id IS NULL AS is_open
FROM starts
FULL JOIN ends USING (episode_id)
