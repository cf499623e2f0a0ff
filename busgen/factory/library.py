"""The main job as a function call: parameters in, a release out; no server, no repository.

In: what is asked for. Out: a release folder, or a `Dataset` that holds one.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from busgen import folders, io
from busgen.errors import DataError
from busgen.factory.plan import Plan, resolve
from busgen.factory.rounds import run
from busgen.factory.shard import Manifest, OnProgress, ShardSpec, run_shard
from busgen.params.base import check
from busgen.params.generate import GenerateParams, parse_targets
from busgen.params.load import Params
from busgen.priors.request import left_out
from busgen.release.dataset import Dataset
from busgen.release.files import PROVENANCE, check_sums
from busgen.release.write import RELEASE, write_release


def generate(  # noqa: PLR0913 - what is asked for most often, as on the command line
    n: int | None = None,
    *,
    where: str | Sequence[str] | None = None,
    text: str | None = None,
    target: Mapping[str, object] | str | Sequence[str] | None = None,
    vary: str | None = None,
    engine: str | None = None,
    seed: int | None = None,
    params: Params | None = None,
) -> Dataset:
    """Make `n` accepted samples, or families of samples, and return them as a `Dataset`.

    What is not given is taken from `params`, and what that does not say has the defaults of
    `busgen.params`.

    Raises `UserError` for a request that is impossible or cannot be filled.

    Parameters
    ----------
    n
        Number of findings to draw, at least 1; under `vary`, of families.
    where
        Conditions on the prior, as `--set` takes them: ``"pathology=malignant"``, or several.
    text
        A description in words: ``"irregular hypoechoic mass, spiculated"``; a warning names what of
        it no finding holds, such as ``"at 3 o'clock"``.
    target
        Marginals to reach: ``{"pathology": {"benign": 0.5, "malignant": 0.5}}``, or words as
        `--target` takes them: ``"margin.spiculated=0.3"``, or several.
    vary
        A field of `busgen.schema.VARIED`: every finding is made with each term of it, with the
        same seed and mask, the same text but for the words of that field.
    engine
        Image engine, a key of `busgen.images.engines.ENGINES`.
    seed
        Root seed in [0, 2**63): the same seed gives the same bytes.
    params
        Everything else: gates, targets, size, splits.
    """
    targets = (target,) if isinstance(target, str) else target
    if isinstance(targets, list | tuple):
        targets = parse_targets(tuple(map(str, targets)))
    request = {
        "n": n,
        "where": (where,) if isinstance(where, str) else where,
        "text": text,
        "targets": targets,
        "vary": vary,
        "engine": engine,
        "seed": seed,
    }
    chosen = with_options(params or Params(), request, "the call")
    if remark := left_out(chosen.generate.text):
        warnings.warn(remark, stacklevel=2)
    scratch = TemporaryDirectory(prefix="busgen-")
    folder = Path(scratch.name) / "release"
    make_release(chosen, folder)
    return Dataset(folder, scratch)


def with_options(params: Params, request: Mapping[str, object], where: str) -> Params:
    """Return `params` with the keys of `generate` that are asked for (not None), checked."""
    given = {key: value for key, value in request.items() if value is not None}
    chosen = check(GenerateParams, params.generate.model_dump() | given, where)
    return params.model_copy(update={"generate": chosen})


def make_release(
    params: Params,
    out: Path,
    tick: OnProgress = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
    prepare: Callable[[Plan, Path], None] = lambda _, __: None,
) -> Plan:
    """Make the release that `params` ask for in `out`, and return its plan.

    Killed and called again, it goes on where it was: shards stand in a hidden folder beside `out`
    until the release is whole; `prepare` may bring others there. If `out` already is this very
    release, nothing is made.
    """
    plan = resolve(params.generate)
    if side := plan.resolution.drawn_px:
        say(f"images are drawn at {side} px and resampled to {plan.request.size_px} px")
    if is_done(out, plan, params):
        return plan
    with folders.lock_folder(out, RELEASE, say) as target:
        if not is_done(target, plan, params):  # another run may have made it meanwhile
            tick(0)
            shards = folders.open_work(folders.work_path(target) / plan.shards_sha256[:16])
            prepare(plan, shards)
            run(plan, shards, partial(run_shards, tick=tick), tick)
            write_release(shards, target, params.release)
        folders.clear_work(target)
    return plan


def run_shards(specs: Sequence[ShardSpec], *, tick: OnProgress | None = None) -> Iterator[Manifest]:
    """Run shards one after the other in this process; each engine uses all cores by itself."""
    return map(partial(run_shard, tick=tick), specs)


def is_done(out: Path, plan: Plan, params: Params) -> bool:
    """Whether `out` already holds the release of this plan and these release parameters.

    Raises `UserError` if there is anything else in `out`, `DataError` if it is this release, but
    damaged.
    """
    if not (out / PROVENANCE).is_file():
        folders.require_new(out)
        return False
    record = io.read_json(out / PROVENANCE)
    request = params.release.model_dump(mode="json")
    if record.get("plan_sha256") != plan.sha256 or record.get("release") != request:
        folders.require_new(out)
    if problems := check_sums(out):
        got = "; ".join(map(str, problems[:3]))
        raise DataError("a release that stands must be whole", got, f"remove {out} and run again")
    return True
