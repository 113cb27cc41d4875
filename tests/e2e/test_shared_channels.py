# SPDX-License-Identifier: MIT
"""Visits on a shared channel (docs/PROTOCOL.md sections 5.6 and 5.7), as the relay treats an agent
that was written from that page, and one that breaks its rules."""
import concurrent.futures
import contextlib
import pathlib
import socket
import struct

import pytest

from harness.mux_scene import MB, MuxScene, ending, read_all, reset
from harness.visitors import pattern, pattern_sha256
from harness.wait import stays, until

WINDOW = 65536
CROWD = 20


def numbered(number, data=b""):
    return struct.pack(">I", number) + data


# Many at once.

def test_visits_share_one_channel(group):
    scene = MuxScene(group)
    crowd = [scene.visitor("echo") for _ in range(CROWD)]
    until("all are there", lambda: len(scene.agent.visits) == CROWD)
    for number, sock in enumerate(crowd):
        sock.sendall(b"%d" % number * 100)
    for number, sock in enumerate(crowd):
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b"%d" % number * 100
    assert [visit.number for visit in scene.agent.visits] == list(range(1, CROWD + 1))
    assert len(scene.agent.channels) == 1
    assert scene.metric("transfers_opened_total") == 1
    until("none is left", lambda: not scene.shared().running)


def test_numbers_grow_over_visits_that_end(group):
    scene = MuxScene(group)
    for number in range(1, 6):
        visit = scene.echoes()
        assert visit.number == number and visit.channel is scene.shared()


def test_hundreds_of_visits_in_a_crowd(group):
    scene = MuxScene(group)

    def several(seed):
        for number in range(10):
            data = b"%d,%d;" % (seed, number) * (50 * number + 1)
            sock = scene.visitor("echo", data)
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock) == data

    with concurrent.futures.ThreadPoolExecutor(CROWD) as pool:
        list(pool.map(several, range(CROWD)))
    assert len(scene.agent.visits) == 10 * CROWD
    scene.wait_no_visitors()


def test_requests_of_browsers_share_it_too(group):
    scene = MuxScene(group)
    with contextlib.ExitStack() as stack:
        browsers = [stack.enter_context(scene.browser()) for _ in range(5)]
        for path in ("/one", "/two", "/three"):
            for browser in browsers:
                assert browser.get(path).text == path
    assert len(scene.agent.channels) == 1


def test_agent_that_does_not_dig_it_has_a_channel_for_each_visit(group):
    scene = MuxScene(group, warm=0)
    scene.agent.dig_shared = "refuse"
    for _ in range(3):
        assert not scene.echoes().channel.shared


# Ends.

def test_visitor_that_ends_first_gets_its_answer(group):
    scene = MuxScene(group)
    sock, visit = scene.visit("taker", b"question")
    sock.shutdown(socket.SHUT_WR)
    until("the end has come", lambda: visit.in_ended)
    assert visit.total == 8
    scene.agent.call(visit.send(b"answer"))
    assert sock.recv(100) == b"answer"
    scene.agent.call(visit.end())
    assert read_all(sock) == b""
    assert scene.echoes().channel is visit.channel


def test_service_that_ends_first_hears_the_rest(group):
    scene = MuxScene(group)
    sock, visit = scene.visit("taker")
    scene.agent.call(visit.send(b"last words"))
    scene.agent.call(visit.end())
    assert read_all(sock) == b"last words"
    sock.sendall(b"still here")
    until("it has come", lambda: visit.total == 10)
    assert not visit.in_ended
    sock.close()
    until("its end has come", lambda: visit.in_ended)
    assert not visit.aborted
    assert scene.echoes().channel is visit.channel


def test_aborts_of_both_sides_cost_the_visit_and_not_the_channel(group):
    scene = MuxScene(group)
    other, _ = scene.visit("echo")
    for _ in range(3):
        sock, visit = scene.visit("taker", b"x")
        until("it has come", lambda: visit.total == 1)
        reset(sock)
        until("the abort has come", lambda: visit.aborted)
        sock, visit = scene.visit("taker")
        scene.agent.call(visit.abort())
        assert ending(sock) == "reset"
        until("the answer has come", lambda: visit.in_ended)
    other.sendall(b"hello")
    assert other.recv(100) == b"hello"
    assert len(scene.agent.channels) == 1


