# SPDX-License-Identifier: MIT
"""The firmware of examples/mcu-lwip on an emulated Cortex-M3, with one TCP connection for all its
visitors: visited through HAProxy, relay and tunnel."""
import concurrent.futures
import hashlib
import re

import pytest

from harness.mcu import Firmware
from harness.programs import Device
from harness.scenes import Cluster
from harness.visitors import Connection
from harness.wait import until

HOST = "mcu.example.test"
PATTERN = bytes((place * 31 + (place >> 8)) & 0xff for place in range(1 << 20))
VISITS = 6  # TUNNEL_VISITS of the firmware


class Scene:
    def __init__(self, group, board="mps2"):
        # inside QEMU's network the relay has another address than for us
        self.cluster = Cluster(group, hold="1s")
        self.device = self.cluster.redis.add(Device("mcu", label="mcu"))
        self.firmware = Firmware(group, self.device, [self.cluster.relay.agent_port], board)
        self.firmware.wait_up()
        self.cluster.wait_served(HOST, "/state.json")

    def get(self, path="/", fields=(), **kwargs):
        return self.cluster.get(HOST, path, fields, **kwargs)

    def visit(self, **kwargs):
        return Connection(self.cluster.haproxy.http, HOST, **kwargs)

    def visitor_number(self):
        return int(re.search(r"<dd id=v>(\d+)", self.get().text)[1])


@pytest.fixture(scope="module")
def scene(module_group):
    return Scene(module_group)


def ask(connection, method, path, fields=()):
    connection.send_head(method, path, fields)
    return connection.read_answer(method)


def test_the_page_counts_and_shows_a_temperature(scene):
    first = scene.visitor_number()
    assert scene.visitor_number() == first + 1
    state = scene.get("/state.json").json()
    assert state["v"] == first + 1
    assert 19 <= float(state["t"]) <= 23
    page = scene.get().text
    assert "simulated" in page and re.search(r"<span id=t>\d+\.\d</span> °C", page)


def test_one_connection_serves_request_after_request(scene):
    with scene.visit() as connection:
        for _ in range(5):
            answer = ask(connection, "GET", "/state.json")
            assert answer.status == 200 and answer.json()["uptime_s"] >= 0
        head = ask(connection, "HEAD", "/")
        assert head.status == 200 and head.length == 0
        assert int(head.header("content-length")) > 500
        assert ask(connection, "GET", "/none").status == 404
        refused = ask(connection, "DELETE", "/")
        assert refused.status == 405 and refused.header("allow") == "GET, HEAD"
        connection.send_head("POST", "/", [("Content-Length", "2000")])
        connection.send(b"x" * 2000)
        assert connection.read_answer().status == 405
        assert ask(connection, "GET", "/?a=b").status == 200


@pytest.mark.parametrize("path, fields, status", [
    ("/" + "a" * 200, [], 414),
    ("/", [("Content-Length", "70000")], 413),
    ("/", [("Transfer-Encoding", "chunked")], 501),
    ("/", [("Content-Length", "1"), ("Content-Length", "2")], 400),
])
def test_bad_requests_are_told_so(scene, path, fields, status):
    with scene.visit() as connection:
        connection.send_head("POST" if fields else "GET", path, fields)
        if status == 501:
            connection.send(b"0\r\n\r\n")
        elif status == 413:
            connection.send(b"x" * 70000)
        assert connection.read_answer().status == status
    assert scene.get().status == 200


def test_long_fields_do_no_harm(scene):
    fields = [("Cookie", "c" * 3000), ("X-Other", "o" * 200)]
    assert scene.get("/", fields).status == 200


def test_visitors_come_at_once(scene):
    def several(_):
        return [scene.get("/state.json").status for _ in range(5)]

    with concurrent.futures.ThreadPoolExecutor(VISITS) as pool:
        assert list(pool.map(several, range(VISITS))) == [[200] * 5] * VISITS


def test_a_megabyte_arrives_whole(scene):
    answer = scene.get("/pattern.bin", timeout=60)
    assert answer.length == len(PATTERN)
    assert answer.sha256 == hashlib.sha256(PATTERN).hexdigest()


def test_a_slow_visitor_holds_nobody_up(scene):
    with scene.visit() as slow:
        slow.send_head("GET", "/pattern.bin")
        assert slow.read_head()[0] == 200  # and reads no more for now
        for _ in range(10):
            assert scene.get("/state.json", timeout=5).status == 200
        digest = hashlib.sha256()
        slow.read_exactly(len(PATTERN), digest.update)
        assert digest.digest() == hashlib.sha256(PATTERN).digest()


def test_more_visitors_than_places_wait_or_are_told(scene):
    """One more than the device takes at once: the others are served all the same."""
    slow = [scene.visit() for _ in range(VISITS)]
    try:
        for connection in slow:
            connection.send_head("GET", "/pattern.bin")
            assert connection.read_head()[0] == 200
        answers = scene.get("/state.json", timeout=20)
        assert answers.status in (200, 503)
    finally:
        for connection in slow:
            connection.close()
    until("it is served again", lambda: scene.get("/state.json").status == 200)


def test_the_cable_is_pulled_and_plugged_in(scene):
    count = len(scene.firmware.process.lines("tunnel: up"))
    before = scene.visitor_number()
    scene.firmware.pull_cable()
    scene.firmware.wait_text("net: the cable is out")
    until("visitors are told", lambda: scene.get(timeout=20).status == 503, 20)
    scene.firmware.plug_cable_in()
    scene.firmware.wait_up(count + 1, timeout=30)
    until("the page is back", lambda: scene.get().status == 200)
    assert scene.visitor_number() >= before + 2  # it is the same boot


def test_the_relay_is_restarted(scene):
    count = len(scene.firmware.process.lines("tunnel: up"))
    scene.cluster.relay.process.stop()
    scene.cluster.relay.start()
    scene.firmware.wait_up(count + 1, timeout=30)
    until("the page is back", lambda: scene.get().status == 200, 20)


def test_the_smaller_board(group):
    scene = Scene(group, "lm3s")
    assert scene.get("/pattern.bin", timeout=60).sha256 == hashlib.sha256(PATTERN).hexdigest()
    assert "the chip's own sensor" in scene.get().text
