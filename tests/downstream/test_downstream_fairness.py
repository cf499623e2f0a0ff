"""Scores by group, and whether size alone tells the class."""

import numpy as np
import pandas as pd
import pytest

from busgen.downstream.results.fairness import FINDINGS, LEAST, match_sizes, score_groups


def table(n: int = 120, seeds: int = 2) -> pd.DataFrame:
    """Return predictions that know nothing but size: malignant lesions are larger."""
    rng = np.random.default_rng(3)
    malignant = np.arange(n) % 2 == 1
    share = np.exp(rng.normal(0, 0.5, n) + 0.8 * malignant) / 30
    blank = dict.fromkeys(FINDINGS)
    rows = [
        {"task": "classification", "train": "busi", "test": "busi", "arm": "real_augmented",
         "seed": seed, "fold": None, "sample_id": f"{k:03}", "patient": f"p{k}",
         "scanner": "few" if k < 10 else "many", "split": "test", "probability": share[k],
         "pathology": "malignant" if malignant[k] else "benign", "lesion_share": share[k], **blank}
        for seed in range(seeds) for k in range(n)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_a_model_that_sees_size_alone_falls_to_a_half_among_lesions_of_one_size():
    (one,) = match_sizes(table())
    assert one["size_auc"]["all"] > 0.8
    assert abs(one["size_auc"]["matched"] - 0.5) < 0.1
    assert one["value"] == pytest.approx(one["size_auc"]["matched"])
    assert one["interval"][0] < 0.5 < one["interval"][1]
    assert one["n"] % 2 == 0
    assert LEAST <= one["n"] < 120


def test_groups_have_their_number_and_few_patients_are_refused():
    found = {(one["by"], one["group"]): one for one in score_groups(table())}
    assert set(found) == {
        ("scanner", "few"), ("scanner", "many"),
        ("size", "small"), ("size", "middle"), ("size", "large"),
    }  # fmt: skip
    assert found["scanner", "few"]["refused"] == f"fewer than {LEAST} patients"
    assert "value" not in found["scanner", "few"]
    many = found["scanner", "many"]
    assert (many["n"], many["metric"]) == (110, "auc")
    assert many["interval"][0] < many["value"] < many["interval"][1]
    assert sum(found["size", name]["n"] for name in ("small", "middle", "large")) == 120


def test_a_group_of_one_class_has_no_auc():
    rows = table()
    rows["birads"] = np.where(rows["pathology"] == "malignant", "5", "2")
    found = [one for one in score_groups(rows) if one["by"] == "birads"]
    assert {one["refused"] for one in found} == {f"fewer than {LEAST // 2} patients of a class"}
