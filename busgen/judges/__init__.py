"""Judges: segmenter and classifier of real patients that measure synthetic images."""
