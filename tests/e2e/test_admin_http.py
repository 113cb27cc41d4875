# SPDX-License-Identifier: MIT
"""The HTTP server of the admin API: who comes by HAProxy, and clients of streams that do not listen,
or do not stop to talk."""
import http.client
import socket

from harness.api import Api
from harness.programs import Relay
from harness.scenes import Standalone
from harness.wait import until
from test_admin_api import token_of
from test_haproxy_facts import Bare

PASS_ON = """
listen admin
    mode http
    bind 127.0.0.1:{{port}}
    server relay 127.0.0.1:{relay}
"""


def ask(port, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


def test_behind_haproxy_nothing_is_read_without_a_token(group):
    devices = group.folder / "devices"
    devices.write_text("name=nobody&secret_sha256=" + "0" * 64 + "\n")
    token = token_of({"devices_file": devices}, "eve", "read")
    relay = Relay(group, devices_file=devices, admin_private=True)
    bare = Bare(group.folder / "hap", PASS_ON.format(relay=relay.admin_port)).start()
    bearer = {"Authorization": f"Bearer {token}"}
    try:
        for path in ("/api/v1/devices", "/api/v1/events", "/metrics"):
            for host in ("relay.example.test", "localhost"):
                assert ask(bare.port, path, Host=host) == 401, (path, host)
        assert ask(bare.port, "/api/v1/devices", Host="relay.example.test", **bearer) == 200
        assert ask(bare.port, "/healthz", Host="relay.example.test") == 200
    finally:
        bare.kill()


def test_without_admin_private_a_proxys_name_is_refused_and_its_signs_are_seen(group):
    relay = Standalone(group).relay
    assert ask(relay.admin_port, "/api/v1/devices") == 200
    assert ask(relay.admin_port, "/api/v1/devices", Host="relay.example.test") == 403
    for sign in ("Forwarded", "Via", "X-Real-IP", "X-Forwarded-For", "X-Forwarded-Host",
                 "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Server"):
        assert ask(relay.admin_port, "/api/v1/devices", **{sign: "1"}) == 401, sign


def begin(relay, path, receive=None):
    client = socket.socket()
    if receive is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    client.settimeout(10)
    client.connect(("127.0.0.1", relay.admin_port))
    client.sendall(f"GET /api/v1/{path} HTTP/1.1\r\nHost: localhost\r\n"
                   "Accept: text/event-stream\r\n\r\n".encode())
    return client


def test_what_the_client_of_a_stream_sends_is_not_kept(group):
    relay = Standalone(group).relay
    for path in ("events", "live"):
        client = begin(relay, path)
        assert client.recv(12) == b"HTTP/1.1 200"
        client.settimeout(2)
        sent = 0
        try:
            while sent < 64 << 20:
                sent += client.send(b"x" * 65536)
        except (TimeoutError, ConnectionError):
            pass
        # what it could send is in the kernel's buffers
        assert sent < 16 << 20
        assert Api(relay).ok("GET", "/status")
        client.close()
