# SPDX-License-Identifier: MIT
"""The Autobahn test suite's cases (websocket_cases.py) against relay and agent, on each sort of
channel, over raw sockets."""
import contextlib
import os
import socket
import struct
import urllib.parse

import pytest

from harness.fakes import BINARY, CLOSE, PING, PONG, TEXT, FakeRelay, RawAgent, frame
from harness.process import Thread
from harness.programs import Agent, Device
from harness.scenes import Standalone
from websocket_cases import (ALL, CONTROL, LARGE, LEFT_OUT, QUICK, SHARED, Lives)

MARK = b"still there?"
SLOW = {"9.2.4", "9.2.5", "9.2.6", *(f"9.4.{n}" for n in range(1, 10))}


class Link:
    """One channel with the program under test at its other end."""

    def __init__(self, kind, sock, mask, far=None, buffer=b"", visit=1):
        self.kind, self.sock, self.mask, self.far = kind, sock, mask, far
        self.buffer = buffer
        self.prefix = struct.pack(">I", visit) if kind == SHARED else b""
        sock.settimeout(10)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def frame(self, opcode, payload=b"", **kwargs):
        if len(payload) > 1 << 14 and self.mask:  # a mask of zeros is one, too
            return frame(opcode, b"", mask=b"\0\0\0\0", length=len(payload), **kwargs) + payload
        return frame(opcode, payload, mask=self.mask, **kwargs)

    def binary(self, payload):
        return self.frame(BINARY, self.prefix + payload)

    def send(self, pieces):
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            for piece in pieces:
                self.sock.sendall(piece)

    def read_exactly(self, count):
        while len(self.buffer) < count:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError
            self.buffer += data
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def read_frame(self):
        first, second = self.read_exactly(2)
        assert first & 0x70 == 0, "reserved bits"
        assert bool(second & 0x80) != bool(self.mask), "masked by the wrong side"
        length = second & 127
        if length == 126:
            length, = struct.unpack(">H", self.read_exactly(2))
        elif length == 127:
            length, = struct.unpack(">Q", self.read_exactly(8))
        key = self.read_exactly(4) if second & 0x80 else b"\0\0\0\0"
        data = self.read_exactly(length)
        return first & 15, bytes(byte ^ key[i % 4] for i, byte in enumerate(data))

    def control_frames(self, last):
        """The pongs, and what the last frame says; control messages and payload are let pass."""
        pongs = []
        while True:
            opcode, payload = self.read_frame()
            if opcode == CLOSE:
                assert last == CLOSE, ("closed", payload)
                return pongs, payload
            if (opcode, payload) == (PONG, MARK):
                assert last == PONG, "it is not closed"
                return pongs, payload
            if opcode == PONG:
                pongs.append(payload)

    def at_end(self):
        try:
            return self.buffer == b"" and self.sock.recv(1) == b""
        except ConnectionResetError:
            return True

    def finish(self):
        """Close it in order, so that the program is done with it."""
        with contextlib.suppress(OSError, EOFError, AssertionError):
            self.sock.sendall(self.frame(CLOSE, b"\x03\xe8"))
            while self.sock.recv(65536):
                pass
        self.sock.close()
        if self.far:
            self.far.close()


class AgainstRelay:
    """We are the agent."""

    def __init__(self, group):
        self.alone = Standalone(group, log_level="info", probe_timeout="500ms")
        self.devices = {kind: self.alone.device(kind) for kind in ALL}
        self.controls = {}

    def connect(self, kind):
        """A control channel; each takes over from the one before."""
        agent = RawAgent(self.alone.relay.agent_address)
        query = [("name", kind), ("instance", "one"), ("service", "raw:tcp")]
        query += [("mux", "1")] if kind == SHARED else []
        agent.send(agent.control_request(
            self.devices[kind], query=urllib.parse.urlencode(query, safe=":")).encode())
        assert agent.read_head()[0] == 101
        welcome = agent.read_message("welcome")
        agent.port = int(welcome["url"].rpartition(":")[2])
        return agent

    def open(self, kind):
        if kind == CONTROL:
            agent = self.connect(kind)
            return Link(kind, agent.sock, b"\x37\xfa\x21\x3d", buffer=agent.buffer)
        if kind not in self.controls:
            self.controls[kind] = self.connect(kind)
        control = self.controls[kind]
        far = socket.create_connection(("127.0.0.1", control.port), 10)
        channel = RawAgent(self.alone.relay.agent_address)
        wanted = control.read_message("open")
        while (kind == SHARED) != ("mux" in wanted):
            # a channel for a visit that shall move, because it has sent much: it stays
            control.say(op="refused", id=wanted["id"], reason="not here")
            wanted = control.read_message("open")
        channel.send(channel.transfer_request(wanted["id"]).encode())
        assert channel.read_head()[0] == 101
        visit = channel.read_message("open")["visit"]
        assert visit == "1"
        link = Link(kind, channel.sock, b"\x37\xfa\x21\x3d", far, channel.buffer)
        link.send([link.frame(TEXT, b"op=opened&visit=1")])
        return link

    def close(self):
        for control in self.controls.values():
            control.sock.close()


