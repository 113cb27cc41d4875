# SPDX-License-Identifier: MIT
"""Shared channels (docs/PROTOCOL.md sections 5.6 to 5.8), and a control channel on which visits
ride (section 5.9), as taupe-agent serves them, from the side of a scripted relay."""
import contextlib
import hashlib
import os
import signal
import socket
import struct
import threading
import time
import urllib.parse

import pytest

from harness.counting import is_asleep, wake_ups
from harness.fakes import BINARY, CLOSE, PING, PONG, TEXT, FakeRelay, frame
from harness.programs import Agent, Device
from harness.wait import stays, until

WINDOW = 65536
MEGABYTE = 1 << 20


def unmask(data, mask):
    size = len(data)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


class Channel:
    """A relay's end of a channel, read by a thread; subclasses say what a frame means."""

    def __init__(self, end):
        self.end, self.sock = end, end.sock
        self.changed = threading.Condition()
        self.closed = None  # close code, or "lost"
        self.pongs = []
        self.held = threading.Event()  # cleared: the channel is not read
        self.held.set()
        self.writing = threading.Lock()
        threading.Thread(target=self._read, daemon=True).start()

    def _exactly(self, file, count):
        data = file.read(count)
        if len(data) < count:
            raise EOFError
        return data

    def _read(self):
        with contextlib.suppress(OSError, EOFError, ValueError), self.sock.makefile("rb") as file:
            while self.closed is None:
                self.held.wait(30)
                first, second = self._exactly(file, 2)
                assert second & 0x80, "an agent masks"
                length = second & 0x7f
                if length == 126:
                    length, = struct.unpack(">H", self._exactly(file, 2))
                elif length == 127:
                    length, = struct.unpack(">Q", self._exactly(file, 8))
                mask = self._exactly(file, 4)
                data = unmask(self._exactly(file, length), mask)
                with self.changed:
                    self._take(first & 15, data)
                    self.changed.notify_all()
        with self.changed:
            self.closed = self.closed or "lost"
            self.changed.notify_all()

    def _take(self, opcode, data):
        if opcode == TEXT:
            pairs = dict(urllib.parse.parse_qsl(data.decode()))
            self.take_message(pairs.pop("op"), int(pairs.pop("visit")), pairs)
        elif opcode == BINARY:
            self.take_bytes(data)
        elif opcode == CLOSE:
            self.closed = struct.unpack(">H", data[:2])[0]
        elif opcode == PONG:
            self.pongs.append(data)

    def frame(self, opcode, payload=b""):
        with self.writing:
            self.end.send_frame(opcode, payload)

    def say(self, **pairs):
        self.frame(TEXT, urllib.parse.urlencode(pairs, safe=":/[]"))

    def wait(self, what, condition, timeout=20):
        with self.changed:
            assert self.changed.wait_for(condition, timeout), what
            return condition()

    def close_code(self):
        return self.wait("the end of the channel", lambda: self.closed)


class Visit:
    """One visit as the relay sees it."""

    def __init__(self, channel, number):
        self.channel, self.number = channel, number
        self.data = bytearray()
        self.ended = False
        self.messages = []  # (op, pairs)
        self.credit = self.window = WINDOW

    def has(self, op):
        return [pairs for name, pairs in self.messages if name == op]

    def expect(self, op):
        return self.channel.wait(f"{op} of {self.number}", lambda: self.has(op))[0]

    def read(self, count):
        self.channel.wait(f"{count} bytes of {self.number}, not {len(self.data)}",
                          lambda: len(self.data) >= count)
        data, self.data = bytes(self.data[:count]), self.data[count:]
        return data

    def read_end(self):
        self.channel.wait(f"the end of {self.number}", lambda: self.ended)

    def say(self, op, **pairs):
        self.channel.say(op=op, visit=self.number, **pairs)

    def give(self, count):
        self.window += count
        self.say("credit", bytes=count)


class SharedVisit(Visit):
    def send(self, data, piece=16384):
        """Send as the credit allows."""
        for at in range(0, len(data), piece):
            part = data[at:at + piece]
            self.channel.wait(f"credit for {self.number}", lambda: self.credit >= len(part))
            self.credit -= len(part)
            self.channel.payload(self.number, part)

    def end(self):
        self.channel.payload(self.number)


