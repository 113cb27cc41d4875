# SPDX-License-Identifier: MIT
"""Agents that show certificates of their own, and sessions that are resumed at another relay."""
import base64
import os
import re
import signal
import socket
import ssl
import subprocess
import time

import pytest

from harness import marks, ports
from harness.fakes import RawAgent
from harness.programs import Agent, Certificate, Device, SampleServices
from harness.scenes import Cluster, Standalone
from harness.wait import until
from test_taupectl import Ctl


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Authority:
    """Signs devices' certificates."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self.ca, self.key = folder / "ca.pem", folder / "ca.key"
        self.crl = folder / "crl.pem"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", self.key, "-out", self.ca, "-days", "3", "-subj", "/CN=devices")
        (folder / "index").write_text("")
        (folder / "serial").write_text("01\n")
        self.config = folder / "ca.cnf"
        self.config.write_text(f"[ca]\ndefault_ca=x\n[x]\ndatabase={folder}/index\n"
                               f"default_md=sha256\ndefault_crl_days=3\n")
        self.write_crl()

    def write_crl(self):
        openssl("ca", "-config", self.config, "-gencrl", "-cert", self.ca, "-keyfile", self.key,
                "-out", self.crl)

    def revoke(self, bundle):
        openssl("ca", "-config", self.config, "-cert", self.ca, "-keyfile", self.key,
                "-revoke", bundle)
        self.write_crl()

    def sign(self, name, uri=None):
        """A file with the certificate of that device and its key."""
        request, key = self.folder / f"{name}.csr", self.folder / f"{name}.key"
        cert, extensions = self.folder / f"{name}.pem", self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={uri or f'URI:taupe:{name}'}\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.key,
                "-CAcreateserial", "-days", "3", "-extfile", extensions, "-out", cert)
        bundle = self.folder / f"{name}.bundle"
        bundle.write_text(cert.read_text() + key.read_text())
        return bundle


class Scene:
    def __init__(self, group, **config):
        self.group = group
        self.services = SampleServices(group, "web")
        self.server = Certificate(group.folder / "server", "127.0.0.1")
        self.authority = Authority(group.folder / "devices")
        self.url = f"127.0.0.1:{ports.take()}"
        self.standalone = Standalone(
            group, agent_tls_listen=self.url, agent_url=f"wss://{self.url}",
            tls_certificate=self.server.bundle, agent_client_ca=self.authority.ca, **config)
        self.process = self.standalone.relay.process

    def agent(self, name, certificate, device=None, secret=False, **config):
        device = device or self.standalone.device(name)
        config = {"ca_file": self.server.ca, "tls_certificate": certificate,
                  "relay": f"wss://{self.url}", **config}
        if not secret:
            config["secret_file"] = None
        return Agent(self.group, device, [self.standalone.relay],
                     [f"web:http:{self.services.target('web', 'http')}"], start=False, **config)

    def serves(self, agent):
        agent.start()
        assert self.standalone.get(agent.host()).text == "web"
        agent.stop()


@pytest.fixture(name="scene", scope="module")
def make_scene(module_group):
    yield Scene(module_group)


def test_certificate_needs_no_secret(scene):
    scene.serves(scene.agent("Dev_1", scene.authority.sign("Dev_1")))


def test_label_is_kept_without_a_secret_when_the_registry_has_lost_it(group):
    key = group.folder / "cluster.key"
    key.write_text(marks.marked(48))
    scene = Scene(group, cluster_key_file=key)
    agent = scene.agent("keeps", scene.authority.sign("keeps")).start()
    label = agent.label
    scene.standalone.relay.process.stop()
    scene.standalone.relay.start()
    agent.wait_connected(2)
    assert agent.label == label
    assert scene.standalone.get(agent.host()).text == "web"


def test_secret_needs_no_certificate(scene):
    scene.serves(scene.agent("secretive", None, secret=True))


def test_certificate_with_a_wrong_secret_gets_in(scene):
    device = scene.standalone.device("both")
    agent = scene.agent("both", scene.authority.sign("both"), device=device, secret=True)
    (scene.group.folder / "agent-both.secret").write_text("wrong\n")
    scene.serves(agent)


def test_certificate_of_another_device_is_refused_with_the_right_secret_too(scene):
    agent = scene.agent("mine", scene.authority.sign("yours"), secret=True).start(wait=False)
    scene.process.wait_line("certificate refused", "device=mine", "certificate=yours",
                            "another device's")
    agent.process.wait_line("another device's")
    agent.stop()


def test_host_name_in_a_certificate_is_no_device(scene):
    agent = scene.agent("host", scene.authority.sign("host", "DNS:host")).start(wait=False)
    scene.process.wait_line("agent refused", "status=401", "unknown device or wrong secret")
    agent.stop()


def test_certificate_of_an_unknown_device_is_refused(scene):
    agent = scene.agent("nobody-knows", scene.authority.sign("nobody-knows"),
                        device=Device("nobody-knows")).start(wait=False)
    agent.process.wait_line("unknown device or wrong secret")
    agent.stop()


def test_certificate_of_another_authority_is_refused(scene):
    other = Authority(scene.group.folder / "other")
    agent = scene.agent("forged", other.sign("forged")).start(wait=False)
    scene.process.wait_line("TLS handshake with an agent failed", "certificate verify failed")
    assert agent.welcomes() == 0
    agent.stop()


def test_header_is_ignored_unless_a_proxy_is_trusted_with_it(scene):
    der = ssl.PEM_cert_to_DER_cert(scene.authority.sign("victim").read_text().split("-----BEGIN P")[0])
    scene.standalone.device("victim")
    with socket.create_connection(scene.standalone.relay.agent_address, 10) as sock:
        sock.sendall(control_request("victim", der))
        assert sock.recv(1000).startswith(b"HTTP/1.1 401 ")
    scene.process.wait_line("a certificate in a header is ignored")


def ask_haproxy(cluster, request, certificate=None):
    """The status that an agent gets behind HAProxy."""
    context = ssl.create_default_context(cafile=cluster.haproxy.certificate.ca)
    if certificate:
        context.load_cert_chain(certificate)
    with socket.create_connection(cluster.haproxy.tls, 10) as raw, \
            context.wrap_socket(raw, server_hostname="r1.example.test") as sock:
        sock.sendall(request)
        return int(sock.recv(1000).split()[1])


def test_certificate_is_handed_on_by_haproxy_and_a_forged_one_is_not(group):
    authority = Authority(group.folder / "devices")
    cluster = Cluster(group, haproxy={"TAUPE_CLIENT_CA": str(authority.ca)},
                      agent_url="ws://r1.example.test", proxy_client_certificate="yes")
    until("the relay's name is known", lambda: "r1.example.test" in cluster.haproxy.routes("relay"))
    cluster.device("Dev_1")
    cluster.device("other")
    mine = authority.sign("Dev_1")
    der = ssl.PEM_cert_to_DER_cert(mine.read_text().split("-----BEGIN P")[0])
    request = control_request("Dev_1", None)
    forged = control_request("Dev_1", der)
    assert ask_haproxy(cluster, request) == 401
    assert ask_haproxy(cluster, forged) == 401
    assert ask_haproxy(cluster, forged, authority.sign("other")) == 401
    cluster.relay.process.wait_line("certificate refused", "device=Dev_1", "certificate=other")
    assert ask_haproxy(cluster, request, mine) == 101
    # what the header has in it is believed from HAProxy alone, and is in order there
    assert cluster.relay.process.lines("certificate in a header is ignored") == []


def control_request(name, der):
    """Of an agent without a secret, with a certificate in a header."""
    value = base64.urlsafe_b64encode(der).rstrip(b"=").decode() if der else None
    field = f"X-Taupe-Client-Certificate: {value}\r\n" if value else ""
    return (f"GET /v1/control?name={name}&instance={'0' * 32}&service=web:http HTTP/1.1\r\n"
            "Host: r1.example.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGF1cGUgZGlncyBoZXJlIQ==\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: taupe.v1\r\n{field}\r\n").encode()


def test_device_that_is_removed_is_refused_whatever_its_certificate(scene):
    agent = scene.agent("leaves", scene.authority.sign("leaves")).start()
    scene.standalone.devices = [d for d in scene.standalone.devices if d.name != "leaves"]
    scene.standalone._write()
    agent.process.wait_line("unknown device or wrong secret", timeout=20)
    agent.stop()


def test_device_without_a_secret_is_asked_for_another_one_and_says_what_to_do(scene):
    agent = scene.agent("bare", scene.authority.sign("bare")).start()
    ctl = Ctl(devices_file=scene.standalone.devices_file,
              admin=f"127.0.0.1:{scene.standalone.relay.admin_port}")

    def rotation():
        return ctl.json("device", "show", "bare")["rotation"]

    def stored():
        return re.findall("secret_sha256=[0-9a-f]{64}", scene.standalone.devices_file.read_text())

    before = stored()
    ctl.ok("device", "rotate", "bare")
    until("the reason is there", lambda: rotation() != "asked")
    reason = rotation()
    for what in ("tls_certificate and no secret", "renew that", "secret_file (rotate --now)"):
        assert what in reason
    assert reason in ctl.ok("device", "show", "bare")
    scene.process.wait_line("device cannot have another secret", "device=bare", reason)
    agent.process.wait_line("level=error", "the secret stays as it is", "tls_certificate")
    # nothing else was touched
    assert agent.welcomes() == 1
    assert scene.standalone.get(agent.host()).text == "web"
    assert stored() == before
    # and what it says can be done
    secret = ctl.ok("device", "rotate", "bare", "--now").strip()
    agent.stop()
    device = agent.device
    device.secret = secret
    scene.serves(scene.agent("bare", None, device=device, secret=True, state_file=None))


def test_required_and_revoked(group):
    scene = Scene(group)
    scene.standalone.relay.process.stop()
    config = scene.standalone.relay.config
    config.update(agent_client_certificate="required", agent_client_crl=scene.authority.crl)
    scene.standalone.relay.start()
    scene.process = scene.standalone.relay.process
    without = scene.agent("without", None, secret=True).start(wait=False)
    scene.process.wait_line("TLS handshake with an agent failed", "did not return a certificate")
    without.stop()
    plain = scene.agent("plain", None, secret=True,
                        relay=f"ws://127.0.0.1:{scene.standalone.relay.agent_port}")
    plain.start(wait=False)
    plain.process.wait_line("a certificate is needed")
    plain.stop()

    bundle = scene.authority.sign("stolen")
    good, bad = scene.agent("good", scene.authority.sign("good")), scene.agent("stolen", bundle)
    scene.serves(bad)
    good.start()
    scene.authority.revoke(bundle)
    scene.process.send_signal(signal.SIGHUP)
    scene.process.wait_line("configuration was read again")
    bad.start(wait=False)
    scene.process.wait_line("TLS handshake with an agent failed", "certificate verify failed")
    assert scene.standalone.get(good.host()).text == "web"
    assert good.welcomes() == 1


@pytest.mark.parametrize("config,needle", [
    ({"agent_client_ca": "/nonexistent.pem"}, "/nonexistent.pem"),
    ({"agent_client_crl": "/nonexistent.pem"}, "/nonexistent.pem"),
    ({"agent_client_ca": None, "agent_client_crl": "/x"}, "agent_client_crl needs"),
    ({"agent_client_ca": None, "agent_client_certificate": "required"}, "= required needs"),
    ({"proxy_client_certificate": "yes"}, "proxy_client_certificate needs trusted_proxy"),
])
def test_wrong_configuration_is_told_at_the_start(group, config, needle):
    server, authority = Certificate(group.folder / "s", "127.0.0.1"), Authority(group.folder / "d")
    scene = Standalone(group, start=False, **{
        "agent_tls_listen": f"127.0.0.1:{ports.take()}", "agent_url": "",
        "tls_certificate": server.bundle, "agent_client_ca": authority.ca, **config})
    scene.device("somebody")
    process = scene.relay.start(wait=False).process
    process.popen.wait(10)
    process.expected = {66, 78}
    assert process.popen.returncode in process.expected, process.text()
    assert needle in process.text()


# ---- without the registry ----


def ask_in_without_anything(relay, device):
    """What an agent is answered that has neither certificate nor secret."""
    with RawAgent(relay.agent_address) as agent:
        agent.send(agent.control_request(device, drop=("authorization",)).encode())
        return agent.read_head()[0]


def test_certificate_counts_while_the_registry_is_away_and_opens_no_door_to_others(group):
    server = Certificate(group.folder / "server", "127.0.0.1")
    authority = Authority(group.folder / "devices")
    url = f"127.0.0.1:{ports.take()}"
    cluster = Cluster(group, announce="4s", redis_timeout="300ms", agent_tls_listen=url,
                      agent_url=f"wss://{url}", tls_certificate=server.bundle,
                      agent_client_ca=authority.ca)
    services = SampleServices(group, "web")
    device = cluster.device("alice")
    agent = Agent(group, device, cluster.relays, [f"web:http:{services.target('web', 'http')}"],
                  start=False, relay=f"wss://{url}", ca_file=server.ca, secret_file=None,
                  tls_certificate=authority.sign("alice")).start()
    cluster.wait_served(agent.host())
    agent.stop()
    cluster.redis.process.freeze()
    try:
        until("the relay misses Redis", lambda: cluster.relay.admin("/readyz")[0] == 503)
        agent.start()
        cluster.wait_served(agent.host())
        agent.stop()
        assert ask_in_without_anything(cluster.relay, device) == 503
        agent.start()
    finally:
        cluster.redis.process.thaw()
    until("the relay has Redis", lambda: cluster.relay.admin("/readyz")[0] == 200)
    until("its session is written down", lambda: "relay=r1" in (
        cluster.redis.client.get("taupe:session:alice") or ""))
    assert cluster.relay.process.lines("device was removed") == []
    cluster.wait_served(agent.host())


# ---- tickets -------------------------------------------------------------------------


class Pair:
    """Two relays; handshakes with them, and what they count."""

    def __init__(self, group, same_key=True, period="1h"):
        self.certificate = Certificate(group.folder / "server", "127.0.0.1")
        self.relays, self.ports = [], []
        for number in (1, 2):
            key = group.folder / f"{number if not same_key else 0}.key"
            key.write_bytes(str(key).encode() * 4)
            port = ports.take()
            scene = Standalone(group, f"r{number}", agent_tls_listen=f"127.0.0.1:{port}",
                               agent_url=f"wss://127.0.0.1:{port}", cluster_key_file=key,
                               tls_certificate=self.certificate.bundle, ticket_period=period)
            self.relays.append(scene.relay)
            self.ports.append(port)

    def connect(self, number, version, session=None, context=None):
        """A whole exchange: was it resumed, the session for the next, and its context."""
        if context is None:
            context = ssl.create_default_context(cafile=self.certificate.ca)
            context.minimum_version = context.maximum_version = version
        raw = socket.create_connection(("127.0.0.1", self.ports[number]), 10)
        with context.wrap_socket(raw, server_hostname="127.0.0.1", session=session) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert sock.recv(100).startswith(b"HTTP/1.1 404 ")
            return sock.session_reused, sock.session, context

    def counted(self, number):
        metrics = self.relays[number].metrics()
        return (metrics["taupe_relay_tls_handshakes_total"],
                metrics["taupe_relay_tls_resumed_total"])


VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.mark.parametrize("version", VERSIONS)
def test_session_is_resumed_at_another_relay_of_the_cluster(group, version):
    pair = Pair(group)
    reused, session, context = pair.connect(0, version)
    assert not reused and pair.counted(0) == (1, 0)
    for number in (1, 0, 1):
        reused, session, _ = pair.connect(number, version, session, context)
        assert reused
    assert pair.counted(1) == (2, 2)


def test_agent_resumes_at_another_relay_when_its_own_is_killed(group):
    certificate = Certificate(group.folder / "server", "127.0.0.1")
    cluster = Cluster(group, relays=0)
    for name in ("r1", "r2"):
        url = f"127.0.0.1:{ports.take()}"
        cluster.relays.append(cluster.add_relay(
            name, agent_tls_listen=url, agent_url=f"wss://{url}",
            tls_certificate=certificate.bundle))
    first, second = cluster.relays
    until("the relays know each other", lambda: all(
        len(relay.api("relays")["relays"]) == 2 for relay in cluster.relays))
    services = SampleServices(group, "web")
    agent = cluster.agent("d", [f"web:http:{services.target('web', 'http')}"], relays=[first],
                          ca_file=certificate.ca)
    home = until("a relay has it", lambda: next(
        relay for relay in cluster.relays if relay.api("status")["agents"] == 1))
    other = second if home is first else first
    cluster.wait_served(agent.host())
    before = {name: other.metrics()[f"taupe_relay_tls_{name}_total"]
              for name in ("handshakes", "resumed")}
    home.process.kill()
    agent.wait_connected(2)
    cluster.wait_served(agent.host())
    after = {name: other.metrics()[f"taupe_relay_tls_{name}_total"]
             for name in ("handshakes", "resumed")}
    assert after["handshakes"] > before["handshakes"]
    # the control channel and the transfer channel, both of them
    assert after["resumed"] - before["resumed"] == after["handshakes"] - before["handshakes"]


@pytest.mark.parametrize("version", VERSIONS)
def test_session_is_not_resumed_where_the_key_is_another(group, version):
    pair = Pair(group, same_key=False)
    _, session, context = pair.connect(0, version)
    assert not pair.connect(1, version, session, context)[0]
    assert pair.counted(1) == (1, 0)


def test_ticket_outlives_one_change_of_keys_and_not_two(group):
    pair = Pair(group, period="2s")
    version = ssl.TLSVersion.TLSv1_2

    def period():
        return int(time.time()) // 2

    def resumes_after(changes):
        _, session, context = pair.connect(0, version)
        begun = period()
        until("the keys have changed", lambda: period() >= begun + changes, 10)
        reused = pair.connect(1, version, session, context)[0]
        return reused if period() == begun + changes else None

    for changes, expected in ((1, True), (2, False)):
        # a measurement that the clock has overtaken says nothing
        assert until("a measurement in one period",
                     lambda n=changes: [r for r in [resumes_after(n)] if r is not None], 30
                     ) == [expected]


def test_what_a_resumed_handshake_saves(group):
    pair = Pair(group)
    version = ssl.TLSVersion.TLSv1_3

    def cpu(number):
        fields = open(f"/proc/{pair.relays[number].process.popen.pid}/stat").read().split()
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")

    figures, rounds = {}, 400
    for kind in ("full", "resumed"):
        _, session, context = pair.connect(0, version)
        before = cpu(1)
        for _ in range(rounds):
            if kind == "full":
                pair.connect(1, version, None, context)
            else:
                reused, session, _ = pair.connect(1, version, session, context)
                assert reused
        figures[kind] = (cpu(1) - before) / rounds * 1000
    print(f"relay's processor time for a connection with its answer, this build: "
          f"full {figures['full']:.2f} ms, resumed {figures['resumed']:.2f} ms")
