"""How bright a lesion is told to be inside, behind and around it: numbers painted where they show.

A term names a range and each image has one value in it. The network learns from the values, which
are measured of every lesion, where readers described one in eight; a finding is drawn as values in
the ranges of its terms. In: images with masks, captions, terms. Out: values in units of `SCALES`,
and planes beside the latents.
"""

import numpy as np
import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor

from busgen import seeds
from busgen.arrays import Floats32, Pixels
from busgen.images.diffusion.autoencoder import FACTOR
from busgen.images.diffusion.conditions import N_TERMS, SLOTS
from busgen.images.diffusion.scanners import STYLES
from busgen.imaging import surroundings
from busgen.imaging.surroundings import band_behind, echo_level, posterior_band, rim_level

FIELDS = ("echo_pattern", "posterior", "halo")  # whose terms say a lesion's level inside, ...
SCALES = (0.35, 1.0, 0.4)  # ... behind and around it: about the sd of each over training lesions
LEVELS = len(FIELDS)
MOST = 4.0  # of SCALES: what lies beyond is told as this
FEWEST = 5  # images of which a term's mean is taken; rarer terms are told by the text alone
# By the lexicon a halo is a bright rim; where BrEaST's readers see one no rim is measured to be
# brighter (AUC .45), so the term is drawn as the lexicon has it.
HALO = 1.0  # spreads above a rim without


def measure(image: Pixels, mask: Pixels) -> Floats32:
    """Return the levels (LEVELS,) of an image (H, W) with its mask {0, 1}, NaN where unseen."""
    values = (echo_level(image, mask).to_fat, posterior_band(image, mask), rim_level(image, mask))
    return np.asarray(np.clip(np.array(values) / SCALES, -MOST, MOST), np.float32)


def weigh(mask: Pixels) -> Pixels:
    """Return which share of each latent shows each level, (LEVELS, S/8, S/8), of 64 its pixels.

    `mask` (S, S) uint8 {0, 1}; of an empty one nothing shows anything.
    """
    side = len(mask) // FACTOR
    if not mask.any():
        return np.zeros((LEVELS, side, side), np.uint8)
    shown = np.stack([mask > 0, band_behind(mask), surroundings.rim_around(mask)])
    blocks = shown.reshape(LEVELS, side, FACTOR, side, FACTOR)
    return np.asarray(blocks.sum(axis=(2, 4)), np.uint8)


def paint(values: Tensor, stated: Tensor, shown: Pixels) -> Tensor:
    """Return planes (N, 2 LEVELS, h, w): each level where it shows, then that it is stated there.

    `values` (N, LEVELS) levels, 0 where nothing is stated; `stated` (N, LEVELS) in [0, 1], how
    surely; `shown` (N, LEVELS, h, w) as `weigh` returns them.
    """
    shares = torch.from_numpy(shown).to(values.device, torch.float32) / FACTOR**2
    both = torch.stack([values, stated], dim=1)[..., None, None] * shares[:, None]
    return both.flatten(1, 2)


class Ranges(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Each term's mean (N_TERMS, LEVELS), whether it has one, and the levels' spread about it.

    In standard deviations from the mean of a scanner's lesions, `centres` and `widths` (styles,
    LEVELS): the same lesion is darker on one scanner than on another, and readers of neither call
    most lesions bright. `told` (styles, slots) says which slots the captions of a style's images
    state. What only one hospital's readers state tells a network of their images: told of
    another's, it draws theirs.
    """

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("means", torch.zeros(N_TERMS, LEVELS))
        self.register_buffer("known", torch.zeros(N_TERMS, LEVELS))
        self.register_buffer("spread", torch.ones(LEVELS))
        self.register_buffer("centres", torch.zeros(len(STYLES) + 1, LEVELS))
        self.register_buffer("widths", torch.ones(len(STYLES) + 1, LEVELS))
        self.register_buffer("told", torch.ones(len(STYLES) + 1, len(SLOTS)))

    def forward(self, stated: Tensor, place: Tensor, styles: Tensor) -> tuple[Tensor, Tensor]:
        """Return levels and how surely they are stated, (N, LEVELS) each.

        `stated` (N, N_TERMS) terms, as `terms.terms_of` gives them; `place` (N, LEVELS) standard
        normal: where in a term's range; `styles` (N,). The same place in the ranges of two terms
        differs as their means do.
        """
        known = stated @ self.known
        apart = stated @ self.means + known * self.spread * place
        return known * self.centres[styles] + apart * self.widths[styles], known


def draw_place(seed: int) -> Tensor:
    """Return where in its terms' ranges a finding's levels lie, (LEVELS,) standard normal."""
    drawn = seeds.rng(seed, "levels").standard_normal(LEVELS, np.float32)
    return torch.from_numpy(drawn)
