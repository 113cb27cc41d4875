# SPDX-License-Identifier: MIT
"""taupe-agent --check: what is wrong with the way from a site to its relay, and whom to ask."""
import contextlib
import json
import re
import socket
import ssl
import subprocess

import pytest

from harness import ports
from harness.fakes import Dns, FakeRelay, Server, accept_websocket, tls_context
from harness.network import Network
from harness.process import Process, binary
from harness.programs import Agent, Certificate, Device, SampleServices
from harness.scenes import Cluster, Standalone
from harness.wait import until
from test_taupectl import Ctl

OK, NOHOST, UNAVAILABLE, TEMPFAIL, PROTOCOL, NOPERM = 0, 68, 69, 75, 76, 77
WAY = ["dns", "tcp", "proxy", "tls", "websocket", "secret", "heartbeat"]


class Found:
    """What a check has printed, in both of its forms."""

    def __init__(self, done):
        self.code, self.text, self.log = done.returncode, done.stdout, done.stderr
        self.steps = {}

    def read_json(self):
        self.steps = {line["step"]: line for line in json.loads(self.text)}
        return self

    def results(self):
        return [self.steps[step]["result"] for step in WAY]

    def failed(self, step, code, *needles, advice=()):
        """This step alone has failed, those behind it were not reached."""
        at = WAY.index(step)
        assert self.code == code, self.text
        assert "FAIL" not in self.results()[:at], self.text
        assert self.results()[at:] == ["FAIL"] + ["skip"] * (len(WAY) - at - 1), self.text
        for needle in needles:
            assert needle in self.steps[step]["text"], self.text
        for needle in advice:
            assert needle in self.steps[step]["advice"], self.text
        return self.steps[step]


class Scene:
    def __init__(self, group):
        self.group = group
        self.services = SampleServices(group, "web")
        self.certificate = Certificate(group.folder / "certificate", "127.0.0.1")
        self.tls_port = ports.take()
        self.relay = Standalone(group, agent_tls_listen=f"127.0.0.1:{self.tls_port}",
                                agent_url="", tls_certificate=self.certificate.bundle)
        self.url = f"ws://127.0.0.1:{self.relay.relay.agent_port}"
        self.tls_url = f"wss://127.0.0.1:{self.tls_port}"
        self.device = self.relay.device("alice")

    def agent(self, relay=None, name=None, device=None, **config):
        config = {"service": [f"web:http:{self.services.target('web', 'http')}"],
                  "ca_file": self.certificate.ca, "proxy": "none", "connect_timeout": "2s",
                  "log_level": "error", **config}
        return Agent(self.group, device or self.device, [relay or self.url],
                     config.pop("service"), name=name or "checker", start=False, **config)

    def check(self, *options, relay=None, as_json=True, netns=None, **config):
        agent = self.agent(relay, **config)
        enter = ["ip", "netns", "exec", netns] if netns else []
        done = subprocess.run([*enter, binary("taupe-agent"), "--config",
                               str(agent.write_config()), "--check", *options,
                               *(["--json"] if as_json else [])],
                              capture_output=True, text=True, timeout=60, check=False)
        found = Found(done)
        assert "AddressSanitizer" not in done.stderr, done.stderr
        assert self.device.secret not in done.stdout + done.stderr
        return found.read_json() if as_json and found.text else found


@pytest.fixture(scope="module")
def scene(module_group):
    yield Scene(module_group)


def test_all_is_well(scene):
    found = scene.check()
    assert found.code == OK, found.text
    assert found.results() == ["skip", "ok", "skip", "skip", "ok", "ok", "ok"]
    assert found.steps["service web"]["result"] == "ok"
    assert "4000 bytes" in found.steps["heartbeat"]["text"]
    assert "not tested" in found.steps["heartbeat"]["text"]  # for how long a NAT remembers
    found = scene.check(relay=scene.tls_url)
    assert found.code == OK and found.steps["tls"]["result"] == "ok", found.text
    found = scene.check(as_json=False)
    assert found.code == OK and found.text.endswith("all is well\n")
    assert re.search(r"^tcp +ok +\d+ ms ", found.text, re.M), found.text


