"""Training of the mask generator: what it learns from, exact resume, what is published."""

import json
from functools import partial

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from busgen import schema
from busgen.errors import DataError, UserError
from busgen.io import dumps, encode_png, read_json
from busgen.masks.engines import load_mask_engine
from busgen.masks.semantic_curvature.codes import CONDITIONS
from busgen.masks.semantic_curvature.training import stage
from busgen.masks.semantic_curvature.training.descriptor_bounds import Bound, Bounds
from busgen.masks.semantic_curvature.training.examples import (
    DESCRIBED,
    _read_outlines,
    make_examples,
    prepare,
)
from busgen.masks.semantic_curvature.training.stage import resolve, train
from busgen.params.train_masks import TrainMasksParams
from busgen.real.cohort import FILE, make_cohort
from busgen.similarity.registration import make_thumbnail
from busgen.training_loop import Schedule

PARAMS = TrainMasksParams(steps=90, batch=16, width=32, layers=1, patience=3)
KEEP = 50  # steps between checkpoints
SIDE = 120


class KilledError(Exception):
    """What stops a training in the middle."""


def row(dataset, number):
    """Return a canonical row: an ellipse in speckle, other proportions and lobes each time."""
    rng = np.random.default_rng([len(dataset), number])
    rows, cols = np.mgrid[:SIDE, : SIDE + 20]
    angle = np.arctan2(rows - 60, cols - 70)
    lobes = 1 + rng.uniform(0, 0.25) * np.cos(rng.integers(3, 8) * angle)
    near = np.hypot((rows - 60) / rng.uniform(14, 30), (cols - 70) / rng.uniform(18, 38)) < lobes
    coarse = cv2.GaussianBlur(rng.normal(size=near.shape), (0, 0), 6)  # or all would look alike
    image = np.where(near, 50, 120) + rng.normal(0, 18, near.shape) + 30 * coarse / coarse.std()
    image = image.clip(6, 255).astype(np.uint8)
    described = dataset == "breast"
    blank = dict.fromkeys(field.name for field in schema.arrow_schema("real"))
    return blank | {
        "sample_id": f"{dataset}-{number}",
        "dataset": dataset,
        "source_file": f"{number}.png",
        "patient_id": f"{dataset}-{number}",
        "pathology": ("benign", "malignant")[number % 2],
        "shape": ("oval", "irregular")[number % 2] if described else None,
        "margin": [("circumscribed", "spiculated")[number % 2]] if described else None,
        "posterior": "none" if described else None,
        "pixel_mm": 0.1 if described else None,
        "image": {"bytes": encode_png(image), "path": "i.png"},
        "mask": {"bytes": encode_png(near.astype(np.uint8) * 255), "path": "m.png"},
        "signature": make_thumbnail(image),
        "flags": [],
        "notes": [],
    }


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Return a folder of real data: BrEaST and BUSI, 40 patients each."""
    folder = tmp_path_factory.mktemp("real é")
    result = {"citation": "A.", "doi": "10/1", "licence": "CC BY 4.0", "weights_may_ship": True}
    tables = []
    for name in ("breast", "busi"):
        table = pa.Table.from_pylist(
            [row(name, number) for number in range(40)], schema=schema.arrow_schema("real")
        )
        (folder / name).mkdir()
        pq.write_table(table, folder / name / "table.parquet", row_group_size=10)
        (folder / name / "info.json").write_text(dumps(result | {"name": name, "summary": {}}))
        tables.append(folder / name / "table.parquet")
    (folder / "cohort").mkdir()
    pq.write_table(make_cohort(tables), folder / "cohort" / FILE)
    return folder


@pytest.fixture(scope="module", autouse=True)
def _often_kept():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "LOOK", 30)
        patch.setattr(stage, "Schedule", partial(Schedule, keep=KEEP))
        yield


@pytest.fixture(scope="module")
def trained(real, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "masks"
    return stage.train(stage.plan(real, out, PARAMS), lambda _: None)


def plan(real, out):
    return resolve(
        [real / name / "table.parquet" for name in ("breast", "busi")],
        real / "cohort" / FILE, PARAMS, out.with_name("work"), out,
    )  # fmt: skip


def test_what_is_trained_draws(trained, mixed):
    engine = load_mask_engine("semantic_curvature", 256, trained)
    assert engine.draw(mixed).any(axis=(1, 2)).all()
    assert engine.sha256 != load_mask_engine("semantic_curvature").sha256


def test_what_is_published_tells_how_it_came_about(trained):
    card = (trained / "README.md").read_text(encoding="utf-8")
    assert "NOT FOR CLINICAL USE" in card
    assert "| breast | CC BY 4.0 |" in card
    assert "Not measured yet" in card
    facts = read_json(trained / "evidence" / "facts.json")
    assert facts["outlines"]["train"] > 20
    assert "## Without bus_bra" in card  # which the one that ships learned from
    assert f"| outlines, train | 1557 | {facts['outlines']['train']} |" in card
    log = (trained / "evidence" / "log.jsonl").read_text().splitlines()
    assert json.loads(log[-1])["validation_loss"] > 0
    assert not list(trained.parent.glob(".masks.work"))


def test_a_killed_training_ends_with_the_same_weights(real, trained, tmp_path):
    seen = []

    def tick(count):
        seen.append(count)
        if sum(seen) > 16 * (KEEP + 20):
            raise KilledError

    request = plan(real, tmp_path / "masks")
    with pytest.raises(KilledError):
        train(request, tick)
    resumed = []
    again = train(request, resumed.append)
    assert resumed[0] == 16 * KEEP  # the checkpoint's
    for name in ("outlines.safetensors", "outlines.json"):
        assert (trained / name).read_bytes() == (again / name).read_bytes()


def test_terms_are_readers_or_measured_or_missing(real):
    bounds = Bounds(
        (
            Bound("shape", "oval", "roughness", None, 0.03),
            Bound("margin", "circumscribed", "roughness", None, 0.02),
        )
    )
    tables = [real / name / "table.parquet" for name in ("breast", "busi")]
    outlined = _read_outlines(tables, real / "cohort" / FILE, "train", bounds)
    result = {"breast": set(), "busi": set()}
    for lesion in outlined.lesions:
        result[lesion.style].add((lesion.shape, lesion.margin, lesion.size_mm is None))
    assert result["breast"] == {
        ("oval", ("circumscribed",), False),
        ("irregular", ("spiculated",), False),
    }
    assert result["busi"] == {
        ("oval", ("circumscribed",), True),
        ("oval", None, True),
        (None, None, True),
    }


def test_versions_are_mirrored_and_turned_and_know_their_proportions(real):
    outlined = _read_outlines(
        [real / "breast" / "table.parquet"], real / "cohort" / FILE, "train", Bounds(())
    )
    examples = make_examples(outlined, 6)
    assert examples.conditions.shape == (len(outlined.masks), 6, CONDITIONS)
    ratio = examples.conditions[:, :, 0]
    assert np.array_equal(ratio[:, 0], ratio[:, 1])
    assert 0.01 < np.abs(ratio[:, 2:] - ratio[:, :1]).mean() < 0.5
    assert np.allclose(examples.conditions[:, :, 1], examples.conditions[:, :1, 1], atol=1e-5)
    assert examples.probabilities.sum() == pytest.approx(1)
    bends = examples.codes[:, :, 0]
    assert np.corrcoef(bends[:, 0], bends[:, 1])[0, 1] > 0.9  # a mirrored outline bends as much
    assert DESCRIBED > 1


def test_masks_of_several_parts_are_left_out(real):
    from busgen.masks.semantic_curvature.training.examples import _is_whole

    mask = np.zeros((50, 50), np.uint8)
    assert not _is_whole(mask)
    cv2.circle(mask, (15, 15), 8, 1, -1)
    assert _is_whole(mask)
    cv2.circle(mask, (40, 40), 5, 1, -1)
    assert not _is_whole(mask)


def test_what_was_read_is_not_read_again(real, tmp_path):
    tables = [real / "busi" / "table.parquet"]
    first = prepare(tables, real / "cohort" / FILE, tmp_path)
    again = prepare([tmp_path / "gone"], tmp_path / "gone", tmp_path)
    assert np.array_equal(first["train"].codes, again["train"].codes)
    assert first["validation"].codes.shape[1] == 1


def test_a_dataset_can_be_left_out(real, tmp_path):
    plan = stage.plan(real, tmp_path / "out", PARAMS, ("busi",))
    assert [path.parent.name for path in plan.tables] == ["breast"]
    assert plan.work != stage.plan(real, tmp_path / "out", PARAMS).work
    with pytest.raises(UserError, match="must hold what is left out, got stu: choose from"):
        stage.plan(real, tmp_path / "out", PARAMS, ("stu",))


def test_what_cannot_be_trained_is_refused(real, tmp_path):
    with pytest.raises(UserError, match=r"NAME/table\.parquet"):
        stage.plan(tmp_path, tmp_path / "out", PARAMS)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(UserError):
        stage.plan(real, tmp_path / "full", PARAMS)
    assert (tmp_path / "full" / "thesis.txt").read_text() == "mine"
    with pytest.raises(DataError, match="none in train"):
        _read_outlines([], real / "cohort" / FILE, "train", Bounds(()))
