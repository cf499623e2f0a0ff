"""Reader study: whether people tell synthetic images from real ones."""
