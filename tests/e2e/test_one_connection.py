# SPDX-License-Identifier: MIT
"""One socket is enough (docs/PROTOCOL.md section 5.9): agents whose visits ride on the control
channel. Each test ends with a look at the system: the agent has had no other connection to its
relay."""
import hashlib
import socket
import statistics
import subprocess
import threading
import time

import pytest

from harness import ports
from harness.counting import is_asleep, wake_ups
from harness.load import tell
from harness.process import Thread
from harness.programs import Certificate, SampleServices
from harness.scenes import Cluster, Standalone, wait_tcp
from harness.slow_proxy import SlowProxy
from harness.visitors import pattern, pattern_sha256, tcp_ask, tcp_outcome
from harness.wait import stays, until

MB = 1_000_000
VISITORS = 20
TURNS = 8  # of a measurement, an even number
LINK = 5 * MB  # bytes in a second
SHARE = 200_000  # bytes for each visitor in a turn, less than a second for all
MUCH = 1 << 40  # bytes: nobody comes to the end of that


def connections(agent, port):
    """How many TCP connections the agent's process has to that port of ours."""
    lines = subprocess.run(["ss", "-tnpH", "state", "established", f"( dport = :{port} )"],
                           capture_output=True, text=True, check=True).stdout.splitlines()
    return sum(f"pid={agent.process.pid}," in line for line in lines)


class Scene:
    """A relay that stands alone, and devices that have one connection each."""

    def __init__(self, group, **config):
        self.group, self.way = group, None
        self.services = SampleServices(group, "web")
        self.endless = SampleServices(group, "endless")  # for who never reads
        self.alone = Standalone(group, **config)
        self.relay = self.alone.relay
        self.agent = self.new_agent("alice")

    def offer(self):
        return [f"web:http:{self.services.target('web', 'http')}",
                f"raw:tcp:{self.services.target('web', 'tcp')}",
                f"endless:tcp:{self.endless.target('endless', 'tcp')}"]

    def new_agent(self, name, **config):
        return self.alone.agent(name, self.offer(), one_connection=True, **config)

    def raw(self, agent=None):
        return "127.0.0.1", (agent or self.agent).port("raw")

    def get(self, path="/name", agent=None):
        return self.alone.get((agent or self.agent).host(), path)

    def dug(self):
        return self.relay.metrics()["taupe_relay_transfers_opened_total"]

    def stalled(self, agent=None):
        """A visitor who asks for much and never reads, when nothing moves for it any more."""
        sock = socket.socket()
        self.group.exits.callback(sock.close)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", (agent or self.agent).port("endless")))
        sock.sendall(f"SOURCE {MUCH}\n".encode())
        until("bytes have come", lambda: len(sock.recv(1, socket.MSG_PEEK)) > 0)
        until("nothing moves", self.is_still)
        return sock

    def is_still(self):
        """Has its service done nothing for a moment, and passed nothing on the link but heartbeats?
        The system's buffers on the whole way are full then, too."""
        before = wake_ups(self.endless.process), self.way.passed if self.way else 0
        time.sleep(0.1)
        return is_asleep(self.endless.process) and \
            wake_ups(self.endless.process) == before[0] and \
            (not self.way or self.way.passed - before[1] < 1000)


@pytest.fixture(scope="module")
def module_scene(module_group):
    return Scene(module_group)


@pytest.fixture
def scene(module_scene):
    yield module_scene
    assert connections(module_scene.agent, module_scene.relay.agent_port) == 1
    assert module_scene.dug() == 0


def test_visits_of_all_sorts_ride_on_the_one_connection(scene):
    for _ in range(3):
        assert scene.get().text == "web"
    assert tcp_ask(scene.raw(), "NAME") == "web"
    assert tcp_outcome(scene.raw(), b"RESET\n")[0] == "reset"
    with scene.alone.visit(scene.agent.host()) as visitor:
        for _ in range(3):
            assert visitor.get("/name").text == "web"


def test_unreachable_service_is_refused(scene):
    agent = scene.alone.agent("lost", [f"web:http:127.0.0.1:{ports.take()}"], one_connection=True)
    assert scene.get(agent=agent).status == 502
    assert connections(agent, scene.relay.agent_port) == 1
    agent.stop()


