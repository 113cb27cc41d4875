# SPDX-License-Identifier: MIT
"""A name is refused while its holder lives, and freed the moment it does not."""
import re
import time

import pytest

from harness import ports
from harness.network import Network
from harness.programs import Agent, Device, Relay, SampleServices
from harness.scenes import Cluster
from harness.visitors import get
from harness.wait import stays, until


class Scene:
    def __init__(self, group, relays=1):
        self.group = group
        self.services = SampleServices(group, "first", "second")
        self.cluster = Cluster(group, relays=relays)
        self.device = self.cluster.device("twin")

    def agent(self, name, start=True, relays=None):
        return Agent(self.group, self.device, relays or self.cluster.relays,
                     [f"web:http:{self.services.target(name, 'http')}"], name=f"agent-{name}",
                     start=start)


@pytest.mark.parametrize("relays", [1, 2])
def test_clone_gets_409_naming_since_when_and_from_where_and_the_first_is_undisturbed(
        group, relays):
    scene = Scene(group, relays)
    first = scene.agent("first", relays=scene.cluster.relays[:1])
    scene.cluster.wait_served(first.host())
    clone = scene.agent("second", start=False, relays=scene.cluster.relays[-1:])
    clone.start(wait=False)
    line = clone.process.wait_line("409")
    since = re.search(r'since="?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)', line)
    assert since, line
    assert re.search(r'from="?127\.0\.0\.1:\d+', line), line
    welcomes = first.welcomes()
    stays("the first is served", lambda: scene.cluster.get(first.host()).text == "first", 2)
    assert first.welcomes() == welcomes == 1
    assert clone.welcomes() == 0


@pytest.mark.parametrize("relays", [1, 2])
def test_second_is_in_within_five_seconds_when_the_first_is_frozen(group, relays):
    scene = Scene(group, relays)
    first = scene.agent("first", relays=scene.cluster.relays[:1])
    host = first.host()
    scene.cluster.wait_served(host)
    first.process.freeze()
    start = time.monotonic()
    second = scene.agent("second", relays=scene.cluster.relays[-1:])
    assert time.monotonic() - start < 5
    assert second.host() == host
    assert scene.cluster.wait_served(host, timeout=5).text == "second"
    # The first wakes up, learns that it was replaced, and does not fight.
    first.process.thaw()
    first.process.wait_line("another live instance")
    stays("the second is served", lambda: scene.cluster.get(host).text == "second", 1)


def test_restarted_agent_of_the_same_relay_is_back_before_its_old_session_times_out(group):
    """kill -9 closes the connection: the newcomer does not even wait for a probe."""
    scene = Scene(group)
    first = scene.agent("first")
    first.kill()
    start = time.monotonic()
    second = scene.agent("second")
    assert time.monotonic() - start < 3
    assert scene.cluster.wait_served(second.host()).text == "second"


def test_second_is_in_within_five_seconds_when_the_first_is_gone_without_goodbye(group):
    """Packets dropped in a network namespace of the test: no FIN, no RST, no answer."""
    network = Network(group, "relay", "a", "b")
    home, *spaces = (network.hosts[name] for name in ("relay", "a", "b"))
    services = {host.name: SampleServices(group, f"{host.name}-web", netns=host.space)
                for host in spaces}
    device = Device("twin")
    devices = group.folder / "devices"
    devices.write_text(device.file_line() + "\n")
    front, block = ports.take(), ports.take_block()
    relay = Relay(group, **home.where, devices_file=devices,
                  service_listen=f"127.0.0.1:{block}-{block + 63}",
                  visitor_listen=f"127.0.0.1:{front}")

    def agent(name):
        return Agent(group, device, [relay],
                     [f"web:http:{services[name].target(f'{name}-web', 'http')}"],
                     name=f"agent-{name}", netns=network.hosts[name].space)

    def visit(host):
        with home.inside():
            return get(("127.0.0.1", front), host, "/name").text

    first = agent("a")
    host = first.host()
    until("the first is served", lambda: visit(host) == "a-web")
    network.cut("a", "relay")
    start = time.monotonic()
    second = agent("b")
    assert time.monotonic() - start < 5
    assert second.host() == host
    until("the second is served", lambda: visit(host) == "b-web", 5)
    assert relay.process.running()


def test_other_devices_are_untouched_by_a_takeover(group):
    scene = Scene(group)
    other = scene.cluster.agent("other", [f"web:http:{scene.services.target('first', 'http')}"])
    first = scene.agent("first")
    first.process.freeze()
    scene.agent("second")
    assert scene.cluster.wait_served(other.host()).text == "first"
    assert other.welcomes() == 1
    first.process.thaw()
