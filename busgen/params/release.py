"""Stage `release`: title, date of publication and the share of families in each split."""

from datetime import date
from typing import Literal, get_args

from pydantic import field_validator

from busgen.params.base import Section

Split = Literal["train", "validation", "test"]


class ReleaseParams(Section):
    """Stage `release`: title, date of publication and the share of families in each split."""

    title: str = "Synthetic breast ultrasound"
    splits: dict[Split, float] = {"train": 1.0}
    date_published: date | None = None

    @field_validator("splits")
    @classmethod
    def _shares(cls, splits: dict[Split, float]) -> dict[Split, float]:
        if min(splits.values(), default=-1) < 0 or abs(sum(splits.values()) - 1) > 1e-6:
            raise ValueError("shares must be positive and sum to 1: e.g. {train: .8, test: .2}")
        return {split: splits[split] for split in get_args(Split) if split in splits}
