-- Events as they stand: the highest revision of an event_id wins, and a
-- retract hides the event. A correction can move an event to another day, so
-- the fold reads every partition.
SELECT *
FROM `{dataset}.events`
WHERE TRUE
QUALIFY ROW_NUMBER() OVER (PARTITION BY event_id ORDER BY revision DESC) = 1
  AND op != 'retract'
