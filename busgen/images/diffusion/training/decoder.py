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

from busgen.compute.devices import resolve_device
from busgen.compute.pretrained import EfficientNetLite
from busgen.images.diffusion.autoencoder import Autoencoder, draw_noise
from busgen.images.diffusion.pipeline import (
    STEPS,
    BreastUltrasoundPipeline,
    Conditions,
    predict_velocity,
)
from busgen.images.diffusion.scanners import STYLES
from busgen.images.diffusion.solver import TIMES, FlowSolver
from busgen.images.diffusion.training import critics, flow
from busgen.images.diffusion.training.autoencoder import SHAKE, choose_validation
from busgen.images.diffusion.training.decoder_examples import (
    KEPT,
    MIRRORED,
    NOISED,
    Batch,
    Examples,
    draw_examples,
    new_path,
)
from busgen.images.diffusion.training.feature_distance import FeatureDistance, measure
from busgen.images.diffusion.training.latents import draw_batch
from busgen.learning.trainees import AdversarialTrainee, adversaries, autocast, build_network
from busgen.training_loop import Draws, Metrics, Schedule, make_draws

PATIENCE = 50  # steps before the critics are heard
SCALES = (1, 2)  # px over which images are averaged before a critic sees them
LEARNING = {4: 0.25, 5: 0.45, 6: 0.3}  # steps of the solver, how often each is differentiated
NETWORK_RATE = 0.25  # of the network over the decoder's
REAL = 6000  # real patches whose features drawn ones are compared with
AT_ONCE = 50
WEIGHTS = {"anatomy": 1.0, "coarse": 2.0, "spectrum": 0.15, "critic": 0.05, "features": 1.0}
WEIGHTS |= {"projected": 0.2, "moments": 0.3, "distance": 4.0}
AVERAGE = 0.998  # longest memory of the weights' average
MAPS = (*critics.BLOCKS, 15)  # blocks of EfficientNet-Lite0 whose features are compared


