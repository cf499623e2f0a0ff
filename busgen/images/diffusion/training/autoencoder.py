"""Training of the autoencoder on crops of training patients' images.

In: `Crops`. Out: an `Autoencoder` whose latents have a mean of 0 and a standard deviation of 1.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from busgen import training_loop
from busgen.arrays import Floats, Pixels
from busgen.compute.devices import autocast, resolve_device
from busgen.images.diffusion.autoencoder import Autoencoder, draw_noise
from busgen.images.diffusion.training import critics
from busgen.learning.trainees import AdversarialTrainee, adversaries, build_network
from busgen.real.crops import Crops
from busgen.training_loop import Draws, Metrics, OnProgress, Schedule, make_draws

PATCH_PX = 128  # side of the crops that it learns from
PATIENCE = 300  # steps before the critic is heard: it would only punish blur
SHAKE = 0.05  # noise on the latents, in their standard deviations: drawn ones are never exact
WEIGHTS = {"anatomy": 1.0, "spectrum": 0.05, "critic": 0.1, "features": 2.0, "prior": 1e-4}
LOOKED = 64  # held-out images that a look reconstructs


class Trainee(AdversarialTrainee):
    """An autoencoder, its critic, and the images that both learn from."""

    averaged_modules = ("autoencoder",)

    def __init__(self, model: Autoencoder, splits: Mapping[str, Crops], schedule: Schedule) -> None:
        self.device = resolve_device()
        self.model = model.to(self.device)
        self.critic = build_network(critics.Critic, schedule.seed + 1).to(self.device)
        self.splits = splits
        self.modules = {"autoencoder": self.model, "critic": self.critic}
        self.optimisers = adversaries(self.modules)

    def add_gradients(self, step: int, draws: Draws, schedule: Schedule) -> Metrics:
        """Add one batch's gradients to both networks."""
        patches = _draw_patches(self.splits["train"], draws, schedule.batch)
        real, weight = (x.to(self.device) for x in patches)
        with autocast(self.device, schedule.half_precision):
            latents = self.model.encode(real)
            shake = torch.randn(latents.shape, generator=draws.noise, device=self.device)
            shaken = latents + SHAKE * latents.detach().std() * shake
            grain = draw_noise(len(real), real.shape[-1], draws.noise)
            # what is painted over teaches nothing
            generated = torch.where(weight > 0, self.model.decode(shaken, grain), real)
            told_made, _ = self.critic(generated.detach())
            told_real, features_real = self.critic(real)
        critical = critics.critic_loss(told_real.float(), told_made.float())
        torch.autograd.backward(critical / schedule.accumulate)
        self.critic.requires_grad_(requires_grad=False)
        with autocast(self.device, schedule.half_precision):
            logits, features = self.critic(generated)
        parts = {
            "anatomy": critics.anatomy_loss(generated.float(), real, weight),
            "spectrum": critics.spectrum_loss(generated, real),
            "critic": -logits.float().mean(),
            "features": critics.feature_loss(features, features_real),
            "prior": latents.float().square().mean(),
        }
        heard = dict.fromkeys(("critic", "features"), float(step >= PATIENCE))
        loss = sum(WEIGHTS[k] * heard.get(k, 1.0) * v for k, v in parts.items())
        torch.autograd.backward(loss / schedule.accumulate)
        self.critic.requires_grad_(requires_grad=True)
        parts["critic_loss"] = critical
        return {name: float(value.detach()) for name, value in parts.items()}

    def validate(self, mean: Mapping[str, nn.Module], step: int) -> Metrics:
        """Return the anatomy and spectrum losses of held-out patients' whole images."""
        model = mean["autoencoder"]
        assert isinstance(model, Autoencoder)
        _, real, weight, noise = choose_validation(self.splits["validation"], self.device)
        with torch.inference_mode():
            generated = model.decode(model.encode(real), noise)
        return {
            "validation_anatomy": float(critics.anatomy_loss(generated, real, weight)),
            "validation_spectrum": float(critics.spectrum_loss(generated, real)),
        }


def train(
    splits: Mapping[str, Crops], schedule: Schedule, folder: Path, tick: OnProgress = lambda _: None
) -> Autoencoder:
    """Return an autoencoder that learned from ``splits["train"]``, latents standardised.

    `splits` holds ``train`` and ``validation``; `folder` the checkpoint, as `loop.run` keeps it.
    """
    model = build_network(Autoencoder, schedule.seed)
    assert isinstance(model, Autoencoder)
    trainee = Trainee(model, splits, schedule)
    mean = training_loop.train(trainee, schedule, folder, tick)["autoencoder"]
    assert isinstance(mean, Autoencoder)
    return standardise(mean, splits["train"])


def standardise(model: Autoencoder, crops: Crops) -> Autoencoder:
    """Return `model` with the moments that give latents of `crops` mean 0 and sd 1."""
    device = next(model.parameters()).device
    chosen = np.linspace(0, len(crops) - 1, min(200, len(crops))).astype(np.int64)
    with torch.inference_mode():
        latents = torch.cat([model.encode(to_input(crops.images[[i]]).to(device)) for i in chosen])
    mean, sd = latents.mean(dim=(0, 2, 3)), latents.std(dim=(0, 2, 3))
    model.register_to_config(mean=mean.tolist(), sd=sd.tolist())
    return model


def choose_validation(
    crops: Crops, device: torch.device
) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
    """Return up to `LOOKED` rows, always the same, their images, weights and decoder's noise."""
    chosen = np.linspace(0, len(crops) - 1, min(LOOKED, len(crops))).astype(np.int64)
    real = to_input(crops.images[chosen]).to(device)
    weight = 1 - torch.from_numpy(crops.ignore[chosen])[:, None].float().to(device)
    noise = draw_noise(len(real), real.shape[-1], make_draws(0, 0, device).noise)
    return torch.from_numpy(chosen), real, weight, noise


def to_input(images: Pixels) -> Tensor:
    """Return (N, H, W) uint8 as (N, 1, H, W) float in [-1, 1], channels last."""
    pictures = torch.from_numpy(np.array(images))[:, None].float() / 127.5 - 1
    return pictures.contiguous(memory_format=torch.channels_last)


def _draw_patches(crops: Crops, draws: Draws, batch: int) -> tuple[Tensor, Tensor]:
    """Return random patches as images, mirrored in half of the cases, and weights.

    Patients by the root of their scanner's number of images, so that all machines are learned.
    """
    rng = draws.rng
    side = min(PATCH_PX, crops.images.shape[1])
    images, weights = [], []
    for index in rng.choice(len(crops), batch, p=probabilities(crops)):
        row, col = rng.integers(0, crops.images.shape[1] - side + 1, 2)
        window = np.s_[row : row + side, col : col + side]
        turn = -1 if rng.random() < 0.5 else 1
        images.append(crops.images[index][window][:, ::turn])
        weights.append(crops.ignore[index][window][:, ::turn] == 0)
    return to_input(np.stack(images)), torch.from_numpy(np.stack(weights))[:, None].float()


def probabilities(crops: Crops) -> Floats:
    """Return each image's chance to be drawn, (N,): scanners by the root of their number."""
    _, scanner, counts = np.unique(crops.scanners, return_inverse=True, return_counts=True)
    share = 1 / np.sqrt(counts[scanner])
    return np.asarray(share / share.sum())
