# SPDX-License-Identifier: MIT
"""HTTP through HAProxy, relay, tunnel and agent, compared with what the service sent."""
import base64
import concurrent.futures
import hashlib
import subprocess

import pytest

from harness.programs import SampleServices
from harness.scenes import Cluster
from harness.visitors import Connection, get, pattern_sha256
from harness.wait import until

MB = 1_000_000
BIG = 100 * MB


class Scene:
    def __init__(self, group):
        self.group = group
        self.services = SampleServices(group, "web")
        self.cluster = Cluster(group)
        self.agent = self.cluster.agent("alice", [
            f"web:http:{self.services.target('web', 'http')}",
            "dead:http:127.0.0.1:1"])
        self.host = self.agent.host()
        self.cluster.wait_served(self.host)

    def get(self, path, **kwargs):
        return self.cluster.get(self.host, path, **kwargs)

    def visit(self):
        return self.cluster.visit(self.host)

    def ask_service(self, path):
        """Past the tunnel, directly."""
        return get(self.services.address("web", "http"), "direct", path)


@pytest.fixture(scope="module")
def scene(module_group):
    return Scene(module_group)


@pytest.mark.parametrize("size", [0, 1, 1000, 65535, 65536, 65537, BIG])
def test_get_arrives_identical(scene, size):
    answer = scene.get(f"/bytes/{size}")
    assert (answer.status, answer.length) == (200, size)
    assert answer.sha256 == pattern_sha256(size)


@pytest.mark.parametrize("size", [1, 1000, BIG])
def test_post_arrives_identical(scene, size):
    with scene.visit() as visit:
        answer = visit.post_pattern("/sha256", size)
    assert answer.text == f"{size} {pattern_sha256(size)}"


def test_50_visitors_at_once_get_and_post_identical_bodies(scene):
    small = [("get", 1), ("get", 1000), ("post", 1000), ("post", MB)]
    jobs = small * 11 + [("get", BIG)] * 4 + [("post", BIG)] * 2
    sums = {size: pattern_sha256(size) for _, size in jobs}

    def visit(job):
        kind, size = job
        with scene.visit() as connection:
            if kind == "get":
                answer = connection.get(f"/bytes/{size}")
                return answer.length == size and answer.sha256 == sums[size]
            return connection.post_pattern("/sha256", size).text == f"{size} {sums[size]}"

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        results = list(pool.map(visit, jobs))
    assert results == [True] * 50


def test_fifty_visitors_are_in_the_tunnel_at_the_same_time(scene):
    """All wait at one gate of the service; none can be answered before all have arrived."""
    def visit(_):
        return scene.get("/gate/fifty").text

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        futures = [pool.submit(visit, number) for number in range(50)]
        until("50 visitors stand at the gate",
              lambda: scene.ask_service("/gate/fifty/count").text == "50")
        scene.ask_service("/gate/fifty/open")
        assert [future.result(30) for future in futures] == ["gate fifty"] * 50


def test_chunked_answer_arrives_identical(scene):
    answer = scene.get(f"/chunked/{5 * MB}")
    assert answer.header("transfer-encoding") == "chunked"
    assert (answer.length, answer.sha256) == (5 * MB, pattern_sha256(5 * MB))


def test_chunked_request_arrives_identical(scene):
    with scene.visit() as visit:
        answer = visit.post_pattern("/sha256", 5 * MB, chunked=True)
    assert answer.text == f"{5 * MB} {pattern_sha256(5 * MB)}"


def test_several_requests_go_over_one_connection(scene):
    with scene.visit() as visit:
        for size in (10, 20000, 30):
            assert visit.get(f"/bytes/{size}").sha256 == pattern_sha256(size)


def test_first_sse_event_arrives_before_the_last_is_sent(scene):
    with scene.visit() as visit:
        visit.send_head("GET", "/sse")
        status, fields = visit.read_head()
        assert (status, fields["content-type"]) == (200, "text/event-stream")
        assert visit.read_chunk() == b"data: first\n\n"
        # Only now is the service told to send the last one.
        scene.ask_service("/sse/release")
        assert visit.read_chunk() == b"data: last\n\n"
        assert visit.read_chunk() == b""


def websocket_frame(opcode, payload, mask=b"\x11\x22\x33\x44"):
    length = len(payload)
    head = bytes([0x80 | opcode])
    head += bytes([0x80 | length]) if length < 126 else \
        bytes([0x80 | 126]) + length.to_bytes(2, "big")
    return head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


