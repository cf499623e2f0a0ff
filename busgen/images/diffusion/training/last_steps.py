"""Training of the network's last steps and the decoder by whole images, drawn and encoded.

In: a generator, images. Out: its network and decoder; the encoder stays as it is. Whole images are
drawn from noise, and the distance of their features and spectra from real images' is brought down
through decoder and last steps. Drawn images lie apart from real ones by the mean of deep features,
hardly by how these vary (docs/log): a mean is a matter of few steps. Encoded images are held to
the same, and to the anatomy of those that they are of; the loss of flow matching keeps what the
network knows.
"""

from collections.abc import Mapping

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
from busgen.images.diffusion.solver import TIMES, FlowSolver
from busgen.images.diffusion.training import critics, flow, latents
from busgen.images.diffusion.training.autoencoder import SHAKE, to_input
from busgen.images.diffusion.training.decoder import MAPS
from busgen.images.diffusion.training.feature_distance import FeatureDistance, measure
from busgen.images.diffusion.training.last_steps_examples import Examples, draw_conditions
from busgen.learning.trainees import set_rate
from busgen.training_loop import Draws, Metrics, Schedule, make_draws

TAUGHT = 4  # first step of the solver that learns; those before set the layout
VIEWS = 4  # of an image
WEIGHTS = {"drawn": 1.0, "encoded": 1.0, "drawn_spectrum": 0.02, "encoded_spectrum": 0.02}
WEIGHTS |= {"flow": 2.0, "anatomy": 0.5, "spectrum": 0.15, "moments": 0.3}
PACES = {"network": 1.0, "decoder": 0.4}  # of their learning rates
REMEMBERED = 96  # images: of more, some were drawn by a network of long ago
OTHERS = 0.1  # how much spectra of other scanners count
AVERAGE, WARMUP = 0.99, 25  # longest memory of the weights' average; steps
AT_ONCE, LOOKED_AT = 16, 64  # images


