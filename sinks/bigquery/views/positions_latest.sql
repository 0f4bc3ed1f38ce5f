-- The newest judged ping of every vehicle heard of in the last 31 days; the
-- engine forgets a vehicle after 30.
SELECT
  vehicle_id,
  event_time,
  receive_time,
  lat,
  lon,
  location,
  accuracy_m,
  speed_mps,
  heading_deg,
  ignition,
  driver_id,
  route_id,
  trip_id,
  shard,
  journal_seq
FROM `{dataset}.pings`
WHERE day >= DATE_SUB(CURRENT_DATE('UTC'), INTERVAL 31 DAY)
  AND disposition IN ('on_time', 'late', 'too_late')
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY vehicle_id
  ORDER BY
    event_time DESC,
    COALESCE(accuracy_m, CAST('inf' AS FLOAT64)),
    COALESCE(seq, 0) DESC,
    supersedes IS NULL,
    journal_seq DESC
) = 1
