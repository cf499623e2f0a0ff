"""Calibration of the gates: bounds, planted faults, detection rates."""
