"""Critics that the decoder learns from: of patches, and of features of a pretrained network."""
