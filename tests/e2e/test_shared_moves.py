# SPDX-License-Identifier: MIT
"""Large visits move from the shared channel to one of their own (docs/PROTOCOL.md section 5.8), as
the relay does it with an agent that was written from that page: what crosses, what is refused, and
what is lost in between."""
import hashlib
import socket

import pytest

from harness.mux_scene import MB, SERVICES, MuxScene, ending, read_all, reset
from harness.process import Thread
from harness.visitors import READ, pattern, pattern_sha256
from harness.wait import stays, until

LARGE = 10 * MB
# what is not noticed at once is found out when the time is up
SHORT = {"open_timeout": "300ms", "probe_timeout": "300ms", "hold": "100ms"}


def send_pattern(sock, size, end=True):
    for piece in pattern(size):
        sock.sendall(piece)
    if end:
        sock.shutdown(socket.SHUT_WR)


def read_digest(sock):
    digest, size = hashlib.sha256(), 0
    while data := sock.recv(READ):
        digest.update(data)
        size += len(data)
    return size, digest.hexdigest()


def start_move(scene, service="taker"):
    """A visitor whose visit shall move; the agent has not decided yet."""
    scene.agent.move = "keep"
    before = len(scene.agent.moves)
    sock, visit = scene.visit(service)
    for piece in pattern(40_000):
        sock.sendall(piece)
    until("it shall move", lambda: len(scene.agent.moves) > before)
    transfer, shared, number = scene.agent.moves[-1]
    assert (shared, number) == (visit.channel, visit.number)
    return sock, visit, transfer


# It moves, and nothing is lost or out of order.

def test_large_answer_moves(group):
    scene = MuxScene(group)
    sock, visit = scene.visit("large")
    assert read_digest(sock) == (LARGE, pattern_sha256(LARGE))
    sock.close()
    until("the visit is over", lambda: visit.over)
    assert visit.moved == 1 and not visit.aborted
    assert scene.echoes().channel.shared


def test_large_request_moves(group):
    scene = MuxScene(group)
    sock, visit = scene.visit("sink")
    send_pattern(sock, LARGE)
    assert read_all(sock).decode() == f"{LARGE} {pattern_sha256(LARGE)}"
    assert visit.moved == 1


def test_small_visits_and_long_talks_stay(group):
    scene = MuxScene(group)
    sock, visit = scene.visit("echo")
    for number in range(100):  # far more than what makes a visit large, but never one way
        sock.sendall(bytes([number]) * 10_000)
        left = 10_000
        while left:
            left -= len(sock.recv(left))
    assert visit.total == MB and visit.moved == 0
    assert scene.agent.moves == [] and len(scene.agent.channels) == 1


async def both_ways(visit):
    """Sends as much as it gets, at the same time; asks for a move first."""
    await visit.opened()
    sending = visit.agent.loop.create_task(send_large(visit))
    while await visit.read():
        pass
    await sending


async def send_large(visit):
    await visit.until(lambda: visit.total > 100_000)
    for piece in pattern(LARGE):
        await visit.send(piece)
    await visit.end()


@pytest.mark.parametrize("accept_at", [0, MB, LARGE])
def test_move_in_the_middle_of_both_directions(group, accept_at):
    """accept_at: so much of the answer has arrived when the agent says so."""
    scene = MuxScene(group, services=SERVICES | {"both": ("tcp", both_ways)})
    if accept_at:
        scene.agent.move = "keep"
    sock, visit = scene.visit("both")
    sending = Thread(send_pattern, sock, LARGE)
    digest, size, kept = hashlib.sha256(), 0, accept_at > 0
    while data := sock.recv(READ):
        digest.update(data)
        size += len(data)
        if kept and size >= accept_at and scene.agent.moves:
            transfer, shared, number = scene.agent.moves[0]
            scene.agent.call(transfer.accept(shared, number))
            kept = False
    sending.get()
    assert (size, digest.hexdigest()) == (LARGE, pattern_sha256(LARGE))
    until("all has come", lambda: visit.in_ended)
    assert (visit.total, visit.digest.hexdigest()) == (LARGE, pattern_sha256(LARGE))
    assert not visit.aborted and (visit.moved == 1 or kept)


