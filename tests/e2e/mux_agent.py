# SPDX-License-Identifier: MIT
"""An agent with shared channels, written from docs/PROTOCOL.md (sections 5.6 to 5.8) alone, with
Python's websockets and nothing of taupe's own code. It is its device's services as well, and it
does what a test tells it: refuse to dig, keep a visit from moving, send beyond its credit, be late.
What the relay does against the page is noted as a fault.

It runs in a thread of its own: tests look at its attributes, and act on it through call().
"""
import asyncio
import contextlib
import hashlib
import secrets
import socket
import struct
import threading
import urllib.parse

import websockets

CHANNEL = {"subprotocols": ["taupe.v1"], "compression": None, "ping_interval": None,
           "max_queue": 4, "open_timeout": 10, "close_timeout": 1, "max_size": 1 << 17}
RELAY_WINDOW = 65536     # section 5.7
PAYLOAD_MAX = 65536      # section 2: of a relay's binary message
PIECE = 16384


def form(**keys):
    return urllib.parse.urlencode(keys, quote_via=urllib.parse.quote)


def parse(text):
    return dict(urllib.parse.parse_qsl(text))


class Visit:
    """One visit, on whatever channel it is."""

    def __init__(self, channel, number, message):
        self.agent, self.channel, self.number = channel.agent, channel, number
        self.service, self.source = message["service"], message.get("from")
        self.data, self.total, self.sent = bytearray(), 0, 0
        self.digest = hashlib.sha256()  # of all that has come
        self.in_ended = self.out_ended = False
        self.aborted = False            # by the relay
        self.discards = False           # we have reset it
        self.answered = False
        self.credit, self.window, self.owed = RELAY_WINDOW, self.agent.window, 0
        self.moved = 0                  # how often
        self.wake = asyncio.Event()

    @property
    def over(self):
        return self.in_ended and self.out_ended

    def changed(self):
        self.wake.set()

    async def until(self, condition):
        while not condition():
            self.wake.clear()
            await self.wake.wait()

    # what the relay says

    def take(self, data):
        self.total += len(data)
        if not self.discards:
            self.digest.update(data)
            self.data += data
        self.changed()

    def end_in(self):
        self.in_ended = True
        self.changed()

    async def abort_in(self):
        self.in_ended = self.aborted = True
        if not self.out_ended:
            self.out_ended = True
            await self.channel.say(op="abort", visit=self.number)
        self.changed()

    def lost(self):
        self.in_ended = self.out_ended = self.aborted = True
        self.changed()

    # what the service does

    async def opened(self):
        self.answered = True
        await self.channel.say(op="opened", visit=self.number)

    async def read(self, count=1 << 20):
        """Take what has come, and give credit for it; b"" at the end."""
        await self.until(lambda: self.data or self.in_ended)
        piece = bytes(self.data[:count])
        del self.data[:len(piece)]
        await self.channel.taken(self, len(piece))
        return piece

    async def send(self, data):
        """As the credit allows. An abort or the channel's loss ends it: ConnectionResetError."""
        self.answered = True
        view = memoryview(data)
        while view:
            await self.until(lambda: self.out_ended or self.channel.may_send(self) > 0)
            if self.out_ended:
                raise ConnectionResetError
            size = min(len(view), PIECE, self.channel.may_send(self))
            self.sent += size
            self.credit -= size
            await self.channel.payload(self, bytes(view[:size]))
            view = view[size:]

    async def end(self):
        self.answered = self.out_ended = True
        await self.channel.payload(self, b"")
        self.channel.settle(self)
        self.changed()

    async def abort(self):
        self.out_ended = self.discards = True
        await self.channel.say(op="abort", visit=self.number)
        self.channel.settle(self)
        self.changed()

    async def refuse(self, reason="no such service"):
        self.out_ended = self.discards = True
        await self.channel.say(op="refused", visit=self.number, reason=reason)
        self.channel.settle(self)
        self.changed()


