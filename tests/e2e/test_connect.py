# SPDX-License-Identifier: MIT
"""taupectl connect: a device's TCP service over a WebSocket to a relay, through HAProxy with TLS."""
import hashlib
import json
import re
import socket
import subprocess

import pytest

from harness import ports
from harness.fakes import RawAgent, frame
from harness.process import Process, binary
from harness.programs import Certificate, SampleServices, Sshd
from harness.scenes import Cluster, Standalone
from harness.visitors import pattern, pattern_sha256, tcp_outcome
from harness.wait import until

BIG = 20_000_000
NO_PROXIES = {name: "" for name in ("https_proxy", "HTTPS_PROXY", "http_proxy", "no_proxy",
                                    "NO_PROXY")}
NOT_FOUND, UNREACHABLE, OFFLINE, NO_PERMISSION = 67, 69, 75, 77


class Scene:
    def __init__(self, group):
        self.group = group
        self.folder = group.folder
        self.certificate = Certificate(group.folder / "own", "localhost")
        self.services = SampleServices(group, "raw")
        self.sshd = Sshd(group)
        first, second, tls = ports.take(), ports.take(), ports.take()
        # by this name HAProxy leads to r1; r2 has none
        self.cluster = Cluster(
            group, haproxy={"TAUPE_CERTS": str(self.certificate.bundle),
                            "TAUPE_HTTPS": f"127.0.0.1:{tls}"},
            announce="100ms", agent_listen=f"127.0.0.1:{first}",
            agent_url=f"wss://localhost:{tls}")
        target = self.services.target("raw", "tcp")
        self.device = self.cluster.device("alice")
        self.agent = self.cluster.agent(self.device, [
            f"ssh:tcp:127.0.0.1:{self.sshd.port}", f"raw:tcp:{target}", f"closed:tcp:{target}",
            f"allowed:tcp:{target}", f"sni:tls:{target}", f"page:http:{target}",
            f"vault:tcp:127.0.0.1:{self.sshd.port}",
            f"web:http:{target}", "dead:tcp:127.0.0.1:1"], ca_file=self.certificate.ca)
        self.agent.wait_connected()
        self.other = self.cluster.add_relay("r2", agent_listen=f"127.0.0.1:{second}",
                                            agent_url=f"ws://127.0.0.1:{second}")
        self.urls = {"plain": f"ws://localhost:{first}", "other": f"ws://localhost:{second}",
                     "tls": f"wss://localhost:{tls}"}
        self.ctl("device", "set", "alice", "--access", "closed=private",
                 "--access", "vault=private", "--access", "page=private", "--access",
                 "allowed=allow:192.0.2.0/24")

        def look():
            done = self.connect("alice/closed")
            assert done.returncode == NO_PERMISSION, done
            return True
        until("the rule holds", look)

    def operator(self, *words):
        """As on a host where taupectl has the registry."""
        argv = [binary("taupectl"), "--config", "/dev/null", "--ca-file",
                str(self.certificate.ca)]
        for key, value in self.cluster.redis.access("taupectl").items():
            argv += ["--" + key.replace("_", "-"), str(value)]
        return [*argv, *words]

    def ctl(self, *words):
        done = subprocess.run(self.operator(*words), capture_output=True, text=True, timeout=30,
                              check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def argv(self, target, relay="tls", *words):
        relay = ["--relay", self.urls[relay]] if relay else []
        return [binary("taupectl"), "--config", "/dev/null", "--ca-file",
                str(self.certificate.ca), *relay, *words, "connect", target]

    def connect(self, target, *words, relay="tls", data=b"NAME\n", env=None):
        return subprocess.run(self.argv(target, relay, *words), input=data, capture_output=True,
                              timeout=60, check=False, env=env)

    def share(self, service="closed", time_="1h", relay="tls"):
        return self.ctl("share", f"alice/{service}", "--for", time_, "--relay", self.urls[relay])

    def refused(self, code, text, target, *words, **kwargs):
        done = self.connect(target, *words, **kwargs)
        assert done.returncode == code, done
        assert done.stdout == b""
        assert re.search(text, done.stderr.decode()), done.stderr


@pytest.fixture(scope="module")
def scene(module_group):
    return Scene(module_group)


def test_ssh_comes_in_by_its_proxy_command(scene):
    command = " ".join(scene.argv("alice/ssh"))
    done = subprocess.run(["ssh", *scene.sshd.options, "-o", f"ProxyCommand={command}",
                           "root@device", "echo dug in; cat; exit 42"], input="and back\n",
                          capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("dug in\nand back\n", 42), done.stderr


def test_20_mb_up_arrive_whole_and_the_end_of_input_is_no_end_of_output(scene):
    data = b"SINK\n" + b"".join(pattern(BIG))
    done = scene.connect("alice/raw", data=data)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode() == f"{BIG} {pattern_sha256(BIG)}"


def test_20_mb_down_arrive_whole(scene):
    done = scene.connect("alice/raw", data=f"SOURCE {BIG}\n".encode())
    assert done.returncode == 0, done.stderr
    assert hashlib.sha256(done.stdout).hexdigest() == pattern_sha256(BIG)


def test_output_ends_while_input_is_still_open(scene):
    with subprocess.Popen(scene.argv("alice/raw"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        process.stdin.write(b"SOURCE 100000\n")
        process.stdin.flush()
        assert hashlib.sha256(process.stdout.read()).hexdigest() == pattern_sha256(100000)
        process.stdin.write(b"more")
        process.stdin.close()
        assert process.wait(30) == 0


def test_reset_of_the_service_is_no_end(scene):
    scene.refused(UNREACHABLE, "reset: the connection was reset at the device", "alice/raw",
                  data=b"RESET\n")


def test_dead_service_is_told(scene):
    scene.refused(UNREACHABLE, "alice/dead: refused: the device's service does not answer",
                  "alice/dead")


def test_unknown_service_device_and_what_is_no_tcp(scene):
    scene.refused(NOT_FOUND, "404: the device has no service of that name", "alice/none")
    scene.refused(OFFLINE, "503: no device of that name is connected", "bob/ssh")
    scene.refused(NO_PERMISSION, "403: an http service is visited at its URL", "alice/web")
    scene.refused(65, "alice is no DEVICE/SERVICE", "alice")
    scene.refused(64, "needs --relay", "alice/ssh", relay=None)
    scene.refused(UNREACHABLE, "cannot be reached: .*certificate", "alice/raw", "--ca-file",
                  str(Certificate(scene.folder / "strange", "localhost").ca))


def test_private_service_needs_a_link(scene):
    address = scene.cluster.public_address(scene.agent, "closed")
    assert tcp_outcome(address) != "open"
    scene.refused(NO_PERMISSION, "a share link of the service is needed", "alice/closed")
    scene.refused(NO_PERMISSION, "a share link of the service is needed", "alice/allowed")
    link = scene.share()
    done = scene.connect(link, relay=None)
    assert (done.stdout, done.returncode) == (b"raw", 0), done.stderr
    events = scene.ctl("events", "--kind", "share", "--device", "alice")
    assert re.search(r"used.*closed", events), events
    file = scene.folder / "token"
    file.write_text(link.rsplit("/", 1)[1] + "\n")
    file.chmod(0o600)
    assert scene.connect("alice/closed", "--token-file", str(file)).stdout == b"raw"


def test_operator_comes_in_without_a_link_and_is_audited(scene):
    before = scene.ctl("events", "--kind", "audit").count("what=connect object=alice/vault")
    command = " ".join(scene.operator("connect", "alice/vault"))
    done = subprocess.run(["ssh", *scene.sshd.options, "-o", f"ProxyCommand={command}",
                           "root@device", "cat; exit 42"], input="in the vault\n",
                          capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("in the vault\n", 42), done.stderr
    audit = scene.ctl("events", "--kind", "audit")
    assert audit.count("what=connect object=alice/vault") == before + 1, audit
    assert re.search(r"used.*vault", scene.ctl("events", "--kind", "share")), "no event"
    # it is on no list, and what anybody may visit needs nothing of an operator's
    assert "vault" not in scene.ctl("share", "ls", "alice")
    done = subprocess.run(scene.operator("connect", "alice/raw"), input=b"NAME\n",
                          capture_output=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == (b"raw", 0), done.stderr
    assert "alice/raw" not in scene.ctl("events", "--kind", "audit")


def test_who_cannot_read_the_registry_comes_to_what_is_public(scene):
    """As users of a host whose taupectl has an operator's configuration."""
    nowhere = ["--redis", f"127.0.0.1:{ports.take()}"]
    done = scene.connect("alice/raw", *nowhere)
    assert (done.stdout, done.returncode) == (b"raw", 0), done.stderr
    assert b"going on without a pass" in done.stderr
    scene.refused(NO_PERMISSION, "a share link of the service is needed", "alice/closed", *nowhere)
    scene.refused(UNREACHABLE, "a relay's URL is needed", "alice/raw", *nowhere, relay=None)
    assert scene.connect(scene.share(), *nowhere, relay=None).stdout == b"raw"


def test_operators_port_makes_a_pass_for_each_connection(scene):
    port = ports.take()
    process = Process(scene.group, "passes", scene.operator(
        "--listen", f"127.0.0.1:{port}", "connect", "alice/closed"), ends=(0,))

    def name():
        with socket.create_connection(("127.0.0.1", port), 10) as sock:
            sock.sendall(b"NAME\n")
            return sock.recv(10)
    until("it listens", lambda: socket.create_connection(("127.0.0.1", port)).close() or True)
    assert name() == b"raw"
    # all links so far are void: this is another key's
    scene.ctl("share", "revoke", "alice/closed")
    until("the new key holds", lambda: name() == b"raw")
    process.stop()


def test_who_has_no_right_is_not_told_where_a_device_is(scene):
    """Whether it is here, elsewhere, or of another kind: 401 all the same; away, see below."""
    for service in ("closed", "page"):
        answers = {raw_answer(relay, service=service)
                   for relay in (scene.cluster.relays[0], scene.other)}
        assert len(answers) == 1, answers
        assert answers.pop().startswith("HTTP/1.1 401 ")
    assert scene.connect(scene.share(), relay="other").stdout == b"raw"


def test_link_is_for_its_service_and_time_alone(scene):
    link = scene.share()
    file = scene.folder / "wrong"
    file.write_text(link.rsplit("/", 1)[1] + "\n")
    file.chmod(0o600)
    scene.refused(NO_PERMISSION, "no share link of the service", "alice/allowed",
                  "--token-file", str(file))
    file.write_text(link.rsplit("/", 1)[1][:-2] + "AA\n")
    scene.refused(NO_PERMISSION, "no share link of the service", "alice/closed",
                  "--token-file", str(file))
    short = scene.share(time_="1s")
    until("its time is over",
          lambda: scene.connect(short, relay=None).returncode == NO_PERMISSION)
    scene.refused(NO_PERMISSION, "the time of the share link is over", short, relay=None)


def test_revoked_link_opens_nothing(scene):
    link = scene.share("allowed")
    assert scene.connect(link, relay=None).returncode == 0
    shares = scene.ctl("share", "ls", "alice")
    share = re.search(r"^(\w{16})\s+alice/allowed", shares, re.M).group(1)
    scene.ctl("share", "revoke", share)
    until("it is revoked", lambda: scene.connect(link, relay=None).returncode == NO_PERMISSION)
    scene.refused(NO_PERMISSION, "the share link was revoked", link, relay=None)


@pytest.fixture
def within(scene):
    """A service that whoever is on this host may visit."""
    scene.ctl("device", "set", "alice", "--access", "allowed=allow:127.0.0.0/8")
    until("the rule holds", lambda: scene.connect("alice/allowed").returncode == 0)
    yield "allowed"
    scene.ctl("device", "set", "alice", "--access", "allowed=allow:192.0.2.0/24")
    until("the rule holds", lambda: scene.connect("alice/allowed").returncode == NO_PERMISSION)


def first_status(scene, service, fields):
    with socket.create_connection(
            ("127.0.0.1", int(scene.urls["plain"].rsplit(":", 1)[1])), 10) as sock:
        sock.sendall(request(service=service, fields=fields))
        return int(sock.recv(12).split()[1])


def test_a_page_has_no_right_of_its_readers_address(scene, within):
    """A browser within an allowed network connects for whoever has made the page it shows."""
    page = "Origin: https://evil.example\r\n"
    assert first_status(scene, within, "") == 101
    assert first_status(scene, within, page) == 401
    assert first_status(scene, "raw", page) == 101  # anybody may
    token = scene.share(within).rsplit("/", 1)[1]
    assert first_status(scene, within, page + f"Authorization: Bearer {token}\r\n") == 101


class Visit:
    """A connection that somebody has begun and goes on with."""

    def __init__(self, scene, argv):
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        scene.group.exits.callback(self.process.wait)
        scene.group.exits.callback(self.process.kill)
        self.process.stdin.write(b"ECHO\n")
        assert self.says(b"a")

    def says(self, byte):
        self.process.stdin.write(byte)
        self.process.stdin.flush()
        return self.process.stdout.read(1) == byte

    def ended(self, text):
        code, error = self.process.wait(30), self.process.stderr.read()
        assert code == NO_PERMISSION and text.encode() in error, (code, error)


def test_the_end_of_a_link_ends_what_it_has_opened(scene, within):
    def visit(link):
        return Visit(scene, scene.argv(link, None))
    by_address = visit(scene.share(within, "5s"))
    # nobody needs a link to this one any more
    scene.ctl("device", "set", "alice", "--access", "allowed=public")
    until("the rule holds", lambda: first_status(
        scene, within, "Origin: https://page.example\r\n") == 101)
    short, revoked, other = (visit(scene.share(time_=time_)) for time_ in ("5s", "1h", "1h"))
    operator = Visit(scene, scene.operator("connect", "alice/closed"))
    public = Visit(scene, scene.argv("alice/raw"))
    shares = json.loads(scene.ctl("--json", "share", "ls", "alice"))["shares"]
    newest = sorted((share for share in shares if share["service"] == "closed"),
                    key=lambda share: share["created_ms"])
    scene.ctl("share", "revoke", newest[-2]["id"])
    revoked.ended("the share link was revoked")
    short.ended("the time of the share link is over")
    for left in (other, operator, by_address):
        assert left.says(b"b")
    # all links of the service, which gets another key: those on no list, too
    scene.ctl("share", "revoke", "alice/closed")
    other.ended("the share link was revoked")
    operator.ended("the share link was revoked")
    for left in (public, by_address):
        assert left.says(b"c")
    # its time was over before
    scene.ctl("device", "set", "alice", "--access", "allowed=private")
    by_address.ended("the time of the share link is over")
    assert public.says(b"d")


def test_another_relay_leads_to_the_one_that_has_the_device(scene):
    done = scene.connect("alice/raw", relay="other")
    assert (done.stdout, done.returncode) == (b"raw", 0), done.stderr
    assert "another relay has the device" in until(
        "the redirect was answered", lambda: raw_answer(scene.other))
    assert "302" in raw_answer(scene.other).split("\r\n")[0]
    # after so many hops the registry is not believed
    assert "503" in raw_answer(scene.other, "&hops=2").split("\r\n")[0]


def raw_answer(relay, more="", service="raw"):
    port = int(relay.config["agent_listen"].rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        sock.sendall(request(more, service))
        parts = []
        while data := sock.recv(4096):
            parts.append(data)
    return b"".join(parts).decode().replace("%20", " ")


def request(more="", service="raw", fields=""):
    return (f"GET /v1/connect?name=alice&service={service}{more} HTTP/1.1\r\nHost: relay\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: taupe.v1\r\n{fields}\r\n").encode()


@pytest.mark.parametrize("bad, code", [
    (frame(1, b"op=open"), 1003), (frame(2, b"x", mask=None), 1002),
    (frame(2, b"") + frame(2, b"x"), 1002), (frame(3, b""), 1002), (frame(8, b"\x03\xe8"), 1000)],
    ids=["text", "unmasked", "behind the end", "opcode", "close"])
def test_bad_frames_end_one_connection(scene, bad, code):
    port = int(scene.urls["plain"].rsplit(":", 1)[1])
    with RawAgent(("127.0.0.1", port)) as visitor:
        visitor.send(request())
        assert "101" in str(visitor.read_head())
        visitor.send(frame(9, b"are you there"))
        opcode, payload = visitor.read_frame()[:2]
        assert (opcode, payload) == (10, b"are you there")
        visitor.send(bad)
        assert visitor.close_code() == code
    assert scene.connect("alice/raw").stdout == b"raw"


def test_malformed_requests_are_refused(scene):
    for more in ("&hops=x", "&hops=11", "&%zz"):
        assert "400" in raw_answer(scene.other, more).split("\r\n")[0]


def test_listen_serves_many_on_the_loopback_alone(scene):
    port = ports.take()
    scene.refused(64, "--gateway says that this is meant", "alice/raw", "--listen",
                  f"0.0.0.0:{port}")
    process = Process(scene.group, "connect", scene.argv(
        "alice/raw", "tls", "--listen", f"127.0.0.1:{port}"), ends=(0,))
    until("it listens", lambda: socket.create_connection(("127.0.0.1", port)).close() or True)
    socks = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(5)]
    for number, sock in enumerate(socks):
        sock.sendall(f"ECHO\nhello {number}".encode())
    for number, sock in enumerate(socks):
        sock.shutdown(socket.SHUT_WR)
        parts = []
        while data := sock.recv(4096):
            parts.append(data)
        assert b"".join(parts) == f"hello {number}".encode()
        sock.close()
    process.stop()


def test_it_goes_through_a_real_proxy(scene):
    port = ports.take()
    path = scene.folder / "tinyproxy.conf"
    path.write_text(f"Port {port}\nListen 127.0.0.1\nTimeout 600\nMaxClients 20\n"
                    f"Allow 127.0.0.1\nConnectPort {scene.urls['tls'].rsplit(':', 1)[1]}\n")
    proxy = Process(scene.group, "tinyproxy", ["tinyproxy", "-d", "-c", str(path)], ends=(0,))
    until("tinyproxy listens",
          lambda: socket.create_connection(("127.0.0.1", port)).close() or True)
    done = scene.connect("alice/raw", env={**NO_PROXIES, "https_proxy": f"127.0.0.1:{port}"})
    assert (done.stdout, done.returncode) == (b"raw", 0), done.stderr
    assert "CONNECT" in proxy.text()
    closed = ports.take()
    scene.refused(UNREACHABLE, f"proxy 127.0.0.1:{closed}", "alice/raw", "--proxy",
                  f"http://127.0.0.1:{closed}")


def test_a_relay_that_stands_alone_serves_it_too(group):
    services = SampleServices(group, "raw")
    alone = Standalone(group)
    alone.agent("carol", [f"raw:tcp:{services.target('raw', 'tcp')}"]).wait_connected()
    argv = [binary("taupectl"), "--config", "/dev/null", "--relay", alone.relay.url, "connect"]

    def run(target):
        return subprocess.run([*argv, target], input=b"NAME\n", capture_output=True, timeout=30,
                              check=False)
    assert run("carol/raw").stdout == b"raw"
    assert run("dave/raw").returncode == OFFLINE
    operator = [binary("taupectl"), "--config", "/dev/null", "--devices-file",
                str(alone.devices_file), "--admin", f"127.0.0.1:{alone.relay.admin_port}"]
    subprocess.run([*operator, "device", "set", "carol", "--access", "raw=private"], check=True,
                   timeout=30)
    until("it holds", lambda: run("carol/raw").returncode == NO_PERMISSION)
    done = subprocess.run([*operator, "connect", "carol/raw"], input=b"NAME\n",
                          capture_output=True, timeout=30, check=False)
    assert (done.stdout, done.returncode) == (b"raw", 0), done.stderr


def test_device_that_leaves_ends_the_connection(scene):
    link, here = scene.share(), raw_answer(scene.other, service="closed")
    with subprocess.Popen(scene.argv("alice/raw"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        process.stdin.write(b"ECHO\nx")
        process.stdin.flush()
        assert process.stdout.read(1) == b"x"
        scene.agent.kill()
        assert process.wait(30) in (UNREACHABLE, OFFLINE)
        assert b"alice/raw: " in process.stderr.read()
    scene.refused(OFFLINE, "no device of that name is connected", "alice/raw")
    # that is for who may come: to others it is as if it were here
    scene.refused(OFFLINE, "no device of that name is connected", link, relay=None)
    for relay in (scene.cluster.relays[0], scene.other):
        assert raw_answer(relay, service="closed") == here
