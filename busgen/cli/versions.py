"""Dataset versions in a checkout: tag what the pipeline made, list the tags, fetch what they name.

In: a checkout whose pipeline is up to date. Out: git tags, which carry their row of the
leaderboard: generator, utility, quality, seconds.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from busgen import io, pipeline
from busgen.downstream.data.synthetic_set import describe, read_plan
from busgen.downstream.results.headline import METRICS as COMPARED
from busgen.errors import UserError
from busgen.evaluation.limits import FAILS
from busgen.pipeline import DVC, METRICS, RELEASE, SCORES, WORK, is_done, run_git, run_process

DOWNSTREAM = Path("data/downstream") / COMPARED
COSTS = Path("data/costs.json")
RECORD = ("dvc.lock", "dvc.yaml", "params.yaml", str(METRICS))  # what a version commits
OPTIONAL = (str(DOWNSTREAM), str(COSTS))  # and this, where it is there


def tag(name: str, *, failing: bool = False) -> str:
    """Record the data as version `name`: dvc.lock and metrics committed, git tag; return commit.

    Nothing else that is changed or staged is committed. A comparison downstream is recorded where
    it is of this very release. Raises `UserError` if the pipeline is not up to date, its code is
    not committed, the release fails a limit (unless `failing`), the name is taken or is none, or
    git or DVC refuse.
    """
    if run_process(["git", "check-ref-format", f"refs/tags/{name}"]).returncode:
        raise UserError("a version's name must be one that git takes", repr(name), "e.g. v1.0")
    if not run_process(["git", "rev-parse", "-q", "--verify", f"refs/tags/{name}"]).returncode:
        raise UserError("a version's name must be new", repr(name), "see `busgen versions`")
    if changed := run_git("status", "--porcelain", "--", "busgen", "flows"):
        rule = "a version's code must be committed, or nobody can make it again"
        paths = ", ".join(line.split(maxsplit=1)[1] for line in changed.split("\n"))
        raise UserError(rule, paths, "commit it first")
    if not is_done("report"):
        raise UserError("only an up-to-date pipeline can be tagged", "changes", "`busgen run`")
    current = DOWNSTREAM.is_file() and is_done("downstream")
    figures = pipeline.headline() | {
        "generator": describe(read_plan(RELEASE)),
        "downstream": _downstream(DOWNSTREAM) if current else {},
        "seconds": io.read_json(COSTS) if COSTS.is_file() else {},
    }
    broken = [name for name, verdict in figures["limits"].items() if verdict == FAILS]
    if broken and not failing:
        rule = "a version must keep its limits (quality.limits)"
        got = f"a failing release: {', '.join(broken)}"
        raise UserError(rule, got, "mend it, or tag it as failing: --failing")
    record = [*RECORD, *(path for path in OPTIONAL if Path(path).is_file())]
    run_git("add", "--force", "--", *record)
    if run_git("status", "--porcelain", "--", *record):
        run_git("commit", "--quiet", "--message", _subject(name), "--only", "--", *record)
    message = f"{_subject(name)}\n\n{io.dumps(figures)}"
    run_git("tag", "--annotate", "--message", message, "--", name)
    return run_git("rev-parse", "--short", "HEAD")


def versions() -> list[dict[str, Any]]:
    """Return the tagged dataset versions, oldest first.

    Each has ``version, date``, the headline of quality, ``generator`` {engine, fingerprints},
    ``downstream`` (`busgen.downstream.results.headline`, empty where nothing was compared),
    ``seconds`` {stage: of its last run}.
    """
    form = "%(objecttype)%00%(taggerdate:short)%00%(refname:strip=2)%00%(contents)%01"
    listed = run_git("for-each-ref", "--sort=creatordate", f"--format={form}", "refs/tags")
    found = []
    for entry in listed.split("\1")[:-1]:
        kind, date, name, message = entry.strip("\n").split("\0")
        subject, _, body = message.partition("\n")
        if kind == "tag" and subject == _subject(name):
            found.append({"version": name, "date": date, **json.loads(body)})
    return found


@contextmanager
def open_release(name: str) -> Iterator[Path]:
    """Yield the release folder that `name` stands for: a folder, or a tag of this checkout."""
    if Path(name).is_dir():
        yield Path(name)
        return
    with _fetch(name, RELEASE) as folder:
        yield folder


def read_scores(name: str) -> dict[str, Any]:
    """Return what is known of a version, or of the folder of a release with its neighbours.

    ``quality``: headline scores {name: {value, interval, floor}}, and those beside real data,
    which say besides which side is ``bad``, and the ``version`` of their space; ``downstream``:
    `busgen.downstream.results.headline`. Either is empty where it is not known.
    """
    folder = Path(name)
    if not folder.is_dir():
        record = next((one for one in versions() if one["version"] == name), {})
        with _fetch(name, SCORES) as scores:
            return {"quality": _quality(scores), "downstream": record.get("downstream", {})}
    scores, compared = (
        folder.resolve().parent / p.relative_to("data") for p in (SCORES, DOWNSTREAM)
    )
    return {"quality": _quality(scores), "downstream": _downstream(compared)}


def _quality(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    scores = io.read_json(path)
    pooled = {f"{name}.pooled": one for name, one in scores["pooled"]["headline"].items()}
    reference = scores.get("beside_real", {}).get("scores", {})
    found: dict[str, Any] = scores["headline"] | pooled | reference
    return found


def _downstream(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = io.read_json(path)["headline"] if path.is_file() else {}
    return found


def _subject(name: str) -> str:
    """Return the first line of a version's tag, by which it is told from a tag of the code."""
    return f"Dataset {name}"


@contextmanager
def _fetch(name: str, path: Path) -> Iterator[Path]:
    """Yield a copy of what version `name` has at a path of data/."""
    root = pipeline.find_checkout()
    work = root / WORK
    work.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="release-", dir=work) as folder:
        target = Path(folder) / path.name
        pipeline.run_command(
            [*DVC, "get", str(root), str(path), "--rev", name, "--out", str(target)]
        )
        yield target
