# SPDX-License-Identifier: MIT
"""Redis is there and of little use: it is slow, refuses, loads, or has been set back. Nothing is
lost, visitors notice nothing, the log says it once, and nobody asks without a pause."""
import contextlib
import re
import shutil
import signal
import socket
import struct
import time
import urllib.parse

import pytest
import redis as redis_client

from harness import ports
from harness.fakes import RawAgent
from harness.programs import Agent, SampleServices
from harness.scenes import Cluster
from harness.slow_proxy import SlowProxy
from harness.wait import stays, until


class Scene:
    def __init__(self, group, relays=1, cluster=Cluster, **config):
        self.group = group
        self.services = SampleServices(group, "web")
        self.cluster = cluster(group, relays=relays, **config)
        self.redis, self.relay = self.cluster.redis, self.cluster.relay
        self.device = self.cluster.device("alice")
        self.agent = self.join(self.device)

    def join(self, device, start=True, relays=None):
        if isinstance(device, str):
            device = self.cluster.device(device)
        agent = Agent(self.group, device, relays or self.cluster.relays,
                      [f"web:http:{self.services.target('web', 'http')}"], start=start)
        if start:
            self.served(agent)
        return agent

    def served(self, agent):
        assert self.cluster.wait_served(agent.host()).text == "web"

    def session(self, name="alice"):
        return dict(urllib.parse.parse_qsl(
            self.redis.client.get(f"taupe:session:{name}") or ""))

    def visits(self, seconds):
        stays("visitors are served",
              lambda: self.cluster.get(self.agent.host()).text == "web", seconds)

    def all_counted(self):
        """Does the registry know as much as the relay, whose only device this is?"""
        metrics = self.relay.metrics()
        return [metrics["taupe_relay_visits_opened_total"], metrics["taupe_relay_bytes_in_total"],
                metrics["taupe_relay_bytes_out_total"]] == [int(value or 0) for value in (
                    self.redis.client.hmget("taupe:counters:device:alice",
                                            "visitors", "bytes_in", "bytes_out"))]

    def complaints(self, *words):
        """What the relay has said that an operator is woken by, but for how it was started."""
        return [line for level in ("warn", "error")
                for line in self.relay.process.lines(f"level={level}", *words)
                if "running as root" not in line]


@pytest.fixture
def scene(group):
    return Scene(group, announce="200ms")


def ready(relay):
    return relay.admin("/readyz")


# What Redis answers to a write, who makes it say so, and who makes it stop.
def full(redis):
    redis.client.config_set("maxmemory", 1)


def not_full(redis):
    redis.client.config_set("maxmemory", 0)


def demoted(redis):
    redis.client.execute_command("REPLICAOF", "127.0.0.1", "1")


def promoted(redis):
    redis.client.execute_command("REPLICAOF", "NO", "ONE")


def cannot_save(redis):
    (redis.folder / "dump.rdb").mkdir()  # where the file should be
    redis.client.config_set("save", "3600 1")
    save(redis, "err")


def can_save(redis):
    (redis.folder / "dump.rdb").rmdir()
    save(redis, "ok")


def save(redis, result):
    def outcome():
        state = redis.client.info("persistence")
        if state["rdb_bgsave_in_progress"]:
            return False
        if state["rdb_last_bgsave_status"] == result:
            return True
        with contextlib.suppress(redis_client.RedisError):
            redis.client.bgsave()
        return False

    until(f"saving has ended with {result}", outcome)


def forbidden(redis):
    redis.client.execute_command("ACL", "SETUSER", "taupe-relay", "-exec")


def allowed(redis):
    redis.client.execute_command("ACL", "SETUSER", "taupe-relay", "+exec")


REFUSALS = [
    pytest.param("OOM", full, not_full, id="full"),
    pytest.param("READONLY", demoted, promoted, id="replica", marks=pytest.mark.long),
    pytest.param("MISCONF", cannot_save, can_save, id="cannot-save", marks=pytest.mark.long),
    pytest.param("NOPERM", forbidden, allowed, id="forbidden", marks=pytest.mark.long),
]


