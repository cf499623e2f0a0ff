"""The errors that busgen raises on purpose.

A user's mistake is a `UserError`: it says the rule, the value that broke it and the remedy, and
the command line ends with exit code 2. Anything else that escapes is a defect of ours.
"""

import re

_UNSEEN = re.compile(  # controls but newline and tab, marks of direction, halves of a character
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def to_printable(text: str) -> str:
    """Return `text` with what a terminal would obey, not show, by its number (u001b)."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class BusgenError(Exception):
    """Base of all errors that busgen raises on purpose."""


class UserError(BusgenError):
    """A mistake that the user can mend.

    `rule` is what must hold, e.g. ``"n must be at least 1"``, `got` the value that broke it,
    `remedy` what to do about it, e.g. ``"give the number of samples, --n 200"``.
    """

    def __init__(self, rule: str, got: object, remedy: str) -> None:
        self.rule, self.got, self.remedy = rule, got, remedy
        super().__init__(to_printable(f"{rule}, got {got}: {remedy}"))

    def __reduce__(self) -> tuple[type["UserError"], tuple[str, object, str]]:
        return type(self), (self.rule, self.got, self.remedy)


class DataError(UserError):
    """A file or table that is not what it claims to be: unreadable, truncated, altered."""


class FindingError(UserError):
    """A clinical description that is unknown, contradictory or impossible."""


class UnfilledError(UserError):
    """More findings than `max_unfilled` ran out of attempts at the gates."""


class StorageError(UserError):
    """A folder that cannot be written: full, read-only or gone. Worth another try."""
