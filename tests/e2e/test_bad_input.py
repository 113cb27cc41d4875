# SPDX-License-Identifier: MIT
"""Bad input ends one connection, with a reason in the log and a counter, and nothing else."""
import os
import socket
import subprocess
import time

import pytest

from harness import ports
from harness.fakes import (BINARY, CLOSE, PING, PONG, TEXT, RawAgent, Server, accept_websocket,
                           frame)
from harness.process import binary
from harness.programs import Agent, Device, SampleServices
from harness.scenes import Standalone
from harness.visitors import Connection
from harness.wait import until


class Scene:
    """A stand-alone relay with a bystander whose visitor must never notice anything."""

    def __init__(self, group):
        self.group = group
        self.services = SampleServices(group, "web")
        self.relay = Standalone(group, hold="500ms", probe_timeout="500ms", open_timeout="500ms",
                                handshake_timeout="1s", heartbeat="30s")
        self.bystander = self.relay.agent(
            "bystander", [f"web:http:{self.services.target('web', 'http')}"])
        self.host = self.bystander.host()
        self.process = self.relay.relay.process
        self.mallory = self.relay.device("mallory", label="mallory")
        self.visit = self.relay.visit(self.host)  # one connection through it all

    def raw(self):
        return RawAgent(self.relay.relay.agent_address)

    def counter(self, name):
        return self.relay.relay.metrics()[f"taupe_relay_{name}"]

    def bad_sessions(self):
        """Sessions that ended by bad input, by the relay's own count."""
        return sum(self.counter(f'sessions_closed_by_reason_total{{reason="{reason}"}}')
                   for reason in ("bad_frame", "bad_message"))

    def check_nobody_else_noticed(self):
        assert self.process.running()
        assert self.visit.get("/name").text == "web"
        assert self.relay.get(self.host).text == "web"
        assert self.bystander.welcomes() == 1


@pytest.fixture(scope="module")
def scene(module_group):
    scene = Scene(module_group)
    yield scene
    scene.visit.close()


@pytest.fixture(autouse=True)
def nobody_else_noticed(request):
    yield
    if "scene" in request.fixturenames:
        request.getfixturevalue("scene").check_nobody_else_noticed()


# ------------------------------------------------------------------ handshake ----

QUERY = "name=mallory&instance=i&service=web:http"


@pytest.mark.parametrize("status,changes", [
    (400, {"drop": ("upgrade",)}),
    (400, {"drop": ("connection",)}),
    (400, {"drop": ("sec_websocket_key",)}),
    (400, {"sec_websocket_key": "short"}),
    (400, {"sec_websocket_key": "!" * 24}),
    (400, {"drop": ("host",)}),
    (400, {"upgrade": "h2c"}),
    (426, {"sec_websocket_version": "8"}),
    (426, {"drop": ("sec_websocket_protocol",)}),
    (426, {"sec_websocket_protocol": "chat"}),
    (401, {"drop": ("authorization",)}),
    (401, {"authorization": "Basic bWFsbG9yeTp4"}),
    (401, {"secret": "wrong"}),
    (401, {"query": "name=unheard-of&instance=i&service=web:http"}),
    (400, {"query": ""}),
    (400, {"query": "name=mallory&instance=i"}),
    (400, {"query": "instance=i&service=web:http"}),
    (400, {"query": "name=mallory&service=web:http"}),
    (400, {"query": QUERY + "&name=mallory"}),
    (400, {"query": QUERY + "&service=web:http"}),
    (400, {"query": QUERY + "&service=ssh:quic"}),
    (400, {"query": QUERY + "&service=UPPER:http"}),
    (400, {"query": QUERY + "&hops=-1"}),
    (400, {"query": QUERY + "&hops=99999999999999999999999"}),
    (400, {"query": "name=mal%00lory&instance=i&service=web:http"}),
    (400, {"query": "name=mal%zzory&instance=i&service=web:http"}),
    (400, {"query": "name=..%2f..&instance=i&service=web:http"}),
    (400, {"query": "name=" + "x" * 64 + "&instance=i&service=web:http"}),
    (400, {"query": QUERY + "".join(f"&service=s{i}:http" for i in range(16))}),
    (400, {"start": f"POST /v1/control?{QUERY} HTTP/1.1"}),
    (400, {"start": f"GET /v1/control?{QUERY} HTTP/1.0"}),
    (505, {"start": f"GET /v1/control?{QUERY} HTTP/2.0"}),
    (404, {"start": "GET /v2/control?x=y HTTP/1.1"}),
    (404, {"start": "GET / HTTP/1.1"}),
    (400, {"start": "GET nonsense HTTP/1.1"}),
    (400, {"start": "nonsense"}),
], ids=lambda value: str(value)[:60] if isinstance(value, dict) else str(value))
def test_malformed_handshake_gets_a_clear_answer(scene, status, changes):
    before = scene.counter("agents_refused_total")
    with scene.raw() as agent:
        agent.send(agent.control_request(scene.mallory, **changes).encode())
        got, fields, form = agent.read_error()
        assert got == status
        assert scene.counter("agents_refused_total") == before + 1
        assert form["error"] and form["reason"]
        assert fields["content-type"] == "application/x-www-form-urlencoded"
        if status == 426:
            assert (fields["upgrade"], fields["sec-websocket-version"]) == ("websocket", "13")
        assert agent.at_end()


