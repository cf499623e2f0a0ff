"""Fitting of the prior to real lesions, and checks on held-out patients."""
