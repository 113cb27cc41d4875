# SPDX-License-Identifier: MIT
"""A stand-alone relay, a device with the agent of mux_agent.py, and its visitors."""
import contextlib
import socket
import struct

from mux_agent import MuxAgent, echo, http, manual, silent, sink, source, taker

from .sample_services import pattern
from .scenes import Standalone
from .visitors import READ, Connection
from .wait import until

MB = 1_000_000
SERVICES = {
    "web": ("http", http),
    "echo": ("tcp", echo),
    "sink": ("tcp", sink),
    "source": ("tcp", source(lambda: pattern(MB))),
    "large": ("tcp", source(lambda: pattern(10 * MB))),
    "manual": ("tcp", manual),
    "taker": ("tcp", taker),
    "silent": ("tcp", silent),
}


class MuxScene:
    def __init__(self, group, relay=None, services=None, **agent):
        self.group = group
        self.alone = Standalone(group, **(relay or {}))
        self.agent = MuxAgent(self.alone.relay.url, self.alone.device("alice"),
                              services or dict(SERVICES), **agent)
        group.exits.callback(self.agent.close)
        group.checks.append(lambda: [f"of the relay: {fault}" for fault in self.agent.faults])
        until("the agent is connected", self.agent.connect)

    @property
    def host(self):
        return f"{self.agent.welcome['label'][0]}.example.test"

    def shared(self):
        """The shared channel that stands; one is dug when the first visitor comes, or before."""
        return until("a shared channel", lambda: self.agent.shared())[-1]

    def visitor(self, service, data=b"", buffers=None):
        sock = socket.socket()
        self.group.exits.callback(sock.close)
        sock.settimeout(20)
        if buffers:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffers)
        sock.connect(self.agent.address(service))
        sock.sendall(data)
        return sock

    def visit(self, service, data=b"", **kwargs):
        """A visitor, and the visit at the agent."""
        before = len(self.agent.visits)
        sock = self.visitor(service, data, **kwargs)
        return sock, until("the visit has begun", lambda: self.agent.visits[before:])[-1]

    def echoes(self, data=b"hello"):
        """A visit from its beginning to its end."""
        sock, visit = self.visit("echo", data)
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == data
        until("the visit is over", lambda: visit.over)
        return visit

    def browser(self):
        return Connection(self.alone.front, self.host)

    def metric(self, name):
        return self.alone.relay.metrics()[f"taupe_relay_{name}"]

    def wait_no_visitors(self):
        until("the relay has no visitors", lambda: self.metric("visitors") == 0)


def read_all(sock):
    parts = []
    while data := sock.recv(READ):
        parts.append(data)
    return b"".join(parts)


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def ending(sock):
    """How the relay has ended the connection: "end" or "reset"; what came before is dropped."""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while sock.recv(READ):
            pass
        return "end"
    return "reset"
