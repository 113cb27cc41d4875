# SPDX-License-Identifier: MIT
"""Fleets: with one key devices enter by themselves, as many, as long and of such names as the operator
has said, and each has a secret of its own from then on (docs/PROTOCOL.md section 4.9)."""
import concurrent.futures
import fcntl
import re
import socket
import threading
import time

import pytest

from harness.programs import Agent, Device, SampleServices, sha256_hex
from harness.scenes import Cluster, Standalone
from harness.wait import until
from test_taupectl import NOUSER, USAGE, Ctl

KEY = re.compile(r"probes\.[A-Za-z0-9_-]{43}")
CANTCREAT, DATAERR = 73, 65


class Fleet:
    """Devices that have nothing but a key."""

    def __init__(self, group, relays, key):
        self.group, self.relays = group, relays
        self.services = SampleServices(group, "web")
        self.key_file = group.folder / "fleet.key"
        self.key_file.write_text(key + "\n")
        self.key_file.chmod(0o600)

    def agent(self, name, wait=True, relays=None, **config):
        agent = Agent(self.group, Device(name), relays or self.relays,
                      [f"web:http:{self.services.target('web', 'http')}"], start=False,
                      **{"secret_file": None, "enrolment_key_file": self.key_file, **config})
        return agent.start(wait=wait)


@pytest.fixture
def cluster(group):
    return Cluster(group, relays=2)


@pytest.fixture
def ctl(cluster):
    return Ctl(**cluster.redis.access("taupectl"))


def add_fleet(ctl, *words):
    key = ctl.ok("fleet", "add", "probes", *words).strip()
    assert KEY.fullmatch(key)
    return key


def refused(agent, reason):
    """The status of the relay's answer for that reason."""
    line = agent.process.wait_line("status=", reason)
    agent.stop()
    return int(re.search(r"status=(\d+)", line)[1])


def test_a_fleet_enters_by_itself_up_to_its_limit(group, cluster, ctl):
    key = add_fleet(ctl, "--devices", "4", "--pattern", "p-*")
    fleet = Fleet(group, cluster.relays, key)
    agents = [fleet.agent(f"p-{i}") for i in range(4)]
    for agent in agents:
        assert cluster.wait_served(agent.host()).text == "web"
    redis = cluster.redis.client
    hashes = {redis.hget(f"taupe:device:p-{i}", "secret_sha256") for i in range(4)}
    assert len(hashes) == 4 and sha256_hex(key) not in hashes
    assert refused(fleet.agent("p-5", wait=False), "as many devices as it may") == 403
    assert refused(fleet.agent("q-1", wait=False), "does not fit") == 403
    assert not redis.exists("taupe:device:p-5") and not redis.exists("taupe:device:q-1")
    shown = ctl.json("fleet", "show", "probes")
    assert (shown["used"], shown["max"], shown["pattern"]) == (4, 4, "p-*")
    assert ctl.json("device", "show", "p-2")["fleet"] == "probes"
    events = [fields for _, fields in redis.xrange("taupe:history")
              if fields["kind"] == "enrol"]
    assert [(event["device"], event["fleet"]) for event in events] == [
        (f"p-{i}", "probes") for i in range(4)]
    assert all(event["from"] for event in events)
    assert sum(relay.metrics()["taupe_relay_devices_enrolled_total"]
               for relay in cluster.relays) == 4


def ask(relay, name, key):
    """The status of a relay's answer to a device of that name with the key."""
    with socket.create_connection(relay.agent_address, 20) as sock:
        sock.sendall((f"GET /v1/control?name={name}&instance={name}&service=web:http"
                      f"&enrol={sha256_hex(name)} HTTP/1.1\r\nHost: relay\r\n"
                      "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                      "Sec-WebSocket-Key: dGF1cGUgZGlncyBoZXJlIQ==\r\n"
                      f"Sec-WebSocket-Protocol: taupe.v1\r\nAuthorization: Bearer {key}\r\n\r\n"
                      ).encode())
        return int(sock.makefile("rb").readline().split()[1])


