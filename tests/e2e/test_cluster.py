# SPDX-License-Identifier: MIT
"""Several relays: how agents spread, what they follow, and where they go when a relay dies."""
import re
import time

import pytest

from harness.fakes import Dns, Server, redirect, tls_context
from harness.programs import Agent, Certificate, Device, SampleServices
from harness.scenes import Cluster
from harness.visitors import get
from harness.wait import stays, until

AGENTS = 40
# The delays that a real agent has.
REAL_DELAYS = {"reconnect_min": "1s", "reconnect_max": "60s", "reconnect_reset": "30s"}


class Scene:
    def __init__(self, group):
        self.group = group
        self.services = SampleServices(group, "web")
        self.cluster = Cluster(group, relays=2)
        web = [f"web:http:{self.services.target('web', 'http')}"]
        devices = [self.cluster.device(f"d{number}") for number in range(AGENTS)]
        # All know one relay only: the relays have to spread them.
        self.agents = [self.cluster.agent(device, web, relays=self.cluster.relays[:1],
                                          start=False, log_level="info", **REAL_DELAYS)
                       for device in devices]
        for agent in self.agents:
            agent.start(wait=False)
        for agent in self.agents:
            agent.wait_connected(timeout=60)

    def loads(self):
        """Agents per relay, as each relay counts them."""
        return [int(relay.metrics()["taupe_relay_agents"]) for relay in self.cluster.relays
                if relay.process.running()]


@pytest.fixture(scope="module")
def scene(module_group):
    return Scene(module_group)


def test_40_agents_at_once_spread_within_10_percent_over_2_relays(scene):
    until("all are counted", lambda: sum(scene.loads()) == AGENTS)
    loads = scene.loads()
    print("agents per relay:", loads)
    mean = AGENTS / 2
    assert all(abs(load - mean) <= 0.1 * mean for load in loads), loads


def test_no_agent_followed_more_than_two_redirects(scene):
    counts = [len(agent.process.lines("redirected")) for agent in scene.agents]
    print("redirects per agent:", counts)
    assert max(counts) <= 2
    assert sum(counts) >= AGENTS * 0.4, "about half had to go elsewhere"


def test_every_device_is_reached_whichever_relay_it_is_at(scene):
    for agent in scene.agents:
        assert scene.cluster.wait_served(agent.host()).text == "web"


def test_relay_killed_all_its_agents_are_on_the_other_with_the_same_urls_in_five_seconds(scene):
    hosts = [agent.host() for agent in scene.agents]
    for host in hosts:
        scene.cluster.wait_served(host)
    scene.cluster.relays[0].process.kill()
    start = time.monotonic()
    waiting = list(hosts)
    while waiting:
        waiting = [host for host in waiting if scene.cluster.get(host).status != 200]
        took = time.monotonic() - start
        assert took < 5, f"{len(waiting)} of {AGENTS} not served {took:.1f} s after the kill"
    print(f"all {AGENTS} served again {took:.2f} s after the kill")
    assert [agent.host() for agent in scene.agents] == hosts
    assert int(scene.cluster.relays[1].metrics()["taupe_relay_agents"]) == AGENTS


def test_dead_relay_disappears_from_the_registry(scene):
    client = scene.cluster.redis.client
    until("its announcement expires", lambda: not client.exists("taupe:relay:r1"))
    until("it leaves the list", lambda: client.zscore("taupe:relays", "r1") is None)


def test_relay_that_stops_in_order_moves_its_agents_first(group):
    services = SampleServices(group, "web")
    cluster = Cluster(group, relays=2, drain_timeout="6s")
    web = [f"web:http:{services.target('web', 'http')}"]
    agents = [cluster.agent(f"d{number}", web) for number in range(6)]
    hosts = [agent.host() for agent in agents]
    for host in hosts:
        cluster.wait_served(host)
    # A visit that runs while its relay leaves.
    running = [cluster.visit(host) for host in hosts]
    for visit in running:
        visit.send_head("GET", "/gate/move")
    until("the visits have arrived", lambda: ask(services, "/gate/move/count") == "6")
    leaving, staying = cluster.relays
    leaving.process.expected = {0}
    leaving.process.send_signal(15)
    until("all agents are at the other",
          lambda: int(staying.metrics()["taupe_relay_agents"]) == len(agents), 10)
    for host in hosts:
        assert cluster.get(host).status == 200
    ask(services, "/gate/move/open")
    assert [visit.read_answer().text for visit in running] == ["gate move"] * len(hosts)
    for visit in running:
        visit.close()
    leaving.process.ends(0, 20)


def ask(services, path):
    return get(services.address("web", "http"), "direct", path).text


