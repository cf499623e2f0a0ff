"""Benchmark of what users bring and take: layouts that are read, clients, random words."""
