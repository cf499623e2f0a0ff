"""Whether small requests are met: figures of `busgen bench priors`.

In: the default and twenty conditions, ten seeds each but for some. Out: how many runs of 40
findings end, and how many of those with counts have them exactly. Images are the phantom's, 64 px:
what is asked is whether gates and attempts fill a request, not how it looks.
"""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq

from busgen.bench.harness import Bar, Figure, share
from busgen.errors import UnfilledError
from busgen.factory import rounds
from busgen.factory.library import run_shards
from busgen.factory.plan import resolve
from busgen.params.generate import GenerateParams

N, RUNS, SIDE = 40, 200, 64
CONDITIONS: tuple[tuple[str, ...], ...] = (
    (),
    *((f"pathology={term}",) for term in ("benign", "malignant", "normal")),
    *((f"shape={term}",) for term in ("oval", "round", "irregular")),
    *((f"margin includes {term}",) for term in ("indistinct", "angular", "spiculated")),
    *((f"echo_pattern={term}",) for term in ("anechoic", "hyperechoic", "isoechoic")),
    *((f"posterior={term}",) for term in ("enhancement", "shadowing")),
    *((f"birads={term}",) for term in ("2", "4c", "5")),
    ("halo=yes",),
    ("orientation=not_parallel",),
    ("size_mm=4..8",),
)
COUNTS = {"pathology.malignant": 13, "pathology.benign,shape.oval": 12}

BARS = {"requests_met": Bar(">=", 1.0), "counts_exact": Bar(">=", 1.0)}


def figures(*, quick: bool = False) -> dict[str, Figure]:
    """Return the shares of runs; `quick` makes one with counts and one without."""
    runs, counted = (1, 1) if quick else (RUNS, RUNS // 10)
    met = [_run(CONDITIONS[k % len(CONDITIONS)], k) is not None for k in range(runs)]
    exact = [_run((), k, COUNTS) == COUNTS for k in range(counted)]
    return {"requests_met": share(sum(met), runs), "counts_exact": share(sum(exact), counted)}


def _run(
    where: tuple[str, ...], seed: int, counts: Mapping[str, int] | None = None
) -> dict[str, int] | None:
    """Return how many accepted findings of each of `COUNTS` a run has, None if it is not met."""
    params = GenerateParams(
        n=N,
        size_px=SIDE,
        seed=seed,
        where=where,
        counts=dict(counts or {}),
        engine="phantom",
        mask_engine="curvature",
    )
    with TemporaryDirectory(prefix="busgen-bench-") as scratch:
        try:
            rounds.run(resolve(params), Path(scratch), run_shards)
        except UnfilledError:
            return None
        rows = pq.read_table(Path(scratch) / "index.parquet").to_pylist()
    found = [(row["pathology"], row["shape"]) for row in rows if row["accepted"]]
    malignant = sum(pathology == "malignant" for pathology, _ in found)
    return dict(zip(COUNTS, (malignant, found.count(("benign", "oval"))), strict=True))
