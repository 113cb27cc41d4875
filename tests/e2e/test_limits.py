# SPDX-License-Identifier: MIT
"""What a peer can make a relay keep, and for how long."""
import select
import socket
import struct
import urllib.parse

import pytest

from harness.fakes import BINARY, PING, PONG, RawAgent, frame
from harness.process import Thread
from harness.scenes import Standalone
from harness.visitors import Connection, get_timed
from harness.wait import until


class Scene:
    def __init__(self, group, **config):
        self.alone = Standalone(group, **config)
        self.device = self.alone.device("alice", label="alice")
        self.host = "alice.example.test"
        self.relay = self.alone.relay

    def raw(self):
        return RawAgent(self.relay.agent_address)

    def control(self, instance="one"):
        agent = self.raw()
        query = [("name", "alice"), ("instance", instance), ("service", "web:http")]
        agent.send(agent.control_request(
            self.device, query=urllib.parse.urlencode(query, safe=":")).encode())
        assert agent.read_head()[0] == 101
        agent.read_message("welcome")
        return agent

    def visit(self):
        visitor = Connection(self.alone.front, self.host)
        visitor.send_head("GET", "/")
        return visitor

    def tunnel(self, control):
        """A visitor, and the channel that it was joined to and whose request has arrived."""
        visitor = self.visit()
        channel = self.raw()
        channel.send(channel.transfer_request(control.read_message("open")["id"]).encode())
        assert channel.read_head()[0] == 101
        channel.read_message("open")
        assert channel.read_frame()[0] == BINARY
        return visitor, channel

    def metric(self, name):
        return self.relay.metrics()[f"taupe_relay_{name}"]


@pytest.fixture
def scene(group):
    return Scene(group, transfer_idle="500ms", open_timeout="300ms", hold="3s")


def test_handshakes_that_never_end_are_bounded(group):
    scene = Scene(group, max_handshakes=3)
    silent = [scene.raw() for _ in range(3)]
    silent[0].send(b"GET /v1/control HTTP/1.1\r\n")

    def refused():
        with scene.raw() as agent:
            status, fields, form = agent.read_error()
            assert (status, form["error"]) == (503, "overload")
            return int(fields["retry-after"]) > 0

    until("one more is refused", refused)
    assert scene.metric("handshakes_over_max_total") > 0
    assert scene.relay.process.text().count("limit=max_handshakes ") <= 2, "not a line for each"
    for each in silent:
        each.sock.close()
    until("there is room again", lambda: scene.control().sock.close() is None)


def test_visitors_that_never_say_whom_they_want_are_bounded(group):
    scene = Scene(group, max_handshakes=3)
    silent = [socket.create_connection(scene.alone.front) for _ in range(4)]

    def refused():
        # any of them: the system shows the silent to the relay later, in an order of its own
        ready, _, _ = select.select(silent, [], [], 0)
        return [sock for sock in ready if sock.recv(1) == b""]

    assert len(until("one is refused", refused)) == 1
    assert scene.metric("handshakes_over_max_total") == 1
    for each in silent:
        each.close()
    until("there is room again", lambda: scene.alone.get(scene.host).status == 404)


@pytest.mark.parametrize("channel", ["control", "transfer"])
def test_pongs_to_an_agent_that_does_not_read_are_bounded(scene, channel):
    control = scene.control()
    control_or_channel = control if channel == "control" else scene.tunnel(control)[1]
    before = scene.relay.process.rss_kib()
    pings = frame(PING, b"x" * 125) * 1000
    for _ in range(200):  # 25 MB of answers
        control_or_channel.send(pings)
    assert scene.relay.process.rss_kib() - before < 20_000
    # Who reads again is answered again.
    control_or_channel.send(frame(PING, b"last"))
    reader = Thread(read_until_quiet, control_or_channel)
    until("it is answered", lambda: control_or_channel.send(frame(PING, b"new")) or
          (PONG, b"new") in seen, interval=0.1)
    control_or_channel.sock.shutdown(socket.SHUT_RDWR)
    reader.join()


seen = set()


def read_until_quiet(agent):
    seen.clear()
    try:
        while True:
            seen.add(agent.read_frame())
    except (EOFError, OSError):
        pass


def test_channel_whose_visitor_left_is_closed_when_the_agent_never_ends_its_side(scene):
    visitor, channel = scene.tunnel(scene.control())
    visitor.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    visitor.close()
    assert channel.read_message("abort")["visit"] == "1"
    assert channel.close_code() == 1000
    until("it is gone", lambda: scene.metric("transfers") == 0)


def test_idle_channels_of_a_replaced_session_are_not_offered_to_visitors(group):
    """The agent came back by itself: its link was lost, and its idle channels with it."""
    scene = Scene(group)
    first = scene.control()
    visitor, channel = scene.tunnel(first)
    channel.send(frame(BINARY, b"HTTP/1.1 204 No Content\r\n\r\n"))
    visitor.read_answer()
    visitor.close()
    assert channel.read_frame() == (BINARY, b"")
    channel.send(frame(BINARY, b""))
    until("it is idle", lambda: channel.send(frame(PING)) or channel.read_frame()[0] == PONG)
    second = scene.control()
    assert channel.close_code() == 1000
    with scene.visit():
        assert second.read_message("open")["id"], "a new channel is dug"


def test_visitor_whose_device_goes_is_held_for_the_whole_time(scene):
    control = scene.control()
    answer = Thread(get_timed, scene.alone.front, scene.host)
    control.read_message("open")
    control.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    control.sock.close()
    answer, took = answer.get()
    assert answer.status == 503
    assert 2.5 < took < 6, "held for three seconds, not for the rest of the open's time"
