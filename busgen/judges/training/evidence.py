"""What is known of trained judges: their data, how they were made, how well they judge.

In: judges, crops by split, canonical tables. Out: a folder to ship: weights, shapes, scores, cards.
"""

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from busgen import io
from busgen.folders import write_folder
from busgen.judges.judges import FILES, SPEC, Judges, load_judges
from busgen.judges.training.scores import score_classifier, score_segmenter
from busgen.params.train_judges import TrainJudgesParams
from busgen.real.crops import SPLITS, Crops, load_crops, origin_of, read_crops, weights_may_ship
from busgen.templates import card_of

SCORES = "scores.json"
JUDGES = "judges"
Record = dict[str, Any]


def publish(
    judges: Path, params: TrainJudgesParams, tables: Sequence[Path], cohort: Path, out: Path
) -> Record:
    """Write the judges in the folder `judges` to `out` with scores and cards, all of it or nothing.

    The crops by split lie beside `judges`. Data sets among `tables` that the judges did not learn
    from are scored whole. Returns what `scores.json` holds.
    """
    crops = {split: load_crops(judges.parent / split) for split in SPLITS}
    loaded = load_judges(judges, "cpu")
    strange = [path for path in tables if not weights_may_ship(path)]
    record: Record = {
        "data": {path.parent.name: describe(path, crops) for path in tables},
        "training": params.model_dump(mode="json", exclude={"workers"}),
        "weights_sha256": {name: io.sha256_file(judges / name) for name in FILES},
        "test": score(loaded, crops["test"]),
        "other": {
            path.parent.name: score(loaded, read_crops([path], cohort, SPLITS)) for path in strange
        },
    }
    with write_folder(out, JUDGES) as partial:
        for name in (SPEC, *FILES):
            shutil.copyfile(judges / name, partial / name)
        io.write_text(partial / SCORES, io.dumps(record))
        for name, text in write_card(record).items():
            io.write_text(partial / name, text)
    return record


def score(judges: Judges, crops: Crops) -> Record:
    """Return the scores of both judges on crops of patients that they never saw."""
    return {
        "segmenter": score_segmenter(judges, crops),
        "classifier": score_classifier(judges, crops),
    }


def describe(table: Path, crops: Mapping[str, Crops]) -> Record:
    """Return origin and licence of a data set, and what of it is in which split."""
    name = table.parent.name
    record: Record = {**origin_of(table), "weights_may_ship": weights_may_ship(table)}
    for split, own in crops.items():
        rows = np.flatnonzero(own.datasets == name)
        if len(rows):
            labels = Counter(str(label) or "unknown" for label in own.labels[rows])
            record[split] = {"patients": len(np.unique(own.groups[rows])), **labels}
    return record


def write_card(record: Mapping[str, Any]) -> dict[str, str]:
    """Return file name -> Markdown; data sets that were not learned from are marked *."""
    card = card_of(Path(__file__).parent)
    scored = [("", record["test"]), *((" *", scores) for scores in record["other"].values())]
    judges = ("segmenter", "classifier")
    return {f"{judge}.md": card.render(record, judge=judge, scored=scored) for judge in judges}
