# SPDX-License-Identifier: MIT
"""Relays that stop, drain and come back while visitors are there: nobody notices."""
import threading
import time

import pytest

from harness.load import Load, tell
from harness.process import Process, binary
from harness.programs import SampleServices
from harness.scenes import Cluster
from harness.visitors import get
from harness.wait import until
from test_fleet import Fleet

RELAYS = 3
AGENTS, MANY_AGENTS = 44, 194  # of the fleet
REAL = 6
DRAIN = 12  # seconds
VISITORS = 6  # of each sort


class Scene:
    def __init__(self, group, relays, agents=AGENTS, real=REAL, **config):
        self.services = SampleServices(group, "web")
        self.cluster = cluster = Cluster(group, relays=relays, log_level="info", **config)
        web = [f"web:http:{self.services.target('web', 'http')}"]
        self.fleet = Fleet(group, cluster.relays, window=20, agents=agents)
        self.fleet.register(cluster.redis)
        self.fleet.start().wait_complete()
        self.agents = [cluster.agent(f"real{number}", web, log_level="info")
                       for number in range(real)]
        self.names = {f"{label}.example.test": name
                      for name, label in self.fleet.labels().items()}
        self.names.update({agent.host(): "web" for agent in self.agents})
        for host in self.names:
            cluster.wait_served(host)

    def load(self):
        """Visitors of all devices; those of the real ones also ask what takes more than a second,
        and download for longer than that."""
        load = Load(self.cluster.haproxy.http, sorted(self.names),
                    lambda host, number: ("/name", self.names[host]), VISITORS)
        for number, agent in enumerate(self.agents):
            load.add(self.wait_at_gates, load, agent.host(), number)
            load.add_transfers(agent.host(), 5_000_000, rate=2_000_000)
        return load

    def wait_at_gates(self, load, host, number):
        turn = 0
        while not load.stopping.is_set():
            key, turn = f"slow-{number}-{turn}", turn + 1
            opener = threading.Timer(1.5, get, (
                self.services.address("web", "http"), "direct", f"/gate/{key}/open"))
            opener.start()
            load.ask("long", host, lambda answer: answer.text == f"gate {key}",
                     lambda: get(self.cluster.haproxy.http, host, f"/gate/{key}"))
            opener.join()

    def spread(self):
        return [int(relay.metrics()["taupe_relay_agents"]) for relay in self.cluster.relays]

    def total(self):
        return len(self.names)


def handed_over(relay):
    return int(relay.metrics()["taupe_relay_visits_handed_over_total"])


def roll(scene):
    """Restart one relay after the other: how long each took to stop, and how many visitors one of
    them has led on, at most."""
    took, passed_on = [], 0
    for relay in scene.cluster.relays:
        relay.process.expected = {0}
        start = time.monotonic()
        relay.process.send_signal(15)
        while relay.process.running():
            try:
                passed_on = max(passed_on, handed_over(relay))
            except OSError:
                pass
            time.sleep(0.05)
            assert time.monotonic() - start < 60
        took.append(time.monotonic() - start)
        assert relay.process.popen.returncode == 0
        relay.start()
        until("all agents are somewhere",
              lambda: sum(scene.spread()) == scene.total(), 30)
    return took, passed_on


@pytest.mark.long  # a minute: each stop waits for what the proxy keeps open
@pytest.mark.parametrize("agents", [AGENTS, MANY_AGENTS])
def test_rolling_restart_of_all_relays_fails_no_request(group, agents):
    scene = Scene(group, RELAYS, agents=agents, drain_timeout=f"{DRAIN}s")
    load = scene.load()
    load.wait_under_way()
    until("all sorts of visitors are there", lambda: load.of("long"), 20)
    took, passed_on = roll(scene)
    load.stop()
    slow, transfers = load.of("long"), load.of("transfer")
    tell(load.figures(f"rolling restart of {RELAYS} relays with {scene.total()} devices",
                      recovery=False) +
         f", {len(slow)} slow requests, {passed_on} handed over at most at a relay, "
         f"slowest stop {max(took):.1f} s")
    wrong = [visit for visit in load.failed + slow + transfers if visit.fault]
    assert not wrong, "\n".join(map(str, wrong[:20]))
    assert len(transfers) >= REAL * RELAYS
    # no longer than the proxy's resting connections may keep it
    assert max(took) < DRAIN + 5


