# SPDX-License-Identifier: MIT
"""Thousands of mutated answers of a hostile relay to an agent: to its handshakes, on its control
channel, on transfer and shared channels, and on a control channel on which visits ride. A visit on
another channel goes on through it all, and afterwards the agent serves, and has what it had before. The seed is printed; TAUPE_SEED sets
another one."""
import asyncio
import base64
import contextlib
import hashlib
import os
import re
import socket

import pytest

from harness.barrage import (ENDED, PATIENCE_S, QUARANTINE, Footprint, finish, seed_of, write_cut)
from harness.fakes import BINARY, CLOSE, GUID, PING, PONG, TEXT, Dns, frame
from harness.mutate import Frame, Mutator
from harness.programs import Agent, Device, SampleServices

ROUNDS = [pytest.param(100, id="100"), pytest.param(10_000, id="10000", marks=pytest.mark.long)]
# Each round's attack is made on so many agents at once, because an agent comes back after a pause.
AGENTS = 4


def to_agent(opcode, payload=b""):
    return Frame(opcode, payload, mask=None)


def head_of(status, fields, body=b""):
    return (f"HTTP/1.1 {status}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields)
            + "\r\n").encode() + body


def switching(request):
    key = next(line.split(": ", 1)[1] for line in request.split("\r\n")
               if line.lower().startswith("sec-websocket-key"))
    accept = base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()
    return head_of("101 Switching Protocols", [
        ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept),
        ("Sec-WebSocket-Protocol", "taupe.v1")])


def welcome(url):
    return (f"op=welcome&epoch=1&heartbeat_ms=30000&lease_ms=60000&label=fake&relay={url}"
            f"&peer={url}&url=web:http://fake.example.test/&lease=eyJ0.c2ln")


CONTROL = [
    lambda url: [to_agent(TEXT, welcome(url)),
                 to_agent(TEXT, f"op=open&id={'1' * 32}&service=web"), to_agent(PING, "probe"),
                 to_agent(CLOSE, b"\x03\xe9stop")],
    lambda url: [to_agent(TEXT, welcome(url)), to_agent(TEXT, f"op=move&to={url}&reason=drain"),
                 to_agent(TEXT, f"op=open&id={'2' * 32}&mux=1"), to_agent(PONG)],
    lambda url: [to_agent(TEXT, welcome(url)), to_agent(TEXT, "op=later&new=thing"),
                 to_agent(CLOSE, b"\x03\xf0taken over")],
]
ANSWERS = [  # none with Retry-After: an agent does wait for as long as it is told
    lambda url: head_of("302 Found", [("Location", f"{url}/v1/control?hops=1"),
                                      ("Content-Length", 0), ("Connection", "close")]),
    lambda _url: head_of("401 Unauthorized", [
        ("Content-Type", "application/x-www-form-urlencoded"), ("Content-Length", 25)],
        b"error=unauthorized&reason=x"),
    lambda _url: head_of("409 Conflict", [("Content-Length", 70)],
                         b"error=held&reason=x&since=2026-01-31T04:40:00Z"
                         b"&from=203.0.113.7:51234&x"),
    lambda _url: head_of("400 Bad Request", [("Content-Length", 17)], b"error=bad_request"),
]
VISITS = [
    [to_agent(TEXT, "op=open&visit=1&service=web&from=192.0.2.1:50312"),
     to_agent(BINARY, b"GET /name HTTP/1.1\r\nHost: x\r\n\r\n"), to_agent(PING, "x"),
     to_agent(BINARY), to_agent(TEXT, "op=open&visit=2&service=raw&from=[2001:db8::1]:40022"),
     to_agent(BINARY, b"ECHO\nhello"), to_agent(BINARY)],
    [to_agent(TEXT, "op=open&visit=1&service=raw&from=192.0.2.1:1"), to_agent(BINARY, b"ECHO\n"),
     to_agent(BINARY, b"x" * 30000), to_agent(TEXT, "op=abort&visit=1&reason=visitor%20reset"),
     to_agent(TEXT, "op=open&visit=2&service=dead&from=192.0.2.1:1"), to_agent(CLOSE, b"\x03\xe8")],
]
SHARED = [
    [to_agent(TEXT, "op=open&visit=1&service=web&from=192.0.2.1:50312"),
     to_agent(BINARY, b"\0\0\0\1GET /name HTTP/1.1\r\nHost: x\r\n\r\n"),
     to_agent(TEXT, "op=open&visit=2&service=raw&from=192.0.2.1:1"),
     to_agent(BINARY, b"\0\0\0\2ECHO\nhello"), to_agent(TEXT, "op=credit&visit=2&bytes=32768"),
     to_agent(BINARY, b"\0\0\0\1"), to_agent(TEXT, "op=abort&visit=2"),
     to_agent(TEXT, "op=moved&visit=1")],
    [to_agent(TEXT, "op=open&visit=1&service=dead&from=192.0.2.1:1"),
     to_agent(BINARY, b"\0\0\0\1" + b"x" * 20000), to_agent(PING),
     to_agent(TEXT, "op=open&visit=2&service=raw&from=192.0.2.1:1"), to_agent(BINARY, b"\0\0\0\2"),
     to_agent(TEXT, "op=credit&visit=2&bytes=16777216")],
]
RIDING = [lambda url, visits=visits: [to_agent(TEXT, welcome(url)), *visits]
          for visits in [
              *SHARED,
              [to_agent(TEXT, "op=open&visit=1&service=raw&from=192.0.2.1:1"),
               to_agent(BINARY, b"\0\0\0\1ECHO\n" + b"x" * 30000), to_agent(BINARY, b"\0\0\0\1"),
               to_agent(TEXT, "op=open&visit=2&service=web&from=192.0.2.1:2"), to_agent(PING),
               to_agent(CLOSE, b"\x03\xf0taken over")],
              [to_agent(TEXT, "op=open&visit=1&service=raw&from=192.0.2.1:1"),
               to_agent(BINARY, b"\0\0\0\1ECHO\nhello"), to_agent(TEXT, "op=move&reason=drain"),
               to_agent(TEXT, "op=abort&visit=1"), to_agent(TEXT, f"op=open&id={'3' * 32}"),
               to_agent(TEXT, "op=open&visit=2&service=raw&from=192.0.2.1:1")],
          ]]


