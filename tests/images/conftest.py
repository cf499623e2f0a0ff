"""Findings with an ellipse as their mask."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from busgen.priors.findings import LESION_FIELDS, Finding

PLAIN = {
    "sample_id": "s",
    "seed": 0,
    "family_id": "s",
    "pathology": "benign",
    "birads": "3",
    "tissue": "heterogeneous",
    "shape": "oval",
    "orientation": "parallel",
    "margin": ("circumscribed",),
    "echo_pattern": "hypoechoic",
    "posterior": "none",
    "halo": False,
    "calcification": "none",
    "width_mm": 12.0,
    "height_mm": 8.0,
    "center_x": 0.5,
    "center_y": 0.4,
    "pixel_mm": 0.15,
    "scanner": "linear_10mhz",
    "text": "",
}


def _mask(finding: Finding, size_px: int) -> np.ndarray:
    mask = np.zeros((size_px, size_px), np.uint8)
    if finding.has_lesion:
        center = (round(finding.center_x * size_px), round(finding.center_y * size_px))
        axes = (
            round(finding.width_mm / finding.pixel_mm / 2),
            round(finding.height_mm / finding.pixel_mm / 2),
        )
        cv2.ellipse(mask, center, axes, 0, 0, 360, 1, -1)
    return mask


@pytest.fixture
def sample():
    """Make a finding, changed from a plain one, with an ellipse as its mask."""

    def make(size_px: int = 256, **terms: object) -> tuple[Finding, np.ndarray]:
        finding = Finding(**(PLAIN | terms))
        return finding, _mask(finding, size_px)

    return make


@pytest.fixture(scope="session")
def lesions():
    """Make `count` different lesions with their masks."""

    def make(count: int, size_px: int) -> tuple[list[Finding], np.ndarray]:
        findings = [
            Finding(
                **PLAIN
                | {
                    "seed": k,
                    "sample_id": f"s{k}",
                    "pixel_mm": 38 / size_px,
                    "scanner": "GE Logiq 7",
                    "text": "Oval hypoechoic mass, circumscribed. Benign.",
                }
            )
            for k in range(count)
        ]
        return findings, np.stack([_mask(finding, size_px) for finding in findings])

    return make


@pytest.fixture
def normal(sample):
    """Make a finding without a lesion."""
    lesion = dict.fromkeys(LESION_FIELDS)
    return lambda **terms: sample(pathology="normal", birads="1", **lesion, **terms)


@pytest.fixture(scope="session")
def tiny_sd(tmp_path_factory) -> Path:
    """Return the folder of a tiny Stable Diffusion 1.5 with ControlNet; copy it to change it."""
    from tiny_sd import save_tiny_sd

    folder = tmp_path_factory.mktemp("sd é")
    save_tiny_sd(folder)
    return folder
