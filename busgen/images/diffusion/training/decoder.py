"""Training of the decoder, so that texture looks real; encoder and network stay as they are.

In: a generator, images. Out: its autoencoder with another decoder. Critics tell decoded patches
from real ones: one sees pixels, others see through EfficientNet-Lite0. All latents are those of
real images at first; then half of a batch are the network's, which are smoother. The distance of
features is a loss of both, each by itself.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from busgen.compute.devices import autocast, resolve_device
from busgen.compute.pretrained import EfficientNetLite
from busgen.images.diffusion.autoencoder import Autoencoder, draw_noise
from busgen.images.diffusion.scanners import STYLES
from busgen.images.diffusion.training import critics
from busgen.images.diffusion.training.autoencoder import SHAKE, choose_validation
from busgen.images.diffusion.training.decoder_examples import Examples, draw_examples
from busgen.images.diffusion.training.feature_distance import FeatureDistance, measure
from busgen.learning.trainees import AdversarialTrainee, adversaries, build_network
from busgen.real.crops import Crops
from busgen.training_loop import Draws, Metrics, Schedule, make_draws

ALONE = 0.6  # share of the steps in which all latents are those of real images
DRAWN = 0.5  # share of a batch that the network draws after that
REAL, AT_ONCE = 5000, 50  # real patches whose features drawn ones are compared with
WEIGHTS = {"anatomy": 1.0, "spectrum": 0.15, "features": 1.0, "moments": 0.3}
WEIGHTS |= {"critic": 0.05, "projected": 0.1, "drawn": 1.0, "encoded": 1.0}
KINDS = ("drawn", "encoded")  # of latents, each with a distance of its own
AVERAGE = 0.998  # longest memory of the weights' average
MAPS = (*critics.BLOCKS, 15)  # blocks of EfficientNet-Lite0 whose features are compared


class Trainee(AdversarialTrainee):
    """A decoder, its critics, and what training and held-out patients teach."""

    averaged_modules = ("autoencoder",)

    def __init__(
        self, model: Autoencoder, examples: Examples, held_out: Crops, schedule: Schedule
    ) -> None:
        self.device = resolve_device()
        self.model = model.to(self.device).train().requires_grad_(requires_grad=False)
        self.model.decoder.requires_grad_(requires_grad=True)
        self.examples, self.held_out = examples, held_out
        styles = len(STYLES) + 1
        pixels = partial(critics.Critic, styles=styles)
        self.critic = build_network(pixels, schedule.seed + 1).to(self.device)
        heads = partial(critics.ProjectedCritic, styles=styles)
        built = build_network(heads, schedule.seed).to(self.device)
        self.projected = cast(critics.ProjectedCritic, built)
        self.lite0 = EfficientNetLite(0).to(self.device)
        self.distances = self._distances(examples)
        named = {"critic": self.critic, "projected": self.projected, **self.distances}
        self.modules = {"autoencoder": self.model, **named}
        learning = {"decoder": self.model.decoder, "projected": self.projected}
        self.optimisers = adversaries({"critic": self.critic})
        self.optimisers |= adversaries(learning, (0.0, 0.99))

    def _distances(self, examples: Examples) -> dict[str, FeatureDistance]:
        """Return distances from random patches of real images: of encoded and of drawn ones."""
        rng, features, styles = make_draws(0, 0, self.device).rng, [], []
        for _ in range(min(REAL // AT_ONCE, len(examples.drawn))):
            batch = draw_examples(examples, AT_ONCE, 0, rng)
            with torch.inference_mode():
                features.append(measure(self.lite0(batch.real.to(self.device), MAPS)).cpu())
            styles.append(batch.styles)
        known = torch.cat(features).clone(), torch.cat(styles)
        return {name: FeatureDistance(*known).to(self.device) for name in KINDS}

    def add_gradients(self, step: int, draws: Draws, schedule: Schedule) -> Metrics:
        """Add one batch's gradients to all networks."""
        drawn = 0 if step < ALONE * schedule.steps else round(DRAWN * schedule.batch)
        batch = draw_examples(self.examples, schedule.batch, drawn, draws.rng)
        real, weight = batch.real.to(self.device), batch.weight.to(self.device)
        styles, latents = batch.styles.to(self.device), batch.latents.to(self.device)
        shake = torch.randn(latents.shape, generator=draws.noise, device=self.device)
        shake[:drawn] = 0  # only those of real images are exact
        grain = draw_noise(len(real), real.shape[-1], draws.noise)
        with autocast(self.device, schedule.half_precision):
            decoded = self.model.decode(latents + SHAKE * shake, grain)
            decoded = torch.where(weight > 0, decoded, real.to(decoded.dtype))
            critical, known = self._critical(decoded.detach(), real, styles)
        torch.autograd.backward(critical / schedule.accumulate)
        learning = (self.critic, self.projected.heads)
        for net in learning:
            net.requires_grad_(requires_grad=False)
        with autocast(self.device, schedule.half_precision):
            parts = self._parts(decoded, known, styles, drawn)
            parts["spectrum"] = critics.spectrum_loss(decoded, real)
        pair = decoded[drawn:].float(), real[drawn:]
        parts["anatomy"] = critics.anatomy_loss(*pair, weight[drawn:])
        total = torch.stack([WEIGHTS[name] * value for name, value in parts.items()]).sum()
        torch.autograd.backward(total / schedule.accumulate)
        for net in learning:
            net.requires_grad_(requires_grad=True)
        parts["critic_loss"] = critical
        return {name: float(value.detach()) for name, value in parts.items()}

    def _critical(
        self, decoded: Tensor, real: Tensor, styles: Tensor
    ) -> tuple[Tensor, tuple[list[Tensor], list[Tensor]]]:
        """Return the critics' loss, and of real patches the critic's features and Lite0's maps.

        It is that of the critic of pixels, and the mean of the heads'.
        """
        with torch.no_grad():
            maps = [self.lite0(x, critics.BLOCKS) for x in (real, decoded)]
        (told, features), (other, _) = (self.critic(x, styles) for x in (real, decoded))
        judged = zip(*(self.projected(x, styles) for x in maps), strict=True)
        heads = [critics.critic_loss(a.float(), b.float()) for a, b in judged]
        pixels = critics.critic_loss(told.float(), other.float())
        return pixels + torch.stack(heads).mean(), (features, maps[0])

    def _parts(
        self,
        decoded: Tensor,
        known: tuple[list[Tensor], list[Tensor]],
        styles: Tensor,
        drawn: int,
    ) -> dict[str, Tensor]:
        """Return the parts of the decoder's loss; `known` of real patches is what critics see."""
        wanted, theirs = known
        (told, own), maps = self.critic(decoded, styles), self.lite0(decoded, MAPS)
        seen = maps[: len(theirs)]
        judged = torch.stack([x.float().mean() for x in self.projected(seen, styles)])
        parts = {
            "critic": -told.float().mean(),
            "projected": -judged.mean(),
            "features": critics.feature_loss(*_after(drawn, own, wanted)),
            "moments": critics.moments_loss(*_after(drawn, seen, theirs)),
        }
        seen_as = measure(maps)
        for name, rows in zip(KINDS, (slice(drawn), slice(drawn, None)), strict=True):
            parts[name] = self.distances[name](seen_as[rows], styles[rows])
        return parts

    def validate(self, mean: Mapping[str, nn.Module], step: int) -> Metrics:
        """Return what held-out patients' images lose, encoded and decoded."""
        model = mean["autoencoder"]
        assert isinstance(model, Autoencoder)
        _, real, weight, noise = choose_validation(self.held_out, self.device)
        with torch.inference_mode():
            again = model.decode(model.encode(real), noise)
        return {
            "validation_spectrum": float(critics.spectrum_loss(again, real)),
            "validation_anatomy": float(critics.anatomy_loss(again, real, weight)),
        }


def _after(drawn: int, *layers: Sequence[Tensor]) -> list[list[Tensor]]:
    """Return of each the rows after the first `drawn`: patches of the same anatomy."""
    return [[each[drawn:] for each in own] for own in layers]
