"""Sample sheets: what a network draws while it learns, always of the same findings of the prior.

In: a pipeline. Out: one PNG of 12 images, no patient's mask or words among their conditions.
"""

from functools import cache
from pathlib import Path

import torch

from busgen.arrays import Pixels
from busgen.images.diffusion.autoencoder import FACTOR, draw_noise
from busgen.images.diffusion.conditions import styles_for, terms_of
from busgen.images.diffusion.levels import draw_place
from busgen.images.diffusion.pipeline import STEPS, BreastUltrasoundPipeline
from busgen.images.diffusion.scanners import LIKE
from busgen.io import encode_png, replace_file
from busgen.masks.engines import load_mask_engine
from busgen.priors.draw import draw
from busgen.priors.network import load_prior
from busgen.priors.scanners import with_scanners
from busgen.real.crops import SIDE
from busgen.training_loop import make_draws

ROWS, COLUMNS = 3, 4
SEED = 20261126


def write_sheet(pipeline: BreastUltrasoundPipeline, path: Path) -> None:
    """Write a sheet of images that `pipeline` draws by default."""
    terms, masks, styles, place = _request()
    conditions = pipeline.encode(terms, masks, styles, place)
    noise = make_draws(SEED, 0, pipeline.device).noise
    shape = (len(terms), pipeline.channels, SIDE // FACTOR, SIDE // FACTOR)
    start = torch.randn(shape, generator=noise, device=pipeline.device)
    images = pipeline(conditions, start, draw_noise(len(terms), SIDE, noise), STEPS)
    grey = (images * 255).round().to(torch.uint8).cpu().numpy()
    rows = grey.reshape(ROWS, COLUMNS, SIDE, SIDE).transpose(0, 2, 1, 3)
    with replace_file(path) as partial:
        partial.write_bytes(encode_png(rows.reshape(ROWS * SIDE, COLUMNS * SIDE)))


@cache
def _request() -> tuple[torch.Tensor, Pixels, torch.Tensor, torch.Tensor]:
    """Return terms, masks, styles and places of the findings."""
    findings = draw(with_scanners(load_prior(), LIKE), ROWS * COLUMNS, SEED)
    masks = load_mask_engine("curvature", SIDE).draw(findings)
    styles = styles_for([finding.scanner for finding in findings])
    place = torch.stack([draw_place(finding.seed) for finding in findings])
    return terms_of(findings), masks, styles, place
