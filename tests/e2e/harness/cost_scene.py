# SPDX-License-Identifier: MIT
"""A relay that stands alone and one agent, with services whose answer is one segment, its end
included: what is counted in relay and agent is theirs, and not who was faster today."""
import socket

from .fakes import Server
from .scenes import Standalone

# Calls of epoll_wait for one request or visit, at least. Whether what mostly comes together (an answer
# and its end, say) does come in one turn of the loop is chance, and costs a wait where it does not.
FEWEST_WAITS = {
    "kept": {"relay": 2, "agent": 2},
    "new": {"relay": 3, "agent": 2},
    "new_at_front": {"relay": 5, "agent": 2},
    "kept_at_front": {"relay": 2, "agent": 2},
}

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n" + b"x" * 1024
PIECE = bytes(1 << 20)


def web(sock, server):
    """Answers with 1 KB; when it was asked to end, in the very segment that says so."""
    while "Connection: close" not in server.read_head(sock):
        server.heads.clear()
        sock.sendall(ANSWER)
    server.heads.clear()
    sock.sendall(ANSWER, socket.MSG_MORE)
    sock.shutdown(socket.SHUT_WR)
    assert sock.recv(1) == b""


def source(sock, _server):
    """Asked for a number of bytes, sends them."""
    left = int(sock.recv(100))
    while left:
        left -= sock.send(PIECE[:left])


def sink(sock, _server):
    """Says that it is there, reads to the end, and says how much came."""
    sock.sendall(b"ready")
    sock.sendall(str(count_bytes(sock)).encode())


def count_bytes(sock):
    """Read to the end."""
    space, count = bytearray(1 << 20), 0
    while got := sock.recv_into(space):
        count += got
    return count


class CostScene:
    """wrappers: {"relay" or "agent": what it is started by}."""

    def __init__(self, group, wrappers=None, **config):
        wrappers = wrappers or {}
        targets = {}
        for handler in (web, source, sink):
            server = Server(handler)
            group.exits.callback(server.close)
            targets[handler.__name__] = "{}:{}".format(*server.address)
        # what is written to the log is no part of the cost
        self.alone = Standalone(group, log_level="info", wrapper=wrappers.get("relay", ()), **config)
        self.agent = self.alone.agent("alice", [
            *(f"{name}:tcp:{target}" for name, target in targets.items()),
            f"site:http:{targets['web']}"], log_level="info", wrapper=wrappers.get("agent", ()))
        self.programs = {"relay": self.alone.relay.process, "agent": self.agent.process}

    def connect(self, service):
        """At the service's own listener, as HAProxy does."""
        return socket.create_connection(("127.0.0.1", self.agent.port(service)), 30)

    def request(self, sock, *fields):
        lines = ["GET / HTTP/1.1", f"Host: {self.agent.host()}", *fields]
        sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        left = len(ANSWER)
        while left:
            piece = sock.recv(left)
            assert piece, "the answer ends too early"
            left -= len(piece)

    def visit(self, sock):
        """One request on a new connection, to its end."""
        with sock:
            self.request(sock, "Connection: close")
            assert sock.recv(1) == b""

    def kept(self):
        """A function that asks for 1 KB on a connection that stays open."""
        sock = self.connect("web")
        self.alone.group.exits.callback(sock.close)
        return lambda: self.request(sock)

    def new(self):
        """A function that makes a connection for one request, at the service's listener."""
        return lambda: self.visit(self.connect("web"))

    def new_at_front(self):
        """The same where the relay has to find out who is asked for."""
        return lambda: self.visit(socket.create_connection(self.alone.front, 30))

    def kept_at_front(self):
        """On a connection to the front, which looks at each request."""
        sock = socket.create_connection(self.alone.front, 30)
        self.alone.group.exits.callback(sock.close)
        return lambda: self.request(sock)

    def download(self, size):
        with self.connect("source") as sock:
            sock.sendall(b"%d" % size)
            assert count_bytes(sock) == size

    def upload(self, size):
        with self.connect("sink") as sock:
            assert sock.recv(5) == b"ready"
            for at in range(0, size, len(PIECE)):
                sock.sendall(PIECE[:size - at])
            sock.shutdown(socket.SHUT_WR)
            assert int(sock.recv(100)) == size
