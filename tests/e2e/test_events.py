# SPDX-License-Identifier: MIT
"""What has happened stands in the stream taupe:history: once, with what it was, over the death of
agents, relays and Redis."""
import collections
import json
import signal
import socket
import urllib.parse

import pytest

from harness.programs import Agent, SampleServices
from harness.scenes import Cluster
from harness.wait import until
from test_enrolment import Fleet, KEY
from test_taupectl import Ctl


class Scene:
    def __init__(self, group, relays=1, **config):
        self.group = group
        self.services = SampleServices(group, "web", "echo")
        self.cluster = Cluster(group, relays=relays, **config)
        self.redis, self.relay = self.cluster.redis, self.cluster.relay

    def join(self, device, relays=None, wait=True, services=("web:http",), **config):
        if isinstance(device, str):
            device = self.cluster.device(device)
        agent = Agent(self.group, device, relays or self.cluster.relays,
                      [f"{service}:{self.services.target(*service.split(':'))}"
                       for service in services], start=wait, **config)
        if wait:
            assert self.cluster.wait_served(agent.host()).text == "web"
        return agent

    def events(self, kind=None, **fields):
        """Those of that kind, in the order in which Redis has them."""
        found = [event for _, event in self.redis.client.xrange("taupe:history")
                 if kind in (None, event["kind"])]
        ids = collections.Counter(event["id"] for event in found)
        assert not ids or max(ids.values()) == 1, ids
        return [event for event in found
                if all(event.get(key) == value for key, value in fields.items())]

    def wait(self, kind, count=1, **fields):
        return until(f"{count} {kind} {fields}",
                     lambda: len(self.events(kind, **fields)) == count and
                     self.events(kind, **fields))

    def now(self):
        seconds, micros = self.redis.client.time()
        return seconds * 1000 + micros // 1000


def test_a_session_from_its_lease_to_the_end_of_it(group):
    scene = Scene(group, lease="1s")
    began = scene.now()
    agent = scene.join("alice", services=("web:http", "echo:tcp"))
    lease, = scene.wait("lease")
    label = agent.label
    assert (lease["state"], lease["device"], lease["label"]) == ("granted", "alice", label)
    assert lease["ports"] == f"echo:{agent.port('echo')}" and lease["relay"] == "r1"
    connect, = scene.wait("connect")
    assert (connect["device"], connect["relay"], connect["label"]) == ("alice", "r1", label)
    assert connect["from"].startswith("127.0.0.1:") and connect["instance"]
    assert began <= int(connect["at_ms"]) <= scene.now()
    assert scene.cluster.get(agent.host(), "/name").text == "web"
    until("the visits are counted", lambda: not scene.relay.metrics()["taupe_relay_visitors"] or
          scene.relay.metrics()["taupe_relay_bytes_out_total"])
    bytes_in, bytes_out = (scene.relay.metrics()[f"taupe_relay_bytes_{way}_total"]
                           for way in ("in", "out"))
    agent.stop()
    end, = scene.wait("disconnect")
    assert (end["device"], end["epoch"], end["reason"]) == ("alice", connect["epoch"], "peer")
    assert int(end["visits"]) >= 1 and int(end["seconds"]) < 60
    assert (int(end["bytes_in"]), int(end["bytes_out"])) >= (bytes_in, bytes_out) > (0, 0)
    last = [dict(urllib.parse.parse_qsl(text))
            for text in scene.redis.client.lrange("taupe:last:alice", 0, -1)]
    assert [(one["reason"], one["id"]) for one in last] == [("peer", end["id"])]
    ended = scene.wait("lease", state="ended")[0]
    assert (ended["why"], ended["label"]) == ("expired", label)
    assert not scene.redis.client.zcard("taupe:leases"), "nothing is left for the sweep"
    assert len(scene.events()) == 4


