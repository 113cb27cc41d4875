# SPDX-License-Identifier: MIT
"""When something dies, in a network: each row of that table in docs/ARCHITECTURE.md, and bad
networks, with constant visitors that tell what they see. Every part has a host of its own, and the
devices are behind a NAT. Each scenario prints its figures in one line."""
import contextlib
import time

import pytest

from harness.load import Load, tell
from harness.network import Network
from harness.programs import SampleServices
from harness.scenes import Cluster
from harness.wait import until

DEVICES = ("dev1", "dev2")
AGENTS = 4
HEARTBEAT = 2  # seconds; the product's is 30, and a test would wait for three of them
HOLD, OPEN, PROBE = 5, 2, 2  # the product's hold, open_timeout and probe_timeout
DIAL = 10  # so long an agent waits for a connection
PATIENCE = 12  # longer than anything lets a new visitor wait, HAProxy's timeout connect twice, too
SLACK = 1.5  # what a machine with other work may add
# The delays that a real agent has.
REAL_DELAYS = {"reconnect_min": "1s", "reconnect_max": "60s", "reconnect_reset": "30s"}


class Scene:
    def __init__(self, group, relays=2, delay_ms=0, heartbeat=HEARTBEAT, agents=AGENTS, **config):
        names = [f"r{number}" for number in range(1, relays + 1)]
        self.network = network = Network(group, "visitor", "proxy", "redis", *names,
                                         devices=DEVICES, delay_ms=delay_ms)
        self.cluster = cluster = Cluster(group, relays, network=network,
                                         heartbeat=f"{heartbeat}s", log_level="info", **config)
        self.relays, self.redis = cluster.relays, cluster.redis
        self.names = {}  # host name: the name of its service, which is the agent's
        self.agents = []
        for number in range(agents):
            self.add_agent(DEVICES[number % 2], self.relays[number % relays])
        with network.hosts["visitor"].inside():
            for host in self.names:
                cluster.wait_served(host)
        self.load = None

    def add_agent(self, device, first):
        """Its host name. It tries this relay first."""
        name, space = f"{device}-{len(self.agents)}", self.network.hosts[device].space
        others = [relay for relay in self.relays if relay is not first]
        service = SampleServices(self.cluster.group, name, netns=space)
        agent = self.cluster.agent(name, [f"web:http:{service.target(name, 'http')}"],
                                   [first, *others], netns=space, log_level="info", **REAL_DELAYS)
        self.agents.append(agent)
        self.names[agent.host()] = name
        return agent.host()

    def start(self, **kwargs):
        """Visitors come, each device has a transfer, and all are served."""
        load = self.start_load(**kwargs)
        for host in self.names:
            load.add_transfers(host, 50_000_000, rate=500_000)
        load.wait_under_way()
        return load

    def start_load(self, **kwargs):
        self.load = Load(self.cluster.haproxy.http, list(self.names),
                         lambda host, number: (f"/name/{number}", f"{self.names[host]} {number}"),
                         threads=len(self.names), pause=0.02, patience=PATIENCE, **kwargs)
        return self.load

    def of(self, device):
        return {host for host, name in self.names.items() if name.startswith(device + "-")}

    def at(self, relay):
        """Hosts of the devices that are at this relay."""
        address = self.network.hosts[relay.name].address
        return {key.partition("/")[2] for key, value in self.redis.routes().items()
                if value.startswith(address + ",")}

    def finish(self, scenario, within):
        """The figures; all is well again, and was so in time."""
        load = self.load
        load.wait_calm(within + 30)
        load.stop()
        tell(load.figures(scenario))
        assert load.recovered() <= within, shown(load.asked)
        return load


@pytest.fixture(name="build")
def fixture_build(group):
    """Makes a scene, and puts the test where its visitors are."""
    with contextlib.ExitStack() as stack:
        def build(**kwargs):
            scene = Scene(group, **kwargs)
            stack.enter_context(scene.network.hosts["visitor"].inside())
            stack.callback(lambda: scene.load and scene.load.stopping.set())
            return scene
        yield build


def lasts(seconds):
    """So long the fault is there; no wait for anything to happen."""
    time.sleep(seconds)


def shown(visits):
    return "\n".join(str(visit)[:300] for visit in visits if not visit.good)


def assert_nothing_failed(load):
    assert not load.failed, shown(load.failed)
    assert not load.broken_transfers, shown(load.broken_transfers)


def assert_only(load, hosts):
    """Nobody else's visitors noticed anything."""
    others = [visit for visit in load.failed + load.broken_transfers if visit.host not in hosts]
    assert not others, shown(others)


