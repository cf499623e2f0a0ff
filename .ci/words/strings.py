"""Rename what is spelt in strings: gates, the params key `out_of_domain`, the command `busgen study`.

Usage: python strings.py CHECKOUT. Assets (reference.json, samples.parquet) are migrated, values unchanged.
"""
import json, os, re, subprocess, sys
from pathlib import Path

os.chdir(sys.argv[1])
sys.path.insert(0, ".")
GATES = {"anomaly": "anomaly", "orientation_check": "orientation_check", "out_of_domain": "out_of_domain"}
files = subprocess.run(["git", "ls-files", "*.py", "*.md", "*.yaml", "*.html", "*.toml"], capture_output=True, text=True, check=True).stdout.split()
WORDS_IN_PLACE = ("busgen/priors/", "busgen/images/diffusion/training/text/", "busgen/bench/images/control.py", "docs/log")
for f in files:
    p = Path(f)
    old = text = p.read_text()
    text = re.sub(r"\bbusgen readers\b", "busgen study", text)
    text = re.sub(r"\b(words = \[|call\()\"readers\", \"(make|score)\"", r'\1"study", "\2"', text)
    text = re.sub(r"\"readers (make|score)\"", r'"study \1"', text)
    text = text.replace('add_typer(study.app, name="study")', 'add_typer(study.app, name="study")')
    if not f.startswith(WORDS_IN_PLACE):
        text = re.sub(r"(?<![A-Za-z])out_of_domain(?![A-Za-z])", "out_of_domain", text)
        text = re.sub(r"(?<![A-Za-z])anomaly(?![A-Za-z])", "anomaly", text)
        text = re.sub(r"([\"'`])((?:gate_)?)upright\1", r"\1\2orientation_check\1", text)
        text = re.sub(r"\bgate_upright\b", "gate_orientation_check", text)
        if f == "params.yaml":
            text = re.sub(r"(?m)^(\s+)upright:", r"\1orientation_check:", text)
    if text != old:
        p.write_text(text)


def renamed(x):
    if isinstance(x, dict):
        return {("gate_" if k.startswith("gate_") else "") + GATES.get(k.removeprefix("gate_"), k.removeprefix("gate_")): renamed(v) for k, v in x.items()}
    if isinstance(x, list):
        return [renamed(v) for v in x]
    return GATES.get(x, x) if isinstance(x, str) else x


def main():
    from busgen.io import dumps
    import pyarrow.parquet as pq
    for f in subprocess.run(["git", "ls-files", "busgen/assets/**.json"], capture_output=True, text=True, check=True).stdout.split():
        text = Path(f).read_text()
        if re.search(r"\"(gate_)?(anomaly|upright|out_of_domain)\"", text):
            content = renamed(json.loads(text))
            Path(f).write_text(dumps(content) if dumps(json.loads(text)) == text else json.dumps(content, indent=2) + "\n")
            print("migrated", f)
    f = Path("busgen/assets/reference/samples.parquet")
    table = pq.read_table(f)
    names = ["gate_" + GATES.get(n.removeprefix("gate_"), n.removeprefix("gate_")) if n.startswith("gate_") else n for n in table.schema.names]
    if names != table.schema.names:
        meta = pq.ParquetFile(f).metadata.row_group(0).column(0)
        pq.write_table(table.rename_columns(names), f, compression=meta.compression.lower())
        print("migrated", f)


main()