def test_agents_reach_every_relay_by_its_host_through_haproxys_one_tls_door(group):
    """A redirect's host leads to that very relay, and a new relay needs no change of HAProxy."""
    services = SampleServices(group, "web")
    cluster = Cluster(group, relays=0)
    door = cluster.haproxy.tls[1]
    web = [f"web:http:{services.target('web', 'http')}"]
    with Dns() as dns:
        for name in ("r1", "r2"):
            cluster.relays.append(cluster.add_relay(
                name, agent_url=f"wss://{name}.example.test:{door}"))
        until("both relays are routed", lambda: set(cluster.haproxy.routes("relay")) == {
            "r1.example.test", "r2.example.test"})
        until("the relays know each other", lambda: all(
            len(relay.api("relays")["relays"]) == 2 for relay in cluster.relays))
        agents = [cluster.agent(f"d{number}", web, relays=cluster.relays[:1], dns=dns.address,
                                ca_file=cluster.haproxy.certificate.ca)
                  for number in range(6)]
        for agent in agents:
            assert cluster.wait_served(agent.host()).text == "web"
        until("three are at each", lambda: [
            int(relay.metrics()["taupe_relay_agents"]) for relay in cluster.relays] == [3, 3])
        redirected = [agent for agent in agents if agent.process.lines("redirected")]
        assert len(redirected) == 3
        assert f"wss://r2.example.test:{door}" in redirected[0].process.lines("redirected")[0]
        # A third relay appears, and takes over what the others leave.
        third = cluster.add_relay("r3", agent_url=f"wss://r3.example.test:{door}")
        until("all know of it", lambda: all(
            len(relay.api("relays")["relays"]) == 3 for relay in cluster.relays))
        newcomer = cluster.agent("newcomer", web, relays=cluster.relays[:1], dns=dns.address,
                                 ca_file=cluster.haproxy.certificate.ca)
        assert cluster.wait_served(newcomer.host()).text == "web"
        assert int(third.metrics()["taupe_relay_agents"]) == 1


class Lured:
    """An agent whose relay is a fake that redirects it; and somebody who waits where it leads."""

    def __init__(self, group, location, host="127.0.0.2", certificate=None, **config):
        self.device = Device("lured")
        self.bait = Server(lambda sock, server: server.read_head(sock), host=host)
        context = tls_context(certificate) if certificate else None
        self.relay = Server(redirect(lambda head: location(self, head)), context=context)
        self.agent = Agent(group, self.device, [self.relay.url], ["web:http:127.0.0.1:1"],
                           start=False, **config)
        self.agent.start(wait=False)

    def close(self):
        self.relay.close()
        self.bait.close()

    def assert_not_followed(self):
        until("the agent was redirected twice", lambda: len(self.relay.heads) >= 2)
        line = self.agent.process.wait_line("level=", "redirect")
        assert "refused" in line or "not allowed" in line, line
        stays("nobody came to the bait", lambda: self.bait.connections == 0, 0.5)
        assert self.device.secret not in self.agent.process.text()


def query_of(head):
    return head.split(" ")[1].partition("?")[2]


def test_redirect_out_of_the_allowed_hosts_is_refused_logged_and_gets_no_secret(group):
    lured = Lured(group, lambda self, head:
                  f"ws://127.0.0.2:{self.bait.address[1]}/v1/control?{query_of(head)}&hops=1")
    lured.assert_not_followed()
    lured.close()


@pytest.mark.parametrize("host", ["example.test.evil.test", "badexample.test", "test"])
def test_redirect_to_a_lookalike_of_the_domain_is_refused(group, host):
    lured = Lured(group, lambda self, head:
                  f"ws://{host}:{self.bait.address[1]}/v1/control?{query_of(head)}&hops=1")
    lured.assert_not_followed()
    lured.close()


def test_redirect_from_wss_to_ws_is_refused_logged_and_gets_no_secret(group):
    certificate = Certificate(group.folder / "relay", "127.0.0.1")
    lured = Lured(group, lambda self, head:
                  f"ws://127.0.0.1:{self.bait.address[1]}/v1/control?{query_of(head)}&hops=1",
                  host="127.0.0.1", certificate=certificate, ca_file=certificate.ca)
    lured.assert_not_followed()
    lured.close()


def test_endless_redirects_end_after_five_hops(group):
    device = Device("lured")
    hops = []

    def location(head):
        found = re.search(r"[?&]hops=(\d+)", head.split(" ")[1])
        hops.append(int(found.group(1)) if found else 0)
        return f"{relay.url}/v1/control?{query_of(head).split('&hops')[0]}&hops={hops[-1] + 1}"

    relay = Server(redirect(location))
    agent = Agent(group, device, [relay.url], ["web:http:127.0.0.1:1"], start=False)
    agent.start(wait=False)
    agent.process.wait_line("level=", "too many redirects")
    until("it starts over", lambda: hops.count(0) >= 2)
    first = hops[:hops.index(0, 1)]
    assert first == [0, 1, 2, 3, 4, 5]
    relay.close()


def test_redirect_without_sense_is_a_failed_attempt_and_nothing_else(group):
    device = Device("lured")
    places = iter(["", "nonsense", "http://", "ws://127.0.0.1:0/", "ws://127.0.0.1:99999/x",
                   "ws://user@127.0.0.1/v1/control", "ftp://127.0.0.1/", "ws://" + "a" * 3000])
    relay = Server(redirect(lambda head: next(places, "//")))
    agent = Agent(group, device, [relay.url], ["web:http:127.0.0.1:1"], start=False,
                  reconnect_min="5ms", reconnect_max="20ms")
    agent.start(wait=False)
    until("all were tried", lambda: len(relay.heads) >= 9, 20)
    assert agent.process.running()
    relay.close()


def test_wss_agent_refuses_a_certificate_of_another_name_or_authority(group):
    right = Certificate(group.folder / "right", "127.0.0.1")
    for name, certificate, ca in [
            ("name", Certificate(group.folder / "other", "relay.example.test"), None),
            ("authority", right, Certificate(group.folder / "else", "127.0.0.1").ca)]:
        relay = Server(lambda sock, server: server.read_head(sock),
                       context=tls_context(certificate))
        agent = Agent(group, Device(f"tls-{name}"), [relay.url], ["web:http:127.0.0.1:1"],
                      start=False, ca_file=ca or certificate.ca)
        agent.start(wait=False)
        agent.process.wait_line("certificate")
        assert not relay.heads, "nothing was sent, least of all the secret"
        relay.close()
