# SPDX-License-Identifier: MIT
"""Stand-ins that misbehave: servers that record what they get and answer what they are told, and
a WebSocket client that sends any bytes."""
import base64
import contextlib
import hashlib
import itertools
import os
import queue
import socket
import ssl
import struct
import threading
import urllib.parse

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Server:
    """A TCP server on loopback: handler(sock, self) for each connection, in a thread."""

    def __init__(self, handler, host="127.0.0.1", context=None):
        self.handler, self.context = handler, context
        self.connections = 0
        self.heads = []  # request heads that read_head() has seen
        self.sock = socket.create_server((host, 0))
        self.address = self.sock.getsockname()[:2]
        self.closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"{'wss' if self.context else 'ws'}://{self.address[0]}:{self.address[1]}"

    def _accept(self):
        while True:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        with contextlib.suppress(OSError, EOFError, ValueError):
            sock.settimeout(30)
            if self.context:
                sock = self.context.wrap_socket(sock, server_side=True)
            with sock:
                self.handler(sock, self)

    def read_head(self, sock):
        head = b""
        while b"\r\n\r\n" not in head:
            data = sock.recv(65536)
            if not data:
                raise EOFError
            head += data
        self.heads.append(head.decode("latin-1"))
        return self.heads[-1]

    def close(self):
        # shutdown() as well: close() alone leaves the accepting thread in the kernel
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def accept_websocket(sock, head):
    """The relay's side of the handshake."""
    key = next(line.split(": ", 1)[1] for line in head.split("\r\n")
               if line.lower().startswith("sec-websocket-key"))
    accept = base64.b64encode(hashlib.sha1(key.encode() + GUID).digest())
    sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                 b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept +
                 b"\r\nSec-WebSocket-Protocol: taupe.v1\r\n\r\n")


def tls_context(certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.chain, certificate.key)
    return context


def redirect(location):
    def handler(sock, server):
        head = server.read_head(sock)
        target = location(head) if callable(location) else location
        sock.sendall(f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n"
                     f"Connection: close\r\n\r\n".encode())
    return handler


def frame(opcode, payload=b"", fin=True, mask=b"\x01\x02\x03\x04", rsv=0, length=None):
    """A frame, as right or as wrong as asked for."""
    payload = payload.encode() if isinstance(payload, str) else payload
    size = len(payload) if length is None else length
    out = bytearray([(0x80 if fin else 0) | rsv << 4 | opcode])
    masked = 0x80 if mask else 0
    if size < 126:
        out.append(masked | size)
    elif size < 65536:
        out += struct.pack(">BH", masked | 126, size)
    else:
        out += struct.pack(">BQ", masked | 127, size)
    if mask:
        out += mask
        payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    return bytes(out) + payload


TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class RawAgent:
    """One WebSocket to a relay with every byte under the test's control."""

    def __init__(self, address, timeout=10):
        self.sock = socket.create_connection(address, timeout)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    @staticmethod
    def control_request(device, services=("web:http",), drop=(), **replace):
        """The text of a control request; drop and replace header fields by lower-case name with
        underscores, or query, start and secret."""
        query = [("name", device.name), ("instance", os.urandom(16).hex())]
        query += [("service", service) for service in services]
        query = replace.pop("query", urllib.parse.urlencode(query, safe=":"))
        fields = {
            "host": "relay.test", "upgrade": "websocket", "connection": "Upgrade",
            "sec_websocket_key": base64.b64encode(os.urandom(16)).decode(),
            "sec_websocket_version": "13", "sec_websocket_protocol": "taupe.v1",
            "authorization": f"Bearer {replace.pop('secret', device.secret)}",
        }
        start = replace.pop("start", f"GET /v1/control?{query} HTTP/1.1")
        fields.update(replace)
        lines = [start] + [f"{name.replace('_', '-')}: {value}"
                           for name, value in fields.items() if name not in drop]
        return "\r\n".join(lines) + "\r\n\r\n"

    @staticmethod
    def transfer_request(channel_id):
        return ("GET /v1/transfer?id=" + channel_id + " HTTP/1.1\r\nHost: relay.test\r\n"
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                "Sec-WebSocket-Protocol: taupe.v1\r\n\r\n")

    def read_exactly(self, count):
        while len(self.buffer) < count:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError(f"end with {self.buffer!r}")
            self.buffer += data
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def read_head(self):
        while b"\r\n\r\n" not in self.buffer:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError(f"end with {self.buffer!r}")
            self.buffer += data
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        start, *lines = head.decode("latin-1").split("\r\n")
        fields = {}
        for line in lines:
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip()
        return int(start.split(" ")[1]), fields

    def read_error(self):
        """An answer that is not 101: status, fields, and the form of its body."""
        status, fields = self.read_head()
        body = self.read_exactly(int(fields.get("content-length", 0)))
        return status, fields, dict(urllib.parse.parse_qsl(body.decode()))

    def read_frame(self):
        first, second = self.read_exactly(2)
        length = second & 0x7f
        assert not second & 0x80, "a relay does not mask"
        if length == 126:
            length, = struct.unpack(">H", self.read_exactly(2))
        elif length == 127:
            length, = struct.unpack(">Q", self.read_exactly(8))
        return first & 15, self.read_exactly(length)

    def read_message(self, op):
        """The next control message, which must be of this op."""
        opcode, payload = self.read_frame()
        assert opcode == TEXT, (opcode, payload)
        pairs = urllib.parse.parse_qsl(payload.decode())
        assert pairs[0] == ("op", op), pairs
        return dict(pairs)

    def connect_control(self, device, services=("web:http",)):
        """Handshake and welcome."""
        self.send(self.control_request(device, services).encode())
        status, _ = self.read_head()
        assert status == 101, status
        return self.read_message("welcome")

    def say(self, **pairs):
        self.send(frame(TEXT, urllib.parse.urlencode(pairs, quote_via=urllib.parse.quote)))

    def close_code(self):
        """Read on until the relay's close frame; its code."""
        while True:
            opcode, payload = self.read_frame()
            if opcode == CLOSE:
                return struct.unpack(">H", payload[:2])[0] if payload else None

    def at_end(self):
        """Nothing but the end of the connection follows."""
        try:
            return self.buffer == b"" and self.sock.recv(1) == b""
        except ConnectionResetError:
            return True


