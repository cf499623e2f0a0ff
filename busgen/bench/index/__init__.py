"""Benchmark of the index: queries and the contract on a million rows."""
