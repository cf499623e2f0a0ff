"""A run in parts, on machines that know nothing of each other, and what makes them a release.

In: the same parameters on every machine, the number of a part, a place that all of them reach
(`WorkStore`). Out: that part's shards there; of all of them, the release that one process makes,
byte for byte. A part is a function of the plan alone: there is no server, and nobody waits.

A part makes its shards and tries again, up to the request's `max_attempts`, what their own gates
reject (`shard.run_shard`). Whatever depends on the whole set is `merge`'s: which images repeat
another one, the attempts that are left after that, index and release.
"""

import json
import re
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from busgen import io
from busgen.errors import DataError, UserError
from busgen.factory.library import make_release
from busgen.factory.plan import TOLD, Plan, resolve, to_record
from busgen.factory.rounds import plan_round
from busgen.factory.shard import OnProgress, ShardSpec, find_attempts, run_shard
from busgen.factory.work_store import WorkStore, open_store
from busgen.folders.manifests import Say
from busgen.params.base import check
from busgen.params.load import Params

PLAN, REQUEST = "plan.json", "request.json"
NAMED = 5  # missing shards, in a message


class Part(NamedTuple):
    """Part `number`, from 0, of `parts`: the shards whose number leaves it, divided by `parts`."""

    number: int
    parts: int


class PartOutcome(NamedTuple):
    """How many shards a part has of the whole run's, how many were made now, their findings."""

    shards: int
    whole: int
    made: int
    findings: int


def parse_part(words: str) -> Part:
    """Return the part that ``3/64`` names; `UserError` if it is none."""
    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", words)
    if not found or int(found[1]) >= int(found[2]):
        rule = "--shard must be PART/PARTS, the parts counted from 0"
        raise UserError(rule, repr(words), "e.g. --shard 0/64 to --shard 63/64")
    return Part(int(found[1]), int(found[2]))


def make_part(
    params: Params, part: Part, place: str, tick: OnProgress = lambda _: None
) -> PartOutcome:
    """Make the shards of one part of the run that `params` ask for, at `place`.

    Killed and called again, on any machine, it makes what is missing; called twice at once, both
    write the same bytes. Raises `UserError` if `place` holds another run, `StorageError` if it
    cannot be reached.
    """
    plan, store = resolve(params.generate), open_store(place)
    with store.open_folder() as folder:
        _join(store, plan, params)
        io.write_text(folder / PLAN, io.dumps(to_record(plan)))
        whole = plan_round(plan, folder, 0, range(plan.request.n))
        own, made = whole[part.number :: part.parts], 0
        for spec in own:
            if pending := _fetch(store, spec):
                run_shard(pending, tick)
                for attempt in find_attempts(pending)[0]:
                    for path in (attempt.path, attempt.path.with_suffix(".json")):
                        store.publish(path.relative_to(folder).as_posix(), folder)
                made += 1
            else:
                tick(len(spec.samples))
            store.clear(folder)
        return PartOutcome(len(own), len(whole), made, sum(len(spec.samples) for spec in own))


def merge(
    place: str,
    out: Path,
    tick: OnProgress = lambda _: None,
    say: Say = lambda _: None,
) -> Plan:
    """Make the release `out` of the run whose shards stand at `place`, and return its plan.

    What repeats another sample, or is left over, is tried again here. `place` stays as it is.
    Raises `UserError` if shards are missing there, and names them, if this machine has other
    versions or weights than those that made them, and as `make_release` does.
    """
    store = open_store(place)
    record = _read(store, REQUEST)
    if record is None or _read(store, PLAN) is None:
        rule = f"{place} must hold what `busgen generate --shard` made"
        raise UserError(rule, f"no {PLAN}", "name the place that --work named")
    return make_release(check(Params, record, place), out, tick, say, partial(_collect, store))


def _join(store: WorkStore, plan: Plan, params: Params) -> None:
    """Write what is asked for, the plan last, unless another part did; `UserError` if it differs.

    Of two parts at once both write: the same, but for the paths of weights and prior.
    """
    request = params.model_dump(mode="json", include={"generate", "release"})
    if _read(store, PLAN) is None:
        store.write(REQUEST, json.dumps(request, indent=2).encode())  # keys in their own order
        store.write(PLAN, io.dumps(to_record(plan)).encode())
    there = {**(_read(store, PLAN) or {}), "release": (_read(store, REQUEST) or {}).get("release")}
    _require_same(store, to_record(plan) | {"release": request["release"]}, there)


def _require_same(store: WorkStore, own: dict[str, Any], there: dict[str, Any]) -> None:
    """Raise `UserError` unless what decides bytes is in the store what it is here."""
    differ = [key for key in own if key not in ("sha256", *TOLD) and own[key] != there.get(key)]
    if differ:
        rule = "all parts of a run must be of the same request, weights and versions"
        got = f"others in {store.place}: {', '.join(differ)}"
        raise UserError(rule, got, "give what the other parts were given, or another place")


def _collect(store: WorkStore, plan: Plan, work: Path) -> None:
    """Bring the shards of all parts to the folder `work`; `UserError` if any is missing."""
    _require_same(store, to_record(plan), _read(store, PLAN) or {})
    io.write_text(work / PLAN, io.dumps(to_record(plan)))
    whole = plan_round(plan, work, 0, range(plan.request.n))
    if missing := [spec.number for spec in whole if _fetch(store, spec)]:
        rule = f"the {len(whole)} shards of the run must all stand in {store.place}"
        first = ", ".join(map(str, missing[:NAMED])) + (", ..." if len(missing) > NAMED else "")
        remedy = f"run their parts again, or one alone: --shard {missing[0]}/{len(whole)}"
        raise UserError(rule, f"{len(missing)} missing ({first})", remedy)


def _fetch(store: WorkStore, spec: ShardSpec) -> ShardSpec | None:
    """Bring a shard and its retries here; return the first that does not stand, None if all do."""
    tried, pending = None, find_attempts(spec)[1]
    while pending and pending != tried:
        for path in (pending.path, pending.path.with_suffix(".json")):
            store.fetch(path.relative_to(spec.work).as_posix(), Path(spec.work))
        tried, pending = pending, find_attempts(pending)[1]
    return pending


def _read(store: WorkStore, name: str) -> dict[str, Any] | None:
    """Return the JSON object of that name in the store, None if there is none."""
    data = store.read(name)
    try:
        record = None if data is None else io.parse_json(data)
    except ValueError as error:
        record = error
    if isinstance(record, dict | None):
        return record
    raise DataError(f"{name} in {store.place} must be a JSON object", record, "use another place")
