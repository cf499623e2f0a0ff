"""Benchmark of gates, scores and report."""
