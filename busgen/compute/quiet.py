"""Silence of the libraries that read weights: no bars, and no warnings that tell nobody anything.

In: a block of code. Out: the same block, quiet.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging

LIBRARIES = (diffusers_logging, logging)


@contextmanager
def silence() -> Iterator[None]:
    """Show no bars and nothing below an error; afterwards all is as it was."""
    shown = logging.is_progress_bar_enabled()
    before = [library.get_verbosity() for library in LIBRARIES]
    logging.disable_progress_bar()
    for library in LIBRARIES:
        library.set_verbosity_error()
    try:
        yield
    finally:
        for library, verbosity in zip(LIBRARIES, before, strict=True):
            library.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()
