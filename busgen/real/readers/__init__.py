"""Readers of public datasets, one a dataset."""
