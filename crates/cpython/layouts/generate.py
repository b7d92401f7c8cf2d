#!/usr/bin/env python3
"""Writes src/layout/generated.rs: one layout for each set of internal headers on this machine.

    layouts/generate.py            write the file
    layouts/generate.py --check    fail where the headers here disagree with it
    layouts/generate.py --rows     print what the headers say

Needs a C compiler. Headers are looked for below ~/.pyenv/versions, /usr/include, and the roots that
tests/interpreters.sh unpacks. A build whose headers are not here keeps the row that it has in
layouts/rows.json: rows are only added or replaced, never dropped. The rows marked "(measured)" were taken the
same way on machines with Ubuntu's builds. From 3.13 on each set of headers also says what a free-threaded build of it
is like: its version ends with a t.

Releases of one minor version differ in the size of the runtime alone, and so do C libraries: layouts/sizes.json
holds sizeof(_PyRuntimeState) of every release from 3.8.0 on, by layout. A size chooses which layout is tried first;
the process confirms it.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROWS = HERE / "rows.json"
SIZES = HERE / "sizes.json"
OUT = HERE.parent / "src/layout/generated.rs"
NAMES = {("3.13", 20): "3.13 (aligned heads)", ("3.14", None): "3.14 (incremental)"}


def header_dirs():
    """Pairs of include folder and Python's folder in it."""
    unpacked = Path(os.environ.get("M5_INTERPRETERS", Path.home() / ".cache/m5/interpreters"))
    bases = [v / "include" for v in (Path.home() / ".pyenv/versions").glob("3.*")]
    bases += [Path("/usr/include"), *(root / "usr/include" for root in unpacked.glob("debian-*"))]
    for base in sorted(bases):
        for folder in sorted(base.glob("python3.*")):
            supported = re.fullmatch(r"python3\.(8|9|1[0-9])", folder.name)
            if supported and (folder / "internal/pycore_pystate.h").exists():
                yield base, folder


def measure(base, folder, scratch):
    """Compiles row.c against one set of headers, also for builds with the second optimiser tier and without the GIL."""
    plain = compiled(base, folder, scratch, [])
    yield plain
    if "published_bytes" in plain:
        yield compiled(base, folder, scratch, ["-DPy_GIL_DISABLED=1"])
    tier2 = compiled(base, folder, scratch, ["-D_Py_TIER2=3"])
    if tier2 != plain:
        yield tier2 | {"version": tier2["version"] + "+tier2"}


def compiled(base, folder, scratch, defines):
    program = scratch / "row"
    flags = ["-w", f"-I{base}", f"-I{base}/x86_64-linux-gnu", f"-I{folder}", f"-I{folder}/internal", *defines]
    for variant in ([], ["-DROW_YOUNG"]):
        build = ["cc", *flags, *variant, "-o", str(program), str(HERE / "row.c")]
        tried = subprocess.run(build, capture_output=True, text=True)
        if tried.returncode == 0:
            lines = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout
            pairs = (line.split(" = ") for line in lines.splitlines())
            return {k: v if k == "version" else int(v) for k, v in pairs}
    raise SystemExit(f"{folder}: {tried.stderr}")


def minor(row):
    return ".".join(row["version"].split(".")[:2])


def kind(row):
    """The name of a layout: by minor version, and what differs within it."""
    generational = "generation0" in row
    if "free_threaded" in row:
        aligned = " (aligned heads)" if row["generations"] == 20 else ""
        return f"{minor(row)} free-threaded{aligned}"
    return NAMES.get((minor(row), row["generations"] if generational else None), minor(row))


def literal(value):
    return f"{value:_}" if value >= 10_000 else str(value)


def option(row, key):
    return f"Some({literal(row[key])})" if key in row else "None"


def collector(row):
    if "free_threaded" in row:
        return "FreeThreaded"
    return "Generational" if "generation0" in row else "Incremental"


def published(row):
    if "published_bytes" not in row:
        return "None"
    plain = [
        "bytes",
        "interp_size",
        "interp_id",
        "interp_next",
        "threads_head",
        "gc",
        "modules",
        "sysdict",
        "builtins",
    ]
    plain += ["thread_size"]
    plain += ["thread_next", "thread_id", "native_thread_id", "gc_size", "collecting"]
    fields = [f"{name}: {literal(row['published_' + name])}," for name in plain]
    for name in ["threads_main", "debugger", "frame", "ring_size", "stats"]:
        fields.append(f"{name}: {option(row, 'published_' + name)},")
    return "Some(PublishedAt {" + " ".join(fields) + "})"


