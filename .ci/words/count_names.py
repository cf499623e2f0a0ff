"""Count the distinct names of functions, methods and classes under busgen/ and flows/."""
import ast, sys
from collections import Counter
from pathlib import Path

def names(root):
    pub, priv = {}, {}
    for top in ("busgen", "flows"):
        for p in sorted((root / top).rglob("*.py")):
            for n in ast.walk(ast.parse(p.read_text())):
                if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                    if n.name.startswith("__") and n.name.endswith("__"): continue
                    (priv if n.name.startswith("_") else pub).setdefault(n.name, []).append(str(p.relative_to(root)))
    return pub, priv
if __name__ == "__main__":
    pub, priv = names(Path(sys.argv[1]))
    print(len(pub), "public distinct;", sum(map(len,pub.values())), "defs;", len(priv), "private distinct;", sum(map(len, priv.values())), "private defs")
