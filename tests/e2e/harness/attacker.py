#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Attacks on a relay from a process of its own: the test measures another device meanwhile, and
must not share an interpreter with this. Told on the standard input what to do: "go" begins, "stop"
ends and closes every connection; each is answered when it is done.

    attacker.py ATTACK HOST PORT COUNT [ARGUMENT...]
"""
import contextlib
import os
import pathlib
import selectors
import socket
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from harness.fakes import BINARY, PING, PONG, TEXT, RawAgent, frame  # noqa: E402
from harness.programs import Device  # noqa: E402


class Attack:
    def __init__(self, address, count, arguments):
        self.address, self.count, self.arguments = address, count, arguments
        self.socks, self.stopping = [], threading.Event()

    def connect(self, data=b""):
        sock = socket.create_connection(self.address, 10)
        self.socks.append(sock)
        if data:
            sock.sendall(data)
        return sock

    def go(self):
        """Begin; run() goes on in a thread."""
        self.stopping.clear()
        self.begin()
        self.thread = threading.Thread(target=self.guarded, daemon=True)
        self.thread.start()

    def guarded(self):
        while not self.stopping.is_set():
            try:
                self.run()
                return
            except OSError:
                pass  # we were thrown out: again

    def stop(self):
        self.stopping.set()
        for sock in self.socks:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)  # who is within a call on it wakes up
            sock.close()
        self.thread.join(10)
        self.socks = []

    def begin(self):
        pass

    def run(self):
        self.stopping.wait()


class HalfOpen(Attack):
    """Connections that say a little and no more."""

    def begin(self):
        for _ in range(self.count):
            self.connect(self.arguments[0].encode())


class Slow(Attack):
    """Visitors that say a byte each now and then, and come again when they are let go."""
    PAUSE_S = 0.2

    def run(self):
        poll = selectors.DefaultSelector()
        while not self.stopping.wait(self.PAUSE_S):
            while len(poll.get_map()) < self.count:
                poll.register(self.connect(b"GET / HTTP/1.1\r\nX: "), selectors.EVENT_READ)
            for key, _ in poll.select(0):
                poll.unregister(key.fileobj)
                self.socks.remove(key.fileobj)
                key.fileobj.close()
            for sock in self.socks:
                sock.send(b"y")


class NeverRead(Attack):
    """Visitors that ask for much and read nothing."""

    def begin(self):
        for _ in range(self.count):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(self.address)
            sock.sendall(f"GET /bytes/{1 << 40} HTTP/1.1\r\nHost: {self.arguments[0]}\r\n\r\n"
                         .encode())
            self.socks.append(sock)


class Visits(Attack):
    """Visitors that ask, and leave with or without the answer."""

    def run(self):
        request = f"GET /name HTTP/1.1\r\nHost: {self.arguments[0]}\r\n\r\n".encode()
        while not self.stopping.is_set():
            for patient in (True, False):
                with socket.create_connection(self.address, 10) as sock:
                    sock.sendall(request)
                    if patient:
                        sock.recv(4096)


class Flood(Attack):
    """A device that says one thing over and over on its control channel; answers are read."""

    def message(self):
        return {"pings": frame(PING, b"x" * 125), "pongs": frame(PONG, b""),
                "unknown": frame(TEXT, "op=later&x=" + "y" * 3000),
                "refusals": frame(TEXT, "op=refused&reason=none&id=" + "0" * 32),
                "fragments": frame(TEXT, b"op=x&y=z", fin=False) + frame(0, b"", fin=False) * 100
                + frame(0, b"")}[self.arguments[2]]

    def device(self):
        device = Device(self.arguments[0])
        device.secret = self.arguments[1]
        return device

    def control(self):
        agent = RawAgent(self.address)
        self.socks.append(agent.sock)
        agent.connect_control(self.device())
        return agent

    def run(self):
        agent = self.control()
        data = self.message() * max(1, 60000 // len(self.message()))
        reader = threading.Thread(target=self.read, args=(agent.sock,), daemon=True)
        reader.start()
        while not self.stopping.is_set():
            agent.sock.sendall(data)

    @staticmethod
    def read(sock):
        try:
            while sock.recv(1 << 18):
                pass
        except OSError:
            pass


class Sessions(Flood):
    """A device that connects again and again, each time as itself."""

    def run(self):
        while not self.stopping.is_set():
            agent = RawAgent(self.address)
            agent.send(agent.control_request(
                self.device(), query=f"name={self.arguments[0]}&instance=i&service=web:http"
            ).encode())
            agent.read_head()
            agent.sock.close()


class Digs(Flood):
    """Requests for transfer channels that nobody has asked for."""

    def run(self):
        while not self.stopping.is_set():
            channel = RawAgent(self.address)
            channel.send(channel.transfer_request(os.urandom(16).hex()).encode())
            channel.read_head()
            channel.sock.close()


class Channel(Flood):
    """The same on a channel for visits, while it has one: in as small frames as there are."""

    def small(self, shared):
        return {"payload": frame(BINARY, b"\0\0\0\1x" if shared else b"x"),
                "pings": frame(PING, b""), "pings-and-pongs": frame(PING, b"") + frame(PONG, b""),
                "texts": frame(TEXT, "op=x"), "late": frame(TEXT, "op=abort&visit=9"),
                "credit": frame(TEXT, "op=credit&visit=1&bytes=1")}[self.arguments[2]]

    def run(self):
        shared = self.arguments[3] == "shared"
        agent = RawAgent(self.address)
        self.socks.append(agent.sock)
        query = f"name={self.arguments[0]}&instance=i&service=web:http" + "&mux=1" * shared
        agent.send(agent.control_request(self.device(), query=query).encode())
        agent.read_head()
        agent.read_message("welcome")
        visitor = socket.create_connection((self.address[0], int(self.arguments[4])), 10)
        self.socks.append(visitor)
        visitor.sendall(f"GET / HTTP/1.1\r\nHost: {self.arguments[0]}.example.test\r\n\r\n"
                        .encode())
        channel = RawAgent(self.address)
        self.socks.append(channel.sock)
        channel.send(channel.transfer_request(agent.read_message("open")["id"]).encode())
        channel.read_head()
        for sock in (visitor, channel.sock, agent.sock):
            threading.Thread(target=self.read, args=(sock,), daemon=True).start()
        small = self.small(shared)
        # what a window has room for, and the rest of it is pings
        many = small * (200000 // len(small))
        if shared and self.arguments[2] == "payload":
            channel.sock.sendall(small * 60000)
            many = frame(PING, b"") * 30000
        while not self.stopping.is_set():
            channel.sock.sendall(many)


ATTACKS = {"half-open": HalfOpen, "slow": Slow, "never-read": NeverRead, "visits": Visits,
           "flood": Flood,
           "sessions": Sessions, "digs": Digs, "channel": Channel}


def main(name, host, port, count, *arguments):
    attack = ATTACKS[name]((host, int(port)), int(count), arguments)
    for line in sys.stdin:
        getattr(attack, line.strip())()
        print(line.strip(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
