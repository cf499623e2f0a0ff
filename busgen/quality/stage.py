"""The quality stage: a release's scores, its headline metrics, and the tables that DVC plots.

In: a release folder and a reference. Out: a folder with `scores.json` (everything),
`metrics.json` (single numbers, for `dvc metrics`), `marginals.csv`, `acceptance.csv`.
"""

import csv
import io as text_io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from busgen import io
from busgen.quality.compare import compare
from busgen.quality.realised import realised
from busgen.quality.reference import load_reference


def write_quality(release: Path, reference: Path | None, folder: Path, max_samples: int) -> None:
    """Write the scores of `release` to `folder`; `reference` None stands for the one that ships."""
    scores = compare(release, load_reference(reference), max_samples)
    counts = realised(release / "index.parquet")
    io.write_text(folder / "scores.json", io.dumps(scores | {"realised": counts}))
    io.write_text(folder / "metrics.json", io.dumps(metrics(scores, counts)))
    io.write_text(folder / "marginals.csv", to_csv(marginal_rows(counts["fields"])))
    io.write_text(folder / "acceptance.csv", to_csv(acceptance_rows(counts["strata"])))


def metrics(scores: Mapping[str, Any], counts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the headline as single numbers: counts, then each score's value and floor."""
    pooled = {f"{name}.pooled": score for name, score in scores["pooled"]["headline"].items()}
    headline = scores["headline"] | pooled
    attempts = sum(stratum["attempts"] for stratum in counts["strata"])
    accepted = sum(stratum["accepted"] for stratum in counts["strata"])
    requested = sum(term["requested"] for term in counts["fields"]["pathology"].values())
    return {
        "accepted": accepted,
        "acceptance": accepted / attempts,
        "unfilled": requested - accepted,
        "scores": {name: score["value"] for name, score in headline.items()},
        "floors": {name: score["floor"] for name, score in headline.items()},
    }


def marginal_rows(fields: Mapping[str, Mapping[str, Mapping[str, int]]]) -> list[dict[str, Any]]:
    """Return requested and realised share of each term of each field."""
    rows = []
    for name, terms in fields.items():
        asked = sum(term["requested"] for term in terms.values()) or 1
        got = sum(term["accepted"] for term in terms.values()) or 1
        rows += [
            {
                "term": f"{name}: {term}",
                "requested": counts["requested"] / asked,
                "realised": counts["accepted"] / got,
            }
            for term, counts in terms.items()
        ]
    return rows


def acceptance_rows(strata: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the acceptance rate of each stratum."""
    return [
        {
            "stratum": f"{row['pathology']}, {row['shape'] or 'no mass'}",
            "attempts": row["attempts"],
            "acceptance": row["accepted"] / row["attempts"],
        }
        for row in strata
    ]


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return records as CSV with a header."""
    text = text_io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
