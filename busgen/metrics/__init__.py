"""Metrics: scores of sets of images."""
