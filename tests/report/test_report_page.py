"""The page: complete, escaped, self-contained, the same for the same inputs, for any release."""

import html
import json
import re
import shutil
import sys

import pyarrow.parquet as pq
import pytest

from busgen import NOT_FOR_CLINICAL_USE
from busgen.cli import main
from busgen.errors import DataError, UserError
from busgen.folders.manifests import MANIFEST
from busgen.report.evidence import Sources
from busgen.report.page import HERE
from busgen.report.report import (
    CONTRACT,
    MAX_BYTES,
    PAGE,
    SCORECARD,
    write_report,
)
from busgen.report.sections.gallery import PLATE, RANKS
from busgen.report.words import SECTIONS

SCRIPT = (HERE / "enlarge.js").read_text(encoding="utf-8")


def alts(page):
    return [html.unescape(alt) for alt in re.findall(r'<img [^>]*alt="([^"]*)"', page)]


def test_page_has_banner_title_and_all_sections(chain):
    page = chain.html
    assert page.startswith("<!DOCTYPE html>")
    assert re.search(f"<title>{NOT_FOR_CLINICAL_USE} ", page)
    assert f'class="banner" role="note">{NOT_FOR_CLINICAL_USE}<' in page
    names = set(SECTIONS) - {"downstream"}  # nothing was learned from it
    for name in ("verdict", *names):
        assert page.count(f'<section id="{name}">') == 1
        assert name == "verdict" or f'href="#{name}"' in page


def test_print_carries_the_banner_on_every_sheet():
    style = (HERE / "style.css").read_text(encoding="utf-8")
    assert f'@top-center {{ content: "{NOT_FOR_CLINICAL_USE}"' in style


def test_title_is_escaped(chain):
    assert "Brüste &lt;b&gt;&amp; “Test”" in chain.html
    assert "<b>&" not in chain.html


def test_gallery_shows_each_stratum_with_the_text_of_each_image(chain, evidence):
    accepted = evidence.accepted_rows
    strata = accepted.groupby(["pathology", accepted["shape"].fillna("")])
    shown = [alt for alt in alts(chain.html) if alt.startswith("Synthetic")]
    # at random, then best and worst by the one score that images of this size have
    ranked = 2 * (1 + 2 * sum(accepted[name].notna().any() for name in RANKS))
    first = min(PLATE, len(accepted))
    assert len(shown) == first + ranked + sum(min(2, len(rows)) for _, rows in strata)
    texts = dict(zip(accepted["sample_id"], accepted["text"], strict=True))
    for alt in shown:
        sample, text = re.fullmatch(r"Synthetic B-mode image (\S+): (.*)", alt).groups()
        assert text == texts[sample]


def test_rejected_attempts_are_shown_with_score_and_bound(chain, evidence):
    rejected = [alt for alt in alts(chain.html) if alt.startswith("Rejected")]
    reasons = evidence.attempts["reason"].dropna()
    assert set(reasons) == {"contrast"}
    assert len(rejected) == min(4, len(reasons))
    assert chain.html.count("must be at least 24 grey levels") == len(rejected)


def test_unfilled_findings_are_listed(chain, evidence):
    assert evidence.unfilled
    for name in evidence.unfilled[:20]:
        assert f"<code>{name}</code>" in chain.html


def test_page_is_self_contained(chain):
    page = chain.html
    links = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert all(link.startswith(("data:", "#")) or link in (CONTRACT, SCORECARD) for link in links)
    beside = [(chain.folder / name).read_text(encoding="utf-8") for name in (CONTRACT, SCORECARD)]
    for text in (page, *beside):
        remote = re.sub(r'xmlns(:xlink)?="[^"]*"', "", text)  # names, that nothing fetches
        remote = remote.replace(f"<script>{SCRIPT}</script>", "")
        assert not re.search(r"<script|<link rel=.stylesheet|@import|url\((?!#)|https?://", remote)
    assert len(page.encode()) < MAX_BYTES
    assert sorted(file.name for file in chain.folder.iterdir()) == [
        MANIFEST,
        CONTRACT,
        PAGE,
        SCORECARD,
    ]


def test_every_reference_inside_the_page_has_its_target(chain):
    ids = set(re.findall(r' id="([^"]+)"', chain.html))
    assert {link[1:] for link in re.findall(r'href="(#[^"]+)"', chain.html)} <= ids


