"""The exact log joint density of findings under a prior, to hold what is drawn against."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from busgen.errors import FindingError
from busgen.priors.boxes import AXES, Boxes, Floats, _center, aspect_span
from busgen.priors.draw import States
from busgen.priors.findings import Finding
from busgen.priors.joint import Factor
from busgen.priors.network import EDGES, LESION_NODES, NODES, Prior, count_states
from busgen.priors.plan import make_plan
from busgen.priors.request import Request
from busgen.priors.sizes import log_density


def log_prob(
    prior: Prior,
    findings: Sequence[Finding],
    factors: Sequence[Factor] | None = None,
    *,
    size_px: int = 256,
) -> Floats:
    """Return the exact log joint density (N,) of findings as they are drawn, text left out.

    Discrete terms count with their probability; a lesion's box with its density over log(box
    area / image area), log(width / height), center_x and center_y. -inf is impossible. `factors`
    instead of the tables that findings are drawn from.
    """
    tables = [*make_plan(prior, Request()).conditionals.values()] if factors is None else factors
    drawn = states_of(prior, findings, size_px)
    shares = np.zeros(len(findings))
    for state in range(count_states("appearance", prior.terms("appearance"))):
        drawn["appearance"] = np.full(len(findings), state)
        each = [one.table[tuple(drawn[axis] for axis in one.axes)] for one in tables]
        shares += np.prod(each, axis=0)
    with np.errstate(divide="ignore"):
        total = np.log(shares)
    generated = make_plan(prior, Request()).boxes
    lesion = drawn["pathology"] < 2
    if lesion.any():
        state = tuple(drawn[axis][lesion] for axis in AXES)
        index = np.ravel_multi_index(state, generated.shape)
        names = ("width_mm", "height_mm", "center_x", "center_y")
        values = [[getattr(f, name) for name in names] for f in findings if f.has_lesion]
        total[lesion] += log_density_of(generated, index, np.array(values, np.float64))
    return total


def states_of(prior: Prior, findings: Sequence[Finding], size_px: int) -> States:
    """Return the state (N,) of every variable in `ORDER` for each finding."""
    keys = [_keys(finding, size_px) for finding in findings]
    drawn: States = {}
    for name in (name for name in NODES if name != "appearance"):
        terms: list[object] = [*prior.terms(name), *([None] if name in LESION_NODES else [])]
        try:
            drawn[name] = np.array([terms.index(key[name]) for key in keys], np.intp)
        except ValueError as error:
            known = ", ".join(map(str, terms))
            raise FindingError(f"{name} must be one of the prior's", error, known) from error
    drawn["size_class"] = drawn["pathology"]
    return drawn


def _keys(finding: Finding, size_px: int) -> dict[str, object]:
    """Return the finding's term for each node."""
    margin = None if finding.margin is None else "+".join(finding.margin)
    edge = max(finding.margin, key=EDGES.index) if finding.margin else None
    return {name: getattr(finding, name, None) for name in NODES} | {
        "margin": margin,
        "edge": edge,
        "halo": None if finding.halo is None else ("no", "yes")[finding.halo],
        "field_mm": f"{round(finding.pixel_mm * size_px, 6):g}",
    }


def log_density_of(boxes: Boxes, index: NDArray[np.intp], values: Floats) -> Floats:
    """Return the log density (N,) of drawn boxes (N, 4), without limits.

    With respect to log area fraction, log aspect, center_x and center_y.
    """
    rows = boxes.rows.pick(index)
    box = values[:, :2] / rows.field_mm[:, None]
    area, aspect = np.log(box[:, 0] * box[:, 1]), np.log(box[:, 0] / box[:, 1])
    mean, sd, low, high = rows.area.T
    total = log_density(area, (low, high), mean, sd)
    free = np.full_like(rows.frame, -np.inf)
    span = aspect_span(rows, area, free, rows.frame)
    total += log_density(aspect, span, rows.aspect[:, 0], rows.aspect[:, 1])
    for axis in (0, 1):
        start, stop, mean, sd = _center(rows, box, axis)
        total += log_density(values[:, 2 + axis], (start, stop), mean, sd)
    return total
