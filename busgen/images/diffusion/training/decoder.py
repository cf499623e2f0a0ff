"""Training of the decoder on what the network draws, so that its pictures' speckle looks real.

In: a generator, pictures. Out: its autoencoder with another decoder; encoder and latents as they
were. Drawn latents are smoother than those of real pictures, and a decoder that saw the latter
alone draws too little texture from them. So it learns from three kinds: encoded pictures; those
noised and denoised by the network, which still show the picture that they were; and latents drawn
from noise under a picture's conditions, which show another: they are held to its spectrum and to
the critics.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from busgen.images.diffusion.autoencoder import FACTOR, Autoencoder, draw_noise
from busgen.images.diffusion.conditions import STYLES
from busgen.images.diffusion.pipeline import STEPS, BreastUltrasoundPipeline, Conditions, Guidance
from busgen.images.diffusion.solver import FlowSolver
from busgen.images.diffusion.training import critics as training_critics
from busgen.images.diffusion.training.autoencoder import SHAKE, chances, to_pictures
from busgen.images.diffusion.training.latents import (
    Batch,
    encode_views,
    fixed_batches,
    put_into_words,
)
from busgen.images.training.examples import Pictures
from busgen.real.crops import Crops
from busgen.training_loop import Draws, Pace, Told, begun, draws_of, half, set_rate

PATCH = 16  # side of the latents' patches that it learns from
PATIENCE = 150  # steps before the critics are heard
KINDS = MappingProxyType({"encoded": 0.25, "denoised": 0.45, "drawn": 0.3})  # shares of a batch
NOISED = (3, 4, 5)  # steps of the solver that denoised latents leave out, in turn
SCALES = (1, 2)  # px over which pictures are averaged before a critic sees them
WEIGHTS = MappingProxyType({"anatomy": 1.0, "spectrum": 0.15, "critic": 0.1, "features": 1.0})
AVERAGE = 0.998  # longest memory of the weights' average
LOOKED = 64  # held-out pictures that a look decodes
AT_ONCE = 16  # pictures drawn together


@dataclass(frozen=True)
class Lesson:
    """N pictures, their `styles` (N,), and latents (N, C, h, w) of each of `KINDS`."""

    crops: Crops
    styles: NDArray[np.int64]
    latents: Mapping[str, Tensor]


@dataclass(frozen=True)
class Patches:
    """Patches of latents (N, C, PATCH, PATCH), and those of the real pictures (N, 1, S, S).

    `weight` (N, 1, S, S) is 0 where text or calipers are burned in; `same` (N,) says whether the
    latents show that very picture; `style` (N,) whose speckle it is.
    """

    latents: Tensor
    real: Tensor
    weight: Tensor
    same: Tensor
    style: Tensor

    def to(self, device: torch.device) -> "Patches":
        """Return the patches on `device`."""
        return Patches(*(each.to(device) for each in vars(self).values()))


def lesson_of(pipeline: BreastUltrasoundPipeline, pictures: Pictures) -> Lesson:
    """Return what a decoder learns from `pictures`: latents of each kind, drawn once."""
    views = encode_views(pipeline.autoencoder, pictures, 1)
    words = put_into_words(pictures.captions, pipeline.text_encoder, 1, 1.0)
    kinds: dict[str, list[Tensor]] = {kind: [] for kind in KINDS}
    for number, batch in enumerate(fixed_batches(views, words, AT_ONCE)):
        for kind, latents in _of_each_kind(pipeline, batch, number).items():
            kinds[kind].append(latents.cpu())
    drawn = {kind: torch.cat(parts).clone() for kind, parts in kinds.items()}
    return Lesson(pictures.crops, views.styles, drawn)


def _of_each_kind(
    pipeline: BreastUltrasoundPipeline, batch: Batch, number: int
) -> Mapping[str, Tensor]:
    device, left_out = pipeline.device, NOISED[number % len(NOISED)]
    clean, told = batch.latents.to(device), batch.told.to(device)
    noise = draws_of(0, number, device).noise
    ends = torch.randn(clean.shape, generator=noise, device=device)
    return {
        "encoded": clean,
        "denoised": denoised(pipeline, told, clean, ends, left_out),
        "drawn": pipeline.draw(told, ends),
    }


@torch.inference_mode()
def denoised(
    pipeline: BreastUltrasoundPipeline, told: Conditions, clean: Tensor, ends: Tensor, left_out: int
) -> Tensor:
    """Return latents (N, C, h, w) on the way to noise `ends`, drawn from there as pictures are.

    The solver's first `left_out` steps are left out: the more, the more is kept.
    """
    solver: FlowSolver = FlowSolver.from_config(pipeline.scheduler.config)
    solver.set_timesteps(STEPS, clean.device)
    level = solver.skip(left_out)
    latents = (1 - level) * clean + level * ends
    for time in solver.timesteps:
        velocity = pipeline.velocity(latents, time, told, Guidance())
        latents = solver.step(velocity, latents)
    return latents


class DecoderTrainee:
    """A decoder, its critics, and the lessons of training and held-out patients."""

    averaged = ("autoencoder",)

    def __init__(self, model: Autoencoder, lessons: Mapping[str, Lesson], pace: Pace) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model.to(self.device).train().requires_grad_(requires_grad=False)
        self.model.decoder.requires_grad_(requires_grad=True)
        self.lessons = lessons
        told = partial(training_critics.Critic, styles=len(STYLES) + 1)
        critics = [begun(told, pace.seed + px).to(self.device) for px in SCALES]
        self.critics = dict(zip(SCALES, critics, strict=True))
        named = {f"critic_{px}": net for px, net in self.critics.items()}
        self.modules: Mapping[str, nn.Module] = {"autoencoder": self.model, **named}
        self.optimisers: Mapping[str, torch.optim.Optimizer] = {
            name: torch.optim.AdamW(net.parameters(), lr=0, betas=(0.5, 0.95), weight_decay=0.01)
            for name, net in {"decoder": self.model.decoder, **named}.items()
        }

    def learn(self, step: int, draws: Draws, pace: Pace) -> Told:
        """Take one step of the critics and one of the decoder."""
        for optimiser in self.optimisers.values():
            set_rate(optimiser, pace.rate_at(step))
            optimiser.zero_grad()
        for _ in range(pace.accumulate):
            told = self._pass(step, draws, pace)
        for module in self.modules.values():
            nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        for optimiser in self.optimisers.values():
            optimiser.step()
        return told

    def _pass(self, step: int, draws: Draws, pace: Pace) -> Told:
        """Add one batch's gradients to all networks."""
        batch = draw_patches(self.lessons["train"], draws, pace.batch).to(self.device)
        shake = torch.randn(batch.latents.shape, generator=draws.noise, device=self.device)
        noise = draw_noise(len(batch.real), batch.real.shape[-1], draws.noise)
        with half(self.device, pace):
            made = self.model.decode(batch.latents + SHAKE * shake, noise)
            made = torch.where(batch.weight > 0, made, batch.real)
            each = [self._critical(px, made.detach(), batch) for px in SCALES]
        critical = torch.stack(each).sum()
        torch.autograd.backward(critical / pace.accumulate)
        parts = self._parts(made, batch, pace)
        heard = {"critic": float(step >= PATIENCE), "features": float(step >= PATIENCE)}
        loss = [WEIGHTS[k] * heard.get(k, 1.0) * v for k, v in parts.items()]
        torch.autograd.backward(torch.stack(loss).sum() / pace.accumulate)
        for net in self.critics.values():
            net.requires_grad_(requires_grad=True)
        parts["critic_loss"] = critical
        return {name: float(value.detach()) for name, value in parts.items()}

    def _critical(self, px: int, made: Tensor, batch: Patches) -> Tensor:
        """Return the loss of the critic that sees averages over `px` pixels."""
        told_made, _ = self.critics[px](avg_pool2d(made, px), batch.style)
        told_real, _ = self.critics[px](avg_pool2d(batch.real, px), batch.style)
        return training_critics.critic_loss(told_real.float(), told_made.float())

    def _parts(self, made: Tensor, batch: Patches, pace: Pace) -> dict[str, Tensor]:
        """Return the parts of the decoder's loss; the critics stay as they are."""
        same = batch.same[:, None, None, None]
        anatomy = training_critics.anatomy_loss(made.float(), batch.real, batch.weight * same)
        parts = {"anatomy": anatomy, "spectrum": training_critics.spectrum_loss(made, batch.real)}
        logits, features = [], []
        for px, net in self.critics.items():
            net.requires_grad_(requires_grad=False)
            with half(self.device, pace):
                told, own = net(avg_pool2d(made, px), batch.style)
                _, wanted = net(avg_pool2d(batch.real, px), batch.style)
            logits.append(told.float().mean())
            pair = ([same * layer for layer in layers] for layers in (own, wanted))
            features.append(training_critics.feature_loss(*pair))
        parts["critic"] = -torch.stack(logits).mean()
        parts["features"] = torch.stack(features).mean()
        return parts

    def look(self, mean: Mapping[str, nn.Module], step: int) -> Told:
        """Return what held-out patients' pictures lose, encoded, and noised and denoised."""
        lesson, model = self.lessons["validation"], mean["autoencoder"]
        assert isinstance(model, Autoencoder)
        count = len(lesson.crops)
        chosen = np.linspace(0, count - 1, min(LOOKED, count)).astype(np.int64)
        real = to_pictures(lesson.crops.images[chosen]).to(self.device)
        weight = 1 - torch.from_numpy(lesson.crops.ignore[chosen])[:, None].float().to(self.device)
        noise = draw_noise(len(real), real.shape[-1], draws_of(0, 0, self.device).noise)
        told: Told = {}
        for kind, latents in lesson.latents.items():
            with torch.inference_mode():
                made = model.decode(latents[torch.from_numpy(chosen)].to(self.device), noise)
            told[f"validation_spectrum_{kind}"] = float(training_critics.spectrum_loss(made, real))
            if kind != "drawn":
                told[f"validation_anatomy_{kind}"] = float(
                    training_critics.anatomy_loss(made, real, weight)
                )
        return told


def draw_patches(lesson: Lesson, draws: Draws, size: int) -> Patches:
    """Return patches of random latents of random kinds, and those of their pictures."""
    rng, crops = draws.rng, lesson.crops
    kinds = rng.choice(list(KINDS), size, p=list(KINDS.values()))
    chosen = rng.choice(len(crops), size, p=chances(crops))
    latents, images, weights = [], [], []
    for kind, index in zip(kinds, chosen, strict=True):
        whole = lesson.latents[str(kind)][index]
        side = min(PATCH, whole.shape[-1])
        row, col = rng.integers(0, whole.shape[-1] - side + 1, 2)
        latents.append(whole[:, row : row + side, col : col + side])
        top, left, width = FACTOR * row, FACTOR * col, FACTOR * side
        window = np.s_[top : top + width, left : left + width]
        images.append(crops.images[index][window])
        weights.append(crops.ignore[index][window] == 0)
    return Patches(
        torch.stack(latents),
        to_pictures(np.stack(images)),
        torch.from_numpy(np.stack(weights))[:, None].float(),
        torch.from_numpy(kinds != "drawn").float(),
        torch.from_numpy(lesson.styles[chosen]),
    )