def test_refusal_is_told_to_the_visitor(group):
    scene = MuxScene(group)
    sock, visit = scene.visit("silent", b"hello")
    scene.agent.call(visit.refuse("connection refused"))
    assert ending(sock) == "reset"
    until("the answer has come", lambda: visit.in_ended)
    assert scene.echoes().channel is visit.channel


# What crosses: the agent acts before it reads what the relay has said.

async def act_end(visit):
    await visit.end()


async def act_abort(visit):
    await visit.abort()


async def act_refuse(visit):
    await visit.refuse()


async def act_payload(visit):
    await visit.send(b"x" * 3000)


async def act_payload_and_end(visit):
    await visit.send(b"x" * 3000)
    await visit.end()


async def act_opened(visit):
    await visit.opened()


async def act_credit(visit):
    await visit.channel.say(op="credit", visit=visit.number, bytes=1000)


async def end_unless_over(visit):
    """The relay's abort may have come, and was answered."""
    if not visit.over:
        await visit.end()


CROSSING = [act_end, act_abort, act_refuse, act_payload, act_payload_and_end, act_opened,
            act_credit]


@pytest.mark.parametrize("act", CROSSING, ids=lambda act: act.__name__[4:])
@pytest.mark.parametrize("half_closed", [False, True])
def test_what_crosses_the_visitors_reset_is_understood(group, act, half_closed):
    scene = MuxScene(group)
    other, _ = scene.visit("echo")
    sock, visit = scene.visit("silent", b"question")
    until("it has come", lambda: visit.total == 8)
    if half_closed:
        sock.shutdown(socket.SHUT_WR)
        until("the end has come", lambda: visit.in_ended)
    channel = visit.channel
    scene.agent.now(channel.stop_reading)
    reset(sock)
    if not half_closed:  # else the relay learns of it when it writes
        until("the relay knows", lambda: scene.metric("visitors") == 1)
    scene.agent.call(act(visit))
    scene.agent.now(channel.go_on_reading)
    if half_closed and act in (act_opened, act_credit, act_payload):
        scene.agent.call(end_unless_over(visit))
    until("the visit is over", lambda: visit.over)
    other.sendall(b"hello")
    assert other.recv(100) == b"hello"
    assert scene.echoes().channel is channel


@pytest.mark.parametrize("act", [act_abort, act_end, act_payload_and_end],
                         ids=lambda act: act.__name__[4:])
def test_what_crosses_the_visitors_end_is_understood(group, act):
    scene = MuxScene(group)
    sock, visit = scene.visit("manual", b"question")
    until("it has come", lambda: visit.total == 8)
    scene.agent.now(visit.channel.stop_reading)
    sock.shutdown(socket.SHUT_WR)
    scene.agent.call(act(visit))
    assert ending(sock) == ("reset" if act is act_abort else "end")
    scene.agent.now(visit.channel.go_on_reading)
    until("the visit is over", lambda: visit.over)
    assert not visit.aborted
    assert scene.echoes().channel is visit.channel


def test_texts_about_visits_that_are_over_are_ignored(group):
    scene = MuxScene(group)
    sock, _ = scene.visit("echo")
    over = scene.echoes()
    for keys in ({"op": "opened"}, {"op": "refused", "reason": "late"}, {"op": "abort"},
                 {"op": "credit", "bytes": 1000}, {"op": "moved"}, {"op": "stays"},
                 {"op": "unknown", "key": "value"}):
        for number in (over.number, 4294967295):
            scene.agent.call(over.channel.say(visit=number, **keys))
    sock.sendall(b"hello")
    assert sock.recv(100) == b"hello"
    assert scene.echoes().channel is over.channel


