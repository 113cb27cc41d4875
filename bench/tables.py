# SPDX-License-Identifier: MIT
"""Rows as text for a terminal."""
from .measures import METRICS


def number(value, decimals):
    return f"{value:,.{decimals}f}"


def split_suffix(metric):
    """The metric without its ending, and whether it had it."""
    return metric.removesuffix("_tls"), metric.endswith("_tls")


def spread(row, key, decimals):
    if row.get(key) is None:
        return "–"
    return f"{number(row[f'{key}_min'], decimals)} to {number(row[f'{key}_max'], decimals)}"


def as_text(rows):
    """A block for each metric, a line for each system."""
    lines = []
    for metric in dict.fromkeys(row["metric"] for row in rows):
        plain, tls = split_suffix(metric)
        about = METRICS[plain]
        lines.append(f"\n{metric}: {about.title}{' (TLS)' if tls else ''}, {about.better} is better")
        lines.append(f"  {'system':<18}{'median':>10}{'min to max':>20}{'ratio':>8}"
                     f"{'min to max':>15}{'runs':>6}{'others':>8}")
        for row in rows:
            if row["metric"] == metric:
                lines.append(as_line(row, about.decimals))
    return "\n".join(lines)


def as_line(row, decimals):
    low, high = number(row["min"], decimals), number(row["max"], decimals)
    ratio = "–" if row["vs_hap2"] is None else number(row["vs_hap2"], 2)
    return (f"  {row['system']:<18}{number(row['median'], decimals):>10}{f'{low} to {high}':>20}"
            f"{ratio:>8}{spread(row, 'vs_hap2', 2):>15}{row['runs']:>6}"
            f"{row['foreign'] * 100:>7.0f}%")
