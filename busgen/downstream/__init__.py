"""Downstream: what the made images teach models that are then tried on real patients."""
