"""The command `busgen downstream`: its outcome, and how mistakes are answered."""

import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import pytest
from tiny_sets import RECIPES

from busgen.cli import main
from busgen.downstream import library, plan
from busgen.downstream.results.paper import to_sentences


def call(*words: object) -> tuple[int, str, str]:
    """Run the command line in this process."""
    out, err = StringIO(), StringIO()
    argv, sys.argv = sys.argv, ["busgen", "downstream", *map(str, words)]
    code = 0
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.argv = argv
    return code, out.getvalue(), err.getvalue()


@pytest.mark.parametrize(("words", "rule"), [
    (["--arm", "everything"], "an arm must be known"),
    (["--train", "mars"], "one of the real data sets"),
    (["--task", "detection"], "a task must be known"),
    (["--classifier", "no.such:net"], "import path"),
    (["--generator-saw", "all"], "choose from none, own, pooled, unknown"),
    (["--seeds", "0"], "seeds and workers must be 1 or more"),
])  # fmt: skip
def test_a_mistake_is_one_message_and_code_2(sets, tmp_path, words, rule):
    real, generated = sets
    code, _, err = call("--data", generated, "--real", real, "--out", tmp_path / "out", *words)
    assert code == 2
    assert rule in err
    assert "Traceback" not in err


def test_paths_that_hold_something_else_are_refused(sets, tmp_path):
    real, generated = sets
    for words, rule in (
        ((tmp_path / "none", real), "must be a folder or file"),
        ((generated, tmp_path), "NAME/table.parquet"),
        ((real, real), "must be synthetic images"),
    ):
        code, _, err = call("--data", words[0], "--real", words[1], "--out", tmp_path / "out")
        assert (code, rule in err) == (2, True), err
    code, _, err = call("--data", generated, "--real", real, "--out", generated)
    assert (code, "must not exist or be empty" in err) == (2, True)


def test_quick_prints_what_it_wrote(sets, tmp_path):
    real, generated = sets
    request = plan.Request(
        generated, real, tmp_path / "out", quick=True, recipes=RECIPES, workers=1
    )
    record, ran = library.run(plan.plan(request), lambda _: None, lambda _: None)
    assert (ran, record["rehearsal"]) == (6, True)
    result = json.loads((tmp_path / "out" / library.METRICS).read_text(encoding="utf-8"))
    assert result["notice"] == "SYNTHETIC DATA - NOT FOR CLINICAL USE"
    shown = dict(library.to_tables(record))
    assert set(shown) == {f"{task}, trained on bus_bra" for task in RECIPES}
    for title, rows in shown.items():
        score = "auc" if "classification" in title else "dice"
        assert list(rows[0]) == ["test (patients)", "arm", score, "gain", "verdict", "saw"]
        assert {row["saw"] for row in rows} == {"-", "unknown"}
    sentences = to_sentences(record)
    assert len(sentences) == 4
    assert "on the same 4 test patients" in sentences[0]
    for file in ("table.md", "table.tex", "sentences.md", "learning_curves.png"):
        assert (tmp_path / "out" / file).stat().st_size > 0
