"""Training of the denoising network: flow matching on latents, then guidance folded into it.

In: `Views` of training and held-out patients. Out: a U-Net and its tokens. The path from an image
x0 to noise e is straight, x = (1 - s) x0 + s e, and the network learns its velocity e - x0
(Lipman 2022, arXiv 2210.02747), most often in the middle of the path (Esser 2024,
arXiv 2403.03206).
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from busgen.compute.devices import autocast, resolve_device
from busgen.images.diffusion.autoencoder import FACTOR
from busgen.images.diffusion.conditions import PLANES, FieldTokens
from busgen.images.diffusion.levels import LEVELS
from busgen.images.diffusion.pipeline import Conditions, Guidance, predict_velocity
from busgen.images.diffusion.scanners import STYLES
from busgen.images.diffusion.training.latents import Batch, Views, draw_batch, validation_batches
from busgen.learning import trainees
from busgen.learning.trainees import set_rate
from busgen.training_loop import Draws, Metrics, Schedule, make_draws

DECAY = 0.02
Show = Callable[[Mapping[str, nn.Module], int], None]
Velocity = Callable[[Tensor, Tensor, Conditions], Tensor]


@dataclass(frozen=True)
class Network:
    """Shape of the denoising network: `widths` at the latents' full, half and quarter side."""

    widths: tuple[int, ...] = (64, 128, 192)
    layers: int = 1
    heads: int = 4
    token: int = 128

    def build(self, size_px: int, channels: int) -> UNet2DConditionModel:
        """Return the U-Net, weights as torch draws them; it attends to fields at the coarsest."""
        plain = len(self.widths) - 1
        return UNet2DConditionModel(
            sample_size=size_px // FACTOR,
            in_channels=channels + PLANES + 2 * LEVELS,
            out_channels=channels,
            block_out_channels=self.widths,
            layers_per_block=self.layers,
            down_block_types=("DownBlock2D",) * plain + ("CrossAttnDownBlock2D",),
            up_block_types=("CrossAttnUpBlock2D",) + ("UpBlock2D",) * plain,
            mid_block_type="UNetMidBlock2DCrossAttn",
            cross_attention_dim=self.token,
            attention_head_dim=self.heads,  # diffusers' name for their number
            norm_num_groups=16,
            num_class_embeds=len(STYLES) + 1,
            addition_embed_type="text",  # what is said reaches every level, not the coarsest alone
            addition_embed_type_num_heads=self.heads,
        )


class Trainee:
    """A denoising network with its tokens, the views it learns from, and what is stated of them.

    With `guide`, it learns to draw by itself as its first state draws with that guidance
    (guidance distillation, Meng 2022, arXiv 2210.03142). `show` gets the averaged networks and the
    step whenever they are examined.
    """

    def __init__(
        self,
        modules: Mapping[str, nn.Module],
        views: Mapping[str, Views],
        stated: Mapping[str, Tensor],
        guide: Guidance | None = None,
        show: Show | None = None,
    ) -> None:
        self.device = resolve_device()
        self.modules = {name: module.to(self.device) for name, module in modules.items()}
        self.averaged_modules = tuple(modules)
        self.views, self.stated, self.guide, self.show = views, stated, guide, show
        self.teacher = copy.deepcopy(self.modules) if guide else {}
        self.target = self._guided if guide else None
        weights = [p for module in modules.values() for p in module.parameters() if p.requires_grad]
        adamw = torch.optim.AdamW(weights, lr=0, betas=(0.9, 0.99), weight_decay=DECAY)
        self.optimisers: Mapping[str, torch.optim.Optimizer] = {"flow": adamw}

    def training_step(self, step: int, draws: Draws, schedule: Schedule) -> Metrics:
        """Take one step."""
        optimiser = self.optimisers["flow"]
        set_rate(optimiser, schedule.rate_at(step))
        optimiser.zero_grad()
        for module in self.modules.values():
            module.train()
        total = 0.0
        for _ in range(schedule.accumulate):
            batch = draw_batch(self.views["train"], self.stated["train"], schedule.batch, draws.rng)
            with autocast(self.device, schedule.half_precision):
                loss = matching_loss(self.modules, batch, draws.noise, self.target)
            torch.autograd.backward(loss / schedule.accumulate)
            total += float(loss.detach()) / schedule.accumulate
        weights = [p for group in optimiser.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        return {"loss": total}

    @torch.no_grad()
    def _guided(self, point: Tensor, time: Tensor, conditions: Conditions) -> Tensor:
        """Return the teacher's guided velocity; where a condition is dropped, guidance is too."""
        unet, tokens = self.teacher["unet"], self.teacher["tokens"]
        return predict_velocity(unet, tokens, point, time, conditions, self.guide)

    def validate(self, mean: Mapping[str, nn.Module], step: int) -> Metrics:
        """Return the loss on held-out patients, noise and captions always the same."""
        losses = []
        batches = validation_batches(self.views["validation"], self.stated["validation"])
        for number, batch in enumerate(batches):
            noise = make_draws(0, number, self.device).noise
            with torch.inference_mode(), autocast(self.device):
                losses.append(float(matching_loss(mean, batch, noise, self.target)))
        if self.show:
            self.show(mean, step)
        return {"validation_loss": sum(losses) / len(losses)}


def matching_loss(
    modules: Mapping[str, nn.Module],
    batch: Batch,
    noise: torch.Generator,
    guided: Velocity | None = None,
) -> Tensor:
    """Return the mean squared error of the velocity, overlays left out.

    `guided(latents, time, conditions)` gives the velocity to learn, else it is that of the path.
    """
    clean = batch.latents.to(noise.device)
    conditions = batch.conditions.to(noise.device)
    share = torch.randn(len(clean), generator=noise, device=noise.device).sigmoid()
    ends = torch.randn(clean.shape, generator=noise, device=noise.device)
    at = share[:, None, None, None]
    point, time = (1 - at) * clean + at * ends, 1000 * share
    wanted = guided(point, time, conditions) if guided else ends - clean
    found = predict_velocity(modules["unet"], modules["tokens"], point, time, conditions)
    weight = batch.weight.to(noise.device)
    loss: Tensor = ((found - wanted).square() * weight).mean() / weight.mean()
    return loss


def build_network(network: Network, size_px: int, channels: int, seed: int) -> dict[str, nn.Module]:
    """Return a new U-Net and its tokens, whose weights follow from `seed`."""
    unet = trainees.build_network(lambda: network.build(size_px, channels), seed)
    tokens = trainees.build_network(lambda: FieldTokens(network.token), seed + 1)
    return {"unet": unet, "tokens": tokens}
