# SPDX-License-Identifier: MIT
"""The same measures at growing numbers of visitors and of agents, for the plots. A row of these
says its number in "visitors" or "agents"."""
import contextlib
import functools

from . import loads, memory
from .idle import busy_among
from .measures import Measure
from .services import LARGE, SMALL

VISITORS = (1, 10, 100, 1000)
AGENTS = (1, 10, 100, 1000, 5000)  # each takes two open files of the relay
SYSTEMS = ["hap2", "taupe"]


def requests(context, setup, visitors):
    """So many visitors, each with one request after the other."""
    seen = loads.wrk(setup, SMALL, visitors, context.seconds)
    return {"keepalive_rps": seen["rps"], "keepalive_p99_ms": seen["p99_ms"]}


def large(context, setup, visitors):
    return {"r100k_gbps": loads.wrk(setup, LARGE, visitors, context.seconds)["gbps"]}


def silent(_context, setup, visitors):
    """The memory of both sides with so many visitors that say nothing."""
    with contextlib.ExitStack() as open_ones:
        for _ in range(visitors):
            memory.read_answer(open_ones.enter_context(memory.visit(setup, SMALL)))
        return {"memory_bytes": sum(memory.settled(setup))}


def at(point, run, number, *metrics, fresh=False):
    return Measure(functools.partial(run, **{point: number}), metrics, fresh,
                   f"{run.__name__}, {number} {point}", (point, number))


def measures():
    for number in VISITORS:
        yield at("visitors", requests, number, "keepalive_rps", "keepalive_p99_ms")
        yield at("visitors", large, number, "r100k_gbps")
        yield at("visitors", silent, number, "memory_bytes", fresh=True)
    for number in AGENTS:
        yield at("agents", busy_among, number, "keepalive_rps", "keepalive_p99_ms", "memory_bytes",
                 fresh=True)
