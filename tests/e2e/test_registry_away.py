# SPDX-License-Identifier: MIT
"""Who gets in while the registry does not answer, and what becomes of it when it answers again."""
import contextlib
import urllib.parse

import pytest

from harness.fakes import RawAgent
from harness.programs import Agent, SampleServices
from harness.scenes import Cluster
from harness.wait import stays, until


class Scene:
    """Announcements live for twelve seconds: a Redis that is back before then is not one that
    has lost everything."""

    def __init__(self, group, relays=1):
        self.group = group
        self.services = SampleServices(group, "first", "second")
        self.cluster = Cluster(group, relays=relays, announce="4s", redis_timeout="300ms")
        self.redis, self.relay = self.cluster.redis, self.cluster.relay
        self.device = self.cluster.device("alice")
        self.agent = self.make_agent("first", relays=self.cluster.relays[:1])
        self.cluster.wait_served(self.agent.host())

    def make_agent(self, name, **config):
        relays = config.pop("relays", self.cluster.relays)
        return Agent(self.group, self.device, relays,
                     [f"web:http:{self.services.target(name, 'http')}"], name=f"agent-{name}",
                     **config)

    @contextlib.contextmanager
    def registry_away(self):
        self.redis.process.freeze()
        try:
            for relay in self.cluster.relays:
                until("the relay misses Redis", lambda r=relay: r.admin("/readyz")[0] == 503)
            yield
        finally:
            self.redis.process.thaw()

    def session(self):
        return dict(urllib.parse.parse_qsl(self.redis.client.get("taupe:session:alice") or ""))


@pytest.fixture
def scene(group):
    return Scene(group)


def ask_in(scene, secret, lease):
    """What another agent of that name is answered."""
    query = [("name", "alice"), ("instance", "mallory"), ("service", "web:http"), ("lease", lease)]
    with RawAgent(scene.relay.agent_address) as agent:
        agent.send(agent.control_request(
            scene.device, secret=secret,
            query=urllib.parse.urlencode(query, safe=":")).encode())
        return agent.read_head()[0]


def test_signed_lease_without_the_secret_is_worth_nothing(scene):
    lease = scene.agent.state()["lease"][0]
    with scene.registry_away():
        assert ask_in(scene, "not-the-secret", lease) == 503
        stays("the holder is served",
              lambda: scene.cluster.get(scene.agent.host()).text == "first", 0.5)
        assert scene.agent.welcomes() == 1


def test_clone_is_refused_while_the_registry_is_away_too(scene):
    with scene.registry_away():
        clone = scene.make_agent("second", start=False)
        clone.start(wait=False)
        clone.process.wait_line("409")
        assert scene.agent.welcomes() == 1 and clone.welcomes() == 0
        assert scene.cluster.get(scene.agent.host()).text == "first"


def test_session_from_a_time_without_registry_is_written_when_it_is_back(group):
    scene = Scene(group, relays=2)
    first, second = scene.cluster.relays
    with scene.registry_away():
        first.process.kill()  # the agent goes to the other relay, with its signed lease
        scene.agent.wait_connected(2)
    until("the session is the other relay's", lambda: scene.session()["relay"] == second.name, 5)
    assert scene.cluster.wait_served(scene.agent.host()).text == "first"


def test_device_that_was_removed_meanwhile_is_out_when_the_registry_is_back(scene):
    scene.agent.kill()
    until("its end is written", lambda: not scene.session())
    scene.redis.client.delete("taupe:device:alice")  # and nobody is told
    with scene.registry_away():
        scene.agent.start()
        assert scene.agent.welcomes() == 1
    scene.relay.process.wait_line("session closed", "reason=revoked")
    until("its route is gone", lambda: not scene.redis.routes())


def test_device_with_another_secret_meanwhile_is_out_when_the_registry_is_back(scene):
    scene.agent.kill()
    until("its end is written", lambda: not scene.session())
    scene.redis.client.hset("taupe:device:alice", "secret_sha256", "0" * 64)
    with scene.registry_away():
        scene.agent.start()
    scene.relay.process.wait_line("session closed", "reason=revoked")


def test_refused_write_is_tried_again(scene):
    """Redis is there and takes no writes for a while: a full disk, a failover."""
    scene.redis.client.config_set("maxmemory", 1)
    scene.agent.stop()
    scene.relay.process.wait_line("session closed")
    assert scene.session(), "it could not be written"
    scene.redis.client.config_set("maxmemory", 0)
    # with the next announcement, long before the lease's half-life
    until("the end of the session is written", lambda: not scene.session(), 15)