def test_error_codes_are_those_of_the_protocol(scene):
    for changes, error in [({"secret": "wrong"}, "unauthorized"), ({"query": ""}, "bad_request"),
                           ({"sec_websocket_version": "8"}, "version")]:
        with scene.raw() as agent:
            agent.send(agent.control_request(scene.mallory, **changes).encode())
            assert agent.read_error()[2]["error"] == error


@pytest.mark.parametrize("head", [
    b"\0" * 100, b"\x16\x03\x01\x02\x00\x01\x00" + b"x" * 200, b"GET " + b"x" * 20000,
    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 2000, b"\r\n\r\n\r\n", b"GET / HTTP/1.1\rHost: x\r\r",
], ids=range(6))
def test_garbage_instead_of_a_handshake_ends_that_connection(scene, head):
    with scene.raw() as agent:
        try:
            agent.send(head)
            assert agent.read_head()[0] in (400, 414, 431, 505)
        except (EOFError, ConnectionResetError, BrokenPipeError):
            pass


def test_handshake_that_never_ends_is_cut(scene):
    with scene.raw() as agent:
        agent.send(b"GET /v1/control HTTP/1.1\r\nX: ")
        start = time.monotonic()
        try:
            while agent.sock.recv(4096):
                pass
        except ConnectionResetError:
            pass
        assert 0.9 < time.monotonic() - start < 4


def test_handshake_and_messages_cut_at_every_byte_are_understood(scene):
    with scene.raw() as agent:
        request = agent.control_request(scene.mallory).encode()
        for byte in request + frame(PING, b"bits"):
            agent.send(bytes([byte]))
        assert agent.read_head()[0] == 101
        assert agent.read_message("welcome")["label"] == "mallory"
        assert agent.read_frame() == (PONG, b"bits")


def test_unknown_transfer_id_is_404_gone(scene):
    for channel_id, status in (("0" * 32, 404), ("xyz", 400), ("0" * 31, 400), ("A" * 32, 400)):
        with scene.raw() as agent:
            agent.send(agent.transfer_request(channel_id).encode())
            got, _, form = agent.read_error()
            assert got == status
            assert form["error"] == {404: "gone", 400: "bad_request"}[status]


# ------------------------------------------------------------ control channel ----

WELL = "op=refused&reason=none&id=" + "0" * 32

