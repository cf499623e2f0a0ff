"""The networks of the preset `sd15`: what stays, what learns, and by which recipe.

In: a folder of Stable Diffusion 1.5, a recipe. Out: `Trained`, as it is before the first step.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers import ControlNetModel, DDPMScheduler
from diffusers.training_utils import cast_training_params
from torch import nn

from busgen.errors import UserError
from busgen.images.stable_diffusion import layout
from busgen.images.stable_diffusion.training import checkpoint

ADAPTED = ("to_q", "to_k", "to_v", "to_out.0")  # at rank 8 the predecessor's 1.59 M weights


@dataclass(frozen=True)
class Recipe:
    """The predecessor's recipe; what it does not state is marked *ours*.

    `lora_rank` None trains a ControlNet, a rank an adapter (theirs: 8). `batch` pictures a pass and
    `accumulate` passes a step (ours); `rate` of AdamW after `warmup` steps, `decay` its weight
    decay, `clip` the largest norm of a gradient (both ours); `untold` share of pictures without
    text, from which guidance takes its direction (ours); `half_precision` bfloat16 on a GPU;
    `keep` steps between checkpoints.
    """

    lora_rank: int | None = None
    size_px: int = 512
    epochs: int = 200
    batch: int = 4
    accumulate: int = 1
    rate: float = 1e-4
    warmup: int = 500
    decay: float = 0.01
    clip: float = 1.0
    untold: float = 0.1
    half_precision: bool = True
    keep: int = 500

    @property
    def seen_a_step(self) -> int:
        """Pictures that a step learns from."""
        return self.batch * self.accumulate

    def steps(self, n: int) -> int:
        """Return the steps of all epochs over `n` pictures: whole batches, one at least."""
        return self.epochs * max(n // self.seen_a_step, 1)

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step: up in a line, then level."""
        return self.rate * min(1.0, (step + 1) / max(self.warmup, 1))


@dataclass
class Trained:
    """The networks, of which `net` learns, how noise is added, and how far the training is."""

    net: nn.Module
    unet: Any
    controlnet: Any
    schedule: Any
    optimiser: torch.optim.AdamW
    dtype: torch.dtype
    progress: checkpoint.Progress = field(default_factory=checkpoint.Progress)


def begin(base: Path, recipe: Recipe, seed: int, device: torch.device) -> Trained:
    """Return the networks as they are before the first step."""
    half = recipe.half_precision and device.type == "cuda"
    dtype = torch.bfloat16 if half else torch.float32
    unet = layout.read_part(base, "unet", torch.float32)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if recipe.lora_rank is None:
            controlnet = ControlNetModel.from_unet(unet)
            unet = unet.bfloat16() if half else unet
        else:
            controlnet = layout.read_part(base, "controlnet", dtype)
            unet = unet.bfloat16() if half else unet
            add_adapter(unet, recipe.lora_rank)
    unet.to(device)
    controlnet.to(device)
    net = controlnet if recipe.lora_rank is None else unet
    learning = [weights for weights in net.parameters() if weights.requires_grad]
    optimiser = torch.optim.AdamW(learning, lr=recipe.rate, weight_decay=recipe.decay)
    schedule = DDPMScheduler.from_config(layout.read_schedule(base))
    return Trained(net, unet, controlnet, schedule, optimiser, dtype)


def add_adapter(unet: Any, rank: int) -> None:  # noqa: ANN401 - diffusers is untyped
    """Add an adapter of `rank` to a UNet's attention; it alone learns, in float32."""
    from peft import LoraConfig

    if rank < 1:
        raise UserError("lora_rank must be at least 1", rank, "2, 4 and 8 are the usual")
    config = LoraConfig(
        r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=list(ADAPTED)
    )
    unet.add_adapter(config)
    cast_training_params(unet, torch.float32)
