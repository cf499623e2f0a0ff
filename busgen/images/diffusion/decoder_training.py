"""Training of the decoder on what the network draws, so that its pictures' speckle looks real.

In: a generator, pictures. Out: its autoencoder, the decoder tuned, encoder and latents as they were.
Drawn latents are smoother than those of real pictures, and a decoder that only ever saw the latter
draws too little texture from them. So it learns from three kinds: encoded pictures; those noised and
denoised by the network, which still show the picture that they come from; and latents drawn from
noise under a picture's conditions, of which only the critics and a spectrum like the picture's are
asked.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from busgen.images.diffusion import critic
from busgen.images.diffusion.autoencoder import FACTOR, Autoencoder, draw_noise
from busgen.images.diffusion.autoencoder_training import SHAKE, chances, to_pictures
from busgen.images.diffusion.latents import batch_of, encode_views
from busgen.images.diffusion.levels import LEVELS
from busgen.images.diffusion.pipeline import STEPS, BreastUltrasoundPipeline, Conditions
from busgen.images.diffusion.solver import FlowSolver
from busgen.images.pictures import Pictures
from busgen.loop import Draws, Pace, Told, begun, draws_of, half, set_rate

PATCH = 16  # side of the latents' patches that it learns from
PATIENCE = 150  # steps before the critics are heard
KINDS = MappingProxyType({"encoded": 0.25, "denoised": 0.45, "drawn": 0.3})  # shares of a batch
BEGUN = (3, 4, 5)  # levels of the solver from which denoised latents begin, in turn
SCALES = (1, 2)  # px over which pictures are averaged before a critic sees them
WEIGHTS = {"anatomy": 1.0, "spectrum": 0.15, "critic": 0.1, "features": 1.0}
LOOKED = 64  # held-out pictures that a look decodes
AT_ONCE = 16  # pictures drawn together


@dataclass(frozen=True)
class Lesson:
    """N pictures, each as it is and mirrored, and 2 N latents of each kind in that order."""

    pictures: Pictures
    latents: Mapping[str, Tensor]


def lesson_of(
    pipeline: BreastUltrasoundPipeline, pictures: Pictures, words: Tensor
) -> Lesson:
    """Return what a decoder learns from `pictures`, in their first wordings (N, count, terms)."""
    views = encode_views(pipeline.autoencoder, pictures, 2)
    kinds: dict[str, list[Tensor]] = {kind: [] for kind in KINDS}
    for number, rows in enumerate(np.array_split(np.arange(len(views.pictures)), max(1, len(views.pictures) // AT_ONCE))):
        told = np.ones((len(rows), LEVELS), np.bool_)
        batch = batch_of(views, words, rows, np.zeros(len(rows), np.int64), told)
        conditions = batch.told.to(pipeline.device)
        clean, noise = batch.latents.to(pipeline.device), draws_of(0, number, pipeline.device).noise
        ends = torch.randn(clean.shape, generator=noise, device=clean.device)
        kinds["encoded"].append(clean.cpu())
        kinds["denoised"].append(denoised(pipeline, conditions, clean, ends, BEGUN[number % len(BEGUN)]))
        kinds["drawn"].append(pipeline.draw(conditions, ends).cpu())
    return Lesson(pictures, {kind: torch.cat(parts).clone() for kind, parts in kinds.items()})


@torch.inference_mode()
def denoised(
    pipeline: BreastUltrasoundPipeline, told: Conditions, clean: Tensor, ends: Tensor, begin: int
) -> Tensor:
    """Return latents (N, C, h, w) noised to level `begin` of the solver's and denoised again."""
    solver = FlowSolver.from_config(pipeline.scheduler.config)
    solver.set_timesteps(STEPS, clean.device)
    level = solver.levels[begin]
    solver.levels, times = solver.levels[begin:], solver.timesteps[begin:]
    latents = (1 - level) * clean + level * ends
    from busgen.images.diffusion.pipeline import Guidance
    for time in times:
        latents = solver.step(pipeline.velocity(latents, time, told, Guidance()), latents)
    return latents.cpu()


