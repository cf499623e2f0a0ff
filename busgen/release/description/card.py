"""What a release says in words: dataset card, data dictionary, licence.

In: the facts that `busgen.release.write` gathers. Out: Markdown.
"""

from dataclasses import asdict
from pathlib import Path

import jinja2

from busgen import NOT_FOR_CLINICAL_USE, schema
from busgen.release.description.facts import Facts

LICENCE_URL = "https://creativecommons.org/licenses/by/4.0/"
_SIZES = ((1e3, "n<1K"), (1e4, "1K<n<10K"), (1e5, "10K<n<100K"), (1e6, "100K<n<1M"))


def write_card(facts: Facts, plan: dict[str, object], title: str) -> str:
    """Return the dataset card with Hugging Face front matter.

    `facts`: what `busgen.release.description.facts.gather` returns; `plan`: the resolved plan of
    the candidates; `title`: name of the dataset.
    """
    template = (Path(__file__).parent / "card.md").read_text(encoding="utf-8")
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    return (
        environment.from_string(template).render(
            **asdict(facts),
            plan=plan,
            title=title,
            banner=NOT_FOR_CLINICAL_USE,
            pathologies=schema.PATHOLOGIES,
            size_px=plan["size_px"],
            size_category=_category(facts.n),
        )
        + "\n"
    )


def _category(n: int) -> str:
    """Return the hub's word for a set of `n` rows."""
    return next((word for bound, word in _SIZES if n < bound), "n>1M")


def write_dictionary() -> str:
    """Return the data dictionary: every column of index and data files, from the schema."""
    head = (
        f"# Data dictionary\n\n{NOT_FOR_CLINICAL_USE}\n\n"
        "`data/*.parquet` holds accepted samples, `index.parquet` every attempt without images.\n"
        "Null means unknown or not applicable; `none` means absent.\n\n"
        "| column | type | unit | values or range | null | from | meaning |\n"
        "|---|---|---|---|---|---|---|\n"
    )
    return head + "".join(map(_to_line, schema.columns("release")))


def _to_line(column: schema.Column) -> str:
    allowed = ", ".join(column.values or ())
    if column.range is not None:
        allowed = f"{column.range[0]:g} to {column.range[1]:g}"
    null = "where normal" if column.lesion else "may be" if column.nullable else "never"
    null += ", or not judged" if column.judged else ""
    kind = "image {bytes, path}" if column.type == schema.IMAGE else str(column.type)
    where = "" if "index" in column.tables else " (data files only)"
    cells = (f"`{column.name}`", kind, column.unit, allowed, null, column.source)
    return f"| {' | '.join(cells)} | {column.about}{where} |\n"


def write_licence() -> str:
    """Return the licence notice of the released data."""
    return (
        "Creative Commons Attribution 4.0 International (CC BY 4.0)\n\n"
        "This dataset is synthetic. You may share and adapt it for any purpose, if you give\n"
        "appropriate credit, provide a link to the licence and say whether changes were made.\n"
        "It comes without any warranty and is NOT FOR CLINICAL USE.\n\n"
        f"Licence: {LICENCE_URL}\nLegal code: {LICENCE_URL}legalcode\n"
    )