class Shared(Channel):
    def __init__(self, end):
        self.visits = {}
        self.last = 0
        self.giving = True  # credit for what comes
        super().__init__(end)

    def payload(self, number, data=b""):
        self.frame(BINARY, struct.pack(">I", number) + data)

    def open(self, service="web"):
        self.last += 1
        visit = self.visits[self.last] = SharedVisit(self, self.last)
        visit.say("open", service=service, **{"from": "192.0.2.1:50312"})
        return visit

    def take_message(self, op, number, pairs):
        visit = self.visits[number]
        visit.messages.append((op, pairs))
        if op == "credit":
            visit.credit += int(pairs["bytes"])

    def take_bytes(self, data):
        number, = struct.unpack(">I", data[:4])
        visit = self.visits[number]
        assert not visit.ended
        if len(data) == 4:
            visit.ended = True
            return
        visit.window -= len(data) - 4
        assert visit.window >= 0, "beyond its window"
        visit.data += data[4:]
        if self.giving and visit.window <= WINDOW // 2:
            visit.give(WINDOW - visit.window)


class Single(Channel):
    """A transfer channel for one visit at a time."""

    def __init__(self, end):
        self.visit = None
        self.last = 0
        super().__init__(end)

    def open(self, **pairs):
        self.last += 1
        self.visit = Visit(self, self.last)
        self.visit.say("open", service="web", **pairs)
        return self.visit

    def take_message(self, op, number, pairs):
        assert number == self.visit.number
        self.visit.messages.append((op, pairs))

    def take_bytes(self, data):
        assert not self.visit.ended
        self.visit.data += data
        self.visit.ended = not data


class Stage:
    """A fake relay, an agent, and a service whose connections the test holds in hand."""

    def __init__(self, group, rides=False, **config):
        self.group, self.rides = group, rides
        if rides:
            config["one_connection"] = True
        self.ridden = None  # the control channel that is a shared one
        self.service = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.service.settimeout(15)
        self.relay = FakeRelay()
        services = [f"web:http:127.0.0.1:{self.service.getsockname()[1]}",
                    "dead:tcp:127.0.0.1:1"]
        self.agent = Agent(group, Device("actor"), [self.relay.url], services, start=False,
                           **config)
        self.agent.start(wait=False)
        self.control = self.relay.control()

    def dig(self, **pairs):
        channel_id = os.urandom(16).hex()
        self.control.say(op="open", id=channel_id, **pairs)
        end = self.relay.transfers.get(timeout=15)
        assert end.query == [("id", channel_id)]
        return end, channel_id

    def shared(self):
        """A new one; where visits ride, a new session if this one was used for it."""
        if self.rides:
            if self.control is self.ridden:
                self.control = self.relay.control()
            self.ridden = self.control
            return Shared(self.control)
        end, channel_id = self.dig(mux=1)
        shared = Shared(end)
        shared.id = channel_id
        return shared

    def single(self):
        return Single(self.dig()[0])

    def accept(self):
        sock, _ = self.service.accept()
        sock.settimeout(15)
        return sock

    def open(self, shared, joined=False):
        """A visit, and its service's socket. One after the other: who is accepted is known. joined:
        and the agent knows that it is connected."""
        visit = shared.open()
        sock = self.accept()
        if joined:
            visit.expect("opened")
        return visit, sock

    def close(self):
        self.relay.close()
        self.service.close()


BOTH = pytest.mark.parametrize("stage", [False, True], indirect=True, ids=["shared", "ride"])


@pytest.fixture
def stage(group, request):
    stage = Stage(group, rides=getattr(request, "param", False))
    yield stage
    stage.close()


def read_exactly(sock, count):
    got = bytearray()
    while len(got) < count:
        data = sock.recv(min(count - len(got), 65536))
        assert data, len(got)
        got += data
    return bytes(got)


def outcome(sock):
    try:
        return "end" if sock.recv(10) == b"" else "bytes"
    except ConnectionResetError:
        return "reset"


def is_reset(sock):
    """For a socket that may have read the end already, where recv() does not tell."""
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == 7  # TCP_CLOSE


def check_still_good(stage, shared):
    """One more visit goes both ways and ends."""
    visit, sock = stage.open(shared)
    with sock:
        visit.send(b"in")
        assert read_exactly(sock, 2) == b"in"
        sock.sendall(b"out")
        assert visit.read(3) == b"out"
        visit.end()
        assert sock.recv(10) == b""
        sock.shutdown(socket.SHUT_WR)
        visit.read_end()


