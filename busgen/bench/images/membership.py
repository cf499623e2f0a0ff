"""Do the weights know whom they learned from: a membership test on the network itself.

In: lesions of training and of held-out patients. Out: a figure. Each image is encoded, noised to
fixed levels by noise that is its own, and denoised under its class, descriptors, mask and device:
what a network has learned by heart it denoises better (Matsumoto 2023, arXiv 2302.03262). No image
is generated, so filters do not help it.
"""

import numpy as np
import torch

from busgen.arrays import Floats
from busgen.bench.harness import Figure, interval
from busgen.bench.images.findings import Lesions, match_findings
from busgen.images.diffusion.conditions import terms_of
from busgen.images.diffusion.engine import SHIPPED, load_model
from busgen.images.diffusion.levels import LEVELS
from busgen.images.diffusion.pipeline import BreastUltrasoundPipeline, predict_velocity
from busgen.images.diffusion.training.autoencoder import to_input
from busgen.images.diffusion.training.latents import find_styles
from busgen.stats import roc

NOISE = (0.2, 0.4, 0.6, 0.8)  # share of noise in what is denoised
AT_ONCE = 16


def measure(known: Lesions, unknown: Lesions, seed: int) -> Figure | None:
    """Return the AUC by which losses tell the `known` lesions' images from those never seen."""
    pipeline, sets = load_model(SHIPPED, torch.device("cpu")), (known, unknown)
    losses = np.concatenate([_losses(pipeline, lesions, seed) for lesions in sets])
    groups = np.concatenate([lesions.crops.groups for lesions in sets])
    learned = np.repeat([True, False], [len(lesions.crops) for lesions in sets])
    return interval(roc.auc_score(learned, -losses), groups, "AUC", "membership")


@torch.inference_mode()
def _losses(pipeline: BreastUltrasoundPipeline, lesions: Lesions, seed: int) -> Floats:
    """Return the mean squared error of the velocity (N,), of images in an order of their own."""
    request, crops, found = match_findings(lesions, seed), lesions.crops, []
    for start in range(0, len(crops), AT_ONCE):
        rows = np.arange(start, min(start + AT_ONCE, len(crops)))
        text = terms_of([request.findings[row] for row in rows])
        styles = torch.from_numpy(find_styles(crops.scanners[rows]))
        place = torch.zeros(len(rows), LEVELS)
        conditions = pipeline.encode(text, np.asarray(crops.masks[rows]), styles, place)
        clean = pipeline.autoencoder.encode(to_input(np.asarray(crops.images[rows]))).float()
        noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed + start))
        total = torch.zeros(len(rows))
        for level in NOISE:
            point, time = (1 - level) * clean + level * noise, torch.full((len(rows),), 1e3 * level)
            velocity = predict_velocity(pipeline.unet, pipeline.tokens, point, time, conditions)
            total += (velocity - (noise - clean)).square().mean(dim=(1, 2, 3))
        found.append(total.numpy() / len(NOISE))
    return np.concatenate(found)