@pytest.mark.parametrize("answer,begin,end", REFUSALS)
def test_refused_writes_are_named_once_and_made_up_for(scene, answer, begin, end):
    session = scene.session()["epoch"]
    scene.agent.stop()
    until("its end is written", lambda: not scene.session())
    until("all visits are counted", scene.all_counted)  # what is on its way now is refused
    begin(scene.redis)
    until("it is not ready", lambda: ready(scene.relay) == (503, "the registry refuses writes\n"))
    # A device that the relay knows comes in all the same, and is served.
    scene.agent.start()
    scene.served(scene.agent)
    assert not scene.session(), "it could not be written"
    said = len(scene.complaints())
    scene.visits(1.5)  # seven announcements
    assert len(scene.complaints()) == said
    assert len(scene.complaints("redis refuses writes", answer)) == 1
    assert len(scene.complaints("redis gave an answer", "claim")) <= 1
    end(scene.redis)
    until("it is ready", lambda: ready(scene.relay)[0] == 200)
    until("the session is written", scene.session)
    assert int(scene.session()["epoch"]) > int(session)
    assert len(scene.relay.process.lines("redis takes writes again")) == 1
    assert not scene.relay.process.lines("has lost what it knew")
    assert scene.agent.welcomes() == 1
    until("all visits are counted", scene.all_counted)
    scene.redis.client.acl_log_reset()


@pytest.mark.parametrize("answer,begin,end", REFUSALS)
def test_visits_are_counted_whenever_redis_begins_to_refuse(scene, answer, begin, end):
    scene.visits(0.1)
    begin(scene.redis)
    scene.visits(0.4)  # what is announced next is refused before the relay knows
    until("it is not ready", lambda: ready(scene.relay)[0] == 503)
    end(scene.redis)
    until("it is ready", lambda: ready(scene.relay)[0] == 200)
    until("all visits are counted", scene.all_counted)
    stays("none is counted twice", scene.all_counted, 0.5)
    assert len(scene.complaints("redis refuses writes", answer)) == 1
    scene.redis.client.acl_log_reset()


@pytest.mark.long
def test_a_user_without_any_rights_is_named_once_and_comes_back(scene):
    """The operator has broken the ACL, and the links are made anew."""
    scene.redis.client.execute_command("ACL", "SETUSER", "taupe-relay", "-@all")
    scene.redis.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    until("it is not ready", lambda: ready(scene.relay)[0] == 503)
    until("its links are back", lambda: len([
        client for client in scene.redis.client.client_list()
        if client["user"] == "taupe-relay"]) == 6)
    commands = scene.redis.client.info("stats")["total_commands_processed"]
    connections = scene.redis.client.info("stats")["total_connections_received"]
    said = len(scene.complaints())
    scene.visits(4)
    stats = scene.redis.client.info("stats")
    print(f"{stats['total_commands_processed'] - commands} commands and "
          f"{stats['total_connections_received'] - connections} connections in 4 s")
    assert stats["total_connections_received"] - connections <= 2
    operations = [re.search(r"operation=(\S+)", line)[1]
                  for line in scene.complaints("redis gave an answer")]
    assert len(operations) == len(set(operations)), "each is named once"
    assert len(scene.complaints()) - said <= 2
    scene.redis.client.execute_command("ACL", "LOAD")
    until("it is ready", lambda: ready(scene.relay)[0] == 200)
    scene.redis.client.acl_log_reset()
    scene.join("bob")


@pytest.mark.parametrize("delay_ms", [50, pytest.param(500, marks=pytest.mark.long)])
def test_a_slow_redis_makes_nobody_but_newcomers_wait(group, delay_ms):
    proxied = ProxiedScene(group, redis_timeout="3s")
    scene = proxied.scene
    proxied.proxy.delay = delay_ms / 2000  # half of it there, half of it back
    start = time.monotonic()
    agent = scene.join("bob")
    print(f"a new device is served after {time.monotonic() - start:.2f} s, "
          f"{delay_ms} ms from Redis")
    assert not scene.relay.process.lines("provisional")
    scene.visits(1)
    assert ready(scene.relay)[0] == 200
    agent.stop()
    until("its end is written", lambda: not scene.session("bob"))
    assert scene.complaints() == []
    assert scene.agent.welcomes() == 1


class ProxiedScene:
    """The relay's way to Redis leads through a proxy; everybody else is next to it."""

    def __init__(self, group, **config):
        self.proxy = None
        scene = self

        class ProxiedCluster(Cluster):
            def add_relay(self, name, **settings):
                scene.proxy = scene.proxy or SlowProxy(group, self.redis.port)
                return super().add_relay(name, redis=scene.proxy.address, **settings)

        self.scene = Scene(group, cluster=ProxiedCluster, **config)


AT_ONCE, WAITING = 128, 22  # claims


