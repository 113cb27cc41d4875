# SPDX-License-Identifier: MIT
"""The stand-alone relay: no Redis, no HAProxy, visitors joined by Host or SNI."""
import socket
import time

import pytest

from harness.programs import Certificate, SampleServices
from harness.scenes import Standalone
from harness.visitors import Connection, pattern_sha256
from harness.wait import until
from test_tls_passthrough import TlsService


class Scene:
    def __init__(self, group):
        self.group = group
        self.services = SampleServices(group, "alice", "bob")
        self.tls = TlsService()
        self.relay = Standalone(group, domain="localhost", handshake_timeout="1s", hold="300ms")
        self.agents = {}
        for name in ("alice", "bob"):
            self.agents[name] = self.relay.agent(name, [
                f"web:http:{self.services.target(name, 'http')}",
                f"admin:http:{self.services.target(name, 'http')}",
                f"own:tls:{self.tls.target}"], domain="localhost")
        self.host = self.agents["alice"].host(domain="localhost")

    def outcome(self, data, timeout=10):
        """What the front says to these bytes, to its end."""
        with socket.create_connection(self.relay.front, timeout) as sock:
            sock.sendall(data)
            got = b""
            try:
                while piece := sock.recv(65536):
                    got += piece
            except ConnectionResetError:
                pass
            return got


@pytest.fixture(scope="module")
def scene(module_group):
    scene = Scene(module_group)
    yield scene
    scene.tls.shutdown()
    scene.tls.server_close()


def test_host_joins_the_visitor_to_its_device(scene):
    for name, agent in scene.agents.items():
        assert scene.relay.get(agent.host(domain="localhost")).text == name
        assert scene.relay.get(agent.host("admin", domain="localhost")).text == name


def test_host_may_have_a_port_capitals_and_a_dot(scene):
    for host in (f"{scene.host}:{scene.relay.front_port}", scene.host.upper(), f"{scene.host}."):
        assert scene.relay.get(host).text == "alice"


def test_announced_url_leads_to_the_device(scene):
    assert scene.agents["alice"].url("web") == f"http://{scene.host}:{scene.relay.front_port}/"


def test_sni_joins_the_visitor_to_the_device_with_the_certificate(scene):
    host = scene.agents["bob"].host("own", domain="localhost")
    certificate = Certificate(scene.group.folder / "bob", host)
    scene.tls.context.load_cert_chain(certificate.chain, certificate.key)
    with Connection(scene.relay.front, host, sni=host, cafile=certificate.ca) as visit:
        assert visit.get("/bytes/100000").sha256 == pattern_sha256(100000)


def test_unknown_sni_is_closed_at_once(scene):
    start = time.monotonic()
    with pytest.raises(OSError):
        Connection(scene.relay.front, "x", sni="nobody.localhost")
    assert time.monotonic() - start < 0.9


def test_unknown_host_is_404_with_a_page(scene):
    answer = scene.relay.get("nobody.localhost")
    assert answer.status == 404 and "<html" in answer.text.lower()


def test_body_of_100_mb_arrives_identical(scene):
    assert scene.relay.get(scene.host, "/bytes/100000000").sha256 == pattern_sha256(100_000_000)


def test_head_that_comes_byte_by_byte_is_joined(scene):
    with scene.relay.visit(scene.host) as visit:
        for byte in f"GET /name HTTP/1.1\r\nHost: {scene.host}\r\n\r\n".encode():
            visit.send(bytes([byte]))
        assert visit.read_answer().text == "alice"


@pytest.mark.parametrize("data", [
    b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: \x01\r\n\r\n", b"GET / HTTP/1.1\nHost: a\n\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
    b"GET http://x/ HTTP/1.1\r\nHost: a b\r\n\r\n",
], ids=range(9))
def test_malformed_request_gets_4xx_and_harms_nobody(scene, data):
    got = scene.outcome(data)
    assert got.startswith(b"HTTP/1.1 4") or got.startswith(b"HTTP/1.1 505"), got[:200]
    assert scene.relay.get(scene.host).text == "alice"


@pytest.mark.parametrize("data", [
    b"\x16\x03\x01\x00\x05hello", b"\x16\x03\x01\xff\xff" + b"x" * 17000, b"\x16" * 600,
], ids=range(3))
def test_malformed_client_hello_is_closed_and_harms_nobody(scene, data):
    assert not scene.outcome(data).startswith(b"HTTP/1.1 2")
    assert scene.relay.get(scene.host).text == "alice"


def test_endless_head_is_refused(scene):
    got = scene.outcome(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: " + b"y" * 70000)
    assert got == b"" or got.startswith(b"HTTP/1.1 4")


def test_visitor_who_says_nothing_is_let_go(scene):
    start = time.monotonic()
    scene.outcome(b"")
    assert time.monotonic() - start < 5


def test_absent_device_gets_503_with_retry_after(scene):
    agent = scene.relay.agent("carol", [f"web:http:{scene.services.target('bob', 'http')}"],
                              domain="localhost")
    host = agent.host(domain="localhost")
    assert scene.relay.get(host).text == "bob"
    agent.stop()
    answer = scene.relay.get(host)
    assert answer.status == 503 and int(answer.header("retry-after")) > 0
    agent.start()
    assert agent.host(domain="localhost") == host
    assert until("back", lambda: scene.relay.get(host).text == "bob")


def test_refused_service_gets_502(scene):
    agent = scene.relay.agent("dave", ["web:http:127.0.0.1:1"], domain="localhost")
    assert scene.relay.get(agent.host(domain="localhost")).status == 502


def test_device_that_is_added_to_the_file_is_known_without_a_restart(scene):
    agent = scene.relay.agent("erin", [f"web:http:{scene.services.target('bob', 'http')}"],
                              domain="localhost")
    assert scene.relay.get(agent.host(domain="localhost")).text == "bob"
