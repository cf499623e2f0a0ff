"""The networks of the preset `sd15`: what stays, what learns, and by which recipe.

In: a folder of Stable Diffusion 1.5, a recipe. Out: `Networks`, as it is before the first step.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import ControlNetModel, DDPMScheduler
from diffusers.training_utils import cast_training_params
from torch import nn

from busgen.errors import UserError
from busgen.images.stable_diffusion import layout
from busgen.io import read_json
from busgen.training_loop import Schedule

ADAPTED = ("to_q", "to_k", "to_v", "to_out.0")  # at rank 8 the predecessor's 1.59 M weights


@dataclass(frozen=True)
class Recipe:
    """The predecessor's recipe; what it does not state is marked *ours*.

    `lora_rank` None trains a ControlNet, a rank an adapter (theirs: 8). `batch` images a pass and
    `accumulate` passes a step (ours); `rate` of AdamW after `warmup` steps, `decay` its weight
    decay, `clip` the largest norm of a gradient (both ours); `untold` share of images without
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

    def pace(self, n: int, seed: int) -> Schedule:
        """Return the pace of all epochs over `n` images: whole batches, one at least.

        The rate goes up in a line, then stays.
        """
        steps = self.epochs * max(n // (self.batch * self.accumulate), 1)
        pace = (steps, self.batch, self.rate, seed, self.accumulate, self.warmup)
        return Schedule(*pace, cooldown=0.0, keep=self.keep)


@dataclass
class Networks:
    """The networks, of which `net` learns, and how noise is added."""

    net: nn.Module
    unet: Any
    controlnet: Any
    schedule: Any
    optimiser: torch.optim.AdamW
    dtype: torch.dtype

    @property
    def learning(self) -> list[nn.Parameter]:
        """The weights that learn."""
        return [weights for weights in self.net.parameters() if weights.requires_grad]


def begin(base: Path, recipe: Recipe, seed: int, device: torch.device) -> Networks:
    """Return the networks as they are before the first step."""
    half = recipe.half_precision and device.type == "cuda"
    dtype = torch.bfloat16 if half else torch.float32
    unet = layout.read_part(base, "unet", torch.float32)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if recipe.lora_rank is None:
            net = controlnet = ControlNetModel.from_unet(unet)
            unet = unet.bfloat16() if half else unet
        else:
            controlnet = layout.read_part(base, "controlnet", dtype)
            net = unet = unet.bfloat16() if half else unet
            add_adapter(unet, recipe.lora_rank)
    unet.to(device)
    controlnet.to(device)
    learning = [weights for weights in net.parameters() if weights.requires_grad]
    optimiser = torch.optim.AdamW(learning, lr=recipe.rate, weight_decay=recipe.decay)
    schedule = DDPMScheduler.from_config(read_json(base / layout.SCHEDULE))
    return Networks(net, unet, controlnet, schedule, optimiser, dtype)


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