def test_visitors_own_websocket_echoes_through_the_tunnel(scene):
    with scene.visit() as visit:
        visit.send_head("GET", "/ws", [
            ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", base64.b64encode(b"0123456789abcdef").decode())])
        status, fields = visit.read_head()
        assert status == 101 and fields["upgrade"] == "websocket"
        for payload in (b"hello", b"x" * 4000, b""):
            visit.send(websocket_frame(1, payload))
            got = []
            visit.read_exactly(2 if len(payload) < 126 else 4, got.append)
            visit.read_exactly(len(payload), got.append)
            assert b"".join(got).endswith(payload)


def test_http2_from_visitor_to_haproxy(scene):
    haproxy = scene.cluster.haproxy
    url = f"https://{scene.host}:{haproxy.https[1]}/bytes/100000"
    done = subprocess.run(
        ["curl", "-sS", "--http2", "--cacert", haproxy.certificate.ca, "-o", "-", "-D", "/dev/stderr",
         "--resolve", f"{scene.host}:{haproxy.https[1]}:{haproxy.https[0]}", url],
        capture_output=True, check=True, timeout=30)
    assert done.stderr.startswith(b"HTTP/2 200")
    assert len(done.stdout) == 100000
    assert hashlib.sha256(done.stdout).hexdigest() == pattern_sha256(100000)


def forwarded(answer):
    return {name.lower(): value for name, value in answer.json()["fields"]}


def test_service_learns_who_the_visitor_is(scene):
    fields = forwarded(scene.get("/headers"))
    assert fields["x-forwarded-for"] == "127.0.0.1"
    assert fields["x-forwarded-proto"] == "http"
    assert fields["x-forwarded-host"] == scene.host
    assert fields["host"] == scene.host


def test_service_learns_that_the_visitor_came_by_tls(scene):
    haproxy = scene.cluster.haproxy
    with Connection(haproxy.https, scene.host, sni=scene.host,
                    cafile=haproxy.certificate.ca) as visit:
        assert forwarded(visit.get("/headers"))["x-forwarded-proto"] == "https"


def test_visitor_cannot_forge_where_he_comes_from(scene):
    fields = forwarded(scene.cluster.get(scene.host, "/headers", [
        ("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "evil.test")]))
    assert "6.6.6.6" not in fields["x-forwarded-for"]
    assert fields["x-forwarded-proto"] == "http"
    assert fields["x-forwarded-host"] == scene.host


def test_unknown_host_gets_404(scene):
    answer = scene.cluster.get("nobody-here.example.test", "/")
    assert answer.status == 404
    assert "<html" in answer.text.lower()


def test_dead_service_gives_502_and_a_page(scene):
    answer = scene.cluster.wait_served(scene.agent.host("dead"), status=502)
    assert "<html" in answer.text.lower()


def test_reset_of_the_service_reaches_the_visitor(scene):
    with scene.visit() as visit:
        visit.send_head("GET", "/reset")
        assert visit.read_head()[0] == 200
        got = []
        visit.read_exactly(4, got.append)
        assert b"".join(got) == b"half"
        scene.ask_service("/gate/reset/open")
        assert visit.ended() in ("end", "reset")  # HAProxy turns one into the other
    assert scene.get("/name").text == "web"


def test_visitor_who_leaves_frees_the_service(scene):
    def waiting():
        return scene.ask_service("/gate/never/count").text

    with scene.visit() as visit:
        visit.send_head("GET", "/gate/never")
        until("the service sees the visitor", lambda: waiting() == "1")
    until("the service sees that he has left", lambda: waiting() == "0")


def test_transfer_channels_are_used_again(scene):
    """Ten visitors one after the other need no more than one channel that was there, or one new."""
    scene.get("/name")
    before = scene.cluster.relay.metrics()["taupe_relay_transfers_opened_total"]
    for _ in range(10):
        assert scene.get("/name").status == 200
    after = scene.cluster.relay.metrics()["taupe_relay_transfers_opened_total"]
    assert after - before <= 2


def test_visitor_who_does_not_read_costs_no_memory(scene):
    programs = [scene.cluster.relay.process, scene.agent.process]
    before = [program.rss_kib() for program in programs]
    with scene.visit() as visit:
        visit.send_head("GET", f"/bytes/{BIG}")
        assert visit.read_head()[0] == 200
        # The others go on meanwhile.
        for _ in range(5):
            assert scene.get(f"/bytes/{MB}").sha256 == pattern_sha256(MB)
        for program, start in zip(programs, before):
            assert program.rss_kib() - start < 20_000, program.name
