# SPDX-License-Identifier: MIT
"""The end of a secret. taupectl device rotate --now and device rm cut sessions and visits within a
second, on whichever relay they are, and the old secret lets nobody in any more. Without --now the
agent draws a secret itself, and nobody notices."""
import hashlib
import pathlib
import socket
import threading
import time
import urllib.parse

import pytest

from harness.fakes import TEXT, RawAgent, frame
from harness.programs import Agent, Device, SampleServices
from harness.scenes import Cluster, Standalone
from harness.wait import until
from test_taupectl import NOUSER, SECRET, USAGE, Ctl

CUT_SECONDS = 1
# Two that wait for nobody would come back before anything could be asked.
PATIENT = {"reconnect_min": "30s", "reconnect_max": "30s"}


class Cut:
    """A visitor in the middle of a visit, and when it was cut."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), 20)
        self.sock.sendall(b"ECHO\nthere?")
        assert self.sock.recv(100) == b"there?"
        self.at = None
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        try:
            while self.sock.recv(100):
                pass
        except ConnectionResetError:
            pass
        self.at = time.monotonic()

    def seconds_after(self, start):
        self.thread.join(20)
        self.sock.close()
        assert self.at is not None, "the visit was not cut"
        return self.at - start


class Scene:
    """A device at each of two relays."""

    def __init__(self, group):
        self.group = group
        self.services = SampleServices(group, "web")
        self.cluster = Cluster(group, relays=2)
        self.ctl = Ctl(**self.cluster.redis.access("taupectl"))
        self.agents = [self.agent(f"d{number}", relay)
                       for number, relay in enumerate(self.cluster.relays)]
        until("each relay has one", lambda: self.loads() == [1, 1])

    def agent(self, name, relay):
        return self.cluster.agent(name, [f"raw:tcp:{self.services.target('web', 'tcp')}"],
                                  relays=[relay], **PATIENT)

    def loads(self):
        return [int(relay.metrics()["taupe_relay_agents"]) for relay in self.cluster.relays]


@pytest.fixture
def scene(group):
    return Scene(group)


def let_in(group, device, secret, relay, number):
    """How a relay answers an agent of that name and secret: its first word."""
    device.secret = secret
    agent = Agent(group, device, [relay], ["web:http:127.0.0.1:1"], name=f"try-{number}",
                  start=False, state_file=None, **PATIENT)
    agent.start(wait=False)
    line = until("the relay answers", lambda: [
        line for line in agent.process.text().splitlines()
        if agent.WELCOME in line or "status=" in line])[0]
    agent.stop()
    return agent.WELCOME in line


@pytest.mark.parametrize("words", [("device", "rotate", "--now"), ("device", "rm")],
                         ids=["rotate", "rm"])
def test_sessions_and_visits_are_cut_on_every_relay_within_a_second(scene, words):
    visits = [Cut(agent.port("raw")) for agent in scene.agents]
    for number, (agent, visit) in enumerate(zip(scene.agents, visits)):
        start = time.monotonic()
        scene.ctl.ok(*words, f"d{number}")
        until("the session is cut", lambda a=agent: a.process.lines("revoked"), interval=0.005)
        session = time.monotonic() - start
        visit_cut = visit.seconds_after(start)
        print(f"{' '.join(words)}, relay r{number + 1}: session cut after {session * 1000:.0f} ms, "
              f"visit after {visit_cut * 1000:.0f} ms (taupectl's own time is in it)")
        assert session < CUT_SECONDS and visit_cut < CUT_SECONDS
    until("no relay has any", lambda: scene.loads() == [0, 0])


def test_the_old_secret_is_dead_on_every_relay_and_the_new_one_is_good(scene):
    agent = scene.agents[0]
    device, old = agent.device, agent.device.secret
    agent.stop()
    new = scene.ctl.ok("device", "rotate", "d0", "--now").strip()
    assert SECRET.fullmatch(new)
    stored = scene.cluster.redis.client.hgetall("taupe:device:d0")
    assert stored["secret_sha256"] == hashlib.sha256(new.encode()).hexdigest()
    for number, relay in enumerate(scene.cluster.relays):
        assert not let_in(scene.group, device, old, relay, 2 * number)
        assert let_in(scene.group, device, new, relay, 2 * number + 1)


def test_an_agent_with_the_new_secret_in_its_file_is_back_after_sighup(scene):
    agent = scene.agents[1]
    label = agent.label
    new = scene.ctl.ok("device", "rotate", "d1", "--now").strip()
    agent.process.wait_line("revoked")
    agent.config["secret_file"].write_text(new + "\n")
    agent.process.send_signal(1)
    agent.wait_connected(count=2)
    assert label != agent.label, "the lease of a revoked session is over"


def test_alone_rotation_keeps_what_is_reserved_and_cuts_the_session(group):
    alone = Standalone(group)
    services = SampleServices(group, "web")
    ctl = Ctl(devices_file=alone.devices_file, admin=f"127.0.0.1:{alone.relay.admin_port}")
    device = alone.device("alice", label="shop")
    agent = alone.agent(device, [f"web:http:{services.target('web', 'http')}"], **PATIENT)
    assert alone.get("shop.example.test").text == "web"
    start = time.monotonic()
    answer = ctl.json("device", "rotate", "alice", "--now")
    until("the session is cut", lambda: agent.process.lines("revoked"), interval=0.005)
    cut = time.monotonic() - start
    print(f"a relay that stands alone: session cut after {cut * 1000:.0f} ms")
    assert cut < 2 * CUT_SECONDS, "the file is looked at each second"
    assert answer["name"] == "alice" and SECRET.fullmatch(answer["secret"])
    text = alone.devices_file.read_text()
    assert answer["secret"] not in text and device.secret not in text
    agent.config["secret_file"].write_text(answer["secret"] + "\n")
    agent.process.send_signal(1)
    agent.wait_connected(count=2)
    assert alone.get("shop.example.test").text == "web"


def stored_hash(scene, name):
    return scene.cluster.redis.client.hget(f"taupe:device:{name}", "secret_sha256")


def asked(scene, name):
    return scene.ctl.json("device", "show", name)["rotation"]


def test_a_connected_device_draws_another_secret_and_no_visit_notices(scene):
    agent, old = scene.agents[0], scene.agents[0].device.secret
    visit = Cut(agent.port("raw"))
    scene.ctl.ok("device", "rotate", "d0")
    until("the relay has the new secret's hash",
          lambda: stored_hash(scene, "d0") != hashlib.sha256(old.encode()).hexdigest())
    until("nothing is asked any more", lambda: asked(scene, "d0") is None)
    agent.process.wait_line("secret")
    assert agent.welcomes() == 1 and visit.at is None
    visit.sock.sendall(b" still there?")
    # the old one is dead on each relay; the one that the agent has stored opens the door
    for number, relay in enumerate(scene.cluster.relays):
        assert not let_in(scene.group, Device("d0"), old, relay, number)
    assert visit.at is None
    agent.process.kill()
    agent.start()
    assert agent.label


def test_a_device_that_is_away_draws_one_when_it_is_back(scene):
    agent = scene.agents[1]
    agent.stop()
    before = stored_hash(scene, "d1")
    scene.ctl.ok("device", "rotate", "d1")
    assert asked(scene, "d1") == "asked"
    agent.start()
    until("the relay has the new secret's hash", lambda: stored_hash(scene, "d1") != before)
    until("nothing is asked any more", lambda: asked(scene, "d1") is None)
    agent.process.kill()
    agent.start()


def test_a_device_that_has_no_place_for_a_secret_says_so(scene):
    agent = scene.cluster.agent("rom", ["raw:tcp:127.0.0.1:1"], state_file=None)
    before = stored_hash(scene, "rom")
    scene.ctl.ok("device", "rotate", "rom")
    until("the reason is there", lambda: asked(scene, "rom") not in ("asked", None))
    assert "cannot be kept" in asked(scene, "rom")
    assert "cannot be kept" in scene.ctl.ok("device", "show", "rom")
    assert stored_hash(scene, "rom") == before
    assert agent.welcomes() == 1
    agent.stop()


def test_a_relay_that_dies_in_between_locks_nobody_out(scene):
    """Killed anywhere between asking and answering: the agent has both secrets."""
    relay = scene.cluster.relays[0]
    agent = scene.cluster.agent("d9", ["raw:tcp:127.0.0.1:1"], relays=[relay])
    before = stored_hash(scene, "d9")
    relay.process.freeze()
    scene.ctl.ok("device", "rotate", "d9")
    relay.process.kill()
    relay.start()
    until("the relay has the new secret's hash", lambda: stored_hash(scene, "d9") != before)
    agent.process.kill()
    agent.start()


def kept_secret(agent):
    """The newest in the agent's own file."""
    text = pathlib.Path(f"{agent.state_file}.secret").read_text()
    return urllib.parse.parse_qs(text.strip())["secret"][0]


