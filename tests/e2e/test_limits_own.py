# SPDX-License-Identifier: MIT
"""A device's own limits: from taupectl to its visitors, with either registry, while it is
connected."""
import json
import re
import subprocess
import time

import pytest

from harness import ports
from harness.process import binary
from harness.programs import Agent, Device, Redis, Relay, SampleServices
from harness.visitors import Connection, get
from harness.wait import until

HOST = "alice.example.test"
DATAERR, NOUSER, USAGE = 65, 67, 64


class Scene:
    def __init__(self, group, registry, *words, **config):
        if registry == "redis":
            self.redis = Redis(group)
            access, self.options = [self.redis.access(name) for name in ("taupe-relay", "taupectl")]
        else:
            access = self.options = {"devices_file": group.folder / "devices"}
        self.device = Device("alice")
        self.device.secret = self.ctl("device", "add", "alice", "--label", "alice", *words).strip()
        block = ports.take_block(group.exits)
        self.relay = Relay(group, announce="100ms",
                           service_listen=f"127.0.0.1:{block}-{block + ports.BLOCK - 1}",
                           **access, **config)
        services = SampleServices(group, "home")
        self.agent = Agent(group, self.device, [self.relay],
                           [f"web:http:{services.target('home', 'http')}"])
        self.agent.wait_connected()
        value = self.relay.api("routes")["routes"][0]["value"]
        self.address = "127.0.0.1", int(value.split(",")[1])

    def run(self, *words):
        argv = [binary("taupectl"), "--config", "/dev/null"]
        for key, value in self.options.items():
            argv += ["--" + key.replace("_", "-"), str(value)]
        return subprocess.run([*argv, *words], capture_output=True, text=True, timeout=30,
                              check=False)

    def ctl(self, *words):
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def limits(self):
        return json.loads(self.ctl("--json", "device", "show", "alice"))["limits"]

    def visit(self):
        return Connection(self.address, HOST)

    def get(self, path="/name"):
        return get(self.address, HOST, path)


@pytest.fixture(params=["memory", "redis"])
def registry(request):
    return request.param


def test_own_limits_hold_instead_of_the_relays(group, registry):
    scene = Scene(group, registry, "--max-visitors", "2", max_visitors=1, visitor_rate=1,
                  visitor_burst=3)
    assert scene.limits() == {"max_visitors": 2}
    with scene.visit() as one, scene.visit() as two:
        assert one.get("/name").status == two.get("/name").status == 200
        assert scene.get().status == 503
    # what is not set is the relay's
    until("its rate is used up", lambda: scene.get().status == 503 and scene.relay.metrics()[
        "taupe_relay_visits_over_rate_total"] > 0)


def test_limits_change_while_the_device_is_connected(group, registry):
    scene = Scene(group, registry, max_visitors=1)
    epoch = scene.relay.api("relay/devices")["devices"][0]["epoch"]
    with scene.visit() as first:
        assert first.get("/name").status == 200
        assert scene.get().status == 503
        scene.ctl("device", "set", "alice", "--max-visitors", "2", "--device-rate", "200k")
        until("two may come", lambda: scene.get().status == 200)
    assert scene.limits() == {"max_visitors": 2, "device_rate": 204800}
    assert "max_visitors 2, device_rate 204800" in scene.ctl("device", "show", "alice")
    start = time.monotonic()
    assert scene.get(f"/bytes/{204800}").length == 204800
    assert time.monotonic() - start > 0.6, "a quarter comes at once, the rest at its rate"
    scene.ctl("device", "set", "alice", "--max-visitors", "default", "--device-rate", "default")
    assert scene.limits() == {}
    with scene.visit() as first:
        assert first.get("/name").status == 200
        until("one is enough", lambda: scene.get().status == 503)
    until("the rate has gone", lambda: timed(lambda: scene.get("/bytes/4096000")) < 2)
    assert scene.relay.api("relay/devices")["devices"][0]["epoch"] == epoch, "its session went on"


def timed(action):
    start = time.monotonic()
    action()
    return time.monotonic() - start


def test_own_limits_outlast_a_reconnect_while_the_registry_is_away(group):
    scene = Scene(group, "redis", "--max-visitors", "1", redis_timeout="300ms")
    scene.redis.process.freeze()
    try:
        until("the relay misses Redis", lambda: scene.relay.admin("/readyz")[0] == 503)
        scene.agent.process.stop()
        scene.agent.start()
        with scene.visit() as first:
            assert first.get("/name").status == 200
            assert scene.get().status == 503
    finally:
        scene.redis.process.thaw()


def test_wrong_limits_are_refused_with_what_is_allowed(group, registry):
    scene = Scene(group, registry)
    for status, message, words in (
            (DATAERR, "max_visitors: .*1 to 1000000.* or default", ("--max-visitors", "0")),
            (DATAERR, "device_rate: .* or default", ("--device-rate", "fast")),
            (USAGE, "device set needs what to set", ())):
        done = scene.run("device", "set", "alice", *words)
        assert done.returncode == status
        assert re.search(message, done.stderr), done.stderr
    assert scene.run("device", "set", "bob", "--max-visitors", "1").returncode == NOUSER
    assert scene.run("device", "rm", "alice", "--max-visitors", "1").returncode == USAGE
    assert scene.limits() == {}
