# SPDX-License-Identifier: MIT
"""Bulk streams, which relay and agent give to a thread of their own: no byte is lost on the way
there or back, and whatever ends them ends them as it would elsewhere."""
import hashlib
import pathlib
import signal
import socket
import struct
import threading

import pytest

from harness import ports
from harness.programs import Certificate, SampleServices
from harness.scenes import Standalone
from harness.visitors import READ, get, pattern, pattern_sha256
from harness.wait import until

SIZE = 100_000_000
PIECE = bytes(1 << 20)
TIMEOUT_S = 60


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Side(threading.Thread):
    """One end of a bulk stream: moves bytes until it is told to reset, or the other end goes. Then
    `end` says how: "reset" by us, "end" in order, or the error."""

    def __init__(self, sock, move):
        super().__init__(daemon=True)
        self.sock, self.move, self.end = sock, move, None
        self.leaving = threading.Event()
        sock.settimeout(TIMEOUT_S)
        self.start()

    def run(self):
        try:
            while not self.leaving.is_set():
                if not self.move(self.sock):
                    self.end = "end"
                    self.sock.close()
                    return
            self.end = "reset"
            reset(self.sock)
        except OSError as error:
            self.end = error
            self.sock.close()

    def leave(self):
        self.leaving.set()
        return self.ended_by()

    def ended_by(self):
        self.join(TIMEOUT_S)
        return self.end


def send(sock):
    sock.sendall(PIECE)
    return True


def receive(sock):
    return sock.recv(READ)


class Scene:
    def __init__(self, group, tls, **config):
        self.group = group
        self.services = SampleServices(group, "web", "raw")
        self.endless = socket.create_server(("127.0.0.1", 0))
        self.endless.settimeout(TIMEOUT_S)
        ends, agents = {}, {}
        if tls:
            certificate = Certificate(group.folder / "certificate", "127.0.0.1")
            port = ports.take()
            ends = {"agent_listen": "", "agent_tls_listen": f"127.0.0.1:{port}",
                    "agent_url": f"wss://127.0.0.1:{port}", "tls_certificate": certificate.bundle}
            agents = {"ca_file": certificate.ca}
        self.kind = "tls" if tls else "plain"
        self.alone = Standalone(group, f"r-{self.kind}", log_level="info", **ends, **config)
        self.agents = agents
        self.agent = self.new_agent("alice")

    def new_agent(self, name, **config):
        return self.alone.agent(f"{name}-{self.kind}", [
            f"web:http:{self.services.target('web', 'http')}",
            f"raw:tcp:{self.services.target('raw', 'tcp')}",
            f"endless:tcp:127.0.0.1:{self.endless.getsockname()[1]}"], **self.agents, **config)

    def connect(self, service, agent=None):
        return socket.create_connection(
            ("127.0.0.1", (agent or self.agent).port(service)), TIMEOUT_S)

    def stream(self, agent=None):
        """The ends of a stream from a service to its visitor, once relay and agent each have it in
        their second thread."""
        programs = [self.alone.relay.process, (agent or self.agent).process]
        before = [work(program)[1] for program in programs]
        visitor = Side(self.connect("endless", agent), receive)
        service = Side(self.endless.accept()[0], send)
        for program, done in zip(programs, before):
            until(f"{program.name} has a second thread that works",
                  lambda: work(program)[1] > done + 3, TIMEOUT_S)
        return visitor, service

    def name(self):
        return get(self.alone.front, self.agent.host(), "/name").text


def work(process):
    """Ticks of processor time of the main thread, and of the others."""
    done = {}
    for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir():
        fields = (task / "stat").read_text().rpartition(")")[2].split()
        done[int(task.name)] = int(fields[11]) + int(fields[12])
    return done.pop(process.pid), sum(done.values())


@pytest.fixture(scope="module", params=["plain", "tls"])
def scene(request, module_group):
    return Scene(module_group, request.param == "tls")


def both_ways(sock, size):
    """Upload and download at once, and half-close: what came."""
    def upload():
        for piece in pattern(size):
            sock.sendall(piece)
        sock.shutdown(socket.SHUT_WR)

    sock.sendall(f"SOURCE {size}\n".encode())
    thread = threading.Thread(target=upload, daemon=True)
    thread.start()
    digest, length, space = hashlib.sha256(), 0, memoryview(bytearray(READ))
    while got := sock.recv_into(space):
        digest.update(space[:got])
        length += got
    thread.join(TIMEOUT_S)
    return length, digest.hexdigest()


def stat(scene):
    with scene.connect("raw") as sock:
        sock.sendall(b"STAT\n")
        return sock.makefile().read().split()