class RelayEnd:
    """A relay's end of one WebSocket, every byte under the test's control."""

    def __init__(self, sock, head):
        self.sock, self.head, self.buffer = sock, head, b""
        self.gone = threading.Event()
        self.visits = itertools.count(1)

    @property
    def query(self):
        return urllib.parse.parse_qsl(self.head.split(" ")[1].partition("?")[2])

    def send(self, data):
        self.sock.sendall(data)

    def send_frame(self, opcode, payload=b"", **kwargs):
        self.send(frame(opcode, payload, mask=None, **kwargs))

    def say(self, **pairs):
        self.send_frame(TEXT, urllib.parse.urlencode(pairs, quote_via=urllib.parse.quote,
                                                     safe=":/[]"))

    def _read_exactly(self, count):
        while len(self.buffer) < count:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError(f"end with {self.buffer!r}")
            self.buffer += data
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def read_frame(self):
        first, second = self._read_exactly(2)
        assert second & 0x80, "an agent masks"
        assert first & 0x70 == 0, "reserved bits"
        length = second & 0x7f
        if length == 126:
            length, = struct.unpack(">H", self._read_exactly(2))
        elif length == 127:
            length, = struct.unpack(">Q", self._read_exactly(8))
        mask = self._read_exactly(4)
        data = self._read_exactly(length)
        return first & 15, bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))

    def expect(self, op, **values):
        opcode, payload = self.read_frame()
        assert opcode == TEXT, (opcode, payload)
        pairs = dict(urllib.parse.parse_qsl(payload.decode()))
        assert pairs["op"] == op, pairs
        for key, value in values.items():
            assert pairs[key] == value, pairs
        return pairs

    def close_code(self):
        while True:
            opcode, payload = self.read_frame()
            if opcode == CLOSE:
                return struct.unpack(">H", payload[:2])[0] if payload else None

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.gone.set()


class FakeRelay(Server):
    """A relay that welcomes whoever comes; the test takes the channels from the two queues."""

    def __init__(self, heartbeat_ms=30000, welcome="", answers=(), **kwargs):
        self.heartbeat_ms, self.welcome = heartbeat_ms, welcome
        self.answers = list(answers)  # full HTTP answers to the first control requests
        self.controls, self.transfers = queue.Queue(), queue.Queue()
        self.ends = []
        super().__init__(FakeRelay._handle, **kwargs)

    def welcome_text(self):
        return (f"op=welcome&epoch=1&heartbeat_ms={self.heartbeat_ms}&lease_ms=60000&label=fake"
                f"&relay={self.url}&url=web:http://fake.example.test/{self.welcome}")

    def _handle(sock, self):
        head = self.read_head(sock)
        control = "/v1/control" in head
        if control and self.answers:
            sock.sendall(self.answers.pop(0))
            return
        accept_websocket(sock, head)
        end = RelayEnd(sock, head)
        self.ends.append(end)
        if control:
            end.send_frame(TEXT, self.welcome_text())
        (self.controls if control else self.transfers).put(end)
        end.gone.wait(60)

    def close(self):
        super().close()
        for end in self.ends:
            end.close()

    def control(self, timeout=15):
        return self.controls.get(timeout=timeout)

    def transfer(self, control, service="web"):
        """Ask for a transfer channel over this control channel."""
        channel_id = os.urandom(16).hex()
        control.say(op="open", id=channel_id, service=service)
        end = self.transfers.get(timeout=15)
        assert end.query == [("id", channel_id)]
        assert "authorization" not in end.head.lower()
        return end


