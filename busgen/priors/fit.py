"""Fits the clinical prior to a canonical table of real lesions, shrunk towards a base prior.

In: a table with the columns of `schema.columns("real")`; nulls are missing and skipped factor by
factor. Out: a `Prior` with the base's structure. Scanner and field of view are those of the base:
real tables name devices, not styles.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.optimize import minimize

from busgen import schema
from busgen.errors import DataError, UserError
from busgen.priors.findings import check_margin
from busgen.priors.network import LESION_NODES, NODES, VIEWS, Prior, make_prior
from busgen.priors.sizes import LESIONS, log_density, pick

Floats = NDArray[np.float64]
Row = dict[str, Any]
_KEPT = frozenset({"scanner", "field_mm"})
_DIGITS, _QUANTILES = 6, 200


def fit_prior(
    table: pa.Table, *, base: Prior, strength: float, name: str, source: str, size_px: int = 256
) -> Prior:
    """Return `base` updated by the lesions of `table`.

    Parameters
    ----------
    table
        Canonical real table. Sizes become fractions of the row's `image`, or where it has none of
        a square of `size_px` pixels.
    base
        Prior that gives structure, pseudo-counts and what the table does not tell.
    strength
        Weight of the base in each conditional distribution, in lesions: pseudo-counts in the
        base's proportions (Dirichlet prior), and as many lesions of the base's density beside
        those that a truncated normal is fitted to. 0 trusts the table alone where it has data.
    name, source
        Name of the new prior, and the population for its tables' `source`.

    Raises
    ------
    UserError
        If `strength` is negative or not finite.
    DataError
        If the table has no row or a term outside the lexicon.
    """
    if not 0 <= strength < np.inf:
        raise UserError("strength must be finite and >= 0", strength, "give pseudo-counts, e.g. 20")
    rows = [_row(row) for row in table.to_pylist()]
    if not rows:
        raise DataError("a table to fit must have rows", 0, "check the reader's report")
    record = copy.deepcopy(base.record)
    record["name"] = name
    record["about"] = f"{source}; shrunk towards the prior {base.name!r} by {strength:g} lesions"
    for node in NODES:
        if node not in _KEPT:
            _fit_node(record["discrete"][node], node, rows, base, strength)
            record["discrete"][node]["source"] = f"{source}; before: {base.node(node).source}"
    _fit_sizes(record["sizes"], rows, base, strength, size_px)
    for density in ("log_area_fraction", "log_aspect", "center_x", "center_y"):
        entry = record["sizes"][density]
        entry["source"] = f"{source}; before: {entry['source']}"
    return make_prior(record)


def table_log_prob(prior: Prior, table: pa.Table) -> Floats:
    """Return the log-probability (N,) of the terms that each row states; sizes are left out.

    A factor with a missing term is skipped, so compare priors on the same table only. -inf: the
    prior excludes it.
    """
    totals = np.zeros(table.num_rows)
    for place, row in enumerate(map(_row, table.to_pylist())):
        for node in prior.nodes:
            states = None if node.name in _KEPT else _states(row, (*node.given, node.name), prior)
            if states is not None:
                with np.errstate(divide="ignore"):
                    totals[place] += np.log(node.table[states])
    return totals


def _row(row: Mapping[str, Any]) -> Row:
    """Return a row's term for each node, None where missing or where there is no lesion."""
    margin = row.get("margin")
    known = {name: row.get(name) for name in (*NODES, "width_mm", "height_mm", "pixel_mm")}
    known |= {name: row.get(name) for name in ("center_x", "center_y")}
    known["image_px"] = _png_size((row.get("image") or {}).get("bytes"))
    known |= {"margin": None, "outline": None}
    if margin:
        terms = tuple(term for term in schema.MARGINS if term in margin)
        check_margin(terms)
        known["margin"] = "+".join(terms)
        known["outline"] = terms[0] if terms[0] == "circumscribed" else "not_circumscribed"
    if known["halo"] is not None:
        known["halo"] = "yes" if known["halo"] else "no"
    return known


def _png_size(data: bytes | None) -> tuple[int, int] | None:
    """Return width and height from a PNG's header."""
    return None if not data else (int.from_bytes(data[16:20]), int.from_bytes(data[20:24]))


def _states(row: Row, names: Sequence[str], base: Prior) -> tuple[int, ...] | None:
    """Return the states of nodes or views in `row`, None if one is missing or unknown."""
    states = []
    for name in names:
        node = VIEWS[name].node if name in VIEWS else name
        term, terms = row[node], base.terms(node)
        if term is None and row["pathology"] == "normal" and node in LESION_NODES:
            state = len(terms)
        elif term is None:
            return None
        elif term not in terms:
            raise DataError(f"{node} must be one of the lexicon's terms", term, ", ".join(terms))
        else:
            state = terms.index(term)
        states.append(VIEWS[name].index[state] if name in VIEWS else state)
    return tuple(states)


