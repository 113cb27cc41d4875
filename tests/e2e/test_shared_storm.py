# SPDX-License-Identifier: MIT
"""Visitors of all kinds at once on a device whose visits share channels and move: whoever is served
to the end has got everything, and what is lost with a channel is reset, never cut short."""
import collections
import hashlib
import os
import random
import socket
import threading
import time

import pytest

from harness.mux_scene import read_all, reset
from harness.process import Thread
from harness.programs import SampleServices
from harness.scenes import Standalone
from harness.visitors import READ, pattern, pattern_sha256
from harness.wait import until

pytestmark = pytest.mark.alone

SECONDS = float(os.environ.get("TAUPE_STORM_SECONDS", "6"))
WORKERS = 12
SIZES = [1, 1000, 33_000, 70_000, 300_000, 2_000_000]


class Link:
    """Between agent and relay: passes on what comes, and loses a connection when asked to."""

    def __init__(self, group, relay):
        self.relay = relay
        self.pairs, self.lock = [], threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        group.exits.callback(self.listener.close)
        self.url = f"ws://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                agent, _ = self.listener.accept()
                relay = socket.create_connection(self.relay)
            except OSError:
                return
            for sock in (agent, relay):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.pairs.append((agent, relay))
            for source, target in ((agent, relay), (relay, agent)):
                threading.Thread(target=self._copy, args=(source, target), daemon=True).start()

    @staticmethod
    def _copy(source, target):
        try:
            while data := source.recv(READ):
                target.sendall(data)
        except OSError:
            pass
        for sock in (source, target):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def lose_one(self, choice):
        with self.lock:
            pair = choice.choice(self.pairs) if self.pairs else ()
            self.pairs = [other for other in self.pairs if other is not pair]
        for sock in pair:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Storm:
    def __init__(self, group, lossy=False, **agent):
        self.services = SampleServices(group, "web")
        self.alone = Standalone(group, log_level="info", max_visitors="1000")
        if lossy:
            self.link = Link(group, self.alone.relay.agent_address)
            self.alone.relay.process.stop()
            self.alone.relay.url = self.alone.relay.config["agent_url"] = self.link.url
            self.alone.relay.start()
        self.agent = self.alone.agent("alice", [
            f"web:http:{self.services.target('web', 'http')}",
            f"raw:tcp:{self.services.target('web', 'tcp')}"], log_level="info", **agent)
        self.host, self.tcp = self.agent.host(), ("127.0.0.1", self.agent.port("raw"))
        self.served, self.lost = collections.Counter(), collections.Counter()
        self.until = time.monotonic() + SECONDS

    def connect(self, buffers=None):
        sock = socket.socket()
        sock.settimeout(30)
        if buffers:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffers)
        sock.connect(self.tcp)
        return sock

    # What visitors do; each fails with an assertion when it was served wrongly, and with
    # ConnectionError or EOFError when it was lost.

    def page(self, _size):
        with self.alone.visit(self.host) as visit:
            for _ in range(3):
                self.answered(visit.get("/name"), lambda answer: answer.text == "web")

    def download(self, size):
        with self.alone.visit(self.host) as visit:
            self.answered(visit.get(f"/bytes/{size}"),
                          lambda answer: answer.sha256 == pattern_sha256(size))

    def upload(self, size):
        with self.alone.visit(self.host) as visit:
            self.answered(visit.post_pattern("/sha256", size),
                          lambda answer: answer.text == f"{size} {pattern_sha256(size)}")

    @staticmethod
    def answered(answer, right):
        if answer.status in (502, 503):
            raise EOFError(answer.status)
        assert answer.status == 200 and right(answer), answer

    def sink(self, size):
        with self.connect() as sock:
            sock.sendall(b"SINK\n")
            for piece in pattern(size):
                sock.sendall(piece)
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock).decode() == f"{size} {pattern_sha256(size)}"

    def source(self, size, pause=0.0, buffers=None):
        with self.connect(buffers) as sock:
            sock.sendall(f"SOURCE {size}\n".encode())
            digest = hashlib.sha256()
            while data := sock.recv(buffers or READ):
                digest.update(data)
                time.sleep(pause)
            assert digest.hexdigest() == pattern_sha256(size)

    def slow(self, size):
        self.source(min(size, 300_000), pause=0.0003, buffers=4096)

    def echo(self, size):
        def send():
            sock.sendall(b"ECHO\n")
            for piece in pattern(size):
                sock.sendall(piece)
            sock.shutdown(socket.SHUT_WR)
        with self.connect() as sock:
            sending, digest = Thread(send), hashlib.sha256()
            while data := sock.recv(READ):
                digest.update(data)
            sending.get()  # a reset that it has met would look like an end here
            assert digest.hexdigest() == pattern_sha256(size)

    def leave(self, size):
        with self.connect() as sock:
            sock.sendall(f"SOURCE {size}\n".encode())
            sock.recv(random.randrange(1, 50_000))
            reset(sock)

    def be_reset(self, _size):
        with self.connect() as sock:
            sock.sendall(b"RESET\n")
            try:
                assert read_all(sock) == b""
            except ConnectionResetError:
                pass

    KINDS = [page, page, download, upload, sink, source, slow, echo, leave, be_reset]

    def work(self, number):
        choice = random.Random(number)
        while time.monotonic() < self.until:
            kind = choice.choice(self.KINDS)
            try:
                kind(self, choice.choice(SIZES))
                self.served[kind.__name__] += 1
            except (ConnectionError, EOFError):
                self.lost[kind.__name__] += 1

    def lose(self):
        choice = random.Random(0)
        while time.monotonic() < self.until:
            time.sleep(choice.random() * 0.3)
            self.link.lose_one(choice)

    def rage(self, *others):
        threads = [Thread(self.work, number) for number in range(WORKERS)]
        threads += [Thread(other) for other in others]
        for thread in threads:
            thread.get(SECONDS + 60)
        print(dict(self.served), dict(self.lost))
        until("no visitor is left",
              lambda: self.alone.relay.metrics()["taupe_relay_visitors"] == 0, 30)
        assert self.alone.get(self.host).text == "web"
        assert set(self.served) == {kind.__name__ for kind in self.KINDS}


@pytest.mark.parametrize("agent", [{}, {"shared_visits": 4}], ids=["many", "few"])
def test_storm_is_served_without_a_loss(group, agent):
    storm = Storm(group, **agent)
    storm.rage()
    assert not storm.lost


def test_storm_on_channels_that_are_lost(group):
    storm = Storm(group, lossy=True)
    storm.rage(storm.lose)
