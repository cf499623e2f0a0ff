"""Evaluation: a release against reference statistics, real data and earlier releases."""
