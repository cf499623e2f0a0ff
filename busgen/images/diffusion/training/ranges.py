"""Which levels each term stands for: fitted to readers' lesions, then told so that they are drawn.

In: images whose readers state terms, a generator. Out: its `Ranges`. A network draws toward what is
usual: told of the brightest lesions, it draws darker ones. So what terms are told as is moved until
the lesions drawn of them have the level, in the mean, of those that readers call so.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from busgen.arrays import Floats32, Indices, Pixels
from busgen.images.diffusion import levels
from busgen.images.diffusion.autoencoder import FACTOR, draw_noise
from busgen.images.diffusion.conditions import SLOTS, slot_bounds, styles_for, terms_of
from busgen.images.diffusion.levels import FEWEST, FIELDS, HALO, LEVELS, MOST, Ranges
from busgen.images.diffusion.pipeline import BreastUltrasoundPipeline
from busgen.images.diffusion.scanners import LIKE, NO_STYLE, STYLES
from busgen.images.diffusion.training.latents import find_styles
from busgen.images.training.examples import ImageSet
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
# Goals of the rare terms over all scanners together: what readers mean, inside minus ring in grey
# levels. Given to us; medians of BrEaST's lesions, test patients' among them, are -59, -18, -7.
CONTRASTS = {"anechoic": -56.0, "isoechoic": -20.0, "hyperechoic": -3.0}
LEAST = 0.1  # spread of a style's levels
GREY_PER_LEVEL = 10.0  # by which a lesion is drawn brighter when told one level more
AT_ONCE = 16  # images drawn together
SEED = 20261201


def fit_ranges(images: ImageSet, values: Floats32) -> Ranges:
    """Return the ranges of the terms that readers state, and what is told of each style.

    `values` (N, LEVELS) levels of the images as `measured`.

    All terms of a field have the spread of the levels about their own terms' means: some are
    stated of 7 images. A halo's rim is the lexicon's: brighter, as many lesions as readers say,
    and so much that it is as bright as before in the mean.
    """
    ranges: Ranges = Ranges()
    ranges.told.copy_(find_told(images))
    styles = find_styles(images.crops.scanners)
    _find_styles_levels(ranges, styles, values)
    apart = standardise(ranges, values, styles)
    read = [k for k, name in enumerate(images.crops.datasets) if name in READ]
    captions = [images.captions[k] for k in read if images.captions[k].has_lesion]
    apart = apart[[k for k in read if images.captions[k].has_lesion]]
    slots, columns = dict(SLOTS), _columns()
    for level, name in enumerate(FIELDS):
        stated = np.array([WORDS.get(t, str(t)) for t in (getattr(c, name) for c in captions)])
        seen, rest = np.isfinite(apart[:, level]), []
        for column, term in enumerate(slots[name], columns[name]):
            own = apart[seen & (stated == term), level]
            if len(own) >= FEWEST:
                ranges.known[column, level], ranges.means[column, level] = (1.0, float(own.mean()))
                rest.append(own - own.mean())
        if rest:
            ranges.spread[level] = float(np.concatenate(rest).std())
    _set_halo(ranges, [caption.halo for caption in captions])
    return ranges


def _find_styles_levels(ranges: Ranges, styles: Indices, values: Floats32) -> None:
    """Set the mean and the spread of the levels of each style's lesions; few have those of all."""
    for style in range(NO_STYLE + 1):
        for level in range(LEVELS):
            seen = values[np.isfinite(values[:, level]), level]
            own = values[np.isfinite(values[:, level]) & (styles == style), level]
            known = own if len(own) >= FEWEST else seen
            if len(known) >= FEWEST:
                ranges.centres[style, level] = float(known.mean())
                ranges.widths[style, level] = max(float(known.std()), LEAST)


def standardise(ranges: Ranges, values: Floats32, styles: Indices) -> Floats32:
    """Return levels (N, LEVELS) as spreads from the mean of each one's style."""
    centres, widths = ranges.centres.cpu().numpy()[styles], ranges.widths.cpu().numpy()[styles]
    return np.asarray((values - centres) / widths, np.float32)


def _set_halo(ranges: Ranges, halos: Sequence[bool | None]) -> None:
    """Set the rim of lesions with a halo `HALO` spreads above those without, their mean kept."""
    rim, first = FIELDS.index("halo"), _columns()["halo"]
    yes, no = (first + dict(SLOTS)["halo"].index(term) for term in ("yes", "no"))
    ranges.known[yes, rim] = ranges.known[no, rim]
    stated = [halo for halo in halos if halo is not None]
    share = sum(stated) / max(len(stated), 1)
    above = ranges.known[no, rim] * HALO * ranges.spread[rim]
    ranges.means[yes, rim], ranges.means[no, rim] = (1 - share) * above, -share * above


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

    Those of `CONTRASTS` get its median contrast, others the mean level that they have now. Each of
    `rounds` draws `drawn` findings of the prior that hold the term, and moves its mean by what they
    lack.
    """
    ranges, slots, firsts = pipeline.ranges, dict(SLOTS), _columns()
    for name in ("echo_pattern", "posterior"):
        level, fitted = FIELDS.index(name), ranges.means[:, FIELDS.index(name)].clone()
        for column, term in enumerate(slots[name], firsts[name]):
            for _ in range(rounds if ranges.known[column, level] else 0):
                lesions = _draw_lesions(pipeline, name, term, drawn)
                if term in CONTRASTS:
                    contrasts = [measure_image(x, m, None)["contrast"] for x, m, _ in lesions]
                    lacking = (CONTRASTS[term] - float(np.median(contrasts))) / GREY_PER_LEVEL
                else:
                    found = np.stack([levels.measure(image, mask) for image, mask, _ in lesions])
                    own = standardise(ranges, found, np.array([style for *_, style in lesions]))
                    lacking = float(fitted[column]) - float(np.nanmean(own[:, level]))
                moved = float(ranges.means[column, level]) + lacking
                ranges.means[column, level] = float(np.clip(moved, -MOST, MOST))


def _draw_lesions(
    pipeline: BreastUltrasoundPipeline, name: str, term: str, count: int
) -> list[tuple[Pixels, Pixels, int]]:
    """Return images, masks, styles of `count` findings, always the same, that hold a term."""
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
    styles = styles_for([finding.scanner for finding in findings]).tolist()
    return list(zip(images, masks, styles, strict=True))


def _columns() -> dict[str, int]:
    """Return the first column of each field's terms."""
    return dict(zip(dict(SLOTS), (first for first, _ in slot_bounds()), strict=True))
