# SPDX-License-Identifier: MIT
"""What devices have used stands in Redis to the byte: against the bytes that the test's own
visitors have sent and received at the relay's listeners."""
import csv
import datetime
import io
import json
import socket
import struct
import subprocess

import pytest

from harness import ports
from harness.process import binary
from harness.programs import Agent, Device, Redis, Relay, SampleServices
from harness.wait import until

HOST = "alice.example.test"


def today():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d")


class Tally:
    """What the test's visitors have done, counted at their sockets."""

    def __init__(self):
        self.visitors = self.bytes_in = self.bytes_out = 0

    def all(self):
        return [self.visitors, self.bytes_in, self.bytes_out]


class Visitor:
    """Straight to a service's listener: HAProxy would add to requests and answers."""

    def __init__(self, tally, address):
        self.tally = tally
        self.sock = socket.create_connection(address, 20)
        tally.visitors += 1

    def send(self, data):
        self.sock.sendall(data)
        self.tally.bytes_in += len(data)
        return self

    def end(self):
        self.sock.shutdown(socket.SHUT_WR)
        return self

    def read(self, count=None):
        """So many bytes; None: to the end."""
        got = b""
        while count is None or len(got) < count:
            data = self.sock.recv(1 << 16 if count is None else count - len(got))
            if not data:
                break
            self.tally.bytes_out += len(data)
            got += data
        assert count is None or len(got) == count
        return got

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class Scene:
    def __init__(self, group, agent=None, **config):
        self.group, self.config = group, config
        self.redis = Redis(group)
        self.device = self.redis.add(Device("alice", label="alice"))
        self.services = SampleServices(group, "home")
        self.relay = self.add_relay("r1")
        self.agent = Agent(group, self.device, [self.relay], [
            f"web:http:{self.services.target('home', 'http')}",
            f"raw:tcp:{self.services.target('home', 'tcp')}"], **(agent or {}))
        self.tally = Tally()

    def add_relay(self, name):
        key = self.group.folder / "cluster.key"
        key.write_text("k" * 48)
        key.chmod(0o600)
        first = ports.take_block(self.group.exits)
        return Relay(self.group, name, announce="100ms", cluster_key_file=key,
                     service_listen=f"127.0.0.1:{first}-{first + ports.BLOCK - 1}",
                     public_ports="20000-20099", **self.redis.access("taupe-relay"),
                     **self.config)

    def address(self, kind, relay=None):
        def look():
            routes = (relay or self.relay).api("routes")["routes"]
            value, = [route["value"] for route in routes if route["key"].startswith(kind)]
            return "127.0.0.1", int(value.split(",")[1])
        return until(f"a route of {kind}", look)

    def visit(self, kind, relay=None, address=None):
        return Visitor(self.tally, address or self.address(kind, relay))

    def http(self, path, relay=None):
        visitor = self.visit("http/", relay)
        visitor.send(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        answer = visitor.read()
        visitor.sock.close()
        assert answer.startswith(b"HTTP/1.1 200"), answer[:200]

    def source(self, size, relay=None, address=None):
        visitor = self.visit("tcp/", relay, address).send(f"SOURCE {size}\n".encode())
        assert len(visitor.read()) == size
        visitor.end().sock.close()

    def sink(self, size, relay=None):
        """The end of one direction, and an answer after it."""
        visitor = self.visit("tcp/", relay).send(b"SINK\n").send(b"x" * size).end()
        assert visitor.read().startswith(f"{size} ".encode())
        visitor.sock.close()

    def stored(self, key=None):
        key = key or f"taupe:usage:alice:{today()}"
        return [int(value or 0) for value in self.redis.client.hmget(
            key, "visitors", "bytes_in", "bytes_out")]

    def expect(self):
        try:
            until("the day's record is the test's", lambda: self.stored() == self.tally.all())
        except TimeoutError as error:
            raise AssertionError(f"{self.stored()} in Redis, {self.tally.all()} seen") from error
        assert self.stored("taupe:counters:device:alice") == self.tally.all()

    def ctl(self, *words, code=0):
        options = []
        for key, value in self.redis.access("taupectl").items():
            options += ["--" + key.replace("_", "-"), str(value)]
        done = subprocess.run([binary("taupectl"), "--config", "/dev/null", *options, *words],
                              capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr


CHANNELS = {
    "shared": {},
    "one each": {"mux": "no"},
    "riding": {"one_connection": "yes"},
}


@pytest.mark.parametrize("channels", CHANNELS)
def test_visits_that_end_well_are_counted_to_the_byte(group, channels):
    scene = Scene(group, agent=CHANNELS[channels])
    scene.http("/name")
    scene.http("/bytes/300000")
    scene.http("/chunked/70001")
    scene.source(2_000_003)
    scene.sink(1_000_003)
    scene.expect()
    ttl = scene.redis.client.ttl(f"taupe:usage:alice:{today()}")
    assert 399 * 86400 < ttl <= 400 * 86400


def test_running_visit_is_counted_while_it_runs(group):
    scene = Scene(group)
    visitor = scene.visit("tcp/").send(b"ECHO\n")
    for size in (5, 70_000, 3):
        visitor.send(b"y" * size)
        visitor.read(size)
        scene.expect()
    visitor.sock.close()
    scene.expect()


def test_bulk_stream_is_counted_while_it_runs(group):
    """It is with the worker's thread by then."""
    scene = Scene(group)
    visitor = scene.visit("tcp/").send(b"SOURCE 200000000\n")
    visitor.read(100_000_000)
    until("the half is counted", lambda: scene.stored()[2] >= 100_000_000)
    visitor.read(100_000_000)
    visitor.end().sock.close()
    scene.expect()


def test_reset_visit_counts_what_the_relay_has_taken(group):
    """What the visitor has sent is all counted; of what it was sent, at least what it has read,
    and no more than what the device has said."""
    scene = Scene(group)
    visitor = scene.visit("tcp/").send(b"SOURCE 50000000\n")
    visitor.read(1_000_000)
    visitor.reset()
    until("the visit is over", lambda: scene.relay.metrics()["taupe_relay_visitors"] == 0)
    taken = scene.relay.metrics()["taupe_relay_bytes_out_total"]
    until("it is counted", lambda: scene.stored() == [*scene.tally.all()[:2], taken])
    assert 1_000_000 <= taken <= 50_000_000


def test_nothing_is_lost_or_twice_when_relay_and_redis_restart(group):
    scene = Scene(group)
    scene.source(100_001)
    scene.expect()
    # a relay that stops writes what it has before it goes
    scene.sink(300_000)
    scene.relay.process.stop()
    scene.expect()
    scene.relay.start()
    scene.agent.wait_connected(count=2)
    scene.source(10_000)
    scene.expect()
    # Redis keeps its data over a restart; meanwhile visits go on
    scene.redis.client.save()
    address = scene.address("tcp/")
    scene.redis.process.kill()
    until("the relay knows", lambda: scene.relay.admin("/readyz")[0] == 503)
    scene.source(20_000, address=address)
    scene.redis.start("--dbfilename", "dump.rdb")
    until("the relay has it back", scene.relay.ready)
    scene.source(30_000)
    scene.expect()


def test_usage_goes_with_the_device_to_another_relay(group):
    scene = Scene(group)
    scene.source(50_000)
    other = scene.add_relay("r2")
    scene.ctl("relay", "drain", "r1")
    until("it has moved", lambda: other.metrics()["taupe_relay_agents"] == 1, 20)
    scene.source(60_000, relay=other)
    scene.http("/name", relay=other)
    scene.expect()


def test_usage_is_shown(group):
    scene = Scene(group)
    scene.source(5000)
    scene.expect()
    scene.redis.client.hset("taupe:usage:alice:20260228", mapping={
        "visitors": 1, "bytes_in": 2, "bytes_out": 3_000_000})
    scene.redis.client.hset("taupe:usage:alice:20260301", mapping={"visitors": 4})
    scene.redis.client.hset("taupe:usage:gone:20260301", mapping={"visitors": 5})
    scene.redis.add(Device("bob"))
    rows = json.loads(scene.ctl("--json", "usage", "--from", "2026-02-01", "--to", "20260301"))
    assert rows == {"usage": [
        {"device": "alice", "day": "2026-02-28", "visitors": 1, "bytes_in": 2,
         "bytes_out": 3_000_000},
        {"device": "alice", "day": "2026-03-01", "visitors": 4, "bytes_in": 0, "bytes_out": 0}]}
    # one that was removed, by its name; this month, if nothing is said
    assert "2026-03-01  5" in scene.ctl("usage", "gone", "--from", "20260301", "--to", "20260301")
    row, = csv.DictReader(io.StringIO(scene.ctl("--csv", "usage", "alice")))
    assert [int(row[key]) for key in ("visitors", "bytes_in", "bytes_out")] == scene.tally.all()
    assert row["day"].replace("-", "") == today()
    table = scene.ctl("usage", "--from", "20260228", "--to", "20260228")
    assert "3.00 MB" in table and "all" in table


@pytest.mark.parametrize("words, code, said", [
    (["usage", "--from", "2026-02-30"], 78, "a day such as 2026-11-27"),
    (["usage", "--to", "yesterday"], 78, "a day such as 2026-11-27"),
    (["usage", "--from", "20260302", "--to", "20260301"], 64, "later day"),
    (["usage", "--csv", "--json"], 64, "give one"),
    (["usage", "a:b"], 65, "cannot be"),
    (["usage", "alice", "bob"], 64, "too many words"),
    (["device", "ls", "--csv"], 64, "belong to usage"),
])
def test_bad_input_is_told(group, words, code, said):
    options = ["--redis", "127.0.0.1:1"]
    done = subprocess.run([binary("taupectl"), "--config", "/dev/null", *options, *words],
                          capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == code and said in done.stderr, done.stderr


def test_relay_that_stands_alone_says_that_it_has_none(group):
    done = subprocess.run([binary("taupectl"), "--config", "/dev/null", "--devices-file",
                           str(group.folder / "devices"), "usage"],
                          capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode != 0 and "usage is kept in Redis" in done.stderr, done.stderr