BAD_FRAMES = {
    "unmasked": (1002, frame(TEXT, WELL, mask=None)),
    "reserved_bit": (1002, frame(TEXT, WELL, rsv=4)),
    "reserved_opcode": (1002, frame(3, b"x")),
    "reserved_control_opcode": (1002, frame(11, b"x")),
    "fragmented_ping": (1002, frame(PING, b"x", fin=False)),
    "long_ping": (1002, frame(PING, b"x" * 126)),
    "continuation_of_nothing": (1002, frame(0, b"x")),
    "message_within_a_message": (1002, frame(TEXT, "op=", fin=False) + frame(TEXT, WELL)),
    "length_not_shortest": (1002, b"\x81\xfe\x00\x05\0\0\0\0op=xx"),
    "length_above_63_bits": (1002, b"\x81\xff" + b"\xff" * 8 + b"\0\0\0\0"),
    "text_too_long": (1009, frame(TEXT, "op=x&y=" + "z" * 4096)),
    "text_too_long_in_fragments": (1009, frame(TEXT, "op=x&y=", fin=False)
                                   + frame(0, "z" * 3000, fin=False) + frame(0, "z" * 3000)),
    "text_not_ascii": (1007, frame(TEXT, "op=x&y=\xe9".encode("latin-1"))),
    "text_with_control_character": (1007, frame(TEXT, "op=x\n")),
    "no_op": (1002, frame(TEXT, "id=1")),
    "empty_message": (1002, frame(TEXT, "")),
    "bad_escape": (1002, frame(TEXT, "op=x%g1")),
    "refused_without_reason": (1002, frame(TEXT, "op=refused&id=" + "0" * 32)),
    "refused_with_bad_id": (1002, frame(TEXT, "op=refused&reason=none&id=1")),
    "binary_on_control": (1002, frame(BINARY, b"x")),
    "close_with_one_byte": (1002, frame(CLOSE, b"\x03")),
    "close_with_reserved_code": (1002, frame(CLOSE, b"\x03\xed")),
}


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_bad_frame_on_control_closes_with_its_code(scene, name):
    code, data = BAD_FRAMES[name]
    before = scene.bad_sessions()
    logged = len(scene.process.lines("session closed", "device=mallory", "reason=bad_"))
    with scene.raw() as agent:
        agent.connect_control(scene.mallory)
        agent.send(data)
        assert agent.close_code() == code
        assert agent.at_end()
    assert scene.bad_sessions() == before + 1
    assert len(scene.process.lines("session closed", "device=mallory", "reason=bad_")) \
        == logged + 1


@pytest.mark.parametrize("name", ["unmasked", "reserved_bit", "text_too_long", "no_op"])
def test_bad_frame_cut_at_every_byte_closes_with_the_same_code(scene, name):
    code, data = BAD_FRAMES[name]
    with scene.raw() as agent:
        agent.connect_control(scene.mallory)
        try:
            for byte in data[:300]:
                agent.send(bytes([byte]))
            agent.send(data[300:])
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert agent.close_code() == code


@pytest.mark.parametrize("data", [
    frame(TEXT, "op=later&new=thing"), frame(TEXT, WELL), frame(PONG, b"unasked"),
    frame(TEXT, "op=la", fin=False) + frame(PING, b"") + frame(0, "ter"),
    frame(TEXT, WELL + "&unknown=key%20"),
], ids=range(5))
def test_what_the_protocol_tells_to_ignore_is_ignored(scene, data):
    with scene.raw() as agent:
        agent.connect_control(scene.mallory)
        agent.send(data + frame(PING, b"still there"))
        while (got := agent.read_frame()) != (PONG, b"still there"):
            assert got == (PONG, b"")
        agent.send(frame(CLOSE, b"\x03\xe8"))
        assert agent.close_code() == 1000


def test_random_bytes_on_control_end_that_session_only(scene):
    for seed in range(20):
        with scene.raw() as agent:
            agent.connect_control(scene.mallory)
            try:
                agent.send(os.urandom(200 + seed * 50))
                agent.sock.shutdown(socket.SHUT_WR)
                agent.close_code()
            except (EOFError, ConnectionResetError, BrokenPipeError, AssertionError):
                pass


# ----------------------------------------------------------- transfer channel ----

class Tunnel:
    """Mallory with a control channel, a visitor that waits, and the transfer channel for it."""

    def __init__(self, scene):
        self.scene = scene
        self.control = scene.raw()
        self.control.connect_control(scene.mallory)
        self.visitor = Connection(scene.relay.front, "mallory.example.test")
        self.visitor.send_head("GET", "/")
        self.channel = scene.raw()
        self.channel.send(self.channel.transfer_request(
            self.control.read_message("open")["id"]).encode())
        assert self.channel.read_head()[0] == 101
        self.open = self.channel.read_message("open")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for end in (self.visitor, self.channel.sock, self.control.sock):
            end.close()

    def read_request(self):
        got = b""
        while b"\r\n\r\n" not in got:
            opcode, data = self.channel.read_frame()
            assert opcode == BINARY and data
            got += data
        return got

    def answer(self, body=b"hi"):
        self.channel.send(frame(BINARY, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
                                % len(body) + body))
        return self.visitor.read_answer()


