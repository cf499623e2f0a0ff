"""The distribution of an index against the prior that its findings were asked of.

In: an index and the record of its plan. Out: for each field a `Rule`, with the terms whose share
among the findings drawn is none that chance gives (exact binomial test).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from busgen.priors.network import make_prior
from busgen.priors.plan import marginals
from busgen.priors.request import parse_request
from busgen.release import sql
from busgen.release.contract.rules import Rule

# a share is off where chance gives one as far away this seldom: of some 50 shares of a release,
# one in 20,000 releases would be stopped by chance alone
RARE = 1e-6
ABOUT = "shares that the prior gives under the request, within sampling noise"


def share_rules(connection: sql.Connection, plan: Mapping[str, Any]) -> dict[Rule, tuple[str, ...]]:
    """Return for each field that the plan's prior gives the terms whose share is off.

    Counted are findings as they were first drawn, of a counterfactual family one: what gates
    then leave unfilled is bounded by the plan's ``max_unfilled``. The field that a family varies
    has no share.

    `connection`: has the index as the view ``attempts``; `plan`: record of a plan with ``prior``,
    ``where``, ``text``, ``targets`` and ``vary``.
    """
    request = parse_request(tuple(plan["where"]), plan["text"], plan["targets"])
    asked = marginals(make_prior(plan["prior"]), request)
    fields = {name: shares for name, shares in asked.items() if shares and name != plan["vary"]}
    return {
        Rule(name, ABOUT, "", "term"): tuple(_off(connection, name, shares))
        for name, shares in fields.items()
    }


def _off(connection: sql.Connection, field: str, shares: Mapping[str, float]) -> Iterator[str]:
    """Yield the terms of `field` whose count among the findings drawn is off, with their shares."""
    from scipy.stats import binomtest

    name = sql.quote_name(field)
    term = {"margin": f"unnest({name})", "halo": f"if({name}, 'yes', 'no')"}.get(field, name)
    drawn = f"""
        SELECT any_value({name}) AS {name} FROM attempts
        WHERE attempt = 0 AND {name} IS NOT NULL GROUP BY family_id"""
    total = sql.first_row(connection, f"SELECT count(*) FROM ({drawn})")[0]
    query = f"SELECT term, count(*) FROM (SELECT {term} AS term FROM ({drawn})) GROUP BY term"
    counts = {str(key): int(n) for key, n in connection.execute(query).fetchall()}
    for term, share in shares.items() if total else ():
        count = counts.get(term, 0)
        if binomtest(count, total, min(max(share, 0.0), 1.0)).pvalue < RARE:
            yield f"{term} {count / total:.3f} for {share:.3f}"
