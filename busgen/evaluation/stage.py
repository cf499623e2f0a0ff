"""The quality stage: a release's scores, its headline metrics, and the tables that DVC plots.

In: a release folder and the parameters of what it is compared with. Out: a folder with
`scores.json` (everything), `summarise.json` (single numbers, for `dvc metrics`), `marginals.csv`,
`acceptance.csv`; of a release that its limits refuse, in another folder.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from busgen import folders, io
from busgen.errors import DataError
from busgen.evaluation import compare_reference
from busgen.evaluation.limits import check, require_release
from busgen.evaluation.reference import REFERENCE, load_reference
from busgen.evaluation.release_statistics import count_duplicates, find_previous
from busgen.metrics.spaces.registry import OURS
from busgen.params.quality import QualityParams

if TYPE_CHECKING:
    import duckdb

Record = dict[str, Any]
KIND = "quality of a release"
COUNTS = ("requested", "accepted")
FIELDS: Sequence[str] = (
    "pathology", "birads", "tissue", "shape", "orientation", "margin", "echo_pattern",
    "posterior", "halo", "calcification", "scanner",
)  # fmt: skip
STRATA = """
    select pathology, shape, count(*), count(*) filter (accepted),
        histogram(reason) filter (not accepted)
    from attempts group by 1, 2 order by 1, 2
"""


def write_scores(release: Path, folder: Path, params: QualityParams, refused: Path) -> None:
    """Write the scores of a release to `folder`, which stays without if a limit refuses it.

    They then stand in the folder `refused`, whose earlier scores are removed if it is not.
    Raises `UserError` if a limit refuses the release (after its scores are written), what is asked
    for is not there, or either folder holds anything but earlier scores.
    """
    with folders.lock_folder(folder, KIND), folders.lock_folder(refused, KIND):
        scores = measure(release, params)
        target = refused if scores["limits"]["refused"] else folder
        with folders.write_folder(target, KIND) as partial:
            save(scores, release, partial)
        require_release(scores["limits"], refused / "scores.json")
        folders.remove_written(refused)


def save(scores: Mapping[str, Any], release: Path, folder: Path) -> None:
    """Write what was measured on a release, and what was realised of its requests, to `folder`."""
    counts = count_requests(release / "index.parquet")
    io.write_text(folder / "scores.json", io.dumps({**scores, "realised": counts}))
    io.write_text(folder / "metrics.json", io.dumps(summarise(scores, counts)))
    acceptance = []
    for row in counts["strata"]:
        stratum, attempts = f"{row['pathology']}, {row['shape'] or 'no mass'}", row["attempts"]
        share = {"attempts": attempts, "acceptance": row["accepted"] / attempts}
        acceptance.append({"stratum": stratum} | share)
    for name, rows in (("marginals", _marginals(counts["fields"])), ("acceptance", acceptance)):
        io.write_text(
            folder / f"{name}.csv", pd.DataFrame(rows).map(io.to_cell).to_csv(index=False)
        )


def measure(release: Path, params: QualityParams) -> Record:
    """Return everything that is measured on a release, and its ``limits`` (`limits.check`).

    What `compare_reference.compare` returns, with ``near_duplicates`` (`count_duplicates`),
    ``beside_real``: scores against real data (`_score`) or, where none is given, against the
    reference's coordinates (`_score_features`), and ``repeats`` where earlier releases are.
    """
    reference = load_reference(params.reference)
    record = compare_reference.compare(release, reference, params.max_samples)
    record["near_duplicates"] = count_duplicates(release)
    scores = record["headline"] | pool(record) | {"near_duplicates": record["near_duplicates"]}
    compared = (_score if params.real else _score_features)(release, params)
    real = "needs real images (quality.real)"
    reasons = {n: real for n in params.limits if not (params.real or n.startswith("ks_"))}
    scores, reasons = scores | compared["scores"], reasons | compared["skipped"]
    if compared["scores"]:
        record["beside_real"] = compared
    if params.previous:
        record["repeats"] = find_previous(release, params.previous, params.max_samples)
        scores |= {"repeats": record["repeats"]["score"]}
    else:
        reasons |= {"repeats": "needs earlier releases (quality.previous)"}
    return record | {"limits": check(params.limits, scores, reasons)}


def _score_features(release: Path, params: QualityParams) -> Record:
    """Return ``scores``, ``skipped`` and ``notes`` against the reference's held-out patients."""
    from busgen.evaluation import held_out_features  # brings torch

    path = (params.reference or REFERENCE) / held_out_features.FILE
    if not path.is_file():
        return {"scores": {}, "skipped": {}, "notes": []}
    held_out = held_out_features.load_held_out(path)
    return vars(held_out_features.score_release(release, held_out, params.max_samples))