def test_who_comes_again_gets_no_new_lease_and_five_ends_are_kept(group):
    scene = Scene(group)
    agent = scene.join("alice")
    for _ in range(6):
        agent.kill()
        agent.start()
    scene.wait("connect", 7)
    ends = scene.wait("disconnect", 6)
    assert len(scene.events("lease")) == 1
    last = [dict(urllib.parse.parse_qsl(text))
            for text in scene.redis.client.lrange("taupe:last:alice", 0, -1)]
    assert [one["id"] for one in last] == [end["id"] for end in reversed(ends[1:])]
    assert {end["reason"] for end in ends} <= {"peer", "reset"}
    assert 0 < scene.redis.client.ttl("taupe:last:alice") <= 30 * 24 * 3600
    ctl = Ctl(**scene.redis.access("taupectl"))
    # a new secret ends the session, too: that is kept
    ctl.ok("device", "rotate", "alice", "--now")
    first, = scene.wait("disconnect", reason="revoked")
    until("it is among the last", lambda: first["id"] in scene.redis.client.lindex(
        "taupe:last:alice", 0))
    # one as long as they can be
    scene.redis.client.lset("taupe:last:alice", 0, "id=0&detail=" + 600 * "%2F")
    told = json.loads(ctl.ok("--json", "device", "show", "alice"))["last"]
    assert len(told) == 5 and told[0]["detail"] == 600 * "/"
    bob = scene.join("bob")
    ctl.ok("device", "rm", "bob")
    revoked = scene.wait("disconnect", 2, reason="revoked")[1]
    assert revoked["device"] == "bob" and int(revoked["at_ms"]) >= int(ends[-1]["at_ms"])
    assert scene.wait("lease", state="ended", device="bob")[0]["why"] == "revoked"
    until("the relay has told it", lambda: scene.redis.client.info("commandstats")[
        "cmdstat_lpush"]["calls"] == len(scene.events("disconnect")))
    until("nothing is kept of it", lambda: not scene.redis.client.exists("taupe:last:bob"))
    bob.stop()


def test_many_ports_of_a_lease_are_told_as_far_as_there_is_room(group):
    scene = Scene(group)
    target = scene.services.target("echo", "tcp")
    agent = Agent(group, scene.cluster.device("alice"), scene.cluster.relays,
                  [f"a-service-with-port{i:02}"[:18] + f"{i:02}:tcp:{target}" for i in range(12)])
    agent.wait_connected()
    lease, = scene.wait("lease")
    told = lease["ports"].split(",")
    assert 5 < len(told) < 12 and len(lease["ports"]) <= 255
    for entry in told:  # none in halves
        service, port = entry.split(":")
        assert agent.port(service) == int(port)


def stopping_relay(group):
    """A scene whose relay was told to stop, and has an event that Redis does not take."""
    scene = Scene(group)
    agent = scene.join("alice")
    scene.wait("connect")
    scene.redis.client.execute_command("ACL", "SETUSER", "taupe-relay", "-xadd")
    agent.stop()
    until("it was refused", scene.redis.client.acl_log)
    scene.relay.process.send_signal(signal.SIGTERM)
    return scene


def test_a_stop_waits_for_what_redis_has_not_taken(group):
    scene = stopping_relay(group)
    scene.relay.process.wait_line("draining")
    scene.redis.client.execute_command("ACL", "SETUSER", "taupe-relay", "+xadd")
    scene.redis.client.acl_log_reset()  # what was refused was meant to be
    scene.relay.process.ends(0, timeout=20)
    assert scene.events("disconnect")[0]["device"] == "alice"
    assert not scene.relay.process.lines("events are lost")


@pytest.mark.long
def test_a_stop_says_how_many_events_it_loses(group):
    scene = stopping_relay(group)
    line = scene.relay.process.wait_line("events are lost", timeout=20)
    assert "count=1" in line
    scene.relay.process.ends(0, timeout=20)
    assert not scene.events("disconnect")
    scene.redis.client.acl_log_reset()


