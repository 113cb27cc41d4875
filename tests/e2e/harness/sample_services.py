#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The services of a test's device, in a process of their own: one HTTP and one TCP service per
name given. Prints "NAME http PORT" and "NAME tcp PORT" when they listen.

The HTTP service answers
    /name            its name                      /headers     what it was asked, as JSON
    /name/X          its name and X
    /bytes/N         N bytes of the pattern        /chunked/N   the same, chunked
    /sse             an event, and a last one after a GET of /sse/release
    /gate/X          answers when /gate/X/open was asked; /gate/X/count: how many wait there
    /reset           half an answer, and a reset after a GET of /gate/reset/open
    /ws              a WebSocket that echoes
    POST /sha256     length and hash of the body
The TCP service reads a first line:
    SINK    reads to the end, then says "LENGTH SHA256" and ends
    SOURCE N  sends N bytes, ends its direction, reads to the end; STAT then tells what it read
    ECHO, RESET, NAME, SILENT
"""
import asyncio
import base64
import collections
import hashlib
import json
import random
import socket
import struct
import sys

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
# A prime length: no two offsets of a frame or page see the same bytes at the same place.
PATTERN = random.Random(7).randbytes(1_000_003)
# An answer that nobody reads to its end.
ENDLESS = 1 << 30
# What a visitor that says anything makes of us.
NONSENSE = (OSError, EOFError, ValueError, LookupError, asyncio.LimitOverrunError)


def pattern(size):
    """The first size bytes of the endless pattern, in pieces."""
    at = 0
    while at < size:
        start = at % len(PATTERN)
        piece = PATTERN[start:start + min(65536, size - at)]
        yield piece
        at += len(piece)


def pattern_sha256(size):
    digest = hashlib.sha256()
    for piece in pattern(size):
        digest.update(piece)
    return digest.hexdigest()


def reset(writer):
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def hold_little(writer):
    """What the system keeps for a reader that does not read is memory of all connections (tcp_mem):
    where hundreds of them take it up, it resets others."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)


