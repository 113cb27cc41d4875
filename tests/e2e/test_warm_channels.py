# SPDX-License-Identifier: MIT
"""Transfer channels that are ready before a visitor comes: how many, and that they are used."""
import concurrent.futures
import signal

import pytest

from harness.programs import SampleServices, write_ini
from harness.scenes import Standalone
from harness.visitors import get
from harness.wait import stays, until

CROWD = 20
OWN = {"mux": "no"}  # each visit has a channel of its own
QUICK = {"transfer_idle": "200ms", "warm_decay": "50ms"}


class Scene:
    def __init__(self, group, agent=None, **config):
        self.services = SampleServices(group, "web")
        self.alone = Standalone(group, domain="example.test", **config)
        self.agent = self.alone.agent("alice", [
            f"web:http:{self.services.target('web', 'http')}"], **(agent or {}))
        self.host = self.agent.host()

    def transfers(self):
        return self.alone.relay.metrics()["taupe_relay_transfers"]

    def opened(self):
        return self.alone.relay.metrics()["taupe_relay_transfers_opened_total"]

    def get(self):
        assert self.alone.get(self.host).status == 200

    def crowd(self, gate="all"):
        """Visitors who are all inside at once; how many channels there were then."""
        with concurrent.futures.ThreadPoolExecutor(CROWD) as pool:
            inside = [pool.submit(self.alone.get, self.host, f"/gate/{gate}") for _ in range(CROWD)]
            until("all are inside", lambda: self.ask(f"/gate/{gate}/count") == str(CROWD))
            peak = self.transfers()
            self.ask(f"/gate/{gate}/open")
            assert all(visit.result(10).status == 200 for visit in inside)
        return peak

    def ask(self, path):
        """The service itself, past the tunnel."""
        return get(self.services.address("web", "http"), "direct", path).text


def test_one_channel_is_ready_and_serves_the_first_visitor(group):
    scene = Scene(group, agent=OWN)
    until("a channel is ready", lambda: scene.transfers() == 1)
    stays("no more are dug", lambda: scene.transfers() == 1, seconds=0.5)
    scene.get()
    until("the next one is ready", lambda: scene.opened() == 2)
    for _ in range(10):
        scene.get()
    assert scene.opened() <= 3  # one visit may begin before the last has ended


def test_crowd_shares_the_channel_that_is_ready(group):
    scene = Scene(group, **QUICK)
    until("a channel is ready", lambda: scene.transfers() == 1)
    assert scene.crowd() == 1
    assert scene.opened() == 1


def test_channel_that_is_ready_is_not_closed_for_being_idle(group):
    scene = Scene(group, **QUICK)
    until("a channel is ready", lambda: scene.opened() == 1)
    stays("it is kept", lambda: scene.transfers() == 1 and scene.opened() == 1, seconds=1)


@pytest.mark.parametrize("config", [{"metered": "yes"}, {"warm_channels": "0"}])
def test_nothing_is_sent_ahead_of_need_when_the_agent_wants_none(group, config):
    scene = Scene(group, agent=config, **QUICK)
    stays("no channel is dug", lambda: scene.opened() == 0, seconds=0.5)
    scene.get()
    until("it is closed again", lambda: scene.transfers() == 0)
    assert scene.opened() == 1


def test_crowd_raises_the_number_and_rest_lets_it_fall_to_the_floor(group):
    scene = Scene(group, agent=OWN, **QUICK)
    assert scene.crowd() >= CROWD
    until("channels fall back", lambda: scene.transfers() == 1)
    stays("the floor is kept", lambda: scene.transfers() == 1, seconds=0.5)


def test_crowd_that_comes_again_finds_its_channels(group):
    scene = Scene(group, agent=OWN, warm_decay="1h", transfer_idle="100ms")
    scene.crowd()
    stays("they are kept", lambda: scene.transfers() >= CROWD, seconds=0.5)
    before = scene.opened()
    scene.crowd("again")
    assert scene.opened() - before <= 1  # and one more ready for whoever is next


def test_reload_may_change_how_many_are_ready(group):
    scene = Scene(group)
    until("a channel is ready", lambda: scene.transfers() == 1)
    config = scene.agent.config | {"warm_channels": 3}
    write_ini(group.folder / f"{scene.agent.name}.conf", "agent", config)
    scene.agent.process.send_signal(signal.SIGHUP)
    until("three are ready", lambda: scene.transfers() == 3)
