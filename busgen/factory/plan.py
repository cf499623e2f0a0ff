"""The plan: everything that decides a run's bytes, resolved and checked before a pixel exists.

In: the `generate` section of the parameters. Out: a `Plan`, whose hash names the work folder.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any

import busgen
from busgen import io
from busgen.code import code_sha256
from busgen.images.contract import Learned
from busgen.images.engines import UNTAUGHT, engine_prior, load_image_engine
from busgen.masks.engines import load_mask_engine
from busgen.params import JUDGED, Gate, GenerateParams
from busgen.priors.draw import draw
from busgen.priors.families import varied_terms
from busgen.priors.network import load_prior
from busgen.priors.request import parse_request
from busgen.similarity.known_images import kind_of, load_known

WEIGHTS = (  # that measure every sample, in `busgen/assets`
    "overlays/strokes.safetensors",
    *("gates/look.safetensors", "gates/mask_fit.safetensors", "gates/lesions.json"),
)
TOOLS = ("diffusers", "numpy", "opencv-python-headless", "pyarrow", "scipy", "torch")
# where this machine has what hashes stand for
HERE = ("judges_folder", "mask_model", "model", "known")
NOT_IN_SHARDS = ("n", "max_attempts", "max_unfilled")
TOLD = ("known_kinds",)  # to readers of the plan; decides no byte, so in no hash


@dataclass(frozen=True)
class Plan:
    """A resolved request: what is drawn, by which engines, past which gates.

    `n` counts findings; under `vary` each is a family, one sample for each term of that field.

    `prior` is the prior's JSON with the engine's scanners, so that a work folder needs it no more;
    `prior_sha256` is the hash of the prior that was given. `judges_folder`,
    `mask_model` and `model` are where this machine has the judges and the weights of the mask and
    of the image engine (None: those that ship), `known` where it has the pictures that none may be
    a copy of (none: nothing is asked): no part of the record, their hashes are.
    """

    n: int
    seed: int
    size_px: int
    prior: dict[str, Any]
    prior_sha256: str
    where: tuple[str, ...]
    text: str | None
    targets: dict[str, Any]
    vary: str | None
    mask_engine: str
    mask_engine_sha256: str
    engine: str
    engine_sha256: str
    adapter: str | None
    steps: int | None
    guidance: float | None
    device: str
    max_attempts: int
    max_unfilled: float
    shard_size: int
    gates: dict[str, dict[str, Any]]
    judges_sha256: str | None
    known_sha256: str | None
    code_version: str
    tools: dict[str, str]
    judges_folder: str | None = field(default=None, compare=False)
    mask_model: str | None = field(default=None, compare=False)
    model: str | None = field(default=None, compare=False)
    known: tuple[str, ...] = field(default=(), compare=False)
    known_kinds: tuple[str, ...] = ()

    @property
    def learned(self) -> Learned:
        """What a learned engine runs."""
        return Learned(self.model, self.adapter, self.steps, self.guidance)

    @property
    def sha256(self) -> str:
        """Hash of everything that decides the candidates' bytes."""
        return io.sha256_bytes(io.dumps(_deciding(self)).encode())

    @property
    def shards_sha256(self) -> str:
        """Hash of what decides a shard's bytes, given its samples: it names the work folder.

        So more findings, or more attempts, go on from the shards that stand.
        """
        deciding = {k: v for k, v in _deciding(self).items() if k not in NOT_IN_SHARDS}
        return io.sha256_bytes(io.dumps(deciding).encode())


