#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""An agent with one connection, written from docs/PROTOCOL.md section 5.9 alone: the session is that
of third_party_agent.py, and its visits ride on the control channel. Same arguments."""
import asyncio
import contextlib

from third_party_agent import Agent, form, main, parse, reset

WINDOW = 65536  # of each direction, when a visit begins
PIECE = 16384


class Ride:
    """One visit: its own direction in out(), the visitor's in run()."""

    def __init__(self, ws, message):
        self.ws, self.visit, self.service = ws, message["visit"], message["service"]
        self.number = int(self.visit).to_bytes(4, "big")
        self.inputs = asyncio.Queue()  # its window bounds it
        self.credit, self.more = WINDOW, asyncio.Event()
        self.out_open = True

    async def say(self, op, **pairs):
        await self.ws.send(form(op=op, visit=self.visit, **pairs))

    async def end_out(self, *say):
        """Our direction ends, once, with these words."""
        if self.out_open:
            self.out_open = False
            await (self.say(*say) if say else self.ws.send(self.number))

    async def out(self, reader):
        try:
            while True:
                while self.credit == 0:
                    self.more.clear()
                    await self.more.wait()
                if not (data := await reader.read(min(PIECE, self.credit))):
                    break
                self.credit -= len(data)
                await self.ws.send(self.number + data)
            await self.end_out()
        except OSError:
            await self.end_out("abort")

    async def run(self, services):
        writer = out = None
        try:
            _, host, port = services[self.service]
            reader, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 5)
            await self.say("opened")
            out = asyncio.create_task(self.out(reader))
        except (KeyError, OSError, asyncio.TimeoutError) as error:
            self.out_open = False
            await self.say("refused", reason=str(error)[:200] or "timeout")
        try:
            await self.take_in(writer)
            if out and self.out_open:
                await asyncio.wait({out})
        finally:
            if out:
                out.cancel()
            if writer:
                writer.close()

    async def take_in(self, writer):
        """Until the visitor's direction has ended."""
        owed = 0
        while (data := await self.inputs.get()) is not None:
            with contextlib.suppress(OSError, AttributeError):  # discarded
                writer.write(data) if data else writer.write_eof()
                await writer.drain()
            if not data:
                return
            owed += len(data)
            if owed >= WINDOW // 2:
                await self.say("credit", bytes=owed)
                owed = 0
        reset(writer)
        await self.end_out("abort")


class OneConnection(Agent):
    extra = [("mux", 1), ("visits", 100), ("channels", 0)]

    def __init__(self, *args):
        super().__init__(*args)
        self.rides = {}

    async def begin(self, ws, message):
        ride = Ride(ws, message)
        self.rides[ride.number] = ride
        try:
            await ride.run(self.services)
        finally:
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
                ride.inputs.put_nowait(None)
            elif message["op"] == "credit":
                ride.credit += int(message["bytes"])
                ride.more.set()


if __name__ == "__main__":
    main(OneConnection)
