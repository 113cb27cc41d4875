# SPDX-License-Identifier: MIT
"""The tables of docs/PROTOCOL.md section 8, row by row, from the relay's side: both our agent and
the foreign one have to act as they say."""
import pathlib
import re
import socket
import sys
import time

import pytest

from harness.fakes import BINARY, CLOSE, PING, PONG, TEXT, FakeRelay, frame
from harness.process import Process
from harness.programs import Agent, Device
from harness.wait import until

FOREIGN = pathlib.Path(__file__).with_name("third_party_agent.py")
ours_only = pytest.mark.parametrize("kind", ["ours"])
both = pytest.mark.parametrize("kind", ["ours", "foreign"])


class Stage:
    """A fake relay, one agent, and a service whose connections the test holds in hand."""

    def __init__(self, group, kind, relay=None, **config):
        self.group = group
        self.service = socket.create_server(("127.0.0.1", 0))
        self.service.settimeout(15)
        self.relay = relay or FakeRelay()
        self.device = Device("actor")
        services = [f"web:http:127.0.0.1:{self.service.getsockname()[1]}",
                    "dead:tcp:127.0.0.1:1"]
        if kind == "ours":
            self.agent = Agent(group, self.device, [self.relay.url], services, start=False,
                               **config)
            self.agent.start(wait=False)
            self.process = self.agent.process
        else:
            secret = group.folder / "secret"
            secret.write_text(self.device.secret)
            arguments = ["--relay", self.relay.url, "--name", "actor", "--secret-file", secret]
            for service in services:
                arguments += ["--service", service]
            self.process = Process(group, "foreign", [sys.executable, str(FOREIGN),
                                                      *map(str, arguments)], ends=(-15,))
        self.control = self.relay.control()

    def channel(self):
        return self.relay.transfer(self.control)

    def open(self, channel, service="web", data=b""):
        """A visit begins, and the service takes it: the service's socket."""
        visit = next(channel.visits)
        channel.say(op="open", visit=visit, service=service, **{"from": "192.0.2.1:50312"})
        if data:
            channel.send_frame(BINARY, data)
        sock, _ = self.service.accept()
        sock.settimeout(15)
        assert channel.expect("opened")["visit"] == str(visit)
        return sock

    def check_reusable(self, channel):
        """The channel is idle: the next visit goes both ways and ends."""
        with self.open(channel) as sock:
            channel.send_frame(BINARY, b"in")
            assert read_exactly(sock, 2) == b"in"
            sock.sendall(b"out")
            assert read_payload(channel, 3) == b"out"
            self.end_both(channel, sock)

    @staticmethod
    def end_both(channel, sock):
        channel.send_frame(BINARY)
        assert sock.recv(10) == b""
        sock.shutdown(socket.SHUT_WR)
        assert channel.read_frame() == (BINARY, b"")


def read_exactly(sock, count):
    got = b""
    while len(got) < count:
        data = sock.recv(count - len(got))
        assert data, got
        got += data
    return got


def read_payload(channel, count):
    got = b""
    while len(got) < count:
        opcode, data = channel.read_frame()
        assert opcode == BINARY and data, (opcode, data)
        got += data
    return got


def outcome(sock):
    try:
        return "end" if sock.recv(10) == b"" else "bytes"
    except ConnectionResetError:
        return "reset"


def is_reset(sock):
    """For a socket that has read the end already, where recv() does not tell."""
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == 7  # TCP_CLOSE


@pytest.fixture
def stage(group, kind):
    stage = Stage(group, kind)
    yield stage
    stage.relay.close()
    stage.service.close()


@both
def test_control_request_has_what_the_protocol_asks_for(stage):
    head = stage.control.head
    assert head.startswith("GET /v1/control?")
    query = stage.control.query
    assert ("name", "actor") in query
    assert [value for key, value in query if key == "service"] == ["web:http", "dead:tcp"]
    assert re.search(r"instance=[!-~]{1,64}", head)
    lower = head.lower()
    assert f"authorization: bearer {stage.device.secret.lower()}" in lower
    assert stage.device.secret not in head.split("\r\n")[0]
    assert "sec-websocket-protocol: taupe.v1" in lower
    assert "sec-websocket-version: 13" in lower
    assert "sec-websocket-extensions" not in lower


@ours_only
def test_first_bytes_of_the_service_stand_for_opened(stage):
    channel = stage.channel()
    channel.say(op="open", visit=next(channel.visits), service="web")
    channel.send_frame(BINARY, b"question")
    sock, _ = stage.service.accept()
    sock.settimeout(15)
    with sock:
        assert read_exactly(sock, 8) == b"question"
        sock.sendall(b"answer")
        assert channel.read_frame() == (BINARY, b"answer")
        stage.end_both(channel, sock)
    stage.check_reusable(channel)


