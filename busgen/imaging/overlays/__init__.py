"""Overlays burned into images: found, filled, planted."""
