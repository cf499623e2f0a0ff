"""How the release came to be, and how to make and check it again.

In: `Evidence`. Out: labelled facts, the command line, the parameters as YAML, sources.
"""

import shlex
from collections.abc import Mapping
from typing import Any

import yaml

from busgen.factory.plan import NOT_RECORDED, Plan
from busgen.params.generate import GenerateParams
from busgen.params.release import ReleaseParams
from busgen.priors.network import load_prior
from busgen.report import words
from busgen.report.evidence import Evidence
from busgen.similarity.known_images import REAL, RELEASE

# what the command line of `busgen generate` can say; everything else needs a parameter file
_ON_COMMAND_LINE = ("n", "seed", "size_px", "where", "text", "targets", "counts", "vary", "engine",
                    "mask_engine")  # fmt: skip
KNOWN = {REAL: "real images", RELEASE: "earlier releases"}
Facts = tuple[tuple[str, str], ...]


def make_section(evidence: Evidence) -> Facts:
    """Return what decided every byte, as (label, value)."""
    plan, provenance = evidence.plan, evidence.provenance
    request, found = plan.request, plan.resolution
    known = found.known_sha256
    kinds = " and ".join(KNOWN[kind] for kind in found.known_kinds) or "images of kinds not stated"
    return (
        ("Plan", str(provenance["plan_sha256"])),
        ("Root seed", str(request.seed)),
        ("Image size", f"{request.size_px} × {request.size_px} pixels, 8-bit grey"),
        ("Clinical prior", f"{found.prior['name']}, {found.prior_sha256}"),
        ("Mask engine", f"{request.mask_engine}, {found.mask_engine_sha256}"),
        ("Image engine", f"{request.engine}, {found.engine_sha256}"),
        ("Held against, as copies of", f"{kinds}, {known}" if known else "no known image"),
        ("Code", found.code_version),
        ("Tools", ", ".join(f"{name} {v}" for name, v in sorted(provenance["tools"].items()))),
        ("Licence of the data", str(provenance["licence"])),
    )


def _to_params(plan: Plan) -> dict[str, Any]:
    """Return the plan as the `generate` section of params.yaml that leads to it."""
    published = plan.resolution.prior_sha256 == load_prior().sha256
    request = plan.request.model_dump(mode="json", exclude=NOT_RECORDED)
    return request | {"prior": None if published else "prior.json"}


def to_yaml(plan: Plan, release: Mapping[str, Any]) -> str:
    """Return `_to_params` and those of the stage `release` as the text of a params.yaml."""
    sections = {"generate": _to_params(plan), "release": dict(release)}
    return yaml.safe_dump(sections, sort_keys=True, allow_unicode=True)


def to_command(plan: Plan, release: Mapping[str, Any]) -> str:
    """Return the command line that makes the same release; see `needs_file`."""
    request = plan.request
    parts = ["busgen", "generate", "--n", str(request.n), "--seed", str(request.seed)]
    parts += ["--size", str(request.size_px)]
    parts += [part for condition in request.where for part in ("--set", condition)]
    parts += ["--text", request.text] if request.text else []
    for name, shares in request.targets.items():
        if isinstance(shares, dict):
            for term, share in shares.items():
                parts += ["--target", f"{name}.{term}={share}"]
        elif shares:
            parts += ["--target", name]
    for key, count in request.counts.items():
        parts += ["--count", f"{key}={count}"]
    parts += ["--vary", request.vary] if request.vary else []
    parts += ["--engine", request.engine, "--mask-engine", request.mask_engine]
    parts += ["--params", "params.yaml"] if needs_file(plan, release) else []
    return shlex.join([*parts, "--out", "DIR"])


def needs_file(plan: Plan, release: Mapping[str, Any]) -> bool:
    """Whether something was set that the command line cannot say: a gate's bound, a title."""
    if release != ReleaseParams().model_dump(mode="json"):
        return True
    defaults = GenerateParams().model_dump(mode="json")
    size, usual = plan.request.shard_size, defaults["shard_size"]
    rest = {k: v for k, v in _to_params(plan).items() if k not in _ON_COMMAND_LINE}
    rest["shard_size"] = usual if plan.request.n <= size else size
    return any(value != defaults[key] for key, value in rest.items())


def list_sources(plan: Plan) -> Facts:
    """Return where each of the prior's tables comes from, as (field, source)."""
    prior = plan.resolution.prior
    tables = {**prior["discrete"], **prior["sizes"]}
    named = ((name, entry["source"]) for name, entry in tables.items() if isinstance(entry, dict))
    return tuple((words.name_field(name), source) for name, source in named)