@both
def test_visit_with_half_close_from_the_visitor_then_the_service(stage):
    channel = stage.channel()
    with stage.open(channel, data=b"early ") as sock:
        channel.send_frame(BINARY, b"bytes")
        assert read_exactly(sock, 11) == b"early bytes"
        channel.send_frame(BINARY)
        assert sock.recv(10) == b""
        sock.sendall(b"answer after the end")
        assert read_payload(channel, 20) == b"answer after the end"
        sock.shutdown(socket.SHUT_WR)
        assert channel.read_frame() == (BINARY, b"")
    stage.check_reusable(channel)


@both
def test_visit_with_half_close_from_the_service_then_the_visitor(stage):
    channel = stage.channel()
    with stage.open(channel) as sock:
        sock.sendall(b"all of it")
        sock.shutdown(socket.SHUT_WR)
        assert read_payload(channel, 9) == b"all of it"
        assert channel.read_frame() == (BINARY, b"")
        channel.send_frame(BINARY, b"late")
        assert read_exactly(sock, 4) == b"late"
        channel.send_frame(BINARY)
        assert sock.recv(10) == b""
    stage.check_reusable(channel)


@both
def test_fragments_with_pings_between_them_are_one_stream(stage):
    channel = stage.channel()
    with stage.open(channel) as sock:
        channel.send_frame(BINARY, b"one ", fin=False)
        channel.send_frame(PING, b"now")
        assert channel.read_frame() == (PONG, b"now")
        channel.send_frame(0, b"", fin=False)
        channel.send_frame(0, b"two", fin=True)
        assert read_exactly(sock, 7) == b"one two"
        # An empty message in two fragments is the end; an empty fragment was not.
        channel.send_frame(BINARY, b"", fin=False)
        channel.send_frame(0, b"", fin=True)
        assert sock.recv(10) == b""
        sock.shutdown(socket.SHUT_WR)
        assert channel.read_frame() == (BINARY, b"")
    stage.check_reusable(channel)


@both
def test_bytes_cut_anywhere_are_understood(stage):
    channel = stage.channel()
    with stage.open(channel) as sock:
        for byte in frame(BINARY, b"cut to pieces", mask=None) + frame(BINARY, b"", mask=None):
            channel.send(bytes([byte]))
        assert read_exactly(sock, 13) == b"cut to pieces"
        assert sock.recv(10) == b""
        sock.shutdown(socket.SHUT_WR)
        assert channel.read_frame() == (BINARY, b"")
    stage.check_reusable(channel)


@both
def test_abort_resets_the_service_and_is_answered(stage):
    channel = stage.channel()
    with stage.open(channel) as sock:
        channel.say(op="abort", visit=1, reason="visitor reset")
        assert outcome(sock) == "reset"
        channel.expect("abort", visit="1")
    stage.check_reusable(channel)


@both
def test_abort_after_the_relays_own_end_is_answered(stage):
    channel = stage.channel()
    with stage.open(channel) as sock:
        channel.send_frame(BINARY)
        assert sock.recv(10) == b""
        channel.say(op="abort", visit=1)
        until("the service is reset", lambda: is_reset(sock))
        channel.expect("abort", visit="1")
    stage.check_reusable(channel)


@both
def test_abort_after_the_services_end_is_not_answered(stage):
    channel = stage.channel()
    with stage.open(channel) as sock:
        sock.shutdown(socket.SHUT_WR)
        assert channel.read_frame() == (BINARY, b"")
        channel.say(op="abort", visit=1)
        assert outcome(sock) == "reset"
    stage.check_reusable(channel)


@both
def test_late_abort_is_ignored(stage):
    channel = stage.channel()
    with stage.open(channel) as sock:
        stage.end_both(channel, sock)
    channel.say(op="abort", visit=1)  # crossed the end
    with stage.open(channel) as sock:
        channel.say(op="abort", visit=1)
        channel.say(op="later", visit=2)
        channel.send_frame(BINARY, b"still here")
        assert read_exactly(sock, 10) == b"still here"
        stage.end_both(channel, sock)


@both
def test_reset_of_the_service_is_an_abort_and_what_still_comes_is_discarded(stage):
    channel = stage.channel()
    sock = stage.open(channel)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()
    channel.expect("abort", visit="1")
    channel.send_frame(BINARY, b"on its way")
    channel.send_frame(BINARY, b"x" * 5000)
    channel.say(op="abort", visit=1)
    stage.check_reusable(channel)


@both
def test_aborts_that_cross_need_no_answer(stage):
    channel = stage.channel()
    sock = stage.open(channel)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()
    channel.say(op="abort", visit=1)
    channel.expect("abort", visit="1")
    stage.check_reusable(channel)