def may_send(visit, count, timeout=1):
    """Is there credit for so many, or does it come?"""
    with visit.channel.changed:
        return visit.channel.changed.wait_for(lambda: visit.credit >= count, timeout)


def test_offer_is_in_the_control_request(stage):
    query = dict(stage.control.query)
    assert (query["mux"], query["visits"]) == ("1", "256")
    assert "window" not in query


@pytest.mark.parametrize("config, offer", [({"mux": "no"}, None), ({"shared_visits": "7"}, "7")])
def test_offer_follows_the_configuration(group, config, offer):
    stage = Stage(group, **config)
    query = dict(stage.control.query)
    assert query.get("visits") == offer
    assert query.get("mux") == (offer and "1")
    if offer is None:
        stage.control.say(op="open", id="0" * 32, mux=1)
        assert "reason" in stage.control.expect("refused")
    stage.close()


@BOTH
def test_twenty_visits_at_once_are_kept_apart(stage):
    shared = stage.shared()
    pairs = [stage.open(shared) for _ in range(20)]
    for number, (visit, sock) in enumerate(pairs):
        visit.send(b"question %d" % number)
    for number, (visit, sock) in enumerate(pairs):
        assert read_exactly(sock, len(b"question %d" % number)) == b"question %d" % number
        sock.sendall(b"answer %d" % number)
        sock.shutdown(socket.SHUT_WR)
    for number, (visit, sock) in reversed(list(enumerate(pairs))):
        assert visit.read(len(b"answer %d" % number)) == b"answer %d" % number
        visit.read_end()
        visit.end()
        assert sock.recv(10) == b""
        sock.close()
        assert not visit.has("opened"), "its payload said so"
    check_still_good(stage, shared)


@BOTH
def test_bytes_before_the_service_is_connected_reach_it(stage):
    shared = stage.shared()
    visit = shared.open()
    visit.send(b"early ")
    visit.send(b"bird")
    visit.end()
    with stage.accept() as sock:
        assert read_exactly(sock, 10) == b"early bird"
        assert sock.recv(10) == b""
        sock.sendall(b"worm")
    assert visit.read(4) == b"worm"
    visit.read_end()
    check_still_good(stage, shared)


