#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""An agent written from docs/PROTOCOL.md alone, with Python's websockets and nothing of taupe's
own code: the proof that the page is enough.

    third_party_agent.py --relay ws://127.0.0.1:8000 --name alice --secret-file secret \
        --service web:http:127.0.0.1:8080
"""
import argparse
import asyncio
import contextlib
import random
import secrets
import socket
import struct
import urllib.parse

import websockets

CHANNEL = {"subprotocols": ["taupe.v1"], "compression": None, "ping_interval": None,
           "max_queue": 4, "open_timeout": 10}


LOST, ENDED = object(), object()  # inputs besides messages: the channel, the service's end


def form(**keys):
    return urllib.parse.urlencode(keys, quote_via=urllib.parse.quote)


def parse(text):
    return dict(urllib.parse.parse_qsl(text))


class Control(websockets.connect):
    """Section 6: the library follows redirects, never from wss to ws; the hosts are ours to check."""
    MAX_REDIRECTS_ALLOWED = 5
    allowed = set()

    def handle_redirect(self, uri):
        if urllib.parse.urlsplit(uri).hostname not in self.allowed:
            raise PermissionError(f"redirect to {uri!r} refused")
        super().handle_redirect(uri)


class Agent:
    extra = []  # of the control request

    def __init__(self, relays, name, secret, services):
        self.relays, self.name, self.secret, self.services = relays, name, secret, services
        self.instance, self.lease, self.peers = secrets.token_hex(16), None, []
        self.tasks = set()

    async def run(self):
        attempt = 0
        while True:                                             # section 7
            for relay in [*self.peers, *self.relays]:
                with contextlib.suppress(OSError, websockets.WebSocketException,
                                         asyncio.TimeoutError):
                    if await self.session(relay) > 30:
                        attempt = 0
            await asyncio.sleep(random.uniform(0, min(60, 2 ** attempt)))
            attempt = min(attempt + 1, 6)

    async def session(self, relay):
        """One control channel, sections 4 and 8.1; returns how long it stood."""
        query = [("name", self.name), ("instance", self.instance)]
        query += [("service", f"{name}:{kind}") for name, (kind, *_) in self.services.items()]
        query += [("lease", self.lease)] if self.lease else []
        query += self.extra
        Control.allowed = {urllib.parse.urlsplit(url).hostname for url in self.relays + self.peers}
        headers = {"Authorization": f"Bearer {self.secret}"}
        url = f"{relay}/v1/control?{urllib.parse.urlencode(query)}"
        async with Control(url, extra_headers=headers, **CHANNEL) as ws:
            start = asyncio.get_running_loop().time()
            welcome = urllib.parse.parse_qs(await asyncio.wait_for(ws.recv(), 10))
            self.relay = welcome["relay"][0]
            self.peers = welcome.get("peer", [])
            self.lease = welcome.get("lease", [None])[0]
            print("welcome", *welcome.get("url", []), flush=True)
            heartbeat = asyncio.create_task(self.heartbeat(ws, int(welcome["heartbeat_ms"][0])))
            try:
                async for message in ws:
                    if isinstance(message, str) and parse(message).get("op") == "move":
                        break                       # SHOULD make before break; MAY not
                    await self.take(ws, message)
            finally:
                heartbeat.cancel()
        return asyncio.get_running_loop().time() - start

    async def take(self, _ws, text):
        message = parse(text)
        if message.get("op") == "open":
            task = asyncio.create_task(self.transfer(message["id"]))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def heartbeat(self, ws, interval_ms):
        while True:
            await asyncio.sleep(interval_ms / 1000)
            try:
                await asyncio.wait_for(await ws.ping(), 2 * interval_ms / 1000)
            except asyncio.TimeoutError:
                ws.transport.abort()

    async def transfer(self, channel_id):
        """A transfer channel: visit after visit, section 5."""
        url = f"{self.relay}/v1/transfer?id={channel_id}"
        with contextlib.suppress(OSError, websockets.WebSocketException, asyncio.TimeoutError):
            async with websockets.connect(url, **CHANNEL) as ws:
                inputs = asyncio.Queue(4)
                reading = asyncio.create_task(self.read(ws, inputs))
                try:
                    while (message := await inputs.get()) is not LOST:
                        if isinstance(message, bytes):
                            await ws.close(1002, "bytes without a visit")
                        elif message is not ENDED and parse(message).get("op") == "open":
                            await self.visit(ws, inputs, **parse(message))
                finally:
                    reading.cancel()

    async def read(self, ws, inputs):
        with contextlib.suppress(websockets.WebSocketException):
            async for message in ws:
                await inputs.put(message)
        await inputs.put(LOST)

    async def visit(self, ws, inputs, visit, service, **_):
        """Section 8.2, with two flags for the two directions."""
        writer = out = None
        in_open = out_open = True
        try:
            _, host, port = self.services[service]
            reader, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 10)
            await ws.send(form(op="opened", visit=visit))
            out = asyncio.create_task(self.pump_out(ws, inputs, reader, visit))
        except (KeyError, OSError, asyncio.TimeoutError) as error:
            out_open = False
            await ws.send(form(op="refused", visit=visit, reason=str(error)[:200] or "timeout"))
        try:
            while in_open or out_open:
                message = await inputs.get()
                if message is LOST:
                    reset(writer)
                    raise ConnectionError("channel lost")
                if message is ENDED:
                    out_open = False
                elif isinstance(message, bytes):
                    in_open = bool(message)
                    with contextlib.suppress(OSError, AttributeError):  # discarded
                        writer.write(message) if message else writer.write_eof()
                        await writer.drain()
                elif parse(message).get("op") == "abort" and parse(message)["visit"] == visit:
                    reset(writer)
                    in_open = False
                    if out_open:
                        out_open = False
                        out.cancel()
                        await ws.send(form(op="abort", visit=visit))
            if out and not out.cancelled():
                await asyncio.wait({out})
        finally:
            if out:
                out.cancel()
            if writer:
                writer.close()

    async def pump_out(self, ws, inputs, reader, visit):
        try:
            while data := await reader.read(65536):
                await ws.send(data)
            await inputs.put(ENDED)
            await ws.send(b"")
        except OSError:
            await inputs.put(ENDED)
            await ws.send(form(op="abort", visit=visit))


def reset(writer):
    if writer and (sock := writer.get_extra_info("socket")):
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()


def main(agent=Agent):
    parser = argparse.ArgumentParser()
    parser.add_argument("--relay", action="append", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--secret-file", required=True)
    parser.add_argument("--service", action="append", required=True)
    args = parser.parse_args()
    services = {}
    for service in args.service:
        name, kind, target = service.split(":", 2)
        host, _, port = target.rpartition(":")
        services[name] = (kind, host, int(port))
    with open(args.secret_file, encoding="ascii") as file:
        secret = file.read().strip()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(agent(args.relay, args.name, secret, services).run())


if __name__ == "__main__":
    main()
