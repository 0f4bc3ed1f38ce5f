SELECT * FROM `{dataset}.pings`
