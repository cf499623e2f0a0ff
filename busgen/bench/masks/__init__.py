"""Benchmark of the learned mask engine against held-out outlines."""