@both
@pytest.mark.parametrize("end", ["abort", "empty"])
def test_dead_service_is_refused_and_the_channel_goes_on(stage, end):
    channel = stage.channel()
    channel.say(op="open", visit=next(channel.visits), service="dead", **{"from": "192.0.2.1:1"})
    channel.send_frame(BINARY, b"GET / HTTP/1.1\r\n\r\n")
    refused = channel.expect("refused", visit="1")
    assert refused["reason"]
    if end == "abort":
        channel.say(op="abort", visit=1)
    else:
        channel.send_frame(BINARY)
    stage.check_reusable(channel)


@both
def test_service_that_was_not_offered_is_refused(stage):
    channel = stage.channel()
    channel.say(op="open", visit=next(channel.visits), service="cellar", **{"from": "192.0.2.1:1"})
    channel.expect("refused", visit="1")
    channel.say(op="abort", visit=1)
    stage.check_reusable(channel)


@both
def test_ping_is_answered_on_control_and_on_transfer_in_every_state(stage):
    stage.control.send_frame(PING, b"control")
    assert stage.control.read_frame() == (PONG, b"control")
    channel = stage.channel()
    channel.send_frame(PING, b"idle")
    assert channel.read_frame() == (PONG, b"idle")
    with stage.open(channel) as sock:
        channel.send_frame(PING, b"p" * 125)
        assert channel.read_frame() == (PONG, b"p" * 125)
        channel.send_frame(BINARY)
        channel.send_frame(PING, b"after the end")
        assert channel.read_frame() == (PONG, b"after the end")
        assert sock.recv(10) == b""
        sock.shutdown(socket.SHUT_WR)
        assert channel.read_frame() == (BINARY, b"")


@both
def test_unknown_ops_and_keys_are_ignored(stage):
    stage.control.say(op="later", what="ever")
    channel = stage.channel()
    channel.say(op="later")
    visit = next(channel.visits)
    channel.say(op="open", visit=visit, service="web", colour="blue", **{"from": "[::1]:1"})
    sock, _ = stage.service.accept()
    channel.expect("opened", visit=str(visit))
    with sock:
        stage.end_both(channel, sock)


@both
def test_several_channels_carry_visits_side_by_side(stage):
    channels = [stage.channel() for _ in range(4)]
    socks = []
    for number, channel in enumerate(channels):
        channel.say(op="open", visit=1, service="web", **{"from": "192.0.2.1:1"})
        socks.append(stage.service.accept()[0])
        channel.expect("opened", visit="1")
        channel.send_frame(BINARY, f"visitor {number}".encode())
    for number, sock in enumerate(socks):
        assert read_exactly(sock, 9) == f"visitor {number}".encode()
        sock.close()


@both
def test_lost_channel_resets_its_service(stage):
    channel = stage.channel()
    with stage.open(channel) as sock:
        channel.close()
        assert outcome(sock) in ("reset", "end")


@both
def test_lost_control_channel_does_not_end_a_visit(stage):
    channel = stage.channel()
    with stage.open(channel) as sock:
        stage.control.close()
        stage.relay.control()
        channel.send_frame(BINARY, b"still here")
        assert read_exactly(sock, 10) == b"still here"
        sock.sendall(b"me too")
        assert read_payload(channel, 6) == b"me too"
        stage.end_both(channel, sock)


@both
def test_agent_pings_when_it_has_been_silent(group, kind):
    stage = Stage(group, kind, FakeRelay(heartbeat_ms=200))
    for _ in range(3):
        opcode, payload = stage.control.read_frame()
        assert opcode == PING
        stage.control.send_frame(PONG, payload)
    stage.relay.close()


@both
def test_agent_drops_a_relay_that_has_been_silent_for_three_intervals(group, kind):
    stage = Stage(group, kind, FakeRelay(heartbeat_ms=200))
    start = time.monotonic()
    second = stage.relay.control()  # nothing is answered on the first
    assert 0.3 < time.monotonic() - start < 8
    second.close()
    stage.relay.close()


# ------------------------------------------------------------------- ours only ----

MUST_CLOSE = {
    "binary_when_idle": (1002, [(BINARY, b"x")]),
    "end_when_idle": (1002, [(BINARY, b"")]),
    "malformed": (1002, [(TEXT, b"op=open&visit=")]),
    "wrong_visit_number": (1002, [(TEXT, b"op=open&visit=7&service=web&from=1.2.3.4:5")]),
    "not_ascii": (1007, [(TEXT, b"op=\xc3\xa9")]),
    "too_long": (1009, [(TEXT, b"op=x&y=" + b"z" * 5000)]),
}


@ours_only
@pytest.mark.parametrize("name", MUST_CLOSE)
def test_broken_rule_on_an_idle_channel_closes_it(stage, name):
    code, frames = MUST_CLOSE[name]
    channel = stage.channel()
    for opcode, payload in frames:
        channel.send_frame(opcode, payload)
    assert channel.close_code() == code
    # Only that one.
    stage.check_reusable(stage.channel())


