"""Which levels each term stands for: fitted to readers' lesions, then told so that they are drawn.

In: images whose readers state terms, a generator. Out: its `Ranges`. A network draws toward what is
usual: told of the brightest lesions, it draws darker ones. So what terms are told as is moved until
the lesions drawn of them have the level, in the mean, of those that readers call so.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from busgen.arrays import Floats32, Pixels
from busgen.images.diffusion import levels
from busgen.images.diffusion.autoencoder import FACTOR, draw_noise
from busgen.images.diffusion.conditions import SLOTS, slot_bounds, terms_of
from busgen.images.diffusion.levels import FEWEST, FIELDS, HALO, MOST, Ranges
from busgen.images.diffusion.pipeline import BreastUltrasoundPipeline
from busgen.images.diffusion.scanners import LIKE, NO_STYLE, STYLES
from busgen.images.diffusion.training.latents import find_styles
from busgen.images.training.examples import Caption, ImageSet
from busgen.imaging.statistics import measure_image
from busgen.masks.engines import load_mask_engine
from busgen.masks.semantic_curvature.training.descriptor_bounds import READ
from busgen.priors.conditions import Condition
from busgen.priors.draw import draw
from busgen.priors.network import load_prior
from busgen.priors.request import Request
from busgen.priors.scanners import with_scanners
from busgen.real.crops import SIDE
from busgen.training_loop import make_draws

WORDS = {True: "yes", False: "no", None: ""}
OFTEN = 0.01  # of a style's captions
# What readers mean, grey levels: medians over BrEaST's lesions of inside minus ring, rounded
# between two ways of taking the ring (docs/log); hyperechoic of nine lesions, -47 to 17.
CONTRASTS = {
    "anechoic": -57.0,
    "hypoechoic": -29.0,
    "heterogeneous": -27.0,
    "complex_cystic_solid": -24.0,
    "isoechoic": -19.0,
    "hyperechoic": -5.0,
}
GREY_PER_LEVEL = 10.0  # by which a lesion is drawn brighter when told one level more
AT_ONCE = 16  # images drawn together
SEED = 20261201


def select(images: ImageSet) -> ImageSet:
    """Return the lesions whose readers state what they see; elsewhere terms are measured."""
    rows = [
        k
        for k, caption in enumerate(images.captions)
        if images.crops.datasets[k] in READ and caption.has_lesion
    ]
    return ImageSet(images.crops.pick(np.array(rows)), tuple(images.captions[k] for k in rows))


def fit_ranges(captions: Sequence[Caption], values: Floats32) -> Ranges:
    """Return the ranges of the terms that `captions` state, levels (N, LEVELS) as `measured`.

    All terms of a field have the spread of the levels about their own terms' means: some are
    stated of 7 images.
    """
    ranges: Ranges = Ranges()
    slots, columns = dict(SLOTS), _columns()
    for level, name in enumerate(FIELDS):
        terms = [getattr(caption, name) for caption in captions]
        stated = np.array([WORDS.get(term, str(term)) for term in terms])
        seen = np.isfinite(values[:, level])
        rest = []
        for column, term in enumerate(slots[name], columns[name]):
            own = values[seen & (stated == term), level]
            if len(own) >= FEWEST:
                ranges.known[column, level], ranges.means[column, level] = (1.0, float(own.mean()))
                rest.append(own - own.mean())
        if rest:
            ranges.spread[level] = float(np.concatenate(rest).std())
    rim = FIELDS.index("halo")
    yes, no = (columns["halo"] + slots["halo"].index(term) for term in ("yes", "no"))
    ranges.known[yes, rim] = ranges.known[no, rim]
    above = ranges.known[no, rim] * HALO * ranges.spread[rim]
    ranges.means[yes, rim] = ranges.means[no, rim] + above
    return ranges


def find_told(images: ImageSet) -> Tensor:
    """Return which slots captions state of each style's images, (styles + 1, slots) of 0 and 1.

    One that is stated of fewer than `OFTEN` is not; of images of no known style all are.
    """
    stated = 1 - terms_of(images.captions)[:, [end - 1 for _, end in slot_bounds()]]
    styles, told = find_styles(images.crops.scanners), torch.ones(len(STYLES) + 1, len(SLOTS))
    for style in range(NO_STYLE):
        own = stated[torch.from_numpy(styles == style)]
        told[style] = (own.mean(dim=0) >= OFTEN) if len(own) else 1.0
    return told


def calibrate(pipeline: BreastUltrasoundPipeline, rounds: int, drawn: int) -> None:
    """Move the mean of each echo pattern and posterior feature until lesions are drawn as it says.

    Those of an echo pattern get the median contrast of `CONTRASTS`, those of a posterior feature
    the mean level that it has now. Each of `rounds` draws `drawn` findings of the prior that hold
    the term, and moves its mean by what they lack.
    """
    ranges, slots, firsts = pipeline.ranges, dict(SLOTS), _columns()
    for name in ("echo_pattern", "posterior"):
        level, fitted = FIELDS.index(name), ranges.means[:, FIELDS.index(name)].clone()
        for column, term in enumerate(slots[name], firsts[name]):
            for _ in range(rounds if ranges.known[column, level] else 0):
                pairs = _draw_lesions(pipeline, name, term, drawn)
                if name == "echo_pattern":
                    contrasts = [measure_image(*pair, None)["contrast"] for pair in pairs]
                    lacking = (CONTRASTS[term] - float(np.median(contrasts))) / GREY_PER_LEVEL
                else:
                    found = [levels.measure(*pair)[level] for pair in pairs]
                    lacking = float(fitted[column]) - float(np.nanmean(found))
                moved = float(ranges.means[column, level]) + lacking
                ranges.means[column, level] = float(np.clip(moved, -MOST, MOST))


def _draw_lesions(
    pipeline: BreastUltrasoundPipeline, name: str, term: str, count: int
) -> list[tuple[Pixels, Pixels]]:
    """Return images and masks of `count` findings, always the same, that hold a term."""
    where = Request((Condition(name, "in", (term,)),))
    findings = draw(with_scanners(load_prior(), LIKE), count, SEED, request=where)
    masks, images = load_mask_engine("semantic_curvature", SIDE).draw(findings), []
    for start in range(0, count, AT_ONCE):
        rows, draws = slice(start, start + AT_ONCE), make_draws(SEED, start, pipeline.device)
        conditions = pipeline.encode_findings(findings[rows], masks[rows])
        shape = (len(findings[rows]), pipeline.channels, SIDE // FACTOR, SIDE // FACTOR)
        noise = torch.randn(shape, generator=draws.noise, device=pipeline.device)
        drawn = pipeline(conditions, noise, draw_noise(shape[0], SIDE, draws.noise))
        images += list((drawn * 255).round().to(torch.uint8).cpu().numpy())
    return list(zip(images, masks, strict=True))


def _columns() -> dict[str, int]:
    """Return the first column of each field's terms."""
    return dict(zip(dict(SLOTS), (first for first, _ in slot_bounds()), strict=True))