def test_many_move_at_once(group):
    scene = MuxScene(group)
    crowd = [scene.visitor("large") for _ in range(5)]
    readers = [Thread(read_digest, sock) for sock in crowd]
    for number in range(50):
        small = scene.visitor("echo", b"%d" % number)
        assert small.recv(100) == b"%d" % number
    assert [reader.get() for reader in readers] == [(LARGE, pattern_sha256(LARGE))] * 5
    assert len([visit for visit in scene.agent.visits if visit.moved]) == 5


def test_next_one_moves_to_the_same_channel(group):
    scene = MuxScene(group)
    for _ in range(3):
        sock, visit = scene.visit("large")
        assert read_digest(sock) == (LARGE, pattern_sha256(LARGE))
        sock.close()
        until("the visit is over", lambda: visit.over)
        assert visit.moved == 1
    assert len([channel for channel in scene.agent.channels if not channel.shared]) <= 2


def test_visit_whose_service_has_ended_before_moves_with_that(group):
    scene = MuxScene(group)
    sock, visit, transfer = start_move(scene)
    scene.agent.call(visit.send(b"answer"))
    scene.agent.call(visit.end())  # on the shared channel, while the relay waits
    assert read_all(sock) == b"answer"
    scene.agent.call(transfer.accept(visit.channel, visit.number))
    send_pattern(sock, MB)
    until("all has come", lambda: visit.in_ended)
    assert visit.total == MB + 40_000 and not visit.aborted
    until("the visit is over", lambda: visit.over)
    assert visit.moved == 1 and transfer.visit is None


def test_visitors_end_comes_behind_what_moved(group):
    scene = MuxScene(group)
    sock, visit, transfer = start_move(scene)
    sock.sendall(b"last words")
    sock.shutdown(socket.SHUT_WR)
    stays("it waits", lambda: not visit.in_ended, 0.2)
    scene.agent.call(transfer.accept(visit.channel, visit.number))
    until("the end has come", lambda: visit.in_ended)
    assert visit.total == 40_010 and visit.channel is transfer
    scene.agent.call(visit.send(b"answer"))
    scene.agent.call(visit.end())
    assert read_all(sock) == b"answer"


def test_slow_visitor_gets_what_waited_for_it_on_both_channels(group):
    scene = MuxScene(group)
    scene.agent.move = "keep"
    sock, visit = scene.visit("large", buffers=4096)
    until("it shall move", lambda: scene.agent.moves)
    until("the window is full", lambda: visit.credit == 0)
    transfer, shared, number = scene.agent.moves[0]
    scene.agent.call(transfer.accept(shared, number))
    assert read_digest(sock) == (LARGE, pattern_sha256(LARGE))


def test_relay_sends_nothing_while_it_moves(group):
    scene = MuxScene(group)
    sock, visit, transfer = start_move(scene)
    until("what was under way has come", lambda: visit.total == 40_000)
    sock.sendall(b"x" * 10_000)
    stays("nothing more comes", lambda: visit.total == 40_000, 0.3)
    scene.agent.call(visit.channel.say(op="credit", visit=visit.number, bytes=100_000))
    stays("credit changes nothing", lambda: visit.total == 40_000, 0.3)
    scene.agent.call(transfer.accept(visit.channel, visit.number))
    until("the rest has come", lambda: visit.total == 50_000)


def test_visit_does_not_move_to_a_channel_that_may_be_dead(group):
    scene = MuxScene(group, relay={"heartbeat": "300ms"})
    sock, visit = scene.visit("large")
    assert read_digest(sock) == (LARGE, pattern_sha256(LARGE))
    sock.close()
    until("the visit is over", lambda: visit.over)
    transfer = visit.channel
    stays("it rests", lambda: transfer.closed is None, 0.6)
    scene.agent.now(transfer.stop_reading)
    sock, visit = scene.visit("sink")
    send_pattern(sock, LARGE)
    assert read_all(sock).decode() == f"{LARGE} {pattern_sha256(LARGE)}"
    assert visit.channel is not transfer


# It stays.

def test_visit_stays_when_the_agent_does_not_dig(group):
    scene = MuxScene(group)
    scene.agent.dig = "refuse"
    for service, size in (("large", LARGE), ("sink", 0)):
        sock, visit = scene.visit(service)
        if size:
            assert read_digest(sock) == (size, pattern_sha256(size))
        else:
            send_pattern(sock, LARGE)
            assert read_all(sock).decode() == f"{LARGE} {pattern_sha256(LARGE)}"
        assert visit.moved == 0 and visit.channel.shared
    assert len(scene.agent.channels) == 1