def test_a_crowd_at_two_relays_at_once_gets_no_further_than_the_limit(cluster, ctl):
    key = add_fleet(ctl, "--devices", "40")
    redis = cluster.redis.client

    def enrol(number):
        def answer():
            status = ask(cluster.relays[number % 2], f"p-{number}", key)
            return status if status not in (429, 503) else None  # it shall come again
        return until(f"p-{number} is answered", answer, 20, interval=0.1)

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        statuses = list(pool.map(enrol, range(50)))
    inside = {f"p-{number}" for number, status in enumerate(statuses) if status in (101, 302)}
    print(f"statuses: { {status: statuses.count(status) for status in set(statuses)} }")
    assert len(inside) == 40 and statuses.count(403) == 10
    assert redis.smembers("taupe:devices") == inside | {"nobody"}
    assert ctl.json("fleet", "show", "probes")["used"] == 40
    events = [fields["device"] for _, fields in redis.xrange("taupe:history")
              if fields["kind"] == "enrol"]
    assert sorted(events) == sorted(inside)
    # who is in already repeats itself, and is not counted again
    assert ask(cluster.relays[0], min(inside), key) in (101, 302)
    assert ctl.json("fleet", "show", "probes")["used"] == 40


def test_a_device_is_kept_out_when_its_fleet_is_removed_first(group, cluster, ctl):
    fleet = Fleet(group, cluster.relays, add_fleet(ctl))
    agent = fleet.agent("p-1")
    ctl.ok("device", "rm", "p-1")
    agent.wait_connected(count=2)  # the key is good: that is a new device
    assert ctl.json("fleet", "show", "probes")["used"] == 2
    ctl.ok("fleet", "rm", "probes")
    ctl.ok("device", "rm", "p-1")
    agent.process.wait_line("level=error", "status=401")
    assert agent.welcomes() == 2 and not cluster.redis.client.exists("taupe:device:p-1")


def keep_out_and_let_in_again(ctl, agent):
    """One device alone, while its fleet's key stays good: its record stays, and its secret is nobody's."""
    ctl.ok("device", "rotate", "p-1", "--now")
    agent.process.wait_line("level=error", "a device of this name exists", "status=409")
    assert agent.welcomes() == 1
    assert [device["name"] for device in ctl.json("device", "ls")["devices"]
            if device["fleet"] == "probes" and not device["online"]] == ["p-1"]
    assert ctl.json("fleet", "show", "probes")["used"] == 2, "it was not counted again"
    ctl.ok("device", "rm", "p-1")
    agent.stop()
    agent.start()
    assert ctl.json("fleet", "show", "probes")["used"] == 3


def test_one_device_is_kept_out_by_a_secret_that_it_has_not(group, cluster, ctl):
    fleet = Fleet(group, cluster.relays, add_fleet(ctl))
    other, agent = fleet.agent("p-2"), fleet.agent("p-1")
    keep_out_and_let_in_again(ctl, agent)
    assert other.welcomes() == 1


def test_alone_one_device_is_kept_out_by_a_secret_that_it_has_not(group):
    alone = Standalone(group)
    ctl = Ctl(devices_file=alone.devices_file, admin=f"127.0.0.1:{alone.relay.admin_port}")
    fleet = Fleet(group, [alone.relay], add_fleet(ctl))
    other, agent = fleet.agent("p-2"), fleet.agent("p-1")
    keep_out_and_let_in_again(ctl, agent)
    assert other.welcomes() == 1


def test_a_revoked_key_lets_nobody_in_and_cuts_nobody(group, cluster, ctl):
    fleet = Fleet(group, cluster.relays, add_fleet(ctl))
    agent = fleet.agent("p-1")
    label = agent.label
    ctl.ok("fleet", "rm", "probes")
    fleet.agent("p-2", wait=False).process.wait_line("unknown fleet or wrong")
    # who is in stays, and comes back with its own secret
    agent.process.kill()
    agent.start()
    assert agent.label == label
    assert cluster.wait_served(agent.host()).text == "web"
    ctl.fails(NOUSER, "there is no fleet probes", "fleet", "rm", "probes")


def test_a_key_that_has_expired_lets_nobody_in(group, cluster, ctl):
    fleet = Fleet(group, cluster.relays, add_fleet(ctl, "--expires", "1s"))
    until("it has expired", lambda: "expired" in ctl.ok("fleet", "ls"))
    agent = fleet.agent("p-1", wait=False)
    agent.process.wait_line("has expired")
    agent.process.wait_line("status=401")
    assert not cluster.redis.client.exists("taupe:device:p-1")


def test_a_name_that_is_taken_stays_with_its_device(group, cluster, ctl):
    fleet = Fleet(group, cluster.relays, add_fleet(ctl))
    cluster.device("p-1")
    before = cluster.redis.client.hgetall("taupe:device:p-1")
    assert refused(fleet.agent("p-1", wait=False), "has another secret") == 409
    assert cluster.redis.client.hgetall("taupe:device:p-1") == before
    assert ctl.json("fleet", "show", "probes")["used"] == 0


