"""Benchmark of the whole factory: rate, memory, orchestration."""
