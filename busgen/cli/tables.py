"""What commands show of their results: a table, remarks, and last one sentence.

In: records. Out: words on the screen.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from rich.markup import escape

from busgen import NOT_FOR_CLINICAL_USE
from busgen.cli.screen import out, print_rows, to_words

MOST = 4  # attempts whose scores stand in a table
COSTLY = ("generate", "quality", "downstream")  # stages whose seconds stand by a version


def print_history(history: Sequence[Mapping[str, Any]], gates: Mapping[str, Any]) -> None:
    """Print a sample's history: what it is, its attempts, and its scores with the gates' bounds."""
    *attempts, final = history
    left = ("sample_id", "seed", "text")  # which stand elsewhere
    finding = {k: v for k, v in final["finding"].items() if v is not None and k not in left}
    out.print(
        f"[bold]{escape(final['sample_id'])}[/]  {escape(final['finding']['text'])}", soft_wrap=True
    )
    print_rows({"finding": k, "value": _join(v)} for k, v in finding.items())
    tried = [
        {"attempt": one["attempt"], "accepted": "yes" if one["accepted"] else "no"}
        | {"reason": one["reason"] or "-", "flags": _join(one["flags"]) or "-", "seed": one["seed"]}
        for one in attempts
    ]
    print_rows(tried)
    rows = []
    for name, last in attempts[-1]["scores"].items():
        if last is not None:
            own = {f"attempt {one['attempt']}": one["scores"][name] for one in attempts[-MOST:]}
            row = {k: "-" if v is None else v for k, v in own.items()}
            rows.append({"score": name, "passes": _to_bounds(gates.get(name, {})), **row})
    print_rows(rows)
    for name in ("engine", "mask_engine"):
        sha256 = final["made_by"][f"{name}_sha256"][:12]
        out.print(f"{name:12} {final['made_by'][name]} {sha256}")
    if final["family"]:
        out.print(f"{'family':12} {', '.join(final['family'])}", soft_wrap=True)
    where = f" in split {final['split']}" if final["split"] else ""
    count = f"{len(attempts)} attempt{'s' if len(attempts) > 1 else ''}"
    out.print(f"The sample was {final['final']}{where} after {count}.", soft_wrap=True)


def _join(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _to_bounds(gate: Mapping[str, Any]) -> str:
    """Return what passes a gate, as in ``<= 0.1``; a dash for what has none."""
    signs = {"min": ">=", "max": "<="}
    known = [f"{sign} {gate[k]:g}" for k, sign in signs.items() if gate.get(k) is not None]
    return ", ".join(known) or "-"


def print_redrawn(found: Mapping[str, Any]) -> None:
    """Print how a released sample compares with itself made anew."""
    same = {what: "the same" if found[f"same_{what}"] else "another" for what in ("image", "mask")}
    changed = f"; changed: {', '.join(found['engine_changed'])}" if found["engine_changed"] else ""
    out.print(
        f"Made anew, it has {same['image']} image and {same['mask']} mask; the largest difference "
        f"is {found['max_abs_difference']} grey levels{changed}.",
        soft_wrap=True,
    )


def print_summary(folder: Path) -> None:
    """Print counts, rejections and where the release is."""
    from busgen.factory.rounds import count

    rows = count(folder / "index.parquet")
    accepted, attempts = (sum(row[key] for row in rows) for key in ("accepted", "attempts"))
    print_rows(rows)
    out.print(
        f"accepted {accepted} of {attempts} attempts ({accepted / attempts:.1%})\n"
        f"dataset  {escape(str(folder))}\n[bold]{NOT_FOR_CLINICAL_USE}[/]\n"
        f"Look at its images with `busgen browse {escape(str(folder))}`.",
        soft_wrap=True,
    )


def print_outcome(release: Path, limits: Mapping[str, Any], report: Path) -> None:
    """Print what a run made, what its limits say, where to look, what to do next."""
    from busgen.factory.rounds import count
    from busgen.report.answers import limits as answers

    made, attempts = Counter[str](), 0
    for row in count(release / "index.parquet"):
        made[row["pathology"]] += row["accepted"]
        attempts += row["attempts"]
    accepted, told = made.total(), ", ".join(f"{n} {name}" for name, n in made.items())
    lines = [
        ("made", f"{accepted} images with masks and findings: {told}"),
        ("gates", f"{accepted} of {attempts} attempts accepted ({accepted / attempts:.1%})"),
        ("verdict", f"[bold]{answers.to_words(limits) or 'no limits'}[/]"),
        *(("", escape(x.why)) for x in answers.make_answers(limits) if x.answer == answers.NO),
        ("look", f"{escape(str(report))}: images, and what they are fit for"),
        ("dataset", escape(str(release))),
        ("next", "busgen show SAMPLE, busgen export DIR --as coco --out COCO, busgen tag NAME"),
        ("", f"[bold]{NOT_FOR_CLINICAL_USE}[/]"),
    ]
    for name, text in lines:
        out.print(f"{name:8} {text}", soft_wrap=True)


def print_nearness(record: Mapping[str, Any]) -> None:
    """Print how near images are to training patients, and the thresholds of same patients."""
    scores = {name.removeprefix("privacy_"): score for name, score in record["scores"].items()}
    every = scores | {"copies": record["copies"]}
    print_rows(_to_rows(every))
    for space, metrics in record["thresholds"].items():
        if metrics["value"] is not None:
            to_words(
                f"{space}: same patient below {metrics['value']:.4g}, from {metrics['pairs']} pairs"
            )
    for name, reason in record["skipped"].items():
        to_words(f"left out: {name}: {reason}")
    out.print(_sum_up(every), soft_wrap=True)


def print_comparison(record: Mapping[str, Any]) -> None:
    """Print the scores of two sets, a table a stratum, and what a reader should know of them."""
    for stratum, scores in record["scores"].items():
        out.print(escape(stratum))
        print_rows(_to_rows(scores))
    for note in record["notes"]:
        to_words(note)
    for stratum, reasons in record["skipped"].items():
        for name, reason in reasons.items():
            to_words(f"left out: {stratum}, {name}: {reason}")
    every = {
        name if stratum == "all" else f"{stratum} {name}": score
        for stratum, scores in record["scores"].items()
        for name, score in scores.items()
    }
    out.print(escape(_sum_up(every)), soft_wrap=True)


def print_cleaning(record: Mapping[str, Any]) -> None:
    """Print what cleaning found in the real data: a column a dataset, a row a count."""
    columns = {**record["datasets"], "all": record["all"]}
    simple = ("published", "read", "patients", "clusters", "redundant", "conflicts")
    rows = [{"": name} | {c: n[name] for c, n in columns.items()} for name in simple]
    for part, key in (("left out", "left_out"), ("flag", "flags")):
        for name in dict.fromkeys(name for counts in columns.values() for name in counts[key]):
            found = {c: n[key].get(name, 0) for c, n in columns.items()}
            rows.append({"": f"{part}: {name}"} | found)
    classes = ("benign", "malignant", "normal", "unknown")
    for name, split in product(("splits", "usable"), record["all"]["splits"]):
        row = {"": f"{name.removesuffix('s')}: {split}"}
        for column, counts in columns.items():
            row[column] = " / ".join(str(counts[name][split].get(c, 0)) for c in classes)
        rows.append(row)
    order = f"Splits are counted as {' / '.join(classes)}"
    usable = sum(sum(counts.values()) for counts in record["all"]["usable"].values())
    read = record["all"]["read"]
    print_rows(rows, f"{order}; {usable} of {read} images are usable for labels, copies left out.")


def print_versions(found: Sequence[Mapping[str, Any]]) -> None:
    """Print dataset versions: generators, quality, the primary gains downstream, seconds."""
    for row in found:
        generator = row["generator"]
        engines = {
            key: f"{generator.get(key, '')} {generator.get(f'{key}_sha256', '-')[:12]}".strip()
            for key in ("engine", "mask_engine", "prior")
        }
        gains = {
            f"{score}, {train}": "{value:+.3f} ({low:+.3f} to {high:+.3f})".format(**own["gain"])
            for task, score in (("classification", "AUC"), ("segmentation", "Dice"))
            for train, own in row["downstream"].get(task, {}).items()
            if "gain" in own
        }
        costs = {f"{stage} s": row["seconds"].get(stage, "-") for stage in COSTLY}
        quality = {
            "accepted": row["accepted"],
            "limits": row.get("verdict", "-"),
            "mean KS": _mean_ks(row["scores"]),
            "floor": _mean_ks(row["floors"]),
            "descriptor AUC": row["scores"].get("descriptor_auc", "-"),
        }
        out.print(f"[bold]{escape(row['version'])}[/]  {row['date']}")
        print_rows([quality | costs])
        print_rows([engines])
        if gains:
            print_rows({"gain of real + synthetic": k, "value": of} for k, of in gains.items())
    if found:
        count = "One version" if len(found) == 1 else f"{len(found)} versions"
        out.print(f"{count}, the oldest first; higher gains and lower KS are better.")


def _mean_ks(scores: Mapping[str, float]) -> float | str:
    distances = [value for name, value in scores.items() if name.startswith("ks_")]
    return sum(distances) / len(distances) if distances else "-"


def _to_rows(scores: Mapping[str, Mapping[str, Any]]) -> list[dict[str, object]]:
    """Return a stratum's scores as rows; what is beyond the floor's limit is told from real."""
    rows: list[dict[str, object]] = []
    for name, one in scores.items():
        ends = "{:.3g} .. {:.3g}".format(*one["interval"])
        row = {"score": name, "value": one["value"], "interval": ends, "n": one["n"]}
        row |= {"floor": one["floor"], "limit": one["floor_limit"]}
        better = "lower" if one["bad"] == "high" else "higher"
        rows.append(row | {"better": better, "beyond": "yes" if _is_beyond(one) else "no"})
    return rows


def _is_beyond(score: Mapping[str, Any]) -> bool:
    """Whether a score is worse than that of real images against real ones almost ever is."""
    value, limit = score["value"], score["floor_limit"]
    return bool(value > limit if score["bad"] == "high" else value < limit)


def _sum_up(scores: Mapping[str, Mapping[str, Any]]) -> str:
    """Return in one sentence how many scores are beyond what real images reach."""
    beyond = [name for name, one in scores.items() if _is_beyond(one)]
    if not beyond:
        return f"None of {len(scores)} scores is beyond the limit of real against real images."
    verb = "is" if len(beyond) == 1 else "are"
    head = f"{len(beyond)} of {len(scores)} scores {verb} beyond the limit of real against real"
    return f"{head} images: {', '.join(beyond)}."