class Channel:
    """What shared channels and those of one visit have in common."""

    def __init__(self, agent, ws, channel_id):
        self.agent, self.ws, self.id = agent, ws, channel_id
        self.number, self.closed = 0, None
        self.texts = []  # all control messages of the relay, parsed

    async def say(self, **keys):
        with contextlib.suppress(websockets.ConnectionClosed):
            await self.ws.send(form(**keys))

    async def send_binary(self, data):
        with contextlib.suppress(websockets.ConnectionClosed):
            await self.ws.send(data)

    async def fault(self, text):
        self.agent.faults.append(text)
        await self.ws.close(1002, text)

    async def run(self):
        try:
            async for message in self.ws:
                await self.gate()
                if isinstance(message, bytes):
                    await self.take_binary(message)
                else:
                    self.texts.append(parse(message))
                    await self.take_text(self.texts[-1])
        except websockets.ConnectionClosedError:
            pass
        finally:
            self.closed = self.ws.close_code or "lost"
            self.lost()

    async def gate(self):
        """Is what comes to be looked at now?"""

    def new_visit(self, message):
        visit = Visit(self, self.number, message)
        self.agent.visits.append(visit)
        return visit

    # for tests

    def stop_reading(self):
        """From now on it neither reads nor answers pings."""
        self.ws.transport.pause_reading()

    def go_on_reading(self):
        self.ws.transport.resume_reading()

    def drop(self):
        """Reset the connection."""
        sock = self.ws.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.ws.transport.abort()


class Shared(Channel):
    shared = True

    def __init__(self, *args):
        super().__init__(*args)
        self.running = {}  # by number
        self.moving = {}   # said `moved`, and the relay has not

    async def payload(self, visit, data):
        await self.send_binary(struct.pack(">I", visit.number) + data)

    @staticmethod
    def may_send(visit):
        return visit.credit

    def settle(self, visit):
        if visit.over:
            self.running.pop(visit.number, None)

    async def taken(self, visit, count):
        visit.owed += count
        if visit.owed >= self.agent.window // 2 and not visit.in_ended:
            owed, visit.owed = visit.owed, 0
            visit.window += owed
            await self.say(op="credit", visit=visit.number, bytes=owed)

    async def take_binary(self, message):
        if len(message) < 4 or len(message) > PAYLOAD_MAX:
            return await self.fault(f"binary message of {len(message)} bytes")
        number, = struct.unpack(">I", message[:4])
        visit = self.running.get(number) or self.moving.get(number)
        if visit is None or visit.in_ended:
            return await self.fault(f"payload for visit {number}, which is over")
        if len(message) - 4 > visit.window:
            return await self.fault(f"payload beyond the window of visit {number}")
        if len(message) == 4:
            visit.end_in()
            return self.settle(visit)
        if not visit.discards:
            visit.window -= len(message) - 4
        visit.take(message[4:])

    async def take_text(self, message):
        op, number = message["op"], int(message.get("visit", 0))
        if op == "open":
            return await self.open(message, number)
        visit = self.running.get(number)
        if op in self.agent.deaf:
            return None
        if op == "moved" and number in self.moving:
            self.moving.pop(number).channel.arrived.set()
        elif op == "abort" and number in self.moving:
            # in place of its last word; the new channel brings one, too
            moved = self.moving.pop(number)
            moved.aborted = True
            moved.channel.arrived.set()
            moved.changed()
        elif visit is None:
            pass  # late
        elif op == "abort":
            await visit.abort_in()
            self.settle(visit)
        elif op == "credit":
            visit.credit += int(message["bytes"])
            visit.changed()

    async def open(self, message, number):
        if number != self.number + 1:
            return await self.fault(f"open of visit {number} after {self.number}")
        if len(self.running) >= self.agent.most_visits:
            return await self.fault(f"more than {self.agent.most_visits} visits at once")
        self.number = number
        visit = self.running[number] = self.new_visit(message)
        self.agent.serve(visit)

    def lost(self):
        for visit in [*self.running.values(), *self.moving.values()]:
            if visit.channel is not self:
                visit.channel.arrived.set()
            visit.lost()
        self.running, self.moving = {}, {}


