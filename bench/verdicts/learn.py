#!/usr/bin/env python3
"""Learn what the signs of growth say together, from families of series whose truth is known.

    for set in "" --events --services --containers --layers --programs --habits --runtimes --applications --drawn; do
      cargo run --release -p m5-bench-verdicts --bin unseen -- $set --traces 60 --seed 41 --only-write --signs FILE
    done
    for window in 21600 43200 86400; do  # of the cluster trace; 86400 and 259200 of the virtual machines
      cargo run --release -p m5-bench-verdicts --bin unseen -- --tuning --real FOLDER --window $window --only-write --signs FILE
    done
    pip install numpy scikit-learn
    python bench/verdicts/learn.py FILE... --write crates/stats/src/verdict/learned/table.rs

A few dozen small trees (three questions deep) over the signs that `m5_stats::verdict::signs_of` returns. Where a sign can
speak for growth only, the trees may use it in that direction only, so that no other series is called growing because it
rises less. Every family weighs the same, a healthy one more than a leaking one; the windows of one file of real machines
are one healthy family, and those of one machine are never on both sides.

What is printed is the honest estimate, without the rules around the trees: a family and its twins (the same without the leak, or
with another one) are held out of what judges them; with `--sets` a whole set is, as the next one will be. Recall at 10 %
growth a window and more; false alarms of each healthy family.
"""

import argparse
import csv
from pathlib import Path

import numpy as np

STRONG = 0.10
FOLDS = 6
TREES = 160
QUANTILES = np.array([0.05, 0.5, 0.95])
ROOM_TREES = 60
ROOM_RATE = 0.1
# A side has at least and at most so much of the room that it had; no room is less than this, as a part of the level.
ROOM = (0.5, 4.0)
LEAST = 1e-4
RATE = 0.08
LEAVES = 8
# The part of the signs that each question may choose from: none is asked everywhere.
ASKED = 0.3
# Seeds differ by a few hundredths in what they say of one shape; of seven this one leaves room to the shapes that
# `crates/stats/tests/no_growth.rs` holds.
SEED = 7
# How many times a healthy family weighs a leaking one, and what a small leak weighs of a large one: what is asked is
# whether growth by a tenth a window is there, and small leaks look like what comes and goes.
HEALTHY = 4.0
SMALL = 0.05
# Healthy families of which only a part of the rhythm is seen weigh more: no more of them than a twentieth may be called growing.
PARTS_OF_DAYS = {"part of a": 3.0, "daily load unknown": 3.0}
# Families whose name begins so are windows of real machines, which are far older than a window: growth is called there
# from this probability on.
REAL = "real "
SURE_LATE = 0.995
UP = (
    "likely likely_strong pace_sure tau tau_middle tau_high z future future_half lows highs late_highs net new_ground"
    " feet_tau feet_z feet_net z_middle z_high tau_late z_late rising_for late_new"
)
DOWN = "drawdown rhythm"
NEVER = "points days"


def read(files):
    """Names of the signs and rows: family, leaks, growth, verdict, forecast and truth, signs."""
    rows, names = [], []
    for file in files:
        with file.open() as lines:
            table = csv.reader(lines)
            names = next(table)[8:]
            rows.extend([f"{file.stem}:{row[0]}", *row[1:]] for row in table)
    return names, rows


def stem(family):
    """A family and its twins share one; a machine has its own."""
    name = family.split(":")[1]
    if name.startswith(REAL):
        return name
    for mark in (" + ", "+", " by ", " in ", ", "):
        name = name.split(mark)[0]
    words = name.replace("leak", "").split()
    return words[0].rstrip("s") if words else name


class Data:
    """The table as arrays."""

    def __init__(self, files):
        names, rows = read(files)
        self.names = names
        self.family = np.array([row[0] for row in rows])
        self.leaks = np.array([row[1] == "1" for row in rows])
        self.growth = np.array([float(row[2]) for row in rows])
        self.verdict = np.array([row[3] for row in rows])
        self.forecast = np.array([row[4:8] for row in rows], dtype=float)
        self.x = np.array([row[8:] for row in rows], dtype=float)
        self.group = np.array([stem(f) for f in self.family])
        self.real = np.char.find(self.family, f":{REAL}") >= 0
        self.family = np.array(
            [f"{f.split(':')[0]}:{REAL}" if r else f for f, r in zip(self.family, self.real)]
        )
        self.strong = self.leaks & (self.growth >= STRONG)

    def even(self):
        """Every family weighs the same."""
        w = np.ones(len(self.family))
        for family in np.unique(self.family):
            of = self.family == family
            w[of] = 100.0 / of.sum()
        return w

    def folds(self):
        """Which series to learn from, and which to judge: neither a family nor a twin of it on both sides."""
        groups = np.unique(self.group)
        np.random.default_rng(3).shuffle(groups)
        fold = {g: i % FOLDS for i, g in enumerate(groups)}
        of = np.array([fold[g] for g in self.group])
        for i in range(FOLDS):
            yield of != i, of == i

    def sets(self):
        """The same where a whole set is held out: what to expect of the next one."""
        of = np.array([family.split(":")[0] for family in self.family])
        for name in np.unique(of[~self.real]):
            yield of != name, of == name

    def weights(self):
        """A healthy family weighs more, a small leak less."""
        w = self.even() * np.where(self.leaks, np.where(self.strong, 1.0, SMALL), HEALTHY)
        for name, times in PARTS_OF_DAYS.items():
            w[~self.leaks & (np.char.find(self.family, name) >= 0)] *= times
        return w


