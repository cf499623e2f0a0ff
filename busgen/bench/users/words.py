"""Random words as `--set`, `--text`, `--target`, `--count`, `--gates` and params.

In: a number. Out: how each of so many commands ends: a plan, or one message and exit code 2.
"""

import sys
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from io import StringIO
from pathlib import Path

import yaml

from busgen import schema, seeds
from busgen.io import read_toml
from busgen.seeds import Rng

ENGINE = ("--engine", "phantom", "--mask-engine", "curvature", "--size", "64", "--n", "2")
_LISTED = read_toml(Path(__file__).with_suffix(".toml"))
FIELDS, PHRASES, KEYS = (tuple(_LISTED[name]) for name in ("fields", "phrases", "keys"))
VALUES = (*_LISTED["values"], "a" * 3000)


def run_words(count: int) -> dict[str, float]:
    """Return how many of `count` commands end as they should, and how many with a traceback.

    ``good``: a plan, or exit code 2 and one message; ``tracebacks``; ``other``: anything else.
    """
    rng = seeds.rng(0, "bench/users/words")
    found = {"good": 0.0, "tracebacks": 0.0, "other": 0.0}
    for number in range(count):
        found[_run(_words(rng, number))] += 1
    return found


def _pick(rng: Rng, some: tuple[str, ...]) -> str:
    return some[int(rng.integers(len(some)))]


def _words(rng: Rng, number: int) -> list[str]:
    """Return the words of a command."""
    kind = ("--set", "--text", "--target", "--count", "--gates", "--params")[number % 6]
    field, value = _pick(rng, FIELDS), _pick(rng, VALUES)
    match kind:
        case "--set":
            word = field + _pick(rng, ("=", " includes ", " excludes ", "")) + value
        case "--text":
            word = " ".join(_pick(rng, PHRASES) for _ in range(int(rng.integers(9))))
        case "--target" | "--count":
            word = f"{field}.{value}={_pick(rng, VALUES)}"
        case "--gates":
            names = ("anomaly", "contrast", "all", "x")
            word = _pick(rng, names) + _pick(rng, ("=", ".max=", ".min=", ".")) + value
        case _:
            word = "params.yaml"
            _write_params(rng, Path(word))
    return [kind, word.replace("\0", "")]  # which no shell passes on


def _write_params(rng: Rng, path: Path) -> None:
    """Write random parameters; some are no YAML."""
    if rng.random() < 0.3:
        path.write_text("".join(_pick(rng, VALUES) for _ in range(4)), encoding="utf-8")
        return
    kinds: tuple[object, ...] = (
        None,
        True,
        -1,
        0.5,
        10**30,
        [],
        {},
        ["a"],
        {"pathology": {"benign": 2}},
    )
    values = [_pick(rng, VALUES), *kinds, _pick(rng, schema.SHAPES)]
    own = {_pick(rng, KEYS): values[int(rng.integers(len(values)))] for _ in range(2)}
    record = {"generate": own} if rng.random() < 0.9 else own
    path.write_text(yaml.safe_dump(record, allow_unicode=True), encoding="utf-8")


def _run(words: list[str]) -> str:
    """Run one command in this process and return how it ended."""
    out, err, code = StringIO(), StringIO(), 0
    sys.argv = ["busgen", "generate", *ENGINE, "--out", "X", "--dry-run", *words]
    try:
        with redirect_stdout(out), redirect_stderr(err):
            import_module("busgen.cli").main()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:  # whatever a user would see as a traceback
        return "tracebacks"
    if "Traceback" in err.getvalue():
        return "tracebacks"
    one = err.getvalue().count("error:") == 1 or "Usage:" in err.getvalue()
    return "good" if code == 0 or (code == 2 and one) else "other"
