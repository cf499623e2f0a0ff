"""Plain words for the names that stand in tables: fields, terms, gates, statistics.

In: `words.toml`; names of `busgen.schema` and `busgen.imaging.statistics`. Out: words for a
sonographer, and how a number is written with its unit.
"""

from math import isfinite
from pathlib import Path

from busgen.io import read_toml

DEPTH_BANDS = 16
_DATA = read_toml(Path(__file__).with_suffix(".toml"))
FIELDS: dict[str, str] = _DATA["fields"]
PRIOR_ONLY: dict[str, str] = _DATA["prior_only"]
TERMS: dict[str, str] = _DATA["terms"]
DATASETS: dict[str, str] = _DATA["datasets"]
ASKED: dict[str, str] = _DATA["asked"]
SPACES: dict[str, str] = _DATA["spaces"]
USES: dict[str, list[str]] = _DATA["uses"]
QUESTIONS: dict[str, str] = _DATA["questions"]
ARMS: dict[str, str] = _DATA["arms"]
SAW: dict[str, str] = _DATA["saw"]
AXES: dict[str, str] = _DATA["axes"]
CONCERN: dict[str, list[str]] = _DATA["concern"]
CHECKS: dict[str, str] = _DATA["checks"]
FLAGS, SCORES, RIVALS = (
    {name: (row[0], row[1]) for name, row in _DATA[part].items()}
    for part in ("flags", "scores", "rivals")
)
GATES, BESIDE_GATES, STATISTICS, GROUPS, FAULTS, JUDGED, SECTIONS = (  # columns: words.toml
    {name: (row[0], row[1], row[2]) for name, row in _DATA[part].items()}
    for part in ("gates", "beside_gates", "statistics", "groups", "faults", "judged", "sections")
)
GREY = "grey levels"


def name_field(name: str) -> str:
    """Return a field's heading."""
    return (FIELDS | PRIOR_ONLY).get(name, to_words(name).capitalize())


def name_term(name: str) -> str:
    """Return a lexicon term in words."""
    return TERMS.get(name, to_words(name))


def to_words(name: str) -> str:
    """Return a column name in words."""
    return name.replace("_", " ")


def name_gate(name: str) -> tuple[str, str, str]:
    """Return (what failing it means, what its score is, unit) of a gate."""
    return (GATES | BESIDE_GATES).get(name, (to_words(name).capitalize(), "score of this gate", ""))


def parse_score(name: str) -> tuple[str, str]:
    """Return kind and space of a score, e.g. ``privacy_nearer_us64``; no space is empty."""
    for kind in SCORES:
        if name == kind or name.startswith(f"{kind}_"):
            return kind, name.removeprefix(kind).removeprefix("_")
    return name, ""


def name_score(name: str) -> str:
    """Return a score of the quality stage in words, e.g. ``kid_us64``, ``ks_grey.pooled``."""
    group = name.removeprefix("ks_").partition(".")[0]
    if name.startswith("ks_") and group in GROUPS:
        return f"{GROUPS[group][0]}, distance from real images’"
    kind, space = parse_score(name)
    title = SCORES[kind][0] if kind in SCORES else to_words(kind).capitalize()
    return f"{title}, {SPACES.get(space, space)}" if space else title


def name_dataset(name: str) -> str:
    """Return a public dataset's own name."""
    return DATASETS.get(name, name)


def name_scanner(name: str) -> str:
    """Return whose real images are meant: a scanner's, a dataset's that names none, or all."""
    if not name:
        return "All scanners"
    unnamed = name in DATASETS or name in DATASETS.values()
    return f"{name_dataset(name)}, scanner not stated" if unnamed else name


def name_statistic(name: str) -> tuple[str, str, str]:
    """Return (heading, what it means, unit) of a measured statistic."""
    if name.startswith("grey_p"):
        share = name.removeprefix("grey_p")
        return (
            f"Grey level, percentile {share}",
            f"{share} % of the image is darker than this",
            GREY,
        )
    if name.startswith("depth_"):
        band = int(name.removeprefix("depth_"))
        low, high = 100 * band // DEPTH_BANDS, 100 * (band + 1) // DEPTH_BANDS
        return (
            f"Brightness at {low} to {high} % depth",
            "mean grey level of this band, counted from the skin",
            GREY,
        )
    if name.startswith("contrast_"):
        lesions = name_term(name.removeprefix("contrast_"))
        return f"Lesion against its surroundings, {lesions} only", STATISTICS["contrast"][1], GREY
    return STATISTICS.get(name, (to_words(name).capitalize(), "measured on image and mask", ""))


def format_number(value: float | None, digits: int = 3) -> str:
    """Return a number to `digits` significant digits, with a true minus sign; a dash for none."""
    if value is None or not isfinite(value):
        return "–"
    if value == 0:
        return "0"
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}".replace("-", "−").replace(",", " ")
    return f"{value:.{digits}g}".replace("-", "−")


def format_percent(share: float | None) -> str:
    """Return a share in per cent: one decimal, none for 0 and 1."""
    if share is None or not isfinite(share):
        return "–"
    return f"{100 * share:.0f} %" if share in (0, 1) else f"{100 * share:.1f} %"


def format_value(value: float | None, unit: str) -> str:
    """Return a number as its unit asks for: shares (unit ``"%"``) in per cent, without the sign."""
    return format_number(100 * value if value is not None and unit == "%" else value)