def model(names, trees=TREES):
    """Small trees with a direction for each sign that has one."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    direction = [1 if n in UP.split() else -1 if n in DOWN.split() else 0 for n in names]
    return HistGradientBoostingClassifier(
        max_iter=trees,
        learning_rate=RATE,
        max_leaf_nodes=LEAVES,
        max_depth=3,
        min_samples_leaf=50,
        l2_regularization=5.0,
        max_bins=64,
        monotonic_cst=direction,
        max_features=ASKED,
        early_stopping=False,
        random_state=SEED,
    )


def held_out(data, used, folds):
    """What is said of each series by trees that saw nothing of its fold."""
    told = np.full(len(data.x), -np.inf)
    w = data.weights()
    for rest, of in folds:
        trees = model([data.names[j] for j in used])
        trees.fit(data.x[rest][:, used], data.leaks[rest], sample_weight=w[rest])
        told[of] = trees.decision_function(data.x[of][:, used])
    return told


def families(data, called):
    """Share of the series called growing: of the strong ones of a leaking family, of all of a healthy one."""
    found, false = {}, {}
    for family in np.unique(data.family):
        of = data.family == family
        if data.real[of].any():
            continue
        if data.leaks[of].any():
            strong = of & data.strong
            if strong.any():
                found[family] = 100 * called[strong].mean()
        else:
            false[family] = 100 * called[of].mean()
    return found, false


def summary(name, data, called, show=False):
    """A line: recall and false alarms, mean and worst."""
    found, false = families(data, called)
    f, p = np.array(list(found.values())), np.array(list(false.values()))
    print(
        f"{name:24} recall {f.mean():5.1f} worst {f.min():5.1f}, {(f >= 90).sum()} of {len(f)} at 90 %;"
        f" false {p.mean():5.2f} worst {p.max():5.1f}, {(p <= 1).sum()} of {len(p)} at 1 %"
    )
    if show:
        for family, share in sorted(found.items(), key=lambda kv: kv[1])[:30]:
            print(f"    {family:44}{share:6.1f}")
        for family, share in sorted(false.items(), key=lambda kv: -kv[1])[:16]:
            print(f"    {family:44}{share:6.1f}  false")


def sides(data):
    """What the forecast says beside its signs, and how far the truth was out, in the room that was left on each side."""
    low, value, high, truth = data.forecast.T
    up, down = np.maximum(high - value, LEAST), np.maximum(value - low, LEAST)
    x = np.column_stack([data.x, np.log(up), np.log(down), value - 1.0])
    return x, (truth - value) / up, (value - truth) / down


def room(quantile):
    """Small trees that say how much room a side needs, as a part of what it has."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(
        loss="quantile",
        quantile=quantile,
        max_iter=ROOM_TREES,
        learning_rate=ROOM_RATE,
        max_leaf_nodes=LEAVES,
        max_depth=3,
        min_samples_leaf=80,
        l2_regularization=5.0,
        max_bins=64,
        early_stopping=False,
        random_state=1,
    )


def pinball(forecast, truth):
    """Mean pinball loss over the three quantiles of each series."""
    rest = truth[:, None] - forecast
    return np.where(rest >= 0, QUANTILES * rest, (QUANTILES - 1) * rest).mean(axis=1)


def intervals(name, data, forecast, judged):
    """A line: how often the interval held, and the loss."""
    truth = data.forecast[:, 3]
    held = (forecast[:, 0] <= truth) & (truth <= forecast[:, 2])
    lost = 100 * pinball(forecast, truth)
    by = []
    for family in np.unique(data.family[judged]):
        of = judged & (data.family == family)
        by.append((100 * held[of].mean(), lost[of].mean(), family))
    h = np.array([b[0] for b in by])
    print(
        f"{name:24} held {h.mean():5.1f} worst {h.min():5.1f}, {((h >= 85) & (h <= 95)).sum()} of {len(h)} at 85-95 %,"
        f" {(h < 85).sum()} below; loss {np.mean([b[1] for b in by]):.2f}"
    )
    return by


