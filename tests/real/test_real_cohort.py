"""The cohort: clusters, copies, conflicts, splits; and the rows that later stages read."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_canonical import BUS_BRA, BUSI, row, write_tables

from busgen.errors import DataError, UserError
from busgen.real.cohort import (
    PLAIN,
    assign_split,
    find_tables,
    has_usable_label,
    has_usable_pixels,
    load_cohort,
    make_cohort,
    read_rows,
)
from busgen.real.prepare import write_cohort
from busgen.similarity.registration import find_duplicates


@pytest.fixture
def lay_out(tmp_path: Path) -> Callable[..., list[Path]]:
    """Return a function that writes canonical folders, `dataset=[rows]`, and finds the tables."""
    return lambda **datasets: write_tables(tmp_path / "real", datasets)


def told(cohort: pa.Table, column: str) -> dict[str, object]:
    return {r["sample_id"]: r[column] for r in cohort.to_pylist()}


def test_linked_patients_are_one_cluster_named_after_the_first(lay_out):
    cohort = make_cohort(lay_out(busi=BUSI))
    assert told(cohort, "cluster_id") == {
        "busi-a10": "busi-p9",
        "busi-a9": "busi-p9",
        "busi-b1": "busi-c",
        "busi-b2": "busi-c",
        "busi-c": "busi-c",
        "busi-d": "busi-d",
    }
    assert all(r["split"] == assign_split(r["cluster_id"]) for r in cohort.to_pylist())


def test_one_copy_is_kept_and_labels_that_differ_are_flagged(lay_out):
    cohort = make_cohort(lay_out(busi=BUSI))
    copies = {name: kept for name, kept in told(cohort, "duplicate_of").items() if kept}
    assert copies == {"busi-a9": "busi-a10", "busi-c": "busi-b1"}
    flags = told(cohort, "flags")
    assert flags["busi-a10"] == ["label_conflict"]
    assert flags["busi-a9"] == ["overlay", "near_duplicate", "label_conflict"]
    assert flags["busi-c"] == ["near_duplicate"]  # no label is no other label
    assert flags["busi-b1"] == ["overlay"]


def test_clusters_reach_across_datasets_in_their_order(lay_out):
    cohort = make_cohort(lay_out(busi=BUSI, bus_bra=BUS_BRA))
    assert cohort["dataset"].to_pylist() == ["bus_bra"] * 4 + ["busi"] * 6
    clusters = told(cohort, "cluster_id")
    joined = {"bus_bra-0002", "busi-b1", "busi-b2", "busi-c"}
    assert {name for name, c in clusters.items() if c == "bus_bra-2"} == joined


def test_no_pair_of_copies_and_no_patient_leaks_and_added_data_moves_nobody(lay_out):
    few = [row("breast", (f"k{n}", f"k{n}", 50 + n, "benign")) for n in range(12)]
    copies = [row("busi", (f"m{n}", f"m{n}", -(50 + n), "benign")) for n in range(12)]
    before = make_cohort(lay_out(breast=few))
    after = make_cohort(lay_out(breast=few, busi=[*BUSI, *copies], bus_bra=BUS_BRA))
    assert len(set(before["split"].to_pylist())) > 1
    assert told(before, "split").items() <= told(after, "split").items()
    assert told(before, "cluster_id").items() <= told(after, "cluster_id").items()
    sides = told(after, "split")
    assert all(sides[f"busi-m{n}"] == sides[f"breast-k{n}"] for n in range(12))
    assert_no_leak(lay_out(), after)


def assert_no_leak(tables: list[Path], cohort: pa.Table) -> None:
    """Fail if a patient, or a pair of near-duplicates, stands in two splits."""
    rows = cohort.to_pylist()
    split = {r["sample_id"]: r["split"] for r in rows}
    everything = read_rows(tables, cohort, columns=["signature"], usable=lambda _: True)
    signatures = {r["sample_id"]: r["signature"] for r in everything}
    names = list(signatures)
    links = find_duplicates(list(signatures.values()))
    assert links
    assert all(split[names[a]] == split[names[b]] for a, b, _ in links)
    order = sorted(rows, key=lambda r: (r["dataset"], r["patient_id"]))
    for _, images in itertools.groupby(order, lambda r: (r["dataset"], r["patient_id"])):
        assert len({r["split"] for r in images}) == 1


def test_rows_are_joined_selected_and_complete(lay_out):
    tables = lay_out(busi=BUSI, bus_bra=BUS_BRA)
    cohort = make_cohort(tables)
    looks = {r["sample_id"] for r in read_rows(tables, cohort)}
    assert looks == {"bus_bra-0001", "bus_bra-0002", "busi-a10", "busi-b1", "busi-d"}
    labels = list(read_rows(tables, cohort, usable=has_usable_label, columns=PLAIN))
    assert {r["sample_id"] for r in labels} == looks - {"busi-a10"}
    (one,) = [r for r in labels if r["sample_id"] == "busi-b1"]
    assert one["cluster_id"] == "bus_bra-2"
    assert one["flags"] == ["overlay"]
    assert "image" not in one
    split = assign_split("busi-d")
    (alone,) = [
        r for r in read_rows(tables[1:], cohort, splits=(split,)) if r["pathology"] != "benign"
    ]
    assert alone["image"]["bytes"] == BUSI[-1]["image"]["bytes"]
    assert alone["split"] == split


@pytest.mark.parametrize(
    ("pathology", "flags", "pixels", "labels"),
    [
        ("benign", [], True, True),
        ("benign", ["overlay", "sector_field"], True, True),
        ("benign", ["label_conflict"], True, False),
        (None, [], True, False),
        ("normal", ["no_mask"], True, True),
        ("malignant", ["empty_mask"], False, False),
        ("malignant", ["near_duplicate"], False, False),
        ("normal", ["colour_doppler"], False, False),
    ],
)
def test_what_may_be_used(pathology, flags, pixels, labels):
    image = {"pathology": pathology, "flags": flags}
    assert has_usable_pixels(image) is pixels
    assert has_usable_label(image) is labels


def test_tables_and_cohort_must_fit(lay_out, tmp_path):
    cohort = make_cohort(lay_out(busi=BUSI[:2]))
    with pytest.raises(DataError, match="got busi-b1: make the cohort anew"):
        list(read_rows(lay_out(busi=BUSI), cohort))
    with pytest.raises(DataError, match="one table only, got busi-a10"):
        make_cohort(lay_out(busi=[BUSI[0], BUSI[0]]))
    with pytest.raises(UserError, match=r"NAME/table\.parquet"):
        find_tables(tmp_path)
    with pytest.raises(UserError, match="must have a real dataset"):
        make_cohort([])
    pq.write_table(pa.table({"a": [1]}), tmp_path / "cohort.parquet")
    with pytest.raises(DataError, match="columns of a cohort"):
        load_cohort(tmp_path)
    with pytest.raises(DataError, match="canonical columns"):
        make_cohort([tmp_path / "cohort.parquet"])


def test_a_cohort_is_written_whole_and_read_again(lay_out, tmp_path):
    tables = lay_out(busi=BUSI)
    write_cohort(tables, tmp_path / "cohort")
    write_cohort(tables, tmp_path / "cohort")
    assert load_cohort(tmp_path / "cohort").equals(make_cohort(tables))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="or hold only what the same command wrote"):
        write_cohort(tables, tmp_path / "home")
