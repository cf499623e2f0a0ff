"""Every rule of the contract finds what breaks it; Great Expectations says so."""

import re
from dataclasses import asdict

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny_candidates as tiny

from busgen import schema
from busgen.errors import DataError
from busgen.io import read_json
from busgen.priors.draw import draw
from busgen.priors.network import POOLED, make_prior
from busgen.release import sql
from busgen.release.contract.expectations import to_html, validate
from busgen.release.contract.rules import (
    COLUMN_RULES,
    FAMILY_RULES,
    ROW_RULES,
    SAMPLE_RULES,
    SAMPLES,
    SOME,
    share_rules,
)

FAMILIES = {  # rule -> what its two members have
    "a family stays in one split": ({"split": "train"}, {"split": "test"}),
    "a family shares its seed": ({"seed": 1}, {"seed": 2}),
    "a family is accepted whole": ({}, {"accepted": False, "reason": "x", "split": None}),
}
RULES = {rule.key: rule for rule in (*COLUMN_RULES, *ROW_RULES, *SAMPLE_RULES)}
FORMULA = "=cmd|'/c calc'!A"
LESION, MALIGNANT = 1, 0  # rows of the release's index: sample 1 is benign, 0 malignant


def _value(rule):
    """Return a value of the rule's column that breaks it."""
    column = schema.BY_NAME[rule.column]
    if rule.about.endswith(("not null", "not null where a lesion is")):
        return None
    if rule.about == "in the lexicon":
        return ["wrong"] if pa.types.is_list(column.type) else "wrong"
    if rule.about.startswith("between"):
        return -1 if column.type == schema.INT else column.range[1] + 1
    if rule.about.startswith("64"):
        return "A" * 64
    if rule.about.startswith("at most"):
        return ["\x1b[31m"] if pa.types.is_list(column.type) else FORMULA
    return {
        "orientation": "not_parallel", "reason": "blurred", "split": None,
        "null where normal": 1,
    }[rule.column]  # fmt: skip


def _plant(rule, rows):
    """Return rows (of one sample) that break the rule."""
    lesion, malignant, normal = rows[LESION], rows[MALIGNANT], rows[tiny.NORMAL]
    column = schema.BY_NAME[rule.column]
    if rule.about == "null where normal":
        return [normal | {rule.column: lesion[rule.column]}]
    if rule in SAMPLE_RULES:
        rejected = {"accepted": False, "reason": "blurred", "split": None}
        return {
            "each attempt at a sample once": [lesion | rejected, lesion],
            "no attempt missing": [lesion | {"attempt": 1}],
            "at most one accepted attempt a sample": [lesion, lesion | {"attempt": 1}],
            "none after the accepted attempt": [lesion, lesion | rejected | {"attempt": 1}],
            "the same finding in every attempt": [
                lesion | rejected,
                lesion | {"attempt": 1, "halo": not lesion["halo"]},
            ],
        }[rule.about]
    if rule.about == "circumscribed alone":
        return [malignant | {"margin": ["circumscribed", "spiculated"]}]
    if rule.about == "each term once, in lexicon order":
        return [malignant | {"margin": ["spiculated", "angular"]}]
    if column.name == "pathology" and rule.about == "in the lexicon":
        return [lesion | {"pathology": "uncertain"}]
    return [lesion | {rule.column: _value(rule)}]


def _write(rows, path):
    fields = [field.with_nullable(True) for field in schema.arrow_schema("index")]
    pq.write_table(pa.Table.from_pylist(rows, pa.schema(fields)), path)
    return path


@pytest.fixture(scope="module")
def good(release):
    rows = pq.read_table(release / "index.parquet").to_pylist()
    return [row for row in rows if row["attempt"] == 0]


@pytest.fixture(scope="module")
def planted(good, tmp_path_factory):
    """Return an index in which sample `planted <i>` breaks rule i, and the report on it."""
    rows = []
    for i, rule in enumerate(RULES.values()):
        own = rule.column == "sample_id" and rule not in SAMPLE_RULES
        rows += [
            row | ({} if own else {"sample_id": f"planted-{i:03d}"}) for row in _plant(rule, good)
        ]
    for about, (one, other) in FAMILIES.items():
        name = about.replace(" ", "-")
        rows += [
            good[LESION] | {"sample_id": f"{name}-{k}", "family_id": name} | changed
            for k, changed in enumerate((one, other))
        ]
    path = _write(rows, tmp_path_factory.mktemp("contract é") / "planted [1].parquet")
    checks = {f"{c.column}: {c.expectation}": c for c in validate(path).checks}
    return checks, _breaking(path)


