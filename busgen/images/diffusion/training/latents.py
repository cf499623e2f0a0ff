"""What the denoising network learns from: encoded views of training images, masks, captions.

In: crops, captions, an autoencoder. Out: `Views`, encoded once, what is stated of them, batches
drawn from both. A view is a window of the image, mirrored or not: never stretched and never upside
down, depth has a direction.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from busgen import seeds
from busgen.arrays import Bools, Floats, Floats32, Names, Pixels
from busgen.compute.devices import autocast
from busgen.images.diffusion import levels
from busgen.images.diffusion.autoencoder import FACTOR, Autoencoder
from busgen.images.diffusion.conditions import (
    distance,
    empty_text,
    make_planes,
    terms_of,
)
from busgen.images.diffusion.levels import LEVELS, paint
from busgen.images.diffusion.pipeline import Conditions
from busgen.images.diffusion.scanners import NO_STYLE, STYLES
from busgen.images.diffusion.training.autoencoder import probabilities, to_input
from busgen.images.training.examples import Caption, ImageSet, thin_caption, weigh
from busgen.io import replace_file
from busgen.real.crops import Crops
from busgen.seeds import Rng

LEAST = 0.88  # side of the smallest window over the image's
KEEP = 0.8  # chance that a caption's field is stated
SELECTIONS = 8  # of each caption's fields
DROP = {"text": 0.12, "mask": 0.1, "style": 0.12}  # how often a condition is dropped
UNTOLD = 0.15  # how often each level is not told
AT_ONCE = 16  # images encoded together


@dataclass(frozen=True)
class Views:
    """N views of images.

    `latents` (N, C, h, w) standardised; `masks` (N, H, W) {0, 1}; `distances` (N, h, w) to their
    outlines; `weights` (N, h, w) 0 where text or calipers hide more than an eighth; `image_rows`
    (N,) which image it shows; `styles` (N,); `levels` (N, LEVELS) of its image, NaN where not seen,
    and the `places` (N, LEVELS, h, w) that show them; `chances` (N,) to be drawn; `whole` (N,)
    whether it is all of the image.
    """

    latents: Tensor
    masks: Pixels
    distances: Floats32
    weights: Floats32
    image_rows: NDArray[np.int64]
    styles: NDArray[np.int64]
    levels: Floats32
    places: Pixels
    chances: Floats
    whole: Bools


@dataclass(frozen=True)
class Batch:
    """`latents` (N, C, h, w), their `conditions`, `weight` (N, 1, h, w) of the loss."""

    latents: Tensor
    conditions: Conditions
    weight: Tensor


def encode(model: Autoencoder, pictures: ImageSet, views: int) -> Views:
    """Return `views` views of each image, encoded by `model`.

    Rare scanners and rare terms are drawn more often.
    """
    crops = pictures.crops
    cut = [_views(crops, index, views) for index in range(len(crops))]
    images, masks, ignored = (np.concatenate(stack) for stack in zip(*cut, strict=True))
    device = model.device
    encoded = []
    for start in range(0, len(images), AT_ONCE):
        part = to_input(images[start : start + AT_ONCE]).to(device)
        with torch.inference_mode(), autocast(device):
            encoded.append(model.encode(part).float())
    side = ignored.shape[1] // FACTOR
    hidden = ignored.reshape(-1, side, FACTOR, side, FACTOR).mean(axis=(2, 4))
    shown = np.repeat(np.arange(len(crops)), views)
    drawn = probabilities(crops) * weigh(pictures.captions)
    styles = find_styles(crops.scanners)
    return Views(
        torch.cat(encoded).clone(),
        masks,
        np.stack([distance(mask) for mask in masks]),
        (hidden <= 1 / FACTOR).astype(np.float32),
        shown,
        styles[shown],
        measure(crops)[shown],
        np.stack([levels.weigh(mask) for mask in masks]),
        drawn[shown] / (views * drawn.sum()),
        np.tile(np.arange(views) == 0, len(crops)),
    )


def measure(crops: Crops) -> Floats32:
    """Return the levels (N, LEVELS) of whole images."""
    pairs = zip(crops.images, crops.masks, strict=True)
    return np.stack([levels.measure(image, mask) for image, mask in pairs])


def find_styles(scanners: Names) -> NDArray[np.int64]:
    """Return the styles (N,) of images' scanners; one that is no style is not told."""
    return np.array([STYLES.index(s) if s in STYLES else NO_STYLE for s in scanners], np.int64)


