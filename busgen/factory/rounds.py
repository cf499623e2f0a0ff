"""The rounds: which attempts are still to be made, and which of those made are accepted.

In: a plan and the shards that stand. Out: shard specifications (`plan_round`), verdicts over the
whole set (`verdicts.judge`), and the finished candidates folder (`_finish`). The requested
findings are fixed; a rejected one, with its family, is tried again until accepted or out of
attempts: gates cannot bend the distribution.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from busgen import io, schema
from busgen.errors import DataError, UnfilledError
from busgen.factory.plan import Plan, to_record
from busgen.factory.shard import SHARD_SCHEMA, Manifest, OnProgress, ShardSpec, is_done
from busgen.factory.verdicts import COLUMNS, DUPLICATE, Verdicts, judge
from busgen.params.generate import GenerateParams

RESOLVED = {"mask_engine_sha256", "engine_sha256", "prior_sha256", "code_version"}  # in each row
INDEX = schema.arrow_schema("index")
MOST = 4  # times as many attempts as the request's `max_attempts` that one finding can take
RunAll = Callable[[Sequence[ShardSpec]], Iterable[Manifest]]


def run(plan: Plan, work: Path, run_all: RunAll, tick: OnProgress = lambda _: None) -> None:
    """Make all rounds in `work` and finish the candidates there.

    `run_all` maps `shard.run_shard` over specifications: with the builtin `map`, or as Prefect
    tasks; shards that stand are not made again, and `tick` is told of their samples. Raises
    `UnfilledError` if more findings than the request allows ran out of attempts, or all. A finding
    has `max_attempts`, and those that others did not need, up to `MOST` times as many.
    """
    prepare(plan, work)
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


def prepare(plan: Plan, work: Path) -> None:
    """Make the work folder ready: the plan written, leftovers of a killed run removed."""
    for partial in work.rglob(".*.partial"):
        partial.unlink(missing_ok=True)
    io.write_text(work / "plan.json", io.dumps(to_record(plan)))


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
