"""The solver: levels, exact straight paths, the order of its error."""

import pytest
import torch

from busgen.images.diffusion.solver import FlowSolver


def drawn(steps, velocity, start, **config):
    """Return where the path of a velocity field that begins at `start` ends."""
    solver = FlowSolver(**config)
    solver.set_timesteps(steps)
    latents = start
    for time in solver.timesteps:
        latents = solver.step(velocity(latents, float(time) / 1000), latents)
    return latents


def test_levels_fall_from_the_noisiest_ratio_to_the_cleanest_and_none():
    solver = FlowSolver(noisiest=99.0, cleanest=1 / 99, rho=7.0)
    solver.set_timesteps(8)
    assert solver.levels[0] == pytest.approx(0.99)
    assert solver.levels[-2:] == pytest.approx([0.01, 0.0])
    assert all(a > b for a, b in zip(solver.levels, solver.levels[1:], strict=False))
    assert solver.timesteps.tolist() == pytest.approx([1000 * x for x in solver.levels[:-1]])


@pytest.mark.parametrize("steps", [1, 2, 8])
def test_one_image_is_reached_exactly(steps):
    start, image = torch.randn(2, 2, 4, 4, 4, dtype=torch.float64)
    level = 200 / 201
    noise = (start - (1 - level) * image) / level
    ended = drawn(steps, lambda _latents, _level: noise - image, start)
    assert torch.allclose(ended, image, atol=1e-12)


def test_the_error_falls_with_the_square_of_the_steps():
    spread = 0.5  # of images about 0: then paths only shrink, by the ratio of the spreads

    def velocity(latents, level):
        variance = ((1 - level) * spread) ** 2 + level**2
        clean = (1 - level) * spread**2 / variance * latents
        return (latents - (1 - level) * clean) / level - clean

    start = torch.ones(1, dtype=torch.float64)
    first = 200 / 201
    end = spread / (((1 - first) * spread) ** 2 + first**2) ** 0.5
    errors = [abs(float(drawn(n, velocity, start)) - end) for n in (16, 32, 64)]
    assert errors[0] < 0.1 * end
    assert errors[0] / errors[1] > 3
    assert errors[1] / errors[2] > 3


def test_a_path_begun_anew_forgets_the_one_before():
    solver = FlowSolver()
    ends = []
    for _ in range(2):
        solver.set_timesteps(3)
        latents = torch.ones(1)
        for _ in solver.timesteps:
            latents = solver.step(latents**2, latents)
        ends.append(float(latents))
    assert ends[0] == ends[1]
