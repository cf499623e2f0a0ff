"""What the evidence answers: short questions, each with its answer, words, n, interval and floor.

In: `Evidence`, the contract's report, what images taught models. Out: `Answer`s by name. Nothing
here is said that no number says.
"""

from busgen.release.contract.expectations import Report
from busgen.report import words
from busgen.report.answers import limits
from busgen.report.answers.answer import NO, PARTLY, UNKNOWN, YES, Answer, format_share
from busgen.report.answers.gates import JUDGED, answer_copies, answer_judges
from busgen.report.evidence import Evidence
from busgen.report.sections import marginals, realism
from busgen.report.sections.downstream import Section
from busgen.stats.proportions import wilson_interval

FEW, MANY = 0.01, 0.05  # of the request: unfilled up to FEW is filled, beyond MANY is not
AGAINST = {  # what is asked of each group of statistics
    "geometry": "Do lesions have real sizes, places and outlines?",
    "grey": "Are brightness and contrast those of real images?",
    "depth": "Does brightness change with depth as in real images?",
    "texture": "Is the texture (speckle) that of real images?",
    "judges": "Do the judges treat the images as they treat real ones?",
}
HOLD = {realism.CLOSE: YES, realism.DIFFERS: PARTLY, realism.STRONG: NO}


def make_answers(
    evidence: Evidence, contract: Report, teaching: Section | None = None
) -> tuple[Answer, ...]:
    """Return all answers, in the order in which the page gives them."""
    return (
        _contract(contract),
        _fill(evidence),
        _request(evidence),
        *_beside_real(evidence),
        *(answer_judges(evidence, name) for name in JUDGED),
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
    for name, question in AGAINST.items():
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
