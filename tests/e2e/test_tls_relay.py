# SPDX-License-Identifier: MIT
"""A relay that ends its agents' TLS itself."""
import os
import signal
import socket
import ssl

import pytest

from harness import ports
from harness.programs import Agent, Certificate, Device, SampleServices
from harness.scenes import Standalone
from harness.visitors import pattern_sha256
from harness.wait import until

BIG = 3_000_000


class Scene:
    """A relay that agents reach with TLS alone, and one agent that stays."""

    def __init__(self, group):
        self.group = group
        self.services = SampleServices(group, "web")
        self.certificate = Certificate(group.folder / "certificate", "127.0.0.1")
        self.port = ports.take()
        self.bundle = group.folder / "relay.pem"
        self.install(self.certificate)
        self.relay = Standalone(group, agent_listen="", agent_tls_listen=f"127.0.0.1:{self.port}",
                                agent_url=f"wss://127.0.0.1:{self.port}",
                                tls_certificate=self.bundle, handshake_timeout="1s")
        self.process = self.relay.relay.process
        self.agent = self.new_agent("stays")

    def install(self, certificate):
        """As a certificate's client does it: the file is there or not, never half of it."""
        new = self.bundle.with_suffix(".new")
        new.write_bytes(certificate.bundle.read_bytes())
        os.replace(new, self.bundle)

    def new_agent(self, name, **config):
        return self.relay.agent(name, [f"web:http:{self.services.target('web', 'http')}"],
                                **{"ca_file": self.certificate.ca, **config})

    def refused_agent(self, name, **config):
        """An agent that does not get in."""
        return Agent(self.group, self.relay.device(name), [self.relay.relay],
                     ["web:http:127.0.0.1:1"], start=False, **config).start(wait=False)

    def failures(self):
        return self.relay.relay.metrics()["taupe_relay_tls_failed_total"]

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), 10)

    def handshake(self, version=None, ciphers=None):
        """As a client with the authority; the connection when it is complete."""
        context = ssl.create_default_context(cafile=self.certificate.ca)
        if ciphers:
            context.set_ciphers(ciphers)
        if version:
            context.minimum_version = context.maximum_version = version
        return context.wrap_socket(self.connect(), server_hostname="127.0.0.1")

    def serial(self):
        """Which certificate is shown."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(self.connect()) as sock:
            return sock.getpeercert(binary_form=True)


@pytest.fixture(scope="module")
def scene(module_group):
    yield Scene(module_group)


@pytest.fixture(autouse=True)
def nobody_else_noticed(scene):
    yield
    assert scene.relay.get(scene.agent.host()).text == "web"
    assert scene.agent.welcomes() == 1


def test_visitors_reach_a_device_behind_tls(scene):
    host = scene.agent.host()
    for size in (0, 1, 16384, 16385, 70000, BIG):
        assert scene.relay.get(host, f"/bytes/{size}").sha256 == pattern_sha256(size)
    with scene.relay.visit(host) as visit:
        for size in (1000, BIG):
            assert visit.post_pattern("/sha256", size).text.split() == [str(size),
                                                                        pattern_sha256(size)]


def test_agent_with_another_authority_is_told_so_and_so_is_the_operator(scene):
    before = scene.failures()
    other = Certificate(scene.group.folder / "other", "127.0.0.1")
    agent = scene.refused_agent("distrusts", ca_file=other.ca)
    assert "unable to get local issuer" in agent.process.wait_line("certificate verify failed")
    assert "from=127.0.0.1" in scene.process.wait_line("TLS handshake with an agent failed",
                                                       "unknown ca")
    agent.stop()
    assert scene.failures() > before


def test_agent_without_tls_is_refused_with_a_reason(scene):
    before = scene.failures()
    agent = scene.refused_agent("plain", relay=f"ws://127.0.0.1:{scene.port}")
    scene.process.wait_line("TLS handshake with an agent failed", "does not speak TLS")
    agent.stop()
    assert scene.failures() > before


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3_are_spoken(scene, version):
    with scene.handshake(version) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 404 ")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1")
def test_tls_1_1_is_refused(scene):
    before = scene.failures()
    with pytest.raises(OSError):
        scene.handshake(ssl.TLSVersion.TLSv1_1, "DEFAULT:@SECLEVEL=0")
    until("it is counted", lambda: scene.failures() == before + 1)
    scene.process.wait_line("TLS handshake with an agent failed", "unsupported protocol")


@pytest.mark.parametrize("data", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
                         ids=["nothing", "one byte", "half a hello"])
def test_handshake_that_stalls_ends_in_time(scene, data):
    before = scene.failures()
    with scene.connect() as sock:
        sock.sendall(data)
        assert sock.recv(1) == b""
    assert scene.failures() == before + 1
    scene.process.wait_line("TLS handshake with an agent failed", "it took too long")


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", os.urandom(600), b"\x16\x03\x01" * 99],
                         ids=["http", "random", "records"])
def test_garbage_ends_one_connection(scene, data):
    before = scene.failures()
    with scene.connect() as sock:
        sock.sendall(data)
        try:
            while sock.recv(100):
                pass
        except ConnectionResetError:
            pass
    assert scene.failures() == before + 1


def test_end_within_the_handshake_is_counted(scene):
    before = scene.failures()
    scene.connect().close()
    until("it is counted", lambda: scene.failures() == before + 1)


def test_silence_behind_the_handshake_ends_in_time(scene):
    with scene.handshake() as sock:
        assert sock.recv(100).startswith(b"HTTP/1.1 408 ")


def test_reload_shows_the_new_certificate_and_drops_nobody(scene):
    before = scene.serial()
    visit = scene.relay.visit(scene.agent.host())
    assert visit.get("/name").text == "web"
    fresh = Certificate(scene.group.folder / "fresh", "127.0.0.1")
    scene.install(fresh)
    scene.process.send_signal(signal.SIGHUP)
    until("the new one is shown", lambda: scene.serial() != before)
    assert scene.serial() == ssl.PEM_cert_to_DER_cert(fresh.chain.read_text())
    assert visit.get("/name").text == "web"
    visit.close()
    agent = scene.new_agent("newcomer", ca_file=fresh.ca)
    assert scene.relay.get(agent.host()).text == "web"
    agent.stop()

    for number, wrong in enumerate((b"", fresh.chain.read_bytes(),
                                    fresh.chain.read_bytes() + scene.certificate.key.read_bytes()), 1):
        scene.bundle.write_bytes(wrong)
        scene.process.send_signal(signal.SIGHUP)
        scene.process.wait_line("the certificate stays as it was", count=number)
        assert str(scene.bundle) in scene.process.lines("no certificate for agents")[-1]
        assert scene.serial() == ssl.PEM_cert_to_DER_cert(fresh.chain.read_text())
    scene.install(scene.certificate)
    scene.process.send_signal(signal.SIGHUP)
    until("the first is shown again", lambda: scene.serial() == before)


def test_agents_come_with_and_without_tls_to_one_relay(group):
    certificate = Certificate(group.folder / "certificate", "127.0.0.1")
    services = SampleServices(group, "web")
    port = ports.take()
    scene = Standalone(group, agent_url="", agent_tls_listen=f"127.0.0.1:{port}",
                       tls_certificate=certificate.chain, tls_key=certificate.key)
    target = f"web:http:{services.target('web', 'http')}"
    scene.relay.process.wait_line("relay is running", f"url=wss://127.0.0.1:{port} ")
    urls = {"with": f"wss://127.0.0.1:{port}", "without": f"ws://127.0.0.1:{scene.relay.agent_port}"}
    for name, url in urls.items():
        agent = Agent(group, scene.device(name), [url], [target], ca_file=certificate.ca)
        assert scene.get(agent.host()).text == "web"


def test_crowd_in_the_handshake_is_bounded(group):
    certificate = Certificate(group.folder / "certificate", "127.0.0.1")
    port = ports.take()
    scene = Standalone(group, agent_listen="", agent_url="", max_handshakes="3",
                       agent_tls_listen=f"127.0.0.1:{port}", tls_certificate=certificate.bundle)
    waiting = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(3)]
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        assert sock.recv(1) == b""
    scene.relay.process.wait_line("a limit was hit", "limit=max_handshakes")
    for sock in waiting:
        sock.close()


@pytest.mark.parametrize("config,needle", [
    ({"tls_certificate": None}, "tls_certificate"),
    ({"tls_certificate": "/nonexistent.pem"}, "/nonexistent.pem: No such file"),
    ({"tls_key": "/nonexistent.key"}, "/nonexistent.key: No such file"),
    ({"tls_key": "other"}, "key values mismatch"),
    ({"agent_tls_listen": None}, "agent_tls_listen"),
    ({"agent_tls_listen": None, "tls_certificate": None, "agent_listen": ""}, "agent_listen"),
    ({"agent_listen": "", "agent_url": "ws://r1.example.test"}, "wss URL"),
    ({"agent_tls_listen": "0.0.0.0:1"}, "agent_url"),
], ids=["no certificate", "no such certificate", "no such key", "another key", "nobody listens",
        "nothing listens", "url without tls", "wildcard without url"])
def test_wrong_configuration_is_told_at_the_start(group, config, needle):
    certificate = Certificate(group.folder / "certificate", "127.0.0.1")
    if config.get("tls_key") == "other":
        config = {"tls_key": Certificate(group.folder / "other", "127.0.0.1").key}
    if config.get("agent_tls_listen") == "0.0.0.0:1":
        config = {"agent_tls_listen": f"0.0.0.0:{ports.take()}"}
    values = {"agent_tls_listen": f"127.0.0.1:{ports.take()}", "agent_url": "",
              "tls_certificate": certificate.bundle, **config}
    scene = Standalone(group, start=False, **values)
    scene.device("somebody")
    process = scene.relay.start(wait=False).process
    process.popen.wait(10)
    process.expected = {66, 78}
    assert process.popen.returncode in process.expected, process.text()
    assert needle in process.text()
