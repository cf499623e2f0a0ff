"""What Stable Diffusion is fine-tuned on: latents, sentences and masks, made once and kept.

In: crops of training patients, a sentence each, the folder to begin from. Out: `Examples`, from
which a batch is picked. VAE and text encoder are frozen, so their part is done before training.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from busgen.arrays import Bools, Pixels
from busgen.errors import UserError
from busgen.images.stable_diffusion.engine import make_control
from busgen.images.stable_diffusion.layout import read_part, read_tokenizer
from busgen.real.crops import Crops
from busgen.seeds import Rng


@dataclass(frozen=True)
class Batch:
    """Images to learn from: latents (B, C, h, w), texts (B, L, D), control (B, 3, S, S), weights.

    `weights` (B, 1, h, w) share of each latent's pixels that no overlay hid.
    """

    latents: Tensor
    texts: Tensor
    control: Tensor
    weights: Tensor


@dataclass(frozen=True)
class Examples:
    """Means and deviations of latents (2 mirrorings, N, 2, C, h, w), texts (K + 1, L, D), and more.

    `said` (N,) which text is an image's; the last text is empty. `masks`, `ignore` (N, S, S)
    uint8 of 0 and 1. `scale` of the VAE's latents.
    """

    moments: Tensor
    texts: Tensor
    said: NDArray[np.int64]
    masks: Pixels
    ignore: Pixels
    scale: float

    def __len__(self) -> int:
        return len(self.said)

    def pick(self, indices: NDArray[np.int64], untold: float, draws: Rng) -> Batch:
        """Return images `indices` (B,), half of them mirrored, a share `untold` without text.

        Left and right are alike in a sentence; up and down are not alike in an image.
        """
        mirrored = draws.random(len(indices)) < 0.5
        silent = draws.random(len(indices)) < untold
        moments = self.moments[mirrored.astype(np.int64), indices]
        noise = draws.standard_normal(tuple(moments[:, 0].shape), np.float32)
        latents = moments[:, 0] + moments[:, 1] * torch.from_numpy(noise)
        phrases = np.where(silent, len(self.texts) - 1, self.said[indices])
        masks, ignore = (_mirror(grids[indices], mirrored) for grids in (self.masks, self.ignore))
        height, width = latents.shape[2:]
        hidden = ignore.reshape(len(ignore), height, -1, width, ignore.shape[2] // width)
        weights = torch.from_numpy(1 - hidden.mean(axis=(2, 4), dtype=np.float32))[:, None]
        control = make_control(masks, masks.shape[1], 3)
        return Batch(latents * self.scale, self.texts[phrases], control, weights)


def _mirror(grids: Pixels, chosen: Bools) -> Pixels:
    return np.where(chosen[:, None, None], grids[:, :, ::-1], grids)


def prepare(
    folder: Path, crops: Crops, prompts: Sequence[str], size_px: int, device: torch.device
) -> Examples:
    """Return the material of `crops` (N) with `prompts` (N), at `size_px` pixels a side.

    Raises `UserError` if there are no crops, or not a prompt each; `DataError` if VAE, text encoder
    or tokenizer are broken.
    """
    if not len(crops) or len(prompts) != len(crops):
        got = f"{len(crops)} crops, {len(prompts)} prompts"
        raise UserError("training needs crops, and a prompt each", got, "pair them")
    different = sorted(set(prompts))
    moments, scale = _measure(folder, _resize(crops.images, size_px), device)
    return Examples(
        moments,
        _encode(folder, [*different, ""], device),
        np.array([different.index(prompt) for prompt in prompts]),
        _resize(crops.masks, size_px, labels=True),
        _resize(crops.ignore, size_px, labels=True),
        scale,
    )


def _resize(grids: Pixels, side: int, *, labels: bool = False) -> Pixels:
    smooth = cv2.INTER_AREA if side < grids.shape[1] else cv2.INTER_CUBIC
    how = cv2.INTER_NEAREST_EXACT if labels else smooth
    return np.stack([cv2.resize(grid, (side, side), interpolation=how) for grid in grids])


def _measure(folder: Path, images: Pixels, device: torch.device) -> tuple[Tensor, float]:
    """Return means and deviations of the latents of images, as they are and mirrored."""
    vae = read_part(folder, "vae", torch.float32).to(device)
    found = []
    with torch.no_grad():
        for image in images:
            both = np.stack([image, image[:, ::-1]])[:, None].repeat(3, axis=1)
            pixels = torch.from_numpy(both).to(device).float() / 127.5 - 1
            latents = vae.encode(pixels).latent_dist
            found.append(torch.stack([latents.mean, latents.std], dim=1).cpu())
    return torch.stack(found, dim=1), float(vae.config.scaling_factor)


def _encode(folder: Path, prompts: Sequence[str], device: torch.device) -> Tensor:
    """Return prompts (K) as the text encoder's states (K, L, D)."""
    tokenizer = read_tokenizer(folder)
    encoder = read_part(folder, "text_encoder", torch.float32).to(device)
    tokens = tokenizer(
        list(prompts),
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    )
    with torch.no_grad():
        states: Tensor = encoder(tokens.input_ids.to(device))[0].cpu()
    return states
