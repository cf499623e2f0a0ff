"""Reader study: whether people tell synthetic pictures from real ones."""