class HostileRelay:
    """A relay, as right or wrong as it is told: it has an attack for what agents ask for next.
    Everything happens in one event loop, that of the test."""

    def __init__(self, riding=False):
        self.riding = riding  # the test reads the control channels
        self.attack = None  # coroutine function of (reader, writer, request); None: be right
        self.writers = set()
        self.waiting = {}   # id -> future of the transfer channel that will come
        self.controls = {}  # the latest of each agent, by its name

    async def start(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=1024)
        self.url = "ws://127.0.0.1:%d" % self.server.sockets[0].getsockname()[1]
        return self

    def close(self):
        self.server.close()
        for writer in list(self.writers):
            writer.transport.abort()

    async def serve(self, reader, writer):
        self.writers.add(writer)
        try:
            with contextlib.suppress(*ENDED):
                request = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                if "/v1/transfer" in request:
                    await self.transfer(reader, writer, request)
                elif self.attack is not None:
                    await asyncio.wait_for(self.attack(reader, writer, request), PATIENCE_S)
                else:
                    writer.write(switching(request)
                                 + to_agent(TEXT, welcome(self.url)).encode())
                    self.controls[request.split("name=")[1].split("&")[0]] = reader, writer
                    if self.riding:
                        await writer.wait_closed()
                    while await reader.read(65536):
                        pass
        finally:
            self.writers.discard(writer)
            writer.transport.abort()

    async def transfer(self, reader, writer, request):
        channel_id = request.split("id=", 1)[1][:32]
        future = self.waiting.pop(channel_id, None)
        if future is None or future.done():
            writer.write(head_of("404 Not Found", [("Content-Length", 0)]))
            return
        writer.write(switching(request))
        done = asyncio.Event()
        future.set_result((reader, writer, done))
        await done.wait()

    async def all_connected(self):
        """The agents' control channels, once all have one."""
        async def wait():
            while len(self.controls) < AGENTS:
                await asyncio.sleep(0.005)
        await asyncio.wait_for(wait(), 30)
        return list(self.controls.values())

    async def ask(self, control, mux=False):
        """A channel of the agent's. It refuses a shared one while it does not know yet that the
        last ones are lost: then it is asked again."""
        for _ in range(20):
            channel_id = os.urandom(16).hex()
            future = self.waiting[channel_id] = asyncio.get_running_loop().create_future()
            control[1].write(frame(TEXT, f"op=open&id={channel_id}" + ("&mux=1" if mux else ""),
                                   mask=None))
            with contextlib.suppress(asyncio.TimeoutError):
                return await asyncio.wait_for(future, 0.5 if mux else 10)
        raise AssertionError("the agent digs no channel any more")