def offer_while_nobody_writes(scene, agent):
    """Ask for another secret as taupectl does, and from the next command on Redis writes nothing for
    anybody; the secret that the agent has stored and offered."""
    pipe = scene.cluster.redis.client.pipeline(transaction=False)
    name = agent.config["name"]
    before = stored_hash(scene, name)
    pipe.hset(f"taupe:device:{name}", "rotation", "asked")
    pipe.xadd("taupe:events", {"kind": "device", "name": name})
    pipe.execute_command("CLIENT", "PAUSE", 60000, "WRITE")
    pipe.execute()
    agent.process.wait_line("kept and offered")
    assert stored_hash(scene, name) == before
    return kept_secret(agent)


def wait_taken(scene, agent, secret):
    name = agent.config["name"]
    until("the relay has the new secret's hash",
          lambda: stored_hash(scene, name) == hashlib.sha256(secret.encode()).hexdigest(), 20)
    until("nothing is asked any more", lambda: asked(scene, name) is None)
    assert kept_secret(agent) == secret, "no third one was drawn"


def test_a_relay_that_dies_after_the_agent_has_stored_and_before_it_has_written(scene):
    redis, relay = scene.cluster.redis.client, scene.cluster.relays[0]
    agent = scene.cluster.agent("d9", ["raw:tcp:127.0.0.1:1"], relays=[relay])
    old, before = agent.device.secret, stored_hash(scene, "d9")
    new = offer_while_nobody_writes(scene, agent)
    relay.process.kill()
    redis.execute_command("CLIENT", "UNPAUSE")
    assert new != old and stored_hash(scene, "d9") == before
    relay.start()
    agent.process.wait_line("the next is tried")  # the new one is refused, the old one is good
    wait_taken(scene, agent, new)
    agent.stop()
    for number, other in enumerate(scene.cluster.relays):
        assert not let_in(scene.group, Device("d9"), old, other, 2 * number)
        assert let_in(scene.group, Device("d9"), new, other, 2 * number + 1)


