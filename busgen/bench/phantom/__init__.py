"""Benchmark of the image engine `phantom`."""