async def read_frame(reader):
    """Of an agent: its opcode and its payload."""
    first, second = await reader.readexactly(2)
    size = second & 127
    if size == 126:
        size = int.from_bytes(await reader.readexactly(2), "big")
    key = await reader.readexactly(4)
    payload = await reader.readexactly(size)
    return first & 15, bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


class Visit:
    """A visit on a channel of its own that does what it should: an echo of the service's."""

    def __init__(self, reader, writer, done):
        self.reader, self.writer, self.done = reader, writer, done
        self.got, self.rounds = b"", 0

    async def begin(self):
        self.writer.write(frame(TEXT, "op=open&visit=1&service=raw&from=192.0.2.9:9", mask=None))
        self.writer.write(frame(BINARY, b"ECHO\n", mask=None))
        return self

    async def echo(self, data):
        """Say it, and hear it back, pongs and control messages aside."""
        self.writer.write(frame(BINARY, data, mask=None))
        while len(self.got) < len(data):
            opcode, payload = await asyncio.wait_for(read_frame(self.reader), 10)
            if opcode == BINARY:
                self.got += payload
        assert self.got == data
        self.got = b""
        self.rounds += 1

    async def go_on(self, stop):
        while not stop.is_set():
            await self.echo(b"%d" % self.rounds)
            await asyncio.sleep(0.001)  # an attack may last some 20 ms


async def echo_riding(control, data):
    """The first visit that rides on this control channel: an echo of the service's."""
    reader, writer = control
    got = b""
    writer.write(frame(TEXT, "op=open&visit=1&service=raw&from=192.0.2.9:9", mask=None))
    writer.write(frame(BINARY, b"\0\0\0\1ECHO\n" + data, mask=None))
    while len(got) < len(data):
        opcode, payload = await asyncio.wait_for(read_frame(reader), 10)
        if opcode == BINARY:
            assert payload.startswith(b"\0\0\0\1")
            got += payload[4:]
    assert got == data


