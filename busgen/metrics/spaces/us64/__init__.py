"""`us64`: a space of 64 numbers an image, in which sets of images are compared."""
