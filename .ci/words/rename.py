"""Apply renames.csv to a checkout: by mypy's resolution of every name, never by blind text.

Usage: PYTHONPATH=. python rename.py CHECKOUT renames.csv [--dry] [--no-locals] [--no-prose]

Every name in busgen, flows and tests is resolved by mypy to what it stands for; the map names that
(`module:function`, `module:Class.attribute`, `module:function(parameter)`), so equal names of other
things stay. Rows whose old name is gone are looked up elsewhere (moved modules) or reported.
"""

from __future__ import annotations

import ast
import csv
import gc
import io
import re
import subprocess
import sys
import tokenize
from collections import Counter, defaultdict
from pathlib import Path

from mypy import build, config_parser, nodes
from mypy.modulefinder import BuildSource
from mypy.options import Options
from mypy.types import (
    CallableType, Instance, Overloaded, TupleType, TypeType, TypeVarType, UnionType, get_proper_type,
)

gc.disable()  # a collection walks all of mypy's trees
HERE = Path(__file__).parent
TOPS = ("busgen", "flows", "tests")


def module_of(path: Path) -> str:
    parts = path.with_suffix("").parts
    if parts[:2] == ("tests", "helpers"):
        parts = parts[2:]
    if parts[-1] == "__init__":
        parts = parts[:-1]
    return ".".join(parts)


def built(root: Path):
    o = Options()
    config_parser.parse_config_file(o, lambda: None, str(HERE / "mypy.ini"), sys.stderr, sys.stderr)
    o.incremental = False
    o.cache_dir = "/dev/null"
    o.export_types = o.preserve_asts = o.check_untyped_defs = True
    o.namespace_packages = o.explicit_package_bases = True
    o.ignore_missing_imports = True
    o.mypy_path = [".", "tests/helpers"]
    files = [p for top in TOPS for p in sorted(Path(top).rglob("*.py"))]
    result = build.build([BuildSource(str(p), module_of(p), None) for p in files], o)
    return result, {module_of(p): p for p in files}


CHILDREN = """defs body else_body expr exprs args callee base index left right operands items keys values
    lvalues rvalue lvalue condlists conditions sequences indices cond if_expr else_expr left_expr key value
    arguments initializer func decorators original_decorators target targets handlers types vars finally_body
    condition msg from_expr subject patterns guards bodies begin_index end_index stride generator expr1 method_expr
    base_type_exprs metaclass operand name_expr class_ref positionals keyword_values pattern rest""".split()


class Walker:
    """Walk mypy's tree by the attributes of its compiled nodes, as compiled visitors take no subclass."""

    def __init__(self):
        self.attributes = {}

    def of(self, o):
        c = type(o)
        if c not in self.attributes:
            self.attributes[c] = [a for b in c.__mro__ for a in getattr(b, "__mypyc_attrs__", ()) if a in CHILDREN]
            self.attributes[c] = list(dict.fromkeys(self.attributes[c]))
        return self.attributes[c]

    def go(self, o):
        if isinstance(o, list | tuple):
            for x in o:
                self.go(x)
        elif isinstance(o, nodes.Node) and not isinstance(o, nodes.TypeInfo):
            if isinstance(o, nodes.NameExpr):
                self.visit_name_expr(o)
            elif isinstance(o, nodes.MemberExpr):
                self.visit_member_expr(o)
            elif isinstance(o, nodes.CallExpr):
                self.visit_call_expr(o)
            elif isinstance(o, nodes.FuncDef | nodes.LambdaExpr):
                self.enter(o, o.fullname if isinstance(o, nodes.FuncDef) else None)
            elif isinstance(o, nodes.Import | nodes.ImportFrom | nodes.ImportAll):
                pass
            else:
                self.children(o)

    def children(self, o):
        for a in self.of(o):
            try:
                v = getattr(o, a)
            except AttributeError:
                continue
            if isinstance(v, list | tuple | nodes.Node):
                self.go(v)


