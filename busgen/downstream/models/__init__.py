"""The models that are trained, by name."""