@ours_only
@pytest.mark.parametrize("name,opcode,payload", [
    ("second_open", TEXT, b"op=open&visit=2&service=web&from=1.2.3.4:5"),
    ("malformed", TEXT, b"visit=1"), ("reserved", 4, b"")])
def test_broken_rule_during_a_visit_closes_the_channel_and_resets_the_service(
        stage, name, opcode, payload):
    channel = stage.channel()
    with stage.open(channel) as sock:
        channel.send_frame(opcode, payload)
        assert channel.close_code() == 1002, name
        assert outcome(sock) in ("reset", "end")


@ours_only
def test_payload_after_the_relays_end_closes_the_channel(stage):
    channel = stage.channel()
    with stage.open(channel) as sock:
        channel.send_frame(BINARY)
        channel.send_frame(BINARY, b"more")
        assert channel.close_code() == 1002
        assert outcome(sock) in ("reset", "end")


@ours_only
def test_move_opens_the_new_channel_before_it_leaves_the_old(stage):
    second = FakeRelay()
    channel = stage.channel()
    with stage.open(channel) as sock:
        stage.control.say(op="move", to=second.url, reason="drain")
        arrived = second.control()
        first_instance = dict(stage.control.query)["instance"]
        assert dict(arrived.query)["instance"] == first_instance
        opcode, payload = stage.control.read_frame()
        assert (opcode, payload[:2]) == (CLOSE, b"\x03\xe8")
        # The visit goes on at the old relay.
        channel.send_frame(BINARY, b"still here")
        assert read_exactly(sock, 10) == b"still here"
        stage.end_both(channel, sock)
    second.close()


@ours_only
def test_move_out_of_the_allowed_hosts_is_refused(stage):
    bait = FakeRelay(host="127.0.0.2")
    stage.control.say(op="move", to=bait.url)
    stage.control.send_frame(PING, b"there?")
    assert stage.control.read_frame() == (PONG, b"there?")
    stage.process.wait_line("redirect refused")
    stage.check_reusable(stage.channel())
    assert bait.connections == 0
    bait.close()


@ours_only
def test_failed_move_leaves_the_agent_where_it_is(stage):
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    stage.control.say(op="move", to=f"ws://127.0.0.1:{port}")
    until("it is logged", lambda: stage.process.lines("level=warn"))
    stage.check_reusable(stage.channel())


def answer(status, body="", *fields):
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close",
             "Content-Type: application/x-www-form-urlencoded", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def test_retry_after_is_a_lower_bound(group):
    relay = FakeRelay(answers=[answer(503, "error=unavailable&reason=full", "Retry-After: 2")])
    start = time.monotonic()
    stage = Stage(group, "ours", relay)
    assert 2 <= time.monotonic() - start < 12
    assert stage.process.lines("503")
    relay.close()


@pytest.mark.parametrize("status,body,word", [
    (401, "error=unauthorized&reason=unknown%20device%20or%20wrong%20secret", "wrong secret"),
    (409, "error=held&reason=held&since=2026-01-31T04:40:00Z&from=203.0.113.7:51234&relay=r1",
     "2026-01-31T04:40:00Z"),
])
def test_refusal_is_logged_once_and_waits_the_longest_delay(group, status, body, word):
    relay = FakeRelay(answers=[answer(status, body)] * 1)
    start = time.monotonic()
    stage = Stage(group, "ours", relay, reconnect_min="50ms", reconnect_max="2s")
    assert time.monotonic() - start >= 1, "at least half of the longest delay"
    assert len(stage.process.lines(word)) == 1
    relay.close()


def test_lease_and_peers_of_the_welcome_are_kept_and_used(group):
    second = FakeRelay(welcome="&lease=token-2")
    relay = FakeRelay(welcome=f"&lease=token-1&peer={second.url}")
    stage = Stage(group, "ours", relay)
    until("the state is stored", lambda: "token-1" in stage.agent.state_file.read_text())
    relay.close()
    stage.control.close()
    moved = second.control()
    assert dict(moved.query)["lease"] == "token-1"
    # A new process still knows, though its configuration names the dead relay only.
    until("the state is stored", lambda: "token-2" in stage.agent.state_file.read_text())
    moved.close()
    stage.agent.kill()
    stage.agent.start(wait=False)
    again = second.control()
    assert dict(again.query)["lease"] == "token-2"
    assert dict(again.query)["instance"] != dict(moved.query)["instance"]
    again.close()
    second.close()


def test_agent_says_goodbye_when_it_is_stopped(group):
    stage = Stage(group, "ours")
    stage.process.expected = {0}
    stage.process.send_signal(15)
    assert stage.control.close_code() == 1000
    stage.control.send_frame(CLOSE, b"\x03\xe8")
    stage.process.ends(0)
    stage.relay.close()
