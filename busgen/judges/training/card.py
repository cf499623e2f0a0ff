"""Model cards of the judges, written from what was measured.

In: the record of `scores.json`. Out: Markdown, one card a judge.
"""

from collections.abc import Mapping
from typing import Any

Record = Mapping[str, Any]

_HEAD = """# {title}

**NOT FOR CLINICAL USE.** {purpose} It measures synthetic images; nothing here may inform the care
of a patient.

## What it is

{what}

Weights are 16-bit floats in `{weights}` (safetensors, SHA-256 `{sha256}`), licensed as the code
(Apache-2.0); the data sets that they were trained on ask to be cited.

## Data

Real patients' images, square crops of 256 px with burned-in text, calipers and rulers painted
out{ignored}. Near-duplicates, colour Doppler and images with contradicting labels are left out.
A patient, or a cluster of near-duplicates, stands in one split, which follows from its name alone.

| data set | licence | patients: train / validation / test | images: benign, malignant, normal |
|---|---|---|---|
{data}

{citations}

## Training

`busgen train judges REAL --out DIR` with section `train_judges` of `params.yaml`:
{recipe}. Scanners are drawn by the root of their number, {balance}. Mirrors, other windows, gain,
gamma, gain over depth, blur and speckle change the crops, nothing turns them upside down. Learned
on the training patients; {calibrated}nothing was chosen or fitted on the test patients.

## Scores on patients that it never saw
{scores}
## Limits

{limits}
"""

_SEGMENTER_LIMITS = """\
- Where several dark regions compete, it may find another one than the publisher outlined; it
  misses some faint, small and isoechoic lesions altogether: the mean is far below the median.
- It had not learned all that its training patients show when its time was over.
- Normal images are few, so the share that stays empty is known roughly.
- Three public data sets, some five makes of scanner: other scanners score lower.
- Agreement with it says that a mask fits its image as outlines drawn by people do, no more."""

_CLASSIFIER_LIMITS = """\
- Its probabilities are calibrated to the mix of the data it was trained on (a third malignant,
  biopsy-enriched), not to screening. Another mix needs another intercept.
- Lesion size and outline alone separate classes in public data; half of the members see no mask
  against judging by the outline alone, but the image shows the outline too.
- Calibration of {n} images cannot be known better than the floor in the table.
- Three public data sets: other scanners and other populations score lower."""


def write_card(record: Record) -> dict[str, str]:
    """Return file name -> Markdown."""
    return {"segmenter.md": _segmenter(record), "classifier.md": _classifier(record)}


def _segmenter(record: Record) -> str:
    """Return the card of the lesion segmenter."""
    made = record["training"]["segmenter"]
    return _HEAD.format(
        title="Lesion segmenter",
        purpose="It finds the lesion in a breast-ultrasound image.",
        what=f"{made['members']} U-Nets with residual blocks (widths {_to_text(made['widths'])}, "
        f"input {made['size_px']} px) that differ in\ntheir seed; the mean of their probabilities "
        "counts, shifted to where lesions end\non the validation patients. It is not told where "
        "the lesion is, and saw no synthetic image.",
        weights="segmenter.safetensors",
        sha256=record["weights_sha256"]["segmenter.safetensors"],
        ignored=" (what was painted is ignored by the loss)",
        recipe=_recipe(made),
        balance="classes within a scanner too",
        calibrated="",
        scores=_table(record),
        limits=_SEGMENTER_LIMITS,
        **_data(record),
    )