def test_a_redirect_leads_on_with_the_key(group, cluster, ctl):
    """Enrolled at one relay, welcomed by another: one device."""
    fleet = Fleet(group, cluster.relays, add_fleet(ctl))
    crowd = [cluster.agent(f"d{i}", ["x:http:127.0.0.1:1"], relays=[cluster.relays[0]], name=f"d{i}")
             for i in range(3)]
    agents = [fleet.agent(f"p-{i}", relays=[cluster.relays[0]]) for i in range(6)]
    redirects = sum(relay.metrics()["taupe_relay_agents_redirected_total"]
                    for relay in cluster.relays)
    assert redirects > 0, "a test of redirects without one shows nothing"
    assert ctl.json("fleet", "show", "probes")["used"] == 6
    assert len(crowd) + len(agents) == sum(
        int(relay.metrics()["taupe_relay_agents"]) for relay in cluster.relays)


def test_without_redis_enrolling_waits(group, cluster, ctl):
    fleet = Fleet(group, cluster.relays, add_fleet(ctl))
    cluster.redis.process.stop()
    for relay in cluster.relays:
        until("the relay knows", lambda r=relay: not r.api("status")["registry_up"])
    agent = fleet.agent("p-1", wait=False)
    agent.process.wait_line("status=503", "does not answer")
    cluster.redis.start()
    fleet.key_file.write_text(add_fleet(ctl) + "\n")  # that Redis keeps nothing
    agent.process.send_signal(1)
    agent.wait_connected(timeout=20)


class BusyWriter:
    """Has the devices file's lock most of the time, as an API that is used much."""

    def __init__(self, devices_file):
        self.path, self.over = f"{devices_file}.lock", threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.over.is_set():
            with open(self.path, "a", encoding="ascii") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                time.sleep(0.1)
            time.sleep(0.03)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def test_alone_devices_enter_while_others_write(group):
    alone = Standalone(group)
    ctl = Ctl(devices_file=alone.devices_file, admin=f"127.0.0.1:{alone.relay.admin_port}")
    fleet = Fleet(group, [alone.relay], add_fleet(ctl))
    with BusyWriter(alone.devices_file):
        agents = [fleet.agent(f"p-{i}", wait=False) for i in range(5)]
        for agent in agents:
            agent.wait_connected()
        assert not alone.relay.process.lines("agent refused")
        for agent in agents:  # and each has another secret
            ctl.ok("device", "rotate", agent.device.name)
        until("all have", lambda: "rotation" not in alone.devices_file.read_text(), timeout=20)
        assert not alone.relay.process.lines("level=error")


def test_alone_a_fleet_is_in_the_devices_file(group):
    alone = Standalone(group)
    ctl = Ctl(devices_file=alone.devices_file, admin=f"127.0.0.1:{alone.relay.admin_port}")
    fleet = Fleet(group, [alone.relay], add_fleet(ctl, "--devices", "2"))
    agents = [fleet.agent(f"p-{i}") for i in range(2)]
    assert alone.get(agents[1].host()).text == "web"
    assert refused(fleet.agent("p-7", wait=False), "as many devices as it may") == 403
    text = alone.devices_file.read_text()
    assert fleet.key_file.read_text().strip() not in text
    assert ctl.json("fleet", "ls")["fleets"][0]["used"] == 2
    assert {device["name"]: device["fleet"] for device in ctl.json("device", "ls")["devices"]
            if device["fleet"]} == {"p-0": "probes", "p-1": "probes"}
    assert alone.relay.process.lines('msg="device enrolled"')
    agents[0].process.kill()
    ctl.ok("fleet", "rm", "probes")
    agents[0].start()


def test_what_is_wrong_is_said(ctl):
    add_fleet(ctl)
    ctl.fails(CANTCREAT, "there is a fleet probes already", "fleet", "add", "probes")
    ctl.fails(NOUSER, "there is no fleet x", "fleet", "show", "x")
    ctl.fails(DATAERR, 'cannot be a fleet', "fleet", "add", "a b")
    ctl.fails(USAGE, "belong to fleet add", "fleet", "ls", "--devices", "3")
    ctl.fails(USAGE, "fleet's name is missing", "fleet", "add")