class Trainee(AdversarialTrainee):
    """A generator, its critics, and what training and held-out patients teach."""

    averaged_modules = ("autoencoder", "unet", "tokens")

    def __init__(
        self,
        pipeline: BreastUltrasoundPipeline,
        lessons: Mapping[str, Examples],
        schedule: Schedule,
    ) -> None:
        self.device = resolve_device()
        self.pipeline = pipeline.to(self.device)
        self.model = pipeline.autoencoder.train().requires_grad_(requires_grad=False)
        self.model.decoder.requires_grad_(requires_grad=True)
        self.network = {"unet": pipeline.unet, "tokens": pipeline.tokens}
        for module in self.network.values():
            module.train().requires_grad_(requires_grad=True)
        self.lessons = lessons
        conditioned = partial(critics.Critic, styles=len(STYLES) + 1)
        self.critics = {
            px: build_network(conditioned, schedule.seed + px).to(self.device) for px in SCALES
        }
        self.lite0 = EfficientNetLite(0).to(self.device)
        heads = partial(critics.ProjectedCritic, styles=len(STYLES) + 1)
        built = build_network(heads, schedule.seed).to(self.device)
        self.projected = cast(critics.ProjectedCritic, built)
        self.distance = self._distance(lessons["train"]).to(self.device)
        named = {f"critic_{px}": net for px, net in self.critics.items()}
        fast = {"decoder": self.model.decoder, "projected": self.projected}
        self.modules = {"autoencoder": self.model, "distance": self.distance, **self.network}
        self.modules |= {"projected": self.projected, **named}
        self.optimisers = adversaries(named) | adversaries({**fast, **self.network}, (0.0, 0.99))
        for name in self.network:
            self.optimisers[name].param_groups[0]["share"] = NETWORK_RATE

    def _distance(self, examples: Examples) -> FeatureDistance:
        """Return the distance from random patches of real images."""
        rng, features, styles = make_draws(0, 0, self.device).rng, [], []
        for _ in range(min(REAL // AT_ONCE, len(examples.points))):
            batch = draw_examples(examples, AT_ONCE, rng)
            with torch.inference_mode():
                maps = self.lite0(batch.real.to(self.device), MAPS)
                features.append(measure(maps).cpu())
            styles.append(batch.conditions.style)
        return FeatureDistance(torch.cat(features).clone(), torch.cat(styles))

    def add_gradients(self, step: int, draws: Draws, schedule: Schedule) -> Metrics:
        """Add one batch's gradients to all networks."""
        batch = draw_examples(self.lessons["train"], schedule.batch, draws.rng)
        real, weight = batch.real.to(self.device), batch.weight.to(self.device)
        styles = batch.conditions.style.to(self.device)
        latents = batch.crop(self._latents(batch, draws, schedule))
        grain = draw_noise(len(real), real.shape[-1], draws.noise)
        with autocast(self.device, schedule):
            decoded = self.model.decode(latents, grain)
            drawn = torch.where(weight > 0, decoded, real.to(decoded.dtype))
            told = [self._critical(px, drawn.detach(), real, styles) for px in SCALES]
            told.append(self._judged(drawn.detach(), real, styles, draws))
        critical = torch.stack(told).sum()
        torch.autograd.backward(critical / schedule.accumulate)
        parts = self._parts(drawn, batch, styles, draws, schedule)
        heard = dict.fromkeys(("critic", "features", "projected"), float(step >= PATIENCE))
        each = [WEIGHTS[name] * heard.get(name, 1.0) * value for name, value in parts.items()]
        loss = torch.stack(each).sum()
        parts["flow"] = self._flow_loss(draws, schedule)
        torch.autograd.backward((loss + parts["flow"]) / schedule.accumulate)
        for net in self.critics.values():
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
        encoded = batch.is_kind("encoded").to(self.device)
        if not len(going):
            return clean + shaken
        lesson, chosen = self.lessons["train"], batch.rows[going]
        points = lesson.points[chosen].to(self.device)
        guesses = lesson.guesses[chosen].to(self.device)
        conditions = batch.conditions.pick(going).to(self.device)
        noised = torch.nonzero(batch.is_kind("denoised").flatten()[going])[:, 0]
        with autocast(self.device, schedule):
            if len(noised):
                solver = new_path(self.pipeline)
                level = solver.skip(NOISED)
                start = ((1 - level) * clean + level * ends)[going][noised]
                own = conditions.pick(noised)
                later = self._step(solver, start, own, learning=learning == NOISED)
                points = points.index_copy(0, noised, later)
                guesses = guesses.index_copy(0, noised, cast(Tensor, solver.before))
            solver = new_path(self.pipeline)
            solver.skip(KEPT)
            solver.before = guesses
            for step in range(KEPT, STEPS):
                points = self._step(solver, points, conditions, learning=learning == step)
        return (clean + encoded * shaken).index_copy(0, going, points)

    def _step(
        self, solver: FlowSolver, latents: Tensor, conditions: Conditions, *, learning: bool
    ) -> Tensor:
        """Return latents one step further; the network's gradient is kept where it is learning."""
        with torch.set_grad_enabled(learning):
            seen = latents if learning else latents.detach()
            time = TIMES * torch.tensor(solver.levels[solver.done], device=self.device)
            unet, tokens = self.network.values()
            velocity = predict_velocity(unet, tokens, seen, time, conditions)
        return solver.step(velocity, latents)

    def _flow_loss(self, draws: Draws, schedule: Schedule) -> Tensor:
        """Return the loss of flow matching on half as many views."""
        examples = self.lessons["train"]
        size = max(schedule.batch // 2, 1)
        batch = draw_batch(examples.views, examples.stated, size, draws.rng)
        with autocast(self.device, schedule):
            return flow.matching_loss(self.network, batch, draws.noise)

    def _critical(self, px: int, drawn: Tensor, real: Tensor, styles: Tensor) -> Tensor:
        """Return the loss of the critic that sees averages over `px` pixels."""
        told_drawn, _ = self.critics[px](avg_pool2d(drawn, px), styles)
        told_real, _ = self.critics[px](avg_pool2d(real, px), styles)
        return critics.critic_loss(told_real.float(), told_drawn.float())

    def _judged(self, drawn: Tensor, real: Tensor, styles: Tensor, draws: Draws) -> Tensor:
        """Return the mean loss of the heads that see images through EfficientNet-Lite0."""
        with torch.no_grad():
            shown = [critics.augment(x, draws.noise) for x in (drawn, real)]
            maps = [self.lite0(x, critics.BLOCKS) for x in shown]
        pairs = zip(*(self.projected(x, styles) for x in maps), strict=True)
        return torch.stack([critics.critic_loss(b.float(), a.float()) for a, b in pairs]).mean()

    def _parts(
        self, drawn: Tensor, batch: Batch, styles: Tensor, draws: Draws, schedule: Schedule
    ) -> dict[str, Tensor]:
        """Return the parts of the generator's loss; the critics stay as they are."""
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
        self.projected.heads.requires_grad_(requires_grad=False)
        with autocast(self.device, schedule):
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
        self.projected.heads.requires_grad_(requires_grad=True)
        parts |= {"critic": -torch.stack(logits).mean(), "projected": -judged.mean()}
        parts["features"] = torch.stack(features).mean()
        parts["moments"] = critics.moments_loss(maps[: len(theirs)], theirs, same)
        parts["distance"] = self.distance(measure(maps), styles)
        return parts

    def validate(self, mean: Mapping[str, nn.Module], step: int) -> Metrics:
        """Return what held-out patients' images lose, encoded and decoded."""
        lesson, model = self.lessons["validation"], mean["autoencoder"]
        assert isinstance(model, Autoencoder)
        chosen, real, weight, noise = choose_validation(lesson.crops, self.device)
        with torch.inference_mode():
            rows = MIRRORED * chosen
            again = model.decode(lesson.views.latents[rows].to(self.device), noise)
        return {
            "validation_spectrum": float(critics.spectrum_loss(again, real)),
            "validation_anatomy": float(critics.anatomy_loss(again, real, weight)),
        }
