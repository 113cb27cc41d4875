# SPDX-License-Identifier: MIT
"""Public TCP ports: an OpenSSH session, a copied file, half-close and resets."""
import hashlib
import socket

import pytest

from harness.programs import SampleServices, Sshd
from harness.scenes import Cluster, wait_tcp
from harness.visitors import READ, pattern, pattern_sha256, tcp_ask, tcp_outcome
from harness.wait import until


class Scene:
    def __init__(self, group):
        self.group = group
        self.services = SampleServices(group, "raw")
        self.sshd = Sshd(group)
        self.cluster = Cluster(group)
        self.agent = self.cluster.agent("alice", [
            f"ssh:tcp:127.0.0.1:{self.sshd.port}",
            f"raw:tcp:{self.services.target('raw', 'tcp')}",
            "dead:tcp:127.0.0.1:1"])
        self.raw = self.cluster.public_address(self.agent, "raw")
        assert wait_tcp(self.raw) == "raw"


@pytest.fixture(scope="module")
def scene(module_group):
    return Scene(module_group)


def test_ssh_session_runs_a_command(scene):
    port = scene.agent.port("ssh")
    done = until("ssh answers", lambda: (d := scene.sshd.ssh(port, "echo dug in; cat",
                                                             input="and back\n"))
                 and d.returncode == 0 and d)
    assert done.stdout == "dug in\nand back\n"


def test_ssh_hands_on_the_exit_status(scene):
    assert scene.sshd.ssh(scene.agent.port("ssh"), "exit 42").returncode == 42


def test_scp_of_50_mb_arrives_identical(scene, tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    with open(source, "wb") as file:
        for piece in pattern(50_000_000):
            file.write(piece)
    done = scene.sshd.scp(scene.agent.port("ssh"), source, target)
    assert done.returncode == 0, done.stderr
    assert hashlib.sha256(target.read_bytes()).hexdigest() == pattern_sha256(50_000_000)


def test_visitor_half_closes_and_still_gets_the_answer(scene):
    size = 3_000_000
    with socket.create_connection(scene.raw, 30) as sock:
        sock.sendall(b"SINK\n")
        for piece in pattern(size):
            sock.sendall(piece)
        sock.shutdown(socket.SHUT_WR)
        parts = []
        while data := sock.recv(READ):
            parts.append(data)
    assert b"".join(parts).decode() == f"{size} {pattern_sha256(size)}"


def test_service_half_closes_and_still_gets_the_rest(scene):
    size = 2_000_000
    with socket.create_connection(scene.raw, 30) as sock:
        sock.sendall(f"SOURCE {size}\n".encode())
        digest = hashlib.sha256()
        while data := sock.recv(READ):
            digest.update(data)
        assert digest.hexdigest() == pattern_sha256(size)
        # The service has ended its direction; ours is still open.
        for piece in pattern(size):
            sock.sendall(piece)
        sock.shutdown(socket.SHUT_WR)
    until("the service got all of it",
          lambda: tcp_ask(scene.raw, "STAT") == f"{size} {pattern_sha256(size)}")


def test_both_ends_talk_at_once(scene):
    with socket.create_connection(scene.raw, 30) as sock:
        sock.sendall(b"ECHO\n")
        for round_ in range(200):
            message = f"round {round_}".encode()
            sock.sendall(message)
            got = b""
            while len(got) < len(message):
                got += sock.recv(READ)
            assert got == message


def test_reset_of_the_service_resets_the_visitor(scene):
    assert tcp_outcome(scene.raw, b"RESET\n")[0] in ("reset", "end")
    assert tcp_ask(scene.raw, "NAME") == "raw"


def test_dead_tcp_service_gives_the_visitor_no_bytes(scene):
    how, got = tcp_outcome(("127.0.0.1", scene.agent.port("dead")), b"hello\n")
    assert how in ("reset", "end") and got == b""


def test_visit_that_was_reset_leaves_the_channel_for_the_next(scene):
    for _ in range(20):
        tcp_outcome(scene.raw, b"RESET\n")
        assert tcp_ask(scene.raw, "NAME") == "raw"


def test_port_that_nobody_holds_gives_no_bytes(scene):
    held = {scene.agent.port(service) for service in ("ssh", "raw", "dead")}
    free = next(port for port in range(scene.cluster.public, scene.cluster.public_last)
                if port not in held)
    how, got = tcp_outcome(("127.0.0.1", free), b"hello\n")
    assert how in ("reset", "end", "refused") and got == b""
