"""Training of the text encoder on sentences written for it."""
