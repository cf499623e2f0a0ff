"""The rounds: which attempts are still to be made, and which of those made are accepted.

In: a plan and the shards that stand. Out: shard specifications (`plan_round`), verdicts over the
whole set (`judge`), and the finished candidates folder (`_finish`). The requested findings are
fixed; a rejected one is tried again until accepted or out of attempts: gates cannot bend the
distribution.

A counterfactual family is accepted or rejected, and so retried, as a whole: its members share
their seed, so one of them cannot be tried again alone, and a family that lost its hard terms would
bend the distribution. A sample that no field varies is a family of its own.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from busgen import io, schema
from busgen.errors import DataError, UnfilledError
from busgen.factory.plan import Plan, to_record
from busgen.factory.shard import SHARD_SCHEMA, Manifest, OnProgress, ShardSpec, is_done
from busgen.params.gates import Gate
from busgen.params.generate import GenerateParams
from busgen.similarity import search

RESOLVED = {"mask_engine_sha256", "engine_sha256", "prior_sha256", "code_version"}  # in each row
INDEX = schema.arrow_schema("index")
MOST = 4  # times as many attempts as the request's `max_attempts` that one finding can take
DUPLICATE = "duplicate_distance"
FAMILY = "family"  # the reason of a member that passed where another did not
COLUMNS = ["sample_id", "family_id", "image_dhash", "accepted", "reason"]
RunAll = Callable[[Sequence[ShardSpec]], Iterable[Manifest]]


class Verdicts(NamedTuple):
    """Verdicts over one shard's rows, and the families in it, in order, with theirs.

    `distance` and `duplicate_of` are of the nearest accepted image of another, earlier family.
    """

    accepted: NDArray[np.bool_]
    reason: list[str | None]
    distance: NDArray[np.int64]
    duplicate_of: list[str | None]
    families: tuple[tuple[str, bool], ...]


def run(plan: Plan, work: Path, run_all: RunAll, tick: OnProgress = lambda _: None) -> None:
    """Make all rounds in `work` and finish the candidates there.

    `run_all` maps `shard.run_shard` over specifications: with the builtin `map`, or as Prefect
    tasks; shards that stand are not made again, and `tick` is told of their samples. Raises
    `UnfilledError` if more findings than the request allows ran out of attempts, or all. A finding
    has `max_attempts`, and those that others did not need, up to `MOST` times as many.
    """
    for partial in work.rglob(".*.partial"):  # of a killed run
        partial.unlink(missing_ok=True)
    io.write_text(work / "plan.json", io.dumps(to_record(plan)))
    gate = plan.request.gates[DUPLICATE]
    known: dict[str, int] = {}
    done: list[tuple[ShardSpec, Verdicts]] = []
    rejected: dict[int, str] = {}
    missing: Sequence[int] = range(plan.request.n)
    left = plan.request.max_attempts * plan.request.n
    for attempt in range(MOST * plan.request.max_attempts):
        left -= len(missing)
        if left < 0:
            break
        specs = plan_round(plan, work, attempt, missing)
        standing = {spec for spec in specs if is_done(spec)}
        tick(sum(len(spec.samples) for spec in standing))
        for _ in run_all([spec for spec in specs if spec not in standing]):
            pass  # what they made is read from disk, as after a kill
        rejected = {}
        for spec in specs:
            settled = judge(_read(spec, COLUMNS), gate, known)
            done.append((spec, settled))
            found = zip(spec.samples, settled.families, strict=True)
            rejected |= {sample: name for sample, (name, ok) in found if not ok}
        missing = list(rejected)
        if not missing:
            break
    _finish(plan, work, done, rejected)


def plan_round(plan: Plan, work: Path, attempt: int, missing: Sequence[int]) -> list[ShardSpec]:
    """Return the shards that make attempt number `attempt` at each of the `missing` samples."""
    request = plan.request
    starts = range(0, len(missing), request.shard_size)
    parts = [tuple(missing[start : start + request.shard_size]) for start in starts]
    places = (request.judges, request.mask_model, request.model, request.known)
    return [
        ShardSpec(str(work), attempt, number, samples, *places)
        for number, samples in enumerate(parts)
    ]


def _finish(
    plan: Plan, work: Path, done: Sequence[tuple[ShardSpec, Verdicts]], unfilled: Mapping[int, str]
) -> None:
    """Write `unfilled.json` and, last, `index.parquet`: one thin row for every attempt."""
    standing = {spec.path for spec, _ in done}
    for path in (work / "shards").glob("*.parquet"):  # of an earlier run that asked for others
        if path not in standing:
            path.with_suffix(".json").unlink(missing_ok=True)
            path.unlink()
    io.write_text(work / "unfilled.json", io.dumps({"unfilled": list(unfilled.values())}))
    if len(unfilled) > _allowed(plan.request):
        raise _unfilled(plan, done, set(unfilled.values()))
    index = work / "index.parquet"
    with io.replace_file(index) as partial, pq.ParquetWriter(partial, INDEX) as writer:
        for rows in _index(plan, done):
            writer.write_table(rows)


def _allowed(request: GenerateParams) -> int:
    """Return how many findings may stay unfilled: the share, but one of several unless it is 0."""
    several = request.max_unfilled > 0 and request.n > 1
    return max(int(request.max_unfilled * request.n), int(several))


def _index(plan: Plan, done: Iterable[tuple[ShardSpec, Verdicts]]) -> Iterator[pa.Table]:
    """Yield each shard's thin rows with the verdicts over the whole set."""
    gate = plan.request.gates[DUPLICATE]
    names = [name for name in INDEX.names if name in SHARD_SCHEMA.names]
    constant = {
        **plan.request.model_dump(include={"mask_engine", "engine"}),
        **plan.resolution.model_dump(include=RESOLVED),
        "split": None,
    }
    for spec, settled in done:
        rows = _read(spec, names)
        repeats = [not gate.passes(float(d)) for d in settled.distance]
        flags = [
            [*flags, DUPLICATE] if repeat and gate.action == "flag" else flags
            for flags, repeat in zip(rows["flags"].to_pylist(), repeats, strict=True)
        ]
        columns: dict[str, Any] = {name: [value] * len(rows) for name, value in constant.items()}
        columns |= {
            "accepted": settled.accepted,
            "reason": settled.reason,
            "flags": flags,
            DUPLICATE: settled.distance.astype(np.float64),
            "duplicate_of": settled.duplicate_of,
        }
        yield pa.table(
            [columns.get(n, rows[n] if n in names else None) for n in INDEX.names], INDEX
        )


