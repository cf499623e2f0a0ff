"""The prior's JSON: read, written, hashed, and refused where it is no prior."""

import copy
import json

import pytest

from busgen.errors import DataError
from busgen.priors.network import NODES, load_prior, make_prior, save_prior


def test_saved_prior_is_the_same_prior(prior, tmp_path):
    save_prior(prior, tmp_path / "größe prior.json")
    assert load_prior(tmp_path / "größe prior.json").sha256 == prior.sha256


def test_hash_follows_content_not_layout(prior, tmp_path):
    path = tmp_path / "p.json"
    path.write_text(json.dumps(dict(reversed(prior.record.items()))), encoding="utf-8")
    assert load_prior(path).sha256 == prior.sha256


def test_every_table_names_its_source(prior):
    assert all(prior.record["discrete"][name]["source"] for name in NODES)
    assert all(entry["source"] for entry in prior.record["sizes"].values())


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            ("discrete", "shape", "table", "suspicious", "oval"),
            0.9,
            "shape.suspicious must sum to 1",
        ),
        (("discrete", "shape", "table", "suspicious", "square"), 0.1, "must give probabilities to"),
        (("discrete", "shape", "table", "begnin"), {}, "unknown 'begnin'"),
        (("discrete", "halo", "given"), ["edge"], "halo must be given pathology first"),
        (("discrete", "birads", "points", "shape", "square"), 1.0, "unknown 'square'"),
        (("discrete", "birads", "cuts", "benign"), [0, 1, 2, 4, 3], "5 ascending numbers"),
        (("discrete", "shape", "given"), ["pathology", "margin"], "earlier nodes only, got margin"),
        (("colour",), "grey", "unknown 'colour'"),
        (("discrete", "tissue", "table", "heterogeneous"), -0.1, r"probabilities in \[0, 1\]"),
        (("sizes", "log_area_fraction", "table", "benign", "sd"), 0, "finite, sd > 0"),
        (("sizes", "log_area_fraction", "table", "benign", "low"), 0, "low < high"),
        (("sizes", "frame", "table", "side"), 0.4, "leave half of the image"),
        (("discrete", "field_mm", "table", "linear_7mhz"), {"4": 1.0}, r"in \[10, 200\] mm"),
    ],
)
def test_what_is_no_prior_is_refused(prior, path, value, message):
    record = copy.deepcopy(prior.record)
    part = record
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    with pytest.raises(DataError, match=message):
        make_prior(record)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.json must be a JSON file"):
        load_prior(tmp_path / "none.json")
