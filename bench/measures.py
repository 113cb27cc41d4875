# SPDX-License-Identifier: MIT
"""The metrics, and the loads that give them: a measure is one load, and all the metrics that it
gives. The module memory enters its own."""
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
    "cpu_s_per_gb": Metric("… CPU seconds per GB, both processes", LOWER),
    "bulk_up_gbps": Metric("one stream to the service, Gbit/s", HIGHER),
    "cpu_s_per_gb_up": Metric("… CPU seconds per GB, both processes", LOWER),
    "keepalive_rps": Metric("requests/s on kept connections, 1 KB", HIGHER, 0),
    "keepalive_p99_ms": Metric("… p99, ms", LOWER),
    "close_rps": Metric("connections/s with one request each", HIGHER, 0),
    "r100k_gbps": Metric("answers of 100 KB, Gbit/s", HIGHER),
    "new_p50_us": Metric("new connection and its answer, p50, µs", LOWER, 0),
    "loaded_p50_ms": Metric("small requests beside a full stream, p50, ms", LOWER),
    "loaded_p99_ms": Metric("… p99, ms", LOWER),
    "paced_p50_ms": Metric("small requests beside 500 Mbit/s, p50, ms", LOWER, 3),
    "paced_p99_ms": Metric("… p99, ms", LOWER),
    "twowrite_p99_ms": Metric("answer in two packets, p99, ms", LOWER),
    "visitor_bytes_relay": Metric("relay's memory per silent visitor, bytes", LOWER, 0),
    "visitor_bytes_agent": Metric("agent's memory per silent visitor, bytes", LOWER, 0),
    "stalled_bytes_relay": Metric("relay's memory per visitor that never reads, bytes", LOWER, 0),
    "stalled_bytes_agent": Metric("agent's memory per visitor that never reads, bytes", LOWER, 0),
    "stalled_neighbour": Metric("… another device's requests/s, of those without them", HIGHER),
    "idle_bytes_per_agent": Metric("relay's memory per idle agent, bytes", LOWER, 0),
    "memory_bytes": Metric("memory, bytes", LOWER, 0),
    "fleet_recover_s": Metric("the whole fleet is back after the relay was killed, s", LOWER),
    "cluster_recover_s": Metric("the whole cluster's fleet is back after all relays were killed, s",
                                LOWER),
    "route_move_ms_p99": Metric("a device's move reaches HAProxy, p99, ms", LOWER),
}


@dataclasses.dataclass
class Context:
    """What a measure runs with: the site, the services behind it, and the seconds of one load."""
    site: object
    services: object
    seconds: int


@dataclasses.dataclass
class Measure:
    """run(context, setup) gives {metric: value}. fresh: it needs a setup that nobody has used.
    point: ("visitors" or "agents", how many), where that is varied."""
    run: object
    metrics: tuple
    fresh: bool
    name: str
    point: tuple = None


MEASURES = []


def measure(*metrics, fresh=False):
    def enter(run):
        MEASURES.append(Measure(run, metrics, fresh, run.__name__))
        return run
    return enter


def bulk(context, setup, down, rate, cpu):
    """One stream of iperf3: its rate, and the CPU time that the setup's processes took for a GB."""
    before = setup.cpu_seconds()
    seen = loads.iperf3(setup, context.seconds, down)
    values = {rate: seen["gbps"]}
    if setup.relay:
        values[cpu] = (setup.cpu_seconds() - before) / (seen["bytes"] / 1e9)
    return values


@measure("bulk_gbps", "cpu_s_per_gb")
def bulk_down(context, setup):
    return bulk(context, setup, True, "bulk_gbps", "cpu_s_per_gb")


@measure("bulk_up_gbps", "cpu_s_per_gb_up")
def bulk_up(context, setup):
    return bulk(context, setup, False, "bulk_up_gbps", "cpu_s_per_gb_up")


@measure("keepalive_rps", "keepalive_p99_ms")
def keepalive(context, setup):
    seen = loads.wrk(setup, SMALL, 50, context.seconds)
    return {"keepalive_rps": seen["rps"], "keepalive_p99_ms": seen["p99_ms"]}


@measure("close_rps")
def close(context, setup):
    return {"close_rps": loads.wrk(setup, SMALL, 20, context.seconds, close=True)["rps"]}


@measure("r100k_gbps")
def large(context, setup):
    return {"r100k_gbps": loads.wrk(setup, LARGE, 50, context.seconds)["gbps"]}


@measure("new_p50_us")
def new(context, setup):
    seen = loads.latency(context.site, setup, SMALL, "new", 1000, context.seconds)
    return {"new_p50_us": seen["p50_us"]}


def beside(context, setup, name, *options):
    """A small request every 2 ms on a kept connection, beside a stream through the same tunnel."""
    with loads.Stream(setup, context.seconds + 5, *options):
        seen = loads.latency(context.site, setup, SMALL, "keep", 500 * context.seconds,
                             context.seconds, gap_us=2000)
    return {f"{name}_p50_ms": seen["p50_us"] / 1e3, f"{name}_p99_ms": seen["p99_us"] / 1e3}


@measure("loaded_p50_ms", "loaded_p99_ms")
def loaded(context, setup):
    return beside(context, setup, "loaded")


@measure("paced_p50_ms", "paced_p99_ms")
def paced(context, setup):
    return beside(context, setup, "paced", "-b", PACE)


@measure("twowrite_p99_ms")
def twowrite(context, setup):
    seen = loads.latency(context.site, setup, SMALL, "keep", 500, context.seconds, service="pieces")
    return {"twowrite_p99_ms": seen["p99_us"] / 1e3}