class DecoderTrainee:
    """A decoder, its critics, and the lessons of training and held-out patients."""

    averaged = ("autoencoder",)

    def __init__(
        self, model: Autoencoder, lessons: Mapping[str, Lesson], pace: Pace
    ) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model.to(self.device).train()
        self.model.requires_grad_(requires_grad=False)
        self.model.decoder.requires_grad_(requires_grad=True)
        self.lessons = lessons
        self.critics = {k: begun(critic.Critic, pace.seed + k).to(self.device) for k in SCALES}
        named = {f"critic_{k}": net for k, net in self.critics.items()}
        self.modules: Mapping[str, nn.Module] = {"autoencoder": self.model} | named
        learning = {"autoencoder": self.model.decoder} | named
        self.optimisers: Mapping[str, torch.optim.Optimizer] = {
            name: torch.optim.AdamW(module.parameters(), lr=0, betas=(0.5, 0.95), weight_decay=0.01)
            for name, module in learning.items()
        }

    def learn(self, step: int, draws: Draws, pace: Pace) -> Told:
        """Take one step of the critics and one of the decoder."""
        for optimiser in self.optimisers.values():
            set_rate(optimiser, pace.rate_at(step))
            optimiser.zero_grad()
        told = self._pass(step, draws, pace)
        for module in self.modules.values():
            nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        for optimiser in self.optimisers.values():
            optimiser.step()
        return told

    def _pass(self, step: int, draws: Draws, pace: Pace) -> Told:
        latents, real, weight, paired = (x.to(self.device) for x in self._batch(draws, pace.batch))
        shake = torch.randn(latents.shape, generator=draws.noise, device=self.device)
        with half(self.device, pace):
            made = self.model.decode(
                latents + SHAKE * shake, draw_noise(len(real), real.shape[-1], draws.noise)
            )
            made = torch.where(weight > 0, made, real)
        critical = torch.stack([self._critical(k, made.detach(), real, pace) for k in SCALES]).sum()
        torch.autograd.backward(critical)
        parts = {
            "anatomy": critic.anatomy_loss(made.float(), real, weight * paired),
            "spectrum": critic.spectrum_loss(made, real),
            "critic": torch.zeros(()), "features": torch.zeros(()),
        }
        for k in SCALES:
            net = self.critics[k]
            net.requires_grad_(requires_grad=False)
            with half(self.device, pace):
                logits, features = net(avg_pool2d(made, k))
                _, wanted = net(avg_pool2d(real, k))
            parts["critic"] = parts["critic"] - logits.float().mean() / len(SCALES)
            both = paired > 0
            chosen = both[:, 0, 0, 0]
            parts["features"] = parts["features"] + critic.feature_loss(
                [f[chosen] for f in features], [f[chosen] for f in wanted]
            ) / len(SCALES)
        heard = float(step >= PATIENCE)
        gain = {"anatomy": 1.0, "spectrum": 1.0, "critic": heard, "features": heard}
        torch.autograd.backward(sum(WEIGHTS[k] * gain[k] * v for k, v in parts.items()))
        for net in self.critics.values():
            net.requires_grad_(requires_grad=True)
        parts["critic_loss"] = critical
        return {name: float(value.detach()) for name, value in parts.items()}

    def _critical(self, k: int, made: Tensor, real: Tensor, pace: Pace) -> Tensor:
        with half(self.device, pace):
            told_made, _ = self.critics[k](avg_pool2d(made, k))
            told_real, _ = self.critics[k](avg_pool2d(real, k))
        return critic.critic_loss(told_real.float(), told_made.float())

    def _batch(self, draws: Draws, size: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return latents, patches of the real pictures, weights, and whether both show the same."""
        rng, lesson = draws.rng, self.lessons["train"]
        crops = lesson.pictures.crops
        kinds = rng.choice(list(KINDS), size, p=list(KINDS.values()))
        latents, images, weights = [], [], []
        for kind, index in zip(kinds, rng.choice(len(crops), size, p=chances(crops)), strict=True):
            mirrored = int(rng.random() < 0.5)
            whole = lesson.latents[kind][2 * index + mirrored]
            row, col = rng.integers(0, whole.shape[-1] - PATCH + 1, 2)
            latents.append(whole[:, row : row + PATCH, col : col + PATCH])
            a, b, s = FACTOR * row, FACTOR * col, FACTOR * PATCH
            window = np.s_[a : a + s, b : b + s]
            turn = -1 if mirrored else 1
            images.append(crops.images[index][:, ::turn][window])
            weights.append(crops.ignore[index][:, ::turn][window] == 0)
        paired = torch.from_numpy(kinds != "drawn").float()[:, None, None, None]
        weight = torch.from_numpy(np.stack(weights))[:, None].float()
        return torch.stack(latents), to_pictures(np.stack(images)), weight, paired

    def look(self, mean: Mapping[str, nn.Module], step: int) -> Told:
        """Return anatomy and spectrum losses of held-out patients' pictures, encoded and drawn."""
        lesson, model = self.lessons["validation"], mean["autoencoder"]
        assert isinstance(model, Autoencoder)
        crops = lesson.pictures.crops
        chosen = np.linspace(0, len(crops) - 1, min(LOOKED, len(crops))).astype(np.int64)
        real = to_pictures(crops.images[chosen]).to(self.device)
        weight = 1 - torch.from_numpy(crops.ignore[chosen])[:, None].float().to(self.device)
        noise = draw_noise(len(real), real.shape[-1], draws_of(0, 0, self.device).noise)
        told: Told = {}
        for kind in KINDS:
            with torch.inference_mode():
                made = model.decode(lesson.latents[kind][torch.from_numpy(2 * chosen)].to(self.device), noise)
            told[f"validation_spectrum_{kind}"] = float(critic.spectrum_loss(made, real))
            if kind != "drawn":
                told[f"validation_anatomy_{kind}"] = float(critic.anatomy_loss(made, real, weight))
        return told
