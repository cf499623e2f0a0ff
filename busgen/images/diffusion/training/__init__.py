"""Training of the diffusion engine."""
