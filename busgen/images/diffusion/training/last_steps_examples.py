"""What the network's last steps are learned from: images, their views, what each is asked to show.

In: a generator, images. Out: `Examples`. Half of what is drawn shows what an image's own caption
states, half a finding of the prior, as users ask.
"""

from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from busgen.images.diffusion.levels import LEVELS
from busgen.images.diffusion.pipeline import BreastUltrasoundPipeline, Conditions
from busgen.images.diffusion.scanners import STYLES
from busgen.images.diffusion.training import latents
from busgen.images.diffusion.training.latents import KEEP, SELECTIONS, Views
from busgen.images.training.examples import ImageSet
from busgen.priors.conditions import Condition
from busgen.priors.draw import draw
from busgen.priors.findings import Finding
from busgen.priors.network import load_prior
from busgen.priors.request import Request
from busgen.seeds import MAX_SEED, Rng

OWN = 0.5  # share of the images that show what their own caption states
ASKED = ("pathology", "orientation")  # terms that a finding of the prior is drawn for
TOLD = ("birads", "tissue", "shape", "margin", "echo_pattern", "posterior", "halo", "calcification")


@dataclass(frozen=True)
class Examples:
    """Images, their `views`, what is `stated` of each, and a finding of the prior for each."""

    images: ImageSet
    views: Views
    stated: Tensor
    findings: tuple[Finding | None, ...]


def make_examples(pipeline: BreastUltrasoundPipeline, images: ImageSet, views: int) -> Examples:
    """Return what is learned from `images`."""
    stated = latents.stated_terms(images.captions, SELECTIONS, KEEP)
    encoded = latents.encode(pipeline.autoencoder, images, views)
    return Examples(images, encoded, stated, ask_prior(images))


def ask_prior(images: ImageSet, seed: int = 0) -> tuple[Finding | None, ...]:
    """Return findings that state what captions state, and for the rest what the prior draws.

    None for an image whose scanner no style is.
    """
    prior, scanners = load_prior(), images.crops.scanners.tolist()
    alike: dict[Request, list[int]] = {}
    for number, caption in enumerate(images.captions):
        terms = {name: getattr(caption, name) for name in ASKED}
        where = [Condition(name, "in", (term,)) for name, term in terms.items() if term]
        alike.setdefault(Request(tuple(where)), []).append(number)
    findings: list[Finding | None] = [None] * len(scanners)
    for request, numbers in alike.items():
        drawn_alike = draw(prior, len(numbers), seed, request=request)
        for number, drawn in zip(numbers, drawn_alike, strict=True):
            stated = {name: getattr(images.captions[number], name) for name in TOLD}
            stated = {name: term for name, term in stated.items() if term is not None}
            if scanners[number] in STYLES:
                findings[number] = replace(drawn, **stated, scanner=scanners[number])
    return tuple(findings)


def draw_conditions(
    pipeline: BreastUltrasoundPipeline, known: Examples, size: int, rng: Rng
) -> Conditions:
    """Return the conditions of random views: own captions and levels, or the prior's."""
    views, stated = known.views, known.stated
    rows = rng.choice(len(views.chances), size, p=views.chances)
    selection = rng.integers(0, stated.shape[1], size)
    every = np.ones((size, LEVELS), np.bool_)
    conditions = latents.make_batch(views, stated, rows, selection, every).conditions
    places, findings = [], []
    for place, image in enumerate(views.image_rows[rows].tolist()):
        finding = known.findings[image]
        if finding is not None and rng.random() >= OWN:
            places.append(place)
            findings.append(replace(finding, seed=int(rng.integers(MAX_SEED))))
    if places:
        asked = pipeline.encode_findings(findings, views.masks[rows[places]])
        conditions.text[places], conditions.levels[places] = asked.text.cpu(), asked.levels.cpu()
    return conditions
