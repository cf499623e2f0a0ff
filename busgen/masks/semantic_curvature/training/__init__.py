"""Training of the mask engine `semantic_curvature`."""