def test_messages_may_be_cut_anywhere(group):
    scene = MuxScene(group)
    sock, visit = scene.visit("manual")
    ws = visit.channel.ws

    async def send_cut():
        await ws.send([b"\0\0", b"\0", b"", b"\1he", b"llo"])
        await ws.send([b"", b"\0\0\0\1", b"", b" again"])
        await ws.send([b"\0", b"\0\0\1"])  # the end
    scene.agent.call(send_cut())
    assert read_all(sock) == b"hello again"


# Against the rules.

async def bad_unknown(channel, _visit, _over):
    await channel.send_binary(numbered(7777, b"x"))


async def bad_unknown_end(channel, _visit, _over):
    await channel.send_binary(numbered(7777))


async def bad_zero(channel, _visit, _over):
    await channel.send_binary(numbered(0, b"x"))


async def bad_over(channel, _visit, over):
    await channel.send_binary(numbered(over.number, b"x"))


async def bad_over_end(channel, _visit, over):
    await channel.send_binary(numbered(over.number))


async def bad_behind_its_end(channel, visit, _over):
    await channel.send_binary(numbered(visit.number))
    await channel.send_binary(numbered(visit.number, b"x"))


async def bad_second_end(channel, visit, _over):
    await channel.send_binary(numbered(visit.number))
    await channel.send_binary(numbered(visit.number))


async def bad_short(channel, _visit, _over):
    await channel.send_binary(b"\0\0\0")


async def bad_empty(channel, _visit, _over):
    await channel.send_binary(b"")


async def bad_short_in_pieces(channel, _visit, _over):
    await channel.ws.send([b"\0", b"\0", b"\1"])


async def bad_beyond_the_window(channel, visit, _over):
    await channel.send_binary(numbered(visit.number, b"x" * (WINDOW + 1)))


async def bad_much_credit(channel, visit, _over):
    for _ in range(128):
        await channel.say(op="credit", visit=visit.number, bytes=1 << 24)


async def bad_credit_value(channel, visit, _over):
    await channel.say(op="credit", visit=visit.number, bytes=(1 << 24) + 1)


async def bad_no_credit(channel, visit, _over):
    await channel.say(op="credit", visit=visit.number, bytes=0)


async def bad_credit_without_bytes(channel, visit, _over):
    await channel.say(op="credit", visit=visit.number)


async def bad_grammar(channel, _visit, _over):
    await channel.ws.send("op=abort&visit=%")


async def bad_moved_unasked(channel, visit, _over):
    await channel.say(op="moved", visit=visit.number)


@pytest.mark.parametrize("text, code", [("op=abort&visit=1&reason=" + "x" * 5000, 1009),
                                        ("op=abort&visit=1&reason=\xfc", 1007)])
def test_texts_have_their_bounds_here_too(group, text, code):
    scene = MuxScene(group)
    _, visit = scene.visit("manual")
    scene.agent.call(visit.channel.ws.send(text))
    until("the channel is closed", lambda: visit.channel.closed == code)


BAD = [value for name, value in globals().items() if name.startswith("bad_")]


@pytest.mark.parametrize("act", BAD, ids=lambda act: act.__name__[4:])
def test_breach_costs_the_channel_and_its_visits(group, act):
    scene = MuxScene(group)
    over = scene.echoes()
    sock, visit = scene.visit("manual")
    other, _ = scene.visit("echo", b"hello")
    assert other.recv(100) == b"hello"
    channel = visit.channel
    scene.agent.call(act(channel, visit, over))
    until("the channel is closed", lambda: channel.closed)
    assert channel.closed == 1002
    if "end" not in act.__name__:  # else it ended before
        assert ending(sock) == "reset"
    assert ending(other) == "reset"
    # the device goes on with another one
    visit = scene.echoes()
    assert visit.channel.shared and visit.channel is not channel


# Credit.

def test_whole_window_is_taken(group):
    scene = MuxScene(group)
    scene.agent.move = "stay"  # so much makes the relay offer it a channel of its own, without numbers
    sock, visit = scene.visit("manual")

    async def send():
        await visit.channel.send_binary(numbered(visit.number, b"x" * WINDOW))
        visit.credit -= WINDOW
        await visit.until(lambda: visit.credit >= WINDOW)
        await visit.channel.send_binary(numbered(visit.number, b"y" * WINDOW))
        await visit.end()
    scene.agent.call(send())
    assert read_all(sock) == b"x" * WINDOW + b"y" * WINDOW


