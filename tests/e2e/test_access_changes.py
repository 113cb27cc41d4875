# SPDX-License-Identifier: MIT
"""A rule that is changed holds, whatever the registry is at just then."""
import http.client
import time

import pytest

from harness.programs import SampleServices
from harness.scenes import Cluster
from harness.wait import until

CLOSED = "mode=private&key=" + "5a" * 32


class Scene:
    def __init__(self, group, **config):
        self.cluster = Cluster(group, announce="100ms", **config)
        self.client = self.cluster.redis.client
        services = SampleServices(group, "home")
        self.agent = self.cluster.agent("alice", [f"web:http:{services.target('home', 'http')}"])
        self.agent.wait_connected()
        self.host = self.agent.host()
        self.cluster.wait_served(self.host)

    def set(self, rule):
        """What taupectl does, in one round trip: the moment counts."""
        with self.client.pipeline() as tell:
            if rule is None:
                tell.hdel("taupe:device:alice", "access/web")
            else:
                tell.hset("taupe:device:alice", "access/web", rule)
            tell.xadd("taupe:events", {"kind": "device", "name": "alice"})
            tell.execute()

    def becomes(self, status):
        self.cluster.wait_served(self.host, status=status)


@pytest.fixture
def scene(group):
    return Scene(group)


def test_a_change_that_falls_into_a_reconnect_is_not_lost(scene):
    """The event may be read before the relay asks the registry anything else again."""
    for _ in range(5):
        scene.client.execute_command("CLIENT", "KILL", "USER", "taupe-relay")
        scene.set(CLOSED)
        scene.becomes(403)
        scene.set(None)
        scene.becomes(200)


def test_a_record_that_cannot_be_read_at_once_is_read_later(scene):
    """The event is read once, whether the record can be or not."""
    rights = scene.client.execute_command
    for rule, status in ((CLOSED, 403), (None, 200)):
        rights("ACL", "SETUSER", "taupe-relay", "-hgetall")
        scene.set(rule)
        until("the relay asked", lambda: [
            entry for entry in scene.client.acl_log() if entry["object"] == "hgetall"])
        rights("ACL", "SETUSER", "taupe-relay", "+hgetall")
        scene.client.acl_log_reset()
        scene.becomes(status)


def test_a_record_that_makes_no_sense_closes_the_services(scene):
    scene.set("mode=nobody-knows")
    scene.cluster.relay.process.wait_line("makes no sense: its services are closed")
    until("nobody comes", lambda: scene.cluster.get(scene.host).status >= 400)
    assert scene.agent.welcomes() == 1
    scene.set(CLOSED)
    scene.becomes(403)
    scene.set(None)
    scene.becomes(200)
    assert scene.agent.welcomes() == 1


def test_a_rule_holds_in_a_haproxy_that_starts_without_the_router(group):
    """From the file on the disk: which no other change has had written for an hour."""
    scene = Scene(group, router={"map_delay": "1h"})
    cluster = scene.cluster
    file = cluster.haproxy.maps / "http.map"
    cluster.router.process.stop()  # writes what it has not written yet
    assert f"{scene.host} " in file.read_text() and "private" not in file.read_text()
    cluster.router.start()
    until("it has met HAProxy", lambda: cluster.router.process.lines("HAProxy has the routes"))
    scene.set(CLOSED)
    until("the file has the rule", lambda: f"{scene.host} " in file.read_text()
          and ",private," in file.read_text(), timeout=10)
    cluster.router.process.kill()
    cluster.haproxy.process.kill()
    cluster.haproxy.start()
    assert cluster.get(scene.host).status == 403
    # and so does the end of a share link, also when the file cannot be written at first
    blocker = cluster.haproxy.maps / "revoked.map.tmp"
    blocker.mkdir()
    cluster.router.start()
    until("it has met HAProxy", lambda: cluster.router.process.lines("HAProxy has the routes"))
    id_, end = "0123456789abcdef", int(time.time() * 1000) + 3600000
    with scene.client.pipeline() as tell:
        tell.hset("taupe:device:alice", f"share/{id_}",
                  f"service=web&created_ms=1&expires_ms={end}&by=&note=&revoked=1")
        tell.xadd("taupe:events", {"kind": "device", "name": "alice"})
        tell.execute()
    until("it is tried", lambda: cluster.router.process.lines("cannot write the map files"))
    blocker.rmdir()
    until("the file has it", lambda: id_ in (cluster.haproxy.maps / "revoked.map").read_text(),
          timeout=10)


def test_in_open_mode_a_rule_holds_at_once_too(group):
    scene = Scene(group, open=True)
    scene.set(CLOSED)
    scene.becomes(403)
    scene.set(None)
    scene.becomes(200)
    assert scene.agent.welcomes() == 1


def test_a_connection_that_nobody_asks_ends_with_its_right(scene):
    """Past the proxy a connection is let in once, for all of its requests."""
    host, port = scene.cluster.redis.routes()[f"http/{scene.host}"].split(",")[:2]
    visitor = http.client.HTTPConnection(host, int(port), timeout=10, source_address=("127.0.0.2", 0))

    def status():
        visitor.request("GET", "/name", headers={"Host": scene.host})
        answer = visitor.getresponse()
        answer.read()
        return answer.status

    assert [status(), status()] == [200, 200]
    through = scene.cluster.get(scene.host)
    assert through.status == 200
    scene.set(CLOSED)
    scene.becomes(403)
    visitor.auto_open = 0
    with pytest.raises((http.client.HTTPException, OSError)):
        status()
