SELECT COUNT(*) AS pings FROM `{dataset}.unique`
