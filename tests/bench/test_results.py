"""The pages of results and the command that writes them."""

import shutil
from pathlib import Path

import pytest
from documents import ROOT

from busgen.bench.harness import Bar, Figure
from busgen.bench.results import BEGIN, END, result_pages
from busgen.io import dumps, read_json


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """Return a folder that is enough of a checkout to write the pages in."""
    shutil.copytree(ROOT / "docs/results", tmp_path / "docs/results")
    assets = ("images/evidence/bench.json", "downstream/metrics.json")
    others = ("README.md", "dvc.yaml", "params.yaml")
    for path in (*(f"busgen/assets/{name}" for name in assets), *others):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_pages_show_what_the_json_says(checkout):
    figure = read_json(checkout / "docs/results/quality.json")["figures"]["real_refused"]
    page = result_pages(checkout)[Path("docs/results/quality.md")]
    low, high = figure["interval"]
    assert f"{figure['value']:.4g} ({low:.4g} to {high:.4g}) | {figure['n']} | <= 0.05" in page
    assert f"Commit: `{read_json(checkout / 'docs/results/quality.json')['commit']}`" in page


def test_a_changed_figure_is_found_and_written_anew(checkout, call):
    assert call("bench", "--check")[0] == 0
    path = checkout / "docs/results/factory.json"
    record = read_json(path)
    record["figures"]["dataset_s"]["value"] = 206.2
    path.write_text(dumps(record))
    code, _, error = call("bench", "--check")
    assert code == 2
    assert "a generated page must be up to date" in error
    assert call("bench", "--write")[0] == 0
    assert "206.2 s" in (checkout / "docs/results/factory.md").read_text(encoding="utf-8")
    assert "206.2 s" in (checkout / "README.md").read_text(encoding="utf-8")
    assert call("bench", "--check")[0] == 0


def test_a_measured_record_is_kept_with_its_circumstances(checkout, call, monkeypatch):
    from busgen.bench.phantom import benchmark

    figures = {key: Figure(0.5, "share", 4) for key in benchmark.BARS}
    monkeypatch.setattr(benchmark, "measure", lambda *, quick: figures)
    assert call("bench", "phantom", "--json")[0] == 0
    assert call("bench", "phantom", "--write", "--note", "a quiet night")[0] == 0
    record = read_json(checkout / "docs/results/phantom.json")
    assert record["note"] == "a quiet night"
    assert "source" not in record
    page = (checkout / "docs/results/phantom.md").read_text(encoding="utf-8")
    assert "**a quiet night**" in page
    assert all(isinstance(bar, Bar) for bar in benchmark.BARS.values())


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        ((), "a benchmark must be named"),
        (("phantom", "--check"), "a record that is kept must be a whole measurement"),
        (("phantom", "--write", "--quick"), "a record that is kept must be a whole measurement"),
    ],
)
def test_what_makes_no_sense_is_refused(checkout, call, words, rule):
    code, _, error = call("bench", *words)
    assert code == 2
    assert rule in error


def test_readme_without_markers_is_refused(checkout, call):
    readme = checkout / "README.md"
    readme.write_text(readme.read_text(encoding="utf-8").replace(BEGIN, "").replace(END, ""))
    code, _, error = call("bench", "--write")
    assert code == 2
    assert "must hold" in error