class Index(Walker):
    """Occurrences: key -> [(path, line, column, name, kind)]."""

    def __init__(self, result, files):
        super().__init__()
        self.types, self.files, self.trees = result.types, files, {}
        self.mypy_files = {m: t for m, t in result.files.items() if m in files}
        self.found = defaultdict(set)
        self.unresolved = defaultdict(list)
        self.asdict = set()
        self.local = defaultdict(set)      # id(Var) -> occurrences
        self.local_of = {}                 # id(Var) -> (module, qualname of the outer function, name, is_param, key)
        self.functions = []
        self.funcdefs = []
        self.kwargs = []
        self.module = ""
        self.fixtures = set()
        for m, tree in self.mypy_files.items():
            self.module, self.path = m, files[m]
            if str(files[m]).startswith("tests"):
                self.fixtures |= {
                    n.name for n in ast.walk(ast.parse(files[m].read_text())) if isinstance(n, ast.FunctionDef)
                    and any("fixture" in ast.unparse(d) for d in n.decorator_list)
                }
            self.source = files[m].read_text()
            self.trees[m] = ast.parse(self.source)
            self.functions, self.funcdefs = [], []
            self.ast_names(self.trees[m])
            self.go(tree.defs)

    def is_module(self, key):
        """Return whether a key is an attribute of a torch module: a name in shipped weights."""
        m, tail = key.split(":")
        if "." not in tail or any(kind == "def" for *_, kind in self.found[key]):
            return False
        node = self.mypy_files[m].names.get(tail.split(".")[0])
        tree = [n for n in ast.walk(self.trees[m]) if isinstance(n, ast.ClassDef) and n.name == tail.split(".")[0]]
        return any("Module" in ast.unparse(b) or "ModelMixin" in ast.unparse(b) for n in tree for b in n.bases)

    # --- keys
    def key(self, fullname: str) -> str | None:
        """Return module:Qual of a full name of ours."""
        parts = fullname.split(".")
        for n in range(len(parts), 0, -1):
            m = ".".join(parts[:n])
            if m in self.files:
                return f"{m}:{'.'.join(parts[n:])}" if n < len(parts) else f"{m}"
        return None

    def add(self, key, line, column, name, kind="name"):
        if key:
            self.found[key].add((str(self.path), line, column, name, kind))

    # --- definitions, imports, keywords by Python's tree
    def ast_names(self, tree):
        lines = self.source.split("\n")
        def walk(node, qual):
            for n in ast.iter_child_nodes(node):
                if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                    q = qual + [n.name]
                    at = re.compile(r"(?:async\s+)?(?:def|class)\s+").match(lines[n.lineno - 1], n.col_offset)
                    col = len(lines[n.lineno - 1][: at.end()].encode())
                    if not any(x.startswith("<") for x in qual):
                        self.add(f"{self.module}:{'.'.join(q)}", n.lineno, col, n.name, "def")
                    walk(n, q + ["<locals>"] if not isinstance(n, ast.ClassDef) else q)
                else:
                    walk(n, qual)
        walk(tree, [])
        for n in ast.walk(tree):
            if isinstance(n, ast.ImportFrom) and n.module:
                target = self.mypy_files.get(n.module)
                for a in n.names:
                    full = f"{n.module}.{a.name}"
                    if target and a.name in target.names and target.names[a.name].node is not None:
                        full = target.names[a.name].node.fullname
                    if full in self.files:
                        self.add(full, a.lineno, a.col_offset, a.name, "import")
                    else:
                        self.add(self.key(full), a.lineno, a.col_offset, a.name, "import")
            if isinstance(n, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in n.targets):
                target = self.mypy_files.get(self.module)
                for c in ast.walk(n.value):
                    if isinstance(c, ast.Constant) and isinstance(c.value, str):
                        full = f"{self.module}.{c.value}"
                        if c.value in target.names and target.names[c.value].node is not None:
                            full = target.names[c.value].node.fullname
                        self.add(self.key(full), c.lineno, c.col_offset + 1, c.value, "string")
            if isinstance(n, ast.Constant) and isinstance(n.value, str) and re.fullmatch(r"(busgen|flows)(\.\w+)+", n.value):
                self.dotted(n.value, n.lineno, n.col_offset + 1)
        self.calls = {}
        for n in ast.walk(tree):
            if isinstance(n, ast.Call):
                self.calls[n.lineno, n.col_offset, n.end_lineno, n.end_col_offset] = n

    def dotted(self, full, line, col):
        parts = full.split(".")
        for n in range(1, len(parts)):
            head = ".".join(parts[: n + 1])
            key = self.resolve(head)
            if key:
                via = ".".join(parts[:n]) if ".".join(parts[:n]) in self.files else ""
                self.add(key, line, col + len(".".join(parts[:n]).encode()) + 1, parts[n], f"via:{via}")

    def resolve(self, full):
        if full in self.files:
            return full
        parts = full.split(".")
        for n in range(len(parts) - 1, 0, -1):
            m = ".".join(parts[:n])
            if m in self.mypy_files:
                node = self.mypy_files[m].names.get(parts[n])
                if node is None or node.node is None:
                    return None
                base = node.node.fullname
                if n + 1 == len(parts):
                    return self.key(base)
                if isinstance(node.node, nodes.TypeInfo):
                    return self.member(node.node, parts[n + 1]) if n + 2 == len(parts) else None
                return None
        return None

    def member(self, info, name):
        for c in info.mro:
            if name in c.names:
                return self.key(f"{c.fullname}.{name}")
        return None

    # --- mypy's tree
    def visit_name_expr(self, e):
        self.ref(e, e.line, e.column, e.name)

    def ref(self, e, line, col, name):
        n = e.node
        if n is None or line is None or line < 1:
            return
        if isinstance(n, nodes.MypyFile):
            self.add(n.fullname if n.fullname in self.files else None, line, col, name)
            return
        if isinstance(n, nodes.Var) and n.info and n.info is not nodes.VAR_NO_INFO and e.kind == nodes.MDEF:
            self.add(self.key(f"{n.info.fullname}.{n.name}"), line, col, name)
        elif e.kind == nodes.GDEF:
            if n.name == name.split(".")[-1]:
                self.add(self.key(n.fullname), line, col, name)
        elif e.kind == nodes.MDEF:
            self.add(self.key(n.fullname), line, col, name)
        elif e.kind == nodes.LDEF and isinstance(n, nodes.SymbolNode) and not isinstance(n, nodes.Var):
            if n.name == name and not (isinstance(n, nodes.FuncDef | nodes.Decorator) and "@" in (n.fullname or "@")):
                self.add(self.key(n.fullname), line, col, name)
        elif e.kind == nodes.LDEF and isinstance(n, nodes.Var):
            self.local[id(n)].add((str(self.path), line, col, name, "name"))
            if id(n) not in self.local_of and self.functions:
                self.local_of[id(n)] = (self.module, self.funcdefs[0], n.name, False, None, n)

    def classes(self, t):
        t = get_proper_type(t)
        if isinstance(t, Instance):
            return [t.type]
        if isinstance(t, TupleType):
            return [t.partial_fallback.type]
        if isinstance(t, TypeType):
            return self.classes(t.item)
        if isinstance(t, CallableType) and t.is_type_obj():
            return self.classes(t.ret_type)
        if isinstance(t, Overloaded) and t.is_type_obj():
            return self.classes(t.items[0].ret_type)
        if isinstance(t, UnionType):
            return [c for i in t.items for c in self.classes(i)]
        if isinstance(t, TypeVarType):
            return self.classes(t.upper_bound)
        return []

    def visit_member_expr(self, e):
        self.go(e.expr)
        if e.end_column is None or e.line < 1:
            return
        line, col = e.end_line, e.end_column - len(e.name.encode())
        if e.node is not None and e.kind == nodes.GDEF:
            if isinstance(e.node, nodes.MypyFile):
                self.add(e.node.fullname if e.node.fullname in self.files else None, line, col, e.name)
            else:
                via = e.expr.node.fullname if isinstance(e.expr, nodes.RefExpr) and isinstance(e.expr.node, nodes.MypyFile) else ""
                self.add(self.key(e.node.fullname), line, col, e.name, f"via:{via}")
            return
        keys = self.member_keys(e)
        if keys:
            for key in keys:
                self.add(key, line, col, e.name)
        elif keys is None:
            self.unresolved[e.name].append((str(self.path), line, col))

    def member_keys(self, e):
        classes = []
        t = self.types.get(e.expr)
        if t is not None:
            classes = self.classes(t)
        if not classes and isinstance(e.expr, nodes.RefExpr) and isinstance(e.expr.node, nodes.TypeInfo):
            classes = [e.expr.node]
        if not classes:
            return None
        keys = [self.member(c, e.name) for c in classes]
        return [k for k in keys if k]

    def visit_call_expr(self, e):
        self.children(e)
        n = self.calls.get((e.line, e.column, e.end_line, e.end_column))
        callee = e.callee
        name = callee.name if isinstance(callee, nodes.RefExpr) else ""
        if n is None:
            return
        if name in ("asdict", "fields", "astuple") and e.args:
            for c in self.classes(self.types.get(e.args[0])) if self.types.get(e.args[0]) else []:
                self.asdict.add((name, self.key(c.fullname)))
        if name in ("setattr", "getattr", "delattr", "hasattr") and len(n.args) >= 2 and isinstance(n.args[1], ast.Constant) and isinstance(n.args[1].value, str):
            self.string_attr(e.args[0], n.args[1])
        if name == "partial" and e.args:
            callee = e.args[0]
        for kw in n.keywords:
            if kw.arg is None:
                continue
            for key in self.parameter_keys(callee, kw.arg, e, name):
                self.add(key, kw.lineno, kw.col_offset, kw.arg, "keyword")

    def string_attr(self, target, const):
        key, kind = None, "string"
        if isinstance(target, nodes.RefExpr) and isinstance(target.node, nodes.MypyFile):
            key = self.resolve(f"{target.node.fullname}.{const.value}")
            kind = f"patch:{target.node.fullname}:{target.end_line}:{target.end_column}"
        elif isinstance(target, nodes.RefExpr) and isinstance(target.node, nodes.TypeInfo):
            key = self.member(target.node, const.value)
        elif self.types.get(target) is not None:
            for c in self.classes(self.types[target]):
                key = key or self.member(c, const.value)
        if key:
            self.add(key, const.lineno, const.col_offset + 1, const.value, kind)

    def parameter_keys(self, callee, arg, e, name):
        node = callee.node if isinstance(callee, nodes.RefExpr) else None
        if name == "replace" and e.args:
            t = self.types.get(e.args[0])
            return [k for c in (self.classes(t) if t else []) if (k := self.member(c, arg))]
        if node is None and isinstance(callee, nodes.MemberExpr):
            t = self.types.get(callee.expr)
            out = []
            for c in self.classes(t) if t is not None else []:
                got = c.get(callee.name)
                if got is not None and got.node is not None:
                    out += self.of_node(got.node, arg)
            return out
        if node is None and self.types.get(callee) is not None:
            return [k for c in self.classes(self.types[callee]) if (k := self.member(c, arg))]
        return self.of_node(node, arg) if node is not None else []

    def of_node(self, node, arg):
        if isinstance(node, nodes.Decorator):
            node = node.func
        if isinstance(node, nodes.TypeAlias):
            return []
        if isinstance(node, nodes.TypeInfo):
            key = self.member(node, arg)
            init = node.names.get("__init__")
            if init is not None and isinstance(init.node, nodes.FuncDef) and not init.plugin_generated:
                return [f"{self.key(init.node.fullname)}({arg})"]
            return [key] if key else []
        if isinstance(node, nodes.FuncDef):
            k = self.key(node.fullname)
            return [f"{k}({arg})"] if k else []
        if isinstance(node, nodes.Var) and node.type is not None:
            return [k for c in self.classes(node.type) if (k := self.member(c, arg))]
        return []

    def enter(self, o, fullname):
        self.functions.append(fullname)
        self.funcdefs.append(o)
        for a in o.arguments:
            v = a.variable
            key = self.key(fullname) if fullname and self.key(fullname) else None
            if key:
                self.add(f"{key}({v.name})", a.line, a.column, v.name, "arg")
            self.local[id(v)].add((str(self.path), a.line, a.column, v.name, "arg"))
            self.local_of[id(v)] = (self.module, self.funcdefs[0], v.name, fullname is not None, f"{key}({v.name})" if key else None, v)
        self.children(o)
        self.functions.pop()
        self.funcdefs.pop()