def test_visit_stays_when_the_agent_ignores_the_dig(group):
    scene = MuxScene(group)
    scene.agent.dig = "ignore"
    sock, visit = scene.visit("large")
    assert read_digest(sock) == (LARGE, pattern_sha256(LARGE))
    assert visit.moved == 0


@pytest.mark.parametrize("when", ["at once", "later"])
def test_visit_stays_when_the_agent_says_so(group, when):
    scene = MuxScene(group)
    scene.agent.move = "stay" if when == "at once" else "keep"
    sock, visit = scene.visit("sink")
    sending = Thread(send_pattern, sock, LARGE)
    until("it shall move", lambda: scene.agent.moves)
    if when == "later":
        transfer, shared, number = scene.agent.moves[0]
        scene.agent.call(transfer.stay(shared, number))
    sending.get()
    assert read_all(sock).decode() == f"{LARGE} {pattern_sha256(LARGE)}"
    assert visit.moved == 0 and len(scene.agent.moves) == 1
    # the channel that was offered is idle: the next visit that is large is offered it again
    scene.agent.move = "accept"
    sock, visit = scene.visit("large")
    assert read_digest(sock) == (LARGE, pattern_sha256(LARGE))
    assert visit.moved == 1
    assert len([channel for channel in scene.agent.channels if not channel.shared]) <= 2


def test_visit_that_ends_a_direction_while_it_waits_stays(group):
    """Section 5.8: whose directions are both open."""
    scene = MuxScene(group)
    scene.agent.dig = "keep"
    sock, visit = scene.visit("taker")
    send_pattern(sock, 100_000)
    until("it shall have a channel", lambda: scene.agent.kept)
    until("all has come", lambda: visit.in_ended)
    scene.agent.dig_kept()
    until("the channel is there", lambda: len(scene.agent.channels) == 2)
    stays("it stays", lambda: scene.agent.moves == [], 0.3)
    scene.agent.call(visit.send(b"answer"))
    scene.agent.call(visit.end())
    assert read_all(sock) == b"answer"


def test_visit_whose_service_has_ended_while_it_waits_stays(group):
    scene = MuxScene(group)
    scene.agent.dig = "keep"
    sock, visit = scene.visit("taker")
    send_pattern(sock, 100_000, end=False)
    until("it shall have a channel", lambda: scene.agent.kept)
    scene.agent.call(visit.end())
    assert read_all(sock) == b""
    scene.agent.dig_kept()
    until("the channel is there", lambda: len(scene.agent.channels) == 2)
    stays("it stays", lambda: scene.agent.moves == [], 0.3)
    sock.close()
    until("the visit is over", lambda: visit.over)


def test_service_that_is_no_longer_offered_does_not_move(group):
    """The device comes back without a service; a visit of it waits for a channel of its own."""
    scene = MuxScene(group)
    scene.agent.dig = "keep"
    sock, visit = scene.visit("taker")
    send_pattern(sock, 50_000, end=False)
    until("it shall have a channel", lambda: scene.agent.kept)
    scene.agent.disconnect()
    until("the relay knows", lambda: scene.metric("agents") == 0)
    del scene.agent.services["taker"]
    scene.agent.dig = "dig"
    scene.agent.connect()
    assert scene.echoes().channel is not visit.channel
    large, other = scene.visit("large")  # brings a channel that the visit could move to
    assert read_digest(large) == (LARGE, pattern_sha256(LARGE))
    assert other.moved == 1
    assert all(shared is not visit.channel for _, shared, _ in scene.agent.moves)
    scene.agent.call(visit.send(b"still here"))
    assert sock.recv(100) == b"still here"


# It ends in between.

def wait_idle(scene, transfer):
    """The channel that was offered is idle, and of use."""
    until("its visit is over", lambda: transfer.visit is None)
    scene.agent.move = "accept"
    sock, visit = scene.visit("large")
    assert read_digest(sock) == (LARGE, pattern_sha256(LARGE))
    assert transfer.closed is None and visit.channel is transfer


def test_visitor_that_resets_before_the_agent_decides(group):
    scene = MuxScene(group, relay=SHORT)
    sock, visit, transfer = start_move(scene)
    shared, number = visit.channel, visit.number
    reset(sock)
    until("the abort has come", lambda: visit.aborted)
    scene.agent.call(transfer.accept(shared, number))  # knows better, and says that it stays
    assert visit.moved == 0
    wait_idle(scene, transfer)


