"""`busgen list` tells what the code's own tables hold, and starts as fast as `--help`."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from busgen import __version__
from busgen.cli import app
from busgen.cli.catalog import Kind
from busgen.images.engines import ENGINES
from busgen.params.gates import DEFAULT_GATES
from busgen.priors.request import _setting
from busgen.schema import DATASETS


def listed(kind: str) -> list[dict]:
    result = CliRunner().invoke(app, ["list", kind, "--json"])
    assert result.exit_code == 0
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    ("kind", "key", "expected"),
    [
        ("gates", "gate", set(DEFAULT_GATES)),
        ("datasets", "name", set(DATASETS)),
        ("engines", "engine", set(ENGINES)),
        ("terms", "field", {"margin", "posterior", "halo"}),
        ("scanners", "scanner", {"linear_7mhz", "GE Logiq 7"}),
    ],
)
def test_a_list_holds_what_can_be_asked_for(kind, key, expected):
    assert expected <= {row[key] for row in listed(kind)}


def test_every_term_that_is_listed_can_be_set():
    for row in listed("terms"):
        for term in row["terms"]:
            assert _setting(f"{row['field']}={term}")


def test_a_table_shows_no_null_and_a_wrong_kind_names_the_others():
    shown = CliRunner().invoke(app, ["list", "gates"], env={"COLUMNS": "200"}).stdout
    assert "None" not in shown
    wrong = CliRunner().invoke(app, ["list", "colours"])
    assert wrong.exit_code == 2
    assert all(f"'{kind}'" in wrong.output for kind in Kind)


HEAVY = ("cv2", "duckdb", "numpy", "pandas", "prefect", "pyarrow", "scipy", "torch")


@pytest.mark.parametrize(
    ("word", "result"),
    [("--help", "Usage"), ("-h", "Usage"), ("--version", f"busgen {__version__}\n")],
)
def test_help_and_version_import_nothing_heavy(word, result):
    """What makes them instant; how long they take, `busgen bench` and a clock tell."""
    code = (
        "import sys; from busgen.cli import main\ntry:\n    main()\nfinally:\n"
        f"    print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, word], capture_output=True, text=True)
    assert result in done.stdout
    assert done.stderr == "[]\n"
