"""Speed of an image engine, its memory, and how near training comes to what the machine can do.

In: an engine's name; a training step. Out: figures. Rendering is measured in a process of its own
that does nothing else, with two threads, after a warm-up.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from busgen.bench.factory import benchmark
from busgen.bench.factory.benchmark import measure_time
from busgen.bench.harness import Figure
from busgen.bench.real.reading import TOLD
from busgen.images.engines import engine_prior, load_image_engine
from busgen.masks.engines import load_mask_engine
from busgen.priors.draw import draw
from busgen.priors.network import load_prior

if TYPE_CHECKING:
    import torch

SIZE_PX, THREADS, WARM = 256, 2, 8
SEED = 20261127
SIDE = 2048  # of the matrices whose product tells what the machine can do
STEPS, PRODUCTS = 6, 5


def measure(name: str, n: int, scratch: Path, kind: str = "") -> dict[str, Figure]:
    """Return rate, memory and evaluations of an engine that renders `n` images.

    `kind` is put behind the figures' names. `evaluations` is there where the engine tells it.
    """
    told = scratch / f"speed-{name}.json"
    code = f"from busgen.bench.images.speed import _child; _child({name!r}, {n}, {str(told)!r})"
    benchmark.run_python(scratch, "-c", code, OMP_NUM_THREADS=str(THREADS))
    record = json.loads(told.read_text(encoding="utf-8"))
    units = {"images_per_s": "images/s", "memory_gib": "GiB", "evaluations": "evaluations/image"}
    return {
        f"{key}{kind}": Figure(float(record[key]), unit, n)
        for key, unit in units.items()
        if record[key] is not None
    }


def _child(name: str, n: int, told: str) -> None:
    """Render `n` findings in this process and write what it took to the file `told`."""
    findings = draw(engine_prior(name, load_prior()), n + WARM, SEED)
    masks = load_mask_engine("curvature", SIZE_PX).draw(findings)
    engine = load_image_engine(name, SIZE_PX, "cpu", THREADS)
    engine.render(findings[:WARM], masks[:WARM])
    start = time.perf_counter()
    engine.render(findings[WARM:], masks[WARM:])
    seconds = time.perf_counter() - start
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    peak = next(line for line in lines if line.startswith(TOLD))
    record = {
        "images_per_s": n / seconds,
        "memory_gib": int(peak.split()[1]) / 2**20,
        "evaluations": getattr(engine, "evaluations", None),
    }
    Path(told).write_text(json.dumps(record), encoding="utf-8")


def measure_training(
    step: Callable[[], object], samples: int, device: "torch.device", *, half: bool
) -> dict[str, Figure]:
    """Return the rate of training, and the share of the machine's arithmetic that it reaches.

    Parameters
    ----------
    step
        One step of training: forwards, backwards, optimiser.
    samples
        Images that a step learns from.
    device
        Where it computes.
    half
        Whether it computes in bfloat16, so that the limit is that of bfloat16 products.
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
    rates = [samples / taken for taken in seconds]
    limit = measure_product(torch.bfloat16 if half else torch.float32, device)
    rate = median(rates)
    reached = [each * value / 1e9 / limit for value in (rate, min(rates), max(rates))]
    return {
        "train_samples_per_s": Figure(rate, "samples/s", STEPS, (min(rates), max(rates))),
        "train_gflop_per_sample": Figure(each / 1e9, "GFLOP", samples),
        "train_limit_gflops": Figure(limit, "GFLOP/s", PRODUCTS),
        "train_share_of_limit": Figure(reached[0], "share", STEPS, (reached[1], reached[2])),
    }


def measure_product(dtype: "torch.dtype", device: "torch.device", side: int = SIDE) -> float:
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