def queued_in_system(sock):
    """Bytes on their way to a visitor: in the relay's socket and in the visitor's."""
    ports = sock.getsockname()[1], sock.getpeername()[1]
    total = 0
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        local, peer = (int(field.rpartition(":")[2], 16) for field in fields[1:3])
        sending, receiving = (int(count, 16) for count in fields[4].split(":"))
        if (local, peer) == ports:
            total += receiving
        elif (peer, local) == ports:
            total += sending
    return total


def test_visitor_that_never_reads_holds_nobody_up(group):
    scene = MuxScene(group)
    scene.agent.dig = "refuse"
    stuck, visit = scene.visit("large", buffers=4096)
    until("it has got what the system takes", lambda: visit.credit == 0)

    def fetch(_):
        return sum(map(len, iter(lambda: sock.recv(1 << 18), b""))) \
            if (sock := scene.visitor("source")) else 0

    with concurrent.futures.ThreadPoolExecutor(CROWD - 1) as pool:
        assert list(pool.map(fetch, range(CROWD - 1))) == [MB] * (CROWD - 1)
    assert len(scene.agent.channels) == 1
    stays("it is stuck", lambda: visit.credit == 0 and not visit.out_ended, 0.3)
    assert visit.sent < 5 * MB
    assert visit.sent - queued_in_system(stuck) <= WINDOW  # the relay itself holds no more
    # and when it reads, nothing is missing
    assert sum(map(len, iter(lambda: stuck.recv(1 << 18), b""))) == 10 * MB


@pytest.mark.parametrize("window", [1024, 5000, None])
def test_service_that_never_reads_gets_its_window(group, window):
    scene = MuxScene(group, window=window)
    scene.agent.dig = "refuse"
    sock, visit = scene.visit("manual")
    sock.setblocking(False)
    data = b"".join(pattern(MB))
    sent = sock.send(data)
    until("the window is full", lambda: visit.total == (window or WINDOW))
    other = [scene.echoes(bytes([number]) * 3000) for number in range(3)]
    assert all(visit.channel is scene.shared() for visit in other)
    stays("no more comes", lambda: visit.total == (window or WINDOW), 0.3)
    # when it reads, all of it comes
    sock.setblocking(True)
    sock.shutdown(socket.SHUT_WR)

    async def read():
        while await visit.read():
            pass
        await visit.end()
    scene.agent.call(read())
    assert visit.total == sent
    assert bytes(data[:sent]) and visit.in_ended


@pytest.mark.parametrize("window", [1024, 1025, 1 << 24])
def test_any_window_will_do(group, window):
    scene = MuxScene(group, window=window)
    scene.agent.dig = "refuse"
    sock, visit = scene.visit("sink")
    for piece in pattern(300_000):
        sock.sendall(piece)
    sock.shutdown(socket.SHUT_WR)
    assert read_all(sock).decode() == f"300000 {pattern_sha256(300_000)}"
    with scene.browser() as browser:  # the first bytes are longer than the window
        assert browser.get("/" + "x" * 3000).length == 3001


# Limits.

def test_visits_beyond_the_limit_have_channels_of_their_own(group):
    scene = MuxScene(group, visits=3)
    crowd = [scene.visit("echo") for _ in range(5)]
    assert [visit.channel.shared for _, visit in crowd] == [True] * 3 + [False] * 2
    for number, (sock, _) in enumerate(crowd):
        sock.sendall(b"%d" % number)
        assert sock.recv(100) == b"%d" % number
    crowd[1][0].close()
    until("one has left", lambda: crowd[1][1].over)
    assert scene.echoes().channel.shared
    assert len(scene.agent.shared()) == 1