def _fit_node(
    entry: dict[str, Any], name: str, rows: Sequence[Row], base: Prior, strength: float
) -> None:
    """Replace one conditional table by its posterior mean; what the base forbids stays at 0."""
    node = base.node(name)
    counts = np.zeros_like(node.table)
    for row in rows:
        states = _states(row, (*node.given, name), base)
        if states is not None:
            counts[states] += 1
    counts[node.table == 0] = 0
    total = counts.sum(-1, keepdims=True)
    weight = np.where(total > 0, strength, 1.0)  # a row without data is the base's
    table = (counts + weight * node.table) / (total + weight)

    def write(part: dict[str, Any], parents: Sequence[str], index: tuple[int, ...]) -> None:
        if len(index) == len(node.given) or not isinstance(next(iter(part.values())), dict):
            index += (-1,) * (len(node.given) - len(index))
            shares = dict(zip(base.terms(name), table[index].tolist(), strict=False))
            part.clear()
            part.update(_rounded(shares))
            return
        for term, rest in part.items():
            state = base.terms(parents[0]).index(term)
            write(rest, parents[1:], (*index, state))

    write(entry["table"], node.given, ())


def _rounded(shares: Mapping[str, float]) -> dict[str, float]:
    """Return shares with `_DIGITS` digits that sum to 1, without zeros."""
    kept = {term: round(share, _DIGITS) for term, share in shares.items() if share > 0}
    most = max(kept, key=lambda term: kept[term])
    kept[most] = round(kept[most] + 1 - sum(kept.values()), _DIGITS)
    return kept


def _fit_sizes(
    record: dict[str, Any], rows: Sequence[Row], base: Prior, strength: float, size_px: int
) -> None:
    """Update the densities of area, aspect and place; what lies outside their range is skipped."""
    boxes = [(row, box) for row in rows if (box := _box(row, size_px)) is not None]
    _, top, side, bottom = base.sizes.frame
    for p in LESIONS:
        mine = [(row, box) for row, box in boxes if row["pathology"] == p]
        entry = record["log_area_fraction"]["table"][p]
        ends = entry["low"], entry["high"]
        _shrink(entry, [(np.log(w * h), *ends) for _, (w, h) in mine], ends, strength)
        for place, near, far in (("x", side, side), ("y", top, bottom)):
            entry = record[f"center_{place}"]["table"][p]
            seen = []
            for row, box in mine:
                shift, half = entry["per_height"] * box[1], box[place == "y"] / 2
                if row[f"center_{place}"] is not None:
                    ends = near + half - shift, 1 - far - half - shift
                    seen.append((row[f"center_{place}"] - shift, *ends))
            _shrink(entry, seen, (near, 1 - far), strength)
        for shape in schema.SHAPES:
            for orientation in schema.ORIENTATIONS:
                entry = record["log_aspect"]["table"][p][shape][orientation]
                ends = entry["low"], entry["high"]
                tall = orientation == "not_parallel"
                ratios = [
                    (np.log(w / h), *ends)
                    for row, (w, h) in mine
                    if row["shape"] == shape and (h > w) == tall
                ]
                _shrink(entry, ratios, ends, strength)


def _box(row: Row, size_px: int) -> tuple[float, float] | None:
    """Return width and height as fractions of the image; None without sizes or a lesion."""
    width, height, pixel = row["width_mm"], row["height_mm"], row["pixel_mm"]
    if width is None or height is None or pixel is None or row["pathology"] not in LESIONS:
        return None
    wide, high = row["image_px"] or (size_px, size_px)
    return width / (pixel * wide), height / (pixel * high)


def _shrink(
    entry: dict[str, float],
    seen: Sequence[tuple[float, float, float]],
    ends: tuple[float, float],
    strength: float,
) -> None:
    """Set mean and sd to the likeliest for (value, low, high) and `strength` lesions of the base.

    The base's lesions are its own density, cut to `ends`, as `_QUANTILES` equal parts.
    """
    kept = [row for row in seen if row[1] <= row[0] <= row[2]]
    if len(kept) < 2 or np.ptp([row[0] for row in kept]) == 0:
        return
    start = np.array([entry["mean"], np.log(entry["sd"])])
    u = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    low, high = (np.full(_QUANTILES, end) for end in ends)
    own = pick(u, low, high, np.full_like(u, entry["mean"]), np.full_like(u, entry["sd"]))
    x, low, high = np.vstack([kept, np.column_stack([own, low, high])]).T
    weight = np.append(np.ones(len(kept)), np.full(_QUANTILES, strength / _QUANTILES))

    def loss(parameters: Floats) -> float:
        mean, sd = np.full_like(x, parameters[0]), np.full_like(x, np.exp(parameters[1]))
        return -float(weight @ np.maximum(log_density(x, (low, high), mean, sd), -1e3))

    width = ends[1] - ends[0]
    limits = [(ends[0] - width, ends[1] + width), (np.log(width / 100), np.log(2 * width))]
    best = minimize(loss, start, method="Nelder-Mead", bounds=limits, options={"xatol": 1e-6}).x
    entry["mean"], entry["sd"] = round(float(best[0]), _DIGITS), round(float(np.exp(best[1])), 6)
