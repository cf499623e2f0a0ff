"""Downstream: what the made pictures teach models that are then tried on real patients."""