def test_streams_both_ways_arrive_whole_while_others_are_served(scene):
    programs = [scene.alone.relay.process, scene.agent.process]
    before = [work(program) for program in programs]
    ends = len(scene.agent.process.lines('msg="visit ended"', "service=raw"))
    arrived = []
    with scene.connect("raw") as sock:
        thread = threading.Thread(target=lambda: arrived.append(both_ways(sock, SIZE)))
        thread.start()
        served = 0
        while thread.is_alive():
            assert scene.name() == "web"
            served += 1
        thread.join()
    assert arrived == [(SIZE, pattern_sha256(SIZE))]
    assert served > 0
    until("the service has it all",
          lambda: stat(scene) == [str(SIZE), pattern_sha256(SIZE)], TIMEOUT_S)
    scene.agent.process.wait_line(
        'msg="visit ended"', "service=raw", f"bytes_in={SIZE + len(f'SOURCE {SIZE}') + 1}",
        f"bytes_out={SIZE}", "reason=done")
    assert ends < len(scene.agent.process.lines('msg="visit ended"', "service=raw"))
    for program, (main, other) in zip(programs, before):
        main_now, other_now = work(program)
        print(f"{program.name}: main thread {main_now - main}, worker {other_now - other} ticks; "
              f"{served} small requests meanwhile")
        assert other_now > other


def test_relay_counts_every_byte(scene):
    def counted():
        metrics = scene.alone.relay.metrics()
        return metrics["taupe_relay_bytes_in_total"], metrics["taupe_relay_bytes_out_total"]

    until("nobody else is there",
          lambda: scene.alone.relay.metrics()["taupe_relay_visitors"] == 0)
    bytes_in, bytes_out = counted()
    command = len(f"SOURCE {SIZE}\n")
    with scene.connect("raw") as sock:
        assert both_ways(sock, SIZE) == (SIZE, pattern_sha256(SIZE))
    until("the visit is counted", lambda: counted() == (bytes_in + command + SIZE,
                                                        bytes_out + SIZE))


def test_a_reset_service_resets_its_visitor(scene):
    visitor, service = scene.stream()
    assert service.leave() == "reset"
    assert isinstance(visitor.ended_by(), ConnectionResetError)
    assert scene.name() == "web"


def test_a_reset_visitor_resets_its_service(scene):
    visitor, service = scene.stream()
    assert visitor.leave() == "reset"
    assert isinstance(service.ended_by(), ConnectionError)
    assert scene.name() == "web"


def test_a_killed_agent_resets_its_visitor(scene):
    agent = scene.new_agent("bob")
    visitor, service = scene.stream(agent)
    agent.kill()
    assert isinstance(visitor.ended_by(), ConnectionResetError)
    assert service.ended_by() != "reset"
    assert scene.name() == "web"


def test_a_removed_device_loses_its_stream(scene):
    agent = scene.new_agent("dave")
    visitor, service = scene.stream(agent)
    scene.alone.devices.remove(agent.device)
    scene.alone.add(scene.alone.devices.pop())  # writes the file
    assert isinstance(visitor.ended_by(), ConnectionResetError)
    assert isinstance(service.ended_by(), ConnectionError)
    assert scene.name() == "web"


def test_an_agent_stops_in_time_with_a_busy_stream(scene):
    agent = scene.new_agent("carol")  # 100 ms for its visitors
    visitor, service = scene.stream(agent)
    agent.stop()
    assert isinstance(visitor.ended_by(), ConnectionResetError)
    assert isinstance(service.ended_by(), ConnectionError)


def test_a_relay_that_drains_lets_a_stream_finish(group):
    scene = Scene(group, tls=False, drain_timeout="60s")
    relay, arrived = scene.alone.relay.process, []
    with scene.connect("raw") as sock:
        thread = threading.Thread(target=lambda: arrived.append(both_ways(sock, SIZE)))
        thread.start()
        until("it is a bulk stream", lambda: work(relay)[1] > 0, TIMEOUT_S)
        relay.expected = {0}
        relay.send_signal(signal.SIGTERM)
        thread.join(TIMEOUT_S)
    assert arrived == [(SIZE, pattern_sha256(SIZE))]
    relay.ends(0, TIMEOUT_S)


def test_a_relay_that_has_drained_resets_what_is_left(group):
    scene = Scene(group, tls=False, drain_timeout="200ms")
    visitor, service = scene.stream()
    scene.alone.relay.process.stop()
    assert isinstance(visitor.ended_by(), ConnectionResetError)
    assert isinstance(service.ended_by(), ConnectionError)
