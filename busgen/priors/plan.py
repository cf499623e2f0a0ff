"""A request worked out on a prior: the tables that findings are drawn from.

In: `Prior`, `Request`. Out: a `Plan` with exact conditional tables and box weights, requested
marginals, or the reason why nothing can meet the request.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from itertools import combinations

import numpy as np

from busgen import schema
from busgen.arrays import Floats
from busgen.errors import FindingError
from busgen.priors import boxes, contradictions, joint, network
from busgen.priors.conditions import SIZES, Condition
from busgen.priors.network import LESION_NODES, MARGIN_SETS, NODES, VIEWS, Prior
from busgen.priors.request import Request, Share

ORDER = ("pathology", "size_class", *NODES[1:])


@dataclass(frozen=True, eq=False)
class Plan:
    """Conditional tables in `ORDER`, all factors that they come from, and the boxes."""

    conditionals: dict[str, joint.Factor]
    factors: tuple[joint.Factor, ...]
    boxes: boxes.Boxes


@lru_cache(maxsize=64)
def make_plan(prior: Prior, request: Request) -> Plan:
    """Return the tables for `request`; raise `FindingError` with the reason if it cannot be met."""
    limited = [str(condition) for condition in request.where if condition.op == "range"]
    if request.size_matched and limited:
        # a limit cuts the areas of tall (malignant) and flat (benign) boxes in different places
        raise FindingError(
            "size_matched must stand without limits on sizes or places",
            f"{' and '.join(limited)}: within them the classes' sizes differ, as their shapes do",
            "drop size_matched or the limits",
        )
    factors, generated = _condition(prior, request.where, request.size_matched)
    factors += [_exclude(prior, conditions) for conditions in request.without]
    conditionals, total = joint.eliminate(factors, ORDER)
    if not total > 0:
        raise _refusal(prior, request)
    targets = [target for share in request.targets for target in _targets(prior, share)]
    if targets:
        found, error = joint.rake(factors, targets)
        if not error < 1e-6:
            raise FindingError(
                "targets must be able to hold together and with the conditions",
                f"{describe(request)} (closest: off by {error:.3g})",
                "drop one, or give no share to what has probability 0",
            )
        factors += found
        conditionals, _ = joint.eliminate(factors, ORDER)
    return Plan(conditionals, tuple(factors), generated)


def _exclude(prior: Prior, conditions: Sequence[Condition]) -> joint.Factor:
    """Return 0 where all conditions are met, else 1."""
    masks = [_mask(prior, condition) for condition in conditions]
    met = reduce(np.multiply.outer, masks)
    return joint.Factor(tuple(condition.field for condition in conditions), 1 - met)


def marginals(prior: Prior, strata: Sequence[tuple[Request, int]]) -> dict[str, dict[str, float]]:
    """Return the requested marginals over strata of so many findings: field -> term -> probability.

    A lesion's fields are given among lesions (empty where only normal can be drawn); a margin's
    terms may stand together, so theirs do not sum to 1.
    """
    names = tuple(n for n in NODES if n not in {*network.HIDDEN, "field_mm"})
    plans = [(make_plan(prior, request).factors, count) for request, count in strata]
    result = {}
    for name in names:
        parts = [(joint.multiply(factors, (name,)), count) for factors, count in plans]
        counts = [table / table.sum() * count for table, count in parts]
        table = np.sum(counts, axis=0)[: -1 if name in LESION_NODES else None]
        terms, total = prior.terms(name), table.sum()
        if name == "margin":
            terms = schema.MARGINS
            table = np.array([[t in s for s in MARGIN_SETS] for t in terms], float) @ table
        shares = table / total if total > 0 else table
        result[name] = dict(zip(terms, shares.tolist(), strict=True)) if total > 0 else {}
    return result


def node_factor(node: network.Node) -> joint.Factor:
    """Return a node's table over its parents proper: views are spread over their nodes' states."""
    table, axes = node.table, []
    for place, parent in enumerate(node.given):
        if parent in VIEWS:
            table = table.take(VIEWS[parent].index, axis=place)
        axes.append(VIEWS[parent].node if parent in VIEWS else parent)
    return joint.Factor((*axes, node.name), table)


@lru_cache(maxsize=16)
def tables(prior: Prior) -> tuple[joint.Factor, ...]:
    """Return the prior's tables without contradictions, the share of each pathology kept.

    Where what is seen contradicts an assessment, it gets another one; the findings stay.
    """
    own = {node.name: node_factor(node) for node in prior.nodes}
    rules, assessed = [rule.factor for rule in contradictions.load()], own["birads"]
    of_birads = [rule for rule in rules if "birads" in rule.axes]
    allowed = joint.multiply([assessed, *of_birads], assessed.axes)
    sums = allowed.sum(-1, keepdims=True)
    shares = np.divide(allowed, sums, out=np.zeros_like(allowed), where=sums > 0)
    own["birads"] = joint.Factor(assessed.axes, shares)
    factors = [*own.values(), *(rule for rule in rules if "birads" not in rule.axes)]
    conditionals, total = joint.eliminate(factors, NODES)
    left, wanted = conditionals["pathology"].table * total, prior.node("pathology").table
    scale = np.divide(wanted, left, where=left > 0, out=np.zeros_like(left))
    return (*factors, joint.Factor(("pathology",), scale))


def _condition(
    prior: Prior, where: Sequence[Condition], size_matched: bool
) -> tuple[list[joint.Factor], boxes.Boxes]:
    """Return the prior's factors and those of the conditions."""
    generated = boxes.make_boxes(prior.sizes, prior.fields_mm, limits(where))
    # P(whose sizes a lesion takes | pathology): its own, or the prior's mixture
    class_sizes = np.eye(3)
    if size_matched:
        lesions = prior.node("pathology").table[:2]
        class_sizes[:2, :2] = lesions / lesions.sum()
    factors = [*tables(prior)]
    factors.append(joint.Factor(("pathology", "size_class"), class_sizes))
    factors.append(joint.Factor(boxes.AXES, generated.weights()))
    for condition in where:
        if condition.op != "range":
            factors.append(joint.Factor((condition.field,), _mask(prior, condition)))
    return factors, generated


