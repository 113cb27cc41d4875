# SPDX-License-Identifier: MIT
"""Fills docs/PERFORMANCE.md and docs/plots from bench/results: what stands between the markers of
the page is written anew, the rest is left alone."""
import pathlib
import platform
import re
from itertools import zip_longest

from . import results, tables
from .plots import Line, Plot, draw
from .programs import output_of

TOP = pathlib.Path(__file__).resolve().parent.parent
RESULTS, PAGE, PLOTS = TOP / "bench/results", TOP / "docs/PERFORMANCE.md", TOP / "docs/plots"
LATEST, SWEEP, FLEET, CLUSTER = (RESULTS / f"{name}.json" for name in (
    "latest", "sweep", "fleet_run", "fleet_cluster"))

SYSTEMS = {"hap2": "two HAProxy hops", "taupe": "taupe"}
# Of each plot: metric, what varies, title, title of the y axis, whether that is logarithmic.
DRAWN = {
    "requests-visitors": ("keepalive_rps", "visitors",
                          "Requests per second", "requests/s", False),
    "throughput-visitors": ("r100k_gbps", "visitors",
                            "Throughput, answers of 100 KB", "Gbit/s", False),
    "latency-visitors": ("keepalive_p99_ms", "visitors",
                         "Latency, p99", "ms", True),
    "memory-visitors": ("memory_bytes", "visitors",
                        "Memory of both processes, silent visitors", "bytes", True),
    "requests-agents": ("keepalive_rps", "agents",
                        "Requests per second to one device", "requests/s", False),
    "latency-agents": ("keepalive_p99_ms", "agents",
                       "Latency of one device, p99", "ms", True),
    "memory-agents": ("memory_bytes", "agents",
                      "Memory of the relay", "bytes", True),
    "fleet-agents": ("idle_bytes_per_agent", "agents",
                     "Memory of the relay per idle agent", "bytes", False),
    "cluster-cpu": ("cluster_connect_cpu_us", "agents",
                    "A cluster's relays, processor time per agent that connects", "µs", False),
    "cluster-memory": ("cluster_relay_bytes_per_agent", "agents",
                       "A cluster's relays, memory per agent", "bytes", True),
}
X_TITLES = {"visitors": "visitors at once", "agents": "agents connected"}


def lines_of(rows, metric, point):
    lines = []
    for look, (system, name) in enumerate(SYSTEMS.items()):
        points = sorted(
            (row[point], row["median"], row["min"], row["max"]) for row in rows
            if row["system"] == system and row["metric"] == metric and point in row)
        if points:
            lines.append(Line(name, look, points))
    return lines


def write_plots():
    rows = [row for path in (SWEEP, FLEET, CLUSTER) for row in results.load(path)]
    PLOTS.mkdir(exist_ok=True)
    for name, (metric, point, title, y_title, log_y) in DRAWN.items():
        if lines := lines_of(rows, metric, point):
            text = draw(Plot(title, X_TITLES[point], y_title, lines, log_y))
            (PLOTS / f"{name}.svg").write_text(text)


def pictures():
    """Those that could be drawn, two in a row."""
    cells = [f"![{title}, against {X_TITLES[point]}](plots/{name}.svg)"
             for name, (_, point, title, _, _) in DRAWN.items() if (PLOTS / f"{name}.svg").exists()]
    pairs = zip_longest(cells[::2], cells[1::2], fillvalue="")
    return "| | |\n|---|---|\n" + "".join(f"| {left} | {right} |\n" for left, right in pairs)


def this_machine():
    """What the figures were measured on, as long as it is the machine that writes the page."""
    models = re.findall(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    haproxy = output_of(["haproxy", "-v"])
    return (f"{len(models)} × {models[0] if models else 'processor'}, Linux {platform.release()}, "
            f"HAProxy {haproxy.split()[2]}.\n")


def write_page():
    rows = results.load(LATEST)
    sections = {
        "machine": this_machine(),
        "plain": tables.as_markdown(rows, False),
        "tls": tables.as_markdown(rows, True),
        "cluster": tables.cluster_as_markdown(rows),
        "fleet": tables.fleet_as_markdown(results.load(FLEET), results.load(CLUSTER)),
        "plots": pictures(),
        "spread": tables.spread_as_markdown(rows),
    }
    text = PAGE.read_text()
    for name, made in sections.items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        before, found, rest = text.partition(begin)
        _, found_too, after = rest.partition(end)
        if not (found and found_too):
            raise ValueError(f"{PAGE}: no markers for {name}")
        text = before + begin + made + end + after
    PAGE.write_text(text)


def write():
    write_plots()
    write_page()
