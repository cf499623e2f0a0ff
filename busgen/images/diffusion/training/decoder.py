"""Training of the decoder and of the network's last steps, together: so that texture looks real.

In: a generator, images. Out: its autoencoder with another decoder, its network, tuned; encoder and
first steps as they were. The network's latents are smoother than those of real images, most of all
after the few large steps of the solver: a decoder alone adds texture to them, not detail. So
critics, and the distance of features from those of real images, teach both through a patch of
the image that a path ends in. Of a path's last steps one at a time is differentiated; the loss of
flow matching keeps what the network knows.
"""

from collections.abc import Mapping
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from busgen.compute.devices import autocast, resolve_device
from busgen.compute.pretrained import EfficientNetLite
from busgen.images.diffusion.autoencoder import Autoencoder, draw_noise
from busgen.images.diffusion.pipeline import (
    STEPS,
    BreastUltrasoundPipeline,
    predict_velocity,
)
from busgen.images.diffusion.scanners import STYLES
from busgen.images.diffusion.solver import TIMES
from busgen.images.diffusion.training import critics, flow
from busgen.images.diffusion.training.autoencoder import SHAKE, choose_validation
from busgen.images.diffusion.training.decoder_examples import (
    KEPT,
    Batch,
    Examples,
    draw_examples,
    new_path,
)
from busgen.images.diffusion.training.feature_distance import FeatureDistance, measure
from busgen.images.diffusion.training.latents import draw_batch
from busgen.learning.trainees import AdversarialTrainee, adversaries, build_network
from busgen.real.crops import Crops
from busgen.training_loop import Draws, Metrics, Schedule, make_draws

PATIENCE = 200  # steps, a fifth of all at the most, in which the critics learn alone
SCALES = (1, 2)  # px over which images are averaged before a critic sees them
LEARNING = {4: 0.25, 5: 0.35, 6: 0.4}  # steps of the solver, how often gradients begin at each
NETWORK_RATE = 0.25  # of the network over the decoder's
REAL = 6000  # real patches whose features drawn ones are compared with
AT_ONCE = 50
WEIGHTS = {"anatomy": 1.0, "coarse": 2.0, "spectrum": 0.3, "critic": 0.3, "features": 1.0}
WEIGHTS |= {"projected": 0.5, "moments": 0.3, "layout": 0.1, "flow": 2.0}
WEIGHTS |= {"distance": 3.0, "distance_encoded": 3.0}
AVERAGE = 0.998  # longest memory of the weights' average
MAPS = (*critics.BLOCKS, 15)  # blocks of EfficientNet-Lite0 whose features are compared


