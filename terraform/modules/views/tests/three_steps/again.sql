SELECT * FROM `{dataset}.summary`
