# SPDX-License-Identifier: MIT
"""The PROXY protocol, version 2: HAProxy says to the relay who a tcp or tls visitor is, and the agent
to the service that asks for it. Nobody else is believed."""
import socket
import struct

import pytest

from forwarded import FORGED, claims, expected, outcome
from harness import ports
from harness.process import Process
from harness.programs import SampleServices
from harness.scenes import Cluster, Standalone
from harness.visitors import Connection
from harness.wait import until

NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log; worker_processes 1;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    server {{
        listen 127.0.0.1:{port} proxy_protocol; listen [::1]:{port} proxy_protocol;
        return 200 "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr $proxy_protocol_server_port";
    }}
}}
"""


class Nginx:
    """A server that speaks the PROXY protocol, version 2."""

    def __init__(self, group):
        self.folder = group.folder / "nginx"
        self.folder.mkdir(mode=0o755)
        self.port = ports.take()
        (self.folder / "nginx.conf").write_text(NGINX.format(folder=self.folder, port=self.port))
        self.process = Process(group, "nginx", [
            "nginx", "-c", str(self.folder / "nginx.conf"), "-e", str(self.folder / "nginx.log")])
        until("nginx listens", lambda: socket.create_connection(("127.0.0.1", self.port), 5).close()
              or True)


def who(address, family=socket.AF_INET):
    """What nginx has heard of us, and our own address."""
    with socket.socket(family) as sock:
        sock.settimeout(20)
        sock.connect(address)
        name = sock.getsockname()
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        got = b""
        while piece := sock.recv(65536):
            got += piece
    return got.split(b"\r\n\r\n", 1)[1].decode(), name


SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def header(source, port, to="192.0.2.200"):
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    if family == socket.AF_INET6:
        to = "2001:db8::200"
    body = socket.inet_pton(family, source) + socket.inet_pton(family, to) + \
        struct.pack("!HH", port, 443)
    return SIGNATURE + struct.pack("!BBH", 0x21, 0x21 if ":" in source else 0x11, len(body)) + body


class Introduced:
    """HAProxy introduces visitors to the relay, and the agent to its service."""

    def __init__(self, group):
        self.nginx = Nginx(group)
        self.services = SampleServices(group, "plain")
        self.cluster = Cluster(group, haproxy={"TAUPE_PROXY_PROTOCOL": "yes"},
                               proxy_protocol="yes", handshake_timeout="500ms")
        haproxy = self.cluster.haproxy
        haproxy.env["TAUPE_PORTS"] += f",[::1]:{self.cluster.public}-{self.cluster.public_last}"
        haproxy.process.kill()
        haproxy.start()
        self.agent = self.cluster.agent("introduced", [
            f"v4:tcp:127.0.0.1:{self.nginx.port}:proxy-v2",
            f"v6:tcp:[::1]:{self.nginx.port}:proxy-v2",
            f"plain:tcp:{self.services.target('plain', 'tcp')}",
            f"web:http:{self.services.target('plain', 'http')}"])
        self.cluster.wait_served(self.agent.host())
        until("the ports lead here", lambda: who(("127.0.0.1", self.agent.port("v6"))))


@pytest.fixture(scope="module")
def introduced(module_group):
    return Introduced(module_group)


def test_visitor_of_a_public_port_is_introduced_to_the_service(introduced):
    port = introduced.nginx.port
    heard, own = who(("127.0.0.1", introduced.agent.port("v4")))
    assert heard == f"127.0.0.1 {own[1]} 127.0.0.1 {port}"
    heard, own = who(("127.0.0.1", introduced.agent.port("v6")))
    assert heard == f"::ffff:127.0.0.1 {own[1]} ::1 {port}"
    heard, own = who(("::1", introduced.agent.port("v6")), socket.AF_INET6)
    assert heard == f"::1 {own[1]} ::1 {port}"
    heard, own = who(("::1", introduced.agent.port("v4")), socket.AF_INET6)
    assert heard == f"::1 {own[1]} ::ffff:127.0.0.1 {port}"


def test_service_that_wants_no_header_gets_none(introduced):
    with socket.create_connection(("127.0.0.1", introduced.agent.port("plain")), 10) as sock:
        sock.sendall(b"NAME\n")
        assert sock.recv(100) == b"plain"


def test_http_visits_are_as_ever(introduced):
    host = introduced.agent.host()
    answer = introduced.cluster.get(host, "/headers", FORGED)
    assert claims(answer) == expected(host)
    assert introduced.agent.process.text().count("from=127.0.0.1") > 0


def listener(introduced, service):
    """Where the relay itself listens for a service: what HAProxy's map says."""
    port = str(introduced.agent.port(service))
    ip, port = introduced.cluster.haproxy.routes("tcp")[port]
    return ip, int(port)


