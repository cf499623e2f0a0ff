"""A tiny real chain, once a session: findings, masks, phantoms, gates, release, scores, report."""

from dataclasses import asdict, dataclass
from pathlib import Path

import fault_reports
import numpy as np
import pyarrow as pa
import pytest

from busgen import io
from busgen.evaluation.reference import Reference, write_reference
from busgen.evaluation.stage import write_scores
from busgen.factory.library import run_shards
from busgen.factory.plan import resolve
from busgen.factory.rounds import run
from busgen.gates.calibration.bounds import calibrate
from busgen.gates.calibration.real_samples import SCHEMA, SCORES
from busgen.imaging.statistics import MEASURED
from busgen.params.gates import Gate
from busgen.params.generate import GenerateParams
from busgen.params.quality import QualityParams
from busgen.params.release import ReleaseParams
from busgen.real.readers.registry import DATASETS
from busgen.release.write import write_release
from busgen.report.evidence import Evidence, Sources, gather
from busgen.report.report import write_report
from busgen.schema import JUDGED

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


def make_samples() -> pa.Table:
    """Return 120 images' worth of numbers, three datasets in turn, that no patient gave."""
    pick = np.random.default_rng(5)
    rows = [
        {
            "dataset": ("breast", "bus_bra", "busi")[k % 3],
            "scanner": ("BrEaST", "Ünit 7", "BUSI")[k % 3],
            "pathology": ("benign", "malignant")[k % 2],
            "echo_pattern": "hypoechoic" if k % 3 == 0 else None,
            "split": ("validation", "test")[k // 2 % 2],
            "patient": k // 2,
            "clean": True,
            **dict(zip(MEASURED, pick.uniform(0, 1, len(MEASURED)).tolist(), strict=True)),
            **{f"gate_{name}": float(pick.uniform(0, 1)) for name in SCORES},
        }
        for k in range(120)
    ]
    return pa.Table.from_pylist(rows, SCHEMA)


def make_facts(samples: pa.Table) -> dict[str, object]:
    """Return what a reference tells beside its samples."""
    return {
        "size_px": 64,
        "sources": [asdict(DATASETS[name]) for name in ("breast", "bus_bra", "busi")],
        "judges_sha256": None,
        "calibrated": calibrate(samples),
        "proof": fault_reports.proof(),
        "descriptor_auc": {"value": 0.9, "n": 252},
        "cleaning": fault_reports.cleaning(),
    }


def make_chain(root: Path, params: GenerateParams) -> Chain:
    parts = (root / name for name in ("release", "candidates", "quality é", "reference", "judges"))
    sources = Sources(*parts, root / "prior.checks.json")
    io.write_text(root / "judges" / "scores.json", io.dumps(fault_reports.judges()))
    io.write_text(root / "prior.checks.json", io.dumps(fault_reports.checks()))
    samples = make_samples()
    write_reference(Reference(make_facts(samples), samples), sources.reference)
    run(resolve(params), sources.candidates, run_shards)
    write_release(sources.candidates, sources.release, ReleaseParams(title=TITLE))
    request = QualityParams(reference=sources.reference)
    write_scores(sources.release, sources.quality, request, root / "refused")
    chain = Chain(sources, root / "report ü")
    write_report(sources, chain.folder, GALLERY)
    return chain


@pytest.fixture(scope="session")
def families(tmp_path_factory) -> Chain:
    """Return families that vary the posterior features, some without a lesion."""
    names = ("grey_sd", "sharpness", "saturated", *JUDGED)
    params = GenerateParams(
        engine="phantom",
        mask_engine="curvature",
        n=6,
        size_px=64,
        vary="posterior",
        targets={"pathology": {"benign": 0.4, "malignant": 0.4, "normal": 0.2}},
        max_attempts=2,
        max_unfilled=1.0,
        gates=dict.fromkeys(names, Gate(action="off")) | {"contrast": Gate(min=12.0)},
    )
    return make_chain(tmp_path_factory.mktemp("families é"), params)


@pytest.fixture(scope="session")
def margins(tmp_path_factory) -> Chain:
    """Return families that vary the margin, and so the mask."""
    params = GenerateParams(
        engine="phantom",
        n=3,
        size_px=64,
        vary="margin",
        where=("pathology=malignant",),
        gates={name: Gate(action="off") for name in GenerateParams().gates},
    )
    return make_chain(tmp_path_factory.mktemp("margins é"), params)


@pytest.fixture(scope="session")
def chain(tmp_path_factory) -> Chain:
    """Return benign, malignant and normal samples; one gate rejects, one only flags."""
    params = GenerateParams(
        engine="phantom",
        mask_engine="curvature",
        n=64,
        size_px=64,
        targets={"pathology": {"benign": 0.45, "malignant": 0.45, "normal": 0.1}},
        max_attempts=2,
        max_unfilled=1.0,
        gates={
            "contrast": Gate(min=24.0),
            "grey_sd": Gate(action="off"),
            "sharpness": Gate(action="flag", min=0.4),
            "saturated": Gate(action="off"),
            **{name: Gate(action="off") for name in JUDGED},
        },
    )
    return make_chain(tmp_path_factory.mktemp("mixed é"), params)


@pytest.fixture(scope="session")
def evidence(chain) -> Evidence:
    return gather(chain.sources)


@pytest.fixture(scope="session")
def one_class(tmp_path_factory):
    """Return a function that makes a small release of one class whose gates reject nothing."""
    names = ("contrast", "grey_sd", "saturated", "sharpness", *JUDGED)
    off = dict.fromkeys(names, Gate(action="off"))

    def make(pathology: str) -> Chain:
        params = GenerateParams(
            engine="phantom",
            mask_engine="curvature",
            n=4,
            size_px=64,
            where=(f"pathology={pathology}",),
            gates=off,
        )
        return make_chain(tmp_path_factory.mktemp(pathology), params)

    return make