def held_out_intervals(data):
    """The forecast with room by trees that saw neither the family nor a twin of it."""
    x, up, down = sides(data)
    known = np.isfinite(x).all(axis=1) & np.isfinite(up) & np.isfinite(down)
    w = data.even()
    out = data.forecast[:, :3].copy()
    for rest, of in data.folds():
        for side, target in ((0, down), (2, up)):
            use = rest & known
            trees = room(QUANTILES[2])
            trees.fit(x[use], target[use].clip(-5, 40), sample_weight=w[use])
            part = np.clip(trees.predict(x[of & known]), *ROOM)
            value = data.forecast[of & known, 1]
            out[of & known, side] = value + part * (data.forecast[of & known, side] - value)
    out[:, 0] = np.maximum(out[:, 0], 0.0)
    return known, out


def nodes(trees):
    """The trees as rows of seven questions and eight answers; a leaf higher up is spread over all below it."""
    table = []
    for (predictor,) in trees._predictors:
        ask, say = [(0, 1e9)] * 7, [0.0] * 8
        todo = [(0, 0, 0)]
        while todo:
            place, depth, at = todo.pop()
            node = predictor.nodes[at]
            if depth == 3:
                say[place - 7] = float(node["value"])
            elif node["is_leaf"]:
                width = 1 << (3 - depth)
                first = (place + 1) * width - 1 - 7
                say[first : first + width] = [float(node["value"])] * width
            else:
                ask[place] = (int(node["feature_idx"]), float(node["num_threshold"]))
                todo += [(2 * place + 1, depth + 1, node["left"]), (2 * place + 2, depth + 1, node["right"])]
        table.append((ask, say))
    return table


def rows(name, what, trees, used):
    """A table of trees as Rust."""

    def number(v):
        text = f"{v:.4g}"
        return text if "e" in text or "." in text else f"{text}.0"

    out = [f"/// {what}", f"pub(super) static {name}: [Tree; {len(trees)}] = ["]
    for ask, say in trees:
        questions = ", ".join(f"({used[sign]}, {number(value)})" for sign, value in ask)
        out.append(f"    t([{questions}], [{', '.join(map(number, say))}]),")
    return [*out, "];"]


def write(path, data, used):
    """Teach all families and write what was learned."""
    trees = model([data.names[j] for j in used])
    trees.fit(data.x[:, used], data.leaks, sample_weight=data.weights())
    before = float(np.ravel(trees._baseline_prediction)[0]) + np.log(HEALTHY)
    table = nodes(trees)
    lines = [
        "//! Made by `bench/verdicts/learn.py`: what it is, how it was made and how well it does stands there.",
        "",
        "use super::Tree;",
        "",
        "const fn t(ask: [(u8, f64); 7], say: [f64; 8]) -> Tree {",
        "    Tree { ask, say }",
        "}",
        "",
        "/// What is said before any sign is looked at.",
        f"pub(super) const BEFORE: f64 = {before:.4f};",
        *rows("GROWTH", "What each tree adds to the log odds of growth.", table, used),
    ]
    path.write_text("\n".join(lines) + "\n")
    print(f"{path}: {len(table)} trees")


def main():
    """Validate, and write the table."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("files", type=Path, nargs="+")
    arguments.add_argument("--write", type=Path)
    arguments.add_argument("--quick", action="store_true", help="write, and do not validate")
    arguments.add_argument("--intervals", action="store_true", help="try to learn the room of forecasts too")
    arguments.add_argument("--sets", action="store_true", help="hold out a set at a time")
    arguments.add_argument("--show", action="store_true")
    arguments = arguments.parse_args()
    data = Data(arguments.files)
    used = [i for i, n in enumerate(data.names) if n not in NEVER.split()]
    print(
        f"{len(data.x)} series of {len(np.unique(data.family))} families, {len(np.unique(data.group))} groups"
    )
    summary("by explanations alone", data, data.verdict == "growing")
    if arguments.write:
        write(arguments.write, data, used)
    if arguments.quick:
        return
    told = held_out(data, used, data.sets() if arguments.sets else data.folds())
    for least in (-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0):
        summary(f"held out, from {least}", data, told >= least)
    summary("held out, from 1", data, told >= 1.0, show=arguments.show)
    if arguments.sets:
        return
    likely = told + np.log(HEALTHY) >= np.log(SURE_LATE / (1 - SURE_LATE))
    for family in np.unique(data.family[data.real]):
        of = data.family == family
        print(f"{family:24} {of.sum()} windows, {100 * likely[of].mean():.2f} % at {SURE_LATE} and more")
    if not arguments.intervals:
        return
    known, forecast = held_out_intervals(data)
    judged = known & ~data.real
    intervals("intervals as they are", data, data.forecast[:, :3], judged)
    by = intervals("held out, with room", data, forecast, judged)
    for held, lost, family in sorted(by)[:12] if arguments.show else []:
        print(f"    {family:44}{held:6.1f}{lost:8.2f}")


if __name__ == "__main__":
    main()
