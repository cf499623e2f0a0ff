"""The scanners that a prior draws, replaced by those that an image engine has.

In: a prior, and for each of its scanners the engine's that are like it. Out: the prior that draws
these, each with the fields of view of the scanners that it stands for.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from busgen.errors import DataError
from busgen.priors.network import Prior, make_prior

Likeness = Mapping[str, Mapping[str, float]]  # the prior's scanner -> the engine's -> share


def with_scanners(prior: Prior, like: Likeness) -> Prior:
    """Return `prior` with its scanners shared among those that are `like` them.

    P(name) is the sum over the prior's scanners of P(scanner) share(name | scanner); the fields of
    view of a name are those of the scanners, mixed in these proportions. All else stays. Raises
    `DataError` if a scanner of the prior is like none, or its scanners or fields of view are given
    others.
    """
    record: dict[str, Any] = deepcopy(prior.record)
    scanner, field = (record["discrete"][name] for name in ("scanner", "field_mm"))
    if scanner["given"] or field["given"] != ["scanner"]:
        rule = "scanner must be given nothing, field_mm the scanner alone, to be the engine's"
        raise DataError(rule, (scanner["given"], field["given"]), "change the prior")
    if lost := set(scanner["table"]) - set(like):
        raise DataError("a prior's scanners must be known", sorted(lost), ", ".join(like))
    names = dict.fromkeys(name for shares in like.values() for name in shares)
    own_shares = scanner["table"].items()
    shares = {  # P(scanner and name) for each of the prior's scanners
        name: {own: p * like[own].get(name, 0.0) / sum(like[own].values()) for own, p in own_shares}
        for name in names
    }
    totals = {name: sum(own.values()) for name, own in shares.items() if sum(own.values()) > 0}
    scanner["table"] = {name: total / sum(totals.values()) for name, total in totals.items()}
    mixed: dict[str, dict[str, float]] = {name: {} for name in totals}
    for name, total in totals.items():
        for own, share in shares[name].items():
            for term, p in field["table"][own].items() if share > 0 else ():
                mixed[name][term] = mixed[name].get(term, 0.0) + share / total * p
    field["table"] = mixed
    return make_prior(record)