def test_10_mb_each_way_arrive_whole(scene):
    size = 10 * MB
    assert scene.get(f"/bytes/{size}").sha256 == pattern_sha256(size)
    with scene.alone.visit(scene.agent.host()) as visitor:
        assert visitor.post_pattern("/sha256", size).text == f"{size} {pattern_sha256(size)}"


def read_all(sock):
    digest, length = hashlib.sha256(), 0
    while data := sock.recv(1 << 16):
        digest.update(data)
        length += len(data)
    return length, digest.hexdigest()


def test_half_close_by_the_visitor_reaches_the_service(scene):
    with socket.create_connection(scene.raw(), 30) as sock:
        sock.sendall(b"SINK\n")
        for piece in pattern(MB):
            sock.sendall(piece)
        sock.shutdown(socket.SHUT_WR)  # only now does the service answer
        assert sock.recv(200).decode() == f"{MB} {pattern_sha256(MB)}"
        assert sock.recv(1) == b""


def test_half_close_by_the_service_leaves_the_other_direction_open(scene):
    with socket.create_connection(scene.raw(), 30) as sock:
        sock.sendall(f"SOURCE {MB}\n".encode())
        assert read_all(sock) == (MB, pattern_sha256(MB))
        for piece in pattern(MB):  # the service has ended its side
            sock.sendall(piece)
        sock.shutdown(socket.SHUT_WR)
        until("the service has read it all",
              lambda: tcp_ask(scene.raw(), "STAT") == f"{MB} {pattern_sha256(MB)}")


def test_reset_by_the_visitor_reaches_the_service(scene):
    until("nothing runs", lambda: scene.relay.metrics()["taupe_relay_visitors"] == 0)
    sock = scene.stalled()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()  # with a reset: 64 KB of credit are out, and the service would wait for ever
    until("the visit is over", lambda: scene.relay.metrics()["taupe_relay_visitors"] == 0)
    until("the service hears of it", lambda: len(scene.agent.process.lines(
        "reset by the visitor")) > 0)
    assert scene.get().text == "web"


def at_once(n, work):
    """What work() gives to each of n who do it at the same time."""
    threads = [Thread(work) for _ in range(n)]
    return [thread.get() for thread in threads]


def test_many_stalled_visitors_hold_up_nobody(scene):
    socks = [scene.stalled() for _ in range(VISITORS)]
    for _ in range(10):
        assert scene.get(f"/bytes/{MB}").sha256 == pattern_sha256(MB)
        assert tcp_ask(scene.raw(), "NAME") == "web"
    for sock in socks:
        sock.close()
    until("all are gone", lambda: scene.relay.metrics()["taupe_relay_visitors"] == 0)


def test_storm_of_small_visits_gets_through(scene):
    names = [f"web {number}" for number in range(20)]
    assert at_once(VISITORS, lambda: [
        scene.get(f"/name/{number}").text for number in range(20)]) == [names] * VISITORS


# ---- what is said between the visits' bytes ----

@pytest.fixture
def far_scene(group):
    """A heartbeat of 200 ms, and a slow link, which the test may hold."""
    port = ports.take()
    way = SlowProxy(group, port, rate=LINK)
    scene = Scene(group, heartbeat="200ms", agent_listen=f"127.0.0.1:{port}",
                  agent_url=f"ws://{way.address}")
    scene.way = way
    return scene


def rate_of(scene, n):
    """Bytes in a second that n visitors get who download at once, from rest."""
    size = SHARE
    whole = pattern_sha256(size)
    wrong = []

    def download():
        answer = scene.get(f"/bytes/{size}")
        if answer.sha256 != whole:
            wrong.append(answer)

    until("nothing moves", scene.is_still)
    begin = time.monotonic()
    at_once(n, download)
    assert not wrong
    return n * size / (time.monotonic() - begin)


def rate_beside_stalled(scene, n):
    with scene.stalled() as sock:
        rate = rate_of(scene, n)
        assert sock.getpeername()
    until("it is gone", lambda: scene.relay.metrics()["taupe_relay_visitors"] == 0)
    return rate


