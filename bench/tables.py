# SPDX-License-Identifier: MIT
"""Rows as text: blocks for a terminal, Markdown for docs/PERFORMANCE.md."""
from .measures import LOWER, METRICS, Metric
from .setups import REFERENCES, SETUPS

REFERENCE = REFERENCES[False]
OURS = "taupe"


def number(value, decimals=2):
    return f"{value:,.{decimals}f}"


def split_suffix(metric):
    """The metric without its ending, and whether it had it."""
    return metric.removesuffix("_tls"), metric.endswith("_tls")


def describe(metric):
    plain, tls = split_suffix(metric)
    about = METRICS.get(plain, Metric(plain, LOWER))
    return about, f"{about.title}{' (TLS)' if tls else ''}"


def ratio_spread(row):
    if row.get("vs_hap2_min") is None:
        return "–"
    return f"{number(row['vs_hap2_min'])} to {number(row['vs_hap2_max'])}"


def others(row):
    """The most of the machine that others took during one of these runs."""
    return f"{row['foreign'] * 100:.0f} %" if "foreign" in row else "–"


def as_text(rows):
    """A block for each metric, a line for each system, or for each number of visitors or agents."""
    lines = []
    for metric in dict.fromkeys(row["metric"] for row in rows):
        about, title = describe(metric)
        lines.append(f"\n{metric}: {title}, {about.better} is better")
        lines.append(f"  {'system':<24}{'median':>12}{'min to max':>26}{'ratio':>9}"
                     f"{'min to max':>18}{'runs':>6}{'others':>8}")
        lines += [as_line(row, about.decimals) for row in rows if row["metric"] == metric]
    return "\n".join(lines)


def as_line(row, decimals):
    name = row["system"] + "".join(f", {row[point]} {point}" for point in ("visitors", "agents")
                                   if point in row)
    spread = f"{number(row['min'], decimals)} to {number(row['max'], decimals)}"
    ratio = "–" if row["vs_hap2"] is None else number(row["vs_hap2"])
    return (f"  {name:<24}{number(row['median'], decimals):>12}{spread:>26}{ratio:>9}"
            f"{ratio_spread(row):>18}{row['runs']:>6}{others(row):>8}")


def markdown(head, lines):
    rule = ["---"] + ["--:"] * (len(head) - 1)
    return "".join("| " + " | ".join(cells) + " |\n" for cells in [head, rule, *lines])


def as_markdown(rows, tls):
    """Metrics down, systems across: ratios to the reference, which shows its own value."""
    table = {(row["metric"], row["system"]): row for row in rows
             if split_suffix(row["metric"])[1] == tls and row["vs_hap2"] is not None}
    known = dict.fromkeys(definition.system for definition in SETUPS.values())
    systems = [name for name in known if any(key[1] == name for key in table)]
    lines = []
    for metric in dict.fromkeys(key[0] for key in table):
        about, title = describe(metric)
        cells = [ratio_cell(table.get((metric, name)), about.decimals) for name in systems]
        lines.append([title.removesuffix(" (TLS)"), *cells])
    return markdown(["", *(f"**{name}**" if name == OURS else name for name in systems)], lines)


def ratio_cell(row, decimals):
    if row is None:
        return "–"
    if row["system"] == REFERENCE:
        return f"1 ({number(row['median'], decimals)})"
    ratio = number(row["vs_hap2"])
    return f"**{ratio}**" if row["system"] == OURS else ratio


def cluster_as_markdown(rows):
    """The cluster's path beside what is left of it without taupe: medians, and ratios of these."""
    systems = ("haproxy", "haproxy-hap2", "taupe-cluster")
    table = {(row["metric"], row["system"]): row for row in rows if row["system"] in systems}
    lines = []
    for metric in dict.fromkeys(key[0] for key in table):
        found = [table.get((metric, name)) for name in systems]
        if all(found) and found[1]["vs_hap2"]:
            about, title = describe(metric)
            lines.append([title, *(number(row["median"], about.decimals) for row in found),
                          *(number(found[2]["vs_hap2"] / row["vs_hap2"]) for row in found[:2])])
    return markdown(["", *systems, *(f"taupe-cluster : {name}" for name in systems[:2])], lines)


# What a metric of bench/fleet_run is called, without "fleet_" or "cluster_" before it.
FLEET_TITLES = {
    "connect_per_s": ("agents that connect, per second", 0),
    "connect_cpu_us": ("processor time for one that connects, µs: relays", 0),
    "connect_cpu_us_redis": ("… Redis", 0),
    "connect_cpu_us_router": ("… router", 0),
    "connect_cpu_us_haproxy": ("… HAProxy", 0),
    "redis_per_connect": ("Redis commands for one that connects", 1),
    "redirects_per_connect": ("redirects for one that connects", 2),
    "map_ms": ("from welcome to a visitor's answer through HAProxy, ms", 0),
    "agents_per_relay": ("agents of a relay", 0),
    "relay_bytes_per_agent": ("private memory of a relay per agent, bytes", 0),
    "redis_bytes": ("private memory, bytes: Redis", 0),
    "router_bytes": ("… router", 0),
    "haproxy_bytes": ("… HAProxy", 0),
    "rest_cpu_pct": ("at rest: the relays' processor time, % of a core", 2),
    "rest_redis_ops_s": ("at rest: Redis commands per second", 0),
    "recover_s": ("all relays killed: until the last agent is back, s", 1),
    "recover_p50_s": ("… half of them, s", 1),
    "recover_p99_s": ("… 99 %, s", 1),
    "recover_cpu_us": ("… processor time for one, µs: relays", 0),
    "recover_cpu_us_redis": ("… Redis", 0),
    "recover_one_s": ("one relay killed: until the last of its agents is back, s", 1),
    "recover_one_p50_s": ("… half of them, s", 1),
    "recover_one_p99_s": ("… 99 %, s", 1),
}


def fleet_as_markdown(*measured):
    """One relay beside a cluster, each with the most agents that it was measured with."""
    columns = [{row["metric"].partition("_")[2]: row for row in sorted(
        rows, key=lambda row: row["agents"])} for rows in measured]
    heads = [f"{row['relays']} relay{'s' if row['relays'] > 1 else ''}, {row['agents']:,} agents"
             for row in (column["connect_per_s"] for column in columns)]
    lines = [[title, *(fleet_cell(column.get(metric), decimals) for column in columns)]
             for metric, (title, decimals) in FLEET_TITLES.items()]
    lines.append(["most that others took of the machine meanwhile",
                  *(f"{max(row['foreign'] for row in column.values()) * 100:.0f} %"
                    for column in columns)])
    return markdown(["", *heads], lines)


def fleet_cell(row, decimals):
    """The median, and the spread where there is one."""
    if row is None:
        return "–"
    median, low, high = (number(row[key], decimals) for key in ("median", "min", "max"))
    return median if low == high else f"{median} ({low} to {high})"


def spread_as_markdown(rows):
    """Ours with all that is known of each figure, those that have no ratio as well."""
    lines = []
    for row in rows:
        if row["system"] == OURS:
            about, title = describe(row["metric"])
            median, low, high = (number(row[key], about.decimals)
                                 for key in ("median", "min", "max"))
            ratio = "–" if row["vs_hap2"] is None else number(row["vs_hap2"])
            lines.append([f"`{row['metric']}`", title, median, f"{low} to {high}", ratio,
                          ratio_spread(row), str(row["runs"]), others(row)])
    return markdown(["metric", "what", "median", "min to max", "ratio", "min to max", "runs",
                     "others"], lines)