def _classifier(record: Record) -> str:
    """Return the card of the benign/malignant classifier."""
    made = record["training"]["classifier"]
    n = record["test"]["classifier"]["calibration"]["ece_5_bins"]["n"]
    return _HEAD.format(
        title="Benign/malignant classifier",
        purpose="It judges whether an outlined lesion looks benign or malignant.",
        what=f"{made['members']} residual CNNs (widths {_to_text(made['widths'])}, input "
        f"{made['size_px']} px) that differ in their seed see a window of {made['context']} times "
        f"the lesion's\nlonger side; {made['blind']} of them see the image alone, the others the "
        "lesion's mask too. Their mean logit is\ncalibrated by Platt's scaling.",
        weights="classifier.safetensors",
        sha256=record["weights_sha256"]["classifier.safetensors"],
        ignored="",
        recipe=_recipe(made),
        balance="benign and malignant equally often on each",
        calibrated="calibrated on the validation patients; ",
        scores=_auc_table(record),
        limits=_CLASSIFIER_LIMITS.format(n=n),
        **_data(record),
    )


def _data(record: Record) -> dict[str, str]:
    used = {n: d for n, d in record["data"].items() if d["weights_may_ship"] and "train" in d}
    lines, cited = [], []
    for name, told in used.items():
        parts = [told.get(split, {}) for split in ("train", "validation", "test")]
        patients = " / ".join(str(part.get("patients", 0)) for part in parts)
        images = ", ".join(
            str(sum(part.get(label, 0) for part in parts))
            for label in ("benign", "malignant", "normal")
        )
        lines.append(f"| {name} | {told['licence']} | {patients} | {images} |")
        cited.append(f"- {name}: {told['citation']} doi:{told['doi']}")
    return {"data": "\n".join(lines), "citations": "\n".join(cited)}


def _recipe(made: Record) -> str:
    return (
        f"{made['epochs']} epochs a member, batches of {made['batch']}, AdamW with a one-cycle "
        f"rate up to {made['rate']}, running average of the weights"
        + (f", {made['polish']} more epochs with milder changes" if made["polish"] else "")
    )


def _table(record: Record) -> str:
    lines = [
        "",
        "| data set | Dice, mean (95 %) | median | missed | n (patients) |",
        "|---|---|---|---|---|",
    ]
    for name, part in _sets(record, "segmenter"):
        if name != "normals_left_empty":
            lines.append(
                f"| {name} | {_value(part)} | {part['median']:.3f} | {part['missed']:.3f} "
                f"| {part['n']} ({part['patients']}) |"
            )
    empty = record["test"]["segmenter"].get("normals_left_empty")
    if empty:
        lines.append(f"\nOf {empty['n']} normal images {empty['value']:.0%} stay empty.")
    return "\n".join([*lines, ""])


def _auc_table(record: Record) -> str:
    lines = [
        "",
        "| data set | AUC (95 %) | of the lesion's area alone | n (patients), malignant |",
        "|---|---|---|---|",
    ]
    for name, part in _sets(record, "classifier", "auc"):
        lines.append(
            f"| {name} | {_value(part)} | {part['area_alone']:.3f} "
            f"| {part['n']} ({part['patients']}), {part['malignant']} |"
        )
    lines += [
        "",
        "| expected calibration error | value (95 %) | floor of true chances (95th percentile) "
        "| debiased |",
        "|---|---|---|---|",
    ]
    for name, part in record["test"]["classifier"]["calibration"].items():
        bins = name.split("_")[1]
        lines.append(
            f"| {bins} bins of equal mass | {_value(part)} "
            f"| {part['floor']:.3f} ({part['floor_95']:.3f}) | {part['debiased']:.3f} |"
        )
    return "\n".join([*lines, ""])


def _sets(record: Record, judge: str, score: str | None = None) -> list[tuple[str, Record]]:
    """Return `(data set, scores)`: test patients first, then data sets not learned from."""
    found: list[tuple[str, Record]] = []
    for suffix, scores in [("", record["test"]), *((" *", s) for s in record["other"].values())]:
        own = scores[judge].get(score, {}) if score else scores[judge]
        found += [(f"{name}{suffix}" if suffix else name, part) for name, part in own.items()]
    return found


def _value(part: Record) -> str:
    low, high = part["interval"]
    return f"{part['value']:.3f} ({low:.3f} to {high:.3f})"


def _to_text(widths: list[int]) -> str:
    return ", ".join(str(width) for width in widths)