class Crowd:
    """Agents whose devices are read, but whose claims do not come to Redis before release()."""

    def __init__(self, group, **config):
        starts = [ports.take_block(group.exits) for _ in range(3)]
        self.proxied = ProxiedScene(group, service_listen=[
            f"127.0.0.1:{start}-{start + ports.BLOCK - 1}" for start in starts], **{
                "redis_timeout": "20s", **config})
        self.group, self.scene, self.proxy = group, self.proxied.scene, self.proxied.proxy
        self.proxy.held = b"WATCH"

    def devices(self, prefix, count):
        return [self.scene.cluster.device(f"{prefix}{number}") for number in range(count)]

    def come(self, devices):
        agents = []
        for device in devices:
            agents.append(self.group.exits.enter_context(RawAgent(self.scene.relay.agent_address)))
            agents[-1].send(agents[-1].control_request(device).encode())
        return agents

    def fill(self):
        """As many as may claim their names at once; and others who wait behind them."""
        self.first = self.come(self.devices("first", AT_ONCE))
        self.until(AT_ONCE, 0)
        self.others = self.come(self.devices("other", WAITING))
        self.until(AT_ONCE, WAITING)

    def until(self, under_way, waiting):
        until(f"{under_way} claims are under way and {waiting} wait", lambda: (
            self.metric("claims"), self.metric("claims_waiting")) == (under_way, waiting))

    def metric(self, name):
        return self.scene.relay.metrics()[f"taupe_relay_{name}"]

    def first_are_in(self):
        for agent in self.first:
            assert agent.read_head()[0] == 101

    def others_are_sent_away(self, error, earliest):
        for agent in self.others:
            status, fields, form = agent.read_error()
            assert (status, form["error"]) == (503, error)
            assert int(fields["retry-after"]) >= earliest


@pytest.fixture
def crowd(group):
    crowd = Crowd(group)
    crowd.fill()
    return crowd


def test_agents_that_have_given_up_do_not_claim_their_names(crowd):
    for number, agent in enumerate(crowd.others):
        if number % 2:  # as proxies do
            agent.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        agent.sock.close()
    crowd.proxy.release()
    crowd.first_are_in()
    until("the others' turns came", lambda: crowd.metric("agents_gone_total") == WAITING)
    assert crowd.metric("sessions_opened_total") == 1 + AT_ONCE
    crowd.scene.join("bob")


def test_agents_that_wait_for_their_turn_get_it(crowd):
    crowd.proxy.release()
    crowd.first_are_in()
    assert [agent.read_head()[0] for agent in crowd.others] == [101] * WAITING
    crowd.until(0, 0)


def test_agents_that_waited_for_too_long_are_sent_away(group):
    crowd = Crowd(group, handshake_timeout="2s")
    crowd.fill()
    time.sleep(1.2)  # more than half of it
    crowd.proxy.release()
    crowd.first_are_in()
    crowd.others_are_sent_away("overload", 2)
    assert crowd.metric("claims_late_total") == WAITING
    assert crowd.metric("sessions_opened_total") == 1 + AT_ONCE


def test_agents_that_wait_for_their_turn_learn_that_the_registry_has_gone(crowd):
    crowd.scene.redis.process.kill()
    for agent in crowd.first:
        assert agent.read_error()[2]["error"] == "unavailable"
    crowd.others_are_sent_away("unavailable", 1)


def test_one_device_does_not_keep_the_others_from_claiming_their_names(group):
    crowd = Crowd(group)

    def ended():
        return sum(crowd.metric(f"{name}_total")
                   for name in ("agents_gone", "agents_refused", "sessions_opened"))

    before = ended()
    agents = crowd.come(crowd.devices("greedy", 1) * (AT_ONCE + WAITING))
    crowd.until(1, AT_ONCE + WAITING - 1)
    others = crowd.come(crowd.devices("other", 2))
    crowd.until(3, AT_ONCE + WAITING - 1)
    crowd.proxy.release()
    assert [agent.read_head()[0] for agent in others] == [101, 101]
    until("one of its agents has its name", lambda: crowd.metric("agents") == 4)
    for agent in agents:
        agent.sock.close()
    until("each of its agents had its turn",
          lambda: ended() == before + AT_ONCE + WAITING + 2, timeout=30)
    crowd.until(0, 0)