def _unfilled(
    plan: Plan, done: Sequence[tuple[ShardSpec, Verdicts]], unfilled: set[str]
) -> UnfilledError:
    """Return the error that names the strata of unfilled findings, acceptance and reasons."""
    tried: dict[str, list[str]] = {}  # reasons of attempts, empty where accepted
    hit: set[str] = set()
    columns = ["pathology", "shape", "echo_pattern", "family_id"]
    for spec, settled in done:
        rows = _read(spec, columns).to_pylist()
        for row, ok, reason in zip(rows, settled.accepted, settled.reason, strict=True):
            stratum = "/".join(str(row[c]) for c in columns[:3])
            tried.setdefault(stratum, []).append("" if ok else str(reason))
            if row["family_id"] in unfilled:
                hit.add(stratum)
    worst = sorted(hit, key=lambda s: (tried[s].count("") / len(tried[s]), s))[:5]
    strata = "; ".join(
        f"{s} accepted {tried[s].count('')} of {len(tried[s])}, rejected by "
        + ", ".join(f"{k} ({n})" for k, n in Counter(filter(None, tried[s])).most_common(2))
        for s in worst
    )
    return UnfilledError(
        f"at most {_allowed(plan.request)} of {plan.request.n} findings may run out of attempts"
        f", {plan.request.max_attempts} for each, those of easy ones left to hard ones",
        f"{len(unfilled)} ({strata})",
        "raise --max-attempts (what is made is kept), take what there is with --allow-unfilled, "
        "ask for other findings, or mend the gate or engine that rejects",
    )


def _read(spec: ShardSpec, columns: list[str]) -> pa.Table:
    """Return `columns` of a shard that stands; raise `DataError` if it does not."""
    try:
        return pq.read_table(spec.path, columns=columns)
    except (OSError, pa.ArrowException) as error:
        rule = f"shard {spec.path.name} must be a readable Parquet file"
        raise DataError(rule, error, "run again") from error


def judge(shard: pa.Table, gate: Gate, known: dict[str, int]) -> Verdicts:
    """Return the verdicts of one shard's rows and add the accepted ones to `known`.

    In the order of families, so that of two equal images the earlier is kept, on any machine.
    Members of one family may look alike: they are compared with other families only.
    `shard` has `COLUMNS` of its rows, the members of a family one after the other; `gate` bounds
    `duplicate_distance`; `known` are samples accepted before, in the order of shards, with hashes.
    """
    hashes = shard["image_dhash"].to_numpy()
    passed = shard["accepted"].to_numpy(zero_copy_only=False)
    ids, names = shard["sample_id"].to_pylist(), shard["family_id"].to_pylist()
    earlier = list(known)
    distance, where = search.nearest(hashes, np.array(list(known.values()), np.int64))
    nearest: list[str | None] = [earlier[w] if w >= 0 else None for w in where]
    accepted = np.zeros(len(ids), bool)
    families = []
    starts = [row for row in range(len(ids)) if row == 0 or names[row] != names[row - 1]]
    for start, end in pairwise([*starts, len(ids)]):
        here = np.flatnonzero(accepted[:start])
        near, at = search.nearest(hashes[start:end], hashes[here])
        for row in np.flatnonzero(near < distance[start:end]):
            distance[start + row], nearest[start + row] = near[row], ids[here[at[row]]]
        repeats = _repeats(distance[start:end], gate)
        accepted[start:end] = (passed[start:end] & ~repeats).all()
        families.append((names[start], bool(accepted[start])))
    known.update({ids[row]: int(hashes[row]) for row in np.flatnonzero(accepted)})
    own, repeats = shard["reason"].to_pylist(), _repeats(distance, gate)
    reasons = [  # its own, else that it repeats, else that its family is lost
        reason or (None if ok else DUPLICATE if repeat else FAMILY)
        for reason, ok, repeat in zip(own, accepted, repeats, strict=True)
    ]
    return Verdicts(accepted, reasons, distance, nearest, tuple(families))


def _repeats(distance: NDArray[np.int64], gate: Gate) -> NDArray[np.bool_]:
    """Return which rows the gate rejects."""
    if gate.action != "reject":
        return np.zeros(len(distance), bool)
    return np.array([not gate.passes(float(d)) for d in distance], bool)


def count(index: Path) -> list[dict[str, Any]]:
    """Return attempts, accepted and the commonest reason by pathology and shape."""
    import duckdb

    query = """
        select pathology, coalesce(shape, '-') as shape, count(*) as attempts,
               count(*) filter (where accepted) as accepted,
               coalesce(mode(reason), '-') as commonest_reason
        from read_parquet(?) group by all order by all
    """
    names = ("pathology", "shape", "attempts", "accepted", "commonest_reason")
    with duckdb.connect() as connection:
        rows = connection.execute(query, [str(index)]).fetchall()
    return [dict(zip(names, row, strict=True)) for row in rows]
