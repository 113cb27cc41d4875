# SPDX-License-Identifier: MIT
"""A Redis with Sentinels fails over: the programs follow the primary, and nobody notices."""
import subprocess
import threading
import time

import pytest
import redis as redis_client

from harness.process import Process, Thread, binary
from harness.programs import Redis, Relay, SampleServices
from harness import ports
from harness.scenes import Cluster
from harness.sentinels import CONF, MASTER, ReplicatedRedis, Server
from harness.visitors import get, pattern_sha256
from harness.wait import stays, until

DEVICES = 4


class Visits:
    """New visits one after the other, until told to stop; what went wrong is kept."""

    def __init__(self, cluster, hosts):
        self.cluster, self.hosts = cluster, hosts
        self.served, self.faults = 0, []
        self.ending = threading.Event()
        self.thread = Thread(self._run)

    def _run(self):
        while not self.ending.wait(0.005):
            host = self.hosts[self.served % len(self.hosts)]
            try:
                answer = self.cluster.get(host, timeout=10)
                if answer.status != 200 or answer.text != "web":
                    self.faults.append(str(answer))
            except (OSError, EOFError) as error:
                self.faults.append(repr(error))
            self.served += 1

    def end(self):
        self.ending.set()
        self.thread.get()
        assert self.faults == []
        assert self.served > 20
        return self.served


class Scene:
    def __init__(self, group, **config):
        self.group = group
        self.services = SampleServices(group, "web")
        self.redis = ReplicatedRedis(group)
        self.cluster = Cluster(group, relays=2, redis=self.redis, lease="10m",
                               redis_timeout="1s", **config)
        self.agents = [self.cluster.agent(f"d{number}", [self.service])
                       for number in range(DEVICES)]
        self.hosts = [agent.host() for agent in self.agents]
        for host in self.hosts:
            self.cluster.wait_served(host)

    @property
    def service(self):
        return f"web:http:{self.services.target('web', 'http')}"

    def ask_service(self, path):
        return get(self.services.address("web", "http"), "direct", path)

    def leases(self):
        client = self.redis.client
        return {number: client.hmget(f"taupe:lease:d{number}", "label", "ports")
                for number in range(DEVICES)}

    def all_up(self):
        return all(relay.admin("/readyz")[0] == 200 and relay.api("status")["registry_up"]
                   for relay in self.cluster.relays)

    def newcomer(self, name):
        """A device that nobody knows yet: its session, lease and route need the registry."""
        agent = self.cluster.agent(name, [self.service])
        assert self.cluster.wait_served(agent.host()).text == "web"
        route = self.redis.routes().get(f"http/{agent.host()}")
        assert route, "its route is at the new primary"
        return agent

    def connected_names(self, server):
        try:
            clients = server.client.client_list()
        except redis_client.RedisError as error:  # it drops everybody when its role changes
            raise OSError(str(error)) from error
        return {client["name"].split(":")[0] for client in clients}

    def follow(self, other, since):
        """Until relays and router are at the other server; the seconds since then."""
        want = {"taupe-relay", "taupe-router"}
        until("relays and router are at the new primary",
              lambda: want <= self.connected_names(other) and self.all_up(), 20)
        return time.monotonic() - since


def test_a_killed_primary_is_left_for_the_new_one_and_nobody_notices(group):
    scene = Scene(group)
    old, other = scene.redis.primary, scene.redis.replica
    before = scene.leases()
    running = scene.cluster.visit(scene.hosts[0])
    running.send_head("GET", "/gate/failover")
    visits = Visits(scene.cluster, scene.hosts)
    download = Thread(scene.cluster.get, scene.hosts[1], "/bytes/50000000")
    scene.redis.wait_replicated()
    # As if its last writes had not come through.
    lost = f"http/{scene.hosts[3]}"
    other.client.config_set("replica-read-only", "no")
    assert other.client.hdel("taupe:routes", lost) == 1
    assert other.client.delete("taupe:lease:d3", "taupe:session:d3") == 2
    old.process.kill()
    start = time.monotonic()
    took = scene.follow(other, start)
    print(f"at the new primary {took:.2f} s after the old one was killed")
    until("what was lost is written again", lambda: scene.leases() == before and
          scene.redis.routes().get(lost), 2)
    scene.newcomer("newcomer")
    scene.ask_service("/gate/failover/open")
    assert running.read_answer().text == "gate failover"
    running.close()
    assert download.get().sha256 == pattern_sha256(50_000_000)
    print(f"{visits.end()} new visits, none failed")
    assert all(agent.welcomes() == 1 for agent in scene.agents), "no session was lost"


@pytest.fixture(scope="module")
def scene(module_group):
    return Scene(module_group)


