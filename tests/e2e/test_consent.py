# SPDX-License-Identifier: MIT
"""access = on-request: nobody visits unless the device's owner has allowed it, at the device."""
import itertools
import signal
import socket
import subprocess
import time

import pytest

from harness.process import binary
from harness.programs import SampleServices
from harness.scenes import Standalone
from harness.visitors import tcp_ask
from harness.wait import until
from test_agent_status import ask, status

# The ways in which visits come to an agent.
WAYS = {"own": {"mux": False, "warm_channels": 0}, "kept": {"mux": False, "warm_channels": 2},
        "shared": {"mux": True}, "rides": {"one_connection": True}}


class Scene:
    def __init__(self, group):
        self.group = group
        self.numbers = itertools.count(1)
        self.services = SampleServices(group, "web")
        self.relay = Standalone(group, hold="200ms")

    def agent(self, access="on-request", **config):
        return self.relay.agent(f"device-{next(self.numbers)}", [
            f"web:http:{self.services.target('web', 'http')}",
            f"raw:tcp:{self.services.target('web', 'tcp')}"], access=access, **config)

    def get(self, agent):
        return self.relay.get(agent.host())

    def refused(self, agent):
        answer = self.get(agent)
        assert answer.status == 403 and "has not allowed this now" in answer.text, answer
        assert "retry-after" not in {name.lower() for name in answer.fields}, answer
        return True


@pytest.fixture(scope="module")
def scene(module_group):
    yield Scene(module_group)


def tcp_is_reset(agent):
    try:
        with socket.create_connection(("127.0.0.1", agent.port("raw")), 10) as sock:
            sock.sendall(b"NAME\n")
            return sock.recv(100) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("way", WAYS)
def test_only_what_is_allowed_is_served(scene, way):
    agent = scene.agent(**WAYS[way])
    scene.refused(agent)
    assert tcp_is_reset(agent)
    assert [s["allowed_ms"] for s in status(agent)["services"]] == [0, 0]
    done = ask(agent, "allow", "1h")
    assert done.returncode == 0 and "allowed for 60 minutes more" in done.stdout, done
    assert scene.get(agent).status == 200
    assert tcp_ask(("127.0.0.1", agent.port("raw")), "NAME")
    assert [3_590_000 < s["allowed_ms"] <= 3_600_000 for s in status(agent)["services"]] == [1, 1]
    assert ask(agent, "deny").returncode == 0
    scene.refused(agent)
    assert tcp_is_reset(agent)
    agent.stop()


@pytest.mark.parametrize("way", WAYS)
def test_deny_ends_what_runs(scene, way):
    """The visits of that service alone; the channel that carried them goes on."""
    agent = scene.agent(**WAYS[way])
    assert ask(agent, "allow", "1h").returncode == 0
    with scene.relay.visit(agent.host()) as visit, \
            socket.create_connection(("127.0.0.1", agent.port("raw")), 10) as raw:
        assert visit.get("/name").status == 200
        raw.sendall(b"ECHO\none\n")
        assert raw.recv(4, socket.MSG_WAITALL) == b"one\n"
        assert ask(agent, "deny", "web").returncode == 0
        with pytest.raises((OSError, EOFError, AssertionError)):
            visit.get("/name")
        raw.sendall(b"two\n")
        assert raw.recv(4, socket.MSG_WAITALL) == b"two\n"
        assert agent.process.lines("visit is ended", "service=web", 'reason="no consent"')
        assert [s["visits"] for s in status(agent)["services"]] == [0, 1]
        scene.refused(agent)
        assert ask(agent, "deny").returncode == 0
        with pytest.raises((ConnectionError, AssertionError)):
            raw.sendall(b"three\n")
            assert raw.recv(100)
    assert ask(agent, "allow", "1h").returncode == 0
    assert scene.get(agent).status == 200
    assert agent.welcomes() == 1
    agent.stop()


def test_bulk_stream_is_ended_too(scene):
    """One that a thread of its own carries."""
    agent = scene.agent(mux=False)
    assert ask(agent, "allow", "1h").returncode == 0
    with scene.relay.visit(agent.host()) as visit:
        visit.sock.sendall(b"GET /bytes/4000000000 HTTP/1.1\r\nHost: "
                           + agent.host().encode() + b"\r\n\r\n")
        got = 0
        while got < 30_000_000:
            got += len(visit.sock.recv(1 << 20))
        assert ask(agent, "deny").returncode == 0
        with pytest.raises((ConnectionError, AssertionError)):
            while True:
                assert visit.sock.recv(1 << 20)
    scene.refused(agent)
    assert status(agent)["visits"] == 0
    agent.stop()


def test_consent_ends_by_time(scene):
    agent = scene.agent()
    began = time.monotonic()
    assert ask(agent, "allow", "2s").returncode == 0
    with scene.relay.visit(agent.host()) as visit:
        assert visit.get("/name").status == 200
        agent.process.wait_line("consent is over", "service=web")
        with pytest.raises((OSError, EOFError, AssertionError)):
            visit.get("/name")
    assert 1.9 < time.monotonic() - began < 8
    scene.refused(agent)
    agent.stop()


def test_one_service_and_not_the_other(scene):
    agent = scene.agent(access="raw:on-request")
    assert scene.get(agent).status == 200
    assert tcp_is_reset(agent)
    done = ask(agent, "allow", "1h", "web")
    assert done.returncode == 65 and "asks for no consent" in done.stderr
    assert "no service of this name" in ask(agent, "allow", "1h", "ftp").stderr
    assert ask(agent, "allow", "1h", "raw").returncode == 0
    assert tcp_ask(("127.0.0.1", agent.port("raw")), "NAME")
    agent.stop()


def test_consent_is_forgotten_at_a_restart_and_kept_by_a_reload(scene):
    agent = scene.agent(access="web:on-request")
    assert ask(agent, "allow", "1h").returncode == 0
    agent.process.send_signal(signal.SIGHUP)
    agent.process.wait_line("configuration read again")
    assert scene.get(agent).status == 200
    agent.stop()
    agent.start()
    scene.refused(agent)
    agent.stop()


def test_reload_that_wants_consent_ends_what_runs(scene):
    agent = scene.agent(access=[])
    with scene.relay.visit(agent.host()) as visit:
        assert visit.get("/name").status == 200
        agent.config["access"] = "web:on-request"
        agent.write_config()
        agent.process.send_signal(signal.SIGHUP)
        agent.process.wait_line("configuration read again")
        until("the visit is ended", lambda: agent.process.lines("visit is ended", "service=web"))
    scene.refused(agent)
    assert tcp_ask(("127.0.0.1", agent.port("raw")), "NAME")
    agent.stop()


def test_access_that_is_wrong(scene):
    for access, needle in (("never", "SERVICE:on-request"), ("No!:on-request", "on-request"),
                           ("ftp:on-request", "a service that there is not")):
        done = subprocess.run([binary("taupe-agent"), "--check-config", "--name", "a", "--relay",
                               "ws://x", "--service", "web:http:x:1", "--access", access],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 78 and needle in done.stderr, done