def test_a_relay_that_drains_sends_those_away_who_wait_for_their_turn(crowd):
    crowd.scene.relay.process.send_signal(signal.SIGTERM)
    until("it drains", lambda: ready(crowd.scene.relay) == (503, "draining\n"))
    assert crowd.metric("claims_waiting") == WAITING
    crowd.proxy.release()
    crowd.first_are_in()
    for agent in crowd.others:
        status, _, form = agent.read_error()
        assert (status, form["reason"]) == (503, "the relay is stopping")


def test_a_relay_stops_while_agents_wait_for_their_turn(crowd):
    assert crowd.metric("claims_waiting") == WAITING
    crowd.scene.relay.process.stop()


@pytest.mark.long
def test_a_redis_that_stalls_is_left_after_its_time_and_met_again(group):
    proxied = ProxiedScene(group, redis_timeout="500ms", announce="200ms")
    scene = proxied.scene
    proxied.proxy.open.clear()
    start = time.monotonic()
    until("it is not ready", lambda: ready(scene.relay)[0] == 503)
    took = time.monotonic() - start
    assert took < 1.5
    connections = proxied.proxy.connections
    scene.visits(6)
    attempts = proxied.proxy.connections - connections
    # Six links, each half a second in an attempt and up to two between them.
    assert attempts <= 6 * 10
    print(f"noticed after {took:.2f} s; {attempts} attempts to connect in 6 s")
    lines = scene.complaints()
    # why the links are down, that the registry is, and what a new attempt says
    assert len(lines) <= 3, lines
    # A device that has never been here cannot come in; the one that is known can.
    scene.agent.kill()
    scene.agent.start()
    scene.served(scene.agent)
    proxied.proxy.open.set()
    until("it is ready", lambda: ready(scene.relay)[0] == 200)
    until("the session is written", lambda: scene.session().get("instance"))
    scene.join("bob")


@pytest.mark.long
def test_a_redis_that_loads_is_waited_for(scene):
    redis = scene.redis
    # Enough keys for some seconds; the relays' own are among them.
    for number in range(300):
        redis.client.set(f"other:{number}", "x" * 200)
    redis.client.save()
    redis.process.kill()
    redis.start("--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024",
                wait=False)
    scene.relay.process.wait_line("LOADING")
    lines = scene.complaints("LOADING")
    with pytest.raises(redis_client.BusyLoadingError):
        redis.client.get("x")
    scene.visits(1)
    assert ready(scene.relay)[0] == 503
    assert len(scene.complaints("LOADING")) == 1
    until("redis has loaded", redis.answers, 20)
    until("it is ready", lambda: ready(scene.relay)[0] == 200)
    assert lines and scene.agent.welcomes() == 1
    scene.join("bob")


@pytest.mark.long
def test_a_redis_that_was_set_back_learns_what_has_happened_since(group):
    """An old snapshot is restored: older epochs, a device that has moved, one that has gone."""
    scene = Scene(group, relays=2, lease="10m", announce="200ms")
    first, second = scene.cluster.relays
    moving = scene.join("moving", relays=[first])
    leaving = scene.join("leaving", relays=[first])
    scene.redis.client.save()
    backup = scene.group.folder / "backup.rdb"
    shutil.copy(scene.redis.folder / "dump.rdb", backup)
    old = {name: scene.session(name) for name in ("alice", "moving", "leaving")}
    moving.stop()
    moving.config["relay"] = [second.url]
    # the other relay has fewer, so it keeps it
    until("its end is written", lambda: not scene.session("moving"))
    moving.start()
    scene.served(moving)
    leaving.stop()
    until("its end is written", lambda: not scene.session("leaving"))
    joined = scene.join("joined")
    routes, session = scene.redis.routes(), scene.session("moving")
    devices = [joined.device]
    scene.redis.process.kill()
    shutil.copy(backup, scene.redis.folder / "dump.rdb")
    scene.redis.start()
    for device in devices:
        scene.redis.add(device)  # the operator's: nobody else has it
    until("routes are as they were", lambda: scene.redis.routes() == routes)
    until("the session is where it was", lambda: scene.session("moving") == session)
    until("who has gone is gone", lambda: not scene.session("leaving"))
    assert int(session["epoch"]) > int(old["moving"]["epoch"])
    for agent in (scene.agent, moving, joined):
        scene.served(agent)
        assert agent.welcomes() == 1
    # Epochs go on from the newest that anybody knows.
    leaving.start()
    scene.served(leaving)
    assert int(scene.session("leaving")["epoch"]) > int(old["leaving"]["epoch"])
