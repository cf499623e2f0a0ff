"""The plan: everything that decides a run's bytes, resolved and checked before a pixel exists.

In: the `generate` section of the parameters. Out: a `Plan`, whose hash names the work folder; the
findings of its sample numbers, where those of one do not depend on the others.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from platform import python_version
from typing import Any

import numpy as np
from pydantic import Field

import busgen
from busgen import io
from busgen.code import hash_code
from busgen.errors import DataError, UserError
from busgen.extras import versions
from busgen.images.contract import ImageEngine, ModelOptions
from busgen.images.engines import UNTAUGHT, engine_prior, load_image_engine
from busgen.masks.engines import load_mask_engine
from busgen.params.base import Section, check
from busgen.params.generate import GenerateParams
from busgen.priors.draw import draw, make_members, select_terms, shuffle, strata
from busgen.priors.findings import Finding
from busgen.priors.network import Prior, load_prior
from busgen.priors.request import Request, parse_request
from busgen.schema import JUDGED
from busgen.seeds import sample_seed
from busgen.similarity.known_images import REAL, RELEASE, load_known

WEIGHTS = (  # that measure every sample, in `busgen/assets`
    *("overlays/strokes.safetensors", "gates/look.safetensors", "gates/mask_fit.safetensors"),
    "gates/lesions.json",
)
TOOLS = ("diffusers", "numpy", "opencv-python-headless", "pyarrow", "scipy", "torch")
HERE = ("prior", "judges", "mask_model", "model", "known")  # paths: their hashes are recorded
NOT_RECORDED = {*HERE, "runner", "workers"}  # how it runs on this machine decides no byte
NOT_IN_SHARDS = ("n", "max_attempts", "max_unfilled")
TOLD = ("known_kinds", "learned_from", "drawn_px")  # to readers; decides no byte, so in no hash
FACTS = Path("evidence") / "facts.json"
UNKNOWN = "unknown"  # a user's own weights say nothing


class Resolution(Section):
    """What a request comes to: the prior, hashes of all that decides bytes, versions.

    `prior` is the prior's JSON with the engine's scanners, so that a work folder needs its file no
    more; `prior_sha256` is the hash of the prior that was given. `judges_sha256` and
    `known_sha256` are None where no judge and no known image is asked; `learned_from` names the
    datasets of each part; `drawn_px` the side that the engine draws, if it is resampled.
    """

    prior: dict[str, Any]
    prior_sha256: str
    mask_engine_sha256: str
    engine_sha256: str
    judges_sha256: str | None
    known_sha256: str | None
    known_kinds: tuple[str, ...] = ()
    learned_from: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    drawn_px: int | None = None
    code_version: str
    tools: dict[str, str]


@dataclass(frozen=True)
class Plan:
    """A request and its resolution: what is drawn, by which engines, past which gates.

    The request's `gates` do what they do to this engine's images, `shard_size` is no larger than
    the run, and `known` is empty where no copies are looked for. In a record, the request's paths
    are those of the defaults: another machine has the files elsewhere.
    """

    request: GenerateParams
    resolution: Resolution

    @property
    def sha256(self) -> str:
        """Hash of everything that decides the candidates' bytes."""
        return _hash(self)

    @property
    def shards_sha256(self) -> str:
        """Hash of what decides a shard's bytes, given its samples: it names the work folder.

        So more findings, or more attempts, go on from the shards that stand.
        """
        quotas = {"n"} if self.request.counts else set()  # which are of all findings together
        return _hash(self, [name for name in NOT_IN_SHARDS if name not in quotas])


def resolve(params: GenerateParams) -> Plan:
    """Return the plan that `params` ask for.

    Raises `UserError` if an engine is unknown, the request impossible, prior or judges unreadable:
    one finding is drawn, so that what cannot be drawn is refused here.
    """
    request = _normalised(params)
    given = load_prior(request.prior)
    prior = engine_prior(request.engine, given)
    masks = load_mask_engine(request.mask_engine, request.size_px, request.mask_model)
    judges, engine = _hash_judges(request), image_engine_of(request)
    resolution = Resolution(
        prior=prior.record,
        prior_sha256=given.sha256,
        mask_engine_sha256=masks.sha256,
        engine_sha256=engine.sha256,
        judges_sha256=judges,
        known_sha256=load_known(request.known).sha256 if request.known else None,
        known_kinds=tuple(sorted({RELEASE if path.is_dir() else REAL for path in request.known})),
        learned_from=list_sources(request, given.record, judged=judges is not None),
        drawn_px=None if engine.drawn_px == request.size_px else engine.drawn_px,
        code_version=code_version(),
        tools={"python": python_version()} | versions(TOOLS),
    )
    requested = parse_request(request.where, request.text, request.targets)
    if request.vary:
        select_terms(request.vary, requested)
        if any(request.vary in key for key in request.counts):
            rule = f"counts must leave out {request.vary}, which varies"
            raise UserError(rule, dict(request.counts), "drop them")
    for own, _ in strata(prior, requested, request.counts, request.n):
        draw(prior, 1, request.seed, request=own, size_px=request.size_px)
    return Plan(request, resolution)


