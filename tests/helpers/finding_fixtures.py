"""Findings for tests of masks, made directly, without a prior."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from busgen.priors.findings import LESION_FIELDS, Finding

PLAIN = Finding(
    sample_id="s", seed=0, family_id="s", pathology="benign", birads="3", tissue="heterogeneous",
    shape="oval", orientation="parallel", margin=("circumscribed",), echo_pattern="hypoechoic",
    posterior="none", halo=False, calcification="none", width_mm=14.0, height_mm=9.0,
    center_x=0.5, center_y=0.4, pixel_mm=0.15, scanner="linear_10mhz", text="",
)  # fmt: skip


@pytest.fixture(scope="session")
def make_finding() -> Callable[..., Finding]:
    """Return a factory of findings: seed first, then the fields that differ from a plain oval."""

    def make(seed: int, **changes: object) -> Finding:
        return replace(PLAIN, seed=seed, sample_id=f"s{seed}", family_id=f"s{seed}", **changes)

    return make


@pytest.fixture(scope="session")
def normal() -> Finding:
    """Return a finding without a lesion."""
    return replace(PLAIN, pathology="normal", **dict.fromkeys(LESION_FIELDS))


@pytest.fixture(scope="session")
def mixed(make_finding) -> list[Finding]:
    """Return 240 findings of every shape and margin, from 3 to 28 mm, many far from the middle."""
    shapes, margins = ("oval", "round", "irregular"), (
        ("circumscribed",), ("indistinct",), ("angular",), ("microlobulated",), ("spiculated",),
        ("indistinct", "angular", "microlobulated", "spiculated"),
    )  # fmt: skip
    findings = []
    for seed in range(240):
        width = 3.0 + 25.0 * ((seed * 7) % 240) / 240
        height = width * (0.4 + ((seed * 11) % 240) / 240)
        half = (width / 2 / (256 * 0.15), min(height, 30.0) / 2 / (256 * 0.15))
        findings.append(
            make_finding(
                seed,
                shape=shapes[seed % 3],
                margin=margins[(seed // 3) % 6],
                width_mm=width,
                height_mm=min(height, 30.0),
                center_x=half[0] + (1 - 2 * half[0]) * (seed % 5) / 4,
                center_y=half[1] + (1 - 2 * half[1]) * (seed % 7) / 6,
            )
        )
    return findings
