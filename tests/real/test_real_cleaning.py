"""What cleaning found, in numbers; and on the real files, what is known about them."""

import csv
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tiny_canonical import BUS_BRA, BUSI, write_tables

from busgen import schema
from busgen.imaging.decode import Entry, to_grey
from busgen.real.cohort import make_cohort
from busgen.real.prepare import summarise
from busgen.real.readers.registry import list_images
from busgen.similarity.registration import make_thumbnail

REAL = {"bus_bra": "BUS-BRA", "busi": "BUSI"}  # and BrEaST
ONE_PATIENT = {"bus_bra-0065": "bus_bra-0044", "bus_bra-0091": "bus_bra-0056"}  # judged by eye
CONFLICTS = [  # one scan under several labels; the last two found here and judged by eye
    {"benign_131", "benign_42", "malignant_51"},
    {"benign_164", "benign_85", "malignant_52"},
    {"benign_269", "normal_1"},
    {"benign_399", "malignant_93"},
    {"benign_433", "malignant_145"},
    {"benign_437", "normal_34"},
    {"benign_333", "malignant_77", "malignant_78"},
    {"benign_406", "malignant_94"},
]


NO_PIXELS = {"bytes": b"", "path": ""}


def test_counts(tmp_path):
    tables = write_tables(tmp_path, {"busi": BUSI, "bus_bra": BUS_BRA})
    result = summarise(tables, make_cohort(tables))
    assert list(result["datasets"]) == ["bus_bra", "busi"]
    busi = result["datasets"]["busi"]
    assert (busi["published"], busi["read"], busi["left_out"]) == (8, 6, {"broken": 2})
    assert (busi["patients"], busi["clusters"]) == (5, 3)
    assert busi["flags"] == {"overlay": 2, "no_mask": 1, "near_duplicate": 3, "label_conflict": 2}
    assert (busi["redundant"], busi["conflicts"]) == (3, 2)
    assert sum(sum(classes.values()) for classes in busi["splits"].values()) == 6
    usable = sum((Counter(classes) for classes in busi["usable"].values()), Counter())
    assert usable == {"benign": 1, "normal": 1}
    assert result["all"]["across"] == 1
    assert result["all"]["left_out"] == {"broken": 4}
    assert sum(result["all"]["pixels"].values()) == 5


@pytest.fixture(scope="module")
def cohort(
    real_data: Path, published, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Any]]:
    """Return the cohort of the real files, read without masks' measures and overlays."""
    blank = dict.fromkeys(field.name for field in schema.arrow_schema("real"))

    def thin(dataset: str) -> Callable[[Entry], dict[str, Any]]:
        def row(entry: Entry) -> dict[str, Any]:
            image = entry.load()
            own = {"dataset": dataset, "source_file": entry.source_file, "flags": [], "notes": []}
            own["signature"] = make_thumbnail(to_grey(image.pixels))
            return blank | own | {"image": NO_PIXELS} | image.stated

        return row

    slim = published.table.drop_columns(["image", "mask", "ignore"]).to_pylist()
    datasets = {"breast": [blank | row | {"image": NO_PIXELS} for row in slim]}
    with ThreadPoolExecutor() as pool:
        for name, folder in REAL.items():
            entries = list_images(name, real_data / folder).entries
            datasets[name] = list(pool.map(thin(name), entries))
    return make_cohort(write_tables(tmp_path_factory.mktemp("real"), datasets)).to_pylist()


def test_the_known_near_duplicates_are_clusters_and_no_pair_leaks(cohort, real_data):
    found = {row["source_file"]: row for row in cohort if row["dataset"] == "busi"}
    known = defaultdict(list)
    with (real_data / "BUSI" / "near_duplicate_clusters.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            known[row["dup_cluster"]].append(found["/".join(row["image"].split("/")[-2:])])
    pairs = [pair for rows in known.values() for pair in itertools.combinations(rows, 2)]
    assert len(pairs) == 172
    assert all(a["cluster_id"] == b["cluster_id"] for a, b in pairs)
    assert all(a["split"] == b["split"] for a, b in pairs)
    assert all(sum(row["duplicate_of"] is None for row in rows) <= 1 for rows in known.values())


def test_labels_that_contradict_each_other_are_exactly_the_known_ones(cohort):
    flagged = {row["sample_id"] for row in cohort if "label_conflict" in row["flags"]}
    assert flagged == {f"busi-{name}" for group in CONFLICTS for name in group}


def test_patients_with_numbers_are_joined_only_where_they_are_one(cohort):
    numbered = [row for row in cohort if row["dataset"] != "busi"]
    names = {(row["patient_id"], row["cluster_id"]) for row in numbered}
    joined = {patient: cluster for patient, cluster in names if patient != cluster}
    assert joined == ONE_PATIENT
    sides = defaultdict(set)
    for row in cohort:
        sides[row["cluster_id"]].add(row["split"])
    assert all(len(side) == 1 for side in sides.values())
    shares = Counter(side.pop() for side in sides.values())
    assert shares["train"] / shares.total() == pytest.approx(0.7, abs=0.04)
