# SPDX-License-Identifier: MIT
"""Visitors: HTTP by hand over a socket (with any Host, over TLS with any SNI), and raw TCP."""
import contextlib
import hashlib
import json
import socket
import ssl
import time

from .sample_services import pattern, pattern_sha256

READ = 1 << 18


class Answer:
    def __init__(self, status, fields, body_sha256, length, body):
        self.status, self.fields = status, fields
        self.sha256, self.length, self.body = body_sha256, length, body

    def header(self, name):
        return self.fields.get(name.lower())

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<Answer {self.status} {self.fields} {self.body[:200]!r}>"


class Connection:
    """One visitor's connection; several requests may go over it."""

    def __init__(self, address, host, sni=None, cafile=None, alpn=None, timeout=30, source=None):
        self.host = host
        self.sock = socket.create_connection(address, timeout, source and (source, 0))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if sni is not None:
            context = ssl.create_default_context(cafile=cafile)
            if cafile is None:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            if alpn:
                context.set_alpn_protocols(alpn)
            self.sock = context.wrap_socket(self.sock, server_hostname=sni)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def send_head(self, method, path, fields=()):
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}"]
        lines += [f"{name}: {value}" for name, value in fields]
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode())

    def read_some(self):
        if self.buffer:
            data, self.buffer = self.buffer, b""
            return data
        return self.sock.recv(READ)

    def read_line(self):
        while b"\n" not in self.buffer:
            data = self.sock.recv(READ)
            if not data:
                raise EOFError(f"end within a line: {self.buffer!r}")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.rstrip(b"\r")

    def read_head(self):
        start = self.read_line().decode("latin-1")
        status = int(start.split(" ")[1])
        fields = {}
        while line := self.read_line().decode("latin-1"):
            name, value = line.split(":", 1)
            fields[name.lower()] = value.strip()
        return status, fields

    def read_exactly(self, count, take):
        while count:
            data = self.read_some()
            if not data:
                raise EOFError(f"{count} bytes missing")
            if len(data) > count:
                data, self.buffer = data[:count], data[count:]
            take(data)
            count -= len(data)

    def read_chunk(self):
        size = int(self.read_line().split(b";")[0], 16)
        parts = []
        self.read_exactly(size, parts.append)
        self.read_line()
        return b"".join(parts)

    def read_answer(self, method="GET"):
        status, fields = self.read_head()
        while status == 100:
            status, fields = self.read_head()
        digest, length, kept = hashlib.sha256(), 0, []

        def take(data):
            nonlocal length
            digest.update(data)
            length += len(data)
            if length <= 65536:
                kept.append(data)

        if method == "HEAD" or status in (204, 304):
            pass
        elif fields.get("transfer-encoding") == "chunked":
            while chunk := self.read_chunk():
                take(chunk)
        elif "content-length" in fields:
            self.read_exactly(int(fields["content-length"]), take)
        else:
            while data := self.read_some():
                take(data)
        return Answer(status, fields, digest.hexdigest(), length, b"".join(kept))

    def get(self, path="/", fields=()):
        self.send_head("GET", path, fields)
        return self.read_answer()

    def post_pattern(self, path, size, chunked=False):
        """POST size bytes of the pattern while reading nothing, then read the answer."""
        if chunked:
            self.send_head("POST", path, [("Transfer-Encoding", "chunked")])
            for piece in pattern(size):
                self.send(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            self.send(b"0\r\n\r\n")
        else:
            self.send_head("POST", path, [("Content-Length", str(size))])
            for piece in pattern(size):
                self.send(piece)
        return self.read_answer()

    def ended(self, timeout=10):
        """How the peer has ended the connection: "end" or "reset"; what came before is dropped."""
        self.sock.settimeout(timeout)
        try:
            while self.sock.recv(READ):
                pass
            return "end"
        except ConnectionResetError:
            return "reset"


def get(address, host, path="/", fields=(), **kwargs):
    with Connection(address, host, **kwargs) as connection:
        return connection.get(path, [*fields, ("Connection", "close")])


def get_timed(address, host, path="/", **kwargs):
    start = time.monotonic()
    answer = get(address, host, path, **kwargs)
    return answer, time.monotonic() - start


def tcp_ask(address, line, timeout=30):
    """Say one line to the TCP service, end our direction, and read to the end."""
    with socket.create_connection(address, timeout) as sock:
        sock.sendall(line.encode() + b"\n")
        sock.shutdown(socket.SHUT_WR)
        parts = []
        while data := sock.recv(READ):
            parts.append(data)
        return b"".join(parts).decode()


def tcp_outcome(address, data=b"", timeout=20):
    """What a TCP visitor gets: ("refused"|"end"|"reset", bytes)."""
    got = b""
    try:
        with socket.create_connection(address, timeout) as sock:
            if data:
                sock.sendall(data)
            while piece := sock.recv(READ):
                got += piece
            return "end", got
    except ConnectionRefusedError:
        return "refused", got
    except (ConnectionResetError, BrokenPipeError):
        return "reset", got


__all__ = ["Answer", "Connection", "get", "get_timed", "pattern", "pattern_sha256", "tcp_ask",
           "tcp_outcome"]
