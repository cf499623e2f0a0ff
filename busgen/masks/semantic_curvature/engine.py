"""Outlines of findings, drawn by the learned network.

In: findings, the folder of the weights. Out: vertices in mm. A finding's seed draws the noise that
its outline begins with, the same for all terms: so a family differs by its terms alone.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path

import numpy as np
import torch

from busgen import seeds
from busgen.arrays import Bools, Floats
from busgen.io import ASSETS
from busgen.masks.closed import POINTS, close_outlines, fit_box, is_pinched, is_simple
from busgen.masks.semantic_curvature.codes import CODE, damp, decode
from busgen.masks.semantic_curvature.conditions import to_conditions, to_lesion
from busgen.masks.semantic_curvature.network import OutlineFlow, checked_hash, load_network
from busgen.priors.findings import Finding

SHIPPED = ASSETS / "masks"
AT_ONCE = 128  # outlines drawn together: always as many, last digits depend on it
SHARES = (1.0, 0.85, 0.7, 0.55, 0.4, 0.2, 0.02)  # of its bends, where it crosses or pinches itself
NECK = 0.2  # least share of the distance across the box's ellipse: .3 % of real lesions have less
COARSE = slice(4, None, 8)  # points that are enough to see a neck


def load_model(
    model: Path | None, size_px: int
) -> tuple[str, Callable[[Sequence[Finding]], Floats]]:
    """Return the hash of the weights, by default those that ship, and what draws outlines."""
    folder = model or SHIPPED
    network = load_network(folder)

    def draw(findings: Sequence[Finding]) -> Floats:
        return draw_outlines(network, findings, size_px)

    return checked_hash(folder), draw


def draw_outlines(network: OutlineFlow, findings: Sequence[Finding], size_px: int) -> Floats:
    """Return the outlines of findings.

    `network`: as `network.load_network` returns it; `findings`: N findings, each with a lesion;
    `size_px`: side of the image: larger outlines have finer detail.

    Returns (N, POINTS, 2) float64: vertices (x, y) in mm from the centre of the lesion's box, y
    towards depth; closed, simple polygons whose box is exactly the finding's.
    """
    outlines = np.empty((len(findings), POINTS, 2))

    def draw(start: int) -> None:
        torch.set_num_threads(1)  # of this thread
        own = findings[start : start + AT_ONCE]
        outlines[start : start + len(own)] = _draw(network, own, size_px)

    with ThreadPoolExecutor(cpu_count()) as pool:
        list(pool.map(draw, range(0, len(findings), AT_ONCE)))
    return outlines


def _draw(network: OutlineFlow, findings: Sequence[Finding], size_px: int) -> Floats:
    record = to_conditions([to_lesion(finding, size_px) for finding in findings])
    rngs = [seeds.rng(finding.seed, "outline") for finding in findings]
    noise = np.stack([rng.standard_normal(CODE, np.float32) for rng in rngs])
    rows = np.resize(np.arange(len(findings)), AT_ONCE)
    codes = network.draw(torch.from_numpy(record[rows]), torch.from_numpy(noise[rows]))
    vertices = _simple_outlines(codes[: len(findings)].double().numpy())
    size = np.array([(finding.width_mm, finding.height_mm) for finding in findings], float)
    return np.moveaxis(fit_box(vertices, size[:, 0], size[:, 1]), 1, 2)


def _simple_outlines(codes: Floats) -> Floats:
    """Return outlines (N, 2, POINTS) of codes (N, CODE).

    One that crosses itself, or has a neck that real lesions do not have, bends less.
    """
    outlines = np.empty((len(codes), 2, POINTS))
    left = np.arange(len(codes))
    for share in SHARES:
        vertices, closed = close_outlines(decode(damp(codes[left], share)))
        done = closed & is_simple(vertices) & ~_has_neck(vertices[..., COARSE])
        outlines[left[done]] = vertices[done]
        left = left[~done]
        if not len(left):
            break
    return outlines


def _has_neck(vertices: Floats) -> Bools:
    """Return which (N, 2, P) outlines, in a box of unit sides, are far narrower than its circle."""
    unit = np.ones(len(vertices))
    circle, _ = close_outlines(np.zeros((1, vertices.shape[2])))
    bodies = np.repeat(fit_box(circle, unit[:1], unit[:1]), len(vertices), axis=0)
    return is_pinched(fit_box(vertices, unit, unit), bodies, NECK)
