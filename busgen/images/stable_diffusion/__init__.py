"""Image engine `stable_diffusion`: the predecessor's architecture, and its training `sd15`."""

from busgen.extras import require_extra

require_extra("sd", "the engine stable_diffusion")
