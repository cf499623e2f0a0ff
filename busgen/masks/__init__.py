"""Lesion masks: contours in curvature space, rasterising, measured geometry."""
