"""What the evidence answers: short questions, each with its answer, words, n, interval and floor.

In: `Evidence`, the contract's report, what images taught models. Out: `Answer`s by name. Nothing
here is said that no number says. A gate that rejects lets nothing pass beyond its bound, so that of
judges is told what the generator made at first.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from busgen.params.gates import Gate
from busgen.release.contract.expectations import Report
from busgen.report import words
from busgen.report.answers import limits
from busgen.report.answers.limits import NO, PARTLY, UNKNOWN, YES, Answer, format_share
from busgen.report.evidence import Evidence
from busgen.report.sections import funnel, marginals, realism
from busgen.report.sections.downstream import Section
from busgen.similarity.known_images import REAL
from busgen.stats.proportions import wilson_interval

FEW, MANY = 0.01, 0.05  # of the request: unfilled up to FEW is filled, beyond MANY is not
HOLD = {realism.CLOSE: YES, realism.DIFFERS: PARTLY, realism.STRONG: NO}
COPIES = "copy_similarity"
DOES = {"reject": "", "flag": "; the gate only flags them", "off": "; the gate is off"}


def make_answers(
    evidence: Evidence, contract: Report, teaching: Section | None = None
) -> tuple[Answer, ...]:
    """Return all answers, in the order in which the page gives them."""
    return (
        _contract(contract),
        _fill(evidence),
        _request(evidence),
        *_beside_real(evidence),
        *(answer_judges(evidence, name) for name in words.JUDGED),
        _answer_auc(evidence),
        answer_copies(evidence),
        _utility(teaching if teaching and teaching.matches(evidence.plan) else None),
        *limits.make_answers(evidence.scores.get("limits")),
    )


def _contract(report: Report) -> Answer:
    bad, total = len(report.failures), len(report.checks)
    why = f"all {total} checks of types, ranges, keys, rules and shares hold"
    if bad:
        first = report.failures[0]
        why = f"{bad} of {total} checks fail, the first: {first.column} must be {first.expectation}"
    question = "Is the data set sound as a table?"
    return Answer("contract", question, NO if bad else YES, why, n=f"{total} checks")


def _fill(evidence: Evidence) -> Answer:
    total = evidence.plan.request.n
    filled = total - len(evidence.unfilled)
    left = (total - filled) / total
    answer = YES if left <= FEW else PARTLY if left <= MANY else NO
    share, question = words.format_percent(filled / total), "Was the request filled?"
    why = f"{share} of the lesions asked for have an image that passes"
    return Answer("filled", question, answer, why, f"{total}", format_share(filled, total))


def _request(evidence: Evidence) -> Answer:
    bend = marginals.summarise(marginals.make_section(evidence))
    low, _ = wilson_interval(bend.outside, bend.shares)
    why = (
        f"{bend.outside} of {bend.shares} shares lie outside their 95 % interval, where about "
        f"{words.format_number(0.05 * bend.shares, 2)} would by chance; the checks moved no share "
        f"by more than {words.format_number(100 * abs(bend.shift), 2)} percentage points"
    )
    question = "Are the lesions those that were asked for?"
    answer, ends = YES if low <= 0.05 else PARTLY, format_share(bend.outside, bend.shares)
    return Answer("asked", question, answer, why, f"{bend.shares} shares", ends, "5 %")


def _beside_real(evidence: Evidence) -> list[Answer]:
    """Return an answer for each group of statistics, all lesions against all real ones."""
    scores = next((one for name, _, one in realism.compare(evidence) if not name), {})
    found = []
    for name, question in words.QUESTIONS.items():
        score = scores.get(name)
        if score is None:
            why = "too few images on one of the two sides to compare"
            found.append(Answer(name, question, UNKNOWN, why))
            continue
        verdict, ends = score["verdict"], "{:.2f} to {:.2f}".format(*score["interval"])
        why = f"{words.GROUPS[name][0]}: {verdict}; distance {score['value']:.2f} of 1"
        n, floor = f"{score['n']} / {score['n_real']} real", f"{score['floor']:.2f}"
        found.append(Answer(name, question, HOLD[verdict], why, n, ends, floor))
    return found


def _answer_auc(evidence: Evidence) -> Answer:
    question = "Is the class as hard to tell from the descriptors as in patients?"
    record = evidence.scores["headline"].get("descriptor_auc")
    if not record:
        return Answer("difficulty", question, UNKNOWN, "one class, or too few lesions of a class")
    low, high = record["interval"]
    answer = YES if low <= record["floor"] <= high else PARTLY
    side = "easier" if record["value"] > record["floor"] else "harder"
    why = f"area under the ROC curve {record['value']:.2f}"
    why += "" if answer == YES else f": {side} than in patients"
    n, ends = f"{record['n']} / {record['n_real']} real", f"{low:.2f} to {high:.2f}"
    return Answer("difficulty", question, answer, why, n, ends, f"{record['floor']:.2f}")


def _utility(teaching: Section | None) -> Answer:
    """Return whether models that learn from such images too do better on real patients."""
    question = "Does training on such images help on real patients?"
    if teaching is None or not teaching.primaries:
        why = "no model was trained on such images and tried on real patients"
        return Answer("utility", question, UNKNOWN, why)
    gains = [row["gain"]["interval"] for _, row in teaching.primaries if row["gain"]]
    better, worse = sum(low > 0 for low, _ in gains), sum(high < 0 for _, high in gains)
    answer = YES if better == len(gains) else NO if worse else PARTLY if better else UNKNOWN
    why = (
        f"added to real images they do better in {better}, worse in {worse}, and make no "
        f"difference that chance does not explain in {len(gains) - better - worse} of "
        f"{len(gains)} comparisons fixed beforehand"
    )
    return Answer("utility", question, answer, why, f"{len(gains)} comparisons")


def answer_judges(evidence: Evidence, name: str) -> Answer:
    """Return how often a judge refuses at its gate's bound, beside how often real images.

    Of first attempts where the gate rejects, else of what was accepted.
    """
    title, question, phrases = words.JUDGED[name]
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
    ends, floor = limits.format_interval(*record["interval"]), words.format_percent(record["floor"])
    return _answer_copies(YES if usual else NO, why, f"{n}", ends, floor)


def _copies_by_gate(evidence: Evidence) -> Answer:
    """Return what the gate found: yes only where it was given images of patients."""
    scores, gate = evidence.accepted_rows[COPIES].dropna(), evidence.plan.request.gates.get(COPIES)
    if scores.empty or gate is None:
        why = "the images were not held against those that the generator learned from"
        return _answer_copies(UNKNOWN, why)
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
        return _answer_copies(UNKNOWN, f"the images were held against {record}: {why}")
    floor = _of_real(evidence, COPIES)[1]
    return _answer_copies(NO if bad else YES, why, f"{n}", format_share(bad, n), floor)


def _answer_copies(answer: str, why: str, n: str = "", ends: str = "", floor: str = "") -> Answer:
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