def image_engine_of(request: GenerateParams) -> ImageEngine:
    """Return the image engine that a request names."""
    learned = ModelOptions(request.model, request.adapter, request.steps, request.guidance)
    return load_image_engine(request.engine, request.size_px, request.device, learned=learned)


def _normalised(params: GenerateParams) -> GenerateParams:
    """Return the request in the one form that all requests of the same bytes have (`Plan`)."""
    taught = params.engine not in UNTAUGHT
    gates = {
        name: gate.model_copy(update={"action": gate.action_for(taught=taught)})
        for name, gate in params.gates.items()
    }
    compared = gates["copy_similarity"].action != "off"
    size, known = min(params.shard_size, params.n), params.known if compared else ()
    return params.model_copy(update={"gates": gates, "shard_size": size, "known": known})


def _hash_judges(request: GenerateParams) -> str | None:
    """Return the hash of the judges that are to be asked, None where none are."""
    if all(request.gates[name].action == "off" for name in JUDGED):
        return None
    from busgen.judges.judges import load_judges  # brings torch

    return load_judges(request.judges, request.device).sha256


def list_sources(
    request: GenerateParams, prior: Mapping[str, Any], *, judged: bool
) -> dict[str, tuple[str, ...]]:
    """Return the datasets that prior, masks, images, judges and gates learned from.

    Card and licence name them: whoever tests a model on one must know. `judged`: whether judges are
    asked. A dataset may be `UNKNOWN`.
    """
    parts = {"prior": tuple(prior["datasets"])}
    if request.mask_engine == "semantic_curvature":
        parts["masks"] = _read_sources(request.mask_model or io.ASSETS / "masks", FACTS)
    if request.engine not in ("phantom",):
        model = Path(request.model) if request.model else io.ASSETS / "images"
        parts["images"] = _read_sources(model, FACTS)
    if judged:
        parts["judges"] = _read_sources(request.judges or io.ASSETS / "judges", Path("scores.json"))
    gates = io.read_json(io.ASSETS / "reference" / "reference.json")["sources"]
    parts["gates"] = tuple(sorted(source["name"] for source in gates))
    return parts


def _read_sources(folder: Path, name: Path) -> tuple[str, ...]:
    """Return the datasets that the facts in a folder of weights list."""
    try:
        return tuple(sorted(io.read_json(folder / name)["data"]))
    except (DataError, KeyError):
        return (UNKNOWN,)


def from_record(record: Mapping[str, Any]) -> Plan:
    """Return the plan of `to_record`'s record; `UserError` if it is none of this version."""
    resolved = {k: v for k, v in record.items() if k in Resolution.model_fields}
    request = {k: v for k, v in record.items() if k not in {*resolved, "sha256"}}
    where = "a release or work folder of this version: make it again"
    return Plan(check(GenerateParams, request, where), check(Resolution, resolved, where))


def to_record(plan: Plan) -> dict[str, Any]:
    """Return request and resolution as one flat JSON object, with the plan's hash."""
    return _to_record(plan) | {"sha256": plan.sha256}


def _to_record(plan: Plan) -> dict[str, Any]:
    request = plan.request.model_dump(mode="json", exclude=NOT_RECORDED)
    return request | plan.resolution.model_dump(mode="json")


def _hash(plan: Plan, leave: Sequence[str] = ()) -> str:
    deciding = {k: v for k, v in _to_record(plan).items() if k not in (*TOLD, *leave)}
    return io.sha256_bytes(io.dumps(deciding).encode())


@cache
def code_version() -> str:
    """Return version and hash of the code that decides a release, e.g. ``0.1.0+1f2e3d4c5b6a``.

    The code, not the commit: a commit that changes the report remakes nothing.
    """
    code = hash_code("busgen.factory.shard", "busgen.factory.rounds")
    key = code + "".join(io.sha256_file(io.ASSETS / name) for name in WEIGHTS)
    return f"{busgen.__version__}+{io.sha256_bytes(key.encode())[:12]}"


def draw_findings(
    plan: Plan, prior: Prior, requested: Request, samples: tuple[int, ...], attempt: int
) -> list[Finding]:
    """Return the findings of `samples`: the same for every attempt, but for the seed.

    Under `vary`, those of each one's family, one after the other.
    """
    request = plan.request
    make = partial(draw, prior, size_px=request.size_px)
    groups = strata(prior, requested, request.counts, request.n)
    if len(groups) == 1:
        own = groups[0][0]
        once = [
            one
            for start, n in find_runs(samples)
            for one in make(n, request.seed, start=start, request=own)
        ]
    else:
        numbers = shuffle(tuple(n for _, n in groups), request.seed)[list(samples)].tolist()
        once = [
            make(1, request.seed, start=sample, request=groups[number][0])[0]
            for sample, number in zip(samples, numbers, strict=True)
        ]
    terms = select_terms(request.vary, requested) if request.vary else ()
    return [
        replace(member, seed=sample_seed(request.seed, sample, attempt))
        for sample, finding in zip(samples, once, strict=True)
        for member in (make_members(finding, request.vary, terms) if request.vary else [finding])
    ]


def find_runs(samples: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Yield (start, count) of each run of consecutive numbers in sorted `samples`."""
    cuts = [0, *(np.flatnonzero(np.diff(samples) != 1) + 1).tolist(), len(samples)]
    for first, last in pairwise(cuts):
        yield samples[first], last - first
