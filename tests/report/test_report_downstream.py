"""The section on what the images teach: from a comparison's folder to charts and tables."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from busgen import io
from busgen.downstream.results.compare import compare
from busgen.downstream.results.fairness import FINDINGS, match_sizes, score_groups
from busgen.release.contract.expectations import validate
from busgen.report.answers.questions import make_answers
from busgen.report.evidence import gather
from busgen.report.report import _gather_content, render
from busgen.report.sections.downstream import METRICS, PREDICTIONS, make_section, name_arm

ARMS = (
    "real_augmented",
    "synthetic",
    "real_synthetic_1",
    "real_augmented@10",
    "real_synthetic_1@10",
)
SHIFT = dict(zip(ARMS, (1.5, 0.8, 2.5, 0.5, 1.0), strict=True))


def predictions(n: int = 80) -> pd.DataFrame:
    """Return what models of known worth would say of two data sets, two seeds each."""
    rng, blank = np.random.default_rng(4), dict.fromkeys(FINDINGS)
    rows = []
    for test in ("busi", "bus_bra"):
        for arm in ARMS:
            for seed in range(2):
                malignant = np.arange(n) % 2 == 1
                probabilities = 1 / (1 + np.exp(-rng.normal(SHIFT[arm] * (malignant - 0.5), 1)))
                rows += [
                    {"task": "classification", "train": "busi", "test": test, "arm": arm,
                     "seed": seed, "fold": None, "sample_id": f"{test}-{k}", "patient": f"p{k}",
                     "scanner": "<b>é", "split": "test", "probability": probabilities[k],
                     "pathology": ("benign", "malignant")[k % 2], "lesion_share": 0.02 + k / 2000}
                    | blank
                    for k in range(n)
                ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder as `busgen downstream` writes it."""
    folder = tmp_path_factory.mktemp("downstream é")
    table = predictions()
    record = {
        "rehearsal": False,
        "seeds": 2,
        "folds": {},
        "levelled_off": {"classification/busi/real_augmented": False},
        "results": compare(table, {"": "pooled"}),
        "by_group": score_groups(table),
        "size_matched": match_sizes(table),
    }
    io.write_text(folder / METRICS, io.dumps(record))
    table.to_parquet(folder / PREDICTIONS)
    return folder


def test_a_forest_has_every_arm_of_the_data_sets_own_patients(folder):
    teaching = make_section(folder)
    (forest,) = teaching.forests
    assert [row["title"] for row in forest.rows] == [name_arm(name) for name in ARMS]
    assert [row["primary"] for row in forest.rows] == [False, False, True, False, False]
    assert forest.levelled_off is False
    ((_, primary),) = teaching.primaries
    low, high = primary["gain"]["interval"]
    assert low <= primary["gain"]["value"] <= high
    gains = [row["gain"] for row in forest.rows if row["gain"]]
    assert forest.ends[0] < min(gain["interval"][0] for gain in gains)
    assert forest.rows[0]["gain"] is None
    assert {row["saw"] for row in forest.rows} == {"–", "several data sets"}


def test_a_heat_map_has_a_cell_for_each_pair_of_data_sets(folder):
    _, _, tests, rows = make_section(folder).heats[0]
    assert (tests, [name for name, _ in rows]) == (("busi", "bus_bra"), ["busi"])
    assert all(cell["n"] == 80 for cell in rows[0][1])


def test_curves_tell_what_they_show(folder):
    teaching = make_section(folder)
    (curve,), (roc,) = teaching.curves, teaching.rocs
    assert "at 10 %" in curve.alt
    assert "80 images" in roc.alt
    found = {words.split(" finds ")[0].strip(): int(words.split(" finds ")[1].split()[0])
             for words in roc.alt.split(":")[1].split(";")}  # fmt: skip
    assert found["real and synthetic"] > found["real"] > found["synthetic alone"]


def test_arms_in_words():
    assert name_arm("real_synthetic_2:phantom@10") == (
        "Real, 2 synthetic to each, of phantom, 10 % of the patients"
    )
    assert name_arm("synthetic") == "Synthetic alone"


def test_the_page_has_the_section_where_there_is_a_comparison(chain, evidence, folder):
    contract = validate(chain.sources.release / "index.parquet", evidence.provenance["plan"])
    without = render("page.html", _gather_content(evidence, contract, 1))
    assert "What it teaches models" not in without
    taught = gather(replace(chain.sources, downstream=folder))
    page = render("page.html", _gather_content(taught, contract, 1))
    assert page.count('id="downstream"') == 1
    assert 'href="#downstream"' in page
    assert "the comparison fixed beforehand" in page
    assert "images of another generator" in page
    assert "&lt;b&gt;é" in page
    assert "<b>é" not in page


def test_only_this_generators_images_answer_for_it(evidence, folder):
    contract = validate(evidence.sources.release / "index.parquet", evidence.provenance["plan"])
    other = make_section(folder)
    names = ("engine_sha256", "mask_engine_sha256", "prior_sha256")
    own = replace(other, generator=evidence.plan.resolution.model_dump(include=set(names)))
    assert own.matches(evidence.plan)
    phrases = [
        next(one for one in make_answers(evidence, contract, taught) if one.name == "utility").n
        for taught in (other, own)
    ]
    assert phrases == ["", f"{len(own.primaries)} comparisons"]


def test_without_predictions_there_are_no_roc_curves(folder, tmp_path):
    (tmp_path / METRICS).write_bytes((folder / METRICS).read_bytes())
    teaching = make_section(tmp_path)
    assert teaching.rocs == ()
    assert [one.train for one in teaching.forests] == ["busi"]


def test_a_folder_without_a_comparison_has_no_section(tmp_path):
    assert make_section(None) is None
    assert make_section(tmp_path) is None
