"""Training of the generator, timed: a step of its denoising network at the shape that is trained.

In: parameters of stage `train_images`. Out: figures. What the step learns from is noise: its time
does not depend on values. Latents are encoded once before training, so that they do not
count.
"""

import numpy as np

from busgen.bench.harness import Figure
from busgen.bench.images.speed import measure_training
from busgen.params.train_images import TrainImagesParams
from busgen.real.crops import SIDE

CHANNELS = 4  # of the autoencoder's latents
VIEWS = 64


def figures(params: TrainImagesParams) -> dict[str, Figure]:
    """Return samples a second, and the share of the machine's arithmetic that training reaches."""
    import torch

    from busgen.images.diffusion.autoencoder import FACTOR
    from busgen.images.diffusion.conditions import N_TERMS
    from busgen.images.diffusion.levels import LEVELS
    from busgen.images.diffusion.training.flow import Network, Trainee, build_network
    from busgen.images.diffusion.training.latents import Views
    from busgen.training_loop import Schedule, make_draws

    flow, side = params.flow, SIDE // FACTOR
    views = Views(
        torch.randn(VIEWS, CHANNELS, side, side, generator=torch.Generator().manual_seed(0)),
        np.zeros((VIEWS, SIDE, SIDE), np.uint8),
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
    modules = build_network(Network(flow.widths, flow.layers), SIDE, CHANNELS, 0)
    trainee = Trainee(modules, {"train": views}, {"train": stated})
    half = params.half_precision
    pace = Schedule(1000, flow.batch, flow.rate, accumulate=flow.accumulate, half_precision=half)
    draws = make_draws(0, 0, trainee.device)

    def step() -> None:
        trainee.training_step(0, draws, pace)

    return measure_training(step, flow.batch * flow.accumulate, trainee.device, half=half)
