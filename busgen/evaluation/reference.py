"""Reference: what scores and gates need of real images, as numbers; no pixel travels.

In: samples of held-out patients (`busgen.gates.calibration.real_samples`), where they come from,
what cleaning found. Out: a folder with `samples.parquet`, one row an image, `reference.json` and
`features.safetensors` (`busgen.evaluation.held_out_features`). No patient of the training split is
in it, so that no score is taken against images that anything learned from.

What ships in `busgen/assets/reference` was made of BrEaST, BUS-BRA and BUSI with

    busgen real breast=PATH bus_bra=PATH busi=PATH --out DIR
    busgen calibrate DIR --out OUT

whose thumbnails of real images (`KNOWN`) stay where they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from busgen import schema
from busgen.arrays import Pixels
from busgen.errors import DataError
from busgen.folders import lock_folder, write_folder
from busgen.gates.calibration import bounds
from busgen.gates.calibration.fault_injection import Gates, inject_faults
from busgen.gates.calibration.real_samples import SCHEMA, measure, read_pairs, read_training
from busgen.gates.judged_scores import Judges
from busgen.imaging.decode import DatasetInfo
from busgen.io import ASSETS, dumps, read_json, write_text
from busgen.metrics.descriptor_auc import descriptor_auc
from busgen.params.gates import DEFAULT_GATES
from busgen.real.cohort import PLAIN, find_cohort, find_tables, has_usable_label, read_rows
from busgen.real.readers.registry import INFO
from busgen.similarity.known_images import make_known, save_known

if TYPE_CHECKING:
    from busgen.evaluation.held_out_features import HeldOutFeatures

FACTS, SAMPLES, CLEANING = "reference.json", "samples.parquet", "cleaning.json"
KNOWN = "known.safetensors"
KIND = "reference"
SPLITS = ("validation", "test")
REFERENCE = ASSETS / "reference"
COUNTED = ("dataset", "scanner", "pathology", "split")


@dataclass(frozen=True)
class Reference:
    """`samples` (`samples.SCHEMA`) and `facts`: where they come from, and the gates' bounds.

    Of the facts: `size_px`, `sources` (with licence), `n` (images by dataset, scanner, class and
    split), `n_patients`, `judges_sha256` (whose scores stand in the samples), `calibrate`
    (`busgen.gates.calibration.bounds`), `descriptor_auc`, `cleaning` (as the cohort counted).
    """

    facts: Mapping[str, Any]
    samples: pa.Table


def calibrate(
    folder: Path, out: Path, judges: Judges, planted: int | None = None
) -> dict[str, Any]:
    """Write the reference of what `busgen real ... --out` wrote, with proof that the gates work.

    The proof (`busgen.gates.calibration.fault_injection`) is of the bounds that ship, on test
    patients: faults are planted into all of their clean images, or into the first `planted`. `out`
    holds thumbnails of training patients' images (`KNOWN`) besides: it does not ship. Returns the
    gates' bounds with their evidence (`busgen.gates.calibration.bounds.calibrate`). Raises
    `UserError` if `folder` has no canonical data, or `out` holds other things.
    """
    with lock_folder(out, KIND):
        tables, cohort = find_tables(folder), find_cohort(folder).parent
        training, textures = read_training(tables, cohort)
        found = measure_reference(tables, cohort, judges, textures)
        gates = Gates(judges, make_known(textures), DEFAULT_GATES)
        tests = list(islice(read_pairs(tables, cohort, "test"), planted))
        facts = {**found.facts, "proof": inject_faults(gates, tests, training)}
        from busgen.evaluation.held_out_features import measure_held_out  # brings torch

        features = measure_held_out(tables, find_cohort(folder))
        write_reference(replace(found, facts=facts), out, textures, features)
    return dict(found.facts["calibrated"])


def measure_reference(
    tables: Sequence[Path], cohort: Path, judges: Judges, textures: Pixels | None = None
) -> Reference:
    """Return the reference of canonical tables and the folder of their cohort.

    Near-duplicates, Doppler images, unknown and disputed labels are left out. `textures` of
    training patients' crops are made where they are not given.
    """
    held_out = read_rows(tables, cohort, splits=SPLITS, usable=has_usable_label)
    if textures is None:
        _, textures = read_training(tables, cohort)
    known = make_known(textures) if len(textures) else None
    samples = measure(held_out, judges, known=known)
    every = read_rows(tables, cohort, columns=PLAIN, usable=has_usable_label)
    columns = pa.schema(field for field in schema.arrow_schema("real") if field.name in PLAIN)
    described = pa.Table.from_pylist([row for row in every if row["shape"] is not None], columns)
    measured = set(samples["dataset"].to_pylist())
    infos = [read_json(path.parent / INFO) for path in tables if path.parent.name in measured]
    names = [field.name for field in fields(DatasetInfo)]
    sources = [DatasetInfo(**{name: info[name] for name in names}) for info in infos]
    cleaning = read_json(cohort / CLEANING)
    return make_reference(samples, described, sources, cleaning, judges.sha256)


def make_reference(
    samples: pa.Table,
    described: pa.Table,
    sources: Sequence[DatasetInfo],
    cleaning: Mapping[str, Any],
    judges_sha256: str | None,
    size_px: int = 256,
) -> Reference:
    """Return the reference of measured samples, and of what cleaning found in their data sets.

    `samples` are of held-out patients (`busgen.gates.calibration.real_samples.measure`);
    `described` canonical rows whose descriptors are stated, of all patients: their AUC is of words,
    no image, and nothing that is trained on them, enters it.
    """
    counted = {name: samples[name].value_counts().to_pylist() for name in COUNTED}
    facts = {
        "about": "numbers of square crops of real images, patients outside the training split",
        "size_px": size_px,
        "sources": [asdict(info) for info in sources],
        "splits": list(SPLITS),
        "n": {
            name: {str(row["values"] or "unknown"): row["counts"] for row in rows}
            for name, rows in counted.items()
        },
        "n_patients": len(samples["patient"].unique()),
        "judges_sha256": judges_sha256,
        "calibrated": bounds.calibrate(samples),
        "descriptor_auc": descriptor_auc(described, "patient_id"),
        "cleaning": dict(cleaning),
    }
    return Reference(facts, samples)


def write_reference(
    reference: Reference,
    folder: Path,
    textures: Pixels | None = None,
    features: "HeldOutFeatures | None" = None,
) -> None:
    """Write the folder, whole or not at all, with known images' `textures` where given.

    `features` are the held-out images' coordinates (`busgen.evaluation.held_out_features`).
    """
    with write_folder(folder, KIND) as partial:
        write_text(partial / FACTS, dumps(reference.facts))
        pq.write_table(reference.samples, partial / SAMPLES, compression="zstd")
        if textures is not None:
            save_known(textures, partial / KNOWN)
        if features is not None:
            from busgen.evaluation.held_out_features import FILE, save_held_out

            save_held_out(features, partial / FILE)


def load_reference(folder: Path | None = None) -> Reference:
    """Return the reference in `folder`, by default the one that ships.

    Raises `DataError` if there is none, or it has not the samples' columns.
    """
    folder = folder or REFERENCE
    facts = read_json(folder / FACTS)
    try:
        samples = pq.read_table(folder / SAMPLES)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{SAMPLES} must be whole Parquet", error, "make it again") from error
    missing = sorted(set(SCHEMA.names) - set(samples.column_names))
    if missing or "size_px" not in facts:
        rule = "a reference must hold size_px and the samples' columns"
        raise DataError(rule, f"without {missing or 'size_px'}", "make it again")
    return Reference(facts, samples)
