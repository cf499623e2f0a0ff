"""Training of the decoder on what the network draws, so that its images' speckle looks real.

In: a generator, images. Out: its autoencoder with another decoder; encoder and latents as they
were. Drawn latents are smoother than those of real images, and a decoder that saw the latter
alone draws too little texture from them. So it learns from three kinds: encoded images; those
noised and denoised by the network, which still show the image that they were; and latents drawn
from noise under an image's conditions, which show another: they are held to its spectrum and to
the critics.
"""

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from busgen.compute.devices import resolve_device
from busgen.compute.pretrained import EfficientNetLite
from busgen.images.diffusion.autoencoder import Autoencoder, draw_noise
from busgen.images.diffusion.scanners import STYLES
from busgen.images.diffusion.training import critics
from busgen.images.diffusion.training.autoencoder import SHAKE, choose_validation
from busgen.images.diffusion.training.decoder_examples import Examples, _Patches, draw_patches
from busgen.learning.trainees import AdversarialTrainee, adversaries, autocast, build_network
from busgen.training_loop import Draws, Metrics, Schedule

PATIENCE = 150  # steps before the critics are heard
SCALES = (1, 2)  # px over which images are averaged before a critic sees them
WEIGHTS = {"anatomy": 1.0, "spectrum": 0.15, "critic": 0.05, "features": 1.0}
WEIGHTS |= {"projected": 0.1, "moments": 0.3}
AVERAGE = 0.998  # longest memory of the weights' average


