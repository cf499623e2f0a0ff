"""Stage `real`: public datasets to read."""

from pathlib import Path

from busgen.params.base import Section


class RealParams(Section):
    """Stage `real`: public datasets to read, name -> folder as published."""

    datasets: dict[str, Path] = {}
