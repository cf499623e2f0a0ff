"""`lite1`: a space of 64 numbers an image, from a network that others trained on ImageNet."""
