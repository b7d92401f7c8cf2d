#!/usr/bin/env python3
"""What the series allow: what anybody could find, and how well anybody could forecast, who knew their family.

    cargo run --release -p m5-bench-verdicts --bin unseen -- --services --traces 1000 --only-write --table TABLE
    pip install numpy scikit-learn
    python bench/verdicts/ceiling.py TABLE

For each leaking family a classifier is taught on series of that family that grow by a tenth a window and more, and of
its healthy twin (what it does but for the leak, found by its name or told by `--twin`; all healthy families of the set
where it has none). It sees the lowest, the middle and the highest value of 48 blocks, their differences, slopes and
spreads, and the load where it is named. It is asked about series that it was not taught on: recall at one false alarm in
a hundred of the twin. A verdict knows neither the family nor its twin, and must be right beside all other families as
well.

    python bench/verdicts/ceiling.py TABLE --only "orphaned sessions" --twin "devices that sleep"

    python bench/verdicts/ceiling.py TABLE --ahead --only "leak that starts late"

With `--ahead` forecasts are taught in place of verdicts: quantiles of the floor a day later, of each family by itself, asked
about series of it that they were not taught on. How often the 90 % interval held, and the pinball loss in percent of the level.
"""

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import numpy as np

BLOCKS = 48
STRONG = 0.10
FALSE = 0.01
QUANTILES = (0.05, 0.5, 0.95)
DAY = 86_400.0


def features(row):
    """What a classifier sees of a series."""
    values = np.array(row[4:], dtype=float)
    seconds, (low, middle, high, load) = values[0], values[1:].reshape(4, BLOCKS)
    x = np.linspace(0, 1, BLOCKS)
    seen = [np.log(max(seconds, 1.0))]
    for column in (low, middle, high):
        for part in (slice(None), slice(8, None), slice(16, None), slice(24, None), slice(0, 24)):
            slope, level = np.polyfit(x[part], column[part], 1)
            rest = column[part] - level - slope * x[part]
            spread = rest.std() + 1e-9
            together = np.corrcoef(rest[1:], rest[:-1])[0, 1] if spread > 1e-8 else 0.0
            seen += [slope, spread, slope / spread, together]
        quarters = column.reshape(8, -1)
        seen += list(np.diff(quarters.min(axis=1))) + list(np.diff(np.median(quarters, axis=1)))
        seen += [*quarters.min(axis=1), np.abs(np.diff(column)).mean(), column.min(), column.max()]
    if load.std() > 0:
        left = low - np.polyval(np.polyfit(load, low, 1), load)
        total = np.cumsum(load) / load.sum()
        fit = np.column_stack([np.ones(BLOCKS), load, total])
        sizes, *_ = np.linalg.lstsq(fit, low, rcond=None)
        seen += [np.polyfit(x, left, 1)[0], left.std(), sizes[2], (low - fit @ sizes).std()]
    else:
        seen += [0.0] * 4
    return np.nan_to_num(np.array(seen), posinf=0, neginf=0)


def recall(leaking, healthy):
    """Recall at one false alarm in a hundred, on series that it was not taught on; and the area under the curve."""
    from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    x = np.vstack([leaking, healthy])
    y = np.r_[np.ones(len(leaking)), np.zeros(len(healthy))]
    folds = StratifiedKFold(5, shuffle=True, random_state=1)
    best = (0.0, 0.0)
    for method in (
        ExtraTreesClassifier(300, min_samples_leaf=2, n_jobs=1, random_state=1),
        HistGradientBoostingClassifier(max_iter=150, learning_rate=0.06, random_state=1),
    ):
        told = cross_val_predict(method, x, y, cv=folds, method="predict_proba")[:, 1]
        threshold = np.quantile(told[y == 0], 1 - FALSE)
        best = max(best, (float((told[y == 1] > threshold).mean()), roc_auc_score(y, told)))
    return best


def ahead(rows, seconds, later):
    """How often intervals held that were taught on other series of the family, and their loss as a part of the level."""
    from sklearn.ensemble import GradientBoostingRegressor
    from sklearn.model_selection import KFold, cross_val_predict

    # How far the floor goes in a day is the window's doing, times so many windows.
    windows = 1.0 + DAY / seconds
    folds = KFold(5, shuffle=True, random_state=1)
    told = [
        1.0
        + windows
        * cross_val_predict(
            GradientBoostingRegressor(
                loss="quantile",
                alpha=q,
                n_estimators=120,
                max_depth=3,
                subsample=0.7,
                learning_rate=0.06,
                random_state=1,
            ),
            rows,
            (later - 1.0) / windows,
            cv=folds,
        )
        for q in QUANTILES
    ]
    low, middle, high = np.sort(np.array(told), axis=0)
    lost = [
        np.maximum(q * (later - v), (q - 1) * (later - v)) for q, v in zip(QUANTILES, (low, middle, high))
    ]
    return ((low <= later) & (later <= high)).mean(), np.mean(lost)


def forecasts(table, only):
    """Print a line a family."""
    families = defaultdict(list)
    with table.open() as lines:
        for name, *row in csv.reader(lines):
            if any(part in name for part in only.split("/")):
                families[name].append((features([name, *row]), float(row[3]), float(row[2])))
    print(f"{'family':28}{'series':>8}{'held %':>9}{'loss %':>9}")
    for name, rows in families.items():
        x, seconds, later = (np.array(column) for column in zip(*rows))
        held, lost = ahead(x, seconds, later)
        print(f"{name:28}{len(rows):8}{100 * held:9.1f}{100 * lost:9.2f}", flush=True)


def twin(name, healthy):
    """The healthy family that is this one but for its leak."""
    stem = name.split(" + ")[0].split("+")[0].strip()
    return next((h for h in healthy if h == stem or h.startswith(stem)), None)


def main():
    """Print a line a leaking family."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("table", type=Path)
    arguments.add_argument("--only", default="")
    arguments.add_argument("--twin", help="the healthy family that those of --only are beside, by its name")
    arguments.add_argument("--ahead", action="store_true", help="forecasts in place of verdicts")
    arguments = arguments.parse_args()
    if arguments.ahead:
        return forecasts(arguments.table, arguments.only)
    healthy, leaking = defaultdict(list), defaultdict(list)
    with arguments.table.open() as lines:
        for name, *row in csv.reader(lines):
            if row[0] == "0":
                healthy[name].append(features([name, *row]))
            elif float(row[1]) >= STRONG and any(part in name for part in arguments.only.split("/")):
                leaking[name].append(features([name, *row]))
    everybody = [row for rows in healthy.values() for row in rows[:: max(len(healthy) // 3, 1)]]
    print(f"{'leaking family':28}{'series':>8}  {'beside':26}{'recall %':>9}{'area':>7}")
    for name, rows in leaking.items():
        beside = arguments.twin or twin(name, healthy)
        found, area = recall(np.array(rows), np.array(healthy[beside] if beside else everybody))
        print(
            f"{name:28}{len(rows):8}  {beside or 'all healthy ones':26}{100 * found:9.1f}{area:7.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
