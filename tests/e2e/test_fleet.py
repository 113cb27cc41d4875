# SPDX-License-Identifier: MIT
"""A fleet of agents (bench/fleet) at relays with Redis, router and HAProxy: all come back by
themselves, with what they had, and none costs more than the one before it."""
import json
import secrets
import subprocess
import time

import pytest

from harness.process import BUILD, ROOT, Process, binary
from harness.programs import Device, sha256_hex
from harness.scenes import Cluster
from harness.wait import until

pytestmark = pytest.mark.alone

AGENTS = 300
# What Redis has to do for one agent that connects. A few of these are shared by those that come
# together; MULTI and EXEC belong to none of them. Of the four entries in streams two are how the cluster
# works together (the session, its route), and two are what has happened (the lease, the connection).
COMMANDS_MAX = {
    "get": 2, "mget": 2, "hmget": 2, "hgetall": 3, "smembers": 1, "watch": 3, "set": 2, "hset": 2,
    "pexpire": 1, "sadd": 1, "zadd": 1, "xadd": 4}


class Fleet:
    def __init__(self, group, relays, window, agents=AGENTS):
        self.secret = secrets.token_urlsafe(24)
        path = group.folder / "fleet.secret"
        path.write_text(self.secret + "\n")
        options = {"agents": agents, "secret_file": path, "sample": agents, "window": window,
                   "domain": "example.test"}
        argv = [word for relay in relays for word in ("--relay", relay.url)]
        argv += [word for key, value in options.items()
                 for word in (f"--{key.replace('_', '-')}", str(value))]
        self.names = [f"a{number:06}" for number in range(agents)]
        self.argv, self.group = argv, group

    def register(self, redis):
        pipe = redis.client.pipeline()
        for name in self.names:
            device = Device(name)
            pipe.hset(f"taupe:device:{name}", mapping={
                **device.redis_hash(), "secret_sha256": sha256_hex(self.secret)})
        pipe.execute()

    def start(self):
        self.process = Process(self.group, "fleet", [binary("bench/fleet/fleet"), *self.argv])
        return self

    def events(self, kind):
        return [json.loads(line) for line in self.process.lines(f'"event":"{kind}"')]

    def wait_complete(self, count=1, timeout=60):
        self.process.wait_line('"event":"complete"', count=count, timeout=timeout)

    def counts(self):
        return self.events("counts")[-1]

    def labels(self):
        """As the last welcome of each agent has told them."""
        return {event["name"]: event["label"] for event in self.events("welcome")}


def make(group, relays, window=100, **config):
    """A cluster whose relays have a port for each agent, and a fleet that knows the first one."""
    cluster = Cluster(group, relays=0)
    net = f"127.{secrets.randbelow(100) + 100}.{secrets.randbelow(256)}"
    for number in range(1, relays + 1):
        cluster.relays.append(cluster.add_relay(
            f"r{number}", service_listen=f"{net}.{number}:10000-19999", log_level="info",
            **config))
    until("the relays know each other", lambda: all(
        len(relay.api("relays")["relays"]) == relays for relay in cluster.relays))
    fleet = Fleet(group, cluster.relays[:1], window=window)
    fleet.register(cluster.redis)
    return cluster, fleet


def calls(redis):
    stats = redis.client.info("commandstats")
    return {name.removeprefix("cmdstat_"): values["calls"] for name, values in stats.items()}


