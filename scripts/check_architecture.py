"""Holds the imports of the Rust crates against the design: crates import downwards only, and no files import
each other in a circle.

    python3 scripts/check_architecture.py          exit 1 and the arrows of each fault, or nothing

A `use` is followed through re-exports to the file that defines the name. Tests are not looked at.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What each crate may import, as `docs/architecture.md` draws it.
ARROWS = {
    "process": set(),
    "stats": set(),
    "cpython": {"process"},
    "gc": {"stats", "cpython", "process"},
    "heap": {"stats", "cpython", "process"},
    "kernel": {"stats", "cpython", "process"},
    "report": {"stats", "gc", "heap", "kernel", "cpython", "process"},
    "agent": {"report", "stats", "gc", "heap", "kernel", "cpython", "process"},
    "cli": {"agent", "report", "stats", "gc", "heap", "kernel", "cpython", "process"},
    "python": set(),
}
USE = re.compile(r"^\s*(pub(?:\([^)]*\))?\s+)?use\s+([^;]+);", re.M)
INLINE = re.compile(r"\b((?:crate|super)(?:::\w+)+)")
DEFINES = re.compile(
    r"^\s*(?:pub(?:\([^)]*\))?\s+)?(?:unsafe\s+|const\s+|async\s+|extern\s+\"C\"\s+)*"
    r"(?:fn|struct|enum|trait|type|const|static|union)\s+(\w+)",
    re.M,
)


def without_tests(text):
    """The file without comments, strings and its test module."""
    text = re.sub(r"//[^\n]*", "", text)
    text = re.split(r"#\[cfg\(test\)\]\s*(?:pub(?:\([^)]*\))?\s+)?mod \w+ \{", text)[0]
    return re.sub(r'"(?:\\.|[^"\\])*"', '""', text)


def leaves(tree):
    """The paths of a use tree: `a::{b, c::{d as e}}` is `a::b` and `a::c::d`, with the names they get."""
    tree = tree.strip()
    brace = tree.find("{")
    if brace < 0:
        path, _, name = tree.partition(" as ")
        parts = [p.strip() for p in path.split("::")]
        if parts[-1] == "self":
            parts.pop()
        return [(parts, (name or parts[-1]).strip())] if parts else []
    head = [p.strip() for p in tree[:brace].split("::") if p.strip()]
    depth, start, inside = 0, brace + 1, []
    for i in range(brace, len(tree)):
        depth += {"{": 1, "}": -1}.get(tree[i], 0)
        if (depth == 1 and tree[i] == ",") or depth == 0:
            inside.append(tree[start:i])
            start = i + 1
        if depth == 0:
            break
    return [(head + path, name) for part in inside if part.strip() for path, name in leaves(part)]


class Crate:
    """The modules of one crate: their files, what each defines and re-exports."""

    def __init__(self, name):
        self.source = ROOT / "crates" / name / "src"
        self.files = {self.module(f): f for f in sorted(self.source.rglob("*.rs"))}
        self.text = {m: without_tests(f.read_text()) for m, f in self.files.items()}
        self.defines = {m: set(DEFINES.findall(t)) for m, t in self.text.items()}
        self.exports = {m: {} for m in self.files}
        for module, text in self.text.items():
            for public, tree in USE.findall(text):
                if public:
                    self.exports[module].update({name: path for path, name in leaves(tree)})

    def module(self, file):
        parts = file.relative_to(self.source).with_suffix("").parts
        return parts[:-1] if parts[-1] in ("mod", "lib", "main") else parts

    def absolute(self, module, path):
        """A path from the root of the crate, or None where it leads out of it."""
        if path[0] == "crate":
            return tuple(path[1:])
        if path[0] in ("super", "self"):
            base, rest = list(module), list(path)
            while rest and rest[0] in ("super", "self"):
                if rest.pop(0) == "super":
                    base.pop() if base else None
            return tuple(base + rest)
        if (*module, path[0]) in self.files:
            return (*module, *path)
        return None

    def defining(self, path, seen=()):
        """The module whose file defines what a path names."""
        if path in self.files or path in seen:
            return path if path in self.files else None
        for cut in range(len(path) - 1, -1, -1):
            module, rest = path[:cut], path[cut:]
            if module not in self.files:
                continue
            if rest[0] in self.exports[module] and rest[0] not in self.defines[module]:
                target = self.absolute(module, self.exports[module][rest[0]])
                if target is not None:
                    return self.defining((*target, *rest[1:]), (*seen, path))
            return module
        return None

    def arrows(self):
        """Which module imports which, with the names."""
        out = {m: {} for m in self.files}
        for module, text in self.text.items():
            paths = [p for public, tree in USE.findall(text) if not public for p, _ in leaves(tree)]
            paths += [m.split("::") for m in INLINE.findall(USE.sub("", text))]
            for path in paths:
                absolute = self.absolute(module, path)
                target = absolute is not None and self.defining(absolute)
                # A name of the parent's own is no room of its own.
                if target and target != module:
                    out[module].setdefault(target, set()).add(path[-1])
        return out


def circles(arrows):
    """The strongly connected groups of more than one module (Tarjan's algorithm)."""
    index, low, stack, on, out = {}, {}, [], set(), []

    def visit(v):
        index[v] = low[v] = len(index)
        stack.append(v)
        on.add(v)
        for w in arrows[v]:
            if w not in index:
                visit(w)
                low[v] = min(low[v], low[w])
            elif w in on:
                low[v] = min(low[v], index[w])
        if low[v] == index[v]:
            group = set()
            while True:
                w = stack.pop()
                on.discard(w)
                group.add(w)
                if w == v:
                    break
            if len(group) > 1:
                out.append(group)

    for v in arrows:
        if v not in index:
            visit(v)
    return out


def crossings(name):
    """Imports of crates that the design does not allow."""
    for file in sorted((ROOT / "crates" / name / "src").rglob("*.rs")):
        for other in set(re.findall(r"\bm5_(\w+)::", without_tests(file.read_text()))) & ARROWS.keys():
            if other not in ARROWS[name]:
                yield f"{file.relative_to(ROOT)} imports m5_{other}, which {name} may not"


def main():
    sys.setrecursionlimit(10_000)
    faults = []
    for name in ARROWS:
        if not (ROOT / "crates" / name).exists():
            continue
        faults += crossings(name)
        crate = Crate(name)
        arrows = crate.arrows()
        for group in circles(arrows):
            shown = [
                f"    {crate.files[a].relative_to(ROOT)} -> {crate.files[b].relative_to(ROOT)}: {', '.join(sorted(names))}"
                for a in sorted(group)
                for b, names in sorted(arrows[a].items())
                if b in group
            ]
            faults.append(f"{len(group)} files of {name} import each other in a circle:\n" + "\n".join(shown))
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