def test_running_agent_is_not_disturbed(scene):
    device = scene.relay.device("running")
    agent = scene.agent(device=device, name="running", log_level="debug").start()
    session = scene.relay.relay.api("relay/devices")
    with scene.relay.visit(agent.host()) as visit:
        for _ in range(3):
            found = scene.check(device=device)
            assert found.code == OK, found.text
        assert visit.get("/name").status == 200  # the connection from before stands
    assert agent.welcomes() == 1 and not agent.process.lines("session closed")
    assert [d["epoch"] for d in scene.relay.relay.api("relay/devices")["devices"]
            if d["name"] == "running"] == \
        [d["epoch"] for d in session["devices"] if d["name"] == "running"]
    assert scene.relay.relay.process.lines("checks its way")
    agent.stop()


def test_checks_claim_nothing(scene):
    device = scene.relay.device("never-there")
    before = scene.relay.relay.api("relay/devices")
    assert scene.check(device=device).code == OK
    after = scene.relay.relay.api("relay/devices")
    for devices in (before, after):
        assert not [d for d in devices["devices"] if d["name"] == "never-there"
                    and d.get("label")], devices


def test_configuration_is_looked_at_first(scene):
    found = scene.check(heartbeat_min="2m", heartbeat_max="1m")
    assert found.code == 78 and "heartbeat_min is longer" in found.log and not found.text


def test_name_that_cannot_be_looked_up(scene):
    with Dns(known=[]) as dns:
        found = scene.check(relay="ws://relay.nowhere.test:80", dns=dns.address)
        found.failed("dns", NOHOST, "relay.nowhere.test", "no such host name", dns.address,
                     advice=["administrator of this network", "port 53", dns.address])
    with Dns() as dns:  # to which every name is this machine
        found = scene.check(relay=f"ws://relay.somewhere.test:{scene.relay.relay.agent_port}",
                            dns=dns.address)
        assert found.code == OK and "127.0.0.1" in found.steps["dns"]["text"], found.text


def test_port_that_is_refused_and_port_that_is_dropped(scene):
    port = ports.take()
    found = scene.check(relay=f"ws://127.0.0.1:{port}")
    found.failed("tcp", UNAVAILABLE, "Connection refused", advice=[f"127.0.0.1:{port}", "refuses"])
    network = Network(scene.group, "site", "relay")
    site = network.hosts["site"]
    network.hosts["relay"].run("nft", "-f", "-", text=(
        "table ip drops {\n chain in { type filter hook input priority 0; "
        "tcp dport 443 drop; }\n}\n"))
    found = scene.check(relay=f"wss://{network.hosts['relay'].address}", netns=site.space,
                        connect_timeout="300ms")
    step = found.failed("tcp", UNAVAILABLE, "took too long",
                        advice=["dropped without a word",
                                f"{network.hosts['relay'].address}:443"])
    assert 290 <= step["ms"] < 2000


def test_proxies(scene):
    port, allowed = ports.take(), scene.tls_port
    path = scene.group.folder / "tinyproxy.conf"
    path.write_text(f"Port {port}\nListen 127.0.0.1\nTimeout 600\nLogLevel Connect\n"
                    f"BasicAuth alice word\nConnectPort {allowed}\n")
    proxy = Process(scene.group, "tinyproxy", ["tinyproxy", "-d", "-c", str(path)])
    until("tinyproxy listens", lambda: socket.create_connection(
        ("127.0.0.1", port), 5).close() is None)
    found = scene.check(relay=scene.tls_url, proxy=f"http://alice:word@127.0.0.1:{port}")
    assert found.code == OK and found.steps["proxy"]["result"] == "ok", found.text
    assert "word" not in found.text.replace("without a word", "")
    found = scene.check(relay=scene.tls_url, proxy=f"http://127.0.0.1:{port}")
    found.failed("proxy", UNAVAILABLE, "(407)", advice=["a user and a password"])
    found = scene.check(relay="wss://127.0.0.1:1", proxy=f"http://alice:word@127.0.0.1:{port}")
    found.failed("proxy", UNAVAILABLE, "(403)", advice=["allow CONNECT", "127.0.0.1:1"])
    nobody = ports.take()
    found = scene.check(relay=scene.tls_url, proxy=f"http://127.0.0.1:{nobody}")
    found.failed("tcp", UNAVAILABLE, "refused", advice=[f"127.0.0.1:{nobody}"])
    proxy.stop()


