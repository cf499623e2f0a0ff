"""Mask engine `semantic_curvature`: outlines learned from real ones, in curvature space."""
