"""References: what is told of their samples, written and read, and the one that ships."""

import json
from dataclasses import asdict

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from busgen import schema
from busgen.errors import DataError
from busgen.evaluation.reference import (
    FACTS,
    REFERENCE,
    SAMPLES,
    load_reference,
    make_reference,
    measure_reference,
    write_reference,
)
from busgen.gates.calibration.real_samples import SCHEMA, measure
from busgen.judges.judges import load_judges
from busgen.metrics.descriptor_auc import descriptor_auc
from busgen.real.cohort import FILE, SCHEMA as SCHEMA_OF_COHORT
from busgen.real.readers.registry import DATASETS

SIDE = 64
ORIGIN = ((DATASETS["breast"],), {"breast": {"read": 256}}, None, SIDE)


def described(n):
    """Return n canonical rows with descriptors, one in three malignant."""
    rows = [
        {
            "pathology": "malignant" if k % 3 == 0 else "benign",
            "shape": "irregular" if k % 3 == 0 else "oval",
            "margin": ["circumscribed"],
            "echo_pattern": "hypoechoic",
            "posterior": "none",
            "calcification": "none",
            "halo": False,
            "patient_id": f"patient {k}",
        }
        for k in range(n)
    ]
    typed = pa.schema([(name, schema.BY_NAME[name].type) for name in rows[0]])
    return pa.Table.from_pylist(rows, typed)


def test_a_reference_tells_what_it_rests_on(make_row, tmp_path):
    rows = [make_row(k, scanner="Ünit 7" if k < 5 else None) for k in range(12)]
    rows[0]["pathology"] = None
    generated = make_reference(measure(rows, None, SIDE), described(30), *ORIGIN)
    assert generated.facts["n"] == {
        "dataset": {"breast": 12},
        "scanner": {"Ünit 7": 5, "BrEaST": 7},
        "pathology": {"unknown": 1, "malignant": 6, "benign": 5},
        "split": {"validation": 6, "test": 6},
    }
    assert generated.facts["n_patients"] == 6
    assert generated.facts["sources"][0]["licence"] == "CC BY 4.0"
    assert generated.facts["descriptor_auc"]["n"] == 30
    assert generated.facts["cleaning"] == {"breast": {"read": 256}}
    write_reference(generated, tmp_path / "reference é")
    again = load_reference(tmp_path / "reference é")
    assert again.samples.equals(generated.samples)
    assert again.facts == json.loads(json.dumps(generated.facts, allow_nan=False))


@pytest.fixture
def canonical(make_row, tmp_path):
    """Return canonical tables of two datasets, and the folder of their cohort."""
    typed, known, tables = schema.arrow_schema("real"), [], []
    for name, numbers in (("breast", range(8)), ("busi", range(8, 16))):
        rows = [
            described(k + 1).to_pylist()[-1]
            | make_row(k, dataset=name, sample_id=f"{name}-{k}", patient_id=f"{name}-{k // 2}")
            | {"signature": b"", "notes": []}
            for k in numbers
        ]
        rows = [row if name == "breast" else row | {"shape": None} for row in rows]
        path = tmp_path / "real é" / name / "table.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows, typed), path)
        (path.parent / "info.json").write_text(json.dumps(asdict(DATASETS[name])))
        tables.append(path)
        known += rows
    known[0]["split"] = known[9]["split"] = "train"
    known[1]["flags"], known[8]["flags"] = ["label_conflict"], ["near_duplicate"]
    cohort = [row | {"duplicate_of": None} for row in known]
    (tmp_path / "cohort").mkdir()
    pq.write_table(pa.Table.from_pylist(cohort, SCHEMA_OF_COHORT), tmp_path / "cohort" / FILE)
    (tmp_path / "cohort" / "cleaning.json").write_text('{"datasets": {}}')
    return tables, tmp_path / "cohort"


def test_only_held_out_images_that_are_no_copies_and_undisputed_enter(canonical, tiny_judges):
    judges = load_judges(tiny_judges, "cpu")
    generated = measure_reference(*canonical, judges)
    assert generated.facts["n"]["dataset"] == {"breast": 6, "busi": 6}
    assert generated.facts["judges_sha256"] == judges.sha256
    assert generated.samples["gate_mask_agreement"].null_count == 0
    assert [source["name"] for source in generated.facts["sources"]] == ["breast", "busi"]
    assert generated.facts["cleaning"] == {"datasets": {}}


def test_what_is_no_reference_is_named(make_row, tmp_path):
    with pytest.raises(DataError, match=r"reference\.json"):
        load_reference(tmp_path)
    write_reference(make_reference(measure([make_row(0)], None, SIDE), described(30), *ORIGIN),
                    tmp_path / "a")  # fmt: skip
    table = pq.read_table(tmp_path / "a" / SAMPLES)
    pq.write_table(table.drop_columns(["patient"]), tmp_path / "a" / SAMPLES)
    with pytest.raises(DataError, match="patient"):
        load_reference(tmp_path / "a")
    (tmp_path / "a" / SAMPLES).write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"samples\.parquet"):
        load_reference(tmp_path / "a")
    (tmp_path / "a" / FACTS).write_text("{}")
    pq.write_table(table, tmp_path / "a" / SAMPLES)
    with pytest.raises(DataError, match="size_px"):
        load_reference(tmp_path / "a")


def test_descriptor_auc_draws_patients_whole():
    rows = described(60).to_pylist()
    for k, row in enumerate(rows):
        row["shape"] = "irregular" if k % 4 else "oval"
    table = pa.Table.from_pylist(rows, described(60).schema)
    alone = descriptor_auc(table, "patient_id")
    twins = table.set_column(table.column_names.index("patient_id"), "patient_id",
                             pa.array([f"patient {k // 12}" for k in range(60)]))  # fmt: skip
    together = descriptor_auc(twins, "patient_id")
    assert alone["value"] == together["value"]
    assert alone["interval"] != together["interval"]


def test_descriptor_auc_refuses_few_lesions():
    assert descriptor_auc(described(12), "patient_id") is None


def test_what_ships_holds_no_pixels_no_training_patient_and_no_name():
    shipped = load_reference()
    assert shipped.samples.schema.equals(SCHEMA)
    assert set(shipped.samples["split"].to_pylist()) == {"validation", "test"}
    assert sum(path.stat().st_size for path in REFERENCE.iterdir()) < 1_000_000
    assert {source["name"] for source in shipped.facts["sources"]} == {"breast", "bus_bra", "busi"}
    assert all(source["licence"] and source["weights_may_ship"]
               for source in shipped.facts["sources"])  # fmt: skip


def test_what_ships_was_judged_by_the_judges_that_ship():
    shipped = load_reference()
    assert shipped.facts["judges_sha256"] == load_judges(device="cpu").sha256
    lesions = [p in ("benign", "malignant") for p in shipped.samples["pathology"].to_pylist()]
    for name in ("gate_mask_agreement", "gate_label_confidence"):
        assert shipped.samples.filter(pa.array(lesions))[name].null_count == 0
