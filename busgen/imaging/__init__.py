"""Imaging: decode, crop, geometry, overlays, statistics; arrays in, arrays out."""
