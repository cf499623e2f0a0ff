"""The plate of outlines: by margin and class, all in one frame, counted."""

import re

import numpy as np
import pytest

from busgen import schema
from busgen.report.evidence import gather
from busgen.report.sections.outlines import FRAME_PX, frame, make_section


@pytest.fixture(scope="module")
def told(chain):
    return gather(chain.sources)


def test_every_lesion_counts_once_under_its_gravest_term(told):
    plate = make_section(told, 3)
    lesions = told.accepted_rows[told.accepted_rows["pathology"] != "normal"]
    for label in ("benign", "malignant"):
        total = sum(classes[label][0] for _, classes in plate)
        assert total == (lesions["pathology"] == label).sum()
    terms = [term for term, _ in plate]
    assert terms == sorted(terms, key=schema.MARGINS.index)
    alone = [tuple(margin) == ("circumscribed",) for margin in lesions["margin"]]
    assert sum(count for count, _ in plate[0][1].values()) == sum(alone)


def test_at_most_as_many_outlines_as_asked_for_are_drawn(told):
    for _, classes in make_section(told, 3):
        for count, paths in classes.values():
            assert len(paths) == min(3, count)
            assert all(path.startswith("M") for path in paths)


@pytest.mark.parametrize(("width", "height"), [(10, 40), (120, 30), (5, 5)])
def test_a_lesion_fills_the_frame_by_its_longer_side(width, height):
    mask = np.zeros((256, 256), np.uint8)
    mask[20 : 20 + height, 100 : 100 + width] = 255
    shown = frame(mask)
    rows, cols = (np.flatnonzero(shown.any(axis=axis)) for axis in (1, 0))
    longer = max(np.ptp(rows), np.ptp(cols)) + 1
    assert shown.shape == (FRAME_PX, FRAME_PX)
    assert longer == pytest.approx(FRAME_PX / 1.15, rel=0.15)
    assert abs((rows.min() + rows.max()) / 2 - FRAME_PX / 2) < 2


def test_the_page_shows_the_plate(chain):
    table = re.search(r'<table class="plate">.*?</table>', chain.html, re.S).group()
    assert table.count('<svg class="lesion"') > 10
    assert 'aria-label="' in table
    assert ">Spiculated<" in table or "spiculated" in table.lower()
