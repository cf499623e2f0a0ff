"""Benchmark of a learned image engine against held-out patients."""
