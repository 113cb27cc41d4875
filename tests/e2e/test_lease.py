# SPDX-License-Identifier: MIT
"""What becomes of a device's name and ports when it goes, comes back, or does not."""
import time

import pytest

from harness.process import Thread
from harness.programs import SampleServices
from harness.scenes import Cluster, wait_tcp
from harness.visitors import tcp_ask, tcp_outcome
from harness.wait import until


class Scene:
    def __init__(self, group, **config):
        self.group = group
        self.services = SampleServices(group, "web")
        self.cluster = Cluster(group, **config)
        self.agent = self.cluster.agent("alice", [
            f"web:http:{self.services.target('web', 'http')}",
            f"raw:tcp:{self.services.target('web', 'tcp')}"])
        self.host = self.agent.host()
        self.cluster.wait_served(self.host)
        self.tcp = self.cluster.public_address(self.agent, "raw")
        wait_tcp(self.tcp)

    def kill_agent(self):
        """Gone, and the relay has noticed."""
        before = len(self.cluster.relay.process.lines("session closed"))
        self.agent.kill()
        until("the relay misses the agent",
              lambda: len(self.cluster.relay.process.lines("session closed")) > before)


@pytest.fixture(scope="module")
def scene(module_group):
    """A hold of three seconds, a lease that outlasts every test of this file."""
    return Scene(module_group, hold="3s", lease="10m")


def test_held_visitor_is_served_when_the_device_is_back_in_time(scene):
    scene.kill_agent()
    before = held(scene)
    visitors = [Thread(scene.cluster.get, scene.host), Thread(tcp_ask, scene.tcp, "NAME")]
    until("both visitors are held", lambda: held(scene) >= before + 2)
    scene.agent.start()
    assert visitors[0].get().text == "web"
    assert visitors[1].get() == "web"


def held(scene):
    return scene.cluster.relay.metrics()["taupe_relay_visits_held_total"]


def test_visitor_of_an_absent_device_gets_503_with_retry_after_and_the_page(scene):
    scene.kill_agent()
    start = time.monotonic()
    answer = scene.cluster.get(scene.host)
    took = time.monotonic() - start
    assert answer.status == 503
    assert int(answer.header("retry-after")) > 0
    assert "<html" in answer.text.lower()
    assert 2.5 < took < 6, "held for the configured three seconds"
    scene.agent.start()


def test_tcp_visitor_of_an_absent_device_gets_a_reset(scene):
    scene.kill_agent()
    how, got = tcp_outcome(scene.tcp, b"NAME\n")
    assert got == b"" and how in ("reset", "end")
    # Straight at the relay's listener, without HAProxy in between, it is a reset.
    address, port, _epoch = scene.cluster.redis.routes()[f"tcp/{scene.tcp[1]}"].split(",")
    assert tcp_outcome((address, int(port)), b"NAME\n") == ("reset", b"")
    scene.agent.start()


def test_back_within_the_lease_has_the_same_label_and_ports(scene):
    host, port = scene.host, scene.tcp[1]
    for _ in range(3):
        scene.kill_agent()
        scene.agent.start()
        assert scene.agent.host() == host
        assert scene.agent.port("raw") == port
        assert scene.cluster.wait_served(host).text == "web"
        assert wait_tcp(scene.tcp) == "web"


def test_back_without_its_state_file_has_the_same_label(scene):
    scene.kill_agent()
    scene.agent.state_file.unlink()
    scene.agent.start()
    assert scene.agent.host() == scene.host


def test_flapping_device_does_not_touch_the_routes(scene):
    routes = scene.cluster.redis.routes()
    strip = {key: value.rsplit(",", 1)[0] for key, value in routes.items()}
    for _ in range(3):
        scene.kill_agent()
        now = scene.cluster.redis.routes()
        assert {key: value.rsplit(",", 1)[0] for key, value in now.items()} == strip
        scene.agent.start()
        now = scene.cluster.redis.routes()
        assert {key: value.rsplit(",", 1)[0] for key, value in now.items()} == strip


def test_clean_goodbye_keeps_the_lease_too(scene):
    scene.agent.stop()
    scene.agent.start()
    assert scene.agent.host() == scene.host
    assert scene.cluster.wait_served(scene.host).text == "web"


def test_after_the_lease_the_device_has_a_new_label_and_the_old_one_is_404(group):
    scene = Scene(group, hold="200ms", lease="1s", quarantine="1h")
    old = scene.agent.label
    scene.kill_agent()
    scene.cluster.wait_served(scene.host, status=404)
    until("the lease is gone", lambda: not scene.cluster.redis.client.exists("taupe:lease:alice"))
    scene.agent.start()
    assert scene.agent.label != old
    assert scene.cluster.wait_served(scene.agent.host()).text == "web"
    assert scene.cluster.get(scene.host).status == 404


def test_label_is_not_given_to_another_device_in_quarantine(group):
    scene = Scene(group, hold="200ms", lease="1s", quarantine="1h")
    old = scene.agent.label
    scene.kill_agent()
    scene.cluster.wait_served(scene.host, status=404)
    left = scene.cluster.redis.client.ttl(f"taupe:label:{old}")
    assert 3500 < left <= 3602, "the label rests"
    # Even the device itself, with the lease it has kept, does not get it back.
    scene.agent.start()
    assert scene.agent.label != old
    # An operator's reservation would be the only way.
    bob = scene.cluster.agent("bob", [f"web:http:{scene.services.target('web', 'http')}"])
    assert bob.label not in (old, scene.agent.label)


def test_reserved_label_outlives_every_lease(group):
    scene = Scene(group, hold="200ms", lease="1s")
    device = scene.cluster.device("shop", label="corner-shop")
    web = [f"web:http:{scene.services.target('web', 'http')}"]
    agent = scene.cluster.agent(device, web)
    assert scene.cluster.wait_served("corner-shop.example.test").text == "web"
    agent.stop()
    scene.cluster.wait_served("corner-shop.example.test", status=404)
    agent.start()
    assert scene.cluster.wait_served("corner-shop.example.test").text == "web"


def test_relay_restart_keeps_the_label(scene):
    """The lease is the registry's; the relay may go and come."""
    scene.cluster.relay.process.stop()
    before = scene.agent.welcomes()
    scene.cluster.relay.start()
    scene.agent.wait_connected(before + 1)
    assert scene.agent.host() == scene.host
    assert scene.cluster.wait_served(scene.host).text == "web"
