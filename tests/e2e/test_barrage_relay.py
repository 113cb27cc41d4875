# SPDX-License-Identifier: MIT
"""Thousands of mutated conversations at each door of a relay, many at once: a visitor of another
device is served all the while, and afterwards the relay has what it had before. The seed is
printed; TAUPE_SEED sets another one."""
import asyncio
import contextlib
import random
import ssl
import urllib.parse

import pytest

from harness import ports
from harness.barrage import (ENDED, PATIENCE_S, QUARANTINE, Bystander, Footprint, all_at_once,
                             finish, read_answer_head, reset, seed_of, throw, write_cut)
from harness.fakes import BINARY, CLOSE, PING, PONG, TEXT, RawAgent
from harness.mutate import Frame, Mutator
from harness.programs import Certificate, SampleServices
from harness.scenes import Standalone
from harness.wait import until

ROUNDS = [pytest.param(300, id="300"), pytest.param(10_000, id="10000", marks=pytest.mark.long)]
MALLORIES = 16


class Scene:
    def __init__(self, group):
        self.group = group
        self.services = SampleServices(group, "web", "victim")
        certificate = Certificate(group.folder / "tls", "127.0.0.1")
        self.tls_address = "127.0.0.1", ports.take()
        self.alone = Standalone(
            group, hold="200ms", probe_timeout="500ms", open_timeout="500ms", lease="300ms",
            quarantine="500ms", handshake_timeout="1s", transfer_idle="500ms", warm_decay="100ms",
            agent_tls_listen="%s:%d" % self.tls_address, tls_certificate=certificate.chain,
            tls_key=certificate.key, log_level="info", env=QUARANTINE)
        self.relay = self.alone.relay
        self.bystander = self.alone.agent(
            "bystander", [f"web:http:{self.services.target('web', 'http')}"], log_level="info")
        self.victim = self.alone.agent(
            "victim", [f"web:http:{self.services.target('victim', 'http')}",
                       f"raw:tcp:{self.services.target('victim', 'tcp')}",
                       f"own:tls:{self.services.target('victim', 'tcp')}"],
            log_level="info", env=QUARANTINE)
        self.mallories = [self.alone.device(f"mallory-{n}") for n in range(MALLORIES)]
        self.host = self.victim.host()

    def attack(self, name, seed, count, attack):
        """A tenth of it first, so that what is kept for the next time is there already."""
        programs = [self.relay.process, self.victim.process]
        seed = seed_of(name, seed)
        with Bystander(self.alone.front, self.bystander.host(), "web") as visitor:
            asyncio.run(attack(seed + 1, count // 10))
            self.settle()
            before = [Footprint(process) for process in programs]
            asyncio.run(attack(seed, count))
            self.settle()
            for footprint in before:
                footprint.check(f"{name}, {count} inputs, {len(visitor.times)} visits beside them")
        assert self.alone.get(self.bystander.host()).text == "web"
        assert until("the victim is served", lambda: self.alone.get(self.host).text == "victim")
        assert self.bystander.welcomes() == 1

    def counts(self, *names):
        """Of the relay's counters, those whose names begin so."""
        return {name: sum(value for key, value in self.relay.metrics().items()
                          if key.startswith(f"taupe_relay_{name}")) for name in names}

    def settle(self):
        """Until the attackers' leases and everything of theirs has ended."""
        until("only the two devices are left",
              lambda: self.relay.metrics()["taupe_relay_leases"] == 2, 20)
        # the bystander's visitor keeps one connection
        until("no visitor is left", lambda: self.relay.metrics()["taupe_relay_visitors"] <= 2, 20)


@pytest.fixture(scope="module")
def scene(module_group):
    return Scene(module_group)


# ---- what is said at each door ----

def control_requests(device, instance):
    """As agents say it; all of one instance, so that one takes over from the other at once."""
    base = [("name", device.name), ("instance", instance), ("service", "web:http")]
    for more in ([], [("service", "ssh:tcp"), ("service", "own:tls")],
                 [("warm", "4"), ("mux", "1"), ("visits", "64"), ("window", "65536")],
                 [("hops", "1"), ("lease", "eyJ0YXVwZSI6MX0.c2lnbmF0dXJl")]):
        query = urllib.parse.urlencode(base + more, safe=":")
        yield RawAgent.control_request(device, query=query).encode()


def control_conversations(device, instance):
    none = "0" * 32
    for head in control_requests(device, instance):
        yield [head, Frame(PING), Frame(PONG, "probe"),
               Frame(TEXT, f"op=refused&id={none}&reason=x"),
               Frame(PING, b"x" * 125), Frame(CLOSE, b"\x03\xe8bye")]
        yield [head, Frame(TEXT, "op=later&new=thing%20here"), Frame(TEXT, "op=x&y=" + "z" * 3000)]
    yield [RawAgent.transfer_request(none).encode(), Frame(BINARY, b"x")]
    yield [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"]


VISITS = [
    [Frame(TEXT, "op=opened&visit=1"),
     Frame(BINARY, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"), Frame(PING, b"p"),
     Frame(BINARY, b"")],
    [Frame(BINARY, b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5000), Frame(TEXT, "op=abort&visit=1")],
    [Frame(TEXT, "op=refused&visit=1&reason=connection%20refused"), Frame(PONG, b"")],
    [Frame(TEXT, "op=abort&visit=1&reason=x"), Frame(TEXT, "op=abort&visit=2"),
     Frame(CLOSE, b"\x03\xe8")],
]
SHARED = [
    [Frame(TEXT, "op=opened&visit=1"), Frame(BINARY, b"\0\0\0\1HTTP/1.1 204 No Content\r\n\r\n"),
     Frame(TEXT, "op=credit&visit=1&bytes=32768"), Frame(BINARY, b"\0\0\0\1")],
    [Frame(BINARY, b"\0\0\0\1" + b"x" * 40000), Frame(TEXT, "op=credit&visit=1&bytes=16777216"),
     Frame(TEXT, "op=abort&visit=1")],
    [Frame(TEXT, "op=refused&visit=1&reason=no"), Frame(TEXT, "op=stays&visit=1"),
     Frame(TEXT, "op=moved&visit=1")],
    [Frame(TEXT, "op=credit&visit=1&bytes=1"), Frame(PING, b""), Frame(BINARY, b"\0\0\0\1x"),
     Frame(BINARY, b"\0\0\0\2x"), Frame(CLOSE, b"\x03\xe8")],
]


def client_hello(name):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def requests(host, own=None):
    yield [f"GET /name HTTP/1.1\r\nHost: {host}\r\nUser-Agent: x/1\r\nAccept: */*\r\n\r\n".encode()]
    yield [f"POST /sha256 HTTP/1.1\r\nHost: {host}:80\r\nContent-Length: 9\r\n\r\n".encode(),
           b"some body"]
    yield [f"POST /sha256 HTTP/1.1\r\nHost: {host}.\r\nTransfer-Encoding: chunked\r\n\r\n".encode(),
           b"5\r\nsome \r\n4\r\nbody\r\n0\r\n\r\n"]
    yield [f"GET /ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
           .encode(), Frame(TEXT, "hello"), Frame(CLOSE, b"\x03\xe8")]
    yield [f"GET http://{host}/bytes/100000 HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()]
    if own:
        yield [client_hello(own), b"\x17\x03\x03\x00\x05hello"]


def admin_requests():
    for path in ("/healthz", "/readyz", "/metrics", "/api/v1/devices?search=victim", "/api/v1/relays",
                 "/", "/nowhere"):
        yield [f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()]
    yield [b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n", b"abc"]
    yield [b"HEAD /metrics HTTP/1.0\r\n\r\n"]


# ---- attacks ----

def thrown(address, conversations):
    """Each input is a connection of its own."""
    async def attack(seed, count):
        mutator = Mutator(seed, conversations)

        async def one(_number):
            steps = mutator.next()
            await throw(mutator.random, address, steps)
        await all_at_once(count, one)
    return attack


@pytest.mark.parametrize("count", ROUNDS)
def test_agents_door(scene, count):
    """Handshakes, and what follows on a control channel whose handshake was right."""
    async def attack(seed, count):
        mutators = [Mutator(seed + number, list(control_conversations(device, f"i{number}")))
                    for number, device in enumerate(scene.mallories)]

        async def one(number):
            mutator = mutators[number % MALLORIES]
            await throw(mutator.random, scene.relay.agent_address,
                        mutator.next(intact=mutator.random.randrange(2)), read_answer_head)
        await all_at_once(count, one)
    scene.attack("agents' door", 20260131, count, attack)
    # it got as far as that, and not to the first check only
    reached = scene.counts(*(f'sessions_closed_by_reason_total{{reason="{reason}"' for reason in
                           ("bad_frame", "bad_message", "taken_over")), "agents_refused_total")
    print(reached)
    assert min(reached.values()) > count / 200, reached


@pytest.mark.parametrize("count", ROUNDS)
def test_agents_door_with_tls(scene, count):
    """TLS is OpenSSL's; who fails in it costs a connection and no more."""
    hello = client_hello("127.0.0.1")
    before = scene.counts("tls_failed_total")["tls_failed_total"]
    scene.attack("agents' door with TLS", 20260205, count, thrown(scene.tls_address, [
        [hello, b"\x14\x03\x03\0\1\1", b"\x17\x03\x03\0\x20" + b"x" * 32],
        [hello, b"\x15\x03\x03\0\2\2\x28"], [hello[:40], hello[40:]]]))
    assert scene.counts("tls_failed_total")["tls_failed_total"] - before > count / 4


@pytest.mark.parametrize("count", ROUNDS)
def test_visitors_door(scene, count):
    own = scene.victim.host("own")
    scene.attack("visitors' door", 20260201, count,
                 thrown(scene.alone.front, list(requests(scene.host, own))))


@pytest.mark.parametrize("count", ROUNDS)
def test_listeners_of_services(scene, count):
    victim = scene.victim
    ports = {"web": listener_port(scene, f"http/{scene.host}"), "raw": victim.port("raw"),
             "own": listener_port(scene, f"sni/{victim.host('own')}")}
    texts = {"web": list(requests("any.test")), "own": [[client_hello("any.test"), b"x"]],
             "raw": [[b"ECHO\nhello", b"more"], [b"NAME\n"], [b"SOURCE 100000\n"]]}
    attacks = [thrown(("127.0.0.1", ports[service]), texts[service]) for service in ports]

    async def attack(seed, count):
        await asyncio.gather(*(each(seed + i, count // 3) for i, each in enumerate(attacks)))
    scene.attack("service listeners", 20260202, count, attack)


def listener_port(scene, key):
    """Where a service listens, whichever door leads to it."""
    routes = scene.relay.api("routes")["routes"]
    return next(int(route["value"].split(",")[1]) for route in routes if route["key"] == key)


@pytest.mark.parametrize("count", ROUNDS)
def test_admin_door(scene, count):
    scene.attack("admin door", 20260203, count, thrown(
        ("127.0.0.1", scene.relay.admin_port), list(admin_requests())))


class Mallory:
    """A device whose control channel is as it should be, and whose other channels are not."""

    def __init__(self, scene, device, mutators, count):
        self.scene, self.device, self.mutators, self.count = scene, device, mutators, count
        self.rng = random.Random(mutators["0"].random.random())
        self.ids = asyncio.Queue()
        self.label = None

    async def connect(self, **more):
        query = [("name", self.device.name), ("instance", "one"), ("service", "web:http"),
                 ("warm", "4"), ("mux", "1"), *more.items()]
        head = RawAgent.control_request(
            self.device, query=urllib.parse.urlencode(query, safe=":"))
        self.reader, self.writer = await asyncio.open_connection(*self.scene.relay.agent_address)
        self.writer.write(head.encode())
        answer = await self.reader.readuntil(b"\r\n\r\n")
        assert b" 101 " in answer, answer

    async def frames(self):
        """The relay's messages; pings are answered."""
        while True:
            first, size = await self.reader.readexactly(2)
            if size == 126:
                size = int.from_bytes(await self.reader.readexactly(2), "big")
            payload = await self.reader.readexactly(size)
            if first & 15 == PING:
                self.writer.write(Frame(PONG, payload).encode())
            elif first & 15 == TEXT:
                yield dict(urllib.parse.parse_qsl(payload.decode()))

    async def listen(self):
        async for message in self.frames():
            if message["op"] == "welcome":
                self.label = message["label"]
            elif message["op"] == "open":
                self.ids.put_nowait(message)

    async def run(self):
        """Each input: a channel that the relay has asked for, and mostly a visitor for it."""
        while self.count["left"] > 0:
            with contextlib.suppress(*ENDED):
                await self.connect()
                listening = asyncio.create_task(self.listen())
                try:
                    while self.count["left"] > 0 and not listening.done():
                        await self.round()
                finally:
                    listening.cancel()
                    self.writer.transport.abort()

    async def round(self):
        self.writer.write(Frame(PING).encode())  # what is missing is asked for
        opens = []
        with contextlib.suppress(asyncio.TimeoutError):
            opens.append(await asyncio.wait_for(self.ids.get(), 0.2))
        while not self.ids.empty():
            opens.append(self.ids.get_nowait())
        if self.label and self.rng.random() < 0.8:
            opens.append(None)
        await asyncio.gather(*(self.visit() if message is None else self.channel(message)
                               for message in opens))

    async def visit(self):
        """A visitor of this device, who leaves when it takes too long."""
        with contextlib.suppress(*ENDED):
            reader, writer = await asyncio.open_connection(*self.scene.alone.front)
            try:
                writer.write(f"GET / HTTP/1.1\r\nHost: {self.label}.example.test\r\n\r\n".encode())
                await asyncio.wait_for(reader.read(65536), 0.3)
            finally:
                if self.rng.random() < 0.5:
                    reset(writer)
                writer.transport.abort()

    async def channel(self, message):
        mutator = self.mutators[message.get("mux", "0")]
        self.count["left"] -= 1
        self.count[message.get("mux", "0")] += 1
        with contextlib.suppress(*ENDED):
            reader, writer = await asyncio.open_connection(*self.scene.relay.agent_address)
            request = RawAgent.transfer_request(message["id"]).encode()
            try:
                await asyncio.wait_for(
                    self.serve(mutator, reader, writer, request), PATIENCE_S)
            finally:
                writer.transport.abort()

    async def serve(self, mutator, reader, writer, request):
        writer.write(request)
        await reader.readuntil(b"\r\n\r\n")
        with contextlib.suppress(asyncio.TimeoutError):  # until a visit begins
            await asyncio.wait_for(reader.read(65536), 0.1)
        for step in mutator.next():
            await write_cut(mutator.random, writer, step)
        await finish(mutator.random, reader, writer)


@pytest.mark.parametrize("count", ROUNDS)
def test_transfer_and_shared_channels(scene, count):
    async def attack(seed, count):
        mutators = {"0": Mutator(seed, VISITS), "1": Mutator(seed + 1, SHARED)}
        counts = {"left": count, "0": 0, "1": 0}
        await asyncio.gather(*(Mallory(scene, device, mutators, counts).run()
                               for device in scene.mallories))
        print(f"{counts['0']} transfer channels, {counts['1']} shared ones")
        assert counts["0"] > count / 10 and counts["1"] > count / 50, counts
    before = scene.counts("visits_joined_total")
    scene.attack("transfer channels", 20260204, count, attack)
    joined = scene.counts("visits_joined_total")["visits_joined_total"] \
        - before["visits_joined_total"]
    assert joined > count / 10, "visitors were joined to what was attacked"


class Rider(Mallory):
    """A device with one connection: visitors come on its control channel, and what it says there of
    their visits is not as it should be. Some connect anew before the last one has ended, and so
    leave its visits to themselves."""

    async def run(self):
        left = []
        while self.count["left"] > 0:
            self.count["left"] -= 1
            with contextlib.suppress(*ENDED):
                left.append(await asyncio.wait_for(self.ride(), PATIENCE_S))
            while len(left) > self.rng.randrange(3):
                await self.leave(*left.pop(0))
        for ends in left:
            await self.leave(*ends)

    async def ride(self):
        self.ids = asyncio.Queue()
        await self.connect(visits=4, channels=0)
        listening = asyncio.create_task(self.listen())
        visiting = [asyncio.create_task(self.visit()) for _ in range(self.rng.randrange(4))
                    if self.label]
        try:
            with contextlib.suppress(asyncio.TimeoutError):  # until a visit begins
                await asyncio.wait_for(self.ids.get(), 0.1)
                self.count["visited"] += 1
            for step in self.mutators["1"].next():
                await write_cut(self.rng, self.writer, step)
            if self.rng.random() < 0.5:
                await asyncio.gather(*visiting)
        except BaseException:
            self.writer.transport.abort()
            raise
        finally:
            listening.cancel()
        return self.reader, self.writer

    async def leave(self, reader, writer):
        with contextlib.suppress(*ENDED):
            await asyncio.wait_for(finish(self.rng, reader, writer), PATIENCE_S)
        writer.transport.abort()


@pytest.mark.parametrize("count", ROUNDS)
def test_control_channels_on_which_visits_ride(scene, count):
    async def attack(seed, count):
        mutators = {"0": Mutator(seed, VISITS), "1": Mutator(seed + 1, SHARED)}
        counts = {"left": count, "visited": 0}
        await asyncio.gather(*(Rider(scene, device, mutators, counts).run()
                               for device in scene.mallories))
        print(f"{counts['visited']} with a visit")
        assert counts["visited"] > count / 5, counts
    scene.attack("riding visits", 20260205, count, attack)
