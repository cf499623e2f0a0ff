"""Documents: generated pages are today's, no figure is typed, links hold, the walk is true."""

import importlib
import inspect
import re
import subprocess
import sys

import pytest
import yaml
from documents import ROOT, blocks, commands, prose, written_by_hand

from busgen.bench.harness import NAMES
from busgen.bench.results import result_pages
from busgen.cli import app
from busgen.cli.reference import reference_pages
from busgen.io import read_json
from busgen.params.load import Params, check
from busgen.params.real import DatasetMap

README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = ROOT / "docs" / "results"
NUMBERED = re.compile(  # names that hold a point, not figures
    r"Python 3\.\d+|Stable Diffusion 1\.5|CC BY 4\.0|Apache-2\.0|arXiv:? ?\d{4}\.\d{4,5}|doi:\S+"
)
DECIMAL = re.compile(r"(?<![\w.])\d*\.\d+")


def test_readme_is_a_door():
    assert len(README.splitlines()) <= 170
    assert "SYNTHETIC DATA - NOT FOR CLINICAL USE" in README


@pytest.mark.parametrize("page", written_by_hand(), ids=lambda page: page.name)
def test_no_decimal_figure_is_typed_by_hand(page):
    assert DECIMAL.findall(NUMBERED.sub("", prose(page))) == []


def test_a_typed_figure_would_be_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "Dice .85, see `x=0.5` and [a](b.1.md)\n```sh\nbusgen --n 0.5\n```\nand 0.97 $p^{.5}$"
    )
    assert DECIMAL.findall(prose(page)) == [".85", "0.97"]


@pytest.mark.parametrize("make", [result_pages, reference_pages])
def test_generated_pages_are_todays(make):
    for path, text in make(ROOT).items():
        assert (ROOT / path).read_text(encoding="utf-8") == text, f"{path}: write it anew"


def test_every_bar_stands_in_the_results_and_no_other():
    pages = yaml.safe_load((RESULTS / "pages.yaml").read_text(encoding="utf-8"))
    records = {page["name"]: page["record"] for page in pages if "record" in page}
    assert set(records) == set(NAMES)
    for name, record in records.items():
        bars = importlib.import_module(f"busgen.bench.{name}.benchmark").BARS
        stated = read_json(ROOT / record)["bars"]
        assert set(stated) == set(bars)
        assert {key: bar["bound"] for key, bar in stated.items()} == {
            key: bar.bound for key, bar in bars.items()
        }


def test_headlines_are_some_eight_with_missed_bars_among_them():
    rows = re.findall(r"^\|.*\(docs/results/\w+\.md\) \|$", README, re.M)
    assert 8 <= len(rows) <= 10
    assert any("**no**" in row for row in rows)


def test_every_command_is_shown_and_every_shown_one_exists():
    known = {command.name or command.callback.__name__ for command in app.registered_commands}
    known |= {group.name for group in app.registered_groups}
    lines = [
        line
        for page in written_by_hand()
        for block in blocks(page)
        if block.language == "sh"
        for line in commands(block)
    ]
    shown = {line.split()[1] for line in lines if line.startswith("busgen ")} - {"--version"}
    assert shown == known


@pytest.mark.parametrize("page", written_by_hand(), ids=lambda page: page.name)
def test_parameters_that_are_shown_are_parameters(page):
    for block in blocks(page):
        if block.language == "yaml" and "apiVersion" not in block.text:
            shown = yaml.safe_load(block.text)
            check(DatasetMap if "images" in shown else Params, shown, page.name)


def walk() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return each thing that goes down the rooms with its rows (room, function)."""
    text = (ROOT / "docs/method/architecture.md").read_text(encoding="utf-8")
    parts = re.split(r"^### (The \w+(?: \w+)?)$", text.split("\n## The walk")[1].split("\n## ")[0],
                     flags=re.M)  # fmt: skip
    rows = [re.findall(r"^\| (\w+) \| `busgen\.([\w.]+)` \|", part, re.M) for part in parts[2::2]]
    return list(zip(parts[1::2], rows, strict=True))


@pytest.mark.parametrize(("thing", "rows"), walk(), ids=lambda value: value[:11])
def test_what_a_dataset_is_made_of_goes_down_the_rooms_and_never_up(thing, rows):
    text = (ROOT / "docs/method/architecture.md").read_text(encoding="utf-8")
    order = ["seeds", *next(b for b in re.findall(r"```text\n(stats .*?)```", text, re.S)).split()]
    assert len(rows) >= 4
    places = [order.index(room) for room, _ in rows]
    assert places == sorted(places)
    for room, name in rows:
        assert name.split(".")[0] == room
        assert takes(thing, resolve(f"busgen.{name}")), name


def resolve(name: str) -> object:
    """Return the function or method of a dotted name."""
    module, attribute = name.rsplit(".", 1)
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError:
        return getattr(resolve(module), attribute)


def takes(thing: str, function: object) -> bool:
    """Whether a function takes or makes the thing, by its signature."""
    signature = inspect.signature(function)
    request = [str(one) for one in signature.parameters.values()]
    words = " ".join([*request, str(signature.return_annotation)])
    if thing == "The finding":
        return "Finding" in words
    if thing == "The seed":
        return bool(re.search(r"\bseed: int|\broot: int", words))
    return "Path" in words or "Sources" in words or "Params" in words


def test_the_site_builds_strictly_and_asks_nothing_of_others(tmp_path):
    pytest.importorskip("material", reason="no mkdocs-material: pip install '.[docs]'")
    command = ["mkdocs", "build", "--strict", "--quiet", "--config-file", "docs/site/mkdocs.yml"]
    words = [sys.executable, "-m", *command, "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r"<(?:script|img|iframe)[^>]*src=\"?https?:", text), page
        assert not re.findall(r"<link[^>]*rel=\"?stylesheet\"?[^>]*href=\"?https?:", text), page
    equations = (tmp_path / "site/method/prior.html").read_text(encoding="utf-8")
    assert "<math" in equations
    assert "arithmatex" not in equations


def test_readmes_links_lead_somewhere():
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / link).exists(), link


def test_plate_is_small():
    assert (ROOT / "docs/plate.png").stat().st_size <= 400_000


def test_a_page_that_names_no_record_is_refused(tmp_path):
    from busgen.errors import UserError

    (tmp_path / "docs/results").mkdir(parents=True)
    page = {"name": "x", "title": "X", "question": "?", "command": "c", "record": "nowhere.json"}
    (tmp_path / "docs/results/pages.yaml").write_text(yaml.safe_dump([page]))
    (tmp_path / "docs/results/words.yaml").write_text("{}")
    with pytest.raises(UserError, match="a page must name a record"):
        result_pages(tmp_path)
