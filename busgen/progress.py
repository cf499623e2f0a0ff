"""How far something is, on the error stream.

In: what is counted, how many there are. Out: the function that advances the bar.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

VERBOSITY = ContextVar("verbosity", default=0)  # -1: results and errors alone; 1: more than usual


@contextmanager
def progress(what: str, total: int) -> Iterator[Any]:
    """Show a bar with rate and remaining time; yields the function that advances it.

    The bar appears with the first step, of 0 or more, so that a refused request shows none. Retries
    come on top of `total`: the bar then grows rather than end early.
    """
    if VERBOSITY.get() < 0:
        yield lambda _: None
        return
    from rich import progress as bars
    from rich.console import Console

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TextColumn("{task.fields[rate]}"),
        bars.TimeRemainingColumn(),
    )
    bar = bars.Progress(*columns, console=Console(stderr=True))
    row = bar.add_task(what, total=total, rate="", start=False)

    def tick(count: int) -> None:
        bar.start()
        bar.start_task(row)
        state = bar.tasks[row]
        done = state.completed + count
        rate = f"{done / max(state.elapsed or 0, 1e-3):.0f}/s" if state.elapsed else ""
        bar.update(row, advance=count, total=max(state.total or 0, done), rate=rate)

    try:
        yield tick
    finally:
        bar.stop()
