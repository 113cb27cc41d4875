# SPDX-License-Identifier: MIT
"""HAProxy's maps are the registry's routes, whatever restarts."""
import re
import time

import pytest

from harness.programs import SampleServices
from harness.scenes import Cluster, wait_tcp
from harness.wait import until

ROUTES = 10_000


class Scene:
    def __init__(self, group):
        self.group = group
        self.services = SampleServices(group, "web")
        self.cluster = Cluster(group)
        self.agents = [self.cluster.agent(f"d{number}", [
            f"web:http:{self.services.target('web', 'http')}",
            f"raw:tcp:{self.services.target('web', 'tcp')}"]) for number in range(4)]
        self.hosts = [agent.host() for agent in self.agents]
        for host in self.hosts:
            self.cluster.wait_served(host)
        self.tcp = self.cluster.public_address(self.agents[0], "raw")
        wait_tcp(self.tcp)


@pytest.fixture(scope="module")
def scene(module_group):
    return Scene(module_group)


def test_haproxy_restarted_has_its_maps_back_within_one_second(scene):
    haproxy = scene.cluster.haproxy
    haproxy.process.kill()
    haproxy.start()
    start = time.monotonic()
    for host in scene.hosts:
        scene.cluster.wait_served(host, timeout=1)
    assert wait_tcp(scene.tcp, timeout=1) == "web"
    print(f"all routes back {time.monotonic() - start:.3f} s after HAProxy's restart")


def test_haproxy_started_without_map_files_has_its_maps_back_within_one_second(scene):
    haproxy = scene.cluster.haproxy
    haproxy.process.kill()
    haproxy.empty_map_files()
    haproxy.start()
    for host in scene.hosts:
        scene.cluster.wait_served(host, timeout=1)


def test_router_killed_does_not_touch_visitors(scene):
    scene.cluster.router.process.kill()
    for host in scene.hosts:
        assert scene.cluster.get(host).text == "web"
    scene.cluster.router.start()


def test_router_killed_and_restarted_while_10000_routes_change_maps_equal_the_registry(scene):
    redis, haproxy, router = scene.cluster.redis, scene.cluster.haproxy, scene.cluster.router
    client = redis.client

    def write(first, last, target):
        """As a relay does: the hash and the event in one transaction."""
        for start in range(first, last, 500):
            pipe = client.pipeline(transaction=True)
            for number in range(start, min(start + 500, last)):
                key, value = f"http/h{number}.example.test", f"127.0.0.1,{target},1"
                pipe.hset("taupe:routes", key, value)
                pipe.xadd("taupe:events", {"kind": "route", "key": key, "value": value},
                          maxlen=100000, approximate=True)
            pipe.execute()

    def remove(first, last):
        pipe = client.pipeline(transaction=True)
        for number in range(first, last):
            key = f"http/h{number}.example.test"
            pipe.hdel("taupe:routes", key)
            pipe.xadd("taupe:events", {"kind": "route", "key": key, "value": ""})
        pipe.execute()

    write(0, ROUTES // 2, 10001)
    router.process.kill()
    write(ROUTES // 2, ROUTES, 10001)
    write(0, ROUTES // 4, 10002)
    remove(100, 200)
    router.start()
    # and on while it catches up
    write(ROUTES // 4, ROUTES // 2, 10003)
    router.process.kill()
    write(0, 50, 10004)
    remove(200, 300)
    router.start()
    until("the maps equal the registry",
          lambda: haproxy.routes("http") == redis_view(redis, "http/"), 20)
    for kind, prefix in (("sni", "sni/"), ("tcp", "tcp/")):
        assert haproxy.routes(kind) == redis_view(redis, prefix)
    assert haproxy.relays() == redis_view(redis, "relay/")
    for host in scene.hosts:
        assert scene.cluster.get(host).text == "web"
    remove(0, ROUTES)
    until("the maps are small again",
          lambda: haproxy.routes("http") == redis_view(redis, "http/"), 20)


def redis_view(redis, prefix):
    return {key[len(prefix):]: value.split(",")[:2] for key, value in redis.routes(nameless=True).items()
            if key.startswith(prefix)}


def test_moved_device_is_served_by_its_new_relay_without_a_gap(scene):
    cluster = scene.cluster
    second = cluster.add_relay("r2")
    cluster.relays.append(second)
    agent = cluster.agent("mover", [f"web:http:{scene.services.target('web', 'http')}"],
                          relays=[cluster.relays[0]])
    host = agent.host()
    cluster.wait_served(host)
    before = cluster.redis.routes()[f"http/{host}"]
    # the first relay may have sent it to the second at once
    here = re.findall(r'msg="session opened".* relay=(\S+)', agent.process.text())[-1]
    agent.stop()
    agent.config["relay"] = [relay.url for relay in (cluster.relays[0], second)
                             if relay.url != here]
    agent.state_file.unlink()
    agent.start()
    assert agent.host() == host
    assert cluster.wait_served(host).text == "web"
    assert cluster.redis.routes()[f"http/{host}"] != before or "redirected" in agent.process.text()