class Scene:
    def __init__(self, group):
        self.group = group
        self.services = SampleServices(group, "svc")
        with socket.create_server(("127.0.0.1", 0)) as closed:
            dead = closed.getsockname()[1]
        self.targets = [f"web:http:{self.services.target('svc', 'http')}",
                        f"raw:tcp:{self.services.target('svc', 'tcp')}",
                        f"dead:tcp:127.0.0.1:{dead}"]
        self.dns = Dns()  # for which every name is here

    def agent(self, relay, number, **config):
        agent = Agent(self.group, Device(f"victim-{number}"), [relay.url], self.targets,
                      start=False, log_level="info", reconnect_min="1ms", reconnect_max="5ms",
                      service_timeout="1s", dns=self.dns.address, env=QUARANTINE,
                      **config)
        agent.start(wait=False)
        return agent

    async def attacked(self, name, seed, count, attack, riding=False):
        """attack(relay, controls, seed, count) on agents that are connected."""
        relay = await HostileRelay(riding).start()
        agents = [self.agent(relay, number, one_connection=riding) for number in range(AGENTS)]
        controls = await relay.all_connected()
        # what rides on a channel ends with it
        visits = [] if riding else [
            await Visit(*await relay.ask(control)).begin() for control in controls]
        stop = asyncio.Event()
        going_on = [asyncio.create_task(visit.go_on(stop)) for visit in visits]
        seed = seed_of(name, seed)
        controls = await attack(relay, controls, seed + 1, count // 10)
        # what is left of it ends by itself
        await self.settled(relay)
        before = [Footprint(agent.process) for agent in agents]
        controls = await attack(relay, controls, seed, count)
        await self.settled(relay)
        stop.set()
        await asyncio.gather(*going_on)
        for visit in visits:
            assert visit.rounds > 3, "hardly anything was said on it"
            await visit.echo(b"at the end")
        # a new one for each agent: whichever control channel is whose
        for control in controls:
            if riding:
                await echo_riding(control, b"a new one")
                continue
            visit = await Visit(*await relay.ask(control)).begin()
            await visit.echo(b"a new one")
            visit.done.set()
        for footprint in before:
            # the resolver's socket: names come of a URL that is cut
            await asyncio.to_thread(
                footprint.check, f"{name}, {count} inputs on {AGENTS} agents, "
                f"{sum(visit.rounds for visit in visits)} echoes beside them", kept=1)
        for agent in agents:
            assert agent.process.running()
        # an agent that stops says goodbye, and waits a while for the answer
        relay.close()
        await asyncio.gather(*(asyncio.to_thread(agent.stop) for agent in agents))

    async def settled(self, relay):
        for future in relay.waiting.values():
            future.cancel()
        relay.waiting.clear()


@pytest.fixture
def scene(group):
    scene = Scene(group)
    yield scene
    scene.dns.close()


def channels(conversations, mux):
    """Mutated channels, while the control channels are as they should be."""
    async def attack(relay, controls, seed, count):
        mutator = Mutator(seed, conversations)
        left = iter(range(count))

        async def worker(control):
            for _ in left:
                reader, writer, done = await relay.ask(control, mux)
                try:
                    with contextlib.suppress(*ENDED):
                        await asyncio.wait_for(one(reader, writer), PATIENCE_S)
                finally:
                    done.set()

        async def one(reader, writer):
            for step in mutator.next():
                await write_cut(mutator.random, writer, step)
            await finish(mutator.random, reader, writer)

        # a session has one shared channel at a time
        await asyncio.gather(*(worker(control) for control in controls
                               for _ in range(1 if mux else 8)))
        return controls
    return attack


def control_answers(make):
    """What an agent's control requests are answered with; in the end it is answered well."""
    async def attack(relay, controls, seed, count):
        mutator = Mutator(seed, make(relay.url))
        left = count

        async def one(reader, writer, request):
            nonlocal left
            left -= 1
            steps = mutator.next(intact=mutator.random.choice((0, 1, 2)))
            while leads_away(relay.url, steps):
                steps = mutator.next(intact=1)
            steps[0] = steps[0].replace(b"ACCEPT", accept_of(request))
            for step in steps:
                await write_cut(mutator.random, writer, step)
            await finish(mutator.random, reader, writer)

        relay.attack = one
        relay.controls.clear()
        for _, writer in controls:
            writer.transport.abort()
        while left > 0:
            await asyncio.sleep(0.01)
        relay.attack = None
        return await relay.all_connected()
    return attack


def leads_away(url, steps):
    """Does it name a relay elsewhere? An agent may go there, and tests stay where they are."""
    text = b"&".join(steps)
    ours = re.findall(re.escape(url).encode() + rb"(?=[&/\s]|$)", text)
    return len(re.findall(rb"wss?(:|%3a)?(/|%2f)", text, re.IGNORECASE)) != len(ours)


def accept_of(request):
    """The value for this request: a recorded one would be wrong for the next."""
    return switching(request).split(b"Accept: ")[1].split(b"\r\n")[0]


def welcomes(url, conversations=tuple(CONTROL)):
    head = head_of("101 Switching Protocols", [
        ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", "ACCEPT"),
        ("Sec-WebSocket-Protocol", "taupe.v1")])
    return [[head, *each(url)] for each in conversations]


def handshakes(url):
    return [[each(url)] for each in ANSWERS] + [steps[:2] for steps in welcomes(url)]


@pytest.mark.parametrize("count", ROUNDS)
@pytest.mark.parametrize("name,seed,attack", [
    ("handshakes", 20260301, control_answers(handshakes)),
    ("control channels", 20260302, control_answers(welcomes)),
    ("transfer channels", 20260303, channels(VISITS, mux=False)),
    ("shared channels", 20260304, channels(SHARED, mux=True)),
], ids=["handshake", "control", "transfer", "shared"])
def test_agent_bears(scene, name, seed, attack, count):
    asyncio.run(scene.attacked(f"agent, {name}", seed, count, attack))


@pytest.mark.parametrize("count", ROUNDS)
def test_agent_with_one_connection_bears(scene, count):
    attack = control_answers(lambda url: welcomes(url, RIDING))
    asyncio.run(scene.attacked("agent, riding visits", 20260305, count, attack, riding=True))
