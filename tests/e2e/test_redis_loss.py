# SPDX-License-Identifier: MIT
"""Redis goes, or comes back with nothing: tunnels stand, and what was lost is written again."""
import re
import shutil
import subprocess
import time

import pytest

from harness.fakes import Server
from harness.process import ROOT, Thread
from harness.programs import Agent, Device, Redis, Relay, SampleServices
from harness import ports
from harness.scenes import Cluster, wait_tcp
from harness.visitors import get, pattern_sha256, tcp_ask
from harness.wait import stays, until

DEVICES = 12


class Scene:
    def __init__(self, group):
        self.group = group
        self.services = SampleServices(group, "web")
        self.cluster = Cluster(group, relays=2, lease="10m")
        services = [f"web:http:{self.services.target('web', 'http')}",
                    f"raw:tcp:{self.services.target('web', 'tcp')}"]
        self.agents = [self.cluster.agent(f"d{number}", services) for number in range(DEVICES)]
        self.hosts = [agent.host() for agent in self.agents]
        for host in self.hosts:
            self.cluster.wait_served(host)
        self.tcp = self.cluster.public_address(self.agents[0], "raw")
        wait_tcp(self.tcp)

    def ask_service(self, path):
        return get(self.services.address("web", "http"), "direct", path)

    def registry(self):
        """Routes without epochs, and each device's lease."""
        client = self.cluster.redis.client
        routes = {key: value.rsplit(",", 1)[0]
                  for key, value in self.cluster.redis.routes().items()}
        leases = {}
        for number in range(DEVICES):
            lease = client.hgetall(f"taupe:lease:d{number}")
            leases[number] = (lease.get("label"), lease.get("ports"))
        labels = {host: client.get(f"taupe:label:{host.split('.')[0]}") for host in self.hosts}
        return routes, leases, labels


@pytest.fixture(scope="module")
def scene(module_group):
    return Scene(module_group)


def test_redis_restarted_empty_has_routes_and_leases_back_within_five_seconds(scene):
    before = scene.registry()
    running = scene.cluster.visit(scene.hosts[0])
    running.send_head("GET", "/gate/redis")
    download = Thread(scene.cluster.get, scene.hosts[1], "/bytes/50000000")
    redis = scene.cluster.redis
    redis.process.kill()
    start = time.monotonic()
    redis.start()
    until("the registry is as it was", lambda: scene.registry() == before, 5)
    print(f"routes and leases back {time.monotonic() - start:.2f} s after the restart")
    # The transfers that ran through it all.
    scene.ask_service("/gate/redis/open")
    assert running.read_answer().text == "gate redis"
    running.close()
    assert download.get().sha256 == pattern_sha256(50_000_000)
    for host in scene.hosts:
        assert scene.cluster.get(host).text == "web"
    assert all(agent.welcomes() == 1 for agent in scene.agents), "no session was lost"


def test_visitors_are_served_while_redis_is_away(scene):
    redis = scene.cluster.redis
    redis.process.kill()
    stays("visitors are served",
          lambda: all(scene.cluster.get(host).text == "web" for host in scene.hosts)
          and tcp_ask(scene.tcp, "NAME") == "web", 1)
    redis.start()
    for agent in scene.agents:
        redis.add(agent.device)


def test_known_device_is_back_with_its_name_while_redis_is_away(scene):
    redis = scene.cluster.redis
    until("the registry is full again", lambda: len(redis.routes()) >= 2 * DEVICES)
    redis.process.kill()
    agent = scene.agents[2]
    agent.kill()
    agent.start()
    assert agent.host() == scene.hosts[2]
    assert scene.cluster.wait_served(scene.hosts[2]).text == "web"
    redis.start()
    for each in scene.agents:
        redis.add(each.device)


def test_what_changed_while_redis_was_away_is_written_when_it_is_back(scene):
    redis = scene.cluster.redis
    until("the registry is full again", lambda: len(redis.routes()) >= 2 * DEVICES)
    redis.process.kill()
    scene.agents[3].stop()
    redis.start()
    for each in scene.agents:
        redis.add(each.device)
    until("the session is gone and the lease is there",
          lambda: redis.client.exists("taupe:lease:d3")
          and not redis.client.exists("taupe:session:d3"))
    scene.agents[3].start()
    assert scene.agents[3].host() == scene.hosts[3]


def test_frozen_redis_does_not_stop_visitors(scene):
    """It accepts and answers nothing: worse than gone."""
    redis = scene.cluster.redis
    redis.process.freeze()
    stays("visitors are served",
          lambda: all(scene.cluster.get(host).text == "web" for host in scene.hosts[:3]), 3)
    redis.process.thaw()
    until("redis answers again", redis.answers)


def restore(redis, copy):
    """As docs/OPERATIONS.md has it, with the folders and the systemctl that a test has."""
    text = (ROOT / "docs" / "OPERATIONS.md").read_text()
    block = re.search(r"^Restore.*?^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE).group(1)
    for line in block.splitlines():
        if line == "systemctl stop redis-server@taupe":
            redis.process.stop()
        elif line == "systemctl start redis-server@taupe":
            redis.start("--appendonly", "yes")
        else:
            line = line.replace("/var/lib/redis/taupe", str(redis.folder)) \
                .replace("/root/dump.rdb", str(copy)).replace("-o redis -g redis ", "")
            subprocess.run(["sh", "-ec", line], check=True, timeout=20)


def test_backup_is_restored_as_the_operator_is_told(group):
    redis, device = Redis(group), Device("alice")
    redis.process.stop()
    redis.start("--appendonly", "yes")
    redis.add(device)
    block = ports.take_block(group.exits)
    relay = Relay(group, service_listen=f"127.0.0.1:{block}-{block + ports.BLOCK - 1}",
                  **redis.access("taupe-relay"))
    services = SampleServices(group, "web")
    agent = Agent(group, device, [relay], [f"web:http:{services.target('web', 'http')}"])
    agent.wait_connected()
    redis.client.save()
    copy = shutil.copy(redis.folder / "dump.rdb", group.folder / "copy.rdb")
    redis.client.flushall()
    redis.add(Device("mallory"))
    restore(redis, copy)
    assert redis.client.smembers("taupe:devices") == {"alice"}
    until("the relay has it back", lambda: relay.ready() and redis.client.exists("taupe:relay:r1"))
    assert agent.welcomes() == 1, "no session was lost"
    agent.kill()
    agent.start()
    agent.wait_connected()


GARBAGE = [b"!!! not redis\r\n", b"$-5\r\n", b"*99999999999\r\n", b":1\r\n+OK\r\n" * 50, b"\0" * 4000,
           b"-ERR no\r\n" * 50, b"*3\r\n$1\r\nx\r\n", b"%2\r\n+a\r\n"]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_malformed_redis_replies_are_logged_and_end_one_connection(group, garbage):
    def answer(sock, _server):
        while sock.recv(65536):
            sock.sendall(garbage)

    with Server(answer) as fake:
        block = ports.take_block()
        relay = Relay(group, start=False, redis=f"127.0.0.1:{fake.address[1]}",
                      service_listen=f"127.0.0.1:{block}-{block + 9}", redis_timeout="300ms")
        relay.start(wait=False)
        until("it has come back", lambda: fake.connections >= 3, 15)
        until("it says so", lambda: relay.process.lines("level=warn")
              or relay.process.lines("level=error"))
        assert relay.admin("/readyz")[0] == 503
        assert relay.process.running()