class Transfer(Channel):
    """A channel of one visit at a time."""
    shared = False

    def __init__(self, *args):
        super().__init__(*args)
        self.visit = None
        self.arrived = asyncio.Event()  # all of what came before is here
        self.arrived.set()

    async def gate(self):
        await self.arrived.wait()

    async def payload(self, _visit, data):
        await self.send_binary(data)

    @staticmethod
    def may_send(_visit):
        return PIECE

    async def taken(self, visit, count):
        pass

    def settle(self, visit):
        if visit.over and self.visit is visit:
            self.visit = None

    async def take_binary(self, message):
        visit = self.visit
        if visit is None or visit.in_ended:
            await self.fault("payload outside of a visit")
        elif message:
            visit.take(message)
        else:
            visit.end_in()
            self.settle(visit)

    async def take_text(self, message):
        number = int(message.get("visit", 0))
        if message["op"] == "open":
            if self.visit is not None or number != self.number + 1:
                return await self.fault(f"open of visit {number} after {self.number}")
            self.number = number
            if "shared" in message:
                await self.take_over(message)
            else:
                self.visit = self.new_visit(message)
                self.agent.serve(self.visit)
        elif message["op"] == "abort" and number == self.number and self.visit:
            visit = self.visit
            await visit.abort_in()
            self.settle(visit)

    # moving, section 5.8

    async def take_over(self, message):
        """The relay wants to move a visit here."""
        number = int(message["stream"])
        shared = next((c for c in self.agent.channels if c.id == message["shared"]), None)
        visit = shared.running.get(number) if shared else None
        self.arrived.clear()
        self.visit = Visit(self, self.number, message)  # until it is here
        self.agent.moves.append((self, shared, number))
        if visit and (visit.service != message["service"] or visit.source != message["from"]):
            await self.fault("a visit moves and is another one then")
        if self.agent.move == "accept":
            await self.accept(shared, number)
        elif self.agent.move == "stay":
            await self.stay(shared, number)

    async def accept(self, shared, number):
        visit = shared.running.get(number)
        if visit is None or visit.discards or not visit.answered:
            return await self.stay(shared, number)
        del shared.running[number]
        shared.moving[number] = visit
        await shared.say(op="moved", visit=number)
        visit.channel, visit.number, self.visit = self, self.number, visit
        visit.moved += 1
        if visit.out_ended:
            await self.send_binary(b"")
        visit.changed()

    async def stay(self, shared, number):
        if shared:
            await shared.say(op="stays", visit=number)
        await self.visit.refuse("it stays")
        self.arrived.set()

    def lost(self):
        self.arrived.set()
        if self.visit:
            self.visit.lost()


