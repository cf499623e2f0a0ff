"""Benchmarks: `busgen bench NAME` measures every promised figure and says what holds."""
