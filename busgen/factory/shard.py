"""One shard: requested findings -> masks -> images -> measures -> verdicts -> one Parquet file.

In: a `ShardSpec` (ids and paths, no data). Out: the shard file and its manifest, each renamed into
place when whole, the manifest last: a shard without a valid manifest does not exist. What its own
gates reject, the shard tries again by itself, an attempt a file.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from busgen import io, schema
from busgen.compute.cores import on_all_cores
from busgen.errors import DataError
from busgen.factory.plan import (
    Plan,
    Resolution,
    draw_findings,
    from_record,
    image_engine_of,
)
from busgen.factory.sample_row import SHARD_SCHEMA, to_row
from busgen.factory.versions import code_version, find_tools
from busgen.gates.judged_scores import Judges, ask_judges
from busgen.gates.scores import score_copies
from busgen.images.contract import ImageEngine
from busgen.masks.engines import load_mask_engine
from busgen.masks.raster import MaskEngine
from busgen.priors.draw import select_terms
from busgen.priors.findings import Finding
from busgen.priors.network import Prior, make_prior
from busgen.priors.request import Request, parse_request
from busgen.similarity.known_images import KnownImages, load_known

CHUNK = 32  # images in memory at once, or those of one family
FIRST = 16  # samples of a shard's first chunk
ROW_GROUP = 100

Manifest = dict[str, Any]
OnProgress = Callable[[int], None]


@dataclass(frozen=True)
class ShardSpec:
    """A shard to make: in round `attempt`, attempt number `attempt` at each of `samples`.

    Under `vary` each of these stands for a whole family. `alone` is how many attempts more it may
    make at findings that their own gates reject; `repeats` says that its findings are of the whole
    set, tried again as they repeated others. `judges`, `mask_model` and `model` are the folders of
    the judges that the plan asks and of the engines' weights, None for those that ship; `known` are
    files and releases whose images none may be a copy of.
    """

    work: str
    attempt: int
    number: int
    samples: tuple[int, ...]
    alone: int = 0
    repeats: bool = False
    judges: Path | None = None
    mask_model: Path | None = None
    model: str | None = None
    known: tuple[Path, ...] = ()

    @property
    def path(self) -> Path:
        """Where the shard file stands once it is whole."""
        kind = "repeats" if self.repeats else "shard"
        name = f"round-{self.attempt:02d}-{kind}-{self.number:05d}.parquet"
        return Path(self.work) / "shards" / name

    @property
    def tools(self) -> "ShardSpec":
        """What of it decides the tools: all shards of one plan share them."""
        return replace(self, attempt=0, number=0, samples=(), alone=0, repeats=False)


class _Tools(NamedTuple):
    """What a worker needs to make any shard of one plan."""

    plan: Plan
    prior: Prior
    asked: Request
    at_once: int  # samples, or families, whose pixels are in memory
    mask_engine: MaskEngine
    image_engine: ImageEngine
    judges: Judges | None
    known: KnownImages | None


@lru_cache(maxsize=2)
def read_plan(work: Path) -> Plan:
    """Return the plan that a work folder was made for, read once a process."""
    return from_record(io.read_json(work / "plan.json"))


@lru_cache(maxsize=2)
def load_tools(spec: ShardSpec) -> _Tools:
    """Return the tools for all shards of the work folder and models of `spec`, once a process."""
    plan = read_plan(Path(spec.work))
    here = ("judges", "mask_model", "model", "known")
    request = plan.request.model_copy(update={name: getattr(spec, name) for name in here})
    requested, found = parse_request(request.where, request.text, request.targets), plan.resolution
    _require_versions(found)
    masks = load_mask_engine(request.mask_engine, request.size_px, spec.mask_model)
    images = image_engine_of(request)
    _require("mask engine", masks.sha256, found.mask_engine_sha256)
    _require("image engine", images.sha256, found.engine_sha256)
    judges, known = None, load_known(request.known) if request.known else None
    if found.judges_sha256 is not None:
        from busgen.judges.judges import load_judges

        judges = load_judges(request.judges, request.device)
        _require("judges", judges.sha256, found.judges_sha256)
    if known is not None:
        _require("known images", known.sha256, found.known_sha256)
    at_once = CHUNK // len(select_terms(request.vary, requested)) if request.vary else CHUNK
    prior = make_prior(found.prior)
    return _Tools(
        Plan(request, found), prior, requested, max(1, at_once), masks, images, judges, known
    )


def _require(part: str, got: str, planned: str | None) -> None:
    """Raise `DataError` unless a part that decides bytes has the hash that the plan says."""
    if got != planned:
        rule = f"the {part} must be the plan's ({str(planned)[:12]})"
        raise DataError(rule, got[:12], "run again: a new plan is made")


def _require_versions(found: Resolution) -> None:
    """Raise `DataError` unless code and libraries are the plan's: a worker may be elsewhere."""
    planned = {"busgen": found.code_version, **found.tools}
    here = {"busgen": code_version(), **find_tools()}
    if other := [f"{name} {here[name]}" for name in here if here[name] != planned.get(name)]:
        rule = "every worker must have the versions of the plan"
        raise DataError(rule, ", ".join(other), "install the same on all machines")


