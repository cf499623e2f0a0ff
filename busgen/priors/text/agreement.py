"""Whether a finding's text is a sentence of it.

In: a finding. Out: yes or no: it is written anew, which is fast; where it differs (another attempt,
another version's words) it is read, and all that it states must hold.
"""

from busgen.errors import FindingError
from busgen.priors.conditions import SIZES, Condition
from busgen.priors.draw import restate
from busgen.priors.findings import Finding
from busgen.priors.text.parse import read_text

ROUNDED_MM = 0.1  # sizes in a text are rounded


def is_text_of(finding: Finding) -> bool:
    """Return whether the text of `finding` can be read and states nothing that it does not hold."""
    try:
        if finding.text == restate(finding):
            return True
        read = read_text(finding.text)
    except (FindingError, LookupError):  # terms that are none: the contract says so
        return False
    return not read.left_out and all(_holds(finding, condition) for condition in read.conditions)


def _holds(finding: Finding, condition: Condition) -> bool:
    """Return whether a finding meets a condition that a text may state."""
    if condition.field in SIZES:
        width, height = finding.width_mm or 0.0, finding.height_mm or 0.0
        value = {"width_mm": width, "height_mm": height, "size_mm": max(width, height)}
        found = value.get(condition.field, -1.0)
        return condition.low - ROUNDED_MM <= found <= condition.high + ROUNDED_MM
    term = getattr(finding, condition.field)
    if condition.field == "margin":
        own = tuple(term or ())
        if condition.op == "in":
            return "+".join(own) in condition.terms
        return (condition.terms[0] in own) == (condition.op == "includes")
    return {True: "yes", False: "no"}.get(term, term) in condition.terms
