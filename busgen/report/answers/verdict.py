"""The verdict: what a release is fit for and what not, and the answers that say so.

In: `Answer`s, what the limits say. Out: a `Section`: one sentence, two lists of uses with their
reasons, the answers.
"""

from collections.abc import Sequence
from typing import NamedTuple

from busgen.report import words
from busgen.report.answers.limits import LIMIT, NO, PARTLY, UNKNOWN, YES, Answer

Use = tuple[str, str]
TOLD = {YES: "yes", PARTLY: "partly", NO: "no", UNKNOWN: "open"}
NEVER = (
    ("Diagnosis, treatment, or the approval of a device", "no image shows a patient"),
    ("Telling how accurate a model is on patients", "only real images of patients tell"),
)


class Section(NamedTuple):
    """`sentence` in plain words, uses with the reason for each, every answer with its numbers.

    `checks` are the answers that come first, each with why it counts; `tally` counts all of them.
    """

    sentence: str
    checks: tuple[tuple[Answer, str], ...]
    tally: str
    fit: tuple[Use, ...]
    unfit: tuple[Use, ...]
    answers: tuple[Answer, ...]


def make_section(answers: Sequence[Answer], kept: str = "") -> Section:
    """Return the verdict that the answers lead to.

    A limit of the quality stage that is exceeded speaks against the uses that it concerns. `kept`
    says of all limits whether they are kept (`busgen.report.answers.limits.to_words`).
    """
    by_name = {one.name: one for one in answers}
    fit: list[Use] = []
    unfit: list[Use] = []
    for use, needs in words.USES.items():
        request = [by_name[name] for name in needs]
        against = [one for one in request if one.answer != YES]
        limits = tuple(LIMIT + start for name in needs for start in words.CONCERN.get(name, ()))
        against += [one for one in answers if one.answer == NO and one.name.startswith(limits)]
        reasons = "; ".join(one.why for one in against or request)
        (unfit if against else fit).append((use, reasons))
    checks = tuple((by_name[name], why) for name, why in words.CHECKS.items() if name in by_name)
    sentence, tally = _to_sentence(fit, kept), _count(answers)
    return Section(sentence, checks, tally, tuple(fit), (*unfit, *NEVER), tuple(answers))


def _to_sentence(fit: Sequence[Use], kept: str) -> str:
    """Return the verdict in one sentence."""
    uses = f"is fit for {len(fit)} of {len(words.USES)} uses" if fit else "is fit for no use below"
    return f"This set {kept} and {uses}." if kept else f"This set {uses}."


def _count(answers: Sequence[Answer]) -> str:
    """Return how many answers are of each kind, in words."""
    counts = {kind: sum(one.answer == kind for one in answers) for kind in TOLD}
    return ", ".join(f"{count} {TOLD[kind]}" for kind, count in counts.items() if count)