# --- annotations: mypy's tree holds no expressions for them; Python's tree does
def annotation_names(index):
    for m, tree in index.trees.items():
        table = index.mypy_files[m].names
        index.module, index.path = m, index.files[m]
        covered = {(l, c) for key, s in index.found.items() for (p, l, c, n, k) in s if p == str(index.path)}
        spots = []
        for n in ast.walk(tree):
            if isinstance(n, ast.arg) and n.annotation:
                spots.append(n.annotation)
            elif isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) and n.returns:
                spots.append(n.returns)
            elif isinstance(n, ast.AnnAssign):
                spots.append(n.annotation)
            elif isinstance(n, ast.ClassDef):
                spots += n.bases
            elif isinstance(n, ast.Call | ast.Subscript | ast.Assign):
                spots.append(n)
        for s in spots:
            for x in ast.walk(s):
                if isinstance(x, ast.Name) and (x.lineno, x.col_offset) not in covered and x.id in table:
                    node = table[x.id].node
                    if isinstance(node, nodes.TypeInfo | nodes.TypeAlias) and node.name == x.id:
                        index.add(index.key(node.fullname), x.lineno, x.col_offset, x.id)
                if isinstance(x, ast.Constant) and isinstance(x.value, str) and x.value in table and not isinstance(s, ast.Call | ast.Assign):
                    node = table[x.value].node
                    if isinstance(node, nodes.TypeInfo) and node.name == x.value:
                        index.add(index.key(node.fullname), x.lineno, x.col_offset + 1, x.value)
                if isinstance(x, ast.Attribute) and isinstance(x.value, ast.Name) and x.value.id in table:
                    node = table[x.value.id].node
                    if isinstance(node, nodes.MypyFile) and x.attr in node.names and node.names[x.attr].node is not None:
                        if isinstance(node.names[x.attr].node, nodes.TypeInfo):
                            index.add(index.key(node.names[x.attr].node.fullname), x.end_lineno, x.end_col_offset - len(x.attr), x.attr, f"via:{node.fullname}")
                        if node.fullname in index.files and (x.lineno, x.col_offset) not in covered:
                            index.add(node.fullname, x.lineno, x.col_offset, x.value.id)


