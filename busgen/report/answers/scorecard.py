"""The scorecard: seven criteria of a synthetic medical dataset, each by what was measured.

In: `Evidence`, the verdict's answers. Out: `Criterion`s; what nothing measured says so. After
Zamzmi et al. 2025, doi:10.1038/s44172-025-00450-1.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from busgen import schema
from busgen.io import read_toml
from busgen.priors import contradictions
from busgen.release import files
from busgen.release.verify import check_findings
from busgen.report.answers.limits import LIMIT, NO, PARTLY, UNKNOWN, YES, Answer, format_share
from busgen.report.evidence import Evidence
from busgen.report.sections import previous, realism
from busgen.report.words import name_scanner

CRITERIA = read_toml(Path(__file__).with_suffix(".toml"))
OFTEN = 5  # samples of a term from which on it can be learned from
DOCUMENTS = (files.CARD, files.DICTIONARY, files.CROISSANT, files.PROVENANCE, files.LICENCE)
_LEXICON = ("shape", "orientation", "margin", "echo_pattern", "posterior", "calcification")


class Criterion(NamedTuple):
    """One of the seven: its question and the answers, those last that nothing measures."""

    name: str
    question: str
    answers: tuple[Answer, ...]


def make_section(
    evidence: Evidence, answers: Sequence[Answer], versions: previous.Section | None
) -> tuple[Criterion, ...]:
    """Return all criteria; `versions` is how the release differs from the previous one."""
    own = (
        _terms(evidence),
        _contradictions(evidence),
        _stated(evidence),
        _documented(evidence),
        _scanners(evidence),
        _versions(versions),
    )
    by_name = {one.name: one for one in (*answers, *own)}
    found = []
    for name, told in CRITERIA.items():
        starts = tuple(LIMIT + start for start in told["limits"])
        limits = [one for one in answers if starts and one.name.startswith(starts)]
        left = [Answer("", one, UNKNOWN, why) for one, why in told["not_measured"].items()]
        chosen = (*(by_name[each] for each in told["answers"]), *limits, *left)
        found.append(Criterion(name, told["question"], chosen))
    return tuple(found)


def _terms(evidence: Evidence) -> Answer:
    """Return how many terms of the lexicon enough samples have."""
    rows, seen = evidence.accepted_rows, []
    for name in _LEXICON:
        counts = rows[name].explode().value_counts()
        seen += [int(counts.get(term, 0)) for term in schema.BY_NAME[name].values or ()]
    often = sum(count >= OFTEN for count in seen)
    answer = YES if often == len(seen) else PARTLY
    why = f"{often} of {len(seen)} terms of the lexicon occur {OFTEN} times or more"
    question = "Does every term of the lexicon occur?"
    return Answer("terms", question, answer, why, f"{len(rows)}")


def _contradictions(evidence: Evidence) -> Answer:
    question = "Are all findings such as a radiologist may believe?"
    if evidence.plan.request.vary:
        why = "families vary a term whatever goes with it"
        return Answer("contradictions", question, UNKNOWN, why)
    held, rows = (
        list(check_findings(evidence.sources.release / files.INDEX)),
        evidence.accepted_rows,
    )
    why = f"{len(held)} of {len(contradictions.load())} contradictions with a source are held"
    why += f": {held[0].rule}" if held else ""
    return Answer("contradictions", question, NO if held else YES, why, f"{len(rows)}")


def _stated(evidence: Evidence) -> Answer:
    lesions = evidence.accepted_rows.query("pathology != 'normal'")
    names = [c.name for c in schema.columns("index") if c.lesion and c.source == "finding"]
    whole = int(lesions[names].notna().all(axis=1).sum())
    question = "Does each lesion state every descriptor and its size in mm?"
    why = f"{whole} of {len(lesions)} lesions state all {len(names)}"
    if lesions.empty:
        return Answer("stated", question, UNKNOWN, "no image shows a lesion")
    n, ends = f"{len(lesions)}", format_share(whole, len(lesions))
    return Answer("stated", question, YES if whole == len(lesions) else PARTLY, why, n, ends)


def _documented(evidence: Evidence) -> Answer:
    there = [name for name in DOCUMENTS if (evidence.sources.release / name).is_file()]
    why = f"{len(there)} of {len(DOCUMENTS)} documents stand in the release: {', '.join(there)}"
    question = "Are card, data dictionary, licence and provenance there?"
    answer = YES if len(there) == len(DOCUMENTS) else NO
    return Answer("documented", question, answer, why, f"{len(DOCUMENTS)} documents")


def _scanners(evidence: Evidence) -> Answer:
    """Return whether texture is as near to real images of every scanner."""
    question = "Is the texture as near to real images of every scanner?"
    found = [(name, n, own["texture"]) for name, n, own in realism.compare(evidence)
             if name and "texture" in own]  # fmt: skip
    if len(found) < 2:
        why = "fewer than two scanners have enough real images"
        return Answer("scanners", question, UNKNOWN, why)
    found.sort(key=lambda one: one[2]["value"])
    (near, _, least), (far, _, most) = found[0], found[-1]
    (_, least_high), (low, high) = least["interval"], most["interval"]
    answer = YES if low <= least_high else NO if most["verdict"] == realism.STRONG else PARTLY
    ends = f"{low:.2f} to {high:.2f} (the farthest)"
    why = f"mean KS distance {least['value']:.2f} ({name_scanner(near)}) to {most['value']:.2f}"
    why += f" ({name_scanner(far)})"
    return Answer("scanners", question, answer, why, f"{len(found)} scanners", ends)


def _versions(section: previous.Section | None) -> Answer:
    question = "Is no figure worse than in the previous version?"
    if section is None:
        return Answer("versions", question, UNKNOWN, "no previous version was given")
    worse = [row.name for row in section.changes if row.verdict == previous.WORSE]
    why = f"{len(worse)} of {len(section.changes)} figures are worse beyond noise"
    why += f": {', '.join(worse)}" if worse else ""
    return Answer("versions", question, NO if worse else YES, why, f"{len(section.changes)}")
