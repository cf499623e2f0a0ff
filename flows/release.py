"""Release: accepted samples -> validated, documented, checksummed dataset.

In: data/candidates, what was measured on them, params.yaml. Out: data/release.
"""

from pathlib import Path

from prefect import flow

from busgen.folders import remove_work
from busgen.params.base import load_section
from busgen.params.release import ReleaseParams
from busgen.release.write import write_release
from flows import CANDIDATES, QUALITY, RELEASE, WORK, main


@flow(name="release", validate_parameters=False)
def release(candidates: Path, folder: Path, params: ReleaseParams, scores: Path) -> None:
    """Write the release of the accepted candidates; its card tells what was measured."""
    write_release(candidates, folder, params, scores)


def run() -> None:
    """Run the stage: data/candidates -> data/release."""
    for shards in WORK.glob("[0-9a-f]" * 16):  # linked into data/candidates, which DVC has recorded
        remove_work(shards)
    params = load_section("release", ReleaseParams)
    release(CANDIDATES, RELEASE, params, QUALITY / "scores.json")


if __name__ == "__main__":
    main(run)