class Trainee(AdversarialTrainee):
    """A decoder, its critics, and the lessons of training and held-out patients."""

    averaged_modules = ("autoencoder",)

    def __init__(
        self, model: Autoencoder, lessons: Mapping[str, Examples], schedule: Schedule
    ) -> None:
        self.device = resolve_device()
        self.model = model.to(self.device).train().requires_grad_(requires_grad=False)
        self.model.decoder.requires_grad_(requires_grad=True)
        self.lessons = lessons
        conditioned = partial(critics.Critic, styles=len(STYLES) + 1)
        self.critics = {
            px: build_network(conditioned, schedule.seed + px).to(self.device) for px in SCALES
        }
        self.features = EfficientNetLite(0).to(self.device)
        heads = build_network(
            partial(critics.ProjectedCritic, styles=len(STYLES) + 1), schedule.seed
        )
        assert isinstance(heads, critics.ProjectedCritic)
        self.projected = heads.to(self.device)
        named = {f"critic_{px}": net for px, net in self.critics.items()}
        heads_alone = {"projected": self.projected}
        self.modules = {"autoencoder": self.model, **named, **heads_alone}
        self.optimisers = adversaries({"decoder": self.model.decoder, **named})
        self.optimisers |= adversaries(heads_alone, (0.0, 0.99))

    def add_gradients(self, step: int, draws: Draws, schedule: Schedule) -> Metrics:
        """Add one batch's gradients to all networks."""
        batch = draw_patches(self.lessons["train"], draws, schedule.batch).to(self.device)
        shake = torch.randn(batch.latents.shape, generator=draws.noise, device=self.device)
        noise = draw_noise(len(batch.real), batch.real.shape[-1], draws.noise)
        with autocast(self.device, schedule):
            generated = self.model.decode(batch.latents + SHAKE * shake, noise)
            generated = torch.where(batch.weight > 0, generated, batch.real)
            each = [self._critical(px, generated.detach(), batch) for px in SCALES]
            each += self._judged_by_features(generated.detach(), batch, draws)
        critical = torch.stack(each).sum()
        torch.autograd.backward(critical / schedule.accumulate)
        parts = self._parts(generated, batch, schedule) | self._feature_parts(
            generated, batch, draws, schedule
        )
        heard = dict.fromkeys(("critic", "features", "projected"), float(step >= PATIENCE))
        loss = [WEIGHTS[k] * heard.get(k, 1.0) * v for k, v in parts.items()]
        torch.autograd.backward(torch.stack(loss).sum() / schedule.accumulate)
        for net in self.critics.values():
            net.requires_grad_(requires_grad=True)
        parts["critic_loss"] = critical
        return {name: float(value.detach()) for name, value in parts.items()}

    def _critical(self, px: int, generated: Tensor, batch: _Patches) -> Tensor:
        """Return the loss of the critic that sees averages over `px` pixels."""
        told_made, _ = self.critics[px](avg_pool2d(generated, px), batch.style)
        told_real, _ = self.critics[px](avg_pool2d(batch.real, px), batch.style)
        return critics.critic_loss(told_real.float(), told_made.float())

    def _parts(self, generated: Tensor, batch: _Patches, schedule: Schedule) -> dict[str, Tensor]:
        """Return the parts of the decoder's loss; the critics stay as they are."""
        same = batch.same[:, None, None, None]
        anatomy = critics.anatomy_loss(generated.float(), batch.real, batch.weight * same)
        parts = {"anatomy": anatomy, "spectrum": critics.spectrum_loss(generated, batch.real)}
        logits, features = [], []
        for px, net in self.critics.items():
            net.requires_grad_(requires_grad=False)
            with autocast(self.device, schedule):
                conditions, own = net(avg_pool2d(generated, px), batch.style)
                _, wanted = net(avg_pool2d(batch.real, px), batch.style)
            logits.append(conditions.float().mean())
            pair = ([same * layer for layer in layers] for layers in (own, wanted))
            features.append(critics.feature_loss(*pair))
        parts["critic"] = -torch.stack(logits).mean()
        parts["features"] = torch.stack(features).mean()
        return parts

    def _judged_by_features(self, generated: Tensor, batch: _Patches, draws: Draws) -> list[Tensor]:
        """Return the losses of the heads that see images through EfficientNet-Lite0."""
        with torch.no_grad():
            shown = [critics.augment(x, draws.noise) for x in (generated, batch.real)]
            maps = [self.features(x, critics.BLOCKS) for x in shown]
        synthetic, real = (self.projected(x, batch.style) for x in maps)
        pairs = zip(real, synthetic, strict=True)
        return [critics.critic_loss(a.float(), b.float()) for a, b in pairs]

    def _feature_parts(
        self, generated: Tensor, batch: _Patches, draws: Draws, schedule: Schedule
    ) -> dict[str, Tensor]:
        """Return the decoder's losses in features of EfficientNet-Lite0; the heads stay."""
        self.projected.heads.requires_grad_(requires_grad=False)
        with autocast(self.device, schedule):
            seen = self.features(critics.augment(generated, draws.noise), critics.BLOCKS)
            logits = self.projected(seen, batch.style)
            own, wanted = (self.features(x, critics.BLOCKS) for x in (generated, batch.real))
        self.projected.heads.requires_grad_(requires_grad=True)
        judged = -torch.stack([x.float().mean() for x in logits]).mean()
        return {"projected": judged, "moments": critics.moments_loss(own, wanted, batch.same)}

    def validate(self, mean: Mapping[str, nn.Module], step: int) -> Metrics:
        """Return what held-out patients' images lose, encoded, and noised and denoised."""
        lesson, model = self.lessons["validation"], mean["autoencoder"]
        assert isinstance(model, Autoencoder)
        chosen, real, weight, noise = choose_validation(lesson.crops, self.device)
        conditions: Metrics = {}
        for kind, latents in lesson.latents.items():
            with torch.inference_mode():
                generated = model.decode(latents[chosen].to(self.device), noise)
            conditions[f"validation_spectrum_{kind}"] = float(
                critics.spectrum_loss(generated, real)
            )
            if kind != "drawn":
                conditions[f"validation_anatomy_{kind}"] = float(
                    critics.anatomy_loss(generated, real, weight)
                )
        return conditions
