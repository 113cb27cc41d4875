# SPDX-License-Identifier: MIT
"""The HTTP server of the admin API: who comes by HAProxy, and clients of streams that do not listen,
or do not stop to talk."""
import http.client
import json
import pathlib
import socket
import time

from harness.api import Api
from harness.barrage import QUARANTINE
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


def ended(client):
    """Has the relay ended the connection?"""
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def resident(relay):
    status = pathlib.Path(f"/proc/{relay.process.popen.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def test_connections_have_an_end(group):
    """Those that hold bodies back, which are not answered yet; a stream and whoever asks stay."""
    relay = Standalone(group, env=QUARANTINE).relay
    stream = http.client.HTTPConnection("127.0.0.1", relay.admin_port, timeout=10)
    stream.request("GET", "/api/v1/live")
    answer = stream.getresponse()
    assert answer.readline().startswith(b"data:")
    before, clients, began = resident(relay), [], time.monotonic()
    for _ in range(300):
        client = socket.create_connection(("127.0.0.1", relay.admin_port), timeout=10)
        client.sendall(b"POST /api/v1/devices HTTP/1.1\r\nHost: localhost\r\n"
                       b"Content-Type: application/json\r\nContent-Length: 65536\r\n\r\n"
                       + b" " * 65535)
        clients.append(client)
        if len(clients) % 50 == 0:
            assert ask(relay.admin_port, "/api/v1/devices") == 200
    # for their number: for their silence it would be after 10 s
    until("the first ones are ended", lambda: sum(map(ended, clients)) >= 300 - 127)
    assert time.monotonic() - began < 8
    assert not any(ended(client) for client in clients[-100:])
    assert answer.readline() == b"\n" and answer.readline().startswith(b"data:")
    assert resident(relay) - before < 30_000_000
    # one of those that stayed is answered when it has come to its end
    clients[-1].setblocking(True)
    clients[-1].settimeout(10)
    clients[-1].sendall(b" ")
    assert clients[-1].recv(64).startswith(b"HTTP/1.1 401 ")
    for client in clients:
        client.close()
    until("they are gone", lambda: ask(relay.admin_port, "/api/v1/devices") == 200)
    stream.close()


def test_a_body_that_is_too_large_is_told(group):
    relay = Standalone(group).relay
    for announced, sent in ((65537, 65537), (131_072, 131_072), (131_073, 0), (3_000_000_000, 0)):
        client = socket.create_connection(("127.0.0.1", relay.admin_port), timeout=10)
        client.sendall(b"POST /api/v1/devices HTTP/1.1\r\nHost: localhost\r\n"
                       b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % announced
                       + b" " * sent)
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert answer.status == 413, announced
        # nobody's words but ours for what was read
        if sent == announced:
            assert json.loads(answer.read())["error"] == "too_large"
        client.close()
    connection = http.client.HTTPConnection("127.0.0.1", relay.admin_port, timeout=10)
    connection.request("POST", "/api/v1/devices", iter([b" " * 40_000] * 3), {
        "Content-Type": "application/json"}, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()
    assert ask(relay.admin_port, "/healthz") == 200
