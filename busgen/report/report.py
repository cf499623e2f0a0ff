"""The report: one self-contained page about a release, for a clinician to judge it by.

In: the folders of release, candidates, scores and real statistics. Out: a folder with
``index.html``: no network, no clock time; the same inputs give the same bytes.
"""

from pathlib import Path
from typing import Any

from busgen import io, schema
from busgen.errors import UserError
from busgen.folders import written_folder
from busgen.release.contract.data_docs import data_docs
from busgen.release.contract.expectations import Report, validate_index
from busgen.release.files import INDEX
from busgen.report.answers.limits import in_a_clause
from busgen.report.answers.questions import make_answers
from busgen.report.answers.verdict import make_verdict
from busgen.report.charts import distributions
from busgen.report.evidence import Evidence, Previous, Sources, gather
from busgen.report.page import render
from busgen.report.sections import (
    downstream,
    fault_detection,
    funnel,
    judges,
    marginals,
    previous,
    prior_fit,
    provenance,
    real_data,
    realism,
    scores,
)
from busgen.report.sections.families import make_families
from busgen.report.sections.gallery import filters, make_gallery, make_ranked
from busgen.report.sections.outlines import make_plate

__all__ = ["Previous", "Sources", "write_report"]

REPORT = "report"
PAGE, CONTRACT = "index.html", "contract.html"
OUTLINES = 8  # of each class and margin on the plate
MAX_BYTES = 20_000_000
SECTIONS = (  # id, title, what the contents add to it, template; in the order of the page
    ("distributions", "What was asked for, what came out", "", "sections/marginals.html"),
    ("real", "Beside real images", "", "sections/realism.html"),
    ("funnel", "What was rejected, and why", "", "sections/funnel.html"),
    ("downstream", "What it teaches models", "", "sections/downstream.html"),
    (
        "gallery",
        "Pictures",
        ": random, best, worst, of every kind of lesion",
        "sections/gallery.html",
    ),
    ("versions", "Beside the previous version", "", "sections/previous.html"),
    ("learned", "What it learned from", "", "sections/real_data.html"),
    ("fit", "Does the prior fit?", "", "sections/prior_fit.html"),
    ("judges", "The judges", ", and how well they judge", "sections/judges.html"),
    ("provenance", "How it was made", ", again and checked", "sections/provenance.html"),
    ("limits", "Limits", ", and what it must not be used for", "answers/limits.html"),
)


def write_report(sources: Sources, out: Path, gallery: int) -> None:
    """Write the report of a release (`save_report`) as the folder `out`, whole or not at all.

    Parameters
    ----------
    sources
        Where release, candidates, scores and real statistics lie.
    out
        Folder to write to.
    gallery
        Pictures for each stratum, at least 1.

    Raises
    ------
    DataError
        If an input is missing or damaged.
    UserError
        If the page would exceed 20 MB, or `out` holds anything but an earlier, unchanged report.
    StorageError
        If `out` cannot be written.
    """
    with written_folder(out, REPORT) as partial:
        save_report(sources, partial, gallery)


def save_report(sources: Sources, folder: Path, gallery: int) -> None:
    """Write ``index.html`` to `folder`; parameters and errors as in `write_report`.

    Beside it stands ``contract.html``, Great Expectations' data docs of the release.
    """
    evidence = gather(sources)
    contract = validate_index(sources.release / INDEX, evidence.provenance["plan"])
    page = render("page.html", content(evidence, contract, gallery))
    if (size := len(page.encode())) > MAX_BYTES:
        rule = f"a report must be at most {MAX_BYTES / 1e6:.0f} MB"
        raise UserError(rule, f"{size / 1e6:.1f} MB", "lower report.gallery")
    io.write_text(folder / CONTRACT, data_docs(contract))
    io.write_text(folder / PAGE, page)


