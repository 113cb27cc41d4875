# SPDX-License-Identifier: MIT
"""An agent whose only way out is an HTTP proxy: a real one, and one that does what it is told."""
import base64
import itertools
import pathlib
import socket
import threading

import pytest

from harness import ports
from harness.fakes import Server
from harness.process import Process
from harness.programs import Agent, Certificate, SampleServices, binary, write_ini
from harness.marks import MARK
from harness.scenes import Standalone
from harness.visitors import pattern_sha256
from harness.wait import until

USER, PASSWORD = "alice", f"p@ss:w%rd-{MARK}"
BIG = 3_000_000
NO_PROXIES = {name: "" for name in ("https_proxy", "HTTPS_PROXY", "http_proxy", "no_proxy",
                                    "NO_PROXY")}


def join(one, other):
    """Copy both ways until both have ended."""
    def copy(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass
    thread = threading.Thread(target=copy, args=(other, one), daemon=True)
    thread.start()
    copy(one, other)
    thread.join()


class Proxy(Server):
    """Answers CONNECT with these pieces, a send each, and then does as a proxy does."""

    def __init__(self, *pieces):
        self.pieces = pieces or (b"HTTP/1.1 200 Connection established\r\n\r\n",)
        super().__init__(Proxy._handle)

    def _handle(sock, self):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = self.read_head(sock)
        method, place, version = head.split("\r\n", 1)[0].split(" ")
        assert (method, version) == ("CONNECT", "HTTP/1.1")
        host, _, port = place.rpartition(":")
        with socket.create_connection((host, int(port)), 10) as out:
            for piece in self.pieces:
                sock.sendall(piece)
            join(sock, out)

    @property
    def http(self):
        return f"http://{self.address[0]}:{self.address[1]}"


class Scene:
    def __init__(self, group):
        self.group = group
        self.numbers = itertools.count(1)
        self.services = SampleServices(group, "web")
        self.certificate = Certificate(group.folder / "certificate", "127.0.0.1")
        self.tls_port = ports.take()
        self.relay = Standalone(group, agent_tls_listen=f"127.0.0.1:{self.tls_port}", agent_url="",
                                agent_listen="", tls_certificate=self.certificate.bundle)
        self.plain = Standalone(group, name="r2")
        self.plain_port = self.plain.relay.agent_port
        self.urls = {"ws": self.plain.relay.url, "wss": f"wss://127.0.0.1:{self.tls_port}"}
        self.real_port = ports.take()
        self.real = self.start_real_proxy()

    def start_real_proxy(self):
        path = self.group.folder / "tinyproxy.conf"
        path.write_text(f"Port {self.real_port}\nListen 127.0.0.1\nTimeout 600\nMaxClients 100\n"
                        f"LogLevel Connect\nBasicAuth {USER} secret\n"
                        f"ConnectPort {self.tls_port}\n"
                        f"ConnectPort {self.plain_port}\n")
        process = Process(self.group, "tinyproxy", ["tinyproxy", "-d", "-c", str(path)])
        until("tinyproxy listens", lambda: socket.create_connection(
            ("127.0.0.1", self.real_port), 5).close() is None)
        return process

    def real_url(self, credentials=f"{USER}:secret@"):
        return f"http://{credentials}127.0.0.1:{self.real_port}"

    def agent(self, url="wss", start=True, env=None, **config):
        relay = self.relay if url == "wss" else self.plain
        return Agent(self.group, relay.device(f"device-{next(self.numbers)}"), [self.urls[url]],
                     [f"web:http:{self.services.target('web', 'http')}"], start=start,
                     env={**NO_PROXIES, **(env or {})},
                     **{"ca_file": self.certificate.ca, **config})

    def refused(self, proxy, needle, count=1, **config):
        """An agent that does not get in, and the line that says why."""
        agent = self.agent(start=False, proxy=proxy, **config).start(wait=False)
        line = agent.process.wait_line(needle, count=count)
        assert agent.welcomes() == 0
        agent.stop()
        return agent, line

    def serves(self, agent, url="wss"):
        relay, host = self.relay if url == "wss" else self.plain, agent.host()
        for size in (0, 1, 70000, BIG):
            assert relay.get(host, f"/bytes/{size}").sha256 == pattern_sha256(size)
        with relay.visit(host) as visit:
            assert visit.post_pattern("/sha256", BIG).text.split() == [str(BIG),
                                                                       pattern_sha256(BIG)]


@pytest.fixture(scope="module")
def scene(module_group):
    yield Scene(module_group)


# ---- a proxy as there are many ----

@pytest.mark.parametrize("url", ["ws", "wss"])
def test_visitors_reach_a_device_behind_a_real_proxy(scene, url):
    before = len(scene.real.lines("CONNECT"))
    agent = scene.agent(url, proxy=scene.real_url())
    scene.serves(agent, url)
    assert len(scene.real.lines("CONNECT")) >= before + 2, "control and transfer channels"
    agent.stop()


def test_real_proxy_wants_a_user_and_says_so(scene):
    port = scene.real_port
    _, line = scene.refused(scene.real_url(""), "wants a user and a password for")
    assert f"proxy 127.0.0.1:{port}: " in line and f"127.0.0.1:{scene.tls_port} (407)" in line
    # tinyproxy answers a wrong password with 401
    agent, line = scene.refused(scene.real_url("alice:no-such-word@"),
                                f"proxy 127.0.0.1:{port}: ")
    assert "no-such-word" not in agent.process.text()


def test_port_that_the_real_proxy_does_not_allow(scene):
    port = ports.take()
    _, line = scene.refused(scene.real_url(), "does not allow a connection to",
                            relay=f"wss://127.0.0.1:{port}")
    assert f"127.0.0.1:{port} (403)" in line


# ---- how it is told of ----

def credentials_of(head):
    field, = [line for line in head.split("\r\n") if line.startswith("Proxy-Authorization: Basic ")]
    return base64.b64decode(field.split(" ")[2]).decode()


def test_password_comes_from_a_file_and_goes_to_the_proxy_alone(scene):
    file = scene.group.folder / "proxy.password"
    file.write_text(PASSWORD + "\n")
    file.chmod(0o600)
    with Proxy() as proxy:
        agent = scene.agent(proxy=proxy.http.replace("//", f"//{USER}@"),
                            proxy_password_file=file)
        assert scene.relay.get(agent.host()).text == "web"
        assert {credentials_of(head) for head in proxy.heads} == {f"{USER}:{PASSWORD}"}
        assert all(f"Host: 127.0.0.1:{scene.tls_port}\r\n" in head for head in proxy.heads)
        # the device's secret is not the proxy's to know
        assert not any(agent.device.secret in head for head in proxy.heads)
        command = pathlib.Path(f"/proc/{agent.process.pid}/cmdline").read_bytes()
        for secret in (PASSWORD, base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()):
            assert secret not in agent.process.text() and secret.encode() not in command
        agent.stop()


@pytest.mark.parametrize("url,env,through", [
    ("wss", {"https_proxy": "{}"}, True),
    ("wss", {"HTTPS_PROXY": "{}"}, True),
    ("ws", {"http_proxy": "{}"}, True),
    ("ws", {"HTTP_PROXY": "{}"}, False),
    ("ws", {"https_proxy": "{}"}, False),
    ("wss", {"https_proxy": "{}", "no_proxy": "example.org, 127.0.0.0/8"}, False),
    ("wss", {"https_proxy": "{}", "NO_PROXY": "*"}, False),
    ("wss", {"https_proxy": "{}", "no_proxy": ".example.org"}, True),
])
def test_environment_names_the_proxy(scene, url, env, through):
    with Proxy() as proxy:
        agent = scene.agent(url, env={k: v.replace("{}", proxy.http) for k, v in env.items()})
        scene.serves(agent, url)
        assert (proxy.connections > 0) == through
        agent.stop()


def test_none_switches_the_environment_off(scene):
    with Proxy() as proxy:
        agent = scene.agent(proxy="none", env={"https_proxy": proxy.http})
        assert scene.relay.get(agent.host()).text == "web"
        assert proxy.connections == 0
        agent.stop()


@pytest.mark.parametrize("config,env", [
    ({"proxy": "https://alice:hush-hush@127.0.0.1:1"}, {}),
    ({"proxy": "alice:hush-hush@127.0.0.1:1"}, {}),
    ({"proxy": None}, {"https_proxy": "socks5://alice:hush-hush@127.0.0.1:1"}),
])
def test_wrong_proxy_is_told_at_the_start_without_its_password(scene, config, env):
    agent = scene.agent(start=False, env=env, **config).start(wait=False)
    agent.process.ends(78)
    assert "http://[user[:password]@]host[:port]" in agent.process.text()
    assert "hush-hush" not in agent.process.text()


def test_password_on_the_command_line_is_refused(scene):
    path = write_ini(scene.group.folder / "bare.conf", "agent",
                     {"name": "bare", "relay": scene.urls["wss"], "service": "web:http:127.0.0.1:1"})
    process = Process(scene.group, "bare", [binary("taupe-agent"), "--config", str(path),
                                            "--proxy", "http://alice:hush-hush@127.0.0.1:1"])
    process.ends(78)
    assert "use proxy_password_file" in process.text() and "hush-hush" not in process.text()


# ---- a proxy that misbehaves ----

OK = b"HTTP/1.1 200 OK\r\nVia: 1.1 x\r\n\r\n"


@pytest.mark.parametrize("pieces", [
    [bytes([byte]) for byte in OK],
    [b"HTTP/1.0 200 Connection established\r\nProxy-agent: x\r\n\r\n"],
    [b"HTTP/1.1 100 Continue\r\n\r\n", OK],
    [b"HTTP/1.1 204 No Content\r\n\r\n"],
    [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: " + b"y" * 7000 + b"\r\n\r\n"],
], ids=["byte by byte", "HTTP/1.0", "100 before", "204", "long head"])
@pytest.mark.parametrize("url", ["ws", "wss"])
def test_strange_but_right_answers_are_understood(scene, url, pieces):
    with Proxy(*pieces) as proxy:
        agent = scene.agent(url, proxy=proxy.http)
        scene.serves(agent, url)
        agent.stop()


@pytest.mark.parametrize("url,needle", [("wss", "does not speak TLS"),
                                        ("ws", "status=400")])
def test_bytes_right_behind_the_head_belong_to_the_relay(scene, url, needle):
    """They come from nobody who is verified: TLS, or the relay's handshake, refuses them."""
    with Proxy(OK + b"HTTP/1.1 400 Nonsense\r\n\r\n") as proxy:
        _, line = scene.refused(proxy.http, needle, url=url)
        assert "proxy" not in line


def answering(data, hang=False):
    def handler(sock, server):
        server.read_head(sock)
        sock.sendall(data)
        if hang:
            sock.recv(1)
    return Server(handler)


@pytest.mark.parametrize("data,needle", [
    (b"HTTP/1.1 407 Authenticate\r\nProxy-Authenticate: Basic realm=x\r\n\r\n",
     "does not take our user and password for"),
    (b"HTTP/1.1 403 Forbidden\r\n\r\n", "does not allow a connection to"),
    (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\nno", "does not get through to"),
    (b"HTTP/1.1 504 Timeout\r\n\r\n", "does not get through to"),
    (b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere\r\n\r\n", "makes no tunnel to"),
    (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "makes no tunnel to"),
    (b"HTTP/1.1 200 OK\r\nVia", "ended the connection"),
    (b"", "ended the connection"),
    (b"SSH-2.0-OpenSSH_9.2\r\n", "does not answer in HTTP"),
    (b"HTTP/1.1 200 OK\n\n", "does not answer in HTTP"),
    (b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "does not answer in HTTP"),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", "does not answer in HTTP"),
    (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 9000, "too long a head"),
], ids=["407", "403", "502", "504", "302", "101", "cut", "nothing", "ssh", "bare LF", "blank",
        "binary", "endless"])
def test_proxy_that_fails_is_named_with_the_reason(scene, data, needle):
    with answering(data) as server:
        host, port = server.address
        agent, line = scene.refused(f"http://{USER}:hush-hush@{host}:{port}", needle, count=2)
        assert f"proxy {host}:{port}: " in line and f"relay={scene.urls['wss']}" in line
        assert "hush-hush" not in agent.process.text()


def test_proxy_that_says_nothing_costs_the_connect_timeout(scene):
    with answering(b"HTTP/1.1 200 OK\r\n", hang=True) as server:
        scene.refused(f"http://127.0.0.1:{server.address[1]}",
                      "it did not answer in time", count=2, connect_timeout="300ms")


def test_proxy_that_is_not_there_is_named(scene):
    port = ports.take()
    _, line = scene.refused(f"http://127.0.0.1:{port}", "Connection refused")
    assert f"proxy 127.0.0.1:{port}: " in line


def test_certificate_must_be_the_relays_and_not_the_proxys(scene):
    """A proxy that leads to another server than it was asked for."""
    other = Certificate(scene.group.folder / "other", "127.0.0.1")
    with Proxy() as proxy:
        _, line = scene.refused(proxy.http, "certificate verify failed for 127.0.0.1",
                                ca_file=other.ca)
        assert "proxy" not in line


def test_cleartext_through_a_near_proxy_is_warned_of(scene):
    with Proxy() as proxy:
        agent = scene.agent("ws", proxy=proxy.http)
        assert agent.process.lines("level=warn", "in the clear")
        agent.stop()
