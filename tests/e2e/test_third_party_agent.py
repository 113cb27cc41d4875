# SPDX-License-Identifier: MIT
"""The agents that were written from docs/PROTOCOL.md alone serve visitors: the one with transfer
channels, and the one whose visits ride on the control channel."""
import concurrent.futures
import hashlib
import pathlib
import socket
import sys

import pytest

from harness.process import Group, Process
from harness.programs import SampleServices
from harness.scenes import Cluster, wait_tcp
from harness.visitors import READ, get, pattern, pattern_sha256, tcp_outcome
from harness.wait import stays, until

AGENTS = ["third_party_agent.py", "one_connection_agent.py"]
MB = 1_000_000


class Scene:
    def __init__(self, group, agent):
        self.group, self.agent = group, agent
        self.services = SampleServices(group, "web")
        self.cluster = Cluster(group, heartbeat="300ms")
        device = self.cluster.device("foreign", label="foreign-device")
        secret = group.folder / "secret"
        secret.write_text(device.secret)
        self.process = Process(group, "third-party-agent", [
            sys.executable, str(pathlib.Path(__file__).with_name(agent)),
            "--relay", self.cluster.relay.url, "--name", "foreign", "--secret-file", str(secret),
            "--service", f"web:http:{self.services.target('web', 'http')}",
            "--service", f"raw:tcp:{self.services.target('web', 'tcp')}",
            "--service", "dead:http:127.0.0.1:1"], ends=(-15,))
        line = self.process.wait_line("welcome")
        port = next(word for word in line.split() if word.startswith("raw:")).rpartition(":")[2]
        self.tcp = ("127.0.0.1", int(port))
        self.host = "foreign-device.example.test"
        self.cluster.wait_served(self.host)
        wait_tcp(self.tcp)


@pytest.fixture(scope="module", params=AGENTS)
def scene(request, tmp_path_factory):
    group = Group(tmp_path_factory.mktemp(request.param))
    yield Scene(group, request.param)
    group.close()


@pytest.mark.parametrize("size", [1, 1000, 20 * MB])
def test_third_party_agent_serves_get_identical(scene, size):
    assert scene.cluster.get(scene.host, f"/bytes/{size}").sha256 == pattern_sha256(size)


def test_third_party_agent_takes_a_post(scene):
    with scene.cluster.visit(scene.host) as visit:
        answer = visit.post_pattern("/sha256", 10 * MB)
    assert answer.text == f"{10 * MB} {pattern_sha256(10 * MB)}"


def test_third_party_agent_serves_ten_visitors_at_once(scene):
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        sums = pool.map(lambda _: scene.cluster.get(scene.host, f"/bytes/{MB}").sha256, range(10))
        assert set(sums) == {pattern_sha256(MB)}


def test_third_party_agent_half_closes(scene):
    with socket.create_connection(scene.tcp, 30) as sock:
        sock.sendall(b"SINK\n")
        for piece in pattern(MB):
            sock.sendall(piece)
        sock.shutdown(socket.SHUT_WR)
        got = b""
        while data := sock.recv(READ):
            got += data
    assert got.decode() == f"{MB} {pattern_sha256(MB)}"
    with socket.create_connection(scene.tcp, 30) as sock:
        sock.sendall(f"SOURCE {MB}\n".encode())
        digest = hashlib.sha256()
        while data := sock.recv(READ):
            digest.update(data)
        assert digest.hexdigest() == pattern_sha256(MB)
        sock.sendall(b"rest")


def test_third_party_agent_refuses_what_does_not_answer(scene):
    assert scene.cluster.wait_served("foreign-device--dead.example.test", status=502).status == 502


def test_third_party_agent_survives_resets_from_both_sides(scene):
    for _ in range(5):
        assert tcp_outcome(scene.tcp, b"RESET\n")[1] == b""
    with scene.cluster.visit(scene.host) as visit:
        visit.send_head("GET", "/gate/never")
        until("it is at the service", lambda: get(
            scene.services.address("web", "http"), "direct", "/gate/never/count").text == "1")
    assert scene.cluster.get(scene.host).text == "web"


def test_third_party_agent_channels_are_used_again(scene):
    before = scene.cluster.relay.metrics()
    for _ in range(10):
        assert scene.cluster.get(scene.host).text == "web"
    after = scene.cluster.relay.metrics()
    assert after["taupe_relay_visits_reused_total"] - before["taupe_relay_visits_reused_total"] >= 5


def test_third_party_agent_stays_connected_over_many_heartbeats(scene):
    """The relay of this file counts a session as dead after 0.9 s of silence."""
    stays("one session", lambda: scene.cluster.relay.metrics()["taupe_relay_sessions_opened_total"] == 1,
          3)
    assert len(scene.process.lines("welcome")) == 1


def test_one_connection_is_all_that_was_made(scene):
    dug = scene.cluster.relay.metrics()["taupe_relay_transfers_opened_total"]
    assert (dug > 0) == (scene.agent == AGENTS[0])
