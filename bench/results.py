# SPDX-License-Identifier: MIT
"""From runs to rows: {"system", "metric", "median", "min", "max", "runs", "vs_hap2"}, as they stand
in the JSON file. The parts of parts.py write such rows, too."""
import json
import statistics

from .measures import METRICS
from .rounds import QUIET
from .setups import SETUPS


def quiet_ones(runs):
    """Those that others disturbed little; all of them where there is none."""
    return [run for run in runs if run.foreign <= QUIET] or runs


def make_rows(runs):
    groups = {}
    for run in runs:
        groups.setdefault((run.key, run.metric, run.point), []).append(run)
    order = {name: place for place, name in enumerate([*METRICS, *SETUPS])}
    return [make_row(*group, groups[group]) for group in sorted(
        groups, key=lambda group: (SETUPS[group[0]].tls, order[group[1]], order[group[0]]))]


def make_row(key, metric, point, runs):
    used = quiet_ones(runs)
    values = [run.value for run in used]
    ratios = [run.ratio for run in used if run.ratio is not None]
    definition = SETUPS[key]
    row = {"system": definition.system, "metric": metric + definition.suffix,
           "median": statistics.median(values), "min": min(values), "max": max(values),
           "runs": len(used), "vs_hap2": statistics.median(ratios) if ratios else None}
    if ratios:
        row["vs_hap2_min"], row["vs_hap2_max"] = min(ratios), max(ratios)
    if point:
        row[point[0]] = point[1]
    row["foreign"] = max(run.foreign for run in used)
    return row


def load(path):
    return json.loads(path.read_text()) if path.exists() else []


def about(row):
    """What a row is about; of two rows about the same, the newer one counts."""
    return row["system"], row["metric"], row.get("agents"), row.get("visitors")


def merge(old, new):
    """The old rows, with the new ones in the places of those about the same."""
    return list({about(row): row for row in old + new}.values())


def most(rows):
    """One row for each system and metric: that about the most agents."""
    best = {}
    for row in sorted(rows, key=lambda row: row.get("agents") or 0):
        best[row["system"], row["metric"]] = row
    return list(best.values())


def save(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    new.rename(path)
