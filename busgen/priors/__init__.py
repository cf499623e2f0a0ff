"""The clinical prior: findings (BI-RADS), their joint distribution, finding <-> text."""
