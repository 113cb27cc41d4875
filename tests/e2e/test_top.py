# SPDX-License-Identifier: MIT
"""taupectl top: what relays and devices do now is what visitors do, on a terminal and for scripts, and
costs Redis the same for any number of devices."""
import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import termios

import pytest

from harness.process import Thread, binary
from harness.programs import SampleServices
from harness.scenes import Cluster, Standalone
from harness.visitors import get
from harness.wait import until

UNAVAILABLE = 69


def argv(*words, **options):
    command = [binary("taupectl"), "--config", "/dev/null", "--interval", "300ms"]
    for key, value in options.items():
        command += ["--" + key.replace("_", "-"), str(value)]
    return [*command, *words, "top"]


def looks(*words, **options):
    done = subprocess.run(argv("--json", *words, **options), capture_output=True, text=True,
                          timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def cluster(module_group):
    cluster = Cluster(module_group, relays=2, announce="200ms", capacity=1000)
    services = SampleServices(module_group, "web")
    cluster.agents = {name: cluster.agent(name, [f"web:http:{services.target('web', 'http')}"])
                      for name in ("busy", "calm", "idle")}
    for agent in cluster.agents.values():
        cluster.wait_served(agent.host())
    return cluster


class Visits:
    """Somebody who visits again and again."""

    def __init__(self, cluster, name, path, times=1):
        self.stopped = False

        def run():
            while not self.stopped:
                for _ in range(times):
                    cluster.get(cluster.agents[name].host(), path)

        self.thread = Thread(run)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopped = True
        self.thread.get()


@pytest.fixture(scope="module")
def load(cluster):
    with Visits(cluster, "busy", "/bytes/200000"), Visits(cluster, "calm", "/name"):
        yield


def test_rates_are_those_of_the_visits(cluster, load):
    options = cluster.redis.access("taupectl")
    view = until("both are seen", lambda: next(iter(
        view for view in looks("--once", **options) if len(view["devices"]) == 2), None))
    devices = {device["name"]: device for device in view["devices"]}
    assert list(devices) == ["busy", "calm"]  # by bytes
    busy, calm = devices["busy"], devices["calm"]
    assert busy["bytes_out_per_s"] > 10 * calm["bytes_out_per_s"] > 0
    assert busy["visits_per_s"] > 0 and calm["visits_per_s"] > 0
    # about 200,000 bytes a visit, whatever the machine does in a second
    assert 100_000 < busy["bytes_out_per_s"] / busy["visits_per_s"] < 400_000
    relays = {relay["id"]: relay for relay in view["relays"]}
    assert list(relays) == ["r1", "r2"]
    assert sum(relay["agents"] for relay in relays.values()) == 3
    assert relays[busy["relay"]]["bits_out_per_s"] > 8 * 100_000
    assert all(relay["capacity"] == 1000 for relay in relays.values())


def test_batches_for_scripts(cluster, load):
    options = cluster.redis.access("taupectl")
    assert len(looks(count=3, **options)) == 3
    by_name = looks("--once", sort="name", filter="al", **options)[0]["devices"]
    assert [device["name"] for device in by_name] == ["calm"]
    done = subprocess.run(argv("--batch", count=2, **options), capture_output=True, text=True,
                          timeout=30, check=True)
    assert len(re.findall(r"^2 relays, 3 agents", done.stdout, re.M)) == 2
    assert re.search(r"^busy +r[12] +[\d.]+", done.stdout, re.M)
    assert "\033" not in done.stdout


def test_a_look_costs_redis_the_same_with_any_number_of_devices(cluster):
    """One ZRANGE, and one HGETALL for each relay; no device is read."""
    client = cluster.redis.client
    names = [f"many{number}" for number in range(20_000)]
    client.sadd("taupe:devices", *names)

    def calls(user):
        entries = client.client_list()
        return [entry for entry in entries if entry.get("user") == user]

    with client.monitor() as monitor:
        options = cluster.redis.access("taupectl")
        assert calls("taupectl") == []
        assert len(looks(count=3, **options)) == 3
        client.ping()
        asked = []
        mine = None
        for entry in monitor.listen():
            words = entry["command"].split()
            if words[0] == "CLIENT" and words[-1] == "taupectl":
                mine = (entry["client_address"], entry["client_port"])
            elif words[0] == "PING":
                break
            elif mine == (entry["client_address"], entry["client_port"]):
                asked.append(words)
    client.srem("taupe:devices", *names)
    asked = [words for words in asked if words[0] not in ("AUTH", "SELECT", "ROLE")]
    assert len(asked) == 4 * 3, asked  # the first look is what rates are measured from
    assert {tuple(words[:2]) for words in asked} == {
        ("ZRANGE", "taupe:relays"), ("HGETALL", "taupe:relay:r1"), ("HGETALL", "taupe:relay:r2")}


def test_alone(group):
    scene = Standalone(group, announce="200ms")
    services = SampleServices(group, "web")
    agent = scene.agent("alice", [f"web:http:{services.target('web', 'http')}"])
    stopped = []

    def visit():
        while not stopped:
            get(scene.front, agent.host(), "/bytes/1000")

    thread = Thread(visit)
    admin = f"127.0.0.1:{scene.relay.admin_port}"
    try:
        view = until("alice is seen", lambda: next(iter(
            view for view in looks("--once", admin=admin) if view["devices"]), None))
    finally:
        stopped.append(True)
        thread.get()
    assert view["devices"][0]["name"] == "alice" and view["devices"][0]["relay"] == "r1"
    assert view["relays"][0]["bits_out_per_s"] > 0
    scene.relay.process.stop()
    done = subprocess.run(argv("--once", admin=admin), capture_output=True, text=True,
                          timeout=30, check=False)
    assert done.returncode == UNAVAILABLE and admin in done.stderr and done.stdout == ""


class Screen:
    """taupectl on a terminal; what it shows is kept row by row."""

    def __init__(self, command, rows=20, columns=100):
        self.rows, self.raw = [], ""
        pid, self.fd = pty.fork()
        if pid == 0:
            os.execvpe(command[0], command, dict(os.environ, TERM="xterm"))
        self.pid = pid
        self.resize(rows, columns)

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, keys):
        os.write(self.fd, keys.encode())

    def read(self):
        if not select.select([self.fd], [], [], 0.05)[0]:
            return
        try:
            self.raw += os.read(self.fd, 65536).decode()
        except OSError:  # the terminal's other end is closed
            pass
        whole = self.raw.rpartition("\033[K\033[J")[0].rpartition("\033[H")[2]
        if whole:
            self.rows = re.sub(r"\033\[[?\d]*[A-Za-z]", "", whole).split("\r\n")

    def shows(self, what, condition):
        def look():
            self.read()
            return self.rows and condition(self.rows)
        return until(what, look)

    def end(self):
        """Its exit status; what it leaves is as it was."""
        until("it ends", lambda: self.read() or os.waitpid(self.pid, os.WNOHANG)[0] or False)
        assert self.raw.count("\033[?1049h") == self.raw.count("\033[?1049l") == 1
        assert self.raw.rstrip().endswith("\033[?1049l")


