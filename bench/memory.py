# SPDX-License-Identifier: MIT
"""What visitors cost in memory: those that are silent, and those that ask for much and never read.
It is private memory of the processes; what the kernel holds in its sockets is not in it."""
import contextlib
import socket
import time

from . import loads
from .measures import measure
from .programs import Failure
from .services import ENDLESS, SMALL

SILENT, STALLED = 1000, 500
SAMPLES, INTERVAL_S, PATIENCE_S = 4, 0.25, 15
TOO_MUCH = 2 << 30  # a tunnel without back-pressure takes all there is
SMALL_WINDOW = 16384


def settled(setup):
    """The setup's memory on both sides, once it has been the same for a while."""
    seen = [setup.private_bytes()]
    deadline = time.monotonic() + PATIENCE_S
    while len(seen) < SAMPLES or any(sample != seen[-1] for sample in seen[-SAMPLES:]):
        if time.monotonic() > deadline or max(seen[-1]) > TOO_MUCH:
            break
        time.sleep(INTERVAL_S)
        seen.append(setup.private_bytes())
    if max(seen[-1]) > TOO_MUCH:
        raise Failure("memory grows without a bound")
    return seen[-1]


def visit(setup, path, window=None):
    sock = socket.socket()
    sock.settimeout(10)
    if window:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    sock.connect(setup.address("web"))
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {setup.host}\r\n\r\n".encode())
    return sock


def read_answer(sock):
    """One answer to its end, on a connection that stays."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        if not piece:
            raise Failure("a visitor was turned away")
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    left = int(head.lower().partition(b"content-length:")[2].split()[0]) - len(body)
    while left > 0:
        piece = sock.recv(left)
        if not piece:
            raise Failure("an answer was cut off")
        left -= len(piece)


def per_visitor(before, after, count, name):
    return {f"{name}_bytes_{side}": (grown - had) / count
            for side, had, grown in zip(("relay", "agent"), before, after) if had}


@measure("visitor_bytes_relay", "visitor_bytes_agent", fresh=True)
def visitors(_context, setup):
    """Visitors that have had an answer and now say nothing."""
    before = settled(setup)
    with contextlib.ExitStack() as open_ones:
        for _ in range(SILENT):
            read_answer(open_ones.enter_context(visit(setup, SMALL)))
        return per_visitor(before, settled(setup), SILENT, "visitor")


def neighbour_rps(context, setup):
    if setup.neighbour:
        return loads.wrk(setup.neighbour, SMALL, 50, context.seconds)["rps"]
    return None


@measure("stalled_bytes_relay", "stalled_bytes_agent", "stalled_neighbour", fresh=True)
def stalled(context, setup):
    """Visitors that never read, and what is left meanwhile to another device at the same relay."""
    alone = [neighbour_rps(context, setup)]
    before = settled(setup)
    with contextlib.ExitStack() as open_ones:
        for _ in range(STALLED):
            open_ones.enter_context(visit(setup, ENDLESS, SMALL_WINDOW))
        values = per_visitor(before, settled(setup), STALLED, "stalled")
        beside = neighbour_rps(context, setup)
    alone.append(neighbour_rps(context, setup))
    if setup.neighbour:
        values["stalled_neighbour"] = beside / (sum(alone) / len(alone))
    return values
