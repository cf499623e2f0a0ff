"""Training of the decoder: it is tuned to what the denoising network draws."""