def _breaking(path):
    """Return the samples that each rule's SQL finds."""
    found = {}
    with sql.connect() as connection:
        connection.execute(f"CREATE VIEW attempts AS SELECT * FROM {sql.from_parquet(path)}")
        for rules, table in (
            ([r for r in RULES.values() if r not in SAMPLE_RULES], "attempts"),
            (SAMPLE_RULES, f"({SAMPLES})"),
        ):
            lists = ", ".join(f"list(sample_id) FILTER (WHERE {r.broken})" for r in rules)
            row = connection.execute(f"SELECT {lists} FROM {table}").fetchall()[0]
            found |= dict(zip((rule.key for rule in rules), row, strict=True))
    return found


@pytest.mark.parametrize("key", RULES)
def test_a_planted_violation_is_found(planted, key):
    checks, breaking = planted
    check = checks[key]
    assert not check.success
    assert check.unexpected_count == len(breaking[key])
    assert 1 <= len(check.examples) <= 5
    name = f"planted-{list(RULES).index(key):03d}"
    own = {"sample_id: not null": None, f"sample_id: {schema.ID_ABOUT}": FORMULA}
    assert own.get(key, name) in breaking[key]


@pytest.mark.parametrize("rule", FAMILY_RULES, ids=lambda rule: rule.about)
def test_a_family_that_breaks_a_rule_is_found(planted, rule):
    check = planted[0][rule.key]
    assert not check.success
    others = {other.about.replace(" ", "-") for other in FAMILY_RULES if other != rule}
    assert rule.about.replace(" ", "-") in check.examples
    assert not others & set(check.examples)


def test_an_index_without_accepted_samples_is_found(good, tmp_path):
    rejected = {"accepted": False, "reason": "blurred", "split": None}
    report = validate(_write([row | rejected for row in good], tmp_path / "none.parquet"))
    assert [(c.column, c.expectation) for c in report.failures] == [(SOME.column, SOME.about)]


def test_a_good_index_keeps_the_contract(release):
    report = validate(release / "index.parquet")
    assert not report.failures
    assert len(report.checks) == len(RULES) + len(FAMILY_RULES) + 1 + len(schema.columns("index"))


def test_a_rejected_attempt_may_lack_measures_but_not_an_accepted_one(good, tmp_path):
    lost = good[LESION] | {"contrast": None, "mask_area_mm2": float("nan")}
    rejected = {"accepted": False, "reason": "contrast", "split": None}
    rejected |= {"sample_id": "x", "family_id": "x"}
    assert not validate(_write([good[0], lost | rejected], tmp_path / "r.parquet")).failures
    failures = validate(_write([good[0], lost], tmp_path / "a.parquet")).failures
    assert {check.column for check in failures} == {"contrast", "mask_area_mm2"}


@pytest.mark.parametrize("name", ["seed", "margin", "accepted", "mask_area_mm2", "text"])
def test_a_column_missing_or_of_another_type_is_found(release, tmp_path, name):
    table = pq.read_table(release / "index.parquet")
    pq.write_table(table.drop_columns(name), tmp_path / "missing.parquet")
    other = pa.array([b"1"] * len(table), pa.binary())
    place = table.column_names.index(name)
    pq.write_table(table.set_column(place, name, other), tmp_path / "other.parquet")
    for path in ("missing.parquet", "other.parquet"):
        assert [c.column for c in validate(tmp_path / path).failures] == [name]


def test_a_file_that_is_no_parquet_is_an_error(tmp_path):
    (tmp_path / "index.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(DataError, match=r"index\.parquet must be a Parquet file"):
        validate(tmp_path / "index.parquet")


@pytest.fixture(scope="module")
def plan():
    request = {"where": [], "text": None, "targets": {}, "vary": None}
    return request | {"prior": read_json(POOLED)}


def _shares(plan, changed):
    """Return the rules on the shares of 2000 findings that are drawn from a prior, changed."""
    rows = [
        changed(asdict(one) | {"attempt": 0, "margin": list(one.margin or ()) or None})
        for one in draw(make_prior(plan["prior"]), 2000, 3)
    ]
    with sql.connect() as connection:
        connection.register("attempts", pa.Table.from_pylist(rows))
        return share_rules(connection, plan)


def test_findings_drawn_from_the_prior_have_its_shares(plan):
    found = _shares(plan, lambda row: row)
    assert {rule.column for rule in found} >= {"pathology", "shape", "margin", "halo", "birads"}
    assert not any(found.values())


def test_shares_that_are_not_the_priors_are_named(plan):
    found = _shares(plan, lambda row: row | {"halo": None if row["halo"] is None else True})
    off = {rule.column: terms for rule, terms in found.items() if terms}
    assert list(off) == ["halo"]
    assert off["halo"][0].startswith(("yes 1.000 for", "no 0.000 for"))


def test_data_docs_need_no_network_and_list_every_check(release, good, tmp_path):
    report = validate(release / "index.parquet")
    page = to_html(report)
    assert not re.search(r"https?://|<script|<link (?!rel=\"icon\")|url\(", page)
    assert page.count('class="success"') == len(report.checks) + 1  # and the whole
    broken = _write([row | {"birads": "9"} for row in good], tmp_path / "bad.parquet")
    assert 'class="danger"' in to_html(validate(broken))
