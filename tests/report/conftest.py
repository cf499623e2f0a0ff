"""A tiny real chain, once a session: findings, masks, phantoms, gates, release, scores, report."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from busgen.factory.library import run_here
from busgen.factory.plan import resolve
from busgen.factory.rounds import make_candidates
from busgen.params import Gate, GenerateParams, ReleaseParams
from busgen.quality.stage import write_quality
from busgen.release.write import write_release
from busgen.report.evidence import Evidence, gather
from busgen.report.report import Sources, write_report

REFERENCE = Path(__file__).resolve().parents[2] / "busgen/assets/reference/breast.json"
TITLE = "Brüste <b>& “Test”"
GALLERY = 2


@dataclass(frozen=True)
class Chain:
    """What the report was made from, and the folder it is in."""

    sources: Sources
    folder: Path

    @property
    def page(self) -> Path:
        """Path of the page."""
        return self.folder / "index.html"

    @property
    def html(self) -> str:
        """The page."""
        return self.page.read_text(encoding="utf-8")


def make_chain(root: Path, params: GenerateParams) -> Chain:
    sources = Sources(root / "release", root / "candidates", root / "quality é", REFERENCE)
    make_candidates(resolve(params), sources.candidates, run_here)
    write_release(sources.candidates, sources.release, ReleaseParams(title=TITLE))
    write_quality(sources.release, REFERENCE, sources.quality, max_samples=1000)
    chain = Chain(sources, root / "report ü")
    write_report(sources, chain.folder, GALLERY)
    return chain


@pytest.fixture(scope="session")
def chain(tmp_path_factory) -> Chain:
    """Return benign, malignant and normal samples; one gate rejects, one only flags."""
    params = GenerateParams(
        n=64,
        size_px=64,
        targets={"pathology": {"benign": 0.45, "malignant": 0.45, "normal": 0.1}},
        max_attempts=2,
        max_unfilled=1.0,
        gates={
            "contrast": Gate(min=20.0),
            "sharpness": Gate(action="flag", min=0.4),
            "saturated": Gate(action="off"),
        },
    )
    return make_chain(tmp_path_factory.mktemp("mixed é"), params)


@pytest.fixture(scope="session")
def evidence(chain) -> Evidence:
    return gather(chain.sources)


@pytest.fixture(scope="session")
def one_class(tmp_path_factory):
    """Return a function that makes a small release of one class whose gates reject nothing."""
    off = dict.fromkeys(("contrast", "grey_sd", "saturated", "sharpness"), Gate(action="off"))

    def make(pathology: str) -> Chain:
        params = GenerateParams(n=4, size_px=64, where=(f"pathology={pathology}",), gates=off)
        return make_chain(tmp_path_factory.mktemp(pathology), params)

    return make
