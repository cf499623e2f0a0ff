"""Train: real training patients -> learned models. `python -m flows.train masks|images|judges`.

In: data/real, data/cohort, params.yaml. Out: data/models/<which>. Each is a flow of its own.
"""

import sys
from importlib import import_module

from busgen.errors import UserError
from flows import main

KNOWN = ("masks", "images", "judges")


def run() -> None:
    """Run the stage for what the command line names."""
    (which,) = sys.argv[1:]
    if which not in KNOWN:
        remedy = f"choose from {', '.join(KNOWN)}"
        raise UserError("what can be trained must be named", which, remedy)
    # by name: DVC runs a stage again where code changes that it imports, not the other's
    import_module(f"flows.train_{which}").run()


if __name__ == "__main__":
    main(run)
