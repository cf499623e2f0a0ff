"""Training of the preset `sd15`."""
