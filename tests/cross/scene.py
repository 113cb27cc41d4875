# SPDX-License-Identifier: MIT
"""A relay with TLS and a fleet of one device, the link to it, and the agent of another platform."""
import os
import shlex
import subprocess

from harness import ports
from harness.process import binary
from harness.programs import Agent, Certificate, Device, SampleServices
from harness.scenes import Standalone
from harness.visitors import pattern_sha256
from link import Link

BIG = 10_000_000
PATIENCE = 120  # seconds: an emulator is slow, and so may be the machine that it runs on


class Scene:
    def __init__(self, group, host="localhost"):
        """host: the relay's name."""
        self.group = group
        self.services = SampleServices(group, "web")
        self.certificate = Certificate(group.folder / "certificate", host)
        port = ports.take()
        self.link = Link(group, port)
        self.url = f"wss://{host}:{self.link.port}"
        self.relay = Standalone(group, agent_listen="", agent_tls_listen=f"127.0.0.1:{port}",
                                agent_url=self.url, tls_certificate=self.certificate.bundle,
                                heartbeat="1s")
        self.key_file = group.folder / "fleet.key"
        self.key_file.write_text(self.add_fleet())
        self.key_file.chmod(0o600)
        *self.wrapper, self.program = shlex.split(os.environ["TAUPE_AGENT"])
        self.agent = self.make_agent()

    def make_agent(self):
        return Agent(self.group, Device("probe"), [self.url], [self.service()],
                     wrapper=self.wrapper, program=self.program, start=False, secret_file=None,
                     enrolment_key_file=self.key_file, ca_file=self.certificate.ca)

    def end(self):
        if os.environ.get("TAUPE_AGENT_SIGNALS") == "no":
            self.agent.kill()
        else:
            self.agent.stop()

    def service(self):
        return f"web:http:{self.services.target('web', 'http')}"

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