class MuxAgent:
    """services: {"name": (kind, handler)}; a handler is a coroutine function of a visit. dig says
    what is done with an open on the control channel: "dig", "refuse", "ignore", "keep" (for
    dig_kept()); move what with a visit that shall move: "accept", "stay", "keep" (for accept() and
    stay() of its new channel, see moves)."""

    def __init__(self, relay, device, services, visits=None, window=None, warm=1):
        self.relay, self.device, self.services = relay, device, services
        self.most_visits, self.window, self.warm = visits or 64, window or 65536, warm
        self.asked = [(key, value) for key, value in
                      (("visits", visits), ("window", window)) if value is not None]
        self.dig = self.dig_shared = "dig"
        self.move = "accept"
        self.channels, self.visits, self.moves = [], [], []
        self.opens, self.kept, self.faults = [], [], []
        self.deaf = set()  # ops that it does not hear on shared channels
        self.welcome = self.control = None
        self.instance = secrets.token_hex(16)
        self.tasks = set()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    # for tests, from their thread

    def call(self, coroutine, timeout=30):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout)

    def now(self, function, *args):
        """Call a plain function in the agent's thread."""
        async def wrapped():
            return function(*args)
        return self.call(wrapped())

    def connect(self):
        self.call(self.open_control())
        return self

    def disconnect(self):
        """Leave without a goodbye; the transfer channels stay."""
        self.now(self.control.transport.abort)

    def close(self):
        async def end():
            for ws in [self.control, *(channel.ws for channel in self.channels)]:
                if ws and ws.transport:
                    ws.transport.abort()
            for task in self.tasks:
                task.cancel()
            if others := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(others, timeout=5)
        self.call(end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def port(self, service):
        urls = self.welcome["url"]
        return next(int(url.rpartition(":")[2]) for url in urls if url.startswith(f"{service}:"))

    def address(self, service):
        return "127.0.0.1", self.port(service)

    def shared(self):
        """The shared channels that stand."""
        return [c for c in self.channels if c.shared and c.closed is None]

    def transfers(self):
        return [c for c in self.channels if not c.shared and c.closed is None]

    def dig_kept(self):
        kept, self.kept = self.kept, []
        for message in kept:
            self.now(self.spawn, self.transfer(message))

    # its own

    def spawn(self, coroutine):
        task = asyncio.get_running_loop().create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def open_control(self):
        query = [("name", self.device.name), ("instance", self.instance), ("warm", self.warm)]
        query += [("service", f"{name}:{kind}") for name, (kind, _) in self.services.items()]
        query += [("mux", 1), *self.asked]
        url = f"{self.relay}/v1/control?{urllib.parse.urlencode(query, safe=':')}"
        headers = {"Authorization": f"Bearer {self.device.secret}"}
        self.control = await websockets.connect(url, extra_headers=headers, **CHANNEL)
        welcome = urllib.parse.parse_qs(await asyncio.wait_for(self.control.recv(), 10))
        self.welcome = welcome
        self.spawn(self.heartbeat(self.control, int(welcome["heartbeat_ms"][0]) / 1000))
        self.spawn(self.session(self.control))

    async def heartbeat(self, ws, seconds):
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                await asyncio.sleep(seconds)
                await ws.ping()

    async def session(self, ws):
        with contextlib.suppress(websockets.ConnectionClosed):
            async for text in ws:
                message = parse(text)
                if message.get("op") != "open":
                    continue
                self.opens.append(message)
                action = self.dig_shared if message.get("mux") == "1" else self.dig
                if action == "dig":
                    self.spawn(self.transfer(message))
                elif action == "keep":
                    self.kept.append(message)
                elif action == "refuse":
                    await ws.send(form(op="refused", id=message["id"], reason="told to"))

    async def transfer(self, message):
        url = f"{self.welcome['relay'][0]}/v1/transfer?id={message['id']}"
        kind = Shared if message.get("mux") == "1" else Transfer
        with contextlib.suppress(OSError, websockets.WebSocketException, asyncio.TimeoutError):
            async with websockets.connect(url, **CHANNEL) as ws:
                channel = kind(self, ws, message["id"])
                self.channels.append(channel)
                await channel.run()

    def serve(self, visit):
        self.spawn(self.run_service(visit))

    async def run_service(self, visit):
        if visit.service not in self.services:
            return await visit.refuse()
        with contextlib.suppress(ConnectionResetError):
            await self.services[visit.service][1](visit)


# Services.

async def echo(visit):
    await visit.opened()
    while data := await visit.read():
        await visit.send(data)
    if not visit.out_ended:
        await visit.end()


async def sink(visit):
    """Reads to the end, says "LENGTH SHA256", and ends."""
    await visit.opened()
    while await visit.read():
        pass
    if not visit.out_ended:
        await visit.send(f"{visit.total} {visit.digest.hexdigest()}".encode())
        await visit.end()


def source(pieces):
    """Sends, ends, and reads to the end."""
    async def serve(visit):
        for piece in pieces():
            await visit.send(piece)
        await visit.end()
        while await visit.read():
            pass
    return serve


async def manual(visit):
    """Connected; the rest is the test's."""
    await visit.opened()


async def taker(visit):
    """Reads to the end; whether and when it ends is the test's."""
    await visit.opened()
    while await visit.read():
        pass


async def silent(_visit):
    """Never connected."""


async def http(visit):
    """One answer to each request without a body, on a connection that stays."""
    head = b""
    while data := await visit.read():
        head += data
        while b"\r\n\r\n" in head:
            request, _, head = head.partition(b"\r\n\r\n")
            path = request.split(b" ")[1]
            await visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path))
    if not visit.out_ended:
        await visit.end()
