"""The page: complete, escaped, self-contained, the same for the same inputs, for any release."""

import html
import json
import re

import pyarrow.parquet as pq
import pytest

from busgen import NOT_FOR_CLINICAL_USE
from busgen.errors import DataError
from busgen.report.report import HERE, Sources, write_report

SECTIONS = (
    *("gallery", "distributions", "funnel", "real", "learned", "fit", "judges", "provenance"),
    "limits",
)


def alts(page):
    return [html.unescape(alt) for alt in re.findall(r'<img [^>]*alt="([^"]*)"', page)]


def test_page_has_banner_title_and_all_sections(chain):
    page = chain.html
    assert page.startswith("<!DOCTYPE html>")
    assert re.search(f"<title>{NOT_FOR_CLINICAL_USE} ", page)
    assert f'class="banner" role="note">{NOT_FOR_CLINICAL_USE}<' in page
    for name in SECTIONS:
        assert page.count(f'<section id="{name}">') == 1
        assert f'href="#{name}"' in page


def test_print_carries_the_banner_on_every_sheet():
    style = (HERE / "style.css").read_text(encoding="utf-8")
    assert f'@top-center {{ content: "{NOT_FOR_CLINICAL_USE}"' in style


def test_title_is_escaped(chain):
    assert "Brüste &lt;b&gt;&amp; “Test”" in chain.html
    assert "<b>&" not in chain.html


def test_gallery_shows_each_stratum_with_the_text_of_each_picture(chain, evidence):
    accepted = evidence.accepted
    strata = accepted.groupby(["pathology", accepted["shape"].fillna("")])
    shown = [alt for alt in alts(chain.html) if alt.startswith("Synthetic")]
    assert len(shown) == sum(min(2, len(rows)) for _, rows in strata)
    texts = dict(zip(accepted["sample_id"], accepted["text"], strict=True))
    for alt in shown:
        sample, text = re.fullmatch(r"Synthetic B-mode picture (\S+): (.*)", alt).groups()
        assert text == texts[sample]


def test_rejected_attempts_are_shown_with_score_and_bound(chain, evidence):
    rejected = [alt for alt in alts(chain.html) if alt.startswith("Rejected")]
    reasons = evidence.attempts["reason"].dropna()
    assert set(reasons) == {"contrast"}
    assert len(rejected) == min(4, len(reasons))
    assert chain.html.count("must be at least 20 grey levels") == len(rejected)


def test_unfilled_findings_are_listed(chain, evidence):
    assert evidence.unfilled
    for name in evidence.unfilled[:20]:
        assert f"<code>{name}</code>" in chain.html


def test_page_is_self_contained(chain):
    page = chain.html
    assert all(
        link.startswith(("data:", "#")) for link in re.findall(r'(?:src|href)="([^"]*)"', page)
    )
    assert not re.search(r"<script|<link rel=.stylesheet|@import|url\(|https?://", page)
    assert [file.name for file in chain.folder.iterdir()] == ["index.html"]


def test_every_reference_inside_the_page_has_its_target(chain):
    ids = set(re.findall(r' id="([^"]+)"', chain.html))
    assert {link[1:] for link in re.findall(r'href="(#[^"]+)"', chain.html)} <= ids


def test_same_inputs_same_bytes(chain, tmp_path):
    write_report(chain.sources, tmp_path / "again", 2)
    assert (tmp_path / "again" / "index.html").read_bytes() == chain.page.read_bytes()


def test_tables_have_headers_and_figures_have_words(chain):
    page = chain.html
    assert len(re.findall(r"<table", page)) <= len(re.findall(r'<th scope="(?:col|row)', page))
    assert all(alts(page))
    assert all("aria-" in tag for tag in re.findall(r"<svg[^>]*>", page))


@pytest.mark.parametrize("pathology", ["benign", "normal"])
def test_one_class_without_rejects(one_class, pathology):
    page = one_class(pathology).html
    assert "No attempt was rejected" in page
    assert "Nothing could be compared" in page
    assert len(alts(page)) >= 1
    assert ("<h3>Sizes</h3>" in page) == (pathology == "benign")
    assert "Share of lesions up to a given size" not in page  # four lesions make no curve


def test_silent_reference_prior_and_judges(chain, tmp_path):
    facts = json.loads((chain.sources.reference / "reference.json").read_text())
    del facts["sources"], facts["cleaning"], facts["calibrated"]
    (tmp_path / "reference.json").write_text(json.dumps(facts))
    given = chain.sources
    sources = Sources(given.release, given.candidates, given.quality, tmp_path, tmp_path)
    out = tmp_path / "report"
    out.mkdir()
    (out / "thesis.tex").write_text("years of work")
    write_report(sources, out, 1)
    assert sorted(path.name for path in out.iterdir()) == ["index.html", "thesis.tex"]
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "benign, synthetic" in page
    assert "Real images compared with" not in page
    assert page.count("<strong>Not known:</strong>") == 3


def test_damaged_index_is_an_error_and_leaves_the_old_page(chain, tmp_path):
    release = tmp_path / "release"
    release.mkdir()
    (release / "provenance.json").write_bytes(
        (chain.sources.release / "provenance.json").read_bytes()
    )
    (release / "index.parquet").write_bytes(b"PAR1")
    out = tmp_path / "report"
    out.mkdir()
    (out / "index.html").write_text("old")
    sources = Sources(
        release, chain.sources.candidates, chain.sources.quality, chain.sources.reference
    )
    with pytest.raises(DataError, match=r"index\.parquet must be a whole Parquet file"):
        write_report(sources, out, 1)
    assert (out / "index.html").read_text() == "old"


def test_text_of_a_finding_is_escaped(chain, tmp_path):
    candidates = chain.sources.candidates
    plan = json.loads((candidates / "plan.json").read_text())
    plan["prior"]["name"] = "<script>alert(1)</script>"
    folder = tmp_path / "candidates"
    folder.mkdir()
    (folder / "shards").symlink_to(candidates / "shards")
    (folder / "plan.json").write_text(json.dumps(plan))
    sources = Sources(chain.sources.release, folder, chain.sources.quality, chain.sources.reference)
    write_report(sources, tmp_path / "report", 1)
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_release_has_what_the_page_counts(chain):
    index = pq.read_table(chain.sources.release / "index.parquet", columns=["accepted"])
    accepted = sum(index["accepted"].to_pylist())
    assert f"<dt>Accepted pictures</dt><dd>{accepted}</dd>" in chain.html
    assert f"<dt>Attempts</dt><dd>{len(index)}</dd>" in chain.html