def test_one_of_20_visitors_who_never_reads_costs_the_others_less_than_a_tenth(far_scene):
    """In turns within one run: 19 visitors, and the same beside one who never reads; which of both
    is first changes. What they share is the link, and not a machine that has other work."""
    scene = far_scene
    rate_of(scene, VISITORS - 1)
    rates = {rate_of: [], rate_beside_stalled: []}
    for turn in range(TURNS):
        for measure in sorted(rates, key=lambda f: f.__name__, reverse=turn % 2):
            rates[measure].append(measure(scene, VISITORS - 1))
    without, beside = map(statistics.median, rates.values())
    tell(f"one connection at {LINK / MB:.0f} MB/s, {VISITORS - 1} visitors at once: {without / MB:.2f} MB/s, "
         f"beside one who never reads {beside / MB:.2f} MB/s: {beside / without:.3f} of it "
         f"(medians of {TURNS} turns)")
    assert beside >= 0.9 * without


def test_heartbeats_go_between_the_bytes_of_visits(far_scene):
    """Neither side gives the other up while the channel is full in both directions for many
    heartbeats, and new visits are answered at once."""
    scene = far_scene
    stop = threading.Event()
    took = []

    def load():
        while not stop.is_set():
            scene.get(f"/bytes/{4 * MB}")

    def upload():
        while not stop.is_set():
            with scene.alone.visit(scene.agent.host()) as visitor:
                visitor.post_pattern("/sha256", 4 * MB)

    threads = [Thread(work) for work in (load, load, upload, upload)]
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        begin = time.monotonic()
        assert scene.get().text == "web"
        took.append(time.monotonic() - begin)
    stop.set()
    for thread in threads:
        thread.get()
    tell(f"one connection, full both ways: a small visit takes "
         f"{1000 * statistics.median(took):.1f} ms (median), {1000 * max(took):.0f} ms at most")
    assert scene.agent.welcomes() == 1
    assert statistics.median(took) < 1


def test_silent_visits_do_not_stop_the_heartbeat(far_scene):
    """With a visit that is open and says nothing, the link stands by its heartbeats alone."""
    scene = far_scene
    with scene.alone.visit(scene.agent.host()) as visitor:
        assert visitor.get("/name").text == "web"
        stays("the session stands", lambda: scene.agent.welcomes() == 1 and
              not scene.agent.process.lines("session failed"), 2)
        assert visitor.get("/name").text == "web"


# ---- the link ----

def test_link_that_is_cut_resets_visits_and_comes_back(far_scene):
    scene = far_scene
    sock = scene.stalled()
    scene.way.open.clear()  # nothing passes, and nobody is told
    assert tcp_reads_to_its_end(sock)
    scene.agent.process.wait_line("session failed")
    scene.way.open.set()
    scene.agent.wait_connected(2)
    until("it is served again", lambda: scene.get().text == "web")
    assert scene.dug() == 0


def tcp_reads_to_its_end(sock):
    sock.settimeout(20)
    try:
        while sock.recv(1 << 16):
            pass
    except ConnectionResetError:
        pass
    return True


def test_agent_killed_and_started_again_is_served(group):
    scene = Scene(group)
    sock = scene.stalled()
    scene.agent.kill()
    assert tcp_reads_to_its_end(sock)
    scene.agent.start()
    until("it is served again", lambda: scene.get().text == "web")
    assert connections(scene.agent, scene.relay.agent_port) == 1


def test_agent_that_stops_lets_its_visits_end(group):
    scene = Scene(group)
    agent = scene.new_agent("stops", drain_timeout="20s")
    with scene.alone.visit(agent.host()) as visitor:
        visitor.send_head("GET", "/gate/stop")
        until("it waits", lambda: scene.get("/gate/stop/count").text == "1")
        agent.process.expected = {0}
        agent.process.send_signal(15)
        agent.process.wait_line("stopping")
        assert scene.get("/gate/stop/open").text == "open"
        assert visitor.read_answer().text == "gate stop"
    until("the agent has stopped", lambda: not agent.process.running())
    assert agent.process.popen.returncode == 0


def test_agent_with_other_services_keeps_its_visits(group):
    """A reload connects anew, to the same relay: two links, and the visit ends on the old one."""
    scene = Scene(group)
    with scene.alone.visit(scene.agent.host()) as visitor:
        visitor.send_head("GET", "/gate/renew")
        until("it waits", lambda: scene.get("/gate/renew/count").text == "1")
        scene.agent.config["service"] = scene.offer() + [
            f"more:tcp:{scene.services.target('web', 'tcp')}"]
        scene.agent.write_config()
        scene.agent.process.send_signal(1)
        scene.agent.wait_connected(2)
        assert tcp_ask(("127.0.0.1", scene.agent.port("more")), "NAME") == "web"
        assert connections(scene.agent, scene.relay.agent_port) == 2
        assert scene.get("/gate/renew/open").text == "open"
        assert visitor.read_answer().text == "gate renew"
        assert visitor.get("/name").text == "web"
    until("one connection is left",
          lambda: connections(scene.agent, scene.relay.agent_port) == 1)
    assert scene.dug() == 0