def run_shard(spec: ShardSpec, tick: OnProgress | None = None) -> Manifest:
    """Make one shard with its retries and return its manifest; `tick(k)` is told of k findings.

    A function of the specification and the work folder's plan alone: rerun, the same bytes.
    """
    manifest = _make(spec, tick)
    following = _retry(spec, manifest)
    while following := find_attempts(following)[1]:
        _make(following, tick)
    return manifest


def find_attempts(spec: ShardSpec | None) -> tuple[list[ShardSpec], ShardSpec | None]:
    """Return a shard and its retries as far as they stand, and the first that does not, if any."""
    standing = []
    while spec and (manifest := _read_manifest(spec)):
        standing.append(spec)
        spec = _retry(spec, manifest)
    return standing, spec


def _retry(spec: ShardSpec, manifest: Manifest) -> ShardSpec | None:
    """Return the next attempt at what a shard's own gates rejected, None if there is none."""
    if not (spec.alone and manifest["failed"]):
        return None
    following = replace(spec, attempt=spec.attempt + 1, alone=spec.alone - 1)
    return replace(following, samples=tuple(manifest["failed"]))


def _make(spec: ShardSpec, tick: OnProgress | None) -> Manifest:
    """Make one attempt at a shard's findings."""
    tools = load_tools(spec.tools)
    rows: list[dict[str, Any]] = []
    first = min(FIRST, tools.at_once)  # soon something is counted
    starts = [0, *range(first, len(spec.samples), tools.at_once), len(spec.samples)]
    for start, end in pairwise(starts):
        samples = spec.samples[start:end]
        rows += _rows(tools, samples, spec.attempt)
        if tick:
            tick(len(samples))
    table = pa.Table.from_pylist(rows, schema=SHARD_SCHEMA)
    with io.replace_file(spec.path) as partial:
        pq.write_table(table, partial, row_group_size=ROW_GROUP, use_dictionary=False)
        digest = io.sha256_file(partial)
    families = groupby(rows, lambda row: row["family_id"])
    passed = [all(row["accepted"] for row in members) for _, members in families]
    manifest = {
        "shard": spec.path.name,
        "plan_sha256": tools.plan.shards_sha256,
        "samples": list(spec.samples),
        "failed": [sample for sample, ok in zip(spec.samples, passed, strict=True) if not ok],
        "passed": sum(row["accepted"] for row in rows),
        "sha256": digest,
    }
    io.write_text(spec.path.with_suffix(".json"), io.dumps(manifest))
    return manifest


def _rows(tools: _Tools, samples: tuple[int, ...], attempt: int) -> list[dict[str, Any]]:
    """Return the rows of `samples`, pixels included."""
    findings = draw_findings(tools.plan, tools.prior, tools.asked, samples, attempt)
    masks = tools.mask_engine.draw(findings)
    if tools.plan.request.vary in schema.SHARING:
        _require_shared_masks(findings, masks)
    images = tools.image_engine.render(findings, masks)
    judged = ask_judges(findings, masks, images, tools.judges)
    alike = score_copies(images, tools.known)
    scores = [own | copy for own, copy in zip(judged, alike, strict=True)]
    judge = partial(to_row, gates=tools.plan.request.gates, attempt=attempt)
    with on_all_cores() as pool:
        return list(pool.map(judge, findings, masks, images, scores))


def _require_shared_masks(findings: Sequence[Finding], masks: NDArray[np.uint8]) -> None:
    """Raise `DataError` if neighbours of one family have different masks (N, H, W)."""
    for (one, other), (first, second) in zip(pairwise(findings), pairwise(masks), strict=True):
        if one.family_id == other.family_id and not np.array_equal(first, second):
            rule = "a family must share its mask: the mask engine must not draw by what varies"
            got = f"{one.sample_id} and {other.sample_id} differ"
            raise DataError(rule, got, "vary another field, or choose another mask engine")


def is_done(spec: ShardSpec) -> bool:
    """Whether the shard stands whole: manifest readable, for this plan, and hash as it says."""
    return _read_manifest(spec) is not None


def _read_manifest(spec: ShardSpec) -> Manifest | None:
    """Return the manifest of a shard that stands whole, else None."""
    try:
        manifest = io.read_json(spec.path.with_suffix(".json"))
        whole = (
            manifest["plan_sha256"] == read_plan(Path(spec.work)).shards_sha256
            and manifest["samples"] == list(spec.samples)
            and {*manifest["failed"]} <= {*spec.samples}
            and manifest["sha256"] == io.sha256_file(spec.path)
        )
    except (DataError, KeyError, TypeError, OSError):
        return None
    return manifest if whole else None
