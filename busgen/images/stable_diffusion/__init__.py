"""Image engine `stable_diffusion`: the predecessor's architecture, and its training `sd15`."""
