"""Speed of an image engine, its memory, and how near training comes to what the machine can do.

In: an engine's name; a training step. Out: figures. Rendering is measured in a process of its own
that does nothing else, with two threads, after a warm-up.

Of the predecessor's architecture, Stable Diffusion + ControlNet, the seconds an image: the time of
a denoising step times 50. A step is a ControlNet and a UNet on a pair of latents, with text and
without, in bfloat16 where the processor has it; weights are random, and time does not depend on
them. VAE and text encoder are left out, which favours the predecessor.
"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from busgen.bench.harness import THREADS, Figure, Figures, measure_time, median_figure, run_process
from busgen.images.engines import engine_prior, load_image_engine
from busgen.masks.engines import load_mask_engine
from busgen.params.train_images import TrainImagesParams
from busgen.priors.draw import draw
from busgen.priors.network import load_prior
from busgen.real import crops

if TYPE_CHECKING:
    import torch
    from torch import nn

SIZE_PX, WARM = 256, 8
SEED = 20261127
SIDE = 2048  # of the matrices whose product tells what the machine can do
STEPS, PRODUCTS = 6, 5
CHANNELS, VIEWS = 4, 64  # of the autoencoder's latents; of what the generator learns from
DENOISING = 50  # steps of the predecessor
SD_FACTOR = 8  # an image's side over that of the predecessor's latents
TOKENS, WIDTH = 77, 768  # of CLIP ViT-L/14's states
SHARED = {
    "block_out_channels": (320, 640, 1280, 1280),
    "layers_per_block": 2,
    "cross_attention_dim": WIDTH,
    "attention_head_dim": 8,
    "down_block_types": (*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
}
UNET = SHARED | {"sample_size": 64, "up_block_types": ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3)}


def figures(name: str, n: int, scratch: Path, *, quick: bool = False) -> Figures:
    """Return rate and memory, the predecessor's beside them, and the rate of training.

    `n` images are rendered; `quick` leaves out the predecessor's 512x512. Takes half a minute more
    on two idle cores and 4 GiB.
    """
    own, sd = measure(name, n, scratch), _measure_predecessor(quick=quick)
    slow, fast = sd["image_s_256"], own["images_per_s"]
    return {
        **own,
        **{f"predecessor_{key}": figure for key, figure in sd.items()},
        "times_faster": Figure(slow.value * fast.value, "times", min(slow.n, fast.n)),
        **_measure_generator(TrainImagesParams()),
    }


def measure(name: str, n: int, scratch: Path) -> Figures:
    """Return rate, memory and, where the engine counts them, evaluations for `n` images."""
    record = run_process(_render, scratch, name, n)
    units = {"images_per_s": "images/s", "memory_gib": "GiB", "evaluations": "evaluations/image"}
    return {key: Figure(record[key], unit, n) for key, unit in units.items() if key in record}


def _render(name: str, n: int) -> dict[str, float]:
    """Render `n` findings in this process and return what it took."""
    findings = draw(engine_prior(name, load_prior()), n + WARM, SEED)
    masks = load_mask_engine("curvature", SIZE_PX).draw(findings)
    engine = load_image_engine(name, SIZE_PX, "cpu", THREADS)
    engine.render(findings[:WARM], masks[:WARM])
    seconds = measure_time(lambda: engine.render(findings[WARM:], masks[WARM:]))
    counted = {"evaluations": engine.evaluations} if hasattr(engine, "evaluations") else {}
    return {"images_per_s": n / seconds} | counted


def _measure_training(
    step: Callable[[], object], samples: int, device: "torch.device", *, half: bool
) -> Figures:
    """Return the rate of training, and the share of the machine's arithmetic that it reaches.

    A `step` goes forwards, backwards and optimises on `samples` images; `half`: it computes in
    bfloat16 where it is fast, so that the limit is that of such products.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from busgen.compute.devices import fast_dtype

    def score() -> None:
        step()
        _wait(device)

    score()
    counter = FlopCounterMode(display=False)
    with counter:
        score()
    each = counter.get_total_flops() / samples
    seconds = [measure_time(score) for _ in range(STEPS)]
    speed = median_figure([samples / taken for taken in seconds], "samples/s", STEPS)
    limit = _measure_product(fast_dtype(device) if half else torch.float32, device)
    assert speed.interval is not None
    reached = [each * value / 1e9 / limit for value in (speed.value, *speed.interval)]
    return {
        "train_samples_per_s": speed,
        "train_gflop_per_sample": Figure(each / 1e9, "GFLOP", samples),
        "train_limit_gflops": Figure(limit, "GFLOP/s", PRODUCTS),
        "train_share_of_limit": Figure(reached[0], "share", STEPS, (reached[1], reached[2])),
    }


