"""Training of the network's last steps: what is drawn has features of real images in the mean.

In: a generator, images. Out: its network and tokens; the autoencoder stays as it is. Whole images
are drawn from noise, and the distance of their features from real images' is brought down through
decoder and last steps. Drawn images lie apart from real ones by the mean of deep features, hardly
by how these vary (docs/log): a mean is a matter of few steps. The loss of flow matching keeps what
the network knows. Half of the images show what their own caption states, half a finding of the
prior, as users ask.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from busgen.compute.devices import autocast, resolve_device
from busgen.compute.pretrained import EfficientNetLite
from busgen.images.diffusion.autoencoder import FACTOR, draw_noise
from busgen.images.diffusion.levels import LEVELS
from busgen.images.diffusion.pipeline import (
    STEPS,
    BreastUltrasoundPipeline,
    Conditions,
    predict_velocity,
)
from busgen.images.diffusion.scanners import STYLES
from busgen.images.diffusion.solver import TIMES, FlowSolver
from busgen.images.diffusion.training import flow, latents
from busgen.images.diffusion.training.autoencoder import to_input
from busgen.images.diffusion.training.decoder import MAPS
from busgen.images.diffusion.training.feature_distance import FeatureDistance, measure
from busgen.images.diffusion.training.latents import KEEP, SELECTIONS, Views
from busgen.images.training.examples import ImageSet
from busgen.learning.trainees import set_rate
from busgen.priors.conditions import Condition
from busgen.priors.draw import draw
from busgen.priors.findings import Finding
from busgen.priors.network import load_prior
from busgen.priors.request import Request
from busgen.seeds import MAX_SEED, Rng
from busgen.training_loop import Draws, Metrics, Schedule, make_draws

TAUGHT = 4  # first step of the solver that learns; those before set the layout
OWN = 0.5  # share of the images that show what their own caption states
VIEWS = 4  # of an image
WEIGHTS = {"distance": 1.0, "flow": 2.0}
REMEMBERED = 96  # images: of more, some were drawn by a network of long ago
AVERAGE, WARMUP = 0.99, 25  # longest memory of the weights' average; steps
AT_ONCE, LOOKED_AT = 16, 64  # images
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
    return Examples(images, encoded, stated, _ask_prior(images))


def _ask_prior(images: ImageSet, seed: int = 0) -> tuple[Finding | None, ...]:
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


class Trainee:
    """A denoising network that learns through an autoencoder that does not."""

    averaged_modules = ("unet", "tokens")

    def __init__(
        self, pipeline: BreastUltrasoundPipeline, known: Examples, held_out: Examples
    ) -> None:
        self.device = resolve_device()
        self.pipeline = pipeline.to(self.device)
        self.autoencoder = pipeline.autoencoder.eval().requires_grad_(requires_grad=False)
        self.network = {"unet": pipeline.unet, "tokens": pipeline.tokens}
        for module in self.network.values():
            module.train().requires_grad_(requires_grad=True)
        self.known, self.held_out = known, held_out
        self.lite0 = EfficientNetLite(0).to(self.device)
        styles = latents.find_styles(known.images.crops.scanners)
        seen = self._look(known.images.crops.images), torch.from_numpy(styles)
        self.distance = FeatureDistance(*seen, REMEMBERED).to(self.device)
        self.modules = {**self.network, "distance": self.distance}
        weights = [p for module in self.network.values() for p in module.parameters()]
        adamw = torch.optim.AdamW(weights, lr=0, betas=(0.0, 0.99), weight_decay=0.0)
        self.optimisers: Mapping[str, torch.optim.Optimizer] = {"network": adamw}

    @torch.no_grad()
    def _look(self, images: np.ndarray) -> Tensor:
        """Return the features (N, F) of real images (N, S, S)."""
        features = []
        for start in range(0, len(images), AT_ONCE):
            shown = to_input(images[start : start + AT_ONCE]).to(self.device)
            features.append(measure(self.lite0(shown, MAPS)).cpu())
        return torch.cat(features)

    def training_step(self, step: int, draws: Draws, schedule: Schedule) -> Metrics:
        """Take one step."""
        optimiser = self.optimisers["network"]
        set_rate(optimiser, schedule.rate_at(step))
        optimiser.zero_grad()
        weights = [p for group in optimiser.param_groups for p in group["params"]]
        for _ in range(schedule.accumulate):
            conditions = self._ask(schedule.batch, draws.rng).to(self.device)
            seen = measure(
                self._draw(self.network, conditions, draws.noise, half=schedule.half_precision)
            )
            parts = {"distance": self.distance(seen, conditions.style)}
            batch = latents.draw_batch(
                self.known.views, self.known.stated, schedule.batch, draws.rng
            )
            with autocast(self.device, schedule.half_precision):
                parts["flow"] = flow.matching_loss(self.network, batch, draws.noise)
            total = torch.stack([WEIGHTS[name] * part for name, part in parts.items()]).sum()
            torch.autograd.backward(total / schedule.accumulate)
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        return {name: float(part.detach()) for name, part in parts.items()}

    def _ask(self, size: int, rng: Rng) -> Conditions:
        """Return the conditions of random views: own captions and levels, or the prior's."""
        views, stated = self.known.views, self.known.stated
        rows = rng.choice(len(views.chances), size, p=views.chances)
        selection = rng.integers(0, stated.shape[1], size)
        every = np.ones((size, LEVELS), np.bool_)
        conditions = latents.make_batch(views, stated, rows, selection, every).conditions
        places, findings = [], []
        for place, image in enumerate(views.image_rows[rows].tolist()):
            finding = self.known.findings[image]
            if finding is not None and rng.random() >= OWN:
                places.append(place)
                findings.append(replace(finding, seed=int(rng.integers(MAX_SEED))))
        if places:
            asked = self.pipeline.encode_findings(findings, views.masks[rows[places]])
            conditions.text[places], conditions.levels[places] = (
                asked.text.cpu(),
                asked.levels.cpu(),
            )
        return conditions

    def _draw(
        self,
        network: Mapping[str, nn.Module],
        conditions: Conditions,
        noise: torch.Generator,
        *,
        half: bool,
    ) -> list[Tensor]:
        """Return the maps of images that are drawn from noise, with gradients of the last steps."""
        count, side = len(conditions.style), conditions.planes.shape[-1]
        shape = (count, self.pipeline.channels, side, side)
        points = torch.randn(shape, generator=noise, device=self.device)
        grain = draw_noise(count, FACTOR * side, noise)
        solver: FlowSolver = FlowSolver.from_config(self.pipeline.scheduler.config)
        solver.set_timesteps(STEPS, self.device)
        unet, tokens = network["unet"], network["tokens"]
        learning = torch.is_grad_enabled()
        for step, level in enumerate(solver.levels[:STEPS]):
            time = TIMES * torch.tensor(level, device=self.device)
            taught = learning and step >= TAUGHT
            with torch.set_grad_enabled(taught), autocast(self.device, half):
                velocity = predict_velocity(unet, tokens, points, time, conditions)
            points = solver.step(velocity, points)
        with autocast(self.device, half):
            maps: list[Tensor] = self.lite0(self.autoencoder.decode(points, grain), MAPS)
        return maps

    @torch.no_grad()
    def validate(self, mean: Mapping[str, nn.Module], step: int) -> Metrics:
        """Return how far drawn features lie from held-out patients' in the mean, in their spreads.

        The root mean square over features, noise and conditions always the same.
        """
        views, seen = self.held_out.views, []
        whole = np.flatnonzero(views.whole)[:LOOKED_AT]
        for start in range(0, len(whole), AT_ONCE):
            rows = whole[start : start + AT_ONCE]
            every = np.ones((len(rows), LEVELS), np.bool_)
            first = np.zeros(len(rows), np.int64)
            batch = latents.make_batch(views, self.held_out.stated, rows, first, every)
            noise = make_draws(0, start, self.device).noise
            conditions = batch.conditions.to(self.device)
            seen.append(measure(self._draw(mean, conditions, noise, half=True)))
        images = self.held_out.images.crops.images[views.image_rows[whole]]
        apart = torch.cat(seen).mean(dim=0) - self._look(images).to(self.device).mean(dim=0)
        return {"validation_shift": float((apart / self.distance.spread).square().mean().sqrt())}
