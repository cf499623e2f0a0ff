"""Training of the judges."""
