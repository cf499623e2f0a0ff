"""Which levels each term stands for: fitted to readers' lesions, then told so that they are drawn.

In: images whose readers state terms, a generator. Out: its `Ranges`. A network draws toward what is
usual: told of the brightest lesions, it draws darker ones. So what echo patterns are told as is
moved until the lesions drawn of them are as bright, in the mean, as those that readers call so.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from busgen.arrays import Floats32
from busgen.images.diffusion import levels
from busgen.images.diffusion.autoencoder import FACTOR, draw_noise
from busgen.images.diffusion.conditions import SLOTS, slot_bounds, terms_of
from busgen.images.diffusion.levels import FEWEST, FIELDS, HALO, LEVELS, MOST, Ranges
from busgen.images.diffusion.pipeline import BreastUltrasoundPipeline
from busgen.images.diffusion.training.latents import find_styles
from busgen.images.training.examples import Caption, ImageSet
from busgen.masks.semantic_curvature.training.descriptor_bounds import READ
from busgen.training_loop import make_draws

WORDS = {True: "yes", False: "no", None: ""}
ECHO = "echo_pattern"
AT_ONCE = 16  # images drawn together


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


def calibrate(
    pipeline: BreastUltrasoundPipeline, images: ImageSet, rounds: int, drawn: int
) -> None:
    """Move each echo pattern's mean until lesions drawn of it have the mean that it has now.

    Each of `rounds` draws `drawn` lesions of every pattern and moves its mean by what they lack:
    with masks and other terms of the `images` that experts read, as scanners of any.
    """
    ranges, level, first = pipeline.ranges, FIELDS.index(ECHO), _columns()[ECHO]
    wanted, read = ranges.means[:, level].clone(), select(images)
    for column, term in enumerate(dict(SLOTS)[ECHO], first):
        for _ in range(rounds if ranges.known[column, level] else 0):
            captions = tuple(replace(caption, echo_pattern=term) for caption in read.captions)
            found = _mean_level(pipeline, ImageSet(read.crops, captions), images, drawn)
            moved = float(ranges.means[column, level] + wanted[column]) - found
            ranges.means[column, level] = float(np.clip(moved, -MOST, MOST))


def _mean_level(
    pipeline: BreastUltrasoundPipeline, asked: ImageSet, images: ImageSet, count: int
) -> float:
    """Return the mean echo level of `count` lesions drawn of captions, as scanners of `images`."""
    found = []
    for start in range(0, count, AT_ONCE):
        size, draws = min(AT_ONCE, count - start), make_draws(0, start, pipeline.device)
        rows, others = (draws.rng.integers(0, len(s.captions), size) for s in (asked, images))
        masks, side = asked.crops.masks[rows], asked.crops.masks.shape[-1]
        text = terms_of([asked.captions[row] for row in rows])
        place = torch.from_numpy(draws.rng.standard_normal((size, LEVELS), np.float32))
        styles = torch.from_numpy(find_styles(images.crops.scanners[others]))
        conditions = pipeline.encode(text, masks, styles, place)
        shape = (size, pipeline.channels, side // FACTOR, side // FACTOR)
        noise = torch.randn(shape, generator=draws.noise, device=pipeline.device)
        drawn = pipeline(conditions, noise, draw_noise(size, side, draws.noise))
        grey = (drawn * 255).round().to(torch.uint8).cpu().numpy()
        levels_of = (levels.measure(*pair) for pair in zip(grey, masks, strict=True))
        found += [own[FIELDS.index(ECHO)] for own in levels_of]
    return float(np.nanmean(found))


def _columns() -> dict[str, int]:
    """Return the first column of each field's terms."""
    return dict(zip(dict(SLOTS), (first for first, _ in slot_bounds()), strict=True))
