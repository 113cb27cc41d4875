#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""An agent with one connection, written from docs/PROTOCOL.md section 5.9 alone: the session is that
of third_party_agent.py, and its visits ride on the control channel. Same arguments."""
import asyncio
import contextlib

import websockets
from third_party_agent import Agent, form, main, parse, reset

WINDOW = 65536  # of each direction, when a visit begins
PIECE = 16384


class Ride:
    """One visit: its own direction in out(), the visitor's in take_in(). The relay's abort cancels all
    of it, wherever it waits."""

    def __init__(self, ws, message):
        self.ws, self.visit, self.service = ws, message["visit"], message["service"]
        self.number = int(self.visit).to_bytes(4, "big")
        self.inputs = asyncio.Queue()  # its window bounds it
        self.credit, self.more = WINDOW, asyncio.Event()
        self.out_open = True
        self.work = asyncio.current_task()
        self.writer = self.sending = None

    async def say(self, op, **pairs):
        await self.ws.send(form(op=op, visit=self.visit, **pairs))

    async def end_out(self, op=None, **pairs):
        """Our direction ends, once, with this message or the empty one."""
        if self.out_open:
            self.out_open = False
            await (self.say(op, **pairs) if op else self.ws.send(self.number))

    async def out(self, reader):
        try:
            while True:
                while self.credit == 0:
                    self.more.clear()
                    await self.more.wait()
                data = await reader.read(min(PIECE, self.credit))
                if not data or not self.out_open:
                    break
                self.credit -= len(data)
                await self.ws.send(self.number + data)
            await self.end_out()
        except OSError:
            await self.end_out("abort")

    async def run(self, services):
        try:
            await self.connect(services)
            await self.take_in()
            if self.sending and self.out_open:
                await asyncio.wait({self.sending})
        except asyncio.CancelledError:
            if self.sending:
                self.sending.cancel()  # nothing follows our last word
            reset(self.writer)
            with contextlib.suppress(websockets.WebSocketException):  # the channel is lost
                await self.end_out("abort")
        finally:
            if self.sending:
                self.sending.cancel()
            if self.writer:
                self.writer.close()

    async def connect(self, services):
        try:
            _, host, port = services[self.service]
            async with asyncio.timeout(5):
                reader, self.writer = await asyncio.open_connection(host, port)
        except (KeyError, OSError, asyncio.TimeoutError) as error:
            await self.end_out("refused", reason=str(error)[:200] or "timeout")
        else:
            await self.say("opened")
            self.sending = asyncio.create_task(self.out(reader))

    async def take_in(self):
        """Until the visitor's direction has ended."""
        owed = 0
        while data := await self.inputs.get():
            await self.pass_on(data)
            owed += len(data)
            if owed >= WINDOW // 2:
                await self.say("credit", bytes=owed)
                owed = 0
        await self.pass_on(b"")

    async def pass_on(self, data):
        with contextlib.suppress(OSError, AttributeError):  # discarded
            self.writer.write(data) if data else self.writer.write_eof()
            await self.writer.drain()


class OneConnection(Agent):
    extra = [("mux", 1), ("visits", 100), ("channels", 0)]

    def __init__(self, *args):
        super().__init__(*args)
        self.rides = {}

    async def session(self, relay):
        try:
            return await super().session(relay)
        finally:
            for ride in self.rides.values():  # the next session counts from 1
                ride.work.cancel()
            self.rides = {}

    async def begin(self, ws, message):
        ride = Ride(ws, message)
        self.rides[ride.number] = ride
        try:
            await ride.run(self.services)
        finally:
            if self.rides.get(ride.number) is ride:
                del self.rides[ride.number]

    async def take(self, ws, message):
        if isinstance(message, bytes):
            self.rides[message[:4]].inputs.put_nowait(message[4:])
            return
        message = parse(message)
        if message["op"] == "open" and "visit" in message:
            task = asyncio.create_task(self.begin(ws, message))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
            await asyncio.sleep(0)  # it is known before its bytes come
        elif ride := self.rides.get(int(message.get("visit", 0)).to_bytes(4, "big")):
            if message["op"] == "abort":
                ride.work.cancel()
            elif message["op"] == "credit":
                ride.credit += int(message["bytes"])
                ride.more.set()


if __name__ == "__main__":
    main(OneConnection)
