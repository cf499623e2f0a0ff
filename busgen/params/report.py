"""Stage `report`: images of the gallery, and what the release is compared with."""

from pathlib import Path

from pydantic import Field

from busgen.params.base import Section


class ReportParams(Section):
    """Stage `report`: images a stratum in the gallery, and what stands beside the release.

    `previous` is a folder with ``release`` and ``quality`` of an earlier version, `downstream` one
    that `busgen downstream` wrote.
    """

    gallery: int = Field(default=4, ge=1, le=10)
    previous: Path | None = None
    downstream: Path | None = None
