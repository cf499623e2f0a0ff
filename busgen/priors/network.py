"""The clinical prior: a small Bayesian network over a finding, kept as readable JSON with sources.

In: a JSON file, terms -> probabilities for each node and truncated normals for sizes and places.
Out: a validated `Prior`. Lesion fields have one more state, null, taken when there is no lesion.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from busgen import io, schema
from busgen.arrays import Floats
from busgen.errors import DataError
from busgen.priors import assessment
from busgen.priors.sizes import LESIONS, Sizes, check, make_sizes

PUBLISHED, POOLED = (io.ASSETS / "priors" / name for name in ("published.json", "pooled.json"))

EDGES = ("circumscribed", "indistinct", "microlobulated", "angular", "spiculated")
_LOOSE = schema.MARGINS[1:]
MARGIN_SETS = (
    ("circumscribed",),
    *(terms for size in range(1, 5) for terms in combinations(_LOOSE, size)),
)
EDGE_OF = tuple(max(EDGES.index(term) for term in terms) for terms in MARGIN_SETS)
TERMS: dict[str, tuple[str, ...]] = {
    "pathology": schema.PATHOLOGIES,
    "appearance": ("probably_benign", "suspicious"),  # no column: why findings hang together
    "shape": schema.SHAPES,
    "orientation": schema.ORIENTATIONS,
    "edge": EDGES,  # the most suspicious of the margin's terms; follows from the margin
    "margin": tuple("+".join(terms) for terms in MARGIN_SETS),
    "echo_pattern": schema.ECHO_PATTERNS,
    "posterior": schema.POSTERIORS,
    "halo": ("no", "yes"),
    "calcification": schema.CALCIFICATIONS,
    "birads": schema.BIRADS,
    "tissue": schema.TISSUES,
    "scanner": (*schema.SCANNERS, *schema.DEVICES),  # a prior has some of them
}
NODES = (*TERMS, "field_mm")
TABLES = tuple(name for name in NODES if name != "birads")  # what is given by a table
HIDDEN = frozenset({"appearance", "edge"})  # in no finding
LESION_NODES = frozenset(
    {"appearance", "shape", "orientation", "edge", "margin", "echo_pattern", "posterior"}
    | {"halo", "calcification"}
)


@dataclass(frozen=True)
class _View:
    """A coarser reading of a node that others depend on: `index` gives each state's term."""

    node: str
    terms: tuple[str, ...]
    index: tuple[int, ...]


VIEWS = {  # null reads as null
    "outline": _View("edge", ("circumscribed", "not_circumscribed"), (0, 1, 1, 1, 1, 2)),
    "rim": _View("edge", ("circumscribed", "other", "spiculated"), (0, 1, 1, 1, 2, 3)),
    "anechoic": _View(
        "echo_pattern",
        ("anechoic", "not_anechoic"),
        (*(int(term != "anechoic") for term in schema.ECHO_PATTERNS), 2),
    ),
}


@dataclass(frozen=True, eq=False)
class Node:
    """One conditional table: axes are the parents in `given`, then the node's own states.

    A lesion node, and a parent that is one, has null as its last state.
    """

    name: str
    given: tuple[str, ...]
    table: Floats
    source: str


@dataclass(frozen=True, eq=False)
class Prior:
    """A joint distribution over findings.

    `nodes` are the discrete tables in `NODES` order, `fields_mm` the fields of view (image sides,
    mm), `scanners` the scanners that it draws, `sizes` the densities of box area, aspect and place;
    `record` is the JSON it came from.
    """

    record: dict[str, Any]
    nodes: tuple[Node, ...]
    fields_mm: tuple[float, ...]
    scanners: tuple[str, ...]
    sizes: Sizes

    @property
    def name(self) -> str:
        """The prior's name."""
        return str(self.record["name"])

    @cached_property
    def sha256(self) -> str:
        """Hash of the canonical JSON."""
        return io.sha256_bytes(io.dumps(self.record).encode())

    def node(self, name: str) -> Node:
        """Return one discrete table."""
        return self.nodes[NODES.index(name)]

    def terms(self, name: str) -> tuple[str, ...]:
        """Return the terms of a node or view, null not included."""
        if name in VIEWS:
            return VIEWS[name].terms
        return {**TERMS, "scanner": self.scanners}.get(name) or _field_terms(self.fields_mm)


def count_states(name: str, terms: tuple[str, ...]) -> int:
    """Return the number of states of a node or view: its terms, and null for a lesion's."""
    return len(terms) + (name in LESION_NODES or name in VIEWS)


def load_prior(path: Path | None = None) -> Prior:
    """Read a prior; raise `DataError` for what is no prior.

    `path`: a JSON file as `save_prior` writes; None for the pooled prior in the package.
    """
    return make_prior(io.read_json(path or POOLED))


def save_prior(prior: Prior, path: Path) -> None:
    """Write `prior` as JSON that `load_prior` reads back with the same hash."""
    io.write_text(path, io.dumps(prior.record))