def _views(crops: Crops, index: int, views: int) -> tuple[Pixels, ...]:
    """Return the views of one crop: images, masks, ignore-masks, each (views, S, S)."""
    side = crops.images.shape[1]
    rng = seeds.rng(index, "views")
    cut: list[list[Pixels]] = []
    for view in range(views):
        size = side if view < 2 else round(side * rng.uniform(LEAST, 1.0))
        row, col = (0, int(rng.integers(0, side - size + 1)))  # the skin stays at the top
        window, turn = np.s_[row : row + size, col : col + size], -1 if view % 2 else 1
        planes = (crops.images[index], crops.masks[index] * 255, crops.ignore[index] * 255)
        parts = [np.ascontiguousarray(plane[window][:, ::turn]) for plane in planes]
        cut.append([np.asarray(cv2.resize(part, (side, side)), np.uint8) for part in parts])
    images, masks, ignored = (np.stack(stack) for stack in zip(*cut, strict=True))
    return images, (masks > 127).astype(np.uint8), (ignored > 0).astype(np.uint8)


def stated_terms(captions: Sequence[Caption], count: int, keep: float) -> Tensor:
    """Return the terms of `count` selections of each caption's fields, (N, count, terms).

    Each selection states a field with probability `keep`.
    """
    rows = []
    for number, caption in enumerate(captions):
        rng = seeds.rng(number, "wordings")
        rows.append(terms_of([thin_caption(caption, rng, keep) for _ in range(count)]))
    return torch.stack(rows)


def draw_batch(views: Views, stated: Tensor, size: int, rng: Rng) -> Batch:
    """Return a batch of random views, a selection stated of each, conditions dropped at times."""
    chosen = rng.choice(len(views.chances), size, p=views.chances)
    selection = rng.integers(0, stated.shape[1], size)
    batch = make_batch(views, stated, chosen, selection, rng.random((size, LEVELS)) >= UNTOLD)
    lost = {name: torch.from_numpy(rng.random(size) < chance) for name, chance in DROP.items()}
    conditions = batch.conditions
    conditions.text[lost["text"]] = empty_text(int(lost["text"].sum()))
    conditions.levels[lost["text"] | lost["mask"]] = 0
    conditions.planes[lost["mask"]] = 0
    conditions.style[lost["style"]] = NO_STYLE
    return batch


def make_batch(
    views: Views,
    stated: Tensor,
    chosen: NDArray[np.int64],
    selection: NDArray[np.int64],
    known: Bools,
) -> Batch:
    """Return the `chosen` views (N,) as a batch.

    Of their captions the `selection` (N,) of each is stated; of its levels those are told of which
    `known` (N, LEVELS) says so, if they were seen.
    """
    text = stated[torch.from_numpy(views.image_rows[chosen]), torch.from_numpy(selection)]
    planes = make_planes(views.masks[chosen], views.distances[chosen])
    style = torch.from_numpy(views.styles[chosen])
    weight = torch.from_numpy(views.weights[chosen])[:, None]
    values = views.levels[chosen]
    known = known & np.isfinite(values)
    seen = torch.from_numpy(np.where(known, values, 0).astype(np.float32))
    levels = paint(seen, torch.from_numpy(known.astype(np.float32)), views.places[chosen])
    conditions = Conditions(text, levels, planes, style)
    return Batch(views.latents[torch.from_numpy(chosen)], conditions, weight)


def validation_batches(views: Views, stated: Tensor, size: int = 64) -> Iterator[Batch]:
    """Yield batches of the whole images with their first selections, always the same."""
    whole = np.flatnonzero(views.whole)
    for start in range(0, len(whole), size):
        part = whole[start : start + size]
        every = np.ones((len(part), LEVELS), np.bool_)
        yield make_batch(views, stated, part, np.zeros(len(part), np.int64), every)


def save_examples(views: Views, path: Path) -> None:
    """Write views to one safetensors file, latents in half precision."""
    arrays = vars(views) | {"masks": np.packbits(views.masks, axis=-1)}
    del arrays["latents"]
    tensors = {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in arrays.items()}
    tensors["latents"] = views.latents.half().contiguous()
    with replace_file(path) as partial:
        save_file(tensors, partial)


def load_examples(path: Path) -> Views:
    """Return what `save_examples` wrote."""
    tensors = load_file(path)
    latents, packed = tensors.pop("latents"), tensors.pop("masks")
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    return Views(latents.float(), np.unpackbits(packed.numpy(), axis=-1), **arrays)
