"""Benchmark of the predecessor's architecture: seconds an image of Stable Diffusion + ControlNet.

In: nothing; weights are random, and time does not depend on them. Out: seconds an image, that is
the time of a denoising step times 50. A step is a ControlNet and a UNet on a pair of latents, with
text and without, bfloat16. VAE and text encoder are left out, which favours the predecessor.
"""

import os

import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from torch import nn

from busgen.bench.harness import Figure, measure_time, median_figure
from busgen.compute.devices import torch_threads

STEPS = 50
FACTOR = 8  # an image's side over that of its latents
TOKENS, WIDTH = 77, 768  # of CLIP ViT-L/14's states
SHARED = {
    "block_out_channels": (320, 640, 1280, 1280),
    "layers_per_block": 2,
    "cross_attention_dim": WIDTH,
    "attention_head_dim": 8,
    "down_block_types": (*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
}
UNET = SHARED | {"sample_size": 64, "up_block_types": ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3)}


def measure(*, quick: bool = False) -> dict[str, Figure]:
    """Return the figures; half a minute on two idle cores and 4 GiB, `quick` without 512x512."""
    with torch_threads(len(os.sched_getaffinity(0))), torch.inference_mode():
        nets = build()
        figures = {
            f"{name}_weights": Figure(sum(p.numel() for p in net.parameters()) / 1e6, "million", 1)
            for name, net in zip(("unet", "controlnet"), nets, strict=True)
        }
        _step(*nets, 64)  # the first call allocates
        for side in (256,) if quick else (256, 512):
            step = median_figure([_step(*nets, side) for _ in range(2)], "s", 2)
            figures[f"step_s_{side}"] = step
            figures[f"image_s_{side}"] = Figure(step.value * STEPS, "s", 2)
    return figures


def build() -> tuple[nn.Module, nn.Module]:
    """Return UNet and ControlNet of Stable Diffusion 1.5 at their true size, random, bfloat16."""
    with torch.device("meta"):
        nets = UNet2DConditionModel(**UNET), ControlNetModel(**SHARED)
    noise = torch.randn(2**20, generator=torch.Generator().manual_seed(0)).bfloat16() * 0.02
    for net in nets:
        net.bfloat16().to_empty(device="cpu")
        for weights in net.parameters():  # the same noise again: to draw 1.2 billion takes long
            for piece in weights.data.view(-1).split(len(noise)):
                piece.copy_(noise[: len(piece)])
    return nets


def _step(unet: nn.Module, controlnet: nn.Module, side: int) -> float:
    """Return the seconds of one step at `side` pixels, guidance on."""
    latents = torch.randn(2, 4, side // FACTOR, side // FACTOR).bfloat16()
    texts = torch.randn(2, TOKENS, WIDTH).bfloat16()
    control = torch.zeros(2, 3, side, side).bfloat16()
    level = torch.tensor(500)

    def denoise() -> None:
        down, middle = controlnet(latents, level, texts, control, return_dict=False)
        residuals = {
            "down_block_additional_residuals": down,
            "mid_block_additional_residual": middle,
        }
        unet(latents, level, texts, return_dict=False, **residuals)

    return measure_time(denoise)