def definitions(index):
    """Return every key that is defined: functions, classes, methods, fields, constants, parameters."""
    keys = set(index.found)
    return {k for k in keys if ":" in k or k in index.files}


def matched(rows, index):
    """Return {key: new} and what was left over."""
    defined = definitions(index)
    by_tail = defaultdict(list)
    for k in defined:
        if ":" in k:
            by_tail[k.split(":")[1]].append(k)
    exact = {r["old"] for r in rows}
    out, left = {}, []
    for r in rows:
        old, new = r["old"], r["new"]
        if r["kind"] in ("module", "string", "gate", "column", "param key", "option", "note", "nested"):
            continue
        if old.startswith("*:"):
            tail = old[2:]
            hits = [k for k in defined if ":" in k and wild(tail, k.split(":")[1]) and k not in exact and not index.is_module(k)]
        elif old in defined:
            hits = [old]
        else:
            hits = [k for k in by_tail.get(old.split(":")[-1], []) if k not in exact and k.split(":")[0].startswith(("busgen", "flows"))]
            if len(hits) > 1:
                same = [k for k in hits if k.split(":")[0].split(".")[1:2] == old.split(":")[0].split(".")[1:2]]
                hits = same if len(same) == 1 else []
        if not hits:
            left.append(old)
        for k in hits:
            out[k] = new
    return out, left


def wild(pattern, tail):
    return re.fullmatch(re.escape(pattern).replace(r"\*", r"[A-Za-z_0-9]+"), tail) is not None


class Edits:
    def __init__(self):
        self.of = defaultdict(dict)  # path -> {(start, end): new}
        self.lost = []
        self.texts = {}

    def text(self, path):
        if path not in self.texts:
            data = Path(path).read_bytes()
            starts = [0]
            for line in data.split(b"\n"):
                starts.append(starts[-1] + len(line) + 1)
            self.texts[path] = (data, starts)
        return self.texts[path]

    def put(self, path, line, col, old, new):
        data, starts = self.text(path)
        at = starts[line - 1] + col
        o = old.encode()
        if data[at:at + len(o)] == o and not word(data[at - 1:at]) and not word(data[at + len(o):at + len(o) + 1]):
            self.of[path][at, at + len(o)] = new
            return
        text = data[starts[line - 1]:starts[line] - 1].decode()
        for c in (col, col + 1, col + 2):  # columns in characters; stars before a parameter
            if text[c:c + len(old)] == old:
                at = starts[line - 1] + len(text[:c].encode())
                self.of[path][at, at + len(o)] = new
                return
        self.in_string(path, line, old, new)

    def in_string(self, path, line, old, new):
        """An f-string's fields have no true positions before Python 3.12: find the field by its text."""
        data, starts = self.text(path)
        hit = False
        for a, b in strings_at(path, data, starts, line):
            text = data[a:b].decode()
            for f in fields_of(text):
                for m in re.finditer(rf"(?<![\w]){re.escape(old)}(?!\w)", text[f[0]:f[1]]):
                    s = a + len(text[: f[0] + m.start()].encode())
                    self.of[path][s, s + len(old.encode())] = new
                    hit = True
        if not hit:
            self.lost.append((path, line, old, new))

    def write(self):
        for path, edits in self.of.items():
            data, _ = self.text(path)
            spans = sorted(edits.items(), key=lambda e: (e[0][0], -e[0][1]))
            kept, end = {}, -1
            for (a, b), new in spans:
                if a >= end:
                    kept[a, b] = new
                    end = b
            edits = kept
            for (a, b), new in sorted(edits.items(), reverse=True):
                data = data[:a] + new.encode() + data[b:]
            Path(path).write_bytes(data)


