"""Run again when a generator changes: how many trainings each change takes."""

import json
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from tiny_sets import write_real

from busgen.downstream import library
from busgen.downstream.data import real_images, synthetic_set
from busgen.downstream.plan import Request, plan
from busgen.factory.library import make_release
from busgen.params.gates import DEFAULT_GATES, Gate
from busgen.params.generate import GenerateParams
from busgen.params.load import Params
from busgen.params.release import ReleaseParams
from busgen.real.cohort import FILE, make_cohort

ARMS = ("real", "real_augmented", "synthetic", "real_synthetic_1")
PRIMARY = ARMS[-1]
OFF = dict.fromkeys(DEFAULT_GATES, Gate(action="off"))


def release(folder, *, title="One", **changed):
    """Return a release of four images of the learned generator."""
    request = {"n": 4, "steps": 1, "mask_engine": "curvature", "gates": OFF} | changed
    params = Params(generate=GenerateParams(**request), release=ReleaseParams(title=title))
    make_release(params, folder)
    return folder


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    """Return a release, the same images under another title, those of a changed engine."""
    folder = tmp_path_factory.mktemp("releases ü")
    return (
        release(folder / "one"),
        release(folder / "titled", title="Two"),
        release(folder / "changed", steps=2),
    )


@pytest.fixture
def wanted(sets, releases, asked):
    """Return what a comparison of real-only arms and arms with made images is asked for."""
    return replace(asked, data=releases[0], arms=ARMS, tasks=("segmentation",))


def ran(asked: Request) -> list[tuple[str, str]]:
    """Carry a comparison out; return (arm, training set) of what was trained."""
    whole = plan(asked)
    before = {job.folder for job in whole.jobs if job.is_done}
    count = library.run(whole, lambda _: None, lambda _: None)[1]
    found = [(job.run.arm, job.run.train) for job in whole.jobs if job.folder not in before]
    assert count == len(found)
    assert all(job.is_done for job in whole.jobs)
    return found


def test_a_changed_parameter_of_an_engine_reruns_the_arms_with_its_images_alone(wanted, releases):
    one, titled, changed = releases
    assert [arm for arm, _ in ran(wanted)] == list(ARMS)
    assert ran(wanted) == []
    assert ran(replace(wanted, data=titled)) == []
    assert [arm for arm, _ in ran(replace(wanted, data=changed))] == ["synthetic", PRIMARY]
    assert ran(replace(wanted, data=one)) == []  # a change taken back


def test_where_nothing_changed_no_image_is_read(wanted, monkeypatch):
    first = library.run(plan(wanted), lambda _: None, lambda _: None)[0]
    result = (wanted.out / library.METRICS).read_bytes()

    def refuse(*_: object) -> None:
        raise AssertionError("an image was read")

    monkeypatch.setattr(real_images, "_crop", refuse)
    monkeypatch.setattr(synthetic_set, "read_squares", refuse)
    monkeypatch.setattr(library, "compare", refuse)
    done: list[int] = []
    again = library.run(plan(wanted), done.append, lambda _: None)
    assert again == (first, 0)
    assert sum(done) == 4
    assert (wanted.out / library.METRICS).read_bytes() == result


def test_a_table_of_some_sets_is_told_before_and_kept_for_that_of_all(wanted, tmp_path):
    folder = write_real(tmp_path / "real", ("breast", "bus_bra", "busi"))
    whole = replace(wanted, real=folder, train=(), arms=ARMS[1:3], folds=3, out=tmp_path / "all")
    done: list[int] = []

    def stop(count: int) -> None:
        done.append(count)
        if sum(done) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        library.run(plan(whole), stop, lambda _: None)
    kept = [job.run for job in plan(whole).jobs if job.is_done]
    assert [run.train for run in kept] == ["bus_bra", "bus_bra", "busi", "busi"]  # no fold yet
    some = replace(whole, train=("bus_bra", "busi"))
    assert ran(some) == []
    result = json.loads((whole.out / library.METRICS).read_text())["results"]
    assert {one["train"] for one in result} == {"bus_bra", "busi"}
    assert ran(whole) == [(arm, "breast") for arm in ARMS[1:3] for _ in range(3)]
    assert ran(whole) == ran(some) == []


def test_one_changed_real_image_reruns_what_looks_at_its_split(wanted, sets, tmp_path):
    folder = write_real(tmp_path / "real")
    mine = replace(wanted, real=folder, train=("bus_bra", "busi"), arms=ARMS[1:3])
    assert len(ran(mine)) == 4
    table = folder / "busi" / "table.parquet"
    splits = pq.read_table(folder / "cohort" / FILE).to_pylist()
    train = {row["sample_id"] for row in splits if row["split"] == "train"}
    rows = pq.read_table(table)
    result = rows.to_pylist()
    row = next(row for row in result if row["sample_id"] in train)
    row["scanner"] = "another"
    pq.write_table(rows.from_pylist(result, schema=rows.schema), table, row_group_size=8)
    tables = [folder / name / "table.parquet" for name in ("bus_bra", "busi")]
    pq.write_table(make_cohort(tables), folder / "cohort" / FILE)
    assert ran(mine) == [("real_augmented", "busi")]  # all test patients are who they were


def test_what_is_told_of_images_is_what_their_pixels_show(sets):
    for own in real_images.read_images(real_images.open_set(sets[0])).values():
        for images in own.values():
            crops = images.load().crops
            assert list(images.labels) == list(crops.labels)
            assert list(images.groups) == list(crops.groups)
            assert list(images.lesions) == list(crops.masks.any(axis=(1, 2)))
            half = images.pick(images.labels == "benign")
            assert set(half.load().crops.labels) == {"benign"}
            assert half.fingerprint != images.fingerprint