def make_prior(record: Mapping[str, Any]) -> Prior:
    """Validate a record (the JSON object) and return its `Prior`."""
    check(record, "prior", ("name", "about", "datasets", "discrete", "sizes"))
    discrete, field = check(record["discrete"], "discrete", NODES), "field_mm"
    for name in TABLES:
        check(discrete[name], name, ("given", "source", "table"))
    fields = _fields(discrete[field]["table"])
    scanners = _scanners(discrete["scanner"])
    known = TERMS | {"scanner": scanners, field: _field_terms(fields)}
    tables = {name: _node(name, discrete[name], known) for name in TABLES}
    assessed = assessment.table(discrete["birads"], known)
    given, source = ("pathology", *assessment.GIVEN), str(discrete["birads"]["source"])
    tables["birads"] = Node("birads", given, assessed, source)
    nodes = tuple(tables[name] for name in NODES)
    return Prior(dict(record), nodes, fields, scanners, make_sizes(record["sizes"]))


def _field_terms(fields_mm: Sequence[float]) -> tuple[str, ...]:
    return tuple(f"{mm:g}" for mm in fields_mm)


def _scanners(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the scanners that any row of the scanner's table names, in the schema's order."""
    rows = [entry["table"]]
    for _ in entry["given"]:
        rows = [row for table in rows for row in table.values()]
    named = {name for row in rows for name in row}
    if unknown := named - set(TERMS["scanner"]):
        raise DataError("a prior's scanner must be known", sorted(unknown), str(TERMS["scanner"]))
    return tuple(name for name in TERMS["scanner"] if name in named)


def _fields(table: Mapping[str, Mapping[str, float]]) -> tuple[float, ...]:
    """Return every field of view (mm) that any scanner has, ascending."""
    try:
        fields = sorted({float(key) for row in table.values() for key in row})
    except (AttributeError, ValueError) as error:
        raise DataError("field_mm must be scanner -> millimetres -> share", error, "") from error
    if not fields or not 10 <= fields[0] <= fields[-1] <= 200:
        raise DataError("fields of view must be in [10, 200] mm", fields, "give the image's side")
    return tuple(fields)


def _node(name: str, entry: Mapping[str, Any], known: Mapping[str, tuple[str, ...]]) -> Node:
    """Return one node's table as an array."""
    given = tuple(entry["given"])
    _check_parents(name, given)
    terms = {p: VIEWS[p].terms if p in VIEWS else known[p] for p in (*given, name)}
    table = np.zeros([count_states(n, t) for n, t in terms.items()])
    if name in LESION_NODES:
        table[..., -1] = 1.0  # without a lesion a lesion's field is null
    for path, row in _rows(name, entry["table"], {p: terms[p] for p in given}):
        index = [terms[parent].index(term) for parent, term in zip(given, path, strict=False)]
        index += [-1] * (len(given) - len(path))
        table[tuple(index)] = _row(".".join((name, *path)), row, name, terms[name])
    return Node(name, given, table, str(entry["source"]))


def _check_parents(name: str, given: tuple[str, ...]) -> None:
    """Raise `DataError` unless parents come earlier, pathology before a lesion's fields."""
    earlier = NODES[: NODES.index(name)]
    for parent in given:
        base = VIEWS[parent].node if parent in VIEWS else parent
        if base not in earlier:
            raise DataError(f"{name} may be given earlier nodes only", parent, ", ".join(earlier))
        if base in LESION_NODES and given[0] not in ("pathology", "appearance"):
            raise DataError(f"{name} must be given pathology first", list(given), "add pathology")
    if name in LESION_NODES and given[:1] not in (("pathology",), ("appearance",)):
        raise DataError(f"{name} must be given pathology first", list(given), "or appearance")


def _rows(
    name: str, rows: object, parents: Mapping[str, tuple[str, ...]], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], object]]:
    """Yield (terms of the parents, row) from nested mappings, with every key checked.

    `normal` ends a path early: the lesion's fields that would follow are null.
    """
    if len(path) == len(parents) or path[-1:] == ("normal",):
        yield path, rows
        return
    parent = list(parents)[len(path)]
    lesions_only = parent == "pathology" and name in LESION_NODES
    wanted = LESIONS if lesions_only else parents[parent]
    parts = check(rows, ".".join((name, *path)), wanted)
    for term in wanted:
        yield from _rows(name, parts[term], parents, (*path, term))


def _row(where: str, row: object, name: str, terms: tuple[str, ...]) -> Floats:
    """Return one row, term -> probability; terms left out have none."""
    if not isinstance(row, Mapping) or not set(row) <= set(terms):
        raise DataError(f"{where} must give probabilities to terms", row, f"of {', '.join(terms)}")
    values = [row.get(term, 0.0) for term in terms]
    if any(not isinstance(v, int | float) or not 0 <= v <= 1 for v in values):
        raise DataError(f"{where} must hold probabilities in [0, 1]", dict(row), "mend it")
    if abs(sum(values) - 1) > 1e-6:
        raise DataError(f"{where} must sum to 1", round(sum(values), 9), "mend the row")
    null = [0.0] if name in LESION_NODES else []
    return np.array([v / sum(values) for v in (*values, *null)], np.float64)
