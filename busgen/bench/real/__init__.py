"""Benchmark of what is made of real data."""
