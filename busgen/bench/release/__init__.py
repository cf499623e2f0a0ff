"""Benchmark of the default release."""
