"""The diffusion engine: text, mask and scanner style to an image."""