def assert_pages(load):
    """Who came after the fault was given the page. A connection that had been used before may
    end with nothing: HAProxy and the relay have no other way to say it there."""
    for visit in load.failed:
        assert (visit.status == 503 and "retry-after" in visit.fault or visit.begin < load.began
                or (visit.kind == "kept" and "EOFError" in visit.fault)), str(visit)


def assert_held_no_longer_than_said(load):
    """The first visitors find out that the device is gone; all others wait for hold only."""
    for visit in load.asked:
        known = visit.begin > load.began + OPEN + PROBE + SLACK
        most = HOLD if known else OPEN + PROBE + HOLD
        assert visit.end - visit.begin < most + SLACK, str(visit)


# ------------------------------------------------------------------- the device's side ----

def test_agents_link_away_for_a_moment_fails_nobody(build):
    scene = build()
    load = scene.start()
    load.fault()
    scene.network.unplug("dev1")
    lasts(2)
    scene.network.plug("dev1")
    load.repaired()
    scene.finish("agent's link down for 2 s", OPEN + PROBE)
    assert_nothing_failed(load)


@pytest.mark.long
def test_agents_link_down_and_up(build):
    scene = build()
    load = scene.start()
    load.fault()
    scene.network.unplug("dev1")
    lasts(20)
    scene.network.plug("dev1")
    load.repaired()
    scene.finish("agent's link down for 20 s", DIAL + 10)
    assert_only(load, scene.of("dev1"))
    assert_pages(load)
    assert_held_no_longer_than_said(load)
    assert len(load.failed) >= 2 * len(scene.of("dev1")), "it was away"


@pytest.mark.long
def test_nat_forgets_an_idle_device(build):
    """The mapping ends while nothing is said. The first visitor makes the relay probe; the agent
    finds out with its next heartbeat."""
    heartbeat, forgets = 15, 3
    scene = build(heartbeat=heartbeat, agents=0)
    scene.network.forget_after(forgets)  # mappings that are made from now on
    scene.cluster.wait_served(scene.add_agent("dev1", scene.relays[0]))
    lasts(2 * forgets)
    load = scene.start_load()
    load.fault()
    scene.finish("NAT forgets an idle device", heartbeat + DIAL + 5)
    assert_pages(load)
    assert_held_no_longer_than_said(load)
    assert load.failed, "the mapping was lost"


@pytest.mark.long
def test_nat_loses_all_mappings(build):
    scene = build()
    load = scene.start()
    load.fault()
    scene.network.forget()
    scene.finish("NAT loses all mappings", 3 * HEARTBEAT + 5)
    assert_pages(load)
    assert_held_no_longer_than_said(load)
    assert load.failed, "the mappings were lost"


@pytest.mark.long
def test_nat_loses_all_mappings_and_resets(build):
    """Everybody is told: the agents are back before hold is over."""
    scene = build()
    scene.network.reset_unknown()
    load = scene.start()
    load.fault()
    scene.network.forget()
    scene.finish("NAT loses all mappings and resets", HOLD)
    assert_pages(load)
    assert_held_no_longer_than_said(load)


# ------------------------------------------------------------------- our side ----

@pytest.mark.long
def test_relay_stops_in_order(build):
    scene = build(drain_timeout="15s")
    load = scene.start()
    relay = scene.relays[0]
    assert scene.at(relay)
    relay.process.expected = {0}
    load.fault()
    relay.process.send_signal(15)
    until("its devices are elsewhere", lambda: not scene.at(relay), 20)
    lasts(2)
    scene.finish("relay stopped in order", SLACK)
    relay.process.ends(0, 20)
    assert_nothing_failed(load)


@pytest.mark.long
def test_relay_killed(build):
    scene = build()
    load = scene.start()
    victims = scene.at(scene.relays[0])
    scene.relays[0].process.kill()
    load.fault()
    scene.finish("relay killed", HOLD)
    assert victims
    assert_only(load, victims)
    assert_pages(load)


@pytest.mark.long
def test_relays_host_gone_without_a_word(build):
    """Nobody is told. Who was under way to it waits, as TCP does; the devices are elsewhere after
    three heartbeats and one attempt to reach the old place."""
    scene = build()
    load = scene.start()
    victims = scene.at(scene.relays[0])
    load.fault()
    scene.network.cut("r1", "proxy", "redis", "nat", "r2")
    scene.finish("relay's host gone without a word", max(3 * HEARTBEAT + DIAL + 5,
                                                         2 * PATIENCE))
    scene.network.heal("r1", "proxy", "redis", "nat", "r2")
    scene.cluster.relays[0].wait_ready()
    for host in scene.names:
        assert scene.cluster.get(host).text == scene.names[host]
    assert victims
    assert_only(load, victims)
    assert len(load.failed) <= 4 * len(victims), shown(load.failed)