class AgainstAgent:
    """We are the relay, and the device's service."""

    def __init__(self, group):
        self.service = socket.create_server(("127.0.0.1", 0))
        self.service.settimeout(10)
        self.relay = FakeRelay()
        self.agent = Agent(group, Device("actor"), [self.relay.url],
                           [f"raw:tcp:127.0.0.1:{self.service.getsockname()[1]}"], start=False,
                           reconnect_min="1ms", reconnect_max="5ms", log_level="info")
        self.agent.start(wait=False)
        self.control = None

    def open(self, kind):
        if self.control is None:
            self.control = self.relay.control()
        if kind == CONTROL:
            end, self.control = self.control, None
            return Link(kind, end.sock, None, buffer=end.buffer)
        message = {"op": "open", "id": os.urandom(16).hex()}
        message.update({"mux": "1"} if kind == SHARED else {"service": "raw"})
        self.control.say(**message)
        end = self.relay.transfers.get(timeout=15)
        end.say(op="open", visit=1, service="raw", **{"from": "192.0.2.1:50312"})
        far, _ = self.service.accept()
        link = Link(kind, end.sock, None, far, end.buffer)
        far.sendall(b"!")  # stands for `opened`, which would be said later
        assert link.read_frame() == (BINARY, link.prefix + b"!")
        return link

    def close(self):
        self.relay.close()
        self.service.close()


@pytest.fixture(scope="module")
def sides(module_group):
    made = {}

    def get(side):
        if side not in made:
            made[side] = {"relay": AgainstRelay, "agent": AgainstAgent}[side](module_group)
        return made[side]
    yield get
    for side in made.values():
        side.close()


def read_far(sock, count):
    got = bytearray()
    sock.settimeout(20)
    while len(got) < count:
        data = sock.recv(1 << 18)
        assert data, f"end after {len(got)} of {count} bytes"
        got += data
    return bytes(got)


def check(link, build, outcome):
    pieces = build(link)
    if isinstance(outcome, Lives):
        sender = Thread(link.send, [*pieces, link.frame(PING, MARK)])
        if link.far:
            assert read_far(link.far, len(outcome.arrives)) == outcome.arrives
            if outcome.ends:
                assert link.far.recv(1) == b""
        assert link.control_frames(last=PONG)[0] == outcome.pongs
        sender.get()
        return
    sender = Thread(link.send, pieces)
    pongs, payload = link.control_frames(last=CLOSE)
    assert (struct.unpack(">H", payload[:2])[0] if payload else None) == outcome.code, payload
    assert pongs == outcome.pongs
    assert link.at_end()
    sender.get()


def table(cases):
    for number, channels, build, outcome in cases:
        for side in ("relay", "agent"):
            for channel in channels:
                marks = [pytest.mark.long] if number in SLOW else []
                want = outcome
                if isinstance(outcome, dict):  # of who differs; the others live
                    want = outcome.get(side, {}).get(channel, Lives())
                yield pytest.param(side, channel, build, want, marks=marks,
                                   id=f"{side}-{channel}-{number}")


@pytest.mark.parametrize("side,channel,build,outcome", [*table(QUICK), *table(LARGE)])
def test_case(sides, side, channel, build, outcome):
    link = sides(side).open(channel)
    try:
        check(link, build, outcome)
    finally:
        link.finish()


# How many cases each group of the suite has.
SUITE = {"1.1": 8, "1.2": 8, "2": 11, "3": 7, "4.1": 5, "4.2": 5, "5": 20, "6.1": 3, "6.2": 4,
         "6.3": 2, "6.4": 4, "6.5": 5, "6.6": 11, "6.7": 4, "6.8": 2, "6.9": 4, "6.10": 3,
         "6.11": 5, "6.12": 8, "6.13": 5, "6.14": 10, "6.15": 1, "6.16": 3, "6.17": 5, "6.18": 5,
         "6.19": 5, "6.20": 7, "6.21": 8, "6.22": 34, "6.23": 7, "7.1": 6, "7.3": 6, "7.5": 1,
         "7.7": 13, "7.9": 9, "7.13": 2, "9.1": 6, "9.2": 6, "9.3": 9, "9.4": 9, "9.5": 6,
         "9.6": 6, "9.7": 6, "9.8": 6}


def test_no_case_is_missing():
    """Each is in the table, or in the list of those that do not apply."""
    known = {number for number, *_ in [*QUICK, *LARGE]}
    suite = {f"{group}.{n}" for group, count in SUITE.items() for n in range(1, count + 1)}
    for entry in LEFT_OUT:
        for part in entry.split(" on ")[0].replace(" and ", ", ").split(", "):
            first, _, last = part.partition("-")
            group, _, start = first.rpartition(".")
            if start.isdigit():
                stop = int(last.rpartition(".")[2]) if last else int(start)
                known |= {f"{group}.{n}" for n in range(int(start), stop + 1)}
    assert suite - known == set()
    assert known - suite == {"5.19b", "10.1.1"}


def test_no_extension_is_accepted(sides):
    relay = sides("relay")
    with RawAgent(relay.alone.relay.agent_address) as agent:
        agent.send(agent.control_request(
            relay.devices[CONTROL], query="name=control&instance=one&service=raw:tcp",
            sec_websocket_extensions="permessage-deflate; client_max_window_bits").encode())
        status, fields = agent.read_head()
        assert status == 101 and "sec-websocket-extensions" not in fields