def test_visitors_who_waited_for_a_shared_channel_do_not_wait_when_it_is_full(group):
    scene = MuxScene(group, relay={"open_timeout": "20s"}, visits=3, warm=0)
    scene.agent.dig_shared = "keep"
    crowd = [scene.visitor("echo", b"%d" % number) for number in range(6)]
    until("they wait", lambda: scene.agent.kept and scene.metric("visitors") == 6)
    scene.agent.dig_kept()
    for number, sock in enumerate(crowd):
        sock.settimeout(5)
        assert sock.recv(100) == b"%d" % number
    assert sum(visit.channel.shared for visit in scene.agent.visits) == 3


def test_shared_channel_that_does_not_come_holds_visitors_up_for_a_moment_only(group):
    scene = MuxScene(group, relay={"open_timeout": "300ms"}, warm=0)
    scene.agent.dig_shared = "keep"
    crowd = [scene.visitor("echo", b"%d" % number) for number in range(3)]
    for number, sock in enumerate(crowd):
        sock.settimeout(5)
        assert sock.recv(100) == b"%d" % number
    assert not any(visit.channel.shared for visit in scene.agent.visits)
    assert [message.get("mux") for message in scene.agent.opens].count("1") == 1
    scene.agent.dig_kept()  # it comes after all
    scene.shared()
    assert scene.echoes().channel.shared


def test_shared_channel_that_rests_is_closed_unless_it_is_to_be_ready(group):
    scene = MuxScene(group, relay={"transfer_idle": "200ms"}, warm=0)
    first = scene.echoes()
    until("it is closed", lambda: first.channel.closed == 1000)
    assert scene.echoes().channel.shared
    ready = MuxScene(group, relay={"transfer_idle": "200ms", "name": "r2"}, warm=1)
    channel = ready.echoes().channel
    stays("it is kept", lambda: ready.agent.shared() == [channel], 1)


def test_visit_that_was_reset_counts_until_the_agent_says_so(group):
    scene = MuxScene(group, relay={"transfer_idle": "20s"}, visits=1)
    sock, visit = scene.visit("manual")
    scene.agent.deaf = {"abort"}
    reset(sock)
    scene.wait_no_visitors()
    assert not scene.echoes().channel.shared
    scene.agent.deaf = set()
    scene.agent.call(visit.abort())
    scene.agent.now(visit.end_in)
    scene.agent.now(visit.channel.settle, visit)
    assert scene.echoes().channel.shared


def test_agent_that_never_ends_a_visit_loses_the_channel(group):
    scene = MuxScene(group, relay={"transfer_idle": "500ms"})
    sock, visit = scene.visit("manual")
    scene.agent.deaf = {"abort"}
    reset(sock)
    until("the channel is closed", lambda: visit.channel.closed)
    assert visit.channel.closed == 1002
    assert scene.echoes().channel is not visit.channel


def test_agent_that_does_not_answer_an_open_loses_the_visit(group):
    scene = MuxScene(group, relay={"open_timeout": "300ms", "probe_timeout": "300ms",
                                   "hold": "100ms"})
    other, _ = scene.visit("echo", b"hello")
    assert other.recv(100) == b"hello"
    sock, visit = scene.visit("silent", b"hello")
    assert ending(sock) == "reset"
    until("the abort has come", lambda: visit.aborted)
    other.sendall(b"hello")
    assert other.recv(100) == b"hello"


# The session's end, and the channel's.

def test_visits_outlive_the_session(group):
    scene = MuxScene(group)
    sock, visit = scene.visit("echo", b"before")
    assert sock.recv(100) == b"before"
    scene.agent.disconnect()
    until("the relay knows", lambda: scene.metric("agents") == 0)
    sock.sendall(b"between")
    assert sock.recv(100) == b"between"
    scene.agent.connect()
    later = scene.echoes()
    assert later.channel.shared and later.channel is not visit.channel
    sock.sendall(b"after")
    assert sock.recv(100) == b"after"
    assert visit.channel.closed is None
    sock.shutdown(socket.SHUT_WR)
    assert read_all(sock) == b""
    until("the old channel is closed behind it", lambda: visit.channel.closed == 1000)