def test_same_inputs_same_bytes(chain, tmp_path):
    write_report(chain.sources, tmp_path / "again", 2)
    for name in (PAGE, CONTRACT):
        again = (tmp_path / "again" / name).read_bytes()
        assert again == (chain.folder / name).read_bytes()


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
    write_report(sources, out, 1)
    assert sorted(path.name for path in out.iterdir()) == [MANIFEST, CONTRACT, PAGE, SCORECARD]
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
    write_report(chain.sources, out, 1)
    before = (out / "index.html").read_bytes()
    sources = Sources(
        release, chain.sources.candidates, chain.sources.quality, chain.sources.reference
    )
    with pytest.raises(DataError, match=r"index\.parquet must be a whole Parquet file"):
        write_report(sources, out, 1)
    assert (out / "index.html").read_bytes() == before


def test_text_of_a_finding_is_escaped(chain, tmp_path):
    given = chain.sources
    release = tmp_path / "release"
    shutil.copytree(given.release, release)
    record = json.loads((release / "provenance.json").read_text())
    record["plan"]["prior"]["name"] = "<script>alert(1)</script>"
    (release / "provenance.json").write_text(json.dumps(record))
    sources = Sources(release, given.candidates, given.quality, given.reference)
    write_report(sources, tmp_path / "report", 1)
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert page.count("<script") == 1  # of ours
    assert "&lt;script&gt;alert(1)" in page


def test_rejected_images_that_were_not_kept_are_said_to_be_so(chain, tmp_path):
    given = chain.sources
    out = tmp_path / "report"
    write_report(Sources(given.release, None, given.quality, given.reference), out, 1)
    page = (out / PAGE).read_text(encoding="utf-8")
    assert "Their images were not kept" in page
    assert not [alt for alt in alts(page) if alt.startswith("Rejected")]


def test_a_page_that_grew_too_large_is_refused(chain, tmp_path, monkeypatch):
    monkeypatch.setattr("busgen.report.report.MAX_BYTES", 1000)
    with pytest.raises(UserError, match=r"at most 0 MB, got .* lower report.gallery"):
        write_report(chain.sources, tmp_path / "report", 1)
    assert not (tmp_path / "report").exists()


def test_release_has_what_the_page_counts(chain):
    index = pq.read_table(chain.sources.release / "index.parquet", columns=["accepted"])
    accepted = sum(index["accepted"].to_pylist())
    assert f"<dt>Accepted images</dt><dd>{accepted}</dd>" in chain.html
    assert f"<dt>Attempts</dt><dd>{len(index)}</dd>" in chain.html


@pytest.fixture
def typed(monkeypatch, capsys):
    """Return a function that runs `busgen report` and returns exit code and errors."""

    def run(*words: object):
        monkeypatch.setattr(sys, "argv", ["busgen", "report", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code or 0, capsys.readouterr().err

    return run


def test_what_a_user_keeps_by_the_names_of_the_report_is_kept(chain, tmp_path, typed):
    files = {
        "refused/mine.txt": "mine",
        "quality/scores.json": '{"mine": 1}',
        "index.html": "mine",
    }
    for name, text in files.items():
        (tmp_path / "x" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "x" / name).write_text(text)
    code, err = typed(chain.sources.release, "--out", tmp_path / "x")
    assert code == 2
    assert "must not exist or be empty" in err
    assert {name: (tmp_path / "x" / name).read_text() for name in files} == files


def test_a_report_is_written_again_with_the_scores_that_it_holds(chain, tmp_path, typed):
    given, out = chain.sources, tmp_path / "x"
    words = (given.release, "--reference", given.reference, "--gallery", 1, "--out", out)
    assert typed(*words) == (0, "scoring the release, which takes a minute or two\n")
    names = sorted(path.name for path in out.iterdir())
    assert names == [MANIFEST, CONTRACT, PAGE, "quality", SCORECARD]
    scores = (out / "quality" / "scores.json").read_bytes()
    assert scores == (given.quality / "scores.json").read_bytes()
    assert typed(*words, "--quality", out / "quality") == (0, "")
    assert sorted(path.name for path in out.iterdir()) == names
    assert (out / "quality" / "scores.json").read_bytes() == scores
