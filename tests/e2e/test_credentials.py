# SPDX-License-Identifier: MIT
"""Rotation and enrolment with everybody there: taupectl, Redis, two relays, the agent. Each side is
told to forget, to stop and to lose things; what must hold in the end is always the same: the agent
is connected, and the registry's one hash is that of the secret in the agent's file."""
import pathlib
import random
import re
import time
import urllib.parse

import pytest

from harness.programs import Agent, Device, SampleServices, sha256_hex
from harness.scenes import Cluster
from harness.wait import until
from test_taupectl import Ctl

CONFIRMED = "relay has the new secret"


def kept(agent):
    """The secrets in the agent's own file."""
    line = pathlib.Path(f"{agent.state_file}.secret").read_text().strip()
    return dict(urllib.parse.parse_qsl(line))


class Scene:
    def __init__(self, group):
        self.group = group
        self.services = SampleServices(group, "web")
        self.cluster = Cluster(group, relays=2)
        self.redis = self.cluster.redis.client
        self.ctl = Ctl(**self.cluster.redis.access("taupectl"))

    def offers(self):
        return [f"web:http:{self.services.target('web', 'http')}"]

    def agent(self, name, **config):
        return self.cluster.agent(name, self.offers(), **config)

    def enrolling(self, device, key, **config):
        key_file = self.group.folder / f"{config.get('name', device)}.key"
        key_file.write_text(f"{key}\n")
        key_file.chmod(0o600)
        return Agent(self.group, Device(device), self.cluster.relays, self.offers(), start=False,
                     secret_file=None, enrolment_key_file=key_file, **config)

    def add_fleet(self, *words):
        return self.ctl.json("fleet", "add", "probes", *words)["key"]

    def hash(self, name):
        return self.redis.hget(f"taupe:device:{name}", "secret_sha256")

    def rotate(self, name):
        self.ctl.ok("device", "rotate", name)

    def wait_agreed(self, agent):
        name = agent.config["name"]

        def agreed():
            return (self.redis.hget(f"taupe:device:{name}", "rotate") is None
                    and self.hash(name) == sha256_hex(kept(agent)["secret"]))
        until("the registry has the agent's secret", agreed, 20)

    def check_nobody_tells(self, *secrets):
        """Neither a log nor a key of the registry has them."""
        texts = {log.name: log.read_text(errors="replace")
                 for log in self.group.folder.glob("*.log")}
        for name in self.redis.scan_iter():
            kind = self.redis.type(name)
            texts[name] = str({"hash": self.redis.hgetall, "string": self.redis.get,
                               "set": self.redis.smembers,
                               "stream": self.redis.xrange}.get(kind, lambda _: "")(name))
        for name, text in texts.items():
            for secret in secrets:
                assert secret not in text, f"{name} tells a secret"


@pytest.fixture(scope="module")
def scene(module_group):
    return Scene(module_group)


def test_registry_that_was_restored_locks_nobody_out(scene):
    agent = scene.agent("bob")
    given = scene.hash("bob")
    scene.rotate("bob")
    agent.process.wait_line(CONFIRMED)
    scene.wait_agreed(agent)
    now = scene.hash("bob")
    # yesterday's backup
    scene.redis.hset("taupe:device:bob", "secret_sha256", given)
    agent.kill()
    agent.start()
    agent.process.wait_line("the next is tried")
    scene.rotate("bob")
    scene.wait_agreed(agent)
    assert scene.hash("bob") == now


def test_whoever_is_killed_during_a_rotation_the_device_comes_back(scene):
    agent = scene.agent("carol")
    chance = random.Random(7)
    for turn in range(12):
        scene.rotate("carol")
        time.sleep(chance.random() * 0.02)  # where it is hit is what is tried here
        if turn % 2:
            agent.kill()
            agent.start(wait=False)
        else:
            relay = chance.choice(scene.cluster.relays)
            relay.process.kill()
            relay.start()
    until("the agent is connected", lambda: scene.redis.exists("taupe:session:carol"), 20)
    scene.wait_agreed(agent)
    before = scene.hash("carol")
    scene.rotate("carol")
    until("it is rotated once more", lambda: scene.hash("carol") != before, 20)
    scene.wait_agreed(agent)


def test_redis_that_is_away_right_after_a_rotation_keeps_nobody_out(group):
    scene = Scene(group)
    agent = scene.agent("dave")
    scene.rotate("dave")
    agent.process.wait_line(CONFIRMED)
    here = agent.state()["relay"][0]
    scene.cluster.redis.process.kill()
    agent.kill()
    # the other relay has never seen it, and only the lease of the confirmation speaks for it
    other, = [relay for relay in scene.cluster.relays if str(relay.agent_port) not in here]
    agent.config["relay"] = [other.url]
    agent.state_file.write_text(re.sub(r"&(relay|peer)=[^&\n]*", "", agent.state_file.read_text()))
    agent.start()
    assert not agent.process.lines("the next is tried")


def test_neither_logs_nor_the_registry_tell_a_secret_or_a_key(scene):
    key = scene.add_fleet()
    given = scene.agent("alice")
    enrolled = scene.enrolling("p-1", key).start()
    enrolled.process.wait_line("msg=enrolled")
    secrets = [given.device.secret, key, kept(enrolled)["secret"]]
    for agent in given, enrolled:
        scene.rotate(agent.config["name"])
        agent.process.wait_line(CONFIRMED)
        scene.wait_agreed(agent)
        secrets.append(kept(agent)["secret"])
    # refused ones, too
    scene.ctl.ok("fleet", "rm", "probes")
    scene.ctl.ok("device", "rotate", "p-1", "--now")
    enrolled.process.wait_line("level=error", "status=401")
    scene.check_nobody_tells(*secrets)
