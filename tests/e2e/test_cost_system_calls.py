# SPDX-License-Identifier: MIT
"""How many system calls relay and agent make: figures that hardly depend on how busy the machine is.
A bound that is exceeded says that something is read, written, watched or woken for once more than
it was. What is left of chance only adds: of several attempts the best one counts."""
import time

import pytest

from harness.cost_scene import FEWEST_WAITS, CostScene
from harness.counting import SystemCalls, expect_at_most, need_plain_build

# System calls of one request or visit, at most. "wait" is epoll_wait.
#
# kept: 1 KB on a visit that is open. Both: wait, receive and send, there and back; fewer there
# cannot be while bytes pass through user space. (For one visit alone: of many on a shared channel,
# what comes in one turn shares the channel's two; tests/unit/net/test_mux.c counts that.)
# new: a connection with one request, at the service's own listener, on a shared channel that is ready.
#   relay  wait, wait of the listeners, accept4, receive the request, watch, send it with the open;
#          wait, receive the answer with the service's end, send, shut down;
#          receive the visitor's end, end the watch, close: 13, and mostly no accept4 that finds none
#   agent  wait, receive, socket, TCP_NODELAY, connect, poll, watch, send the request; wait, receive
#          the answer, receive the end, send both; end the watch, close: 14
# new_at_front: the relay watches its guest before it knows whom he wants, and moves him then: the
# watch ends and begins again, with a turn of the loop and a wait for him.
#
# With a wait above the fewest comes the call that it was for. So there are two bounds: of the calls
# without those two, which hardly vary, and of such waits.
PER_REQUEST = {
    "kept": {"relay": 6.1, "agent": 6.1},
    "new": {"relay": 13.4, "agent": 14.3},
    "new_at_front": {"relay": 18.3, "agent": 14.3},
}
WAITS_APART = 1

# System calls for as many bytes as one read may take, at most: one to receive, one to send, and
# less than one wait, since there is more to read as a rule. Who reads from the outside finds the
# rest of a segment that is longer than a read, or pieces of a sender that is no faster.
PIECE_BYTES = 64512
PER_PIECE = {
    "download": {"relay": 3.2, "agent": 4.5},
    "upload": {"relay": 4.5, "agent": 3.2},
}

# System calls of idle programs, at most.
# For one heartbeat of an agent:
#   relay  wait, receive the ping, send the pong
#   agent  wait for the time, send the ping, wait, receive the pong
#   and the second look for a reset, which several share, and for either wait for a time up to three
#   waits more of a millisecond, because the clock of the event loop is coarse
# By itself in a second:
#   relay  looks for another device file, announces itself, turns its wheel
#   agent  nothing
PER_HEARTBEAT = {"relay": 5.5, "agent": 7}
PER_SECOND = {"relay": 5, "agent": 0}

REQUESTS = 300
WARM_UP = 20
BULK_BYTES = 200_000_000
HEARTBEAT_S = 0.5
AGENTS = 10
IDLE_S = 4

both_programs = pytest.mark.parametrize("program", ["relay", "agent"])


@pytest.fixture(scope="module")
def scene(module_group):
    need_plain_build()
    return CostScene(module_group)


@both_programs
@pytest.mark.parametrize("kind", PER_REQUEST)
def test_requests_take_no_more_system_calls_than_they_need(scene, kind, program):
    request = getattr(scene, kind)()
    for _ in range(WARM_UP):
        request()

    def attempt():
        with SystemCalls(scene.programs[program]) as calls:
            for _ in range(REQUESTS):
                request()
        print(f"{kind}, {program}: {calls.total() / REQUESTS:.2f} each: {calls.per(REQUESTS)}")
        apart = max(calls.calls["epoll_wait"] / REQUESTS - FEWEST_WAITS[kind][program], 0)
        together = calls.total() / REQUESTS - 2 * apart
        # as much above its bound as the one that exceeds its own by most
        return max(together - PER_REQUEST[kind][program], apart - WAITS_APART)

    expect_at_most(0, attempt, attempts=5)


@both_programs
@pytest.mark.parametrize("direction", PER_PIECE)
def test_bulk_takes_one_read_and_one_write_for_each_large_piece(scene, direction, program):
    pieces = BULK_BYTES / PIECE_BYTES

    def attempt():
        with SystemCalls(scene.programs[program]) as calls:
            getattr(scene, direction)(BULK_BYTES)
        print(f"{direction}, {program}: {calls.total() * 1e9 / BULK_BYTES:.0f} a GB; "
              f"for {PIECE_BYTES} bytes: {calls.per(pieces)}")
        return calls.total() / pieces

    expect_at_most(PER_PIECE[direction][program], attempt)


@both_programs
def test_idle_programs_do_no_more_than_their_heartbeats(group, program):
    need_plain_build()
    scene = CostScene(group, heartbeat=f"{HEARTBEAT_S * 1000:.0f}ms")
    for number in range(AGENTS - 1):
        scene.alone.agent(f"idle{number}", ["web:http:127.0.0.1:1"], log_level="info")
    beats = IDLE_S / HEARTBEAT_S * (AGENTS if program == "relay" else 1)

    def attempt():
        with SystemCalls(scene.programs[program]) as calls:
            time.sleep(IDLE_S)
        print(f"idle, {program}: {calls.total()} for {beats:.0f} heartbeats: {calls.per(beats)}")
        assert calls.calls["sendto"] >= beats * 0.7, "this counts heartbeats"
        assert calls.calls["getsockopt"] == 0, "nobody wants to know what they cost"
        return calls.total()

    expect_at_most(beats * PER_HEARTBEAT[program] + IDLE_S * PER_SECOND[program], attempt)
