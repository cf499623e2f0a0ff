"""The whole chain, from a real dataset to what the release teaches; by Dask too; slow."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from checkout import (
    NEEDED,
    PIPELINE,
    busgen,
    call,
    change,
    one_server,
    run,
    small_clone,
    stages_run,
)

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not PIPELINE, reason=NEEDED)]


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """Return a small clone, nothing run."""
    return small_clone(tmp_path_factory.mktemp("chain") / "a clone ü")


@pytest.fixture(scope="module", autouse=True)
def _server(tmp_path_factory):
    with one_server(tmp_path_factory.mktemp("server")):
        yield


def test_dask_makes_the_plain_loops_bytes(clone, tmp_path):
    learned = {"engine": "diffusion", "mask_engine": "semantic_curvature"}
    change(clone, "generate", seed=10, runner="dask", workers=2, n=20, **learned)
    assert "generate" in stages_run(run(clone))
    busgen(clone, "generate", "--params", "params.yaml", "--out", tmp_path / "plain")
    generated = (clone / "data/release/index.parquet").read_bytes()
    assert generated == (tmp_path / "plain/index.parquet").read_bytes()
    change(clone, "generate", runner="threads", workers=1)
    assert stages_run(run(clone)) == []  # who makes the bytes decides none


def test_the_chain_starts_from_a_real_dataset(clone, real_data, tmp_path):
    change(clone, "real", datasets={"breast": str(real_data / "BrEaST")})
    learned = {"mask_engine": "semantic_curvature", "mask_model": "data/models/masks"}
    change(clone, "generate", prior="data/priors/prior.json", **learned)
    change(clone, "train_masks", steps=60, batch=16, width=32, layers=1)
    change(clone, "quality", reference="data/reference")
    change(clone, "report", downstream="data/downstream")
    few_steps = dict.fromkeys(("classification", "segmentation"), 4)
    change(clone, "downstream", arms=["real_augmented", "real_synthetic_1"], seeds=1,
           folds=1, steps=few_steps)  # fmt: skip
    tiny = {"members": 1, "size_px": 32, "widths": [4, 8], "epochs": 1}
    change(clone, "train_judges", segmenter=tiny | {"polish": 0}, classifier=tiny | {"blind": 0})
    few = {"steps": 2, "batch": 2}
    change(
        clone,
        "train_images",
        autoencoder=few | {"rate": 1e-3},
        flow=few | {"widths": [32, 64], "views": 1},
        guided=few,
        last_steps={"steps": 0},  # this one looks at them all
        decoder={"steps": 0},  # its training draws all images, ...
        levels={"rounds": 1, "drawn": 2},
        adapter=few | {"views": 1},
    )
    ran = stages_run(run(clone, "--all"))
    assert set(ran) == {"real@breast", "cohort", "reference", "priors", "train_judges",
                        "train_masks", "train_images", "generate", "release", "quality",
                        "downstream", "report"}  # fmt: skip
    assert (clone / "data/models/judges/scores.json").is_file()
    check_the_stage_downstream(clone)
    for which in ("images", "masks"):
        card = (clone / f"data/models/{which}/README.md").read_text(encoding="utf-8")
        assert "| breast |" in card
    assert "sound" in busgen(clone, "verify", "data/release")
    assert (clone / "data/report/index.html").stat().st_size > 100_000
    (tmp_path / "read").mkdir()
    (tmp_path / "read/breast").symlink_to(clone / "data/real/breast")
    (tmp_path / "read/cohort").symlink_to(clone / "data/cohort")
    busgen(clone, "train", "images", tmp_path / "read", "--start", "data/models/images",
           "--adapt", "breast", "--rank", "2", "--params", "params.yaml",
           "--out", tmp_path / "adapted")  # fmt: skip
    result = json.loads((tmp_path / "adapted/adapters/breast/adapter.json").read_text("utf-8"))
    assert result["params"]["rank"] == 2
    for scores in result["held_out"].values():
        assert scores["loss"] > 0
        assert scores["kid_us64"]["value"] > scores["kid_us64"]["floor_limit"]  # two steps: noise
        assert 0 <= scores["dice"]["value"] < scores["dice"]["real"]
    busgen(clone, "calibrate", tmp_path / "read", "--planted", 8, "--out", tmp_path / "calibrated")
    facts = json.loads((tmp_path / "calibrated/reference.json").read_text("utf-8"))
    assert facts["calibrated"]["together"]["n_test"] > 0
    assert facts["proof"]
    change(clone, "generate", n=6, known=[str(tmp_path / "calibrated/known.safetensors")])
    busgen(clone, "generate", "--params", "params.yaml", "--out", tmp_path / "unlike")
    result = pq.read_table(tmp_path / "unlike/index.parquet")["copy_similarity"]
    assert result.null_count == 0


def check_the_stage_downstream(clone: Path) -> None:
    """Check its outcome, and that another release repeats only the arms with its images."""
    gain = downstream_headline(clone)["classification"]["breast"]["gain"]
    assert gain["low"] <= gain["value"] <= gain["high"]
    shown = json.loads(call(clone, "dvc", "metrics", "show", "data/downstream/metrics.json",
                            "--json"))  # fmt: skip
    assert json.dumps(gain["value"]) in json.dumps(shown)
    trained = {path: path.stat().st_mtime_ns for path in runs_in(clone)}
    assert len(trained) == 4  # two tasks, two arms
    change(clone, "generate", seed=12)
    assert "downstream" in stages_run(run(clone))  # as the report shows it
    assert {path: path.stat().st_mtime_ns for path in trained} == trained
    new = [
        json.loads(path.read_text("utf-8"))["run"]["arm"] for path in {*runs_in(clone)} - {*trained}
    ]
    assert new == ["real_synthetic_1"] * 2


def runs_in(clone: Path) -> list[Path]:
    """Return the records of trainings that are kept."""
    return sorted(clone.glob("data/work/downstream/runs/*/run.json"))


def downstream_headline(clone: Path) -> dict:
    return json.loads((clone / "data/downstream/metrics.json").read_text("utf-8"))["headline"]