@contextlib.contextmanager
def server(handler, context=None):
    with Server(handler, context=context) as fake:
        yield fake


def test_tls_that_somebody_opens_on_the_way(scene):
    """An intercepting proxy shows a certificate of its own authority, which says its name."""
    other = Certificate(scene.group.folder / "interceptor", "127.0.0.1")
    with server(lambda sock, self: sock.recv(1), tls_context(other)) as fake:
        found = scene.check(relay=fake.url)
        found.failed("tls", PROTOCOL, "verify failed", 'issued by "taupe test authority"',
                     advice=["not to open TLS"])
    with server(lambda sock, self: sock.sendall(b"HTTP/1.1 400 Bad\r\n\r\n")) as fake:
        found = scene.check(relay=fake.url.replace("ws:", "wss:"))
        found.failed("tls", PROTOCOL, "does not speak TLS", advice=["let TLS"])


def test_clock_that_is_wrong(scene):
    folder = scene.group.folder / "old"
    old = Certificate(folder, "127.0.0.1")
    subprocess.run(["openssl", "x509", "-req", "-in", str(folder / "cert.csr"), "-CA", str(old.ca),
                    "-CAkey", str(folder / "ca.key"), "-CAcreateserial", "-days", "-1", "-extfile",
                    str(folder / "cert.ext"), "-out", str(old.chain)], check=True,
                   capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(old.chain, old.key)
    with server(lambda sock, self: sock.recv(1), context) as fake:
        found = scene.check(relay=fake.url, ca_file=old.ca)
        found.failed("tls", PROTOCOL, "expired", advice=["clock", "UDP port 123", "tell who runs the relay"])


@pytest.mark.parametrize("answer, needle", [
    (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nLogin", "200"),
    (b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nno", "403"),
    (b"HTTP/1.1 200 OK\r\nContent-Type: application/x-www-form-urlencoded\r\n"
     b"Content-Length: 7\r\n\r\na=b&c=d", "200"),
    (b"HTTP/1.1 101 Switching Protocols\r\nConnection: close\r\n\r\n", "Upgrade"),
    (b"\x16\x03\x01 rubbish\r\n\r\n", "control character"),
    (b"", "ended")])
def test_middlebox_answers_instead(scene, answer, needle):
    def answering(sock, self):
        self.read_head(sock)
        sock.sendall(answer)
    with server(answering) as fake:
        found = scene.check(relay=fake.url)
        found.failed("websocket", PROTOCOL, needle, advice=["Upgrade: websocket"])


def test_middlebox_takes_the_upgrade_out(scene):
    """What the relay then says comes through, and tells where it was lost."""
    def stripping(sock, self):
        head = self.read_head(sock)
        head = re.sub(r"(?m)^(Upgrade|Connection): .*\r\n", "", head)
        with socket.create_connection(scene.relay.relay.agent_address, 10) as out:
            out.sendall(head.encode())
            while data := out.recv(65536):
                sock.sendall(data)
    with server(stripping) as fake:
        found = scene.check(relay=fake.url)
        found.failed("websocket", PROTOCOL, "Upgrade", advice=["to let WebSockets"])


def test_middlebox_passes_small_things_only(scene):
    """A channel that is accepted, and swallows what is longer than a few hundred bytes."""
    def swallowing(sock, self):
        accept_websocket(sock, self.read_head(sock))
        welcome = (b"op=welcome&epoch=1&heartbeat_ms=30000&lease_ms=1&label=check&relay="
                   + self.url.encode())
        sock.sendall(bytes([0x81, len(welcome)]) + welcome)
        ping = sock.recv(1000)
        sock.sendall(b"\x8a\x05check")
        assert ping[0] == 0x89
        while sock.recv(65536):
            pass
    with server(swallowing) as fake:
        found = scene.check(relay=fake.url, connect_timeout="300ms")
        found.failed("heartbeat", PROTOCOL, "4000 bytes", "in time", advice=["both ways"])


def test_secret_that_is_wrong(scene):
    found = scene.check(device=Device("nobody"))
    found.failed("secret", NOPERM, "(401 unauthorized)", advice=["operator", "nobody"])


def test_relay_that_knows_no_checks(scene):
    """An older one takes the request for that of a session: the check leaves it at once."""
    with FakeRelay() as old:
        found = scene.check(relay=old.url)
        assert found.code == OK, found.text
        assert found.results()[-3:] == ["ok", "ok", "skip"]
        assert "older" in found.steps["heartbeat"]["text"]
        assert old.control().close_code() == 1000
    held = (b"HTTP/1.1 409 Conflict\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            b"Content-Length: 21\r\n\r\nerror=held&reason=who")
    with FakeRelay(answers=[held]) as old:
        found = scene.check(relay=old.url)
        assert found.code == OK and "an agent with this name" in found.steps["secret"]["text"]
    key = {"secret_file": None, "enrolment_key": "van." + "A" * 43, "device": Device("van-8"),
           "name": "van-8"}
    with FakeRelay() as old:  # which enrols the device: with the secret that its agent will have
        assert scene.check(relay=old.url, **key).code == OK
        enrolled = dict(old.control().query)["enrol"]
        scene.agent(relay=old.url, log_level="info", **key).start().stop()
        assert dict(old.control().query)["enrol"] == enrolled
    busy = held.replace(b"409 Conflict", b"503 Busy")
    with FakeRelay(answers=[busy]) as old:
        found = scene.check(relay=old.url)
        assert found.code == TEMPFAIL and found.steps["secret"]["result"] == "FAIL"


def test_fleet_is_asked_and_nobody_enters_it(scene):
    key = subprocess.run([binary("taupectl"), "--devices-file", str(scene.relay.devices_file),
                          "fleet", "add", "van", "--pattern", "van-*"], capture_output=True,
                         text=True, check=True).stdout
    key = re.search(r"van\.[A-Za-z0-9_-]{43}", key)[0]
    before = scene.relay.devices_file.read_text()
    new = {"secret_file": None, "enrolment_key": key, "device": Device("van-7")}
    found = scene.check(**new)
    assert found.code == OK, found.text + found.log
    assert "take this device in" in found.steps["secret"]["text"]
    assert scene.relay.devices_file.read_text() == before
    found = scene.check(**{**new, "device": Device("car-7")})
    found.failed("secret", NOPERM, "name_refused")
    found = scene.check(**{**new, "enrolment_key": key[:-2] + "AA"})
    found.failed("secret", NOPERM, "unauthorized")


def test_fleet_is_asked_of_redis(scene, group):
    cluster = Cluster(group)
    ctl = Ctl(**cluster.redis.access("taupectl"))
    cluster.redis.add(Device("van-9"))
    before = cluster.redis.client.keys("taupe:device:*")
    new = {"secret_file": None, "enrolment_key": ctl.ok("fleet", "add", "van").strip(),
           "relay": cluster.relays[0].url}
    found = scene.check(device=Device("van-10"), **new)
    assert found.code == OK, found.text + found.log
    assert "take this device in" in found.steps["secret"]["text"]
    found = scene.check(device=Device("van-9"), **new)
    found.failed("secret", NOPERM, "name_taken")
    assert sorted(cluster.redis.client.keys("taupe:device:*")) == sorted(before)


def test_services_that_do_not_listen(scene):
    port = ports.take()
    found = scene.check(service=[f"web:http:{scene.services.target('web', 'http')}",
                                 f"ssh:tcp:127.0.0.1:{port}"])
    assert found.code == UNAVAILABLE
    assert found.steps["service web"]["result"] == "ok"
    step = found.steps["service ssh"]
    assert step["result"] == "FAIL" and f"127.0.0.1:{port}" in step["advice"]


def test_services_are_looked_at_as_their_health_is(scene):
    """One that takes connections and answers in a wrong way is none to leave a site with."""
    target = scene.services.target("web", "http")
    config = {"service": [f"web:http:{target}", f"cam:http:{target}"]}
    found = scene.check(**config, health=["web:http:/name:10s", "cam:tcp:10s"])
    assert found.code == OK, found.text
    assert "a GET of /name" in found.steps["service web"]["text"]
    assert found.steps["service cam"]["text"] == f"{target} takes connections"
    found = scene.check(**config, health=["web:http:/nothing-there:10s"])
    assert found.code == UNAVAILABLE
    step = found.steps["service web"]
    assert step["result"] == "FAIL" and "answers with 404" in step["text"]
    assert "GET /nothing-there" in step["advice"]
    assert found.steps["service cam"]["result"] == "ok"
    with server(lambda sock, self: sock.recv(4096)) as fake:  # and ends the connection
        found = scene.check(service=[f"web:http:127.0.0.1:{fake.address[1]}"],
                            health=["web:http:/:10s"])
        assert "without an answer" in found.steps["service web"]["text"], found.text


def test_checks_are_bounded(scene):
    """A channel of a check says little, and ends by itself."""
    from harness.fakes import CLOSE, PING, PONG, TEXT, RawAgent, frame
    with RawAgent(scene.relay.relay.agent_address) as raw:
        query = "name=alice&instance=x&service=web:http&check=1"
        raw.send(RawAgent.control_request(scene.device, query=query).encode())
        assert raw.read_head()[0] == 101
        assert raw.read_message("welcome")["label"] == "check"
        raw.send(frame(PING, "a") + frame(TEXT, "op=check&n=1", fin=False) + frame(0, "23"))
        assert raw.read_frame() == (PONG, b"a")
        assert raw.read_frame() == (TEXT, b"op=check&n=123")
        for _ in range(15):
            raw.send(frame(TEXT, "op=check"))
        assert raw.close_code() == 1008
    with RawAgent(scene.relay.relay.agent_address) as raw:
        raw.send(RawAgent.control_request(scene.device, query=query + "&check=2").encode())
        assert raw.read_head()[0] == 400
    with RawAgent(scene.relay.relay.agent_address) as raw:
        raw.send(RawAgent.control_request(scene.device, query=query).encode())
        assert raw.read_head()[0] == 101
        assert raw.read_message("welcome")["label"] == "check"
        raw.send(frame(2, "x"))
        assert raw.close_code() == 1002
    assert CLOSE == 8


CHECKS = 4  # of one device at once


def test_a_device_has_few_checks_at_once(scene):
    """Others have theirs meanwhile, and when they end it may check again."""
    from harness.fakes import RawAgent

    def begin(stack, device):
        raw = stack.enter_context(RawAgent(scene.relay.relay.agent_address))
        raw.send(RawAgent.control_request(device, query=(
            f"name={device.name}&instance=x&service=web:http&check=1")).encode())
        return raw.read_head()
    other = scene.relay.device("another")
    with contextlib.ExitStack() as stack:
        answers = [begin(stack, scene.device) for _ in range(5)]
        assert [status for status, _ in answers] == [101] * CHECKS + [503] * (5 - CHECKS)
        assert int(answers[-1][1]["retry-after"]) > 0
        assert begin(stack, other)[0] == 101
    with contextlib.ExitStack() as stack:
        until("there is room again", lambda: begin(stack, scene.device)[0] == 101)
