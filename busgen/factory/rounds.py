"""The rounds: which attempts are still to be made, and which of those made are accepted.

In: a plan and the shards that stand. Out: shard specifications (`plan_round`) and the finished
candidates folder (`run`). The requested findings are fixed; a rejected one is tried again until
accepted or out of attempts: gates cannot bend the distribution.

Findings that their own gates reject are tried again by the shard that made them, which asks nobody
(`shard.run_shard`). What repeats another sample is known over the whole set alone: such findings
are tried again in shards of their own, once all others stand.

A counterfactual family is accepted or rejected, and so retried, as a whole: its members share
their seed, so one of them cannot be tried again alone, and a family that lost its hard terms would
bend the distribution. A sample that no field varies is a family of its own.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from busgen import io, schema
from busgen.errors import DataError, UnfilledError
from busgen.factory.plan import Plan, to_record
from busgen.factory.sample_row import SHARD_SCHEMA
from busgen.factory.shard import Manifest, OnProgress, ShardSpec, is_done
from busgen.factory.verdicts import COLUMNS, DUPLICATE, Verdicts, judge
from busgen.params.generate import GenerateParams

RESOLVED = {"mask_engine_sha256", "engine_sha256", "prior_sha256", "code_version"}  # in each row
INDEX = schema.arrow_schema("index")
PLACES = ("judges", "mask_model", "model", "known")  # on this machine
MOST = 4  # times as many attempts as the request's `max_attempts` that one finding can take
RunAll = Callable[[Sequence[ShardSpec]], Iterable[Manifest]]


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
    failed: Sequence[int] = range(plan.request.n)
    repeats: Sequence[int] = ()
    fresh: set[int] = set()  # shards of the first round that this run makes, retries and all
    left = plan.request.max_attempts * plan.request.n
    for attempt in range(MOST * plan.request.max_attempts):
        left -= len(failed) + len(repeats)
        if left < 0:
            break
        specs = plan_round(plan, work, attempt, failed, repeats)
        todo = [spec for spec in specs if not is_done(spec)]
        standing = {*specs} - {*todo}
        tick(sum(len(s.samples) for s in standing if s.repeats or s.number not in fresh))
        fresh |= {spec.number for spec in todo if not spec.repeats}
        for _ in run_all(todo):
            pass  # what they made is read from disk, as after a kill
        rejected, own, again = {}, list[int](), list[int]()
        for spec in specs:
            settled = judge(_read(spec, COLUMNS), gate, known)
            done.append((spec, settled))
            for sample, family in zip(spec.samples, settled.families, strict=True):
                if not family.accepted:
                    rejected[sample] = family.name
                    (again if spec.repeats or family.passed else own).append(sample)
        failed, repeats = own, sorted(again)
        if not rejected:
            break
    _finish(plan, work, done, rejected)


def plan_round(
    plan: Plan, work: Path, attempt: int, failed: Sequence[int], repeats: Sequence[int] = ()
) -> list[ShardSpec]:
    """Return the shards that make attempt number `attempt` at each of these samples.

    `failed` are sorted samples that their own gates rejected, in the first round all: each stays in
    its shard. `repeats` are sorted samples that ever repeated another one.
    """
    size = plan.request.shard_size
    own = {k: tuple(samples) for k, samples in groupby(failed, lambda sample: sample // size)}
    cuts = {k: tuple(repeats[k * size :][:size]) for k in range(-(-len(repeats) // size))}
    chosen = {name: _absolute(getattr(plan.request, name)) for name in PLACES}
    alone = max(0, plan.request.max_attempts - 1 - attempt)
    return [
        *(ShardSpec(str(work), attempt, k, own[k], alone, **chosen) for k in own),
        *(ShardSpec(str(work), attempt, k, cuts[k], repeats=True, **chosen) for k in cuts),
    ]


def _absolute(place: Any) -> Any:  # noqa: ANN401 - of the types that places have
    """Return paths as a worker in another folder finds them; what is no path here, as it is."""
    if isinstance(place, tuple):
        return tuple(map(_absolute, place))
    return type(place)(Path(place).absolute()) if place and Path(place).exists() else place


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