@pytest.mark.long
@pytest.mark.parametrize("how", ["asked", "killed", "frozen"] * 2)
def test_failovers_in_a_row(scene, how):
    """The primary steps down, dies, or says nothing any more."""
    old, other = scene.redis.primary, scene.redis.replica
    until("there is a replica", lambda: other.is_replica_of(old), 20)
    welcomes = [agent.welcomes() for agent in scene.agents]
    scene.redis.wait_replicated()
    visits = Visits(scene.cluster, scene.hosts)
    start = time.monotonic()
    if how == "asked":
        scene.redis.failover()
    elif how == "killed":
        old.process.kill()
    else:
        old.process.freeze()
    until("a Sentinel names the other one", lambda: other.port in {
        sentinel.primary_port() for sentinel in scene.redis.sentinels}, 20)
    named = time.monotonic() - start
    took = scene.follow(other, start)
    print(f"{how}: named after {named:.2f} s, relays and router there after {took:.2f} s")
    if how == "killed":
        old.start()  # with nothing, and as a primary, as far as it knows
    elif how == "frozen":
        old.process.thaw()
    until("the old one is a replica", lambda: old.is_replica_of(other), 30)
    until("nobody is left there", lambda: not any(
        name.startswith("taupe") for name in scene.connected_names(old)))
    if how == "killed":
        stats = old.client.info("commandstats")
        assert "cmdstat_info" in stats
        assert not {"cmdstat_role", "cmdstat_xread"} & set(stats), "nobody of ours was there"
    routes = scene.redis.routes()
    assert all(f"http/{host}" in routes for host in scene.hosts)
    visits.end()
    assert [agent.welcomes() for agent in scene.agents] == welcomes


def ctl(redis, *words, **options):
    argv = [binary("taupectl")]
    for key, value in {**redis.access("taupectl"), **options}.items():
        for item in value if isinstance(value, list) else [value]:
            argv += ["--" + key.replace("_", "-"), str(item)]
    return subprocess.run([*argv, *words], capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.long
def test_taupectl_finds_the_primary(group):
    redis = ReplicatedRedis(group)
    assert ctl(redis, "device", "add", "alice").returncode == 0
    redis.sentinels[0].process.kill()
    assert ctl(redis, "device", "add", "bob").returncode == 0
    redis.wait_replicated()
    old, other = redis.primary, redis.replica
    old.process.kill()
    # it asks until there is one
    done = ctl(redis, "device", "ls", redis_timeout="15s")
    assert done.returncode == 0, done.stderr
    assert "alice" in done.stdout and "bob" in done.stdout
    assert other.is_primary()
    assert f"127.0.0.1:{other.port}" in ctl(redis, "status").stdout


@pytest.mark.long
@pytest.mark.parametrize("wrong,said,lines", [
    ({"redis_master_name": "nobody"}, "redis_master_name", 1),
    ({"redis_sentinel_password_file": None}, "NOAUTH", 2),
])
def test_what_is_wrong_with_the_sentinels_is_said(group, wrong, said, lines):
    redis = ReplicatedRedis(group)
    block = ports.take_block()
    relay = Relay(group, start=False, service_listen=f"127.0.0.1:{block}-{block + 9}",
                  **{**redis.access("taupe-relay"), **wrong})
    relay.start(wait=False)
    for what in ("for the primary", "for news")[:lines]:
        until("each Sentinel is named", lambda what=what: len(
            relay.process.lines("a Sentinel is of no use", said, what)) == 3)
    stays("it is said once of each", lambda: len(
        relay.process.lines("a Sentinel is of no use")) == 3 * lines, 3)
    assert relay.admin("/readyz")[0] == 503
    if "redis_master_name" in wrong:
        done = ctl(redis, "device", "ls", redis_timeout="300ms", **wrong)
        assert done.returncode == 69 and said in done.stderr


def test_the_configuration_starts(group):
    """redis/sentinel.conf as it is, with what is commented out, but for its paths."""
    redis = Server(group, "redis")
    text = CONF.read_text()
    port = ports.take()
    for old, new in (("dir /var/lib/redis", f"dir {group.folder}"), ("port 26379", f"port {port}"),
                     ("10.0.0.3 6379", f"127.0.0.1 {redis.port}"), ("taupe ...", f"taupe {Redis.PASSWORD}"),
                     ("#requirepass ...", "requirepass secret"),
                     ("#sentinel sentinel-pass ...", "sentinel sentinel-pass secret"),
                     ("#sentinel auth-", "sentinel auth-")):
        assert old in text
        text = text.replace(old, new)
    conf = group.folder / "sentinel.conf"
    conf.write_text(text)
    Process(group, "sentinel", ["redis-server", str(conf), "--sentinel"])
    client = redis_client.Redis(port=port, password="secret", decode_responses=True)

    def named():
        try:
            return client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER)
        except redis_client.RedisError as error:
            raise OSError(str(error)) from error

    assert until("the Sentinel answers", named) == ["127.0.0.1", str(redis.port)]


@pytest.mark.long
def test_dead_sentinels_are_passed_over(group):
    redis = ReplicatedRedis(group)
    for sentinel in redis.sentinels[:2]:
        sentinel.process.kill()
    block = ports.take_block()
    relay = Relay(group, service_listen=f"127.0.0.1:{block}-{block + 9}",
                  **redis.access("taupe-relay"))
    assert MASTER in relay.process.text()
    assert relay.api("status")["registry_up"]