class Services:
    def __init__(self, name):
        self.name = name
        self.gates = {}
        self.waiting = collections.Counter()
        self.last_source = "none"

    def gate(self, key):
        return self.gates.setdefault(key, asyncio.Event())

    async def wait_at(self, key, reader):
        """False: the visitor has left before the gate was opened."""
        self.waiting[key] += 1
        opened = asyncio.create_task(self.gate(key).wait())
        left = asyncio.create_task(reader.read(1))
        try:
            await asyncio.wait({opened, left}, return_when=asyncio.FIRST_COMPLETED)
            return opened.done()
        finally:
            self.waiting[key] -= 1
            for task in (opened, left):
                task.cancel()
            await asyncio.wait({opened, left})

    async def http(self, reader, writer):
        try:
            while await self.http_request(reader, writer):
                pass
        except NONSENSE:
            pass
        finally:
            writer.close()

    async def http_request(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return False
        start, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = start.split(" ")
        fields = [line.split(": ", 1) for line in lines if line]
        headers = {name.lower(): value for name, value in fields}
        parts = target.split("?")[0].strip("/").split("/")
        if headers.get("upgrade", "").lower() == "websocket":
            await self.websocket(reader, writer, headers)
            return False
        if headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        digest, length = await self.body(reader, headers)

        def answer(body, kind="text/plain", status="200 OK"):
            body = body.encode() if isinstance(body, str) else body
            writer.write(f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nX-Service: {self.name}\r\n"
                         f"Content-Length: {len(body)}\r\n\r\n".encode() + body)

        match parts:
            case ["name"]:
                answer(self.name)
            case ["name", key]:
                answer(f"{self.name} {key}")
            case ["headers"]:
                answer(json.dumps({"method": method, "target": target, "fields": fields,
                                   "peer": writer.get_extra_info("peername")}))
            case ["sha256"]:
                answer(f"{length} {digest}")
            case ["bytes", size]:
                if int(size) >= ENDLESS:
                    hold_little(writer)
                writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
                for piece in pattern(int(size) if method != "HEAD" else 0):
                    writer.write(piece)
                    await writer.drain()
            case ["chunked", size]:
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                for piece in pattern(int(size)):
                    writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                    await writer.drain()
                writer.write(b"0\r\n\r\n")
            case ["sse"]:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                             b"Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n")
                gate = self.gate("sse")
                gate.clear()
                for event in (b"data: first\n\n", b"data: last\n\n"):
                    writer.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
                    await writer.drain()
                    await gate.wait()
                writer.write(b"0\r\n\r\n")
            case ["sse", "release"]:
                self.gate("sse").set()
                answer("released")
            case ["gate", key]:
                if not await self.wait_at(key, reader):
                    return False
                answer(f"gate {key}")
            case ["gate", key, "count"]:
                answer(str(self.waiting[key]))
            case ["gate", key, "open"]:
                self.gate(key).set()
                answer("open")
            case ["reset"]:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
                await writer.drain()
                await self.gate("reset").wait()  # the half has arrived
                reset(writer)
                return False
            case _:
                answer("no such page\n", status="404 Not Found")
        await writer.drain()
        return headers.get("connection", "").lower() != "close"

    @staticmethod
    async def body(reader, headers):
        digest, length = hashlib.sha256(), 0
        if headers.get("transfer-encoding", "").lower() == "chunked":
            while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
                digest.update(await reader.readexactly(size))
                length += size
                await reader.readexactly(2)
            while await reader.readuntil(b"\r\n") != b"\r\n":
                pass
        left = int(headers.get("content-length", 0))
        while left:
            piece = await reader.read(min(left, 262144))
            if not piece:
                raise EOFError
            digest.update(piece)
            length += len(piece)
            left -= len(piece)
        return digest.hexdigest(), length

    @staticmethod
    async def websocket(reader, writer, headers):
        key = headers["sec-websocket-key"].encode()
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()
        writer.write(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                     f"Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n".encode())
        while True:
            first, second = await reader.readexactly(2)
            length = second & 127
            head = bytes([first, length])
            if length == 126:
                extra = await reader.readexactly(2)
                head, length = head + extra, int.from_bytes(extra, "big")
            elif length == 127:
                extra = await reader.readexactly(8)
                head, length = head + extra, int.from_bytes(extra, "big")
            mask = await reader.readexactly(4)
            data = await reader.readexactly(length)
            stream = mask * (length // 4 + 1)
            data = (int.from_bytes(data, "big")
                    ^ int.from_bytes(stream[:length], "big")).to_bytes(length, "big")
            if first == 0x89:
                head = bytes([0x8A]) + head[1:]
            writer.write(head + data)
            await writer.drain()
            if first == 0x88:
                return

    async def tcp(self, reader, writer):
        try:
            command, *arguments = (await reader.readline()).decode("latin-1").split() or [""]
            await getattr(self, f"tcp_{command.lower()}", self.tcp_echo)(reader, writer, *arguments)
        except (*NONSENSE, TypeError):  # as many arguments as the visitor pleases
            pass
        finally:
            writer.close()

    @staticmethod
    async def drain_input(reader):
        digest, length = hashlib.sha256(), 0
        while piece := await reader.read(262144):
            digest.update(piece)
            length += len(piece)
        return f"{length} {digest.hexdigest()}"

    async def tcp_sink(self, reader, writer):
        writer.write((await self.drain_input(reader)).encode())
        await writer.drain()

    async def tcp_source(self, reader, writer, size):
        for piece in pattern(int(size)):
            writer.write(piece)
            await writer.drain()
        writer.write_eof()
        self.last_source = await self.drain_input(reader)

    async def tcp_stat(self, _reader, writer):
        writer.write(self.last_source.encode())

    async def tcp_echo(self, reader, writer):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()

    async def tcp_reset(self, _reader, writer):
        reset(writer)

    async def tcp_name(self, _reader, writer):
        writer.write(self.name.encode())

    async def tcp_silent(self, reader, _writer):
        await reader.read()


async def main(names):
    for name in names:
        services = Services(name)
        for kind in ("http", "tcp"):
            server = await asyncio.start_server(getattr(services, kind), "127.0.0.1", 0,
                                                limit=1 << 20, backlog=1024)
            print(name, kind, server.sockets[0].getsockname()[1], flush=True)
    print("listening", flush=True)
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[1:]))
    except KeyboardInterrupt:
        pass
