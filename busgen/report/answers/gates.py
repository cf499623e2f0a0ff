"""Answers that scores of gates give: what judges say, and copies of training patients.

In: `Evidence`. Out: `Answer`s. A gate that rejects lets nothing pass beyond its bound, so that of
judges is told what the generator made at first.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from busgen.params.gates import Gate
from busgen.report import words
from busgen.report.answers import answer
from busgen.report.answers.answer import NO, PARTLY, UNKNOWN, YES, Answer, format_share
from busgen.report.evidence import Evidence
from busgen.report.sections import funnel
from busgen.similarity.known_images import REAL
from busgen.stats.proportions import wilson_interval

COPIES = "copy_similarity"
DOES = {"reject": "", "flag": "; the gate only flags them", "off": "; the gate is off"}
JUDGED = {  # gate: name, question, what leaving its bound means
    "mask_agreement": (
        "outline",
        "Is the lesion where its outline says?",
        "a segmenter of real images does not find the lesion as outlined",
    ),
    "label_confidence": (
        "label",
        "Does the lesion look like its class?",
        "a classifier of real images takes the lesion for the other class",
    ),
}


def answer_judges(evidence: Evidence, name: str) -> Answer:
    """Return how often a judge refuses at its gate's bound, beside how often real images.

    Of first attempts where the gate rejects, else of what was accepted.
    """
    title, question, phrases = JUDGED[name]
    gate = evidence.plan.request.gates.get(name)
    rejects = gate is not None and gate.action == "reject"
    scores = (evidence.first_attempts if rejects else evidence.accepted_rows)[name].dropna()
    if scores.empty or gate is None:
        return Answer(title, question, UNKNOWN, "the judge was not asked for any image")
    bad = _beyond(scores, gate)
    low, _ = wilson_interval(bad, len(scores))
    refused, floor = _of_real(evidence, name)
    usual = refused is not None and low <= refused
    answer = YES if bad == 0 or usual else UNKNOWN if refused is None else PARTLY
    of = "first attempts" if rejects else "images"
    why = f"in {bad} of {len(scores)} {of} {phrases}"
    if rejects:
        why += f"; the gate refused {int((evidence.attempts['reason'] == name).sum())} attempts"
    n = len(scores)
    return Answer(title, question, answer, why, f"{n}", format_share(bad, n), floor)


def answer_copies(evidence: Evidence) -> Answer:
    """Return whether images are unlike training patients', by all that was held against them.

    What was measured beside real data comes first, unless the gate let copies pass.
    """
    measured, gate = _copies_measured(evidence.scores), _copies_by_gate(evidence)
    return gate if measured is None or gate.answer == NO else measured


def _copies_measured(scores: Mapping[str, Any]) -> Answer | None:
    """Return what the quality stage found beside real data, None where it was given none."""
    record = scores.get("beside_real", {}).get("scores", {}).get("copies")
    if record is None:
        return None
    n, most = record["n"], record["floor_limit"]
    count, usual = round(record["value"] * n), record["value"] <= most
    why = (
        f"{count} of {n} images examined are nearer to a training patient’s than 99 % of "
        f"held-out ones; of held-out ones themselves up to {words.format_percent(most)} are"
    )
    ends, floor = answer.format_interval(*record["interval"]), words.format_percent(record["floor"])
    return _answer(YES if usual else NO, why, f"{n}", ends, floor)


def _copies_by_gate(evidence: Evidence) -> Answer:
    """Return what the gate found: yes only where it was given images of patients."""
    scores, gate = evidence.accepted_rows[COPIES].dropna(), evidence.plan.request.gates.get(COPIES)
    if scores.empty or gate is None:
        why = "the images were not held against those that the generator learned from"
        return _answer(UNKNOWN, why)
    bad, n = _beyond(scores, gate), len(scores)
    refused = int((evidence.attempts["reason"] == COPIES).sum())
    why = (
        f"{bad} of {n} images are more like a known one than the gate’s bound "
        f"({funnel.format_interval(COPIES, gate)}){DOES[gate.action]}; {refused} of "
        f"{len(evidence.attempts)} attempts were refused as copies"
    )
    kinds = evidence.plan.resolution.known_kinds
    if REAL not in kinds:
        record = "earlier releases, not patients’ images" if kinds else "images of untold kinds"
        return _answer(UNKNOWN, f"the images were held against {record}: {why}")
    floor = _of_real(evidence, COPIES)[1]
    return _answer(NO if bad else YES, why, f"{n}", format_share(bad, n), floor)


def _answer(answer: str, why: str, n: str = "", ends: str = "", floor: str = "") -> Answer:
    question = "Are all images unlike those of training patients?"
    return Answer("copies", question, answer, why, n, ends, floor)


def _beyond(scores: "pd.Series[float]", gate: Gate) -> int:
    """Return how many scores are beyond a gate's bounds."""
    return sum(not gate.passes(float(score)) for score in scores)


def _of_real(evidence: Evidence, name: str) -> tuple[float | None, str]:
    """Return the share of real images that the gate refuses, None where unknown, and words."""
    real = evidence.reference.get("calibrated", {}).get("gates", {}).get(name)
    if not real or not real["n_test"]:
        return None, ""
    refused = real["refused_test"] / real["n_test"]
    return refused, f"{words.format_percent(refused)} of {real['n_test']} real"
