"""The decoder learns on from latents that the network draws: the last part of the training.

In: a network's own drawings of training captions and masks, real pictures. Out: the autoencoder,
its decoder suited to what is drawn. That differs a little from what is encoded, and a decoder that
has seen encoded latents alone shows it. Critics at three scales tell its pictures from real ones
(after distillation, as in Sauer 2023, arXiv 2311.17042). What pictures show stays: their averages
over a latent's pixels are held to those that the decoder gave at first.
"""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from busgen.images.diffusion.autoencoder import FACTOR, Autoencoder, draw_noise
from busgen.images.diffusion.autoencoder_training import PATCH_PX, patches
from busgen.images.diffusion.critic import Critic, critic_loss
from busgen.images.diffusion.latents import Views, batch_of
from busgen.images.diffusion.loop import (
    Draws,
    Pace,
    Tick,
    Told,
    begun,
    draws_of,
    half,
    run,
    set_rate,
)
from busgen.images.diffusion.pipeline import BreastUltrasoundPipeline
from busgen.real.crops import Crops

SCALES = (1, 2, 4)  # px over which pictures are averaged for each critic
PATIENCE = 100  # steps before the critics are heard
WEIGHTS = {"critics": 0.1, "anchor": 2.0}
AT_ONCE = 16  # latents drawn together


class Critics(nn.Module):
    """One `Critic` a scale; the coarsest sees some 120 pixels at a time: layers, not speckle."""

    def __init__(self) -> None:
        super().__init__()
        self.each = nn.ModuleList(Critic() for _ in SCALES)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the logits of each scale for pictures (N, 1, H, W)."""
        pairs = zip(SCALES, self.each, strict=True)
        return [critic(avg_pool2d(x, px) if px > 1 else x)[0] for px, critic in pairs]


def draw_latents(
    pipeline: BreastUltrasoundPipeline, views: Views, words: Tensor, count: int, seed: int
) -> Tensor:
    """Return `count` latents (count, C, h, w) drawn with the conditions of random views."""
    draws = draws_of(seed, 0, pipeline.device)
    whole = np.flatnonzero(views.whole)
    chances = views.chances[whole] / views.chances[whole].sum()
    drawn = []
    for start in range(0, count, AT_ONCE):
        size = min(AT_ONCE, count - start)
        chosen = draws.rng.choice(whole, size, p=chances)
        told = batch_of(views, words, chosen, draws.rng.integers(0, words.shape[1], size)).told
        begin = torch.randn(
            (size, *views.latents.shape[1:]), generator=draws.noise, device=pipeline.device
        )
        drawn.append(pipeline.draw(told.to(pipeline.device), begin).cpu())
    return torch.cat(drawn).clone()


class DecoderTrainee:
    """A decoder, its critics, drawn latents and real pictures."""

    averaged = ("autoencoder",)

    def __init__(self, model: Autoencoder, drawn: Tensor, crops: Crops, pace: Pace) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = copy.deepcopy(model).to(self.device).requires_grad_(requires_grad=False)
        self.model.decoder.requires_grad_(requires_grad=True)
        self.first = copy.deepcopy(model).to(self.device)
        self.critics = begun(Critics, pace.seed).to(self.device)
        self.drawn, self.crops = drawn, crops
        self.modules: Mapping[str, nn.Module] = {"autoencoder": self.model, "critics": self.critics}
        trained = {"autoencoder": self.model.decoder, "critics": self.critics}
        self.optimisers: Mapping[str, torch.optim.Optimizer] = {
            name: torch.optim.AdamW(module.parameters(), lr=0, betas=(0.5, 0.95), weight_decay=0.01)
            for name, module in trained.items()
        }

    def learn(self, step: int, draws: Draws, pace: Pace) -> Told:
        """Take one step of the critics and one of the decoder."""
        for optimiser in self.optimisers.values():
            set_rate(optimiser, pace.rate_at(step))
            optimiser.zero_grad()
        heard = float(step >= PATIENCE)
        for _ in range(pace.accumulate):
            pair = patches(self.crops, draws, pace.batch)
            real, clean = (x.to(self.device) for x in pair)
            latents = windows(self.drawn, draws.rng, pace.batch).to(self.device)
            noise = draw_noise(pace.batch, PATCH_PX, draws.noise)
            with torch.no_grad(), half(self.device, pace):
                first = self.first.decode(latents, noise)
            with half(self.device, pace):
                made = self.model.decode(latents, noise)
                shown = made * clean  # what is painted over is hidden in both
                pairs = zip(self.critics(real * clean), self.critics(shown.detach()), strict=True)
            critical = torch.stack([critic_loss(a.float(), b.float()) for a, b in pairs]).mean()
            torch.autograd.backward(critical / pace.accumulate)
            self.critics.requires_grad_(requires_grad=False)
            with half(self.device, pace):
                fooled = -torch.stack([x.float().mean() for x in self.critics(shown)]).sum()
            anchor = avg_pool2d(made.float() - first.float(), FACTOR).abs().mean()
            loss = WEIGHTS["critics"] * heard * fooled + WEIGHTS["anchor"] * anchor
            torch.autograd.backward(loss / pace.accumulate)
            self.critics.requires_grad_(requires_grad=True)
        for module in self.modules.values():
            nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        for optimiser in self.optimisers.values():
            optimiser.step()
        parts = {"critic_loss": critical, "anchor": anchor, "fooled": fooled}
        return {name: float(value.detach()) for name, value in parts.items()}

    def look(self, mean: Mapping[str, nn.Module], step: int) -> Told:
        """Return nothing: no patient is held out from what it tells."""
        return {}


def windows(drawn: Tensor, rng: np.random.Generator, count: int) -> Tensor:
    """Return random windows of drawn latents, as large as the patches of real pictures."""
    side = PATCH_PX // FACTOR
    last = drawn.shape[-1] - side
    places = zip(
        rng.integers(0, len(drawn), count), *rng.integers(0, last + 1, (2, count)), strict=True
    )
    return torch.stack([drawn[k, :, r : r + side, c : c + side] for k, r, c in places])


def train_decoder(
    model: Autoencoder, drawn: Tensor, crops: Crops, pace: Pace, folder: Path, tick: Tick
) -> Autoencoder:
    """Return the autoencoder with a decoder that learned from drawn latents (N, C, h, w).

    `crops` are training patients'; `folder` holds the checkpoint, as `loop.run` keeps it.
    """
    mean = run(DecoderTrainee(model, drawn, crops, pace), pace, folder, tick)["autoencoder"]
    return cast(Autoencoder, mean)
