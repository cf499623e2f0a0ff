"""Counterfactual families: one finding with every term of one field, all else the same.

In: a drawn finding and the field that varies. Out: the family's findings, of a margin one with each
term alone. They share seed, sizes,
all other terms and the phrasing of the text, so that only the words for the field differ. A member
may be one that the prior never draws (an anechoic carcinoma): that is what a counterfactual is.
"""

from dataclasses import replace

from busgen import schema
from busgen.errors import FindingError
from busgen.priors.draw import text_generator
from busgen.priors.findings import Finding
from busgen.priors.request import Request
from busgen.priors.text.lexicon import TERMS
from busgen.priors.text.words import to_text

_HALO = {"no": False, "yes": True}


def select_terms(field: str, request: Request) -> tuple[str, ...]:
    """Return the terms of `field` that the request admits, in the lexicon's order.

    Conditions on the field itself choose the family's terms: `posterior=none|shadowing` makes
    pairs. Every sample meets all conditions.

    `field`: one of `busgen.schema.VARIED`; `request`: what every finding meets. Raises
    `FindingError` if the field is none of those, fewer than two terms are left, the request gives
    its terms shares (a family has each once), or asks for no lesion where the field is a lesion's.
    """
    if field not in schema.VARIED:
        known = ", ".join(schema.VARIED)
        raise FindingError("vary must be a field that may vary", field, f"one of {known}")
    if any(target.field == field for target in request.targets):
        rule = f"shares of {field} must not be asked for where it varies: each has every term once"
        raise FindingError(rule, f"target {field}", f"drop the target or vary={field}")
    if field != "tissue" and _admitted("pathology", request) == ("normal",):
        rule = f"{field} is a lesion's: it must have lesions to vary among"
        raise FindingError(rule, "pathology=normal", "vary tissue, or ask for lesions")
    terms = _admitted(field, request)
    if len(terms) < 2:
        got = f"{field}={'|'.join(terms) or 'nothing'}"
        remedy = f"drop the condition, or leave two, e.g. {field}={'|'.join(TERMS[field][:2])}"
        raise FindingError(f"conditions and text must leave {field} two terms to vary", got, remedy)
    return terms


def _admitted(field: str, request: Request) -> tuple[str, ...]:
    """Return the terms of `field` that all conditions on it admit."""
    requested = [condition for condition in request.where if condition.field == field]
    return tuple(
        term
        for term in TERMS[field]
        if all((term in c.terms) == (c.op != "excludes") for c in requested)
    )


def make_members(finding: Finding, field: str, terms: tuple[str, ...]) -> list[Finding]:
    """Return the family of a finding: itself with each of `terms` in `field`.

    `finding`: as drawn: its `seed` is the one that it was drawn from; `field`, `terms`: what
    varies, and the terms it takes, as `select_terms` returns them.

    `sample_id` is the drawn finding's with the term behind it, `family_id` and all else the
    drawn finding's. A finding without the field (normal) is a family of its own.
    """
    if getattr(finding, field) is None:
        return [finding]
    members = []
    for term in terms:
        value = {"halo": _HALO.get(term), "margin": (term,)}.get(field, term)
        changed = replace(
            finding,
            **{field: value, "sample_id": f"{finding.sample_id}-{term}"},  # type: ignore[arg-type]
        )
        members.append(replace(changed, text=to_text(vars(changed), text_generator(finding.seed))))
    return members
