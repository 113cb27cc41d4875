# SPDX-License-Identifier: MIT
"""Relays that stop, drain and come back while visitors are there: nobody notices."""
import collections
import os
import threading
import time

import pytest

from harness.process import Process, Thread, binary
from harness.programs import SampleServices
from harness.scenes import Cluster
from harness.visitors import Connection, get
from harness.wait import until
from test_fleet import Fleet

RELAYS = 3
AGENTS = int(os.environ.get("TAUPE_ROLLING_AGENTS", "44"))
REAL = 6
VISITORS = 6  # of each sort


class Load:
    """Visitors that ask for ever, over connections that they keep and over new ones, and
    requests that take a second and more."""

    def __init__(self, cluster, names, slow_hosts, services):
        self.cluster, self.names, self.slow_hosts = cluster, names, slow_hosts
        self.services = services
        self.stopping = threading.Event()
        self.counts, self.failed, self.lock = collections.Counter(), [], threading.Lock()
        hosts = sorted(names)
        self.threads = [Thread(kind, hosts[number::VISITORS]) for number in range(VISITORS)
                        for kind in (self.keep, self.renew)]
        self.threads += [Thread(self.wait, host, number)
                         for number, host in enumerate(slow_hosts)]

    def count(self, kind, host, took, fault=None):
        with self.lock:
            self.counts[kind] += 1
            if fault:
                self.failed.append(f"{time.monotonic():.3f} {kind} {host} {took:.3f} s: {fault}")

    def rounds(self, hosts):
        while not self.stopping.is_set():
            for host in hosts:
                if self.stopping.wait(0.005):
                    return
                yield host

    def ask(self, kind, host, do, right):
        start, fault = time.monotonic(), None
        try:
            answer = do()
            if answer.status != 200 or not right(answer):
                fault = repr(answer)
        except (OSError, EOFError, ValueError, IndexError) as error:
            fault = repr(error)
        self.count(kind, host, time.monotonic() - start, fault)

    def keep(self, hosts):
        """Keep-alive: one connection to HAProxy for each of some hosts."""
        connections = {host: Connection(self.cluster.haproxy.http, host) for host in hosts}
        for host in self.rounds(hosts):
            self.ask("kept", host, lambda: connections[host].get("/name"),
                     lambda answer: answer.text == self.names[host])
        for connection in connections.values():
            connection.close()

    def renew(self, hosts):
        for host in self.rounds(hosts):
            self.ask("new", host, lambda: get(self.cluster.haproxy.http, host, "/name"),
                     lambda answer: answer.text == self.names[host])

    def wait(self, host, number):
        turn = 0
        while not self.stopping.is_set():
            key, turn = f"slow-{number}-{turn}", turn + 1
            opener = threading.Timer(1.5, get, (
                self.services.address("web", "http"), "direct", f"/gate/{key}/open"))
            opener.start()
            self.ask("long", host, lambda: get(self.cluster.haproxy.http, host, f"/gate/{key}"),
                     lambda answer: answer.text == f"gate {key}")
            opener.join()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.get()


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
        return Load(self.cluster, self.names, [agent.host() for agent in self.agents],
                    self.services)

    def spread(self):
        return [int(relay.metrics()["taupe_relay_agents"]) for relay in self.cluster.relays]

    def total(self):
        return len(self.names)


def handed_over(relay):
    return int(relay.metrics()["taupe_relay_visits_handed_over_total"])


def test_rolling_restart_of_all_relays_fails_no_request(group):
    scene = Scene(group, RELAYS, drain_timeout="12s")
    load = scene.load()
    until("all sorts of visitors are there", lambda: len(load.counts) == 3, 20)
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
    load.stop()
    slowest = max(took)
    print(f"rolling restart: {sum(load.counts.values())} requests, {len(load.failed)} failed, "
          f"{passed_on} handed over at most at a relay, {dict(load.counts)}, "
          f"{scene.total()} devices, slowest stop {slowest:.1f} s")
    assert not load.failed, "\n".join(load.failed[:20])
    # no longer than the proxy's resting connections may keep it
    assert slowest < 12 + 5


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
