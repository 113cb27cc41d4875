# SPDX-License-Identifier: MIT
"""What happens when a device has used what it may: it is told, slowed or stopped, by what all relays
have counted, until it is given more."""
import datetime
import json
import pathlib
import re
import socket
import subprocess
import time

import pytest

from harness import ports
from harness.process import binary
from harness.programs import Agent, Device, Redis, Relay, SampleServices
from harness.visitors import get
from harness.wait import until

HOST = "alice.example.test"
FAKETIME = sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
DATAERR, NOPERM, MONTH_S = 65, 77, 31 * 86400


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def today():
    return now().strftime("%Y%m%d")


def expect_reset(sock):
    sock.settimeout(10)
    with pytest.raises(ConnectionResetError):
        while sock.recv(1 << 16):
            pass


class Clock:
    """What a program takes for the time of the day; Redis and taupectl keep the right one."""
    def __init__(self, folder):
        self.file = folder / "clock"

    def set(self, to):
        new = self.file.with_suffix(".new")
        new.write_text(f"{round((to - now()).total_seconds()):+}")
        new.rename(self.file)

    def env(self, program):
        """For programs that are started with this clock, which move with it from then on."""
        # a sanitizer has to be the first that is loaded
        linked = subprocess.run(["ldd", binary(program)], capture_output=True, text=True,
                                check=True).stdout
        first = re.findall(r"=> (\S*/libasan\S+)", linked)
        return {"LD_PRELOAD": " ".join([*first, str(FAKETIME[0])]),
                "FAKETIME_TIMESTAMP_FILE": str(self.file), "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


class Scene:
    def __init__(self, group, *words, agent=None, env=None):
        self.group, self.redis, self.env = group, Redis(group), env
        self.device = Device("alice")
        self.device.secret = self.ctl("device", "add", "alice", "--label", "alice", *words).strip()
        self.services = SampleServices(group, "home")
        self.relay = self.add_relay("r1")
        self.agent = Agent(group, self.device, [self.relay], [
            f"web:http:{self.services.target('home', 'http')}",
            f"raw:tcp:{self.services.target('home', 'tcp')}"], **(agent or {}))
        self.agent.wait_connected()

    def add_relay(self, name):
        key = self.group.folder / "cluster.key"
        key.write_text("k" * 48)
        key.chmod(0o600)
        first = ports.take_block(self.group.exits)
        return Relay(self.group, name, env=self.env, announce="100ms", cluster_key_file=key,
                     service_listen=f"127.0.0.1:{first}-{first + ports.BLOCK - 1}",
                     public_ports="20000-20099", redis_timeout="500ms",
                     **self.redis.access("taupe-relay"))

    def address(self, kind, relay=None):
        def look():
            routes = (relay or self.relay).api("routes")["routes"]
            value, = [route["value"] for route in routes if route["key"].startswith(kind)]
            return "127.0.0.1", int(value.split(",")[1])
        return until(f"a route of {kind}", look)

    def get(self, path="/name", relay=None):
        return get(self.address("http/", relay), HOST, path)

    def run(self, *words):
        argv = [binary("taupectl"), "--config", "/dev/null"]
        for key, value in self.redis.access("taupectl").items():
            argv += ["--" + key.replace("_", "-"), str(value)]
        return subprocess.run([*argv, *words], capture_output=True, text=True, timeout=30,
                              check=False)

    def ctl(self, *words):
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def set(self, *words):
        self.ctl("device", "set", "alice", *words)

    def events(self):
        """(period, percent) of each."""
        rows = [json.loads(line) for line in self.ctl(
            "--json", "events", "--kind", "quota").splitlines()]
        return [(row["period"], int(row["percent"])) for row in rows]

    def announced(self, relay):
        """How often: quotas are tended before each."""
        return int(self.redis.client.hget(f"taupe:relay:{relay}", "sequence"))

    def used(self, day, bytes_out):
        self.redis.client.hset(f"taupe:usage:alice:{day}", mapping={
            "visitors": 1, "bytes_in": 0, "bytes_out": bytes_out})


def test_stopped_when_it_is_used_up_and_let_go_with_more(group):
    scene = Scene(group, "--quota-day", "200k")
    with socket.create_connection(scene.address("tcp/"), 10) as running:
        running.sendall(b"ECHO\nhello")
        assert running.recv(5) == b"hello"
        assert scene.get("/bytes/170000").status == 200
        until("80 % are told", lambda: scene.events() == [("day", 80)])
        running.sendall(b"still here")
        assert running.recv(20) == b"still here"
        assert scene.get("/bytes/40000").status == 200, "what has begun, ends"
        # a visit that runs is ended
        expect_reset(running)
    until("all is told", lambda: scene.events() == [("day", 80), ("day", 100)])
    answer = scene.get()
    assert answer.status == 503 and "used up its traffic for today" in answer.text
    midnight = 86400 - (now().hour * 3600 + now().minute * 60 + now().second)
    assert abs(int(answer.header("Retry-After")) - midnight) < 30
    with pytest.raises(ConnectionResetError):
        with socket.create_connection(scene.address("tcp/"), 10) as refused:
            while refused.recv(1) != b"":
                pass
    assert re.search(r"quota +2\d\d kB of 205 kB today \(10\d %\), then stop",
                     scene.ctl("device", "show", "alice"))
    assert "then stop" in scene.ctl("usage", "alice")
    scene.set("--quota-day", "1M")
    until("it may again", lambda: scene.get().status == 200)
    scene.set("--quota-day", "1")
    until("it may not", lambda: scene.get().status == 503)
    scene.set("--quota-day", "none")
    until("it may", lambda: scene.get().status == 200)


def test_riding_visit_is_ended(group):
    """On the control channel, which stays."""
    scene = Scene(group, "--quota-month", "1k", agent={"one_connection": "yes"})
    epoch = scene.relay.api("relay/devices")["devices"][0]["epoch"]
    with socket.create_connection(scene.address("tcp/"), 10) as running:
        running.sendall(b"ECHO\n" + b"x" * 2000)
        expect_reset(running)
    assert "for this month" in scene.get().text
    assert scene.relay.api("relay/devices")["devices"][0]["epoch"] == epoch
    # who comes over a WebSocket is told as well: docs/PROTOCOL.md
    done = scene.run("connect", "alice/raw", "--relay", scene.relay.url)
    assert done.returncode == NOPERM and "quota: " in done.stderr and "month" in done.stderr, done


def test_slowed_and_warned(group):
    scene = Scene(group, "--quota-day", "10k", "--quota-action", "slow", "--quota-rate", "100k")
    start = time.monotonic()
    assert scene.get("/bytes/4000000").length == 4000000
    assert time.monotonic() - start < 5, "it has begun before it was used up, and is short"
    until("it is told", lambda: ("day", 100) in scene.events())
    start = time.monotonic()
    assert scene.get("/bytes/100000").length == 100000
    assert time.monotonic() - start > 0.5
    scene.set("--quota-action", "warn")
    until("it has no rate", lambda: timed(lambda: scene.get("/bytes/1000000")) < 2)
    assert scene.events() == [("day", 100)]
    assert "quota_action warn" in scene.ctl("device", "show", "alice")


def timed(action):
    start = time.monotonic()
    action()
    return time.monotonic() - start


def test_what_was_used_before_and_elsewhere_counts(group):
    scene = Scene(group, "--quota-month", "100k")
    # counted on another relay, which is where the device is next
    assert scene.get("/bytes/90000").status == 200
    until("it is told", lambda: scene.events() == [("month", 80)])
    other = scene.add_relay("r2")
    scene.ctl("relay", "drain", "r1")
    until("it has moved", lambda: other.metrics()["taupe_relay_agents"] == 1, 20)
    assert scene.get("/bytes/20000", relay=other).status == 200
    until("it is used up", lambda: scene.get(relay=other).status == 503)
    until("each is told once", lambda: scene.events() == [("month", 80), ("month", 100)])
    # a relay that is started again goes on from there
    other.process.kill()
    other.start()
    until("it is back", lambda: other.metrics()["taupe_relay_agents"] == 1, 20)
    until("it is still used up", lambda: scene.get(relay=other).status == 503)
    told = scene.announced("r2")
    until("it has acted", lambda: scene.announced("r2") > told + 1)
    assert scene.events() == [("month", 80), ("month", 100)]


def test_days_before_count_in_the_month_only(group):
    """Those of this month; today is one of them if it is the first."""
    scene = Scene(group, "--quota-day", "1M", "--quota-month", "2M")
    scene.used(f"{now() - datetime.timedelta(now().day):%Y%m%d}", 1 << 30)
    scene.set("--quota-month", "3M")
    until("it was looked at", lambda: scene.get().status == 200)
    if now().day > 1:
        scene.used(today()[:6] + "01", 3 << 20)
        scene.set("--quota-month", "2M")
        until("it is used up", lambda: "for this month" in scene.get().text)
        until("it is told", lambda: scene.events() == [("month", 100)])
        assert "3.15 MB of 2.10 MB this month" in scene.ctl("usage", "alice")


@pytest.mark.parametrize("period, last", [
    ("day", (2031, 3, 14)), ("month", (2031, 3, 31)), ("month", (2031, 12, 31))])
def test_end_of_its_period_lets_it_go(group, period, last):
    """And the end of a day is not the end of its month."""
    end = datetime.datetime(*last, tzinfo=datetime.timezone.utc) + datetime.timedelta(1)
    before, clock = end - datetime.timedelta(minutes=10), Clock(group.folder)
    clock.set(before - datetime.timedelta(period == "month"))
    scene = Scene(group, f"--quota-{period}", "100k", env=clock.env("taupe-relay"))
    assert scene.get("/bytes/120000").status == 200
    until("it is used up", lambda: scene.get().status == 503)
    clock.set(before)
    told = scene.announced("r1")
    until("it has acted", lambda: scene.announced("r1") > told + 1)
    answer = scene.get()
    assert answer.status == 503 and abs(int(answer.header("Retry-After")) - 600) < 30
    clock.set(end + datetime.timedelta(seconds=1))
    until("it may again", lambda: scene.get().status == 200)
    assert scene.get("/bytes/90000").status == 200
    until("80 % are told anew", lambda: scene.events() == [(period, 100), (period, 80)])
    assert scene.get("/bytes/20000").status == 200
    until("it is used up again", lambda: scene.get().status == 503)
    until("100 % are", lambda: scene.events() == [(period, 100), (period, 80), (period, 100)])


def test_while_redis_is_away_what_is_counted_here_holds(group):
    scene = Scene(group, "--quota-day", "100k")
    scene.redis.client.save()
    address = scene.address("http/")
    scene.redis.process.kill()
    until("the relay knows", lambda: scene.relay.admin("/readyz")[0] == 503)
    assert get(address, HOST, "/bytes/120000").status == 200
    until("it is used up", lambda: get(address, HOST, "/name").status == 503)
    scene.redis.start("--dbfilename", "dump.rdb")
    until("the relay has it back", scene.relay.ready)
    until("it is told", lambda: ("day", 100) in scene.events())
    assert scene.get().status == 503


@pytest.mark.parametrize("words, said", [
    (["--quota-day", "lots"], "quota_day: .*number of bytes.* or none"),
    (["--quota-month", "0"], "quota_month: .*1 to .* or none"),
    (["--quota-month", "default"], "quota_month: .* or none"),
    (["--quota-action", "kill"], "quota_action: .*warn.*slow.*stop.* or default"),
    (["--quota-rate", "0"], "quota_rate: .* or default"),
])
def test_bad_input_is_told(words, said):
    done = subprocess.run([binary("taupectl"), "--config", "/dev/null", "--redis", "127.0.0.1:1",
                           "device", "set", "alice", *words],
                          capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == DATAERR and re.search(said, done.stderr), done.stderr


def test_relay_that_stands_alone_counts_from_its_start(group):
    devices = group.folder / "devices"
    argv = [binary("taupectl"), "--config", "/dev/null", "--devices-file", str(devices)]
    device = Device("alice")
    device.secret = subprocess.run(
        [*argv, "device", "add", "alice", "--label", "alice", "--quota-day", "50k",
         "--quota-action", "stop"], capture_output=True, text=True, check=True).stdout.strip()
    assert "quota_day=51200&quota_action=stop" in devices.read_text()
    block = ports.take_block(group.exits)
    relay = Relay(group, announce="100ms", devices_file=devices,
                  service_listen=f"127.0.0.1:{block}-{block + ports.BLOCK - 1}")
    services = SampleServices(group, "home")
    Agent(group, device, [relay],
          [f"web:http:{services.target('home', 'http')}"]).wait_connected()
    address = "127.0.0.1", int(relay.api("routes")["routes"][0]["value"].split(",")[1])
    assert get(address, HOST, "/bytes/60000").status == 200
    until("it is used up", lambda: get(address, HOST, "/name").status == 503)
    shown = subprocess.run([*argv, "device", "show", "alice"], capture_output=True, text=True,
                           check=True).stdout
    assert "quota_day 51200, quota_action stop" in shown