def word(b):
    return bool(b) and (b.isalnum() or b == b"_")


CACHE = {}


def strings_at(path, data, starts, line):
    if path not in CACHE:
        CACHE[path] = [
            (t.start, t.end) for t in tokenize.tokenize(io.BytesIO(data).readline) if t.type == tokenize.STRING
            and re.match(r"(?i)[rb]*f", t.string)
        ]
    lines = data.decode().split("\n")
    for (l1, c1), (l2, c2) in CACHE[path]:
        if l1 <= line <= l2 or l1 == line:
            yield starts[l1 - 1] + len(lines[l1 - 1][:c1].encode()), starts[l2 - 1] + len(lines[l2 - 1][:c2].encode())


def fields_of(text):
    """Yield (start, end) of the expressions in braces of an f-string."""
    depth, start = 0, 0
    i = 0
    while i < len(text):
        if depth == 0 and text[i:i + 2] in ("{{", "}}"):
            i += 2
            continue
        if text[i] == "{":
            if depth == 0:
                start = i + 1
            depth += 1
        elif text[i] == "}" and depth:
            depth -= 1
            if depth == 0:
                yield start, i
        i += 1


def ours(path):
    return path.startswith(("busgen/", "flows/", "tests/"))


class Scopes:
    """What a module binds: at its top, and in each function."""

    def __init__(self, tree):
        self.top, self.functions = defaultdict(list), []
        for n in ast.walk(tree):
            if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                bound = {x.arg for x in ast.walk(n.args) if isinstance(x, ast.arg)}
                for x in ast.walk(n):
                    if isinstance(x, ast.Name) and isinstance(x.ctx, ast.Store):
                        bound.add(x.id)
                    if x is not n and isinstance(x, ast.FunctionDef):
                        bound.add(x.name)
                    if isinstance(x, ast.ExceptHandler) and x.name:
                        bound.add(x.name)
                self.functions.append((n.lineno, n.end_lineno, bound))
            elif isinstance(n, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
                bound = {x.id for g in n.generators for x in ast.walk(g.target) if isinstance(x, ast.Name)}
                self.functions.append((n.lineno, n.end_lineno, bound))

        def top(body):
            for n in body:
                if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    self.top[n.name].append("def")
                elif isinstance(n, ast.Import | ast.ImportFrom):
                    for x in n.names:
                        self.top[(x.asname or x.name).split(".")[0]].append("import")
                else:
                    for x in ast.walk(n):
                        if isinstance(x, ast.Name) and isinstance(x.ctx, ast.Store):
                            self.top[x.id].append("assign")
                    for part in ("body", "orelse", "handlers", "finalbody"):
                        if isinstance(getattr(n, part, None), list):
                            top([y for y in getattr(n, part) if isinstance(y, ast.stmt)])
        top(tree.body)

    def local(self, name, lines):
        return any(name in bound and any(a <= l <= b for l in lines) for a, b, bound in self.functions)


def plan_qualified(index, names):
    """Return {(path, key): module or None} of imports to be qualified, and conflicts that are left."""
    qualified, bad = {}, []
    per = defaultdict(lambda: defaultdict(lambda: [set(), []]))  # path -> key -> [import lines, use lines]
    for key, s in index.found.items():
        if "(" in key or ":" not in key or "." in key.split(":")[1]:
            continue
        for p, l, c, n, k in s:
            if n != key.split(":")[1]:
                continue
            if k == "import":
                per[p][key][0].add((l, c))
            elif k in ("name", "def"):
                per[p][key][1].append(l)
    for p, keys in per.items():
        m = module_of(Path(p))
        scopes = Scopes(index.trees[m])
        after = defaultdict(set)
        for key in keys:
            after[names.get(key, key.split(":")[1])].add(key)
        known = {key.split(":")[1] for key in keys}
        for key, (imports, uses) in keys.items():
            new, home = names.get(key, key.split(":")[1]), key.split(":")[0]
            others = after[new] - {key}
            if key not in names and (home == m or not any(o in names for o in others)):
                continue
            clash_top = bool(others) or (new in scopes.top and new not in known)
            clash_local = scopes.local(new, uses)
            if not clash_top and not clash_local:
                continue
            if home == m:
                if clash_local or (new in scopes.top and new not in known) or any(o.split(":")[0] == m for o in others):
                    bad.append((p, key, new, "a local or another name here"))
                continue
            if others and all(o not in names or o.split(":")[0] == m for o in others) or others or clash_local or clash_top:
                module = home.split(".")[-1]
                bound = [x for x in scopes.top.get(module, [])]
                already = any(k == home and any(pp == p for pp, *_ in index.found[k]) for k in (home,))
                if (bound and not already) or scopes.local(module, uses) or module == new and False or module in after and not already:
                    alias = new + "_" + module if not new.startswith("_") else new
                    alias = f"{module}_{new}" if module.isidentifier() else alias
                    qualified[p, key] = ("alias", alias)
                    bad.append((p, key, new, f"imported as {alias}: find a better way"))
                else:
                    qualified[p, key] = ("module", module)
    # one module name for two modules in one file
    byname = defaultdict(set)
    for (p, key), (how, module) in qualified.items():
        if how == "module":
            byname[p, module].add(key.split(":")[0])
    for (p, module), homes in byname.items():
        if len(homes) > 1:
            for (q, key) in list(qualified):
                if q == p and qualified[q, key] == ("module", module):
                    parent = key.split(":")[0].split(".")[-2]
                    qualified[q, key] = ("alias", f"{parent}_{names.get(key, key.split(':')[1])}")
                    bad.append((p, key, names.get(key, ""), "two modules of one name: imported by alias"))
    return qualified, bad


def qualify(index, edits, names, qualified):
    """Rewrite imports of qualified names; uses become module.name."""
    touched = defaultdict(set)
    for (p, key), (how, text) in qualified.items():
        old = key.split(":")[1]
        new = names.get(key, old)
        use = f"{text}.{new}" if how == "module" else text
        for q, l, c, n, k in index.found[key]:
            if q == p and k in ("name",) and n == old:
                edits.put(p, l, c, n, use)
            if k.startswith("via:") and k[4:] == module_of(Path(p)):
                edits.put(q, l, c, n, use)
            if k.startswith("patch:") and k.split(":")[1] == module_of(Path(p)):
                _, _, line, col = k.split(":")
                if how == "module":
                    data, starts = edits.text(q)
                    at = starts[int(line) - 1] + int(col)
                    edits.of[q][at, at] = f".{text}"
                else:
                    edits.put(q, l, c, n, use)
        touched[p].add(key)
    for p, keys in touched.items():
        tree = index.trees[module_of(Path(p))]
        data, starts = edits.text(p)
        for n in ast.walk(tree):
            if not isinstance(n, ast.ImportFrom) or not n.module:
                continue
            spots = {(l, c): key for key in index.found for q, l, c, nn, k in ()}
            items, added, hit = [], [], False
            for a in n.names:
                key = next((k for k in keys if any(q == p and (l, c) == (a.lineno, a.col_offset) for q, l, c, nn, kk in index.found[k] if kk == "import")), None)
                if key is None:
                    k2 = index_key(index, p, a)
                    name = names.get(k2, a.name) if k2 and a.name == k2.split(":")[-1].split(".")[-1] else a.name
                    if k2 and ":" in k2 and k2 in names:
                        name = names[k2]
                    items.append(name + (f" as {a.asname}" if a.asname else ""))
                elif qualified[p, key][0] == "alias":
                    hit = True
                    items.append(f"{names.get(key, key.split(':')[1])} as {qualified[p, key][1]}")
                else:
                    hit = True
                    added.append(key.split(":")[0])
            if not hit:
                continue
            first = starts[n.lineno - 1] + n.col_offset
            last = starts[n.end_lineno - 1] + n.end_col_offset
            pad = " " * n.col_offset
            lines = []
            if items:
                lines.append(f"from {n.module} import {', '.join(items)}" if len(items) < 4 else f"from {n.module} import (\n{pad}    " + f",\n{pad}    ".join(items) + f",\n{pad})")
            lines += [f"from {h.rpartition('.')[0]} import {h.rpartition('.')[2]}" for h in dict.fromkeys(added)]
            for span in [x for x in edits.of[p] if first <= x[0] and x[1] <= last]:
                del edits.of[p][span]
            edits.of[p][first, last] = f"\n{pad}".join(lines)


def index_key(index, p, a):
    if not hasattr(index, "imports"):
        index.imports = {(q, l, c): key for key, s in index.found.items() for q, l, c, n, k in s if k == "import"}
    return index.imports.get((p, a.lineno, a.col_offset))


WORDS = {
    "picture": "image", "pictures": "images", "chances": "probabilities",
}


def local_renames(index, edits, names, words, qualified):
    """Rename locals and parameters by words where the new name is free in the whole outer function."""
    clash = Counter()
    used_in = {}
    per_function = defaultdict(list)
    for vid, info in index.local_of.items():
        per_function[id(info[1])].append(vid)
    renamed, coming = {}, defaultdict(set)
    for key, s in index.found.items():
        if key in names and "." not in key.split(":")[-1]:
            for p, *_ in s:
                coming[p].add(names[key])
    for (p, key), (how, text) in qualified.items():
        coming[p].add(text)
    for vid, (module, outer, name, is_param, key, var) in index.local_of.items():
        new = words.get(name)
        parts = name.split("_")
        if new is None and any(p in words for p in parts):
            new = "_".join(words.get(p, p) for p in parts)
        if key and key in names:
            new = names[key]
        if not new or new == name or not index.local[vid]:
            continue
        if module.startswith("tests") and is_param and (name in index.fixtures or getattr(outer, "name", "").startswith("test_")):
            continue
        if outer.line < 1 or any(l < 1 for _, l, *_ in index.local[vid]):
            continue
        path = next(iter(index.local[vid]))[0]
        if id(outer) not in used_in:
            used_in[id(outer)] = names_in(index.trees[module], outer) | coming[path]
        if new in used_in[id(outer)]:
            clash[f"{path}:{outer.line} {name} -> {new}"] += 1
            continue
        renamed[vid] = new
        for p, l, c, n, k in index.local[vid]:
            edits.put(p, l, c, n, new)
        if key:
            for p, l, c, n, k in index.found.get(key, ()):
                edits.put(p, l, c, n, new)
            docs = doc_of(index.trees[module], outer.line)
            if docs:
                edits_in_doc(edits, path, docs, name, new)
    return clash


def nested_renames(index, edits, names, rows, qualified):
    """Rename functions inside functions of busgen and flows where the new name is free in the outer one."""
    table = {r["old"].split(".")[-1]: r["new"] for r in rows if r["kind"] == "nested"}
    clash = []
    for m, tree in index.trees.items():
        path = str(index.files[m])
        if not m.startswith(("busgen", "flows")):
            continue
        coming = {names[k] for k, s in index.found.items() if k in names and "." not in k.split(":")[-1] and any(p == path for p, *_ in s)}
        top = Scopes(tree).top
        outers = []

        def find(body):
            for n in body:
                if isinstance(n, ast.FunctionDef):
                    outers.append(n)
                elif isinstance(n, ast.ClassDef):
                    find(n.body)

        find(tree.body)
        for outer in outers:
            inner = {n.name: n for n in ast.walk(outer) if n is not outer and isinstance(n, ast.FunctionDef)}
            for old in set(inner) & set(table):
                new = table[old]
                used = {x.id for x in ast.walk(outer) if isinstance(x, ast.Name)} | {x.arg for x in ast.walk(outer) if isinstance(x, ast.arg)} | set(inner)
                if new in used | coming | set(top) | {t for (p, _), (_, t) in qualified.items() if p == path}:
                    clash.append(f"{path}:{outer.name} {old} -> {new}")
                    continue
                if any(x.arg == old for x in ast.walk(outer) if isinstance(x, ast.arg)):
                    clash.append(f"{path}:{outer.name} {old} is a parameter too")
                    continue
                data, starts = edits.text(path)
                line = data[starts[inner[old].lineno - 1]:starts[inner[old].lineno]].decode()
                edits.put(path, inner[old].lineno, line.index("def ") + 4, old, new)
                for x in ast.walk(outer):
                    if isinstance(x, ast.Name) and x.id == old:
                        edits.put(path, x.lineno, x.col_offset, old, new)
    return clash


def names_in(tree, outer):
    for n in ast.walk(tree):
        if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and n.lineno <= outer.line <= n.end_lineno:
            if n.lineno == outer.line or (isinstance(n, ast.FunctionDef) and any(d.lineno == outer.line for d in n.decorator_list)):
                out = {x.id for x in ast.walk(n) if isinstance(x, ast.Name)} | {x.arg for x in ast.walk(n) if isinstance(x, ast.arg)}
                return out | {x.name for x in ast.walk(n) if isinstance(x, ast.FunctionDef)}
    return {x.id for x in ast.walk(tree) if isinstance(x, ast.Name)}


def doc_of(tree, line):
    for n in ast.walk(tree):
        if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.lineno == line and n.body:
            d = n.body[0]
            if isinstance(d, ast.Expr) and isinstance(d.value, ast.Constant) and isinstance(d.value.value, str):
                return d.lineno, d.end_lineno
    return None


def edits_in_doc(edits, path, span, old, new):
    data, starts = edits.text(path)
    for line in range(span[0], span[1] + 1):
        text = data[starts[line - 1]:starts[line] - 1].decode()
        for pattern in (rf"(?<=`){re.escape(old)}(?=`)", rf"(?<=^    ){re.escape(old)}(?= :|, \w+(?:, \w+)* :)", rf"(?<=^        ){re.escape(old)}(?= :|, \w+(?:, \w+)* :)", rf"(?<=, ){re.escape(old)}(?= :|, \w+ :)"):
            for m in re.finditer(pattern, text):
                if pattern.startswith("(?<=, )") and not re.match(r"^\s+\w+(, \w+)* :", text):
                    continue
                s = starts[line - 1] + len(text[: m.start()].encode())
                edits.of[path][s, s + len(old.encode())] = new


def code_spans(index, edits, names):
    """Rename `name`, `Class.attr`, `busgen.mod.name` in backticks of docstrings, comments, documents."""
    for m, tree in index.trees.items():
        path = str(index.files[m])
        table = index.mypy_files[m].names
        data, starts = edits.text(path)
        text = data.decode()
        owners = []
        for n in ast.walk(tree):
            if isinstance(n, ast.ClassDef):
                owners.append((n.lineno, n.end_lineno, n.name))
        for mt in re.finditer(r"`+([A-Za-z_][\w.]*)(?:\([^`]*\))?`+", text):
            name = mt.group(1)
            line = text.count("\n", 0, mt.start()) + 1
            spot(index, edits, names, path, mt.start(1), text, name, table, [o for o in owners if o[0] <= line <= o[1]], m)
        for mt in re.finditer(r"from ((?:busgen|flows)[\w.]*) import (\w+)", text):
            key = index.resolve(f"{mt.group(1)}.{mt.group(2)}")
            if key in names and ":" in key:
                at = len(text[: mt.start(2)].encode())
                if not any(a <= at < b for a, b in edits.of[path]):
                    edits.of[path][at, at + len(mt.group(2).encode())] = names[key]
    documents = subprocess.run(["git", "ls-files", "*.md", "*.yaml", "*.toml", "Makefile", "*.html", ".ci/run"], capture_output=True, text=True, check=True).stdout.split()
    for path in documents:
        data, _ = edits.text(path)
        text = data.decode()
        for mt in re.finditer(r"(?:busgen|flows)(?:\.\w+)+", text):
            spot(index, edits, names, path, mt.start(), text, mt.group(), {}, [], "")


def spot(index, edits, names, path, at, text, name, table, owners, module):
    parts = name.split(".")
    def put(n, new):
        pos = at + sum(len(p) + 1 for p in parts[:n])
        s = len(text[:pos].encode())
        edits.of[path].setdefault((s, s + len(parts[n].encode())), new)
    if parts[0] in ("busgen", "flows"):
        for n in range(1, len(parts)):
            key = index.resolve(".".join(parts[: n + 1]))
            if key and key in names:
                put(n, names[key])
        return
    if parts[0] in table and table[parts[0]].node is not None:
        node = table[parts[0]].node
        key = index.key(node.fullname) if node.fullname else None
        if key in names and node.name == parts[0]:
            put(0, names[key])
        if len(parts) == 2:
            key = index.member(node, parts[1]) if isinstance(node, nodes.TypeInfo) else None
            if isinstance(node, nodes.MypyFile):
                key = index.resolve(f"{node.fullname}.{parts[1]}")
            if key in names:
                put(1, names[key])
        return
    for o in owners:
        key = f"{module}:{o[2]}.{parts[0]}"
        if key in names:
            put(0, names[key])


def templates(index, edits, names):
    """Rename attributes in the report's templates where all fields of that name in the report agree."""
    by_room = defaultdict(lambda: defaultdict(set))
    for key in definitions(index):
        m, _, tail = key.partition(":")
        if "(" not in tail and "." in tail and m.startswith("busgen."):
            by_room[m.split(".")[1]][tail.split(".")[-1]].add(names.get(key, tail.split(".")[-1]))
    doubtful = []
    for path in map(str, Path("busgen").rglob("*.html")):
        wanted = by_room[path.split("/")[1]]
        data, _ = edits.text(path)
        text = data.decode()
        for block in re.finditer(r"\{[{%].*?[%}]\}", text, re.S):
            for mt in re.finditer(r"\b([a-z_]\w*)\.([a-z_]\w*)\b", block.group()):
                for key, new in names.items():
                    m, _, tail = key.partition(":")
                    if tail == mt.group(2) and m.split(".")[-1] == mt.group(1) and m.split(".")[1:2] == [path.split("/")[1]]:
                        s = len(text[: block.start() + mt.start(2)].encode())
                        edits.of[path][s, s + len(tail.encode())] = new
            for mt in re.finditer(r"(?<=\.)([a-z_]\w*)\b", block.group()):
                new = wanted.get(mt.group(1), set()) - {mt.group(1)}
                if not new:
                    continue
                if len(wanted[mt.group(1)]) > 1:
                    doubtful.append((path, text.count("\n", 0, block.start()) + 1, mt.group(1), sorted(wanted[mt.group(1)])))
                    continue
                s = len(text[: block.start() + mt.start()].encode())
                edits.of[path][s, s + len(mt.group(1).encode())] = next(iter(new))
    return doubtful


def main():
    args = [a for a in sys.argv[1:] if not a.startswith("--")]
    root, table = Path(args[0]).resolve(), Path(args[1]).resolve()
    import os
    os.chdir(root)
    rows = list(csv.DictReader(table.open()))
    result, files = built(root)
    index = Index(result, files)
    annotation_names(index)
    if "--dump" in sys.argv:
        import pickle
        pickle.dump((dict(index.found), dict(index.unresolved), index.asdict), open(args[2], "wb"))
        return
    names, left = matched(rows, index)
    names = {k: v for k, v in names.items() if not index.is_module(k)}
    same = {k for k, v in names.items() if k.split(":")[-1].split(".")[-1] == v}
    for k in same:
        del names[k]
    edits = Edits()
    qualified, bad = plan_qualified(index, names)
    for key, new in names.items():
        if "(" in key:
            continue
        for p, l, c, n, k in index.found[key]:
            old = key.split(":")[-1].split(".")[-1]
            if n == old:
                edits.put(p, l, c, n, new)
    qualify(index, edits, names, qualified)
    forced = [line.split(",") for line in (HERE / "forced.csv").read_text().split()]
    for n, spots in index.unresolved.items():
        for p, l, c in spots:
            for prefix, old, new in forced:
                if n == old and p.startswith(prefix):
                    edits.put(p, l, c, n, new)
    words = WORDS if "--no-locals" not in sys.argv else {}
    clash = local_renames(index, edits, names, words, qualified)
    clash.update(nested_renames(index, edits, names, rows, qualified))
    code_spans(index, edits, names)
    doubtful = templates(index, edits, names)
    renamed = {k.split(":")[-1].split(".")[-1] for k in names if "." in k.split(":")[-1]}
    report = ["# leftovers: rows whose old name is gone or not unique", *left,
              "# conflicts: the new name already stands for something else there", *(" ".join(x) for x in bad),
              "# unresolved attributes of a renamed name", *(f"{n} {p}:{l}" for n in sorted(renamed) for p, l, c in index.unresolved.get(n, ())),
              "# serialised by asdict/fields with renamed fields", *sorted(f"{f} {k}: {[x for x in names if x.startswith(str(k) + '.')]}" for f, k in index.asdict if any(x.startswith(str(k) + ".") for x in names)),
              "# templates where fields of one name differ", *(str(d) for d in doubtful),
              "# locals that clash", *sorted(clash),
              "# positions not found (f-strings over lines): edit by hand", *(str(x) for x in edits.lost)]
    Path(HERE / "rename-report.txt").write_text("\n".join(report) + "\n")
    print(len(names), "names;", sum(len(v) for v in edits.of.values()), "edits in", len(edits.of), "files;", len(left), "leftovers;", len(bad), "conflicts;", len(edits.lost), "lost")
    if "--dry" not in sys.argv:
        edits.write()


main()
