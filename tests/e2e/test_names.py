# SPDX-License-Identifier: MIT
"""The tables of names (names_table.py) against the relay's own door for visitors and against
HAProxy with the project's configuration; and what an agent and a relay make of forged redirects
and ids."""
import contextlib
import socket
import threading
import urllib.parse

import pytest

from harness.fakes import Dns, FakeRelay, RawAgent, Server, redirect, tls_context
from harness.programs import Agent, Certificate, Device
from harness.scenes import Cluster, Standalone
from harness.visitors import Connection
from harness.wait import until
from names_table import REFUSED, hellos, requests


class Namer:
    """A service of any protocol: whatever it hears, it answers who it is and what it was asked."""

    def __init__(self, name, http):
        self.name, self.http = name, http
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.target = "127.0.0.1:%d" % self.sock.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        with sock, contextlib.suppress(OSError):
            if sock.recv(65536):
                answer = f"I am {self.name}"
                if self.http:
                    answer = ("HTTP/1.1 200 OK\r\nConnection: close\r\n"
                              f"Content-Length: {len(answer)}\r\n\r\n{answer}")
                sock.sendall(answer.encode())

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


class Scene:
    def __init__(self, group, whole):
        self.namers = []
        for device in ("alice", "bob"):
            services = [self.namer(f"{service}:{kind}", name) for service, kind, name in (
                ("web", "http", device), ("admin", "http", f"{device}-admin"),
                ("own", "tls", f"{device}-own"), ("raw", "tcp", f"{device}-raw"))]
            whole.agent(whole.device(device, label=device), services, log_level="info")

    def namer(self, service, name):
        namer = Namer(name, service.endswith("http"))
        self.namers.append(namer)
        return f"{service}:{namer.target}"

    def outcome(self, address, data):
        """Whom the bytes reach; None: somebody, or something, that is neither."""
        got = b""
        with socket.create_connection(address, 5) as sock:
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                sock.sendall(data)
                while piece := sock.recv(65536):
                    got += piece
        if b"I am " in got:
            return got.rpartition(b"I am ")[2].decode()
        if got == b"" or got[0] == 0x15 or got.startswith(b"HTTP/1.1 505 ") \
                or got.startswith(b"HTTP/1.1 4") or got.startswith(b"HTTP/1.0 4"):
            return REFUSED
        return got[:100]

    def close(self):
        for namer in self.namers:
            namer.close()


class Front(Scene):
    def __init__(self, group):
        alone = Standalone(group, log_level="info", handshake_timeout="1s")
        self.http = self.tls = alone.front
        super().__init__(group, alone)


class Behind(Scene):
    """HAProxy, router, Redis and a relay."""

    def __init__(self, group):
        cluster = Cluster(group, log_level="info")
        self.http, self.tls = cluster.haproxy.http, cluster.haproxy.tls
        super().__init__(group, cluster)
        for kind, count in (("http", 4), ("sni", 2)):
            until(f"the routes of {kind}", lambda kind=kind, count=count:
                  len(cluster.haproxy.routes(kind)) == count)


@pytest.fixture(scope="module")
def scenes(module_group):
    made = {}

    def get(name):
        if name not in made:
            made[name] = {"front": Front, "haproxy": Behind}[name](module_group)
        return made[name]
    yield get
    for scene in made.values():
        scene.close()


@pytest.mark.parametrize("door", ["front", "haproxy"])
@pytest.mark.parametrize("request_,front,behind", [
    pytest.param(request, front, behind, id=what) for what, request, front, behind in requests()])
def test_host(scenes, door, request_, front, behind):
    scene = scenes(door)
    assert scene.outcome(scene.http, request_) in (front if door == "front" else behind)


@pytest.mark.parametrize("door", ["front", "haproxy"])
@pytest.mark.parametrize("data,whom", [
    pytest.param(data, whom, id=what) for what, data, whom in hellos()])
def test_server_name(scenes, door, data, whom):
    scene = scenes(door)
    whom = (REFUSED,) if whom is None and door == "front" else \
        whom if isinstance(whom, tuple) else (whom,)
    outcome = scene.outcome(scene.tls, data)
    if whom == (None,):  # its own certificate, or its alert about this meagre ClientHello
        assert outcome == REFUSED or outcome[:1] == b"\x16"
    else:
        assert outcome in whom


# ---- redirects ----

