"""Lesions drawn into given images: outside of a region the image stays as it is.

In: images, regions, what is to be shown. Out: images. The path from noise is that of any image, but
outside of the region its latents are those of the given one at every level (after Lugmayr 2022,
arXiv 2201.09865, without going back); at the end pixels fade over from drawn to given.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from busgen.arrays import Pixels
from busgen.compute.devices import autocast
from busgen.images.diffusion.autoencoder import FACTOR
from busgen.images.diffusion.pipeline import (
    STEPS,
    BreastUltrasoundPipeline,
    Conditions,
    Guidance,
)

FADE = 1 / 64  # of the side: the sigma over which drawn pixels fade into given ones
HALF = np.float32(127.5)


@torch.inference_mode()
def draw_into(  # noqa: PLR0913 - what a pipeline's call takes, and the images
    pipeline: BreastUltrasoundPipeline,
    images: Pixels,
    regions: Pixels,
    conditions: Conditions,
    start: Tensor,
    grain: Sequence[Tensor],
    steps: int = STEPS,
    guidance: Guidance | None = None,
) -> Pixels:
    """Return `images` (N, H, W) uint8, drawn anew where `regions` (N, H, W) are 1.

    The rest as `BreastUltrasoundPipeline` is called.
    """
    device = start.device
    given = torch.from_numpy(images / HALF - 1)[:, None].float().to(device)
    known = pipeline.autoencoder.encode(given)
    drawn = max_pool2d(torch.from_numpy(regions)[:, None].float(), FACTOR).to(device) > 0

    def hold(latents: Tensor, level: float) -> Tensor:
        return torch.where(drawn, latents, (1 - level) * known + level * start)

    latents = pipeline.draw(conditions, start, steps, guidance, hold)
    with autocast(device):
        decoded = pipeline.autoencoder.decode(torch.where(drawn, latents, known), grain)
    grey = (decoded[:, 0].float().clamp(-1, 1).cpu().numpy() + 1) * HALF
    sigma = FADE * images.shape[1]
    shares = np.stack([cv2.GaussianBlur(r.astype(np.float32), (0, 0), sigma) for r in regions])
    return np.asarray(np.rint(shares * grey + (1 - shares) * images), np.uint8)
