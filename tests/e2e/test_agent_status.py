# SPDX-License-Identifier: MIT
"""taupe-agent status: what the running agent says of itself, over a socket of its own user's."""
import contextlib
import json
import os
import socket
import stat
import subprocess
import time

import pytest

from harness import ports
from harness.fakes import FakeRelay
from harness.process import binary
from harness.programs import Agent, SampleServices
from harness.scenes import Standalone
from harness.wait import until

NOPERM, UNAVAILABLE, USAGE, DATAERR = 77, 69, 64, 65


def ask(agent, *words, user=None):
    """taupe-agent with the agent's own configuration."""
    done = subprocess.run([binary("taupe-agent"), "--config",
                           str(agent.group.folder / f"{agent.name}.conf"), *words],
                          capture_output=True, text=True, timeout=30, check=False, user=user)
    assert "AddressSanitizer" not in done.stderr, done.stderr
    assert agent.device.secret not in done.stdout + done.stderr
    return done


def status(agent):
    done = ask(agent, "status", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Scene:
    def __init__(self, group):
        self.group = group
        self.services = SampleServices(group, "web")
        self.relay = Standalone(group)

    @property
    def web(self):
        return f"web:http:{self.services.target('web', 'http')}"


@pytest.fixture(scope="module")
def scene(module_group):
    yield Scene(module_group)


def test_all_that_is_known(scene):
    agent = scene.relay.agent("alice", [scene.web, f"raw:tcp:{scene.services.target('web', 'tcp')}"])
    now = time.time() * 1000
    told = status(agent)
    assert told["device"] == "alice" and told["state"] == "connected"
    assert told["relay"] == scene.relay.relay.url and told["label"] == agent.label
    assert told["heartbeat_ms"] == 30000 and "lost" not in told
    assert abs(told["since_ms"] - now) < 20000 and told["epoch"] > 1
    web, raw = told["services"]
    assert (web["service"], web["kind"], web["access"]) == ("web", "http", "open")
    assert web["target"] == scene.services.target("web", "http")
    assert web["url"] == agent.url("web") and raw["url"] == agent.url("raw")
    with scene.relay.visit(agent.host()) as visit:
        assert visit.get("/bytes/100000").status == 200
        running = status(agent)
        assert running["visits"] == 1
        assert [s["visits"] for s in running["services"]] == [1, 0]
    ended = until("the visit has ended", lambda: (lambda s: s if s["visits"] == 0 else None)(
        status(agent)))
    assert ended["visits_ended"] == 1 and ended["out_bytes"] > 100000 > ended["in_bytes"] > 10
    text = ask(agent, "status").stdout
    for needle in ("device     alice\n", "connected since 20", agent.url("raw"), "1 before"):
        assert needle in text
    agent.stop()


def test_agent_that_does_not_come_through(scene):
    device = scene.relay.device("lost")
    agent = Agent(scene.group, device, [f"ws://127.0.0.1:{ports.take()}"], [scene.web],
                  reconnect_min="60s", reconnect_max="60s", start=False)
    agent.start(wait=False)
    agent.process.wait_line("session failed", timeout=70)
    told = status(agent)
    assert told["state"] == "not connected" and "Connection refused" in told["lost"]
    assert 0 < told["retry_ms"] <= 120000 and "label" not in told
    text = ask(agent, "status").stdout
    assert "last loss" in text and "next try   in" in text
    agent.stop()


def test_why_the_session_before_was_lost(scene):
    with FakeRelay() as relay:
        agent = Agent(scene.group, scene.relay.device("moved"), [relay.url], [scene.web])
        relay.control().send_frame(8, b"\x03\xf5go away")
        agent.wait_connected(count=2)
        told = status(agent)
        assert told["state"] == "connected"
        assert "1013" in told["lost"] and "go away" in told["lost"] and told["lost_ms"] > 0
        agent.stop()


def test_budget(scene):
    agent = scene.relay.agent("thrifty", [scene.web], data_budget="5MB/month")
    told = status(agent)
    assert told["budget_bytes"] == 5_000_000 and told["spent_bytes"] > 0
    agent.stop()


def test_socket_is_the_agents_own(scene):
    agent = scene.relay.agent("private", [scene.web])
    path = agent.state_file.with_name(agent.state_file.name + ".sock")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600 and stat.S_ISSOCK(os.stat(path).st_mode)
    agent.stop()
    assert not path.exists()
    done = ask(agent, "status")
    assert done.returncode == UNAVAILABLE and "is it running" in done.stderr
    assert str(path) in done.stderr


def test_another_user_is_kept_out(open_group):
    relay = Standalone(open_group)
    agent = relay.agent("alice", ["web:http:127.0.0.1:1"])
    (open_group.folder / f"{agent.name}.conf").chmod(0o644)
    done = ask(agent, "status", user="nobody")
    assert done.returncode == NOPERM and "another user" in done.stderr
    assert not done.stdout
    agent.stop()


def test_what_a_killed_agent_has_left(scene):
    agent = scene.relay.agent("killed", [scene.web])
    path = agent.state_file.with_name(agent.state_file.name + ".sock")
    agent.kill()
    assert path.exists()
    assert ask(agent, "status").returncode == UNAVAILABLE
    agent.start()
    assert status(agent)["state"] == "connected"
    # and a second one does not take the place of the first
    other = Agent(scene.group, agent.device, [scene.relay.relay], [scene.web], name="second",
                  state_file=agent.state_file, control_socket=path, start=False)
    other.start(wait=False)
    assert "another agent listens there" in other.process.wait_line("no control_socket")
    assert status(agent)["state"] == "connected"
    other.stop()
    assert status(agent)["state"] == "connected"
    agent.stop()


def test_socket_elsewhere_and_nowhere(scene):
    path = scene.group.folder / "s"
    agent = scene.relay.agent("elsewhere", [scene.web], control_socket=path)
    assert status(agent)["device"] == "elsewhere" and path.exists()
    agent.stop()
    path.write_text("a file of somebody's")
    agent = scene.relay.agent("file", [scene.web], control_socket=path)
    agent.process.wait_line("level=warn", "no control_socket", "File exists")
    assert path.read_text() == "a file of somebody's"
    agent.stop()


def raw(path, data, shut=False):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(str(path))
        sock.sendall(data)
        if shut:
            sock.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while got := sock.recv(65536):
                answer += got
        return answer


def test_strange_questions(scene):
    agent = scene.relay.agent("asked", [scene.web])
    path = agent.state_file.with_name(agent.state_file.name + ".sock")
    for question, answer in ((b"op=dance\n", b"no such command"), (b"%\n", b"no question"),
                             (b"\n", b"no such command"), (b"x" * 512, b"too long"),
                             (b"op=allow&service=web\n", b"for how long"),
                             (b"op=allow&ms=99999999999999999999\n", b"no question"),
                             (b"op=allow&ms=1000&service=" + b"w" * 30 + b"\n", b"no question")):
        said = raw(path, question)
        assert said.startswith(b"error=") and said.endswith(b"\nend=1\n"), said
        assert answer in said.replace(b"%20", b" "), said
    assert raw(path, b"op=status", shut=True) == b""
    # who says nothing is no burden: the loop goes on, and the others are served in the end
    silent = [socket.socket(socket.AF_UNIX) for _ in range(8)]
    for sock in silent:
        sock.connect(str(path))
    assert raw(path, b"op=status\n") == b""
    assert scene.relay.get(agent.host()).status == 200
    assert silent[0].recv(1) == b""  # after its five seconds
    assert status(agent)["state"] == "connected"
    for sock in silent:
        sock.close()
    agent.stop()


def test_words_of_the_command_line(scene):
    agent = scene.relay.agent("words", [scene.web])
    for words, needle in ((["dance"], "no such command"), (["status", "web"], "too many words"),
                          (["allow"], "for how long"), (["allow", "soon"], "1h"),
                          (["allow", "1h", "No!"], "service's name"),
                          (["deny", "web", "ssh"], "too many words")):
        done = ask(agent, *words)
        assert done.returncode == USAGE and needle in done.stderr, (words, done.stderr)
    done = ask(agent, "allow", "1h")
    assert done.returncode == DATAERR and "access = on-request is not set" in done.stderr
    agent.stop()
    assert "allow TIME [SERVICE]" in subprocess.run(
        [binary("taupe-agent"), "--help"], capture_output=True, text=True, check=True).stdout