def devices_of(rows):
    start = next(i for i, row in enumerate(rows) if row.startswith("BUSIEST"))
    return [row.split()[0] for row in rows[start + 1:-1] if row.strip()]


def test_the_screen(cluster, load):
    screen = Screen(argv(**cluster.redis.access("taupectl")))
    screen.shows("both devices", lambda rows: devices_of(rows) == ["busy", "calm"])
    screen.shows("rates", lambda rows: re.search(r"out [\d.]+[kM] bit/s", rows[0]))
    assert len(screen.rows) == 20
    assert screen.rows[-1].startswith("q quit  s sorted by bytes")
    screen.press("ss")
    screen.shows("another order", lambda rows: "sorted by names" in rows[-1])
    screen.press("/cal")
    screen.shows("what is typed", lambda rows: rows[-1].startswith("names that have: cal_"))
    screen.shows("what was asked for", lambda rows: devices_of(rows) == ["calm"])
    screen.press("\177\177\177idle\r")
    screen.shows("nobody", lambda rows: devices_of(rows) == [] and "/ filter: idle" in rows[-1])
    screen.press("/\033")
    screen.shows("all again", lambda rows: len(devices_of(rows)) == 2)
    screen.resize(9, 40)
    screen.shows("a small one", lambda rows: len(rows) == 9 and max(map(len, rows)) <= 40)
    screen.press("q")
    screen.end()


def test_the_screen_outlives_redis_and_ends_by_a_signal(group):
    scene = Cluster(group, relays=1, announce="200ms")
    screen = Screen(argv(redis_timeout="300ms", **scene.redis.access("taupectl")))
    screen.shows("the relay", lambda rows: any(row.startswith("r1 ") for row in rows))
    scene.redis.process.freeze()
    screen.shows("that it is gone", lambda rows: "trying again" in rows[-1])
    assert any(row.startswith("r1 ") for row in screen.rows), "what was seen last stays"
    scene.redis.process.thaw()
    screen.shows("that it is back", lambda rows: "q quit" in rows[-1])
    os.kill(screen.pid, 15)
    screen.end()