def test_relay_takes_the_header_of_its_proxy_in_pieces_and_nothing_without_one(introduced):
    door = listener(introduced, "plain")
    text = introduced.agent.process.text
    for source, said in (("198.51.100.7", "198.51.100.7:4321"), ("2001:db8::7", "[2001:db8::7]:4321"),
                         ("::ffff:198.51.100.8", "198.51.100.8:4321")):
        with socket.create_connection(door, 10) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.TCP_NODELAY, 1)
            for byte in header(source, 4321):
                sock.sendall(bytes([byte]))
            sock.sendall(b"NAME\n")
            assert sock.recv(100) == b"plain"
        until("the agent knows", lambda said=said: f"from={said}" in text())
    # of a health check's LOCAL, and of what is no TCP address, the connection's own holds
    for body in (b"\x20\0\0\0", b"\x21\x31\0\xd8" + bytes(216)):
        with socket.create_connection(door, 10) as sock:
            sock.sendall(SIGNATURE + body + b"NAME\n")
            assert sock.recv(100) == b"plain"
    for data in (b"NAME\n", b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\nNAME\n",
                 SIGNATURE + b"\x21\x11\0\x05hello", SIGNATURE + b"\x33", b""):
        with socket.create_connection(door, 10) as sock:
            sock.sendall(data)
            with pytest.raises(ConnectionResetError):
                assert sock.recv(100) == b"", data
                raise ConnectionResetError
    until("it is in the log", lambda: "no visitor introduced" in introduced.cluster.relay.process.text())


def test_who_is_no_trusted_proxy_introduces_nobody(module_group):
    """Its bytes are its own, even if they look like a header."""
    nginx_less = SampleServices(module_group, "bytes")
    relay = Standalone(module_group, "strict", proxy_protocol="yes", trusted_proxy="192.0.2.1")
    agent = relay.agent("strict", [f"raw:tcp:{nginx_less.target('bytes', 'tcp')}",
                                   f"web:http:{nginx_less.target('bytes', 'http')}"])
    data = header("198.51.100.7", 4321)
    with socket.create_connection(("127.0.0.1", agent.port("raw")), 10) as sock:
        sock.sendall(b"ECHO\n" + data)
        got = b""
        while len(got) < len(data):
            got += sock.recv(100)
        assert got == data
    assert outcome(relay.front, data).startswith(b"HTTP/1.1 4")


def test_front_behind_a_proxy_of_its_own_is_told_the_address_by_that(module_group):
    services = SampleServices(module_group, "fronted")
    relay = Standalone(module_group, "fronted", domain="example.test", proxy_protocol="yes",
                       trusted_proxy="127.0.0.1")
    agent = relay.agent("fronted", [f"web:http:{services.target('fronted', 'http')}"])
    host = agent.host()
    request = f"GET /headers HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    for source in ("198.51.100.7", "2001:db8::7"):
        with Connection(relay.front, host) as visit:
            data = header(source, 4321) + request
            visit.send(data[:20])
            visit.send(data[20:])
            assert claims(visit.read_answer()) == expected(host, source)
    tls = header("198.51.100.7", 1)
    tls = tls[:14] + struct.pack("!H", 20) + tls[16:] + b"\x20\0\x05\x01\0\0\0\0"
    with Connection(relay.front, host) as visit:
        visit.send(tls + request)
        assert dict(claims(visit.read_answer()))["x-forwarded-proto"] == "https"
    assert outcome(relay.front, request) == b""
