"""How the release came to be, and how to make and check it again.

In: `Evidence`. Out: labelled facts, the command line, the parameters as YAML, sources.
"""

import shlex
from collections.abc import Mapping
from typing import Any

import yaml

from busgen.factory.plan import Plan
from busgen.params.generate import GenerateParams
from busgen.params.release import ReleaseParams
from busgen.priors.network import load_prior
from busgen.report import words
from busgen.report.evidence import Evidence
from busgen.similarity.known_images import REAL, RELEASE

# what the command line of `busgen generate` can say; everything else needs a parameter file
_ON_COMMAND_LINE = (
    "n",
    "seed",
    "size_px",
    "where",
    "text",
    "targets",
    "vary",
    "engine",
    "mask_engine",
)
KNOWN = {REAL: "real pictures", RELEASE: "earlier releases"}
Facts = tuple[tuple[str, str], ...]


def facts(evidence: Evidence) -> Facts:
    """Return what decided every byte, as (label, value)."""
    plan, provenance = evidence.plan, evidence.provenance
    return (
        ("Plan", str(provenance["plan_sha256"])),
        ("Root seed", str(plan.seed)),
        ("Picture size", f"{plan.size_px} × {plan.size_px} pixels, 8-bit grey"),
        ("Clinical prior", f"{plan.prior['name']}, {plan.prior_sha256}"),
        ("Mask engine", f"{plan.mask_engine}, {plan.mask_engine_sha256}"),
        ("Image engine", f"{plan.engine}, {plan.engine_sha256}"),
        ("Held against, as copies of", _known(plan)),
        ("Code", plan.code_version),
        ("Tools", ", ".join(f"{name} {v}" for name, v in sorted(provenance["tools"].items()))),
        ("Licence of the data", str(provenance["licence"])),
    )


def _known(plan: Plan) -> str:
    """Return what no picture may be a copy of, in words."""
    if plan.known_sha256 is None:
        return "no known picture"
    kinds = " and ".join(KNOWN[kind] for kind in plan.known_kinds) or "pictures of kinds not stated"
    return f"{kinds}, {plan.known_sha256}"


def parameters(plan: Plan) -> dict[str, Any]:
    """Return the plan as the `generate` section of params.yaml that leads to it."""
    record = {
        name: getattr(plan, name) for name in GenerateParams.model_fields if hasattr(plan, name)
    }
    published = plan.prior_sha256 == load_prior().sha256
    return record | {"where": list(plan.where), "prior": None if published else "prior.json"}


def as_yaml(plan: Plan, release: Mapping[str, Any]) -> str:
    """Return `parameters` and those of the stage `release` as the text of a params.yaml."""
    sections = {"generate": parameters(plan), "release": dict(release)}
    return yaml.safe_dump(sections, sort_keys=True, allow_unicode=True)


def command(plan: Plan, release: Mapping[str, Any]) -> str:
    """Return the command line that makes the same release; see `needs_file`."""
    parts = ["busgen", "generate", "--n", str(plan.n), "--seed", str(plan.seed)]
    parts += ["--size", str(plan.size_px)]
    parts += [part for condition in plan.where for part in ("--set", condition)]
    parts += ["--text", plan.text] if plan.text else []
    parts += [part for target in _targets(plan) for part in ("--target", target)]
    parts += ["--vary", plan.vary] if plan.vary else []
    parts += ["--engine", plan.engine, "--mask-engine", plan.mask_engine]
    parts += ["--params", "params.yaml"] if needs_file(plan, release) else []
    return shlex.join([*parts, "--out", "DIR"])


def needs_file(plan: Plan, release: Mapping[str, Any]) -> bool:
    """Whether something was set that the command line cannot say: a gate's bound, a title."""
    if release != ReleaseParams().model_dump(mode="json"):
        return True
    defaults = GenerateParams().model_dump()
    rest = {k: v for k, v in parameters(plan).items() if k not in _ON_COMMAND_LINE}
    rest["shard_size"] = defaults["shard_size"] if plan.n <= plan.shard_size else plan.shard_size
    return any(value != defaults[key] for key, value in rest.items())


def _targets(plan: Plan) -> list[str]:
    found = []
    for name, shares in plan.targets.items():
        if isinstance(shares, dict):
            found += [f"{name}.{term}={share}" for term, share in shares.items()]
        elif shares:
            found.append(name)
    return found


def prior_sources(plan: Plan) -> Facts:
    """Return where each of the prior's tables comes from, as (field, source)."""
    tables = {**plan.prior["discrete"], **plan.prior["sizes"]}
    named = ((name, entry["source"]) for name, entry in tables.items() if isinstance(entry, dict))
    return tuple((words.field(name), source) for name, source in named)
