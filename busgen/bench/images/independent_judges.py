"""Judges of the image benchmark's own: they decide nothing when images are made.

In: canonical tables. Out: a segmenter and a classifier, small, trained on real training patients
with other widths, another size and another seed than those that gate (`busgen/assets/judges`).
The classifier sees no mask: whatever it tells, it tells from the image. They are kept in the
work folder, named after all that decides their weights. The segmenter's threshold and the
classifier's scale are fitted on validation patients.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from busgen.judges import judges
from busgen.judges.judges import Judges
from busgen.judges.training import stage
from busgen.judges.training.stage import TRAINED, Folders, map_jobs, prepare, train, work_folder
from busgen.params.train_judges import ClassifierParams, JudgeParams, TrainJudgesParams

SEED = 20261125
WORKERS = 2


def load_judges(
    tables: Sequence[Path], cohort: Path, work: Path, *, quick: bool
) -> tuple[Judges, Folders]:
    """Return the judges, trained unless `work` holds them, and the folders of crops by split.

    Training takes some four minutes on two cores, `quick` far less.
    """
    epochs = 1 if quick else 24
    params = TrainJudgesParams(
        seed=SEED,
        segmenter=JudgeParams(
            members=1, size_px=128, widths=(12, 28, 56, 96), epochs=epochs, polish=0
        ),
        classifier=ClassifierParams(
            members=1, blind=1, size_px=96, widths=(20, 40, 72, 104), epochs=epochs
        ),
        workers=WORKERS,
    )
    own = work_folder(tables, cohort, params, work)
    splits = prepare(tables, cohort, own)
    if (own / TRAINED).is_dir():
        return judges.load_judges(own / TRAINED, "cpu"), splits
    plan = stage.plan(params, splits["train"], own)
    mapped = partial(map_jobs, workers=WORKERS, tick=lambda _: None)
    return train(plan, splits, own, mapped), splits