@pytest.mark.parametrize("how", ["drop", "close"])
def test_channel_that_is_lost_resets_its_visits(group, how):
    scene = MuxScene(group)
    crowd = [scene.visit("manual", b"x") for _ in range(5)]
    channel = scene.shared()
    if how == "drop":
        scene.agent.now(channel.drop)
    else:
        scene.agent.call(channel.ws.close(1001))
    assert [ending(sock) for sock, _ in crowd] == ["reset"] * 5
    scene.wait_no_visitors()
    assert scene.echoes().channel is not channel


DEAD = {"heartbeat": "300ms", "probe_timeout": "500ms", "transfer_idle": "60s"}


def dead_scene(group):
    """The shared channel rests for longer than heartbeat, and is dead then."""
    scene = MuxScene(group, relay=DEAD)
    channel = scene.echoes().channel
    with scene.browser() as browser:
        assert browser.get("/first").text == "/first"
    stays("it rests", lambda: scene.agent.shared() == [channel], 0.6)
    scene.agent.now(channel.stop_reading)
    return scene, channel, len(scene.agent.visits)


def late_visits(scene, channel, before):
    """What a dead channel had for the agent after all."""
    scene.agent.now(channel.go_on_reading)
    until("it is closed", lambda: channel.closed)
    return [visit for visit in scene.agent.visits[before:] if visit.channel is channel]


def test_request_on_a_dead_channel_is_repeated_on_another(group):
    scene, channel, before = dead_scene(group)
    with scene.browser() as browser:
        assert browser.get("/again").text == "/again"
    visit = scene.agent.visits[-1]
    assert visit.channel.shared and visit.channel is not channel
    assert channel.closed is None or channel.closed == "lost"
    assert len(late_visits(scene, channel, before)) == 1


def test_what_must_not_be_repeated_is_held_back_from_a_dead_channel(group):
    scene, channel, before = dead_scene(group)
    with scene.browser() as browser:
        browser.send_head("POST", "/once", [("Content-Length", "0")])
        assert browser.read_answer().text == "/once"
    late = late_visits(scene, channel, before)
    assert [visit.total for visit in late] == [0]


def test_first_bytes_of_tcp_are_held_back_from_a_dead_channel(group):
    scene, channel, before = dead_scene(group)
    sock = scene.visitor("echo", b"once")
    assert sock.recv(100) == b"once"
    late = late_visits(scene, channel, before)
    assert [visit.total for visit in late] == [0]


def test_crowd_on_a_dead_channel_is_served_on_another(group):
    scene, channel, _ = dead_scene(group)
    crowd = [scene.visitor("echo", b"%d" % number) for number in range(CROWD)]
    for number, sock in enumerate(crowd):
        assert sock.recv(100) == b"%d" % number
    assert scene.shared() is not channel


def test_channel_that_lives_after_a_rest_is_used(group):
    scene = MuxScene(group, relay=DEAD)
    channel = scene.echoes().channel
    stays("it rests", lambda: scene.agent.shared() == [channel], 0.6)
    with scene.browser() as browser:
        browser.send_head("POST", "/once", [("Content-Length", "0")])
        assert browser.read_answer().text == "/once"
    assert scene.agent.visits[-1].channel is channel
    # an agent that is slow to connect is none that is dead
    sock, visit = scene.visit("silent", b"hello")
    stays("it waits", lambda: not visit.over, 1)
    assert visit.total == 5
    scene.agent.call(visit.opened())
    scene.agent.call(visit.send(b"there"))
    assert sock.recv(100) == b"there"


def test_agent_that_does_not_read_fills_no_memory(group):
    scene = MuxScene(group, window=1 << 24)
    scene.agent.dig = "refuse"
    crowd = [scene.visit("manual") for _ in range(10)]
    before = scene.alone.relay.process.rss_kib()
    scene.agent.now(scene.shared().stop_reading)
    data = b"".join(pattern(MB))
    for sock, _ in crowd:
        sock.setblocking(False)

    def push():
        for sock, _ in crowd:
            try:
                while sock.send(data):
                    pushed.append(1)
            except BlockingIOError:
                pass
        return len(pushed)
    pushed = []
    last = -1
    while (now := push()) != last:
        last = now
        stays("it takes what it takes", lambda: True, 0.2)
    assert scene.alone.relay.process.rss_kib() - before < 4096
