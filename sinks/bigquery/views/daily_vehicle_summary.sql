-- What each vehicle did on each day (UTC): pings, way, visits and idling. A
-- visit or an idle stretch counts on the day it ended.
WITH fixes AS (
  SELECT
    day,
    vehicle_id,
    event_time,
    speed_mps,
    odometer_m,
    disposition,
    ST_DISTANCE(
      location,
      LAG(location) OVER (PARTITION BY day, vehicle_id ORDER BY event_time)
    ) AS step_m
  FROM `{dataset}.pings_unique`
  WHERE disposition IN ('on_time', 'late', 'too_late')
),
moved AS (
  SELECT
    day,
    vehicle_id,
    COUNT(*) AS pings,
    COUNTIF(disposition != 'on_time') AS late_pings,
    MIN(event_time) AS first_event_time,
    MAX(event_time) AS last_event_time,
    COALESCE(SUM(step_m), 0) AS path_m,
    MAX(odometer_m) - MIN(odometer_m) AS odometer_span_m,
    MAX(speed_mps) AS max_speed_mps
  FROM fixes
  GROUP BY day, vehicle_id
),
visited AS (
  SELECT
    day,
    vehicle_id,
    COUNT(*) AS visits,
    COUNT(DISTINCT fence_id) AS fences,
    SUM(duration_s) AS visit_s
  FROM `{dataset}.events_current`
  WHERE kind = 'geofence_visit'
  GROUP BY day, vehicle_id
),
idled AS (
  SELECT day, vehicle_id, COUNT(*) AS idle_episodes, SUM(duration_s) AS idle_s
  FROM `{dataset}.events_current`
  WHERE kind = 'idle_end'
  GROUP BY day, vehicle_id
)
SELECT
  day,
  vehicle_id,
  COALESCE(pings, 0) AS pings,
  COALESCE(late_pings, 0) AS late_pings,
  first_event_time,
  last_event_time,
  COALESCE(path_m, 0) AS path_m,
  odometer_span_m,
  max_speed_mps,
  COALESCE(visits, 0) AS visits,
  COALESCE(fences, 0) AS fences,
  COALESCE(visit_s, 0) AS visit_s,
  COALESCE(idle_episodes, 0) AS idle_episodes,
  COALESCE(idle_s, 0) AS idle_s
FROM moved
FULL JOIN visited USING (day, vehicle_id)
FULL JOIN idled USING (day, vehicle_id)
