"""The report: one self-contained page about a release, for a clinician to judge it by.

In: the folders of release, candidates, scores and real statistics. Out: a folder with
``index.html``: no network, no clock time; the same inputs give the same bytes.
"""

from pathlib import Path
from typing import Any

from busgen import io, schema
from busgen.errors import UserError
from busgen.folders import write_folder
from busgen.release.contract.expectations import Report, to_html, validate
from busgen.release.files import INDEX
from busgen.report import words
from busgen.report.answers import scorecard, verdict
from busgen.report.answers.limits import to_words
from busgen.report.answers.questions import make_answers
from busgen.report.charts import distributions
from busgen.report.evidence import Evidence, Sources, gather
from busgen.report.page import render
from busgen.report.sections import (
    downstream,
    families,
    fault_detection,
    funnel,
    gallery,
    judges,
    marginals,
    outlines,
    previous,
    prior_fit,
    provenance,
    real_data,
    realism,
    scores,
)
from busgen.report.sections.gallery import make_filters, make_rows

REPORT = "report"
PAGE, CONTRACT, SCORECARD = "index.html", "contract.html", "scorecard.html"
OUTLINES = 8  # of each class and margin on the plate
MAX_BYTES = 20_000_000


def write_report(sources: Sources, out: Path, gallery: int) -> None:
    """Write the report of a release (`save_report`) as the folder `out`, whole or not at all.

    `gallery` is the number of images for each stratum, at least 1. Raises `DataError` if an input
    is missing or damaged, `UserError` if the page would exceed 20 MB or `out` holds anything but
    an earlier, unchanged report, `StorageError` if `out` cannot be written.
    """
    with write_folder(out, REPORT) as partial:
        save_report(sources, partial, gallery)


def save_report(sources: Sources, folder: Path, gallery: int) -> None:
    """Write ``index.html`` to `folder`; parameters and errors as in `write_report`.

    Beside it stand ``contract.html``, Great Expectations' data docs of the release, and
    ``scorecard.html``, the release by the criteria of Zamzmi et al. 2025.
    """
    evidence = gather(sources)
    contract = validate(sources.release / INDEX, evidence.provenance["plan"])
    content = _gather_content(evidence, contract, gallery)
    page = render("page.html", content)
    if (size := len(page.encode())) > MAX_BYTES:
        rule = f"a report must be at most {MAX_BYTES / 1e6:.0f} MB"
        raise UserError(rule, f"{size / 1e6:.1f} MB", "lower report.gallery")
    io.write_text(folder / CONTRACT, to_html(contract))
    io.write_text(folder / SCORECARD, render("answers/scorecard.html", content))
    io.write_text(folder / PAGE, page)


def _gather_content(evidence: Evidence, contract: Report, size: int) -> dict[str, Any]:
    """Return everything that the page shows, by name; `size` images for each stratum."""
    teaching = downstream.make_section(evidence.sources.downstream)
    answers = make_answers(evidence, contract, teaching)
    found = evidence.accepted_rows["pathology"].value_counts()
    sections = [(n, *row) for n, row in words.SECTIONS.items() if teaching or n != "downstream"]
    versions = previous.make_section(evidence)
    return {
        "chart": distributions,
        "contract_page": CONTRACT,
        "report_page": PAGE,
        "scorecard_page": SCORECARD,
        "criteria": scorecard.make_section(evidence, answers, versions),
        "place": {name: number for number, (name, *_) in enumerate(sections, 1)},
        "sections": sections,
        "teaching": teaching,
        "arm_title": downstream.name_arm,
        "title": evidence.provenance["title"],
        "plan": evidence.plan,
        "counts": {name: int(found[name]) for name in schema.PATHOLOGIES if name in found},
        "accepted": len(evidence.accepted_rows),
        "attempts": len(evidence.attempts),
        "unfilled": evidence.unfilled,
        "verdict": verdict.make_section(answers, to_words(evidence.scores.get("limits"))),
        "versions": versions,
        **_images(evidence, size),
        **_request(evidence),
        **_gates(evidence),
        **_real(evidence),
        **_learn(evidence),
        **_provenance(evidence),
    }


def _images(evidence: Evidence, size: int) -> dict[str, Any]:
    ranked, strata = make_rows(evidence, size), gallery.make_section(evidence, size)
    shown = [image for *_, images in (*ranked, *strata) for image in images]
    return {
        "first": gallery.make_plate(evidence),
        "ranked": ranked,
        "strata": strata,
        "filters": make_filters(shown),
        "plate": outlines.make_section(evidence, OUTLINES),
        "families": families.make_section(evidence, size),
    }


def _request(evidence: Evidence) -> dict[str, Any]:
    shares, spreads = marginals.make_section(evidence), marginals.make_spreads(evidence)
    return {
        "marginals": shares,
        "bend": marginals.summarise(shares),
        "spreads": spreads,
        "size_charts": distributions.plot_sizes(spreads),
    }


def _gates(evidence: Evidence) -> dict[str, Any]:
    return {
        "rejects_kept": evidence.sources.candidates is not None,
        "steps": funnel.make_section(evidence),
        "rates": funnel.make_rows(evidence),
        "gates": funnel.make_gates(evidence),
        "bounds": funnel.make_bounds(evidence),
        "bounds_together": evidence.reference.get("calibrated", {}).get("together", {}),
        "tries": funnel.count(evidence),
        "proof": fault_detection.make_section(evidence.reference),
    }


def _real(evidence: Evidence) -> dict[str, Any]:
    groups = realism.make_section(evidence)
    depth = [group for group in groups if group.name == "depth"]
    return {
        "groups": groups,
        "comparisons": realism.compare(evidence),
        "verdicts": realism.count(groups),
        "depth_charts": distributions.plot_depth(depth[0]) if depth else (),
        "auc": evidence.scores["headline"].get("descriptor_auc"),
        "measured": scores.make_section(evidence.scores),
        "repeats": evidence.scores.get("repeats"),
        "skipped": evidence.scores["skipped"],
        "real_sources": evidence.reference.get("sources", []),
        "far": realism.FAR,
    }


def _learn(evidence: Evidence) -> dict[str, Any]:
    found = prior_fit.make_section(evidence.checks)
    return {
        "learned": real_data.make_section(evidence.reference),
        "fit": found,
        "open_fields": prior_fit.OPEN_FIELDS,
        "fit_charts": distributions.plot_fit(found.sizes) if found else (),
        "judging": judges.make_section(evidence.judges, evidence.plan),
    }


def _provenance(evidence: Evidence) -> dict[str, Any]:
    plan, release = evidence.plan, evidence.provenance["release"]
    return {
        "facts": provenance.make_section(evidence),
        "command": provenance.to_command(plan, release),
        "needs_file": provenance.needs_file(plan, release),
        "parameters": provenance.to_yaml(plan, release),
        "prior_sources": provenance.list_sources(plan),
    }