def content(evidence: Evidence, contract: Report, size: int) -> dict[str, Any]:
    """Return everything that the page shows, by name; `size` pictures for each stratum."""
    teaching = downstream.make_teaching(evidence.sources.downstream)
    answers = make_answers(evidence, contract, teaching)
    sections = [one for one in SECTIONS if teaching or one[0] != "downstream"]
    return {
        "chart": distributions,
        "contract_page": CONTRACT,
        "place": {name: number for number, (name, *_) in enumerate(sections, 1)},
        "sections": sections,
        "teaching": teaching,
        "arm_title": downstream.arm_title,
        "title": evidence.provenance["title"],
        "plan": evidence.plan,
        "counts": class_counts(evidence),
        "accepted": len(evidence.accepted),
        "attempts": len(evidence.attempts),
        "unfilled": evidence.unfilled,
        "verdict": make_verdict(answers, in_a_clause(evidence.scores.get("limits"))),
        "versions": previous.compare(evidence),
        **_pictures(evidence, size),
        **_requested(evidence),
        **_gates(evidence),
        **_real(evidence),
        **_learned(evidence),
        **_provenance(evidence),
    }


def _pictures(evidence: Evidence, size: int) -> dict[str, Any]:
    ranked, strata = make_ranked(evidence, size), make_gallery(evidence, size)
    shown = [picture for group in ranked for picture in group.pictures]
    shown += [picture for stratum in strata for picture in stratum.pictures]
    return {
        "ranked": ranked,
        "strata": strata,
        "filters": filters(shown),
        "plate": make_plate(evidence, OUTLINES),
        "families": make_families(evidence, size),
    }


def class_counts(evidence: Evidence) -> dict[str, int]:
    """Return the accepted samples of each class that occurs, in the lexicon's order."""
    found = evidence.accepted["pathology"].value_counts()
    return {name: int(found[name]) for name in schema.PATHOLOGIES if name in found}


def _requested(evidence: Evidence) -> dict[str, Any]:
    shares, spreads = marginals.make_marginals(evidence), marginals.make_spreads(evidence)
    return {
        "marginals": shares,
        "bend": marginals.summarise(shares),
        "spreads": spreads,
        "size_charts": distributions.size_charts(spreads),
    }


def _gates(evidence: Evidence) -> dict[str, Any]:
    return {
        "rejects_kept": evidence.sources.candidates is not None,
        "steps": funnel.make_steps(evidence),
        "rates": funnel.make_rates(evidence),
        "gates": funnel.make_gates(evidence),
        "bounds": funnel.make_bounds(evidence),
        "bounds_together": evidence.reference.get("calibrated", {}).get("together", {}),
        "tries": funnel.tries(evidence),
        "proof": fault_detection.make_proof(evidence.reference),
    }


def _real(evidence: Evidence) -> dict[str, Any]:
    groups = realism.make_groups(evidence)
    depth = [group for group in groups if group.name == "depth"]
    return {
        "groups": groups,
        "comparisons": realism.make_comparisons(evidence),
        "verdicts": realism.counts(groups),
        "depth_charts": distributions.depth_charts(depth[0]) if depth else (),
        "auc": evidence.scores["headline"].get("descriptor_auc"),
        "measured": scores.make_beside(evidence.scores),
        "repeats": scores.make_repeats(evidence.scores),
        "skipped": evidence.scores["skipped"],
        "real_sources": evidence.reference.get("sources", []),
        "far": realism.FAR,
    }


def _learned(evidence: Evidence) -> dict[str, Any]:
    found = prior_fit.make_fit(evidence.checks)
    return {
        "learned": real_data.make_learned(evidence.reference),
        "fit": found,
        "open_fields": prior_fit.OPEN_FIELDS,
        "fit_charts": distributions.fit_charts(found.sizes) if found else (),
        "teaching": downstream.make_teaching(evidence.sources.downstream),
        "arm_title": downstream.arm_title,
        "judging": judges.make_judging(evidence.judges, evidence.plan),
    }


def _provenance(evidence: Evidence) -> dict[str, Any]:
    plan, release = evidence.plan, evidence.provenance["release"]
    return {
        "facts": provenance.facts(evidence),
        "command": provenance.command(plan, release),
        "needs_file": provenance.needs_file(plan, release),
        "parameters": provenance.as_yaml(plan, release),
        "prior_sources": provenance.prior_sources(plan),
    }
