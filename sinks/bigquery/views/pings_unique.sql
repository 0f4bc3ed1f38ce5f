-- One row for each vehicle and event time (in milliseconds): of several
-- arrivals the one that detection took. A filter on day is passed on to the
-- partitions, because day is a key of the fold.
SELECT *
FROM `{dataset}.pings`
WHERE disposition != 'refused'
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY day, vehicle_id, TIMESTAMP_TRUNC(event_time, MILLISECOND)
  ORDER BY
    disposition IN ('future', 'ancient', 'rollover_suspected'),
    COALESCE(accuracy_m, CAST('inf' AS FLOAT64)),
    COALESCE(seq, 0) DESC,
    disposition = 'superseded',
    supersedes IS NULL,
    journal_seq DESC
) = 1
