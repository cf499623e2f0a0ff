"""Speed of an image engine, its memory, and how near training comes to what the machine can do.

In: an engine's name; a training step. Out: figures. Rendering is measured in a process of its own
that does nothing else, with two threads, after a warm-up.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from busgen.bench.harness import Figure, measure_time, median_figure, read_peak, run_python
from busgen.images.engines import engine_prior, load_image_engine
from busgen.masks.engines import load_mask_engine
from busgen.params.train_images import TrainImagesParams
from busgen.priors.draw import draw
from busgen.priors.network import load_prior
from busgen.real import crops

if TYPE_CHECKING:
    import torch

SIZE_PX, THREADS, WARM = 256, 2, 8
SEED = 20261127
SIDE = 2048  # of the matrices whose product tells what the machine can do
STEPS, PRODUCTS = 6, 5
CHANNELS, VIEWS = 4, 64  # of the autoencoder's latents; of what the generator learns from


def measure(name: str, n: int, scratch: Path) -> dict[str, Figure]:
    """Return rate, memory and, where the engine counts them, evaluations for `n` images."""
    measured = scratch / f"speed-{name}.json"
    code = f"from busgen.bench.images.speed import _child; _child({name!r}, {n}, {str(measured)!r})"
    run_python(scratch, "-c", code, OMP_NUM_THREADS=str(THREADS))
    record = json.loads(measured.read_text(encoding="utf-8"))
    units = {"images_per_s": "images/s", "memory_gib": "GiB", "evaluations": "evaluations/image"}
    return {
        key: Figure(float(record[key]), unit, n)
        for key, unit in units.items()
        if record[key] is not None
    }


def _child(name: str, n: int, measured: str) -> None:
    """Render `n` findings in this process and write what it took to the file `measured`."""
    findings = draw(engine_prior(name, load_prior()), n + WARM, SEED)
    masks = load_mask_engine("curvature", SIZE_PX).draw(findings)
    engine = load_image_engine(name, SIZE_PX, "cpu", THREADS)
    engine.render(findings[:WARM], masks[:WARM])
    seconds = measure_time(lambda: engine.render(findings[WARM:], masks[WARM:]))
    record = {
        "images_per_s": n / seconds,
        "memory_gib": read_peak(),
        "evaluations": getattr(engine, "evaluations", None),
    }
    Path(measured).write_text(json.dumps(record), encoding="utf-8")


def _measure_training(
    step: Callable[[], object], samples: int, device: "torch.device", *, half: bool
) -> dict[str, Figure]:
    """Return the rate of training, and the share of the machine's arithmetic that it reaches.

    A `step` goes forwards, backwards and optimises on `samples` images; `half`: it computes in
    bfloat16, so that the limit is that of bfloat16 products.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

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
    limit = _measure_product(torch.bfloat16 if half else torch.float32, device)
    assert speed.interval is not None
    reached = [each * value / 1e9 / limit for value in (speed.value, *speed.interval)]
    return {
        "train_samples_per_s": speed,
        "train_gflop_per_sample": Figure(each / 1e9, "GFLOP", samples),
        "train_limit_gflops": Figure(limit, "GFLOP/s", PRODUCTS),
        "train_share_of_limit": Figure(reached[0], "share", STEPS, (reached[1], reached[2])),
    }


def measure_generator(params: TrainImagesParams) -> dict[str, Figure]:
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
    half = params.half_precision
    schedule = Schedule(
        1000, flow.batch, flow.rate, accumulate=flow.accumulate, half_precision=half
    )
    draws = make_draws(0, 0, trainee.device)

    return _measure_training(
        lambda: trainee.training_step(0, draws, schedule),
        flow.batch * flow.accumulate,
        trainee.device,
        half=half,
    )


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