def test_a_relay_that_dies_and_one_that_drains(group):
    scene = Scene(group, relays=2, announce="200ms", rebalance="no")
    r1, r2 = scene.cluster.relays
    agent = scene.join("alice", relays=[r1, r2])
    first, = scene.wait("connect")
    home, other = (r1, r2) if first["relay"] == "r1" else (r2, r1)
    home.process.kill()
    moved, = scene.wait("connect", relay=other.name)
    assert int(moved["epoch"]) > int(first["epoch"])
    gone, = scene.wait("relay")
    assert (gone["state"], gone["gone"], gone["relay"]) == ("gone", home.name, other.name)
    home.start()
    until("both see each other", lambda: len(other.api("relays")["relays"]) == 2)
    scene.cluster.wait_served(agent.host())
    other.process.send_signal(signal.SIGTERM)
    move, = scene.wait("move")
    assert (move["device"], move["relay"], move["to"], move["reason"]) == (
        "alice", other.name, home.name, "drain")
    scene.wait("connect", relay=home.name, count=1 if home is r2 or first["relay"] != home.name
               else 2)
    scene.wait("disconnect", relay=other.name)


def test_nothing_is_lost_while_redis_is_away(group):
    scene = Scene(group)
    scene.redis.process.kill()
    scene.redis.start("--appendonly", "yes", "--appendfsync", "always")
    scene.redis.add(scene.cluster.device("alice"))
    until("the relay is back", scene.relay.ready)
    agent = scene.join("alice")
    scene.wait("connect")
    scene.redis.process.kill()
    until("the relay knows", lambda: not scene.relay.ready())
    for count in range(5):
        agent.kill()
        agent.start()
        agent.wait_connected()
    agent.stop()
    until("the relay knows", lambda: scene.relay.metrics()["taupe_relay_agents"] == 0)
    away = scene.relay.metrics()
    scene.redis.start("--appendonly", "yes", "--appendfsync", "always")
    back = scene.now()
    assert len(scene.wait("connect", 6)) == 6
    ends = scene.wait("disconnect", 6)
    assert all(int(end["at_ms"]) <= back for end in ends)
    assert [end["epoch"] for end in ends] == sorted(end["epoch"] for end in ends)
    assert away["taupe_relay_events_lost_total"] == 0 and not scene.events("lost")
    assert scene.redis.client.llen("taupe:last:alice") == 5


def test_what_redis_refuses_comes_when_it_takes_it(group):
    scene = Scene(group, announce="200ms")
    agent = scene.join("alice")
    scene.wait("connect")
    scene.redis.client.config_set("maxmemory", 1)
    until("writes are refused", lambda: not scene.relay.ready())
    for _ in range(3):
        agent.kill()
        agent.start()
        agent.wait_connected()
    assert len(scene.events("connect")) == 1
    scene.redis.client.config_set("maxmemory", 0)
    scene.wait("connect", 4)
    ends = scene.wait("disconnect", 3)
    assert [end["at_ms"] for end in ends] == sorted(end["at_ms"] for end in ends)


def test_a_limit_and_an_enrolment(group):
    scene = Scene(group, max_visitors=1)
    ctl = Ctl(**scene.redis.access("taupectl"))
    key = ctl.ok("fleet", "add", "probes").strip()
    assert KEY.fullmatch(key)
    fleet = Fleet(group, scene.cluster.relays, key)
    agent = fleet.agent("p-1")
    enrol, = scene.wait("enrol")
    assert (enrol["device"], enrol["fleet"], enrol["relay"]) == ("p-1", "probes", "r1")
    assert enrol["from"].startswith("127.0.0.1:")
    scene.cluster.wait_served(agent.host())
    with socket.create_connection(scene.cluster.haproxy.http) as held:
        held.sendall(f"POST /name HTTP/1.1\r\nHost: {agent.host()}\r\nContent-Length: 9\r\n\r\n"
                     .encode())
        until("a second one is turned away",
              lambda: scene.cluster.get(agent.host()).status == 503)
        limit, = scene.wait("limit")
        for _ in range(3):
            scene.cluster.get(agent.host())
    assert (limit["device"], limit["limit"], limit["times"]) == ("p-1", "max_visitors", "1")
    assert len(scene.events("limit")) == 1, "once a minute at most"