def _measure_generator(params: TrainImagesParams) -> Figures:
    """Return the rate of training the generator: a step of its denoiser, at the shape of `params`.

    It learns from noise, as its time does not depend on values; latents are encoded beforehand.
    """
    import torch

    from busgen.images.diffusion.autoencoder import FACTOR
    from busgen.images.diffusion.conditions import N_TERMS
    from busgen.images.diffusion.levels import LEVELS
    from busgen.images.diffusion.training.flow import Network, Trainee, build_network
    from busgen.images.diffusion.training.latents import Views
    from busgen.training_loop import Schedule, make_draws

    flow, side = params.flow, crops.SIDE // FACTOR
    views = Views(
        torch.randn(VIEWS, CHANNELS, side, side, generator=torch.Generator().manual_seed(0)),
        np.zeros((VIEWS, crops.SIDE, crops.SIDE), np.uint8),
        np.zeros((VIEWS, side, side), np.float32),
        np.ones((VIEWS, side, side), np.float32),
        np.arange(VIEWS),
        np.zeros(VIEWS, np.int64),
        np.zeros((VIEWS, LEVELS), np.float32),
        np.zeros((VIEWS, LEVELS, side, side), np.uint8),
        np.full(VIEWS, 1 / VIEWS),
        np.ones(VIEWS, np.bool_),
    )
    stated = torch.zeros(VIEWS, 1, N_TERMS)
    modules = build_network(Network(flow.widths, flow.layers), crops.SIDE, CHANNELS, 0)
    trainee = Trainee(modules, {"train": views}, {"train": stated})
    half, n = params.half_precision, flow.accumulate
    schedule = Schedule(1000, flow.batch, flow.rate, accumulate=n, half_precision=half)
    draws = make_draws(0, 0, trainee.device)

    step = partial(trainee.training_step, 0, draws, schedule)
    return _measure_training(step, flow.batch * n, trainee.device, half=half)


def _measure_product(dtype: "torch.dtype", device: "torch.device", side: int = SIDE) -> float:
    """Return the best rate of a product of two square matrices in `dtype`, GFLOP/s."""
    import torch

    source = torch.Generator().manual_seed(0)
    one, two = (torch.randn(side, side, generator=source).to(device, dtype) for _ in range(2))

    def multiply() -> None:
        torch.matmul(one, two)
        _wait(device)

    multiply()
    return 2 * side**3 / min(measure_time(multiply) for _ in range(PRODUCTS)) / 1e9


def _wait(device: "torch.device") -> None:
    """Wait until a GPU has done what it was asked for."""
    if device.type == "cuda":
        import torch

        torch.cuda.synchronize(device)


def _measure_predecessor(*, quick: bool) -> Figures:
    """Return seconds a step and an image of the predecessor, `quick` without 512x512."""
    import torch

    from busgen.compute.devices import fast_dtype, torch_threads

    dtype = fast_dtype(torch.device("cpu"))
    with torch_threads(len(os.sched_getaffinity(0))), torch.inference_mode():
        nets = _build(dtype)
        measured = {
            f"{name}_weights": Figure(sum(p.numel() for p in net.parameters()) / 1e6, "million", 1)
            for name, net in zip(("unet", "controlnet"), nets, strict=True)
        }
        _step(*nets, 64)  # the first call allocates
        for side in (256,) if quick else (256, 512):
            step = median_figure([_step(*nets, side) for _ in range(2)], "s", 2)
            measured[f"step_s_{side}"] = step
            measured[f"image_s_{side}"] = Figure(step.value * DENOISING, "s", 2)
    return measured


def _build(dtype: "torch.dtype") -> "tuple[nn.Module, nn.Module]":
    """Return UNet and ControlNet of Stable Diffusion 1.5 at their true size, random."""
    import torch
    from diffusers import ControlNetModel, UNet2DConditionModel

    with torch.device("meta"):
        nets = UNet2DConditionModel(**UNET), ControlNetModel(**SHARED)
    noise = torch.randn(2**20, generator=torch.Generator().manual_seed(0)).to(dtype) * 0.02
    for net in nets:
        torch.nn.Module.to(net, dtype).to_empty(device="cpu")  # diffusers' own warns of float32
        for weights in net.parameters():  # the same noise again: to draw 1.2 billion takes long
            for piece in weights.data.view(-1).split(len(noise)):
                piece.copy_(noise[: len(piece)])
    return nets


def _step(unet: "nn.Module", controlnet: "nn.Module", side: int) -> float:
    """Return the seconds of one step at `side` pixels, guidance on."""
    import torch

    dtype = next(unet.parameters()).dtype
    latents = torch.randn(2, 4, side // SD_FACTOR, side // SD_FACTOR, dtype=dtype)
    texts = torch.randn(2, TOKENS, WIDTH, dtype=dtype)
    control = torch.zeros(2, 3, side, side, dtype=dtype)
    level = torch.tensor(500)

    def step() -> None:
        down, middle = controlnet(latents, level, texts, control, return_dict=False)
        residuals = {
            "down_block_additional_residuals": down,
            "mid_block_additional_residual": middle,
        }
        unet(latents, level, texts, return_dict=False, **residuals)

    return measure_time(step)
