"""Tables, sentences and curves of a comparison: what the record says, in words that hold."""

import shutil
import subprocess

import pytest

from busgen.downstream.results.paper import draw_curves, to_sentences, write_paper


def result(arm, value, gain=None, task="segmentation", train="busi", test="busi"):
    score = {"value": value, "interval": [value - 0.05, value + 0.05], "patients": 80}
    metric = "dice" if task == "segmentation" else "auc"
    one = {"task": task, "train": train, "test": test, "arm": arm, "metrics": {metric: score}}
    if gain:
        verdict, low, high = gain
        one["gain"] = {
            **{"metric": metric, "against": "real_augmented", "base": 0.7, "verdict": verdict},
            **{"value": value - 0.7, "interval": [low, high], "primary": False},
        }
    return one


@pytest.fixture
def record():
    results = [
        result("real_augmented", 0.7),
        result("real_synthetic_1", 0.75, ("better", 0.02, 0.08)),
        result("synthetic", 0.6, ("worse", -0.15, -0.05)),
        result("synthetic", 0.5, ("worse", -0.3, -0.1), test="bus_bra"),
        result("real_augmented@10", 0.5),
        result("real_synthetic_1@10", 0.51, ("no difference", -0.02, 0.04)),
    ]
    losses = {f"segmentation/busi/{one['arm']}": [0.6, 0.4, 0.35] for one in results}
    return {"results": results, "validation_loss": losses}


def test_each_comparison_is_one_sentence(record):
    sentences = to_sentences(record)
    assert len(sentences) == 3  # other hospitals' patients are another table
    assert sentences[0] == (
        "Segmentation on busi: real_synthetic_1 is better than real_augmented on the same 80 test "
        "patients, Dice +0.050 (+0.020 to +0.080) from 0.700."
    )
    assert "is worse than" in sentences[1]
    assert "makes no difference to" in sentences[2]


def test_tables_have_a_row_for_each_public_dataset(record, tmp_path):
    write_paper(record, tmp_path)
    table = (tmp_path / "table.md").read_text("utf-8")
    assert "0.750* (0.700 to 0.800)" in table
    assert "0.600+ (0.550 to 0.650)" in table
    for name in ("breast", "bus_bra", "bus_uclm", "stu", "udiat"):
        assert f"not here: busgen real {name}=DIR --out D" in table
    tex = (tmp_path / "table.tex").read_text("utf-8")
    assert r"real\_synthetic\_1" in tex
    assert r"95 \% interval" in tex
    assert tex.count(r"\begin{table}") == tex.count(r"\end{table}") == 1


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="needs LaTeX")
def test_the_table_is_typeset(record, tmp_path):
    write_paper(record, tmp_path)
    body = (tmp_path / "table.tex").read_text("utf-8")
    page = (
        rf"\documentclass{{article}}\usepackage{{booktabs}}\begin{{document}}{body}\end{{document}}"
    )
    (tmp_path / "page.tex").write_text(page, "utf-8")
    command = ["pdflatex", "-halt-on-error", "page.tex"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0


def test_curves_show_losses_and_shares_of_patients(record):
    shown = [axis for axis in draw_curves(record).axes if axis.get_visible()]
    assert [axis.get_xlabel() for axis in shown] == ["share of the steps", "share of the patients"]
    losses, shares = shown
    assert len(losses.lines) == 5
    assert {line.get_label() for line in shares.lines} == {"real_augmented", "real_synthetic_1"}
    assert list(shares.lines[0].get_xdata()) == [0.1, 1.0]
