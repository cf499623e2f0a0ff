"""Benchmark of the comparison downstream."""