def test_redis_that_answers_too_late_costs_neither_the_session_nor_the_secret(scene):
    agent = scene.agents[0]
    visit = Cut(agent.port("raw"))
    new = offer_while_nobody_writes(scene, agent)
    scene.cluster.relays[0].process.wait_line("redis link is down")
    scene.cluster.redis.client.execute_command("CLIENT", "UNPAUSE")
    wait_taken(scene, agent, new)
    agent.process.wait_line("relay has the new secret")
    assert agent.welcomes() == 1 and visit.at is None


def test_a_secret_that_nobody_has_asked_for_does_not_reach_the_registry(scene):
    redis, device = scene.cluster.redis.client, scene.cluster.device("d9")
    before = stored_hash(scene, "d9")
    with RawAgent(scene.cluster.relays[0].agent_address) as raw:
        # one that was sent on twice already stays
        query = urllib.parse.urlencode({"name": "d9", "instance": "i", "service": "raw:tcp",
                                        "hops": 2}, safe=":")
        raw.send(raw.control_request(device, query=query).encode())
        assert raw.read_head()[0] == 101

        def answers():
            while True:
                opcode, payload = raw.read_frame()
                if opcode == TEXT and payload.startswith(b"op=secret"):
                    yield urllib.parse.parse_qs(payload.decode())
        answer = answers()
        redis.config_resetstat()
        for number in range(200):
            raw.send(frame(TEXT, f"op=secret&sha256={number:064x}"))
            assert "nobody has asked" in next(answer)["error"][0]
        reads = redis.info("commandstats").get("cmdstat_hgetall", {"calls": 0})["calls"]
        print(f"200 offers, and {reads} HGETALL at Redis for whatever else")
        assert reads < 100
    assert stored_hash(scene, "d9") == before


def test_alone_a_device_draws_another_secret(group):
    alone = Standalone(group)
    ctl = Ctl(devices_file=alone.devices_file, admin=f"127.0.0.1:{alone.relay.admin_port}")
    services = SampleServices(group, "web")
    device = alone.device("alice", label="shop")
    agent = alone.agent(device, [f"web:http:{services.target('web', 'http')}"])
    line = alone.devices_file.read_text()
    ctl.ok("device", "rotate", "alice")
    until("the file has the new secret's hash", lambda: (
        "rotation" not in alone.devices_file.read_text()
        and hashlib.sha256(device.secret.encode()).hexdigest()
        not in alone.devices_file.read_text()))
    assert "label=shop" in line and "label=shop" in alone.devices_file.read_text()
    assert agent.welcomes() == 1 and alone.get("shop.example.test").text == "web"
    agent.process.kill()
    agent.start()
    assert alone.get("shop.example.test").text == "web"


def test_what_is_wrong_is_said(scene):
    scene.ctl.fails(USAGE, "now belongs to device rotate", "device", "rm", "d0", "--now")
    scene.ctl.fails(NOUSER, "there is no device nobody-else", "device", "rotate", "nobody-else",
                    "--now")
    assert scene.loads() == [1, 1]