def limits(where: Sequence[Condition]) -> dict[str, tuple[float, float]]:
    """Return the interval that the conditions leave to each size and place."""
    ends: dict[str, tuple[float, float]] = {}
    for condition in where:
        if condition.op == "range":
            low, high = ends.get(condition.field, (condition.low, condition.high))
            ends[condition.field] = max(low, condition.low), min(high, condition.high)
    return ends


def _mask(prior: Prior, condition: Condition) -> Floats:
    """Return 1 for each state of the condition's field that meets it, else 0."""
    terms = prior.terms(condition.field)
    mask = np.zeros(network.count_states(condition.field, terms))
    unknown = set(condition.terms) - set(terms if condition.op == "in" else schema.MARGINS)
    if unknown:
        owner = "engine" if condition.field == "scanner" else "prior"
        rule = f"{condition.field} must be one of the {owner}'s"
        raise FindingError(rule, unknown.pop(), ", ".join(terms))
    for state, term in enumerate(terms):
        if condition.op == "in":
            mask[state] = term in condition.terms
        else:
            mask[state] = (condition.terms[0] in term.split("+")) == (condition.op == "includes")
    return mask


def _targets(prior: Prior, share: Share) -> list[joint.Target]:
    """Return one target for all terms of a field, or one a term of the margin."""
    if share.field == "margin":
        sets = [([term not in terms for terms in MARGIN_SETS], x) for term, x in share.shares]
        return [
            joint.Target("margin", np.array([*map(int, groups), -1]), np.array([x, 1 - x]))
            for groups, x in sets
        ]
    terms = prior.terms(share.field)
    named = [term for term, _ in share.shares]
    groups = [named.index(term) if term in named else len(named) for term in terms]
    groups += [-1] * (share.field in LESION_NODES)
    values = [value for _, value in share.shares]
    return [joint.Target(share.field, np.array(groups), np.array([*values, 1 - sum(values)]))]


def describe(request: Request) -> str:
    """Return a request in words."""
    parts = [str(condition) for condition in request.where]
    for share in request.targets:
        parts.append(f"{share.field} {{{', '.join(f'{t}: {v:g}' for t, v in share.shares)}}}")
    return "; ".join([*parts, *(["size_matched"] if request.size_matched else [])])


def _refusal(prior: Prior, request: Request) -> FindingError:
    """Return the error that names the fewest conditions that cannot hold together, and why."""
    for count in (1, 2, 3):
        for some in combinations(request.where, min(count, len(request.where))):
            factors, _ = _condition(prior, some, request.size_matched)
            if not joint.eliminate(factors, ORDER)[1] > 0:
                return _explain(prior, some)
    return _explain(prior, request.where)


def _asks(where: Sequence[Condition], rule: contradictions.Rule) -> bool:
    """Return whether all that meets the conditions has all of a contradiction's terms."""
    exact = (c for c in where if c.op == "includes" or (c.op == "in" and len(c.terms) == 1))
    return set(rule.terms) <= {(c.field, term) for c in exact for term in c.terms[0].split("+")}


def _explain(prior: Prior, where: Sequence[Condition]) -> FindingError:
    """Return the error for conditions that exclude each other."""
    fields = {condition.field for condition in where}
    got = " and ".join(str(condition) for condition in where)
    rule = "conditions must be able to hold together"
    of_lesion = fields & {*LESION_NODES, *SIZES}
    sides = prior.fields_mm if "field_mm" not in fields and "scanner" not in fields else ()
    room = f" (sides of {sides[0]:g} to {sides[-1]:g} mm)" if sides else ""
    normal = any(str(c) == "pathology=normal" for c in where)
    reasons = (
        (normal and of_lesion, "normal has no lesion, so leave out the lesion's fields"),
        (fields == {"margin"}, "circumscribed stands alone; drop one of the conditions"),
        (len(fields) == 1 and len(where) > 1, "give one of them"),
        *((_asks(where, rule), f"{rule.why} ({rule.source})") for rule in contradictions.load()),
        (
            "orientation" in fields and fields & {"width_mm", "height_mm"},
            "not_parallel means height_mm > width_mm, parallel the rest",
        ),
        (
            fields & set(SIZES),
            f"the lesion must fit its field of view{room} and the prior's range of sizes: "
            "change one of them",
        ),
        (True, "the prior gives it probability 0: drop one or change the prior"),
    )
    return FindingError(rule, got, next(why for holds, why in reasons if holds))