def _score(release: Path, params: QualityParams) -> Record:
    """Return ``scores``, ``skipped``, ``notes`` and ``thresholds`` of a release and real data.

    Its distances in each space, copies and privacy (`busgen.evaluation.compare_real`).
    """
    from busgen.evaluation import compare_real, held_out_features  # bring torch
    from busgen.evaluation.score_sets import Options

    spaces = [*OURS, *(n for n in held_out_features.learned_spaces() if n not in OURS)]
    spaces += [str(params.extractor)] if params.extractor else []
    request = Options(most=params.max_samples, allow_code=params.allow_code)
    assert params.real
    sets = compare_real.open_sets(release, params.real, request)
    comparison = compare_real.embed(sets, spaces, request, lambda _: None)
    far = compare_real.distances(comparison, request.draws)
    near = compare_real.measure_privacy(comparison, request.draws)
    scores = {**far.scores, **near["scores"], "copies": compare_real.find_copies(comparison)}
    skipped = {**far.skipped, **near["skipped"]}
    fid = [score for name, score in far.scores.items() if name.startswith("fid_")]
    if fid:
        scores["fid"] = fid[0]
    else:
        skipped["fid"] = "needs a feature extractor (quality.extractor)"
    return {**near, "scores": scores, "skipped": skipped, "notes": list(far.notes)}


def pool(scores: Mapping[str, Any]) -> Record:
    """Return the headline of both classes together, ``<name>.pooled``."""
    return {f"{name}.pooled": score for name, score in scores["pooled"]["headline"].items()}


def summarise(scores: Mapping[str, Any], counts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the headline as single numbers: counts, then each score's value and floor.

    Beside them the release's ``verdict`` and that of each of its ``limits``.
    """
    headline = scores["headline"] | pool(scores)
    strata = pd.DataFrame(counts["strata"])
    attempts, accepted = int(strata["attempts"].sum()), int(strata["accepted"].sum())
    requested = sum(term["requested"] for term in counts["fields"]["pathology"].values())
    return {
        "accepted": accepted,
        "acceptance": accepted / attempts,
        "unfilled": requested - accepted,
        "scores": {name: score["value"] for name, score in headline.items()},
        "floors": {name: score["floor"] for name, score in headline.items()},
        "verdict": scores["limits"]["verdict"],
        "limits": {row["name"]: row["verdict"] for row in scores["limits"]["rows"]},
    }


def count_requests(index: Path) -> dict[str, Any]:
    """Return requested against accepted counts, and acceptance by stratum.

    Raises `DataError` if the index cannot be read.

    It holds ``fields[field][term]`` = ``{"requested", "accepted"}``: findings (first attempts) and
    accepted samples; margin terms are counted each. ``strata``: one record for each pathology and
    shape with ``attempts, accepted, reasons``.
    """
    import duckdb

    try:
        attempts = ds.dataset(index, format="parquet")
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError("index.parquet must be readable", error, "run busgen verify") from error
    with duckdb.connect() as connection:
        connection.register("attempts", attempts)
        fields = {name: _count_field(connection, name) for name in FIELDS}
        strata = connection.execute(STRATA).fetchall()
    keys = ("pathology", "shape", "attempts", "accepted", "reasons")
    return {"fields": fields, "strata": [dict(zip(keys, row, strict=True)) for row in strata]}


def _count_field(connection: "duckdb.DuckDBPyConnection", name: str) -> dict[str, dict[str, int]]:
    """Return {term: {"requested", "accepted"}} of one field; null is "not applicable"."""
    term = f"unnest({name})" if name == "margin" else name
    counted = connection.execute(
        f"select term::varchar, count(*) filter (attempt = 0), count(*) filter (accepted) "
        f"from (select {term} as term, attempt, accepted from attempts) "
        "where term is not null group by 1 order by 1"
    ).fetchall()
    return {term: dict(zip(COUNTS, counts, strict=True)) for term, *counts in counted}


def _marginals(fields: Mapping[str, Mapping[str, Mapping[str, int]]]) -> list[dict[str, Any]]:
    """Return requested and realised share of each term of each field."""
    rows = []
    for name, terms in fields.items():
        request, got = (sum(term[key] for term in terms.values()) or 1 for key in COUNTS)
        for term, counts in terms.items():
            asked, realised = counts["requested"] / request, counts["accepted"] / got
            rows.append({"term": f"{name}: {term}", "requested": asked, "realised": realised})
    return rows