def test_operator_drains_a_relay_and_takes_it_back(group):
    scene = Scene(group, 2, agents=20, real=1)
    first, second = scene.cluster.relays
    redis = scene.cluster.redis

    def ctl(*words):
        access = redis.access("taupectl")
        argv = [binary("taupectl")] + [
            word for key, value in access.items()
            for word in (f"--{key.replace('_', '-')}", str(value))]
        process = Process(group, f"ctl-{'-'.join(words)}", [*argv, *words])
        process.expected = {0, 69}
        process.popen.wait(20)
        return process.popen.returncode, process.text()

    assert ctl("relay", "drain", "nowhere")[0] == 69
    assert ctl("relay", "drain", "r1")[0] == 0
    until("all have moved", lambda: scene.spread() == [0, scene.total()], 20)
    assert first.admin("/readyz")[0] == 503
    code, table = ctl("relay", "ls")
    assert code == 0 and any("r1" in line and "draining" in line
                             for line in table.splitlines()), table
    for host in scene.names:
        assert scene.cluster.get(host).status == 200
    assert ctl("relay", "undrain", "r1")[0] == 0
    until("it serves again", first.ready)
    newcomers = [scene.cluster.agent(f"new{number}", ["web:http:127.0.0.1:1"],
                                     relays=[second]) for number in range(2)]
    until("it takes agents", lambda: scene.spread()[0] >= len(newcomers))


def test_relay_told_twice_stops_at_once_and_cuts_visits(group):
    services = SampleServices(group, "web")
    cluster = Cluster(group, relays=1, drain_timeout="60s")
    agent = cluster.agent("d", [f"web:http:{services.target('web', 'http')}"])
    cluster.wait_served(agent.host())
    with cluster.visit(agent.host()) as visit:
        visit.send_head("GET", "/gate/cut")
        until("the visit has arrived", lambda: get(
            services.address("web", "http"), "direct", "/gate/cut/count").text == "1")
        process = cluster.relay.process
        process.send_signal(15)
        process.wait_line("draining")
        assert process.running()
        process.send_signal(15)
        process.ends(0, 10)
        with pytest.raises((OSError, EOFError, AssertionError)):
            assert visit.read_answer().status == 200


def test_visitor_at_the_old_place_of_a_device_is_led_to_the_new_one(group):
    """As a proxy that has not heard of the move yet."""
    services = SampleServices(group, "web")
    cluster = Cluster(group, relays=2, drain_timeout="10s")
    agent = cluster.agent("d", [f"web:http:{services.target('web', 'http')}"])
    cluster.wait_served(agent.host())
    key = f"http/{agent.host()}"
    ip, port, _ = cluster.redis.routes()[key].split(",")
    old = next(relay for relay in cluster.relays if relay.api("status")["agents"] == 1)
    # keeps the old relay there when its agents have gone
    with cluster.visit(agent.host()) as running:
        running.send_head("GET", "/gate/stay")
        old.process.expected = {0}
        old.process.send_signal(15)
        until("the session is elsewhere", lambda: old.api("status")["agents"] == 0)
        answer = get((ip, int(port)), agent.host(), "/name")
        assert (answer.status, answer.text) == (200, "web")
        assert old.metrics()["taupe_relay_visits_handed_over_total"] == 1
        get(services.address("web", "http"), "direct", "/gate/stay/open")
        assert running.read_answer().text == "gate stay"
    old.process.ends(0, 20)