def resolve(params: GenerateParams) -> Plan:
    """Return the plan that `params` ask for.

    Raises
    ------
    UserError
        If an engine is unknown, the request impossible, prior or judges unreadable: one finding
        is drawn, so that what cannot be drawn is refused here.
    """
    given = load_prior(params.prior)
    prior = engine_prior(params.engine, given)
    masks = load_mask_engine(params.mask_engine, params.size_px, params.mask_model)
    learned = Learned(params.model, params.adapter, params.steps, params.guidance)
    images = load_image_engine(params.engine, params.size_px, params.device, learned=learned)
    plan = Plan(
        n=params.n,
        seed=params.seed,
        size_px=params.size_px,
        prior=prior.record,
        prior_sha256=given.sha256,
        where=params.where,
        text=params.text,
        targets=params.targets,
        vary=params.vary,
        mask_engine=masks.name,
        mask_engine_sha256=masks.sha256,
        engine=images.name,
        engine_sha256=images.sha256,
        adapter=params.adapter,
        steps=params.steps,
        guidance=params.guidance,
        device=params.device,
        max_attempts=params.max_attempts,
        max_unfilled=params.max_unfilled,
        shard_size=min(params.shard_size, params.n),
        gates={name: gate.model_dump() for name, gate in sorted(_gates(params).items())},
        judges_sha256=_judges_sha256(params),
        known_sha256=_known_sha256(params),
        code_version=code_version(),
        tools={"python": python_version()} | {name: version(name) for name in TOOLS},
        judges_folder=str(params.judges) if params.judges else None,
        mask_model=str(params.mask_model) if params.mask_model else None,
        model=params.model,
        known=_known(params),
        known_kinds=tuple(sorted({kind_of(Path(path)) for path in _known(params)})),
    )
    request = parse_request(plan.where, plan.text, plan.targets)
    if plan.vary:
        varied_terms(plan.vary, request)
    draw(prior, 1, plan.seed, request=request, size_px=plan.size_px)
    return plan


def _gates(params: GenerateParams) -> dict[str, Gate]:
    """Return the gates with what they do to this engine's pictures (`busgen.params.Gate`)."""
    taught = params.engine not in UNTAUGHT
    return {
        name: gate.model_copy(update={"action": gate.does(taught=taught)})
        for name, gate in params.gates.items()
    }


def _judges_sha256(params: GenerateParams) -> str | None:
    """Return the hash of the judges that are to be asked, None where none are."""
    gates = _gates(params)
    if all(gates[name].action == "off" for name in JUDGED):
        return None
    from busgen.judges.judges import load_judges  # brings torch

    return load_judges(params.judges, params.device).sha256


def _known(params: GenerateParams) -> tuple[str, ...]:
    """Return where the pictures are that none may be a copy of, none where nothing is asked."""
    asked = params.gates["copy_similarity"].action != "off"
    return tuple(map(str, params.known)) if asked else ()


def _known_sha256(params: GenerateParams) -> str | None:
    """Return the hash of those pictures; `DataError` if there are none."""
    paths = _known(params)
    return load_known(tuple(map(Path, paths))).sha256 if paths else None


def read_plan(work: Path) -> Plan:
    """Return the plan that a work folder was made for."""
    return from_record(io.read_json(work / "plan.json"))


def from_record(record: Mapping[str, Any]) -> Plan:
    """Return the plan of a record, as `to_record` gives it and a release's provenance keeps it."""
    own = {name: value for name, value in record.items() if name != "sha256"}
    kinds = tuple(own.get("known_kinds", ()))  # earlier plans do not say
    return Plan(**own | {"where": tuple(own["where"]), "known_kinds": kinds})


def to_record(plan: Plan) -> dict[str, Any]:
    """Return the plan as JSON, with its hash."""
    return _recorded(plan) | {"sha256": plan.sha256}


def _recorded(plan: Plan) -> dict[str, Any]:
    return {k: v for k, v in asdict(plan).items() if k not in HERE}


def _deciding(plan: Plan) -> dict[str, Any]:
    return {k: v for k, v in _recorded(plan).items() if k not in TOLD}


@cache
def code_version() -> str:
    """Return version and hash of the code that decides a release, e.g. ``0.1.0+1f2e3d4c5b6a``.

    The code, not the commit: a commit that changes the report remakes nothing.
    """
    code = code_sha256("busgen.factory.shard", "busgen.factory.rounds")
    key = code + "".join(io.sha256_file(io.ASSETS / name) for name in WEIGHTS)
    return f"{busgen.__version__}+{io.sha256_bytes(key.encode())[:12]}"
