# SPDX-License-Identifier: MIT
"""A relay that begins again where one has ended: the proxy still leads visitors to the ports of
devices that are not back yet."""
import signal

import pytest

from harness import ports
from harness.process import Thread
from harness.programs import SampleServices
from harness.scenes import Cluster

DEVICES = ("d0", "d1", "d2", "d3")
NEW = ("n0", "n1", "n2", "n3")


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
def test_port_of_a_device_that_is_not_back_is_given_to_no_other(group, end):
    services = SampleServices(group, *DEVICES, *NEW)
    cluster = Cluster(group, relays=1)

    def make(name):
        return cluster.agent(name, [f"web:http:{services.target(name, 'http')}",
                                    f"raw:tcp:{services.target(name, 'tcp')}"])

    agents = {name: make(name) for name in DEVICES}
    hosts = {name: agent.host() for name, agent in agents.items()}
    for name, host in hosts.items():
        assert cluster.wait_served(host).text == name
    routes = cluster.redis.routes()
    for agent in agents.values():
        agent.kill()
    process = cluster.relay.process
    process.expected = {0, -signal.SIGKILL}
    process.send_signal(end)
    process.popen.wait(20)
    cluster.relay.start()

    # those who come first would be given the first ports
    for name in NEW:
        host = make(name).host()
        assert cluster.wait_served(host).text == name
    answers = [Thread(cluster.get, host) for host in hosts.values()]
    assert [answer.get().status for answer in answers] == [503] * len(hosts)
    for name in reversed(DEVICES):
        agents[name].start()
        assert agents[name].host() == hosts[name]
        assert cluster.wait_served(hosts[name]).text == name
    now = cluster.redis.routes()
    assert {key: now[key] for key in routes} == routes, "HAProxy had to learn nothing"
    assert len(now) == 2 * len(DEVICES + NEW) == len(set(now.values()))


def test_relay_that_begins_without_redis_leads_nobody_to_another_device(group):
    """Its ports are as many as the devices', so each is one to which visitors are led."""
    services = SampleServices(group, *DEVICES)
    cluster = Cluster(group, relays=0, redis_timeout="300ms")
    low = ports.take_block()
    cluster.relays.append(cluster.add_relay(
        "r1", service_listen=f"127.0.0.1:{low}-{low + len(DEVICES) - 1}"))
    agents = {}
    for name in DEVICES:
        agents[name] = cluster.agent(name, [f"web:http:{services.target(name, 'http')}"])
        assert cluster.wait_served(agents[name].host()).text == name
    routes = cluster.redis.routes()
    cluster.redis.process.freeze()
    try:
        process = cluster.relay.process
        process.expected = {0, -signal.SIGKILL}
        for agent in agents.values():
            agent.kill()
        process.kill()
        cluster.relay.start(wait=False)
        for name in reversed(DEVICES):  # the last one comes first
            agents[name].start()
        answers = [cluster.get(agent.host()) for agent in agents.values()]
    finally:
        cluster.redis.process.thaw()
    assert [answer.status for answer in answers] == [503] * len(DEVICES)
    for name, agent in agents.items():
        assert cluster.wait_served(agent.host()).text == name
    assert cluster.redis.routes() == routes, "each has its port again"


def test_relay_whose_user_may_not_read_the_routes_serves_and_says_so(group):
    """As with the users of an older Redis configuration."""
    cluster = Cluster(group, relays=0)
    cluster.redis.client.execute_command("ACL", "SETUSER", "taupe-relay", "-hscan")
    relay = cluster.add_relay("r1")
    relay.process.wait_line("HSCAN of the routes", "NOPERM")
    assert relay.ready()
    cluster.redis.client.acl_log_reset()