@pytest.mark.parametrize("kind", ["shared", "single"])
def test_small_pieces_that_wait_for_the_service_take_little_memory(group, kind):
    """The service's queue of connections is full for a while; each piece is a byte."""
    count = 60_000
    stage = Stage(group, service_timeout="60s")
    stage.service.settimeout(60)
    stage.service.listen(0)
    fillers = [socket.socket() for _ in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(stage.service.getsockname())
    channel = stage.single() if kind == "single" else stage.shared()
    visit = channel.open()
    prefix = struct.pack(">I", visit.number) if kind == "shared" else b""
    piece = frame(BINARY, prefix + b"x", mask=None)
    before = stage.agent.process.rss_kib()
    channel.end.send(piece * count)
    channel.frame(PING, b"all of it")
    channel.wait("the pong", lambda: channel.pongs, timeout=60)
    grown = stage.agent.process.rss_kib() - before
    print(f"{grown} KiB for {count} bytes")
    assert grown < 20_000
    stage.service.listen(100)
    while True:
        sock = stage.accept()
        with sock:
            if sock.getpeername() not in [filler.getsockname() for filler in fillers]:
                assert read_exactly(sock, count) == b"x" * count
                break
    for filler in fillers:
        filler.close()
    stage.close()


@BOTH
def test_silent_service_is_opened_after_a_moment(stage):
    shared = stage.shared()
    visit, sock = stage.open(shared)
    visit.expect("opened")
    sock.close()
    visit.read_end()


@BOTH
def test_service_that_cannot_be_reached_is_refused(stage):
    shared = stage.shared()
    for service in ("dead", "none"):
        visit = shared.open(service)
        assert visit.expect("refused")["reason"]
        visit.send(b"discarded")
        visit.end()
    check_still_good(stage, shared)


@BOTH
def test_service_that_does_not_read_holds_nobody_up(stage):
    shared = stage.shared()
    stuck, stuck_sock = stage.open(shared)
    # More than the sockets on the way take, but no more than the window beyond them.
    sent = 0
    while sent < 64 * MEGABYTE and may_send(stuck, 16384):
        stuck.send(b"x" * 16384)
        sent += 16384
    assert sent < 64 * MEGABYTE, "it was given credit without end"
    for _ in range(19):
        visit, sock = stage.open(shared)
        data = os.urandom(200000)
        writer = threading.Thread(target=visit.send, args=(data,))
        writer.start()
        assert read_exactly(sock, len(data)) == data
        writer.join()
        sock.close()
        visit.read_end()
        visit.end()
    assert stuck.credit <= WINDOW
    read_exactly(stuck_sock, sent)
    shared.wait("credit again", lambda: WINDOW // 2 <= stuck.credit <= WINDOW)
    stuck_sock.close()


@BOTH
def test_megabyte_each_way_with_credit(stage):
    shared = stage.shared()
    visit, sock = stage.open(shared)
    there, back = os.urandom(MEGABYTE), os.urandom(MEGABYTE)
    sender = threading.Thread(target=visit.send, args=(there,))
    answerer = threading.Thread(target=sock.sendall, args=(back,))
    sender.start()
    answerer.start()
    assert read_exactly(sock, MEGABYTE) == there
    assert visit.read(MEGABYTE) == back
    assert sum(int(pairs["bytes"]) for pairs in visit.has("credit")) >= MEGABYTE - WINDOW
    # Given in halves of the window and not in crumbs.
    assert all(int(pairs["bytes"]) >= WINDOW // 2 for pairs in visit.has("credit"))
    sock.close()


@BOTH
def test_agent_stops_at_its_credit(stage):
    shared = stage.shared()
    shared.giving = False
    visit, sock = stage.open(shared)
    data = os.urandom(3 * WINDOW)
    writer = threading.Thread(target=sock.sendall, args=(data,))
    writer.start()
    got = visit.read(WINDOW)
    stays("nothing beyond the window", lambda: not visit.data, 0.3)
    visit.give(1)
    got += visit.read(1)
    stays("nothing beyond the credit", lambda: not visit.data, 0.2)
    visit.give(2 * WINDOW)
    assert got + visit.read(2 * WINDOW - 1) == data
    writer.join()
    sock.close()
    visit.read_end()


@BOTH
def test_half_close_each_way(stage):
    shared = stage.shared()
    visit, sock = stage.open(shared)
    visit.end()
    assert sock.recv(10) == b""
    sock.sendall(b"after the visitor's end")
    assert visit.read(23) == b"after the visitor's end"
    sock.close()
    visit.read_end()
    visit, sock = stage.open(shared)
    sock.sendall(b"all of it")
    sock.shutdown(socket.SHUT_WR)
    assert visit.read(9) == b"all of it"
    visit.read_end()
    visit.send(b"after the service's end")
    assert read_exactly(sock, 23) == b"after the service's end"
    visit.end()
    assert sock.recv(10) == b""
    check_still_good(stage, shared)


@BOTH
def test_aborts_of_the_visitor(stage):
    shared = stage.shared()
    visit, sock = stage.open(shared, joined=True)
    other, other_sock = stage.open(shared)
    visit.say("abort", reason="visitor reset")
    assert outcome(sock) == "reset"
    visit.expect("abort")
    visit.say("abort")  # late
    other.send(b"not me")
    assert read_exactly(other_sock, 6) == b"not me"
    # After our own end there is nothing to answer.
    other_sock.shutdown(socket.SHUT_WR)
    other.read_end()
    other.say("abort")
    assert outcome(other_sock) == "reset"
    check_still_good(stage, shared)
    assert not other.has("abort")


@BOTH
def test_aborts_of_the_service(stage):
    shared = stage.shared()
    visit, sock = stage.open(shared, joined=True)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
    visit.expect("abort")
    visit.send(b"discarded")
    visit.say("abort")
    check_still_good(stage, shared)


@BOTH
@pytest.mark.parametrize("fault, reason", [
    (lambda shared, visit: shared.frame(BINARY, b"\0\0"), "short"),
    (lambda shared, visit: shared.payload(9, b"x"), "no such visit"),
    (lambda shared, visit: [visit.end(), shared.payload(visit.number, b"x")], "after its end"),
    (lambda shared, visit: shared.say(op="open", visit=5, service="web"), "out of turn"),
    (lambda shared, visit: visit.say("moved"), "nothing moves"),
    (lambda shared, visit: [visit.say("credit", bytes=16777216) for _ in range(128)], "credit"),
])
def test_faults_of_the_relay_cost_the_channel(stage, fault, reason):
    shared = stage.shared()
    visit, sock = stage.open(shared, joined=True)
    fault(shared, visit)
    assert shared.close_code() == 1002, reason
    until("the service is reset", lambda: is_reset(sock))
    check_still_good(stage, stage.shared())


@pytest.mark.parametrize("rides", [False, True], ids=["shared", "ride"])
def test_more_visits_than_offered_cost_the_channel(group, rides):
    stage = Stage(group, rides, shared_visits=2)
    shared = stage.shared()
    stage.open(shared), stage.open(shared)
    shared.open()
    assert shared.close_code() == 1002
    stage.close()


@BOTH
def test_payload_beyond_the_window_costs_the_channel(stage):
    shared = stage.shared()
    visit, _sock = stage.open(shared)
    visit.credit = 1 << 40
    with contextlib.suppress(OSError):
        visit.send(b"x" * (32 * MEGABYTE))
    assert shared.close_code() == 1002


@BOTH
def test_ping_is_answered_amid_visits(stage):
    shared = stage.shared()
    shared.frame(PING, b"first")
    stage.open(shared)
    shared.frame(PING, b"second")
    shared.wait("pongs", lambda: shared.pongs == [b"first", b"second"])


# ---- moving ----


class Move:
    """A visit that moves, with a service that sends and receives meanwhile."""

    def __init__(self, stage):
        self.stage = stage
        self.shared = stage.shared()
        self.visit, self.sock = stage.open(self.shared, joined=True)
        self.single = stage.single()

    def open(self):
        self.new = self.single.open(shared=self.shared.id, stream=self.visit.number)
        return self.new

    def agreed(self):
        self.open()
        self.visit.expect("moved")
        return self.new


def test_move_in_the_middle_of_ten_megabytes_each_way(stage):
    size = 10 * MEGABYTE
    there, back = os.urandom(size), os.urandom(size)
    move = Move(stage)
    received = bytearray()

    def serve():
        writer = threading.Thread(target=move.sock.sendall, args=(back,))
        writer.start()
        received.extend(read_exactly(move.sock, size))
        writer.join()

    service = threading.Thread(target=serve)
    service.start()
    cut = 3 * MEGABYTE
    move.visit.send(there[:cut])
    move.single.held.clear()  # as a relay does until it knows
    new = move.agreed()
    move.visit.say("moved")
    move.single.held.set()
    for at in range(cut, size, 65536):
        move.single.frame(BINARY, there[at:at + 65536])
    first = bytes(move.visit.data)
    second = new.read(size - len(first))
    assert hashlib.sha256(first + second).digest() == hashlib.sha256(back).digest()
    service.join(20)
    assert hashlib.sha256(received).digest() == hashlib.sha256(there).digest()
    assert first, "it moved amid its bytes"
    move.single.frame(BINARY)
    assert move.sock.recv(10) == b""
    move.sock.close()
    new.read_end()
    assert not move.visit.ended and not move.visit.has("abort")
    check_still_good(stage, move.shared)


def test_bytes_on_the_shared_channel_come_before_those_on_the_new_one(stage):
    move = Move(stage)
    move.agreed()
    # A relay would not have sent them after its open; that they were under way looks the same.
    move.visit.send(b"first ")
    move.single.frame(BINARY, b"second")
    move.visit.send(b"and ")
    assert read_exactly(move.sock, 10) == b"first and "
    move.visit.say("moved")
    assert read_exactly(move.sock, 6) == b"second"
    move.sock.sendall(b"answer")
    assert move.new.read(6) == b"answer"
    assert not move.visit.data


def test_move_after_the_services_end(stage):
    move = Move(stage)
    move.sock.sendall(b"all of it")
    move.sock.shutdown(socket.SHUT_WR)
    move.visit.read_end()
    move.agreed()
    move.new.read_end()
    move.visit.say("moved")
    move.single.frame(BINARY, b"still here")
    assert read_exactly(move.sock, 10) == b"still here"
    move.single.frame(BINARY)
    assert move.sock.recv(10) == b""
    check_still_good(stage, move.shared)


def test_visit_that_cannot_move_stays(stage):
    shared, single = stage.shared(), stage.single()
    over, sock = stage.open(shared)
    sock.close()
    over.read_end()
    over.end()
    for stream in (over.number, 99):
        shared.visits.setdefault(stream, SharedVisit(shared, stream))
        new = single.open(shared=shared.id, stream=stream)
        new.expect("refused")
        shared.visits[stream].expect("stays")
        single.frame(BINARY)
    # A channel that is not there has nothing to say.
    new = single.open(shared="0" * 32, stream=1)
    new.expect("refused")
    single.frame(BINARY)
    check_still_good(stage, shared)
    move = Move(stage)
    move.visit.send(b"and another moves")
    move.agreed()


def test_refused_visit_does_not_move(stage):
    shared, single = stage.shared(), stage.single()
    visit = shared.open("dead")
    visit.expect("refused")
    new = single.open(shared=shared.id, stream=visit.number)
    new.expect("refused")
    visit.expect("stays")
    visit.end()
    check_still_good(stage, shared)


def test_visitors_abort_in_place_of_the_last_word(stage):
    move = Move(stage)
    move.agreed()
    move.visit.say("abort", reason="visitor reset")
    move.new.say("abort")
    assert outcome(move.sock) == "reset"
    move.new.expect("abort")
    assert not move.visit.has("abort")
    check_still_good(stage, move.shared)


def test_service_reset_amid_the_move(stage):
    move = Move(stage)
    move.agreed()
    move.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    move.sock.close()
    move.new.expect("abort")
    move.visit.send(b"was under way")
    move.visit.say("moved")
    move.single.frame(BINARY, b"discarded")
    move.new.say("abort")
    check_still_good(stage, move.shared)
    new = move.single.open()
    with stage.accept() as sock:
        sock.sendall(b"the channel is good")
        assert new.read(19) == b"the channel is good"


def test_shared_channel_lost_amid_the_move(stage):
    move = Move(stage)
    move.agreed()
    move.shared.sock.shutdown(socket.SHUT_RDWR)
    assert outcome(move.sock) == "reset"
    move.new.expect("abort")
    move.new.say("abort")
    move.single.open()
    stage.accept().close()


def test_new_channel_lost_amid_the_move(stage):
    move = Move(stage)
    move.agreed()
    move.single.sock.shutdown(socket.SHUT_RDWR)
    move.visit.send(b"was under way")
    assert read_exactly(move.sock, 13) == b"was under way"
    move.visit.say("abort")
    assert outcome(move.sock) == "reset"
    check_still_good(stage, move.shared)


# ---- ends ----


@BOTH
def test_lost_channel_resets_all_its_visits(stage):
    shared = stage.shared()
    socks = [stage.open(shared, joined=True)[1] for _ in range(5)]
    shared.open("dead")
    shared.sock.shutdown(socket.SHUT_RDWR)
    assert [outcome(sock) for sock in socks] == ["reset"] * 5
    check_still_good(stage, stage.shared())


@BOTH
def test_closed_channel_resets_its_visits(stage):
    shared = stage.shared()
    _, sock = stage.open(shared, joined=True)
    shared.frame(CLOSE, struct.pack(">H", 1001))
    assert shared.close_code() == 1001
    assert outcome(sock) == "reset"


def test_end_of_the_session_does_not_end_visits(stage):
    shared = stage.shared()
    visit, sock = stage.open(shared)
    stage.control.close()
    stage.control = stage.relay.control()
    sock.sendall(b"still here")
    assert visit.read(10) == b"still here"
    sock.close()
    visit.read_end()
    visit.end()
    assert shared.close_code() == 1000, "nobody comes to it any more"
    check_still_good(stage, stage.shared())


def test_stopping_agent_lets_visits_end(group):
    stage = Stage(group, drain_timeout="20s")
    shared = stage.shared()
    visit, sock = stage.open(shared)
    stage.agent.process.send_signal(signal.SIGTERM)
    assert stage.control.close_code() == 1000
    sock.sendall(b"last words")
    assert visit.read(10) == b"last words"
    sock.close()
    visit.read_end()
    visit.end()
    assert shared.close_code() == 1000
    stage.agent.process.ends(0)
    stage.close()


def test_stopping_agent_cuts_what_does_not_end(group):
    stage = Stage(group, drain_timeout="50ms")
    shared = stage.shared()
    _, sock = stage.open(shared, joined=True)
    move = Move(stage)
    move.agreed()
    stage.agent.process.send_signal(signal.SIGTERM)
    assert outcome(sock) == "reset"
    assert outcome(move.sock) == "reset"
    assert shared.close_code() == 1000
    stage.agent.process.ends(0)
    stage.close()


def test_limit_of_channels_holds_for_shared_ones(group):
    stage = Stage(group, max_transfers=1)
    shared = stage.shared()
    stage.control.say(op="open", id="0" * 32, service="web")
    stage.control.expect("refused")
    stage.control.say(op="open", id="1" * 32, mux=1)
    stage.control.expect("refused")
    check_still_good(stage, shared)
    stage.close()


def test_reload_with_another_offer_connects_anew(stage):
    shared = stage.shared()
    visit, sock = stage.open(shared)
    conf = stage.group.folder / f"{stage.agent.name}.conf"
    conf.write_text(conf.read_text() + "mux = no\n")
    stage.agent.process.send_signal(signal.SIGHUP)
    control = stage.relay.control()
    assert "mux" not in dict(control.query)
    sock.sendall(b"still here")
    assert visit.read(10) == b"still here"


# ---- what comes in one read ----

def text_frame(**pairs):
    payload = urllib.parse.urlencode(pairs, safe=":/[]").encode()
    length = bytes([len(payload)]) if len(payload) < 126 else struct.pack(">BH", 126, len(payload))
    return bytes([0x80 | TEXT]) + length + payload


def moving(visit, shared, stream):
    return text_frame(op="open", visit=visit, service="web", shared=shared, stream=stream)


@pytest.mark.parametrize("second", ["known", "unknown"])
def test_move_that_is_aborted_in_the_same_read_leaves_nothing_behind(stage, second):
    shared = stage.shared()
    first, _ = stage.open(shared, joined=True)
    other, _ = stage.open(shared, joined=True)
    single = stage.single()
    single.take_message = lambda *_: None
    single.sock.sendall(moving(1, shared.id, 1) + text_frame(op="abort", visit=1)
                        + moving(2, shared.id if second == "known" else "0" * 32, 2))
    first.expect("moved")
    if second == "known":
        other.expect("moved")
    single.sock.shutdown(socket.SHUT_WR)
    if second == "unknown":
        single.close_code()
    first.say("moved")  # late: the visit is gone
    if second == "known":
        other.say("moved")
        single.close_code()  # it was not read before
    check_still_good(stage, shared)


def test_visit_that_ends_in_the_same_read_keeps_its_order(stage):
    shared = stage.shared()
    visit, sock = stage.open(shared, joined=True)
    sock.sendall(b"x")
    sock.shutdown(socket.SHUT_WR)
    visit.read_end()
    visit.send(b"first ")
    single = stage.single()
    moved = single.visit = Visit(single, 1)
    single.sock.sendall(moving(1, shared.id, 1) + b"\x82\x05third\x82\x00")
    visit.expect("moved")
    moved.read_end()
    visit.send(b"second ")
    visit.say("moved")
    assert read_exactly(sock, 18) == b"first second third"
    assert sock.recv(10) == b""


@BOTH
@pytest.mark.parametrize("flood", ["pings", "visits"])
def test_relay_that_does_not_read_loses_the_channel(stage, flood):
    shared = stage.shared()
    shared.take_message = lambda *_: None
    shared.held.clear()
    sent = visit = 0
    with pytest.raises(OSError):
        while sent < 200 * MEGABYTE:
            if flood == "pings":
                piece = (b"\x89\x7d" + b"p" * 125) * 500
            else:
                piece = b"".join(text_frame(op="open", visit=visit + i, service="q")
                                 + text_frame(op="abort", visit=visit + i) for i in range(1, 201))
                visit += 200
            shared.sock.sendall(piece)
            sent += len(piece)
    shared.held.set()
    check_still_good(stage, stage.shared())


def test_relay_that_does_not_read_the_control_channel_loses_it(stage):
    control, sent = stage.control, 0
    with pytest.raises(OSError):
        while sent < 200 * MEGABYTE:
            piece = (b"\x89\x7d" + b"p" * 125) * 500
            control.send(piece)
            sent += len(piece)
    stage.control = stage.relay.control()
    check_still_good(stage, stage.shared())


# ---- one connection ----

@pytest.fixture
def ride(group):
    stage = Stage(group, rides=True)
    yield stage
    stage.close()


def test_offer_of_one_connection_is_in_the_control_request(ride):
    offer = dict(ride.control.query)
    assert (offer["mux"], offer["visits"], offer["channels"]) == ("1", "256", "0")
    assert "warm" not in offer


def test_relay_that_asks_for_channels_is_refused_and_the_log_says_why(ride):
    channel_id = os.urandom(16).hex()
    ride.control.say(op="open", id=channel_id, service="web")
    assert ride.control.expect("refused", id=channel_id)["reason"] == "no transfer channels"
    ride.agent.process.wait_line("too old to serve visitors that way")
    assert ride.relay.transfers.empty()
    check_still_good(ride, ride.shared())


class Ordered(Shared):
    """Notes how many bytes of visits came before each pong, and the longest message."""

    def __init__(self, end):
        self.received = self.longest = 0
        self.before_pong = []
        super().__init__(end)

    def take_bytes(self, data):
        self.received += len(data) - 4
        self.longest = max(self.longest, len(data) - 4)
        super().take_bytes(data)

    def _take(self, opcode, data):
        if opcode == PONG:
            self.before_pong.append(self.received)
        super()._take(opcode, data)


def is_at_rest(process):
    before = wake_ups(process)
    time.sleep(0.2)
    return is_asleep(process) and wake_ups(process) == before


def test_what_the_agent_says_waits_behind_little(ride):
    """12 visits have 60,000 bytes each, and the relay does not read."""
    count, size = 12, 60_000
    ride.control.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    channel = Ordered(ride.control)
    visits = [ride.open(channel, joined=True) for _ in range(count)]
    channel.held.clear()
    channel.frame(PING, b"once")  # the reader may be within a frame
    channel.wait("the pong", lambda: channel.pongs)
    for _, sock in visits:
        sock.sendall(bytes(size))
    until("the agent waits for the relay", lambda: is_at_rest(ride.agent.process))
    before = channel.received
    channel.frame(PING, b"twice")
    channel.held.set()
    channel.wait("the pong", lambda: len(channel.pongs) == 2)
    waited = channel.before_pong[1] - before
    # what our own system holds besides what the agent and its system may
    assert 16384 < waited <= 65536 + 3 * 32768, waited
    for visit, _ in visits:
        visit.read(size)
    assert channel.longest <= 16384


@pytest.mark.parametrize("end", ["close", "second move"])
def test_services_may_speak_in_the_turn_in_which_their_link_ends(ride, end):
    """The agent finds the relay's word and the services' bytes in one turn of its loop."""
    channel = ride.shared()
    visits = [ride.open(channel, joined=True) for _ in range(8)]
    control = ride.control
    if end == "second move":
        control.say(op="move", to=ride.relay.url)
        control = ride.relay.control()
        ride.agent.process.wait_line("session opened", count=2)
    ride.agent.process.freeze()
    try:
        if end == "close":
            channel.frame(CLOSE, struct.pack(">H", 1001))
        else:
            control.say(op="move", to=ride.relay.url)
        for _, sock in visits:
            sock.sendall(b"x")
    finally:
        ride.agent.process.thaw()
    for _, sock in visits:
        assert outcome(sock) == "reset"
    ride.control = ride.relay.control()
    check_still_good(ride, Shared(ride.control))


def test_visits_go_on_while_the_next_link_is_led_elsewhere(ride):
    """A move whose connection gets a redirect: the old link stands beside both."""
    channel = ride.shared()
    visits = [ride.open(channel, joined=True) for _ in range(3)]
    ride.relay.answers.append(
        f"HTTP/1.1 302 Found\r\nLocation: {ride.relay.url}/v1/control?hops=1\r\n"
        "Content-Length: 0\r\n\r\n".encode())
    ride.control.say(op="move", to=ride.relay.url)
    for visit, sock in visits[:2]:
        visit.send(b"amid the move")
        assert read_exactly(sock, 13) == b"amid the move"
    ride.control = ride.relay.control()
    assert ("hops", "1") in ride.control.query
    newer = Shared(ride.control)
    check_still_good(ride, newer)
    (first, first_sock), (second, second_sock), (third, third_sock) = visits
    # half-closes in either order, and a reset, on the link that was left
    first.end()
    assert first_sock.recv(10) == b""
    first_sock.sendall(b"last words")
    assert first.read(10) == b"last words"
    first_sock.close()
    first.read_end()
    second_sock.shutdown(socket.SHUT_WR)
    second.read_end()
    second.send(b"more")
    assert read_exactly(second_sock, 4) == b"more"
    second.end()
    assert second_sock.recv(10) == b""
    assert channel.closed is None
    channel.say(op="abort", visit=third.number)
    assert outcome(third_sock) == "reset"
    assert channel.close_code() == 1000
    check_still_good(ride, newer)