def name_of(question):
    """"\\3www\\7example\\0" and the type behind it → "www.example"."""
    labels, at = [], 0
    while question[at]:
        labels.append(question[at + 1:at + 1 + question[at]].decode().lower())
        at += 1 + question[at]
    return ".".join(labels)


class Dns:
    """A DNS server on loopback for which every name is 127.0.0.1, or, if `known` are given, only
    these are. `texts` has the TXT records of names, each a list of strings of one record. `asked` are
    the names it was asked for. `fails`: it says that it cannot answer (SERVFAIL). `forged`: before each
    answer come others, that are none to the question. By TCP, `tcp` of a whole answer as it goes out there (what by
    UDP is cut then) makes what comes: nothing for ever if it is None."""

    def __init__(self, host="127.0.0.1", known=None, silent=False, fails=False, forged=False,
                 **by_tcp):
        self.known, self.silent, self.asked, self.texts = known, silent, [], {}
        self.fails, self.forged, self.by_tcp = fails, forged, by_tcp
        self.sock, self.door = self._bind(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
        port = self.sock.getsockname()[1]
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        threading.Thread(target=self._serve, daemon=True).start()
        if self.door is not None:
            threading.Thread(target=self._serve_tcp, daemon=True).start()

    def _bind(self, family, host):
        """By UDP, and with by_tcp also at the same port there."""
        while True:
            sock, door = socket.socket(family, socket.SOCK_DGRAM), None
            sock.bind((host, 0))
            if "tcp" not in self.by_tcp:
                return sock, None
            door = socket.socket(family)
            with contextlib.suppress(OSError):
                door.bind((host, sock.getsockname()[1]))
                door.listen()
                return sock, door
            door.close()  # somebody has it
            sock.close()

    def _answer(self, query):
        end = query.index(b"\0", 12) + 5
        question = query[12:end]
        name = name_of(question)
        self.asked.append(name)
        if self.fails:
            return query[:2] + b"\x81\x82\0\1" + bytes(6) + question
        if question[-4:-2] == b"\0\x10" and name in self.texts:
            records = [b"".join(bytes([len(piece)]) + piece.encode() for piece in record)
                       for record in self.texts[name]]
            answer = b"".join(b"\xc0\x0c\0\x10\0\1\0\0\0\x3c" + len(data).to_bytes(2, "big")
                              + data for data in records)
            return (query[:2] + b"\x81\x80\0\1\0" + bytes([len(records)]) + bytes(4) + question
                    + answer)
        if self.known is not None and name not in self.known:
            return query[:2] + b"\x81\x83\0\1" + bytes(6) + question
        is_a = question[-4:-2] == b"\0\1"
        answer = (b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton("127.0.0.1")
                  if is_a else b"")
        return (query[:2] + b"\x81\x80\0\1" + (b"\0\1" if is_a else b"\0\0") + b"\0\0\0\0" + question
                + answer)

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                query, peer = self.sock.recvfrom(4096)
                if not query:
                    return
                answer = self._answer(query)
                if self.silent:
                    continue
                if self.forged:
                    other = bytes([query[0] ^ 1]) + answer[1:]
                    for wrong in (b"x", other, query, answer[:12] + b"\1x" + answer[12:]):
                        self.sock.sendto(wrong, peer)
                if self.door is not None:
                    answer = answer[:2] + bytes([answer[2] | 2]) + answer[3:6] + bytes(6) + query[12:]
                self.sock.sendto(answer, peer)

    def _serve_tcp(self):
        kept = []
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.door.accept()
                kept.append(connection)
                if self.by_tcp["tcp"] is not None:
                    size = int.from_bytes(connection.recv(2, socket.MSG_WAITALL), "big")
                    answer = self._answer(connection.recv(size, socket.MSG_WAITALL))
                    connection.sendall(self.by_tcp["tcp"](len(answer).to_bytes(2, "big") + answer))

    def close(self):
        with contextlib.suppress(OSError):  # wakes the thread up, which close() does not
            self.sock.sendto(b"", self.sock.getsockname())
        self.sock.close()
        if self.door is not None:
            with contextlib.suppress(OSError):
                self.door.shutdown(socket.SHUT_RDWR)
            self.door.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