def assert_whole(cluster, fleet):
    """Each agent has a session, a lease and a route, and those that we try are reached."""
    client, labels = cluster.redis.client, fleet.labels()
    assert len(labels) == len(set(labels.values())) == AGENTS
    until("all routes are written", lambda: len(cluster.redis.routes()) == AGENTS)
    for name in fleet.names:
        assert client.hget(f"taupe:lease:{name}", "label") == labels[name]
        assert client.exists(f"taupe:session:{name}")
    for name in fleet.names[::AGENTS // 20]:
        answer = cluster.wait_served(f"{labels[name]}.example.test")
        assert answer.text == name


@pytest.fixture(name="one", scope="module")
def fixture_one(module_group):
    cluster, fleet = make(module_group, 1)
    cluster.before = calls(cluster.redis)
    fleet.start().wait_complete()
    cluster.after = calls(cluster.redis)
    return cluster, fleet


def test_every_agent_of_a_fleet_has_its_name_and_is_reached(one):
    assert_whole(*one)


def test_redis_does_no_more_for_each_agent_than_it_must(one):
    cluster, _ = one
    for command, most in COMMANDS_MAX.items():
        each = (cluster.after[command] - cluster.before.get(command, 0)) / AGENTS
        print(f"{command} {each:.2f}")
        # a tenth for announcements and for what was tried again
        assert each <= most * 1.1, f"{command}: {each:.2f} for each agent"


def test_agents_that_come_together_share_their_transactions(one):
    cluster, _ = one
    each = (cluster.after["exec"] - cluster.before.get("exec", 0)) / AGENTS
    print(f"exec {each:.2f}")
    assert each < 1, f"{each:.2f} transactions for each agent"


def test_relay_killed_and_started_again_has_all_back_with_the_same_names(one):
    cluster, fleet = one
    labels, complete = fleet.labels(), len(fleet.events("complete"))
    cluster.relay.process.kill()
    killed = time.monotonic()
    cluster.relay.start(wait=False)
    fleet.wait_complete(complete + 1)
    took = time.monotonic() - killed
    print(f"all {AGENTS} back {took:.1f} s after the kill: {fleet.counts()}")
    assert took < 20
    assert fleet.labels() == labels
    assert fleet.counts()["lost"] == AGENTS
    assert_whole(cluster, fleet)
    assert cluster.redis.client.zcard("taupe:leases") == AGENTS


def test_a_fleet_at_a_closed_door_is_let_in_turn_by_turn(group):
    cluster, fleet = make(group, 1, window=AGENTS, max_handshakes=20)
    fleet.start().wait_complete(timeout=120)
    print(fleet.counts())
    assert cluster.relay.process.lines("limit=max_handshakes"), "there were more than 20 at once"
    assert_whole(cluster, fleet)


def test_relay_gone_for_good_has_its_agents_at_the_other(group):
    cluster, fleet = make(group, 2)
    fleet.start().wait_complete()
    loads = [int(relay.metrics()["taupe_relay_agents"]) for relay in cluster.relays]
    print("agents per relay:", loads, fleet.counts())
    assert all(abs(load - AGENTS / 2) <= AGENTS / 10 for load in loads), loads
    assert fleet.counts()["redirects"] >= AGENTS / 3
    labels, complete = fleet.labels(), len(fleet.events("complete"))
    cluster.relays[0].process.kill()
    fleet.wait_complete(complete + 1)
    assert int(cluster.relays[1].metrics()["taupe_relay_agents"]) == AGENTS
    assert fleet.labels() == labels
    assert_whole(cluster, fleet)


def test_a_fleet_let_in_without_registry_is_written_as_soon_as_it_is_back(group):
    """All of it, and not so many with each announcement: the next one is a minute away."""
    cluster, fleet = make(group, 1, announce="60s", redis_timeout="300ms")
    fleet.start().wait_complete()
    sessions = [f"taupe:session:{name}" for name in fleet.names]
    before = cluster.redis.client.mget(sessions)
    cluster.redis.process.freeze()
    try:
        cluster.relay.process.kill()
        cluster.relay.start(wait=False)
        fleet.wait_complete(2)
    finally:
        cluster.redis.process.thaw()
    assert len(cluster.relay.process.lines("session is provisional")) == AGENTS
    until("all sessions are the new ones", lambda: all(
        new not in (None, old)
        for old, new in zip(before, cluster.redis.client.mget(sessions))), 20)
    for name, label in list(fleet.labels().items())[::AGENTS // 20]:
        until(f"{name} is reached", lambda n=name, host=f"{label}.example.test":
              cluster.get(host).text == n)


@pytest.mark.parametrize("relays, kind", [(1, "fleet"), (3, "cluster")])
def test_measurement_of_a_fleet_gives_every_row(relays, kind, tmp_path):
    out = tmp_path / "rows.json"
    done = subprocess.run([
        ROOT / "bench/fleet_run", BUILD, "--quick", "--agents", "60", "--relays", str(relays),
        "--rest", "0.2", "--relay-arg=--announce=100ms", "--json", out], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
    rows = {row["metric"].removeprefix(f"{kind}_"): row for row in json.loads(out.read_text())}
    wanted = {"connect_per_s", "connect_cpu_us_redis", "relay_bytes_per_agent", "agents_per_relay",
              "map_ms", "rest_redis_ops_s", "router_bytes", "recover_s", "recover_p99_s"}
    assert wanted <= set(rows)
    assert ("recover_one_s" in rows) == (relays > 1)
    for metric in ("agents_per_relay", "relay_bytes_per_agent"):
        assert rows[metric]["runs"] == relays
    assert all(row["agents"] == 60 and row["relays"] == relays for row in rows.values())
    assert 0 < rows["recover_p50_s"]["median"] <= rows["recover_p99_s"]["median"] \
        <= rows["recover_s"]["median"]