def rust(rows):
    """One layout from the rows that agree in everything but version and runtime size."""
    row = rows[0]
    ring = "ring_item" in row
    if ring:
        young, old = row["ring_young_items"], row["ring_old_items"]
        first = 64 * young + 8
        second = first + 64 * old + 8
        expected = {
            "ring_size": second + 64 * old + 16,
            "ring_item": 64,
            "ring_young": 0,
            "ring_young_index": 64 * young,
        }
        expected |= {"ring_old": first, "ring_old_index": first + 64 * old}
        expected |= {"ring_oldest": second, "ring_oldest_index": second + 64 * old}
        assert all(row[k] == v for k, v in expected.items()), "the ring changed: src/rings.rs must follow"
    stats = f"Inline {{ offset: {row['stats']} }}"
    if ring:
        stats = f"Ring {{ pointer: {row['stats']}, sizes: RingSizes {{ young: {young}, old: {old} }} }}"
    assert (row["generation_size"], row["threshold"], row["count"]) == (24, 16, 20)
    assert row["interpreters_main"] == row["interpreters_head"] + 8
    assert row.get("stop_requested", 1) == 1 and row.get("world_stopped", 2) == 2, "StopTheWorld must follow"
    name = kind(row)
    at = "Runtime" if "gc_in_runtime" in row else "Interpreter"
    swept = (sizes.get(name, []) for sizes in json.loads(SIZES.read_text()).values())
    sizes = sorted({r["runtime_size"] for r in rows}.union(*swept))
    fields = [
        f'name: "{name}"',
        f"minor: {minor(row).split('.')[1]}",
        "builds: &[" + ", ".join(f'"{r["version"]}"' for r in rows) + "]",
        "runtime_sizes: &[" + ", ".join(map(literal, sizes)) + "]",
        f"free_threaded: {'true' if 'free_threaded' in row else 'false'}",
        f"interpreters_head: {row['interpreters_head']}",
        f"interpreters_main: {row['interpreters_main']}",
        f"interp_next: {row['interp_next']}",
        f"interp_id: {row['interp_id']}",
        f"threads_head: {row['threads_head']}",
        f"threads_main: {option(row, 'threads_main')}",
        f"thread_next: {row['thread_next']}",
        f"thread_id: {row['thread_id']}",
        f"native_thread_id: {option(row, 'native_thread_id')}",
        f"gc: GcAt::{at}({row.get('gc_in_runtime', row.get('gc_in_interp'))})",
        f"gc_size: {row['gc_size']}",
        f"enabled: {row['enabled']}",
        f"debug: {row['debug']}",
        f"generations: {row['generations']}",
        f"generation0: {option(row, 'generation0')}",
        f"permanent: {row['permanent']}",
        f"collecting: {row['collecting']}",
        f"garbage: {row['garbage']}",
        f"callbacks: {row['callbacks']}",
        f"long_lived_total: {option(row, 'long_lived_total')}",
        f"long_lived_pending: {option(row, 'long_lived_pending')}",
        f"heap_size: {option(row, 'heap_size')}",
        f"freeze_active: {option(row, 'freeze_active')}",
        f"stop_the_world: {option(row, 'stop_the_world')}",
        f"frame: {option(row, 'frame')}",
        f"stats: Stats::{stats}",
        f"collector: Collector::{collector(row)}",
        f"published: {published(row)}",
    ]
    return "Layout {" + ", ".join(fields) + "},"


def order(version):
    return [int(n) for n in re.findall(r"\d+", version)[:3]], version


def write(rows):
    groups = {}
    for row in sorted(rows.values(), key=lambda r: order(r["version"])):
        key = (minor(row), *((k, v) for k, v in sorted(row.items()) if k not in ("version", "runtime_size")))
        groups.setdefault(key, []).append(row)
    text = "//! Every layout that m5 knows, oldest first. Written by `layouts/generate.py`: do not edit.\n\n"
    text += "use super::{Collector, GcAt, Layout, PublishedAt, Stats};\nuse crate::RingSizes;\n\n"
    text += "/// Every layout that m5 knows.\npub const TABLES: &[Layout] = &[\n"
    text += "\n".join(map(rust, groups.values())) + "\n];\n"
    formatted = subprocess.run(
        ["rustfmt", "--edition", "2024", "--config-path", str(HERE.parents[2])],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )
    return formatted.stdout


def main():
    known = {row["version"]: row for row in json.loads(ROWS.read_text())} if ROWS.exists() else {}
    with tempfile.TemporaryDirectory() as scratch:
        found = [row for dirs in header_dirs() for row in measure(*dirs, Path(scratch))]
    if "--rows" in sys.argv:
        print(json.dumps(found, indent=1))
        return
    if "--check" in sys.argv:
        wrong = [r["version"] for r in found if known.get(r["version"], r) != r]
        if wrong:
            raise SystemExit(f"the headers of {', '.join(wrong)} disagree with layouts/rows.json")
        if OUT.read_text() != write(known):
            raise SystemExit("src/layout/generated.rs is not what layouts/rows.json gives")
        versions = sorted((r["version"] for r in found), key=order)
        print("compared with the headers of", ", ".join(v for v in versions if v in known))
        print("not in the tables:", ", ".join(v for v in versions if v not in known) or "none")
        return
    rows = known | {row["version"]: row for row in found}
    listed = sorted(rows.values(), key=lambda r: order(r["version"]))
    ROWS.write_text("[\n" + ",\n".join(json.dumps(r) for r in listed) + "\n]\n")
    OUT.write_text(write(rows))


if __name__ == "__main__":
    main()
