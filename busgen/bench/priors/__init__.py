"""Benchmark of the clinical prior: contradictions, the class, sizes in millimetres."""
