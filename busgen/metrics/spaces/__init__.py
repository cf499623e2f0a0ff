"""Feature spaces in which sets of images are compared."""
