# SPDX-License-Identifier: MIT
"""A device that holds its own certificate: HAProxy and relay see nothing but the server name."""
import socket
import socketserver
import ssl
import threading
import time

import pytest

from harness.programs import Certificate
from harness.scenes import Cluster
from harness.visitors import Connection, pattern, pattern_sha256
from harness.wait import until


class TlsService(socketserver.ThreadingTCPServer):
    """Says which name it was asked for, and sends a body, over TLS with the device's certificate."""
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self):
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.seen = []
        self.context.sni_callback = lambda _sock, name, _context: self.seen.append(name)
        super().__init__(("127.0.0.1", 0), TlsHandler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def target(self):
        return f"127.0.0.1:{self.server_address[1]}"


class TlsHandler(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            with self.server.context.wrap_socket(self.request, server_side=True) as sock:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += sock.recv(65536)
                size = int(head.split(b" ")[1].rpartition(b"/")[2])
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
                for piece in pattern(size):
                    sock.sendall(piece)
        except OSError:
            pass


class Scene:
    def __init__(self, group):
        self.group = group
        self.service = TlsService()
        self.cluster = Cluster(group)
        self.agent = self.cluster.agent("alice", [f"own:tls:{self.service.target}"])
        self.host = self.agent.host()
        self.certificate = Certificate(group.folder / "device", self.host)
        self.service.context.load_cert_chain(self.certificate.chain, self.certificate.key)
        until("the device is reached by its SNI", lambda: self.get(1).status == 200)

    def get(self, size, sni=None):
        with Connection(self.cluster.haproxy.tls, self.host, sni=sni or self.host,
                        cafile=self.certificate.ca) as visit:
            return visit.get(f"/bytes/{size}")


@pytest.fixture(scope="module")
def scene(module_group):
    scene = Scene(module_group)
    yield scene
    scene.service.shutdown()
    scene.service.server_close()


def test_visitor_sees_the_devices_own_certificate(scene):
    with Connection(scene.cluster.haproxy.tls, scene.host, sni=scene.host,
                    cafile=scene.certificate.ca) as visit:
        names = [value for _, value in visit.sock.getpeercert()["subjectAltName"]]
    assert names == [scene.host]
    assert scene.service.seen[-1] == scene.host


@pytest.mark.parametrize("size", [1, 1000, 20_000_000])
def test_body_arrives_identical_through_the_devices_tls(scene, size):
    assert scene.get(size).sha256 == pattern_sha256(size)


def closed_within(scene, send, seconds):
    start = time.monotonic()
    with socket.create_connection(scene.cluster.haproxy.tls, 10) as sock:
        try:
            send(sock)
        except (ssl.SSLError, ConnectionResetError, EOFError):
            pass
        else:
            raise AssertionError("was not closed")
    assert time.monotonic() - start < seconds


def handshake(sni):
    def send(sock):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.wrap_socket(sock, server_hostname=sni).close()
    return send


def test_unknown_sni_is_closed_at_once(scene):
    closed_within(scene, handshake("nobody-here.example.test"), 1)


def test_missing_sni_is_closed_at_once(scene):
    closed_within(scene, handshake(None), 1)


def test_sni_in_capitals_reaches_the_device(scene):
    with Connection(scene.cluster.haproxy.tls, scene.host, sni=scene.host.upper()) as visit:
        assert visit.get("/bytes/1").status == 200


def test_name_of_an_http_service_meets_haproxys_certificate_at_the_same_door(scene):
    agent = scene.cluster.agent("bob", [f"web:http:{scene.service.target}"])
    haproxy = scene.cluster.haproxy

    def look():
        with Connection(haproxy.tls, agent.host(), sni=agent.host(),
                        cafile=haproxy.certificate.ca) as visit:
            return [value for _, value in visit.sock.getpeercert()["subjectAltName"]]

    assert until("its TLS is ended by HAProxy", look) == ["*.example.test", "example.test"]