@pytest.mark.long
def test_redis_killed_for_a_minute(build):
    scene = build()
    load = scene.start()
    load.fault()
    scene.redis.process.kill()
    lasts(60)
    scene.redis.start()
    load.repaired()
    for agent in scene.agents:
        scene.redis.add(agent.device)
    until("the routes are back", lambda: len(scene.redis.routes()) == len(scene.names))
    lasts(2)
    scene.finish("Redis killed for 60 s", SLACK)
    assert_nothing_failed(load)


@pytest.mark.long
def test_haproxy_killed_and_back(build):
    scene = build()
    load = scene.start()
    load.fault()
    scene.cluster.haproxy.process.kill()
    # it comes while there is no HAProxy, so that only the router can have told of it
    newcomer = scene.add_agent("dev1", scene.relays[0])
    lasts(3)
    load.repaired()
    scene.cluster.haproxy.start()
    scene.cluster.wait_served(newcomer, timeout=1 + SLACK)
    scene.finish("HAProxy killed and back", 1 + SLACK)
    for visit in load.failed:
        assert visit.status == 0, str(visit)


@pytest.mark.long
def test_router_killed_and_back(build):
    scene = build()
    load = scene.start()
    load.fault()
    scene.cluster.router.process.kill()
    newcomer = scene.add_agent("dev1", scene.relays[0])
    lasts(3)
    assert scene.cluster.get(newcomer).status == 404, "the maps stay as they were"
    load.repaired()
    scene.cluster.router.start()
    scene.cluster.wait_served(newcomer, timeout=1 + SLACK)
    scene.finish("router killed and back", SLACK)
    assert_nothing_failed(load)


@pytest.mark.long
def test_all_relays_killed_and_back(build):
    scene = build()
    load = scene.start()
    for relay in scene.relays:
        relay.process.kill()
    load.fault()
    lasts(5)
    for relay in scene.relays:
        relay.start()
    load.repaired()
    scene.finish("all relays killed and back", 20)
    assert_pages(load)
    assert load.failed


# ------------------------------------------------------------------- bad networks ----

@pytest.mark.long
def test_five_percent_of_the_devices_packets_lost(build):
    scene = build()
    load = scene.start()
    load.fault()
    scene.network.lose("nat", 5)
    lasts(20)
    assert scene.network.lost() > 100
    scene.finish("5 % loss", PATIENCE)
    assert_nothing_failed(load)


@pytest.mark.long
def test_devices_300_ms_away(build):
    scene = build(delay_ms=300)
    load = scene.start(late=3)  # a new channel, and the visit: four times there and back
    load.fault()
    lasts(20)
    scene.finish("300 ms delay in each direction", PATIENCE)
    assert_nothing_failed(load)


@pytest.mark.long
def test_relay_cut_from_redis(build):
    scene = build()
    load = scene.start()
    assert scene.at(scene.relays[0])
    load.fault()
    scene.network.cut("r1", "redis")
    lasts(20)
    scene.network.heal("r1", "redis")
    until("it is announced again", lambda: scene.redis.client.exists("taupe:relay:r1"), 30)
    lasts(3)
    scene.finish("relay cut from Redis for 20 s", SLACK)
    assert_nothing_failed(load)


@pytest.mark.long
def test_relay_cut_from_agents(build):
    """Its devices are served by the other one while it is still cut off. They try it twice: as
    the place where they were, and because the other one, which cannot know, sends them there."""
    scene = build()
    load = scene.start()
    victims = scene.at(scene.relays[0])
    load.fault()
    scene.network.cut("r1", "nat")
    scene.finish("relay cut from agents", 3 * HEARTBEAT + 2 * DIAL + HOLD + 5)
    scene.network.heal("r1", "nat")
    assert victims
    assert_only(load, victims)
    assert_pages(load)
    assert_held_no_longer_than_said(load)


@pytest.mark.long
def test_relay_cut_from_haproxy(build):
    """Nothing of ours leads around it. Who comes over a connection that stood waits for TCP."""
    scene = build()
    load = scene.start()
    victims = scene.at(scene.relays[0])
    load.fault()
    scene.network.cut("r1", "proxy")
    lasts(25)
    scene.network.heal("r1", "proxy")
    load.repaired()
    scene.finish("relay cut from HAProxy for 25 s", PATIENCE + SLACK)
    assert victims
    assert_only(load, victims)
    for visit in load.failed:
        assert visit.end - visit.begin < PATIENCE + SLACK and (
            visit.status == 503 or visit.kind == "kept" or "timed out" in visit.fault), str(visit)
