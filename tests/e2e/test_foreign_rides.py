# SPDX-License-Identifier: MIT
"""What the foreign agent with one connection does with a visit that the relay aborts, wherever that
visit waits, from the side of a scripted relay."""
import contextlib
import pathlib
import socket
import sys

import pytest

from harness.fakes import FakeRelay
from harness.process import Process
from harness.programs import Device
from harness.wait import until
from test_agent_shared import Stage, is_reset, may_send

FOREIGN = pathlib.Path(__file__).with_name("one_connection_agent.py")


class ForeignStage(Stage):
    def __init__(self, group):  # pylint: disable=super-init-not-called
        self.rides, self.ridden = True, None
        self.service = socket.create_server(("127.0.0.1", 0))
        self.service.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.service.settimeout(30)
        self.relay = FakeRelay()
        device = Device("actor")
        secret = group.folder / "secret"
        secret.write_text(device.secret)
        self.process = Process(group, "foreign", [
            sys.executable, str(FOREIGN), "--relay", self.relay.url, "--name", "actor",
            "--secret-file", str(secret),
            "--service", f"web:http:127.0.0.1:{self.service.getsockname()[1]}"], ends=(-15,))
        self.control = self.relay.control()


@pytest.fixture
def stage(group):
    stage = ForeignStage(group)
    yield stage
    stage.close()


def check_still_good(stage, shared):
    visit, sock = stage.open(shared)
    with sock:
        sock.sendall(b"out")
        assert visit.read(3) == b"out"


def test_abort_reaches_a_service_that_hangs(stage):
    shared = stage.shared()
    visit, sock = stage.open(shared, joined=True)
    with sock:
        while may_send(visit, 16384, timeout=2):
            visit.send(bytes(16384))
        assert not visit.has("abort")
        visit.say("abort", reason="visitor reset")
        visit.expect("abort")
        until("the service is reset", lambda: is_reset(sock))
    check_still_good(stage, shared)


def test_abort_ends_dialling(stage):
    """The service's queue of connections is full."""
    shared = stage.shared()
    stage.service.listen(0)
    fillers = [socket.socket() for _ in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(stage.service.getsockname())
    visit = shared.open()
    visit.say("abort", reason="visitor reset")
    shared.wait("the abort", lambda: visit.messages)
    assert [op for op, _ in visit.messages] == ["abort"]  # and not "refused", after 5 s
    for filler in fillers:
        filler.close()


def pour(sock):
    with contextlib.suppress(BlockingIOError):
        sock.send(bytes(65536))


def test_nothing_follows_an_abort(stage):
    """Aborted while the service pours out what it has."""
    shared = stage.shared()
    for _ in range(20):
        visit, sock = stage.open(shared, joined=True)
        with sock:
            sock.setblocking(False)
            until("bytes come", lambda: pour(sock) or visit.data)
            visit.say("abort")
            visit.expect("abort")
            size = len(visit.data)
            check_still_good(stage, shared)
            assert len(visit.data) == size


def test_lost_channel_resets_the_services(stage):
    shared = stage.shared()
    _, sock = stage.open(shared, joined=True)
    with sock:
        shared.end.close()
        until("the service is reset", lambda: is_reset(sock))
    check_still_good(stage, stage.shared())
