"""Second pass: words in docstrings and comments of busgen, flows and tests. Usage: python prose.py CHECKOUT.

Only docstrings and comments; names in backticks stay. No rule makes a line longer than it was.
Messages, HTML, README and docs are for a person (see README.md beside this script).
"""
import ast, io, os, re, sys, tokenize
from pathlib import Path

os.chdir(sys.argv[1])
RULES = [
    (r"\ba picture\b", "an image"), (r"\bA picture\b", "An image"), (r"\ba picture's\b", "an image's"),
    (r"\bpictures\b", "images"), (r"\bPictures\b", "Images"), (r"\bpicture\b", "image"), (r"\bPicture\b", "Image"),
    (r"\bof chances\b", "of probabilities"), (r"\bin the stead of\b", "matched to"),
    (r"\ban? caught fault\b", "a detected fault"), (r"\bthat is told of\b", "that conditions"),
]


def changed(text):
    named = re.match(r"\s+\w+(, \w+)* :", text)  # parameters of a docstring keep their names
    if named:
        return named.group() + changed("|" + text[named.end():])[1:]
    parts = re.split(r"(`+[^`]*`+)", text)
    for k in range(0, len(parts), 2):
        for old, new in RULES:
            parts[k] = re.sub(old, new, parts[k])
    return "".join(parts)


count = 0
for top in ("busgen", "flows", "tests"):
    for path in sorted(Path(top).rglob("*.py")):
        text = path.read_text()
        lines = text.split("\n")
        spans = set()
        for n in ast.walk(ast.parse(text)):
            if isinstance(n, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(n) is not None:
                spans |= set(range(n.body[0].lineno, n.body[0].end_lineno + 1))
        out = [changed(l) if k in spans else l for k, l in enumerate(lines, 1)]
        for t in tokenize.generate_tokens(io.StringIO(text).readline):
            if t.type == tokenize.COMMENT and t.start[0] not in spans:
                l = out[t.start[0] - 1]
                out[t.start[0] - 1] = l[: t.start[1]] + changed(l[t.start[1]:])
        new = "\n".join(x if len(x) <= max(100, len(y)) else y for x, y in zip(out, lines))
        if new != text:
            path.write_text(new)
            count += 1
print(count, "files")
