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
from busgen.seeds import Rng

ENGINE = ("--engine", "phantom", "--mask-engine", "curvature", "--size", "64", "--n", "2")
FIELDS = ("pathology", "shape", "margin", "birads", "size_mm", "center_x", "halo", "scanner", "x")
VALUES = (
    *("malignant", "oval", "spiculated", "4a", "8..20", "yes", "linear_7mhz", "14", "oval|round"),
    *(
        "",
        " ",
        "nan",
        "-1",
        "1e999",
        "..",
        "8..",
        "20..8",
        "=",
        "|",
        "+",
        "\u202e",
        "\x1b[31m",
        "é",
    ),
    *(
        "null",
        "'",
        '"',
        "[1",
        "{a: b}",
        "../..",
        "0x10",
        "९",
        "😀",
        "a" * 3000,
        "-",
        "None",
        "True",
    ),
)
PHRASES = (
    *(
        "oval",
        "irregular",
        "hypoechoic",
        "mass",
        "with",
        "spiculated",
        "margins",
        "no",
        "shadowing",
    ),
    *(
        "14",
        "mm",
        "x",
        "9",
        "cm",
        ",",
        ".",
        "and",
        "or",
        "not",
        "without",
        "absent",
        "BI-RADS",
        "4A",
    ),
    *(
        "shadowing",
        "BI-RADS",
        "fluffy",
        "3",
        "o'clock",
        "benign",
        "malignant",
        "é",
        "\x00",
        "🙂",
        "99999999999999999999",
    ),
)
KEYS = (
    "n",
    "seed",
    "size_px",
    "where",
    "text",
    "targets",
    "counts",
    "vary",
    "gates",
    "engine",
    "x",
)


def run_words(count: int) -> dict[str, int]:
    """Return how many of `count` commands end as they should, and how many with a traceback.

    ``good``: a plan, or exit code 2 and one message; ``tracebacks``; ``other``: anything else.
    """
    rng = seeds.rng(0, "bench/users/words")
    found = {"good": 0, "tracebacks": 0, "other": 0}
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


def measure_words(count: int) -> dict[str, float]:
    """Return `run_words` as numbers, for a process of its own."""
    return {name: float(number) for name, number in run_words(count).items()}
