# SPDX-License-Identifier: MIT
"""Agents that do nothing but hold their control channel, and what each costs the relay. They come
from this process; bench/fleet_run does it for a hundred thousand, with Redis and HAProxy."""
import base64
import contextlib
import os
import socket
import ssl

from . import loads, machine
from .measures import measure
from .programs import Failure
from .services import SMALL

AGENTS = 2000
FIRST = 100  # they come before the count begins: tables and pools have grown to a working size


def connect(door, number):
    """The control channel of one idle agent with one http service, welcomed."""
    address, ca_file = door
    sock = socket.create_connection(address, 10)
    if ca_file:
        context = ssl.create_default_context(cafile=ca_file)
        sock = context.wrap_socket(sock, server_hostname=address[0])
    key = base64.b64encode(os.urandom(16)).decode()
    sock.sendall((
        f"GET /v1/control?name=idle{number}&instance={number:x}&service=web:http HTTP/1.1\r\n"
        "Host: relay\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: taupe.v1\r\n\r\n").encode())
    answer = b""
    while b"op=welcome" not in answer:
        piece = sock.recv(4096)
        if not piece:
            raise Failure(f"idle agent {number} was refused: {answer[:200]!r}")
        answer += piece
    return sock


@contextlib.contextmanager
def connected(door, numbers):
    """So many idle agents while the block runs."""
    with contextlib.ExitStack() as channels:
        for number in numbers:
            channels.enter_context(connect(door, number))
        yield


@measure("idle_bytes_per_agent", fresh=True)
def idle(_context, setup):
    """How much the relay grows with each idle agent; its listener is in it."""
    if not setup.door:
        return {}
    pids = [process.pid for process in setup.relay]
    with connected(setup.door, range(FIRST)):
        before = machine.private_bytes(pids)
        with connected(setup.door, range(FIRST, FIRST + AGENTS)):
            return {"idle_bytes_per_agent": (machine.private_bytes(pids) - before) / AGENTS}


def busy_among(context, setup, agents):
    """One device's requests beside so many idle agents, and the relay's memory with them."""
    if not setup.door:
        return {}
    with connected(setup.door, range(agents)):
        seen = loads.wrk(setup, SMALL, 50, context.seconds)
        return {"keepalive_rps": seen["rps"], "keepalive_p99_ms": seen["p99_ms"],
                "memory_bytes": setup.private_bytes()[0]}