REDIRECTS = {  # Location, and whether an agent of the domain example.test follows it
    "below_the_domain": ("ws://r2.example.test:{port}/v1/control?hops=1", True),
    "the_domain": ("ws://example.test:{port}/v1/control?hops=1", True),
    "host_of_a_relay": ("ws://127.0.0.1:{port}/v1/control?hops=1", True),
    "upper_case": ("ws://R2.EXAMPLE.TEST:{port}/v1/control?hops=1", True),
    "domain_as_an_ending": ("ws://badexample.test:{port}/v1/control?hops=1", False),
    "domain_in_front": ("ws://example.test.evil.test:{port}/v1/control?hops=1", False),
    "domain_in_path": ("ws://evil.test:{port}/example.test/v1/control", False),
    "other_address": ("ws://127.0.0.2:{port}/v1/control?hops=1", False),
    "short_address": ("ws://127.1:{port}/v1/control?hops=1", False),
    "number": ("ws://2130706433:{port}/v1/control?hops=1", False),
    "ipv6": ("ws://[::1]:{port}/v1/control?hops=1", False),
    "mapped": ("ws://[::ffff:127.0.0.1]:{port}/v1/control?hops=1", False),
    "domain_as_user": ("ws://r2.example.test@evil.test:{port}/v1/control?hops=1", False),
    "user": ("ws://evil.test@r2.example.test:{port}/v1/control?hops=1", False),
    "user_escaped": ("ws://r2.example.test%40evil.test:{port}/v1/control?hops=1", False),
    "backslash": ("ws://evil.test\\@r2.example.test:{port}/v1/control?hops=1", False),
    "fragment": ("ws://evil.test:{port}#.example.test/v1/control", False),
    "nul": ("ws://evil.test\0.example.test:{port}/v1/control?hops=1", False),
    "blank": ("ws://evil.test .example.test:{port}/v1/control?hops=1", False),
    "two_dots": ("ws://evil.test..example.test:{port}/v1/control?hops=1", False),
    "raw_utf8": ("ws://r2.exämple.test:{port}/v1/control?hops=1", False),
    "wide_dot": ("ws://evil。example.test:{port}/v1/control?hops=1", False),
    "http": ("http://r2.example.test:{port}/v1/control?hops=1", False),
    "no_scheme": ("//r2.example.test:{port}/v1/control?hops=1", False),
    "relative": ("/v1/control?hops=1", False),
    "empty": ("", False),
    "no_host": ("ws://:{port}/v1/control?hops=1", False),
    "port_zero": ("ws://r2.example.test:0/v1/control?hops=1", False),
    "port_large": ("ws://r2.example.test:65536/v1/control?hops=1", False),
    "port_wraps": ("ws://r2.example.test:{wrapped}/v1/control?hops=1", False),
    "port_empty": ("ws://r2.example.test:/v1/control?hops=1", False),
    "port_sign": ("ws://r2.example.test:+{port}/v1/control?hops=1", False),
    "long": ("ws://r2.example.test:{port}/" + "x" * 3000, False),
    "hops_negative": ("ws://r2.example.test:{port}/v1/control?hops=-1", True),
}


class Wanderer:
    """An agent and the places that it may be led to; every name is 127.0.0.1."""

    def __init__(self, group, relay, dns, **config):
        self.agent = Agent(group, Device("wanderer"), [relay.url], ["web:http:127.0.0.1:1"],
                           start=False, dns=dns.address, domain="example.test",
                           reconnect_min="1ms", reconnect_max="5ms", **config)
        self.agent.start(wait=False)


@pytest.mark.parametrize("name", REDIRECTS)
def test_redirect_is_followed_only_where_the_rules_allow(group, name):
    location, allowed = REDIRECTS[name]
    with Dns() as dns, FakeRelay() as there:
        port = there.address[1]
        text = location.format(port=port, wrapped=port + 65536)
        with Server(lambda sock, server: redirect(text)(sock, server)) as here:
            wanderer = Wanderer(group, here, dns)
            if allowed:
                assert "authorization" in there.control().head.lower()
            else:
                # it has read the answer, and comes back later
                until("it asks again", lambda: len(here.heads) >= 4)
                assert there.heads == []
            assert wanderer.agent.process.running()