def test_tls(group):
    services = SampleServices(group, "web")
    certificate = Certificate(group.folder / "certificate", "127.0.0.1")
    port = ports.take()
    alone = Standalone(group, agent_listen="", agent_tls_listen=f"127.0.0.1:{port}",
                       agent_url=f"wss://127.0.0.1:{port}", tls_certificate=certificate.bundle)
    agent = alone.agent("alice", [f"web:http:{services.target('web', 'http')}"],
                        ca_file=certificate.ca, one_connection=True)
    size = 10 * MB
    assert alone.get(agent.host(), f"/bytes/{size}").sha256 == pattern_sha256(size)
    with alone.visit(agent.host()) as visitor:
        assert visitor.post_pattern("/sha256", size).text == f"{size} {pattern_sha256(size)}"
    assert at_once(VISITORS, lambda: alone.get(agent.host(), f"/bytes/{MB}").sha256) == \
        [pattern_sha256(MB)] * VISITORS
    assert connections(agent, port) == 1
    assert alone.relay.metrics()["taupe_relay_transfers_opened_total"] == 0


# ---- a cluster ----

class Clustered:
    def __init__(self, group, relays):
        self.services = SampleServices(group, "web")
        self.cluster = Cluster(group, relays=relays, drain_timeout="30s")
        self.agent = self.cluster.agent("alice", [
            f"web:http:{self.services.target('web', 'http')}",
            f"raw:tcp:{self.services.target('web', 'tcp')}"], relays=[self.cluster.relays[0]],
            one_connection=True)
        self.cluster.wait_served(self.agent.host())

    def connections(self):
        return [connections(self.agent, relay.agent_port) for relay in self.cluster.relays]


def test_haproxy_leads_visitors_to_it(group):
    scene = Clustered(group, 1)
    cluster, host = scene.cluster, scene.agent.host()
    size = 10 * MB
    assert cluster.get(host, f"/bytes/{size}").sha256 == pattern_sha256(size)
    address = cluster.public_address(scene.agent, "raw")
    wait_tcp(address)
    with cluster.visit(host) as visitor:
        assert visitor.post_pattern("/sha256", size).text == f"{size} {pattern_sha256(size)}"
    assert tcp_ask(address, "NAME") == "web"
    assert scene.connections() == [1]


def test_drained_relay_moves_the_agent_and_its_visits_end_where_they_are(group):
    scene = Clustered(group, 2)
    cluster, agent = scene.cluster, scene.agent
    first, second = cluster.relays
    if scene.connections() != [1, 0]:
        first, second = second, first
    address = cluster.public_address(agent, "raw")
    wait_tcp(address)
    with socket.create_connection(address, 30) as visitor:
        visitor.sendall(b"ECHO\n")
        assert echoes(visitor, b"before")
        first.process.expected = {0}
        first.process.send_signal(15)
        agent.wait_connected(2)
        assert connections(agent, second.agent_port) == 1
        assert connections(agent, first.agent_port) == 1, "for the visit that runs"
        cluster.wait_served(agent.host())
        stays("the visit goes on", lambda: echoes(visitor, b"beside"), 3)
        assert first.process.running()
    until("the drained relay has stopped", lambda: not first.process.running(), 20)
    assert first.process.popen.returncode == 0
    assert connections(agent, second.agent_port) == 1
    cluster.wait_served(agent.host())


def echoes(sock, data):
    sock.sendall(data)
    got = b""
    while len(got) < len(data):
        piece = sock.recv(100)
        assert piece, "the visit was lost"
        got += piece
    return got == data


def test_agents_of_both_sorts_share_a_relay(group):
    scene = Scene(group)
    other = scene.alone.agent("bob", scene.offer())
    for _ in range(5):
        assert scene.get().text == "web"
        assert scene.get(agent=other).text == "web"
    assert scene.get(f"/bytes/{MB}", other).sha256 == pattern_sha256(MB)
    assert connections(scene.agent, scene.relay.agent_port) == 1
    assert connections(other, scene.relay.agent_port) > 1