class Trainee(AdversarialTrainee):
    """A generator, its critics, and what training and held-out patients teach."""

    averaged_modules = ("autoencoder", "unet", "tokens")

    def __init__(
        self,
        pipeline: BreastUltrasoundPipeline,
        examples: Examples,
        held_out: Crops,
        schedule: Schedule,
    ) -> None:
        self.device = resolve_device()
        self.pipeline = pipeline.to(self.device)
        self.model = pipeline.autoencoder.train().requires_grad_(requires_grad=False)
        self.model.decoder.requires_grad_(requires_grad=True)
        self.network = {"unet": pipeline.unet, "tokens": pipeline.tokens}
        for module in self.network.values():
            module.train().requires_grad_(requires_grad=True)
        self.examples, self.held_out = examples, held_out
        conditioned = partial(critics.Critic, styles=len(STYLES) + 1)
        self.critics = {
            px: build_network(conditioned, schedule.seed + px).to(self.device) for px in SCALES
        }
        of_latents = partial(conditioned, width=64, channels=pipeline.channels)
        self.layout = build_network(of_latents, schedule.seed).to(self.device)
        self.lite0 = EfficientNetLite(0).to(self.device)
        heads = partial(critics.ProjectedCritic, styles=len(STYLES) + 1)
        built = build_network(heads, schedule.seed).to(self.device)
        self.projected = cast(critics.ProjectedCritic, built)
        self.distances = self._distances(examples)
        named = {f"critic_{px}": net for px, net in self.critics.items()} | {"layout": self.layout}
        fast = {"decoder": self.model.decoder, "projected": self.projected}
        self.modules = {"autoencoder": self.model, **self.distances, **self.network}
        self.modules |= {"projected": self.projected, **named}
        self.optimisers = adversaries(named) | adversaries({**fast, **self.network}, (0.0, 0.99))
        for name in self.network:
            self.optimisers[name].param_groups[0]["share"] = NETWORK_RATE

    def _distances(self, examples: Examples) -> dict[str, FeatureDistance]:
        """Return distances from random patches of real images: of what is drawn, and encoded."""
        rng, features, styles = make_draws(0, 0, self.device).rng, [], []
        for _ in range(min(REAL // AT_ONCE, len(examples.points))):
            batch = draw_examples(examples, AT_ONCE, rng)
            with torch.inference_mode():
                maps = self.lite0(batch.real.to(self.device), MAPS)
                features.append(measure(maps).cpu())
            styles.append(batch.conditions.style)
        own = torch.cat(features).clone(), torch.cat(styles)
        names = ("distance", "distance_encoded")
        return {name: FeatureDistance(*own).to(self.device) for name in names}

    def add_gradients(self, step: int, draws: Draws, schedule: Schedule) -> Metrics:
        """Add one batch's gradients to all networks."""
        batch = draw_examples(self.examples, schedule.batch, draws.rng)
        alone = step < min(PATIENCE, schedule.steps // 5)  # what critics say at first is noise
        real, weight = batch.real.to(self.device), batch.weight.to(self.device)
        styles = batch.conditions.style.to(self.device)
        grain = draw_noise(len(real), real.shape[-1], draws.noise)
        with torch.set_grad_enabled(not alone):
            whole = self._latents(batch, draws, schedule)
            with autocast(self.device, schedule.half_precision):
                decoded = self.model.decode(batch.crop(whole), grain)
        with autocast(self.device, schedule.half_precision):
            drawn = torch.where(weight > 0, decoded, real.to(decoded.dtype))
            told = [self._critical(px, drawn.detach(), real, styles) for px in SCALES]
            told.append(self._judged(drawn.detach(), real, styles, draws))
            told.append(self._laid_out(batch, whole.detach(), styles))
        critical = torch.stack(told).sum()
        torch.autograd.backward(critical / schedule.accumulate)
        if alone:
            return {"critic_loss": float(critical.detach())}
        parts = self._parts(drawn, whole, batch, draws, schedule)
        parts["flow"] = self._flow_loss(draws, schedule)
        total = torch.stack([WEIGHTS[name] * value for name, value in parts.items()]).sum()
        torch.autograd.backward(total / schedule.accumulate)
        for net in (*self.critics.values(), self.layout, self.projected.heads):
            net.requires_grad_(requires_grad=True)
        parts["critic_loss"] = critical
        return {name: float(value.detach()) for name, value in parts.items()}

    def _latents(self, batch: Batch, draws: Draws, schedule: Schedule) -> Tensor:
        """Return the latents (N, C, h, w) that a batch's images are decoded from."""
        clean = batch.clean.to(self.device)
        learning = int(draws.rng.choice(list(LEARNING), p=list(LEARNING.values())))
        shaken = SHAKE * torch.randn(clean.shape, generator=draws.noise, device=self.device)
        ends = torch.randn(clean.shape, generator=draws.noise, device=self.device)
        going = torch.nonzero(batch.is_kind("denoised", "drawn").flatten())[:, 0]
        examples, chosen = self.examples, batch.rows[going]
        noised = batch.is_kind("denoised")[going].to(self.device) > 0
        conditions = batch.conditions.pick(going).to(self.device)
        solver = new_path(self.pipeline)
        level = solver.skip(KEPT)
        start = ((1 - level) * clean + level * ends)[going]
        points = torch.where(noised, start, examples.points[chosen].to(self.device))
        guesses = examples.guesses[chosen].to(self.device)
        unet, tokens = self.network.values()
        for step in range(KEPT, STEPS):
            time = TIMES * torch.tensor(solver.levels[step], device=self.device)
            taught = torch.is_grad_enabled() and step >= learning
            with torch.set_grad_enabled(taught), autocast(self.device, schedule.half_precision):
                velocity = predict_velocity(unet, tokens, points, time, conditions)
            if step == KEPT:  # nothing was guessed before of what is noised
                own = points - level * velocity.detach()
                solver.before = torch.where(noised, own, guesses)
            points = solver.step(velocity, points)
        encoded = batch.is_kind("encoded").to(self.device)
        return (clean + encoded * shaken).index_copy(0, going, points)

    def _flow_loss(self, draws: Draws, schedule: Schedule) -> Tensor:
        """Return the loss of flow matching on half as many views."""
        own, size = self.examples, max(schedule.batch // 2, 1)
        batch = draw_batch(own.views, own.stated, size, draws.rng)
        with autocast(self.device, schedule.half_precision):
            return flow.matching_loss(self.network, batch, draws.noise)

    def _critical(self, px: int, drawn: Tensor, real: Tensor, styles: Tensor) -> Tensor:
        """Return the loss of the critic that sees averages over `px` pixels."""
        told_drawn, _ = self.critics[px](avg_pool2d(drawn, px), styles)
        told_real, _ = self.critics[px](avg_pool2d(real, px), styles)
        return critics.critic_loss(told_real.float(), told_drawn.float())

    def _laid_out(self, batch: Batch, whole: Tensor, styles: Tensor) -> Tensor:
        """Return the loss of the critic that sees all of an image's latents (N, C, h, w)."""
        going = batch.is_kind("denoised", "drawn").flatten() > 0
        drawn, real = (whole[going], styles[going]), (batch.clean.to(self.device), styles)
        told = [self.layout(*each)[0].float() for each in (real, drawn)]
        return critics.critic_loss(*told)

    def _judged(self, drawn: Tensor, real: Tensor, styles: Tensor, draws: Draws) -> Tensor:
        """Return the mean loss of the heads that see images through EfficientNet-Lite0."""
        with torch.no_grad():
            shown = [critics.augment(x, draws.noise) for x in (drawn, real)]
            maps = [self.lite0(x, critics.BLOCKS) for x in shown]
        pairs = zip(*(self.projected(x, styles) for x in maps), strict=True)
        return torch.stack([critics.critic_loss(b.float(), a.float()) for a, b in pairs]).mean()

    def _parts(
        self, drawn: Tensor, whole: Tensor, batch: Batch, draws: Draws, schedule: Schedule
    ) -> dict[str, Tensor]:
        """Return the parts of the generator's loss; the critics stay as they are."""
        styles = batch.conditions.style.to(self.device)
        real, weight = batch.real.to(self.device), batch.weight.to(self.device)
        encoded = batch.is_kind("encoded").to(self.device)
        noised = batch.is_kind("denoised").to(self.device)
        same = (encoded + noised).flatten()
        blurred = avg_pool2d((drawn.float() - real) * weight, 8) * noised
        parts = {
            "anatomy": critics.anatomy_loss(drawn.float(), real, weight * encoded),
            "coarse": blurred.abs().mean(),
            "spectrum": critics.spectrum_loss(drawn, real),
        }
        logits, features = [], []
        for net in (self.layout, self.projected.heads):
            net.requires_grad_(requires_grad=False)
        going = encoded.flatten() < 1
        with autocast(self.device, schedule.half_precision):
            laid_out, _ = self.layout(whole[going], styles[going])
            for px, net in self.critics.items():
                net.requires_grad_(requires_grad=False)
                told, own = net(avg_pool2d(drawn, px), styles)
                _, wanted = net(avg_pool2d(real, px), styles)
                logits.append(told.float().mean())
                pair = ([encoded * layer for layer in layers] for layers in (own, wanted))
                features.append(critics.feature_loss(*pair))
            seen = self.lite0(critics.augment(drawn, draws.noise), critics.BLOCKS)
            judged = torch.stack([x.float().mean() for x in self.projected(seen, styles)])
            maps, theirs = self.lite0(drawn, MAPS), self.lite0(real, critics.BLOCKS)
        parts |= {"critic": -torch.stack(logits).mean(), "projected": -judged.mean()}
        parts["features"] = torch.stack(features).mean()
        parts["moments"] = critics.moments_loss(maps[: len(theirs)], theirs, same)
        parts["layout"] = -laid_out.float().mean()
        measured = measure(maps)
        for name, rows in zip(self.distances, (going, ~going), strict=True):
            parts[name] = self.distances[name](measured[rows], styles[rows])
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