@pytest.mark.parametrize("name", ["below_the_domain", "host_of_a_relay"])
def test_redirect_out_of_tls_is_not_followed(group, name):
    certificate = Certificate(group.folder / "tls", "127.0.0.1")
    with Dns() as dns, FakeRelay() as there:
        text = REDIRECTS[name][0].format(port=there.address[1])
        with Server(redirect(text), context=tls_context(certificate)) as here:
            Wanderer(group, here, dns, ca_file=certificate.ca)
            until("it asks again", lambda: len(here.heads) >= 4)
            assert there.heads == []


def test_sixth_redirect_is_not_followed(group):
    """Each attempt is six requests: the first one, and five hops."""
    with Dns() as dns:
        hops = []

        def location(head):
            query = dict(urllib.parse.parse_qsl(head.split(" ")[1].partition("?")[2]))
            hops.append(int(query.get("hops", 0)))
            return f"{here.url}/v1/control?hops={hops[-1] + 1}"
        with Server(redirect(location)) as here:
            Wanderer(group, here, dns)
            until("it has begun a third time", lambda: hops.count(0) >= 3)
    assert hops[:6] == [0, 1, 2, 3, 4, 5] and max(hops) == 5


# ---- ids of transfer channels ----

class Ids:
    """Two devices whose control channels are in the test's hand, and a visitor of alice's."""

    def __init__(self, group):
        self.alone = Standalone(group, hold="2s", open_timeout="2s")
        self.devices = {name: self.alone.device(name, label=name) for name in ("alice", "bob")}
        self.alice, self.bob = self.control("alice"), self.control("bob")
        self.visitor = Connection(self.alone.front, "alice.example.test")
        self.visitor.send_head("GET", "/")
        self.id = self.alice.read_message("open")["id"]

    def control(self, name):
        agent = RawAgent(self.alone.relay.agent_address)
        agent.connect_control(self.devices[name])
        return agent

    def dig(self, channel_id):
        """Status of the answer, and the channel."""
        channel = RawAgent(self.alone.relay.agent_address)
        channel.send(channel.transfer_request(channel_id).encode())
        return channel.read_head()[0], channel


@pytest.fixture
def ids(group):
    return Ids(group)


@pytest.mark.parametrize("forge,status", [
    (lambda i: "0" * 32, 404), (lambda i: f"{int(i, 16) ^ 1:032x}", 404), (lambda i: i[::-1], 404),
    (lambda i: i.upper() if i.upper() != i else "A" * 32, 400), (lambda i: i[:31], 400),
    (lambda i: i + "0", 400), (lambda i: i + "%00", 400), (lambda i: i + "%20", 400),
    (lambda i: "%2b" + i[1:], 400), (lambda i: "", 400), (lambda i: f"{i}&id={i}", 400),
    (lambda i: f"{'0' * 32}&id={i}", 400),
], ids=["zero", "neighbour", "backwards", "upper_case", "short", "long", "nul", "blank", "plus",
        "empty", "twice", "another_first"])
def test_id_that_is_not_the_one_opens_nothing(ids, forge, status):
    got, channel = ids.dig(forge(ids.id))
    assert got == status
    channel.sock.close()
    # and the right one still does
    got, channel = ids.dig(ids.id)
    assert got == 101 and channel.read_message("open")["service"] == "web"


def test_id_is_not_taken_twice_nor_after_a_lost_channel(ids):
    got, channel = ids.dig(ids.id)
    assert got == 101
    assert ids.dig(ids.id)[0] == 404
    channel.sock.close()
    assert ids.dig(ids.id)[0] == 404


def test_one_device_cannot_refuse_the_ids_of_another(ids):
    ids.bob.say(op="refused", id=ids.id, reason="I am not alice")
    ids.bob.send(b"\x89\x80\1\2\3\4")
    assert ids.bob.read_frame()[0] == 10, "it was read"
    got, channel = ids.dig(ids.id)
    assert got == 101 and channel.read_message("open")["service"] == "web"


def test_ids_of_a_session_that_was_taken_over_lead_to_the_device_or_nowhere(ids):
    """The visitor waits for the device, and the new session has been asked for a channel."""
    ids.alice.sock.close()
    again = ids.control("alice")
    fresh = again.read_message("open")["id"]
    assert fresh != ids.id
    assert ids.dig(ids.id)[0] == 404
    got, channel = ids.dig(fresh)
    assert got == 101 and channel.read_message("open")["service"] == "web"
