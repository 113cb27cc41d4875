# SPDX-License-Identifier: MIT
"""The metrics, and the loads that give them. One measure may give several metrics: a load is run
once for all of them."""
import dataclasses

from . import loads
from .services import LARGE, SMALL

HIGHER, LOWER = "higher", "lower"
PACE = "500M"  # bits per second of the stream that leaves the processors idle time


@dataclasses.dataclass
class Metric:
    title: str
    better: str
    decimals: int = 2


METRICS = {
    "bulk_gbps": Metric("one stream to the visitor, Gbit/s", HIGHER),
    "cpu_s_per_gb": Metric("… CPU seconds per GB", LOWER),
    "bulk_up_gbps": Metric("one stream to the service, Gbit/s", HIGHER),
    "cpu_s_per_gb_up": Metric("… CPU seconds per GB", LOWER),
    "keepalive_rps": Metric("requests/s, 50 kept connections, 1 KB", HIGHER, 0),
    "keepalive_p99_ms": Metric("… p99, ms", LOWER),
    "close_rps": Metric("connections with one request/s, 20 at once", HIGHER, 0),
    "r100k_gbps": Metric("100 KB answers, 50 connections, Gbit/s", HIGHER),
    "new_p50_us": Metric("new connection and its answer, p50, µs", LOWER, 0),
    "loaded_p50_ms": Metric("small requests beside a stream, p50, ms", LOWER),
    "loaded_p99_ms": Metric("… p99, ms", LOWER),
    "paced_p50_ms": Metric("small requests beside 500 Mbit/s, p50, ms", LOWER, 3),
    "paced_p99_ms": Metric("… p99, ms", LOWER),
    "twowrite_p99_ms": Metric("answer in two packets, p99, ms", LOWER),
}


class Context:
    """What a measure runs with."""

    def __init__(self, site, seconds):
        self.site, self.seconds = site, seconds


def bulk(context, setup, down, rate, cpu):
    """One stream of iperf3: its rate, and the CPU time that the setup's processes took for a GB."""
    before = setup.cpu_seconds()
    seen = loads.iperf3(setup, context.seconds, down)
    values = {rate: seen["gbps"]}
    if setup.relay:
        values[cpu] = (setup.cpu_seconds() - before) / (seen["bytes"] / 1e9)
    return values


def bulk_down(context, setup):
    return bulk(context, setup, True, "bulk_gbps", "cpu_s_per_gb")


def bulk_up(context, setup):
    return bulk(context, setup, False, "bulk_up_gbps", "cpu_s_per_gb_up")


def keepalive(context, setup):
    seen = loads.wrk(setup, SMALL, 50, context.seconds)
    return {"keepalive_rps": seen["rps"], "keepalive_p99_ms": seen["p99_ms"]}


def close(context, setup):
    return {"close_rps": loads.wrk(setup, SMALL, 20, context.seconds, close=True)["rps"]}


def large(context, setup):
    return {"r100k_gbps": loads.wrk(setup, LARGE, 50, context.seconds)["gbps"]}


def new(context, setup):
    seen = loads.latency(context.site, setup, SMALL, "new", 1000, context.seconds)
    return {"new_p50_us": seen["p50_us"]}


def beside(context, setup, name, *options):
    """A small request every 2 ms on a kept connection, beside a stream through the same tunnel."""
    with loads.Stream(setup, context.seconds + 5, *options):
        seen = loads.latency(context.site, setup, SMALL, "keep", 500 * context.seconds,
                             context.seconds, gap_us=2000)
    return {f"{name}_p50_ms": seen["p50_us"] / 1e3, f"{name}_p99_ms": seen["p99_us"] / 1e3}


def loaded(context, setup):
    return beside(context, setup, "loaded")


def paced(context, setup):
    return beside(context, setup, "paced", "-b", PACE)


def twowrite(context, setup):
    seen = loads.latency(context.site, setup, SMALL, "keep", 500, context.seconds, service="pieces")
    return {"twowrite_p99_ms": seen["p99_us"] / 1e3}


MEASURES = {
    bulk_down: ("bulk_gbps", "cpu_s_per_gb"),
    bulk_up: ("bulk_up_gbps", "cpu_s_per_gb_up"),
    keepalive: ("keepalive_rps", "keepalive_p99_ms"),
    close: ("close_rps",),
    large: ("r100k_gbps",),
    new: ("new_p50_us",),
    loaded: ("loaded_p50_ms", "loaded_p99_ms"),
    paced: ("paced_p50_ms", "paced_p99_ms"),
    twowrite: ("twowrite_p99_ms",),
}