class Trainee:
    """A denoising network and a decoder that learn by what both draw."""

    averaged_modules = ("unet", "tokens", "autoencoder")

    def __init__(
        self, pipeline: BreastUltrasoundPipeline, known: Examples, held_out: Examples
    ) -> None:
        self.device = resolve_device()
        self.pipeline = pipeline.to(self.device)
        self.autoencoder = pipeline.autoencoder.train().requires_grad_(requires_grad=False)
        self.autoencoder.decoder.requires_grad_(requires_grad=True)
        self.network = {"unet": pipeline.unet, "tokens": pipeline.tokens}
        for module in self.network.values():
            module.train().requires_grad_(requires_grad=True)
        self.known, self.held_out = known, held_out
        self.styles = torch.from_numpy(latents.find_styles(known.images.crops.scanners))
        self.lite0 = EfficientNetLite(0).to(self.device)
        seen = [self._look(known.images.crops.images), _measure_spectra(known.images.crops.images)]
        alike = {"": (seen[0], {}), "_spectrum": (seen[1], {"others": OTHERS})}
        self.distances = {
            f"{kind}{of}": FeatureDistance(own, self.styles, REMEMBERED, **told).to(self.device)
            for kind in ("drawn", "encoded")
            for of, (own, told) in alike.items()
        }
        self.modules = {**self.network, "autoencoder": self.autoencoder, **self.distances}
        network = [p for module in self.network.values() for p in module.parameters()]
        learning = {"network": network, "decoder": list(self.autoencoder.decoder.parameters())}
        self.optimisers: Mapping[str, torch.optim.Optimizer] = {
            name: torch.optim.AdamW(own, lr=0, betas=(0.0, 0.99), weight_decay=0.0)
            for name, own in learning.items()
        }

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
        for name, optimiser in self.optimisers.items():
            set_rate(optimiser, PACES[name] * schedule.rate_at(step))
            optimiser.zero_grad()
        for _ in range(schedule.accumulate):
            parts: dict[str, Tensor] = {}
            for learn in (self._learn_drawn, self._learn_encoded, self._learn_flow):
                own = learn(draws, schedule)
                total = torch.stack([WEIGHTS[name] * part for name, part in own.items()]).sum()
                if total.requires_grad:  # distances do not count at first
                    torch.autograd.backward(total / schedule.accumulate)
                parts |= own
        for optimiser in self.optimisers.values():
            weights = [p for group in optimiser.param_groups for p in group["params"]]
            nn.utils.clip_grad_norm_(weights, 1.0)
            optimiser.step()
        return {name: float(part.detach()) for name, part in parts.items()}

    def _learn_drawn(self, draws: Draws, schedule: Schedule) -> dict[str, Tensor]:
        conditions = draw_conditions(self.pipeline, self.known, schedule.batch, draws.rng)
        conditions = conditions.to(self.device)
        modules = {**self.network, "autoencoder": self.autoencoder}
        images = self._draw(modules, conditions, draws.noise, half=schedule.half_precision)
        with autocast(self.device, schedule.half_precision):
            maps = self.lite0(images, MAPS)
        return self._distance("drawn", images, maps, conditions.style)

    def _learn_encoded(self, draws: Draws, schedule: Schedule) -> dict[str, Tensor]:
        crops = self.known.images.crops
        count = min(schedule.batch, len(crops))
        rows = draws.rng.choice(len(crops), count, replace=False)
        real = to_input(crops.images[rows]).to(self.device)
        shown = 1 - torch.from_numpy(crops.ignore[rows])[:, None].float().to(self.device)
        grain = draw_noise(count, real.shape[-1], draws.noise)
        with autocast(self.device, schedule.half_precision):
            with torch.no_grad():
                encoded, wanted = self.autoencoder.encode(real), self.lite0(real, MAPS)
            shake = torch.randn(encoded.shape, generator=draws.noise, device=self.device)
            decoded = self.autoencoder.decode(encoded + SHAKE * shake, grain)
            seen = torch.where(shown > 0, decoded, real.to(decoded.dtype))
            maps = self.lite0(seen, MAPS)
            fine = len(critics.BLOCKS)
            parts = {
                "spectrum": critics.spectrum_loss(decoded, real),
                "moments": critics.moments_loss(maps[:fine], wanted[:fine]),
            }
        parts["anatomy"] = critics.anatomy_loss(decoded.float(), real, shown)
        return parts | self._distance("encoded", seen, maps, self.styles[rows].to(self.device))

    def _learn_flow(self, draws: Draws, schedule: Schedule) -> dict[str, Tensor]:
        batch = latents.draw_batch(self.known.views, self.known.stated, schedule.batch, draws.rng)
        with autocast(self.device, schedule.half_precision):
            return {"flow": flow.matching_loss(self.network, batch, draws.noise)}

    def _distance(
        self, kind: str, images: Tensor, maps: list[Tensor], styles: Tensor
    ) -> dict[str, Tensor]:
        spectra = critics.log_spectra(images)
        return {
            kind: self.distances[kind](measure(maps), styles),
            f"{kind}_spectrum": self.distances[f"{kind}_spectrum"](spectra, styles),
        }

    def _draw(
        self,
        modules: Mapping[str, nn.Module],
        conditions: Conditions,
        noise: torch.Generator,
        *,
        half: bool,
    ) -> Tensor:
        """Return images that are drawn from noise, with gradients of decoder and last steps."""
        count, side = len(conditions.style), conditions.planes.shape[-1]
        shape = (count, self.pipeline.channels, side, side)
        points = torch.randn(shape, generator=noise, device=self.device)
        grain = draw_noise(count, FACTOR * side, noise)
        solver: FlowSolver = FlowSolver.from_config(self.pipeline.scheduler.config)
        solver.set_timesteps(STEPS, self.device)
        unet, tokens = modules["unet"], modules["tokens"]
        learning = torch.is_grad_enabled()
        for step, level in enumerate(solver.levels[:STEPS]):
            time = TIMES * torch.tensor(level, device=self.device)
            taught = learning and step >= TAUGHT
            with torch.set_grad_enabled(taught), autocast(self.device, half):
                velocity = predict_velocity(unet, tokens, points, time, conditions)
            points = solver.step(velocity, points)
        with autocast(self.device, half):
            images: Tensor = modules["autoencoder"].decode(points, grain)  # type: ignore[operator]
        return images

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
            with autocast(self.device):
                drawn = self._draw(mean, conditions, noise, half=True)
                seen.append(measure(self.lite0(drawn, MAPS)))
        images = self.held_out.images.crops.images[views.image_rows[whole]]
        apart = torch.cat(seen).mean(dim=0) - self._look(images).to(self.device).mean(dim=0)
        spread = self.distances["drawn"].spread
        return {"validation_shift": float((apart / spread).square().mean().sqrt())}


def _measure_spectra(images: np.ndarray) -> Tensor:
    """Return the logarithms of power spectra (N, F) of real images (N, S, S)."""
    starts = range(0, len(images), AT_ONCE)
    return torch.cat([critics.log_spectra(to_input(images[k : k + AT_ONCE])) for k in starts])
