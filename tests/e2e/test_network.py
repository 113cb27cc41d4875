# SPDX-License-Identifier: MIT
"""When something dies, in a network: each row of that table in docs/ARCHITECTURE.md, and bad
networks, with constant visitors that tell what they see. Each part has a host of its own, the
devices are behind a NAT."""
import contextlib
import time

import pytest

from harness.load import Load, tell
from harness.network import Network
from harness.programs import SampleServices
from harness.scenes import Cluster
from harness.visitors import get
from harness.wait import until

DEVICES = ("dev1", "dev2")
AGENTS = 4
HEARTBEAT = 2  # seconds; the product's is 30, and a test would wait for three of them
HOLD, OPEN, PROBE = 5, 2, 2  # the product's hold, open_timeout and probe_timeout
SLACK = 1.5  # what a machine with other work may add to a delay
# The delays that a real agent has.
REAL_DELAYS = {"reconnect_min": "1s", "reconnect_max": "60s", "reconnect_reset": "30s"}


class Scene:
    def __init__(self, group, relays=2, delay_ms=0, heartbeat=HEARTBEAT, **config):
        names = [f"r{number}" for number in range(1, relays + 1)]
        self.network = network = Network(group, "visitor", "proxy", "redis", *names,
                                         devices=DEVICES, delay_ms=delay_ms)
        self.cluster = cluster = Cluster(group, relays, network=network,
                                         heartbeat=f"{heartbeat}s", log_level="info", **config)
        self.relays = cluster.relays
        self.services = {name: SampleServices(group, name, netns=network.hosts[name].space)
                         for name in DEVICES}
        self.names = {}  # host name: which service answers
        # none begins where the one before it does
        self.agents = [self.agent(f"d{number}", DEVICES[number % 2], number, start=False)
                       for number in range(AGENTS)]
        for agent in self.agents:
            agent.start(wait=False)
        for agent in self.agents:
            self.add_name(agent)

    def agent(self, name, device, first, **kwargs):
        relays = self.relays[first % len(self.relays):] + self.relays[:first % len(self.relays)]
        return self.cluster.agent(
            name, [f"web:http:{self.services[device].target(device, 'http')}"], relays,
            netns=self.network.hosts[device].space, log_level="info", **REAL_DELAYS, **kwargs)

    def add_name(self, agent):
        agent.wait_connected()
        self.names[agent.host()] = "dev1" if "dev1" in agent.netns else "dev2"
        return agent.host()

    def start_load(self, hosts=None, **kwargs):
        return Load(self.cluster.haproxy.http, hosts or list(self.names),
                    lambda host, number: (f"/name/{number}", f"{self.names[host]} {number}"),
                    threads=AGENTS, pause=0.02, **kwargs)

    def start(self, size=30_000_000, rate=500_000):
        """The visitors. From here on we are in their network."""
        for host in self.names:
            self.cluster.wait_served(host, "/name")
        self.load = self.start_load()
        for host in self.names:
            self.load.add_transfer(host, size, rate)
        self.load.wait_under_way()
        return self

    def at(self, relay):
        """Hosts of the devices that are at this relay."""
        address = self.network.hosts[relay.name].address
        return {key.partition("/")[2] for key, value in self.cluster.redis.routes().items()
                if value.startswith(address + ",")}

    def finish(self, scenario, within, timeout=90):
        """The figures; all is well again, and was so in time."""
        load = self.load
        load.wait_calm(timeout)
        load.stop()
        tell(load.figures(scenario))
        assert load.recovered() <= within
        return load


@pytest.fixture(name="build")
def fixture_build(group):
    """Makes a scene, starts its visitors, and puts the test into their network."""
    with contextlib.ExitStack() as stack:
        def build(**kwargs):
            scene = Scene(group, **kwargs)
            stack.enter_context(scene.network.hosts["visitor"].inside())
            scene.start()
            stack.callback(scene.load.stopping.set)
            return scene
        yield build


def assert_nothing_failed(load):
    assert not load.failed, "\n".join(map(str, load.failed[:20]))
    assert not load.broken_transfers, load.broken_transfers


def assert_held_then_503(load, most=OPEN + PROBE + HOLD):
    """Nobody waited for longer than that, and nobody got anything but the page."""
    for visit in load.failed:
        assert visit.status == 503, str(visit)
        assert "retry-after" in visit.fault, str(visit)
    slowest = max((visit.end - visit.begin for visit in load.asked), default=0)
    assert slowest < most + SLACK, slowest


def pause(seconds):
    """The fault lasts: this is no waiting for something to happen."""
    time.sleep(seconds)


def test_agents_link_down_and_up(build):
    scene = build()
    scene.load.mark()
    scene.network.unplug("dev1")
    pause(20)
    scene.network.plug("dev1")
    scene.load.mark()
    load = scene.finish("agent's link down for 20 s", 60)
    for visit in load.failed[:5]+load.failed[-5:]: print(visit)
    print(sorted(set(round(v.end-v.begin,1) for v in load.asked if not v.good)))


def test_short(build):
    scene = build()
    scene.load.mark()
    scene.network.unplug("dev1")
    pause(3)
    scene.network.plug("dev1")
    scene.load.mark()
    load = scene.finish("agent's link down for 3 s", 60)
    print(sorted(set(round(v.end-v.begin,1) for v in load.asked if not v.good)))