def test_visitors_reset_crosses_the_agents_last_word(group):
    scene = MuxScene(group, relay=SHORT)
    sock, visit, transfer = start_move(scene)
    shared, number = visit.channel, visit.number
    scene.agent.now(shared.stop_reading)
    scene.agent.now(transfer.stop_reading)
    reset(sock)
    scene.wait_no_visitors()
    scene.agent.call(transfer.accept(shared, number))
    scene.agent.now(shared.go_on_reading)
    scene.agent.now(transfer.go_on_reading)
    until("the visit is over", lambda: visit.over)
    assert visit.aborted
    wait_idle(scene, transfer)


def test_service_resets_instead_of_moving(group):
    scene = MuxScene(group)
    sock, visit, transfer = start_move(scene)
    shared, number = visit.channel, visit.number
    scene.agent.call(visit.abort())
    assert ending(sock) == "reset"
    until("the answer has come", lambda: visit.in_ended)
    scene.agent.call(transfer.stay(shared, number))
    wait_idle(scene, transfer)


def test_service_resets_right_behind_the_agents_last_word(group):
    scene = MuxScene(group)
    sock, visit, transfer = start_move(scene)

    async def accept_and_abort():
        await transfer.accept(visit.channel, visit.number)
        await visit.abort()
    scene.agent.call(accept_and_abort())
    assert ending(sock) == "reset"
    until("the visit is over", lambda: visit.over)
    wait_idle(scene, transfer)


def test_visitor_that_resets_right_behind_the_move(group):
    scene = MuxScene(group)
    sock, visit, transfer = start_move(scene)
    scene.agent.call(transfer.accept(visit.channel, visit.number))
    reset(sock)
    until("the visit is over", lambda: visit.over)
    wait_idle(scene, transfer)


@pytest.mark.parametrize("how", ["drop", "close"])
@pytest.mark.parametrize("which", ["shared", "own"])
def test_loss_of_either_channel_resets_the_visit(group, which, how):
    scene = MuxScene(group, relay=SHORT)
    sock, visit, transfer = start_move(scene)
    other, _ = scene.visit("echo", b"hello")
    assert other.recv(100) == b"hello"
    lost = visit.channel if which == "shared" else transfer
    if how == "drop":
        scene.agent.now(lost.drop)
    else:
        scene.agent.call(lost.ws.close(1001))
    assert ending(sock) == "reset"
    if which == "shared":
        assert ending(other) == "reset"
        scene.agent.call(transfer.visit.refuse())
        scene.agent.now(transfer.arrived.set)
        wait_idle(scene, transfer)
    else:
        until("the abort has come", lambda: visit.aborted)
        other.sendall(b"hello")
        assert other.recv(100) == b"hello"
        assert scene.echoes().channel is visit.channel


@pytest.mark.parametrize("which", ["shared", "own"])
def test_loss_of_either_channel_after_the_agents_last_word(group, which):
    """The relay's last word may have been lost with it: only the shared one can still be spared."""
    scene = MuxScene(group)
    sock, visit, transfer = start_move(scene)
    shared = visit.channel
    scene.agent.now(shared.stop_reading)
    scene.agent.call(transfer.accept(shared, visit.number))
    scene.agent.now((shared if which == "shared" else transfer).drop)
    scene.agent.now(shared.go_on_reading)
    if which == "shared":
        # whether the relay has read that word first is chance: the visit is lost or goes on
        scene.agent.call(visit.abort())
    assert ending(sock) == "reset"
    scene.echoes()


def test_agent_that_never_decides_loses_the_visit(group):
    scene = MuxScene(group, relay=SHORT)
    sock, visit, _ = start_move(scene)
    assert ending(sock) == "reset"
    until("the abort has come", lambda: visit.aborted)
    assert scene.echoes().channel is visit.channel


def test_session_that_ends_does_not_stop_a_move(group):
    scene = MuxScene(group)
    sock, visit, transfer = start_move(scene)
    scene.agent.disconnect()
    until("the relay knows", lambda: scene.metric("agents") == 0)
    scene.agent.call(transfer.accept(visit.channel, visit.number))
    for piece in pattern(MB):
        sock.sendall(piece)
    until("all has come", lambda: visit.total == MB + 40_000)
    assert visit.moved == 1
    sock.close()
    until("the end has come", lambda: visit.in_ended and not visit.aborted)