def test_visit_by_hand_goes_as_the_protocol_says(scene):
    with Tunnel(scene) as tunnel:
        assert tunnel.open["visit"] == "1" and tunnel.open["service"] == "web"
        assert tunnel.open["from"].startswith("127.0.0.1:")
        assert tunnel.read_request().startswith(b"GET / HTTP/1.1\r\nHost: mallory.example.test\r\n")
        tunnel.channel.say(op="opened", visit="1")
        assert tunnel.answer().text == "hi"
        tunnel.visitor.close()
        assert tunnel.channel.read_frame() == (BINARY, b"")
        tunnel.channel.send(frame(BINARY, b""))
        # Idle, and used again for the next visitor.
        with Connection(scene.relay.front, "mallory.example.test") as second:
            second.send_head("GET", "/again")
            assert tunnel.channel.read_message("open")["visit"] == "2"
            assert b"/again" in tunnel.read_request()
            tunnel.channel.send(frame(BINARY, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2"))
            assert second.read_answer().text == "2"


def test_refused_visit_is_a_502_and_the_channel_goes_on(scene):
    with Tunnel(scene) as tunnel:
        tunnel.read_request()
        tunnel.channel.say(op="refused", visit="1", reason="no such thing <script>")
        answer = tunnel.visitor.read_answer()
        assert answer.status == 502
        assert "<script>" not in answer.text
        assert tunnel.channel.read_message("abort")["visit"] == "1"
        with Connection(scene.relay.front, "mallory.example.test") as second:
            second.send_head("GET", "/")
            assert tunnel.channel.read_message("open")["visit"] == "2"


def test_late_messages_of_an_older_visit_are_ignored(scene):
    with Tunnel(scene) as tunnel:
        tunnel.read_request()
        for message in ({"op": "abort", "visit": "7"}, {"op": "refused", "visit": "2", "reason": "late"},
                        {"op": "opened", "visit": "99"}, {"op": "later"}):
            tunnel.channel.say(**message)
        assert tunnel.answer().text == "hi"


def test_aborts_that_cross_leave_the_channel_idle(scene):
    with Tunnel(scene) as tunnel:
        tunnel.read_request()
        tunnel.channel.say(op="opened", visit="1")
        tunnel.channel.say(op="abort", visit="1")
        assert tunnel.visitor.ended() in ("reset", "end")
        with Connection(scene.relay.front, "mallory.example.test") as second:
            second.send_head("GET", "/")
            while True:
                opcode, payload = tunnel.channel.read_frame()
                if opcode == TEXT and b"op=open&" in payload:
                    break
            assert b"visit=2" in payload


BAD_ON_TRANSFER = {
    "binary_after_the_end": (1002, frame(BINARY, b"") + frame(BINARY, b"x")),
    "unmasked": (1002, frame(BINARY, b"x", mask=None)),
    "malformed_message": (1002, frame(TEXT, "visit=1")),
    "text_too_long": (1009, frame(TEXT, "op=x&y=" + "z" * 5000)),
    "reserved_opcode": (1002, frame(5, b"")),
}


@pytest.mark.parametrize("name", BAD_ON_TRANSFER)
def test_bad_frame_on_transfer_ends_that_channel_and_its_visit(scene, name):
    code, data = BAD_ON_TRANSFER[name]
    with Tunnel(scene) as tunnel:
        tunnel.read_request()
        tunnel.channel.send(data)
        assert tunnel.channel.close_code() == code
        assert tunnel.visitor.ended() in ("reset", "end")
        # The session itself stands.
        tunnel.control.send(frame(PING, b"still there"))
        assert tunnel.control.read_frame() == (PONG, b"still there")


def test_binary_on_an_idle_channel_ends_it(scene):
    with Tunnel(scene) as tunnel:
        tunnel.read_request()
        assert tunnel.answer().status == 200
        tunnel.visitor.close()
        assert tunnel.channel.read_frame() == (BINARY, b"")
        tunnel.channel.send(frame(BINARY, b"") + frame(BINARY, b"more"))
        assert tunnel.channel.close_code() == 1002


def test_transfer_id_works_once(scene):
    with Tunnel(scene) as tunnel:
        tunnel.read_request()
        with Connection(scene.relay.front, "mallory.example.test") as second:
            second.send_head("GET", "/")
            channel_id = tunnel.control.read_message("open")["id"]
            with scene.raw() as one, scene.raw() as two:
                one.send(one.transfer_request(channel_id).encode())
                assert one.read_head()[0] == 101
                two.send(two.transfer_request(channel_id).encode())
                assert two.read_error()[0] == 404


def test_agent_that_never_digs_costs_its_visitor_a_503(scene):
    with scene.raw() as control:
        control.connect_control(scene.mallory)
        answer = scene.relay.get("mallory.example.test")
        assert answer.status == 503


def test_agent_that_cannot_dig_costs_its_visitor_an_error_at_once(scene):
    with scene.raw() as control:
        control.connect_control(scene.mallory)
        with Connection(scene.relay.front, "mallory.example.test") as visitor:
            visitor.send_head("GET", "/")
            control.say(op="refused", id=control.read_message("open")["id"], reason="no sockets")
            assert visitor.read_answer().status in (502, 503)


# ----------------------------------------------------- a relay that misbehaves ----

WELCOME = ("op=welcome&epoch=1&heartbeat_ms=30000&lease_ms=1000&label=abc&relay={url}"
           "&url=web:http://abc.example.test/")


def bad_relays():
    good = "{welcome}"
    yield "garbage", b"\xff" * 100
    yield "not_http", b"SSH-2.0-OpenSSH_9.2\r\n"
    yield "no_upgrade", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    yield "endless_head", b"HTTP/1.1 101 X\r\n" + b"A: b\r\n" * 5000
    yield "wrong_accept", (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
                           b"Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n"
                           b"Sec-WebSocket-Protocol: taupe.v1\r\n\r\n")
    yield "strange_status", b"HTTP/1.1 999 Odd\r\nContent-Length: 3\r\n\r\n%%%"
    yield "masked_frame", [frame(TEXT, "op=welcome")]
    yield "welcome_without_needs", [frame(TEXT, "op=welcome", mask=None)]
    yield "not_a_welcome", [frame(TEXT, "op=open&id=" + "0" * 32, mask=None)]
    yield "bad_number", [frame(TEXT, "op=welcome&epoch=x", mask=None)]
    yield "too_long", [frame(TEXT, "op=welcome&x=" + "y" * 5000, mask=None)]
    yield "binary", [frame(BINARY, b"zz", mask=None)]
    yield "bad_escape_after_welcome", [good, frame(TEXT, "op=op%", mask=None)]
    yield "bad_id_after_welcome", [good, frame(TEXT, "op=open&id=1&service=web", mask=None)]
    yield "second_welcome", [good, good]
    yield "reserved_after_welcome", [good, frame(3, b"", mask=None)]


@pytest.mark.parametrize("name,answer", bad_relays(), ids=[name for name, _ in bad_relays()])
def test_agent_survives_a_relay_that_sends_nonsense(group, name, answer):
    def handler(sock, server):
        head = server.read_head(sock)
        if isinstance(answer, bytes):
            sock.sendall(answer)
            return
        accept_websocket(sock, head)
        for data in answer:
            if data == "{welcome}":
                data = frame(TEXT, WELCOME.format(url=server.url), mask=None)
            sock.sendall(data)
        while sock.recv(65536):
            pass

    with Server(handler) as relay:
        agent = Agent(group, Device("victim"), [relay.url], ["web:http:127.0.0.1:1"], start=False,
                      reconnect_min="5ms", reconnect_max="20ms", reconnect_reset="10s")
        agent.start(wait=False)
        if name == "strange_status":  # as 503, without Retry-After
            until("it was asked", lambda: relay.heads)
        else:
            until("it tries again", lambda: len(relay.heads) >= 2, 20)
        assert agent.process.running()
        until("it says what was wrong", lambda: agent.process.lines("level=warn")
              or agent.process.lines("level=error"))


def test_agent_refuses_to_dial_what_it_does_not_offer(group):
    """An open for a service that the agent has not announced is refused, whatever its name."""
    said = []

    def handler(sock, server):
        head = server.read_head(sock)
        accept_websocket(sock, head)
        if "/v1/control" in head:
            sock.sendall(frame(TEXT, WELCOME.format(url=server.url), mask=None))
            sock.sendall(frame(TEXT, "op=open&id=" + "1" * 32 + "&service=web", mask=None))
            sock.recv(65536)
            return
        sock.sendall(frame(TEXT, "op=open&visit=1&service=127.0.0.1:22&from=1.2.3.4:5", mask=None))
        said.append(sock.recv(65536))

    with Server(handler) as relay:
        agent = Agent(group, Device("victim"), [relay.url], ["web:http:127.0.0.1:1"], start=False)
        agent.start(wait=False)
        until("it has answered", lambda: said)
    payload = said[0]
    mask = payload[2:6]
    text = bytes(b ^ mask[i % 4] for i, b in enumerate(payload[6:])) \
        if payload[1] & 127 < 126 else payload
    # refused, or a protocol error: a service name cannot look like that
    assert b"op=refused&visit=1" in text or payload[0] == 0x88, text


# ------------------------------------------------------------- configuration ----

def start(group, program, text, *arguments):
    path = group.folder / f"{program}.conf"
    path.write_text(text)
    return subprocess.run([binary(program), "--config", str(path), *arguments],
                          capture_output=True, text=True, timeout=20, check=False)


EX_CONFIG = 78

BAD_CONFIG = [
    ("taupe-relay", "[relay]\nlease = soon\n", ":2:", "lease"),
    ("taupe-relay", "[relay]\nid = r1\nheartbeat = -5s\n", ":3:", "heartbeat"),
    ("taupe-relay", "[relay]\nagent_listen = somewhere\n", ":2:", "agent_listen"),
    ("taupe-relay", "[relay]\nservice_listen = 127.0.0.1:900-800\n", ":2:", "service_listen"),
    ("taupe-relay", "[relay]\npublic_ports = 70000\n", ":2:", "public_ports"),
    ("taupe-relay", "[relay]\nlaese = 1h\n", ":2:", "lease"),
    ("taupe-relay", "[realy]\nlease = 1h\n", ":", "relay"),
    ("taupe-relay", "nonsense\n", ":1:", ""),
    ("taupe-relay", "[relay]\nopen = perhaps\n", ":2:", "open"),
    ("taupe-relay", "[relay]\nweight = 0\n", ":2:", "weight"),
    ("taupe-relay", "[relay]\nid = " + "x" * 500 + "\n", ":2:", "id"),
    ("taupe-agent", "[agent]\nname = a b\n", ":2:", "name"),
    ("taupe-agent", "[agent]\nname = a\nservice = web\n", ":3:", "service"),
    ("taupe-agent", "[agent]\nname = a\nservice = web:gopher:127.0.0.1:1\n", ":3:", "service"),
    ("taupe-agent", "[agent]\nname = a\nrelay = http://x/\n", ":3:", "relay"),
    ("taupe-agent", "[agent]\nname = a\nreconnect_min = 1 parsec\n", ":3:", "reconnect_min"),
    ("taupe-router", "[router]\nredis_timeout = x\n", ":2:", "redis_timeout"),
]


@pytest.mark.parametrize("program,text,place,word", BAD_CONFIG,
                         ids=[f"{c[0]}-{c[3]}-{i}" for i, c in enumerate(BAD_CONFIG)])
def test_bad_configuration_value_names_file_line_and_key(group, program, text, place, word):
    done = start(group, program, text)
    assert done.returncode == EX_CONFIG, (done.returncode, done.stderr)
    assert f"{program}.conf{place}" in done.stderr, done.stderr
    assert word in done.stderr


@pytest.mark.parametrize("program", ["taupe-relay", "taupe-agent", "taupe-router"])
def test_unknown_option_and_missing_file_are_clear_errors(group, program):
    done = subprocess.run([binary(program), "--no-such-option"], capture_output=True, text=True,
                          check=False, timeout=20)
    assert done.returncode in (64, EX_CONFIG) and "no-such-option" in done.stderr
    done = subprocess.run([binary(program), "--config", str(group.folder / "nowhere")],
                          capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode in (64, 66, EX_CONFIG) and "nowhere" in done.stderr


@pytest.mark.parametrize("program", ["taupe-relay", "taupe-agent", "taupe-router", "taupectl"])
def test_help_and_version_are_answered(program):
    for option in ("--help", "--version"):
        done = subprocess.run([binary(program), option], capture_output=True, text=True,
                              check=False, timeout=20)
        assert done.returncode == 0 and program in done.stdout


@pytest.mark.parametrize("text", [
    "agent_listen = 0.0.0.0:{port}\n",
    "agent_listen = 0.0.0.0:{port}\nopen = yes\n",
    "agent_listen = [::]:{port}\nopen = yes\n",
    "agent_listen = 127.0.0.1:{port}\nvisitor_listen = 0.0.0.0:{other}\nopen = yes\n",
])
def test_relay_beyond_loopback_without_devices_refuses_to_start_and_says_why(group, text):
    text = text.format(port=ports.take(), other=ports.take())
    done = start(group, "taupe-relay", "[relay]\n" + text)
    assert done.returncode == EX_CONFIG, done.stderr
    assert "loopback" in done.stderr or "device" in done.stderr, done.stderr


@pytest.mark.parametrize("text,hint", [
    ("agent_listen = 0.0.0.0:{port}\n", "agent_url"),
    ("agent_listen = [::]:{port}\n", "agent_url"),
    ("agent_listen = 0.0.0.0:{port}\nagent_url = ws://r1.example.test\n", "advertise_address"),
    ("service_listen = 0.0.0.0:{port}-{port}\n", "advertise_address"),
    ("".join(f"visitor_listen = 127.0.0.1:{number}\n" for number in range(1, 18)),
     "visitor_listen"),
])
def test_relay_that_nobody_could_reach_refuses_to_start_and_says_why(group, text, hint):
    devices = group.folder / "devices"
    devices.write_text(Device("alice").file_line() + "\n")
    if "agent_listen" not in text:
        text += f"agent_listen = 127.0.0.1:{ports.take()}\n"
    done = start(group, "taupe-relay", f"[relay]\ndevices_file = {devices}\n"
                 + text.format(port=ports.take()))
    assert done.returncode == EX_CONFIG, done.stderr
    assert hint in done.stderr, done.stderr


def test_relay_whose_port_is_taken_says_which(group):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = start(group, "taupe-relay", f"[relay]\nagent_listen = 127.0.0.1:{port}\nopen = yes\n")
    assert done.returncode not in (0, 1) and str(port) in done.stderr, done.stderr


def test_broken_device_file_stops_the_relay_with_file_and_line(group):
    devices = group.folder / "devices"
    devices.write_text("# fine\nname=alice&secret_sha256=zz\n")
    done = start(group, "taupe-relay", f"[relay]\nagent_listen = 127.0.0.1:{ports.take()}\n"
                                       f"devices_file = {devices}\n")
    assert done.returncode == EX_CONFIG
    assert f"file={devices} line=2" in done.stderr, done.stderr


def test_device_file_that_breaks_while_running_keeps_what_was_known(group):
    services = SampleServices(group, "web")
    relay = Standalone(group)
    agent = relay.agent("alice", [f"web:http:{services.target('web', 'http')}"])
    host = agent.host()
    assert relay.get(host).text == "web"
    good = relay.devices_file.read_text()
    relay.devices_file.write_text("garbage\n")
    agent.stop()
    agent.start()
    assert relay.get(host).text == "web"
    relay.devices_file.write_text(good)


def test_agent_without_a_readable_secret_says_so(group):
    done = start(group, "taupe-agent", "[agent]\nname = a\nrelay = ws://127.0.0.1:1\n"
                 f"secret_file = {group.folder}/nowhere\nservice = web:http:127.0.0.1:1\n")
    assert done.returncode in (66, EX_CONFIG) and "nowhere" in done.stderr, done.stderr


def test_damaged_state_file_is_not_fatal(group):
    services = SampleServices(group, "web")
    relay = Standalone(group)
    for number, text in enumerate(["", "\n\n\n", "\0\xff garbage %%%", "label=&lease=" + "x" * 9000,
                                   "label=../../etc&lease=zzz&relay=ftp://x"]):
        agent = relay.agent(f"d{number}", [f"web:http:{services.target('web', 'http')}"],
                            start=False)
        agent.state_file.write_text(text)
        agent.start()
        until("served", lambda agent=agent: relay.get(agent.host()).text == "web")


def test_lease_token_of_somebody_else_gives_nothing(group):
    services = SampleServices(group, "web")
    relay = Standalone(group)
    web = [f"web:http:{services.target('web', 'http')}"]
    alice = relay.agent("alice", web)
    bob = relay.agent("bob", web, start=False)
    bob.state_file.write_text(alice.state_file.read_text())
    bob.start()
    until("bob has a label of his own", lambda: bob.state()["label"] != alice.state()["label"])
