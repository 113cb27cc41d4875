# SPDX-License-Identifier: MIT
"""What every platform's agent must do: enrol with a fleet's key, serve over TLS, lose its link
without being told, and come back under the same name."""
import os
import pathlib
import shlex
import subprocess

import pytest

from harness import ports
from harness.process import binary
from harness.programs import Agent, Certificate, Device, SampleServices
from harness.scenes import Standalone
from harness.visitors import pattern_sha256
from link import Link
from memory import resident_kib

BIG = 10_000_000
PATIENCE = 120  # seconds: an emulator is slow, and so may be the machine that it runs on


class Scene:
    """A relay with TLS and a fleet of one device, and the link to it."""

    def __init__(self, group):
        self.group = group
        self.services = SampleServices(group, "web")
        self.certificate = Certificate(group.folder / "certificate", "localhost")
        port = ports.take()
        self.link = Link(group, port)
        self.url = f"wss://localhost:{self.link.port}"
        self.relay = Standalone(group, agent_listen="", agent_tls_listen=f"127.0.0.1:{port}",
                                agent_url=self.url, tls_certificate=self.certificate.bundle,
                                heartbeat="1s")
        self.key_file = group.folder / "fleet.key"
        self.key_file.write_text(self.add_fleet())
        self.key_file.chmod(0o600)
        *self.wrapper, program = shlex.split(os.environ["TAUPE_AGENT"])
        self.agent = Agent(group, Device("probe"), [self.url],
                           [f"web:http:{self.services.target('web', 'http')}"],
                           wrapper=self.wrapper, program=program, start=False, secret_file=None,
                           enrolment_key_file=self.key_file, ca_file=self.certificate.ca)

    def add_fleet(self):
        return subprocess.run(
            [binary("taupectl"), "--config", "/dev/null", "--devices-file",
             str(self.relay.devices_file), "fleet", "add", "probes", "--devices", "1"],
            check=True, capture_output=True, text=True).stdout

    def connect(self):
        """The name that it has got."""
        self.agent.start(wait=False)
        self.agent.wait_connected(timeout=PATIENCE)
        return self.agent.host()

    def serves(self, host):
        answer = self.relay.get(host, f"/bytes/{BIG}", timeout=PATIENCE)
        assert (answer.status, answer.length) == (200, BIG)
        assert answer.sha256 == pattern_sha256(BIG)

    def takes(self, host):
        """The other direction: what the agent unmasks."""
        with self.relay.visit(host, timeout=PATIENCE) as visit:
            answer = visit.post_pattern("/sha256", BIG)
        assert answer.text.split() == [str(BIG), pattern_sha256(BIG)]


@pytest.fixture
def scene(group):
    return Scene(group)


def note_memory(scene):
    """What the connected agent, which nobody has visited yet, has resident."""
    kib = resident_kib(scene.agent.process.pid, scene.wrapper)
    assert kib > 100
    if path := os.environ.get("TAUPE_AGENT_MEMORY"):
        pathlib.Path(path).write_text(f"{kib * 1024 / 1e6:.1f} MB RSS\n")


def test_enrols_serves_over_tls_loses_its_link_and_comes_back(scene):
    host = scene.connect()
    note_memory(scene)
    scene.serves(host)
    scene.takes(host)

    before = scene.link.connections
    scene.link.lose()
    scene.agent.process.wait_line('msg="session failed"', timeout=PATIENCE)
    scene.link.come_back()
    scene.agent.wait_connected(count=2, timeout=PATIENCE)
    assert scene.link.connections > before
    assert scene.agent.host() == host
    scene.serves(host)
    scene.takes(host)

    scene.agent.stop()
    lines = scene.relay.devices_file.read_text().splitlines()
    assert sum("name=probe&" in f"{line}&" for line in lines) == 1, lines


def test_a_relay_of_another_authority_is_refused(scene):
    other = Certificate(scene.group.folder / "other", "localhost")
    scene.agent.config["ca_file"] = other.ca
    scene.agent.start(wait=False)
    scene.agent.process.wait_line("certificate", timeout=PATIENCE)
    assert not scene.agent.welcomes()
    assert "name=probe" not in scene.relay.devices_file.read_text()
    scene.agent.stop()
