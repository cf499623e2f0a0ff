"""The published prior, loaded once, many of its findings, and findings as rows of real lesions."""

import pytest

from busgen.priors.draw import draw
from busgen.priors.findings import to_row
from busgen.priors.network import PUBLISHED, load_prior


@pytest.fixture(scope="session")
def prior():
    return load_prior(PUBLISHED)


@pytest.fixture(scope="session")
def findings(prior):
    return draw(prior, 20_000, 5)


@pytest.fixture(scope="session")
def as_rows():
    """Return a function: findings -> canonical rows with cluster and split, all stated."""

    def rows(findings, dataset="breast", split="train", **stated):
        out = []
        for finding in findings:
            row = to_row(finding) | {"dataset": dataset, "split": split}
            row |= {"cluster_id": finding.sample_id, "birads_category": finding.birads[0]}
            side = finding.pixel_mm * 256
            for axis, size in (("width", finding.width_mm), ("height", finding.height_mm)):
                row[f"crop_{axis}"] = None if size is None else size / side
            row |= {"crop_center_x": finding.center_x, "crop_center_y": finding.center_y}
            out.append(row | stated)
        return out

    return rows
