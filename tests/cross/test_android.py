# SPDX-License-Identifier: MIT
"""The agent in a root in which there is nothing: no /etc, no /dev, no library, and the authorities
where Android has them. TAUPE_AGENT begins with an emulator that is static, too."""
import pathlib
import shutil
import subprocess

import pytest

from harness.fakes import Dns
from harness.process import Process
from harness.programs import Agent, Device, write_ini
from scene import PATIENCE, Scene

NAME = "relay.example.test"
CONSCRYPT = "apex/com.android.conscrypt/cacerts"  # since Android 14
SYSTEM = "system/etc/security/cacerts"


class AndroidAgent(Agent):
    """Sees root as /, and in it what the test has put there."""

    def __init__(self, root, *arguments, **config):
        super().__init__(*arguments, start=False, state_file="/data/probe.state", **config)
        self.root, self.state_file = root, root / "data" / "probe.state"

    def start(self, wait=True):
        emulator, *options = self.wrapper
        for program in (emulator, self.program):
            shutil.copy(shutil.which(program), self.root)
        write_ini(self.root / "data" / "agent.conf", "agent", self.config)
        self.process = Process(self.group, self.name, [
            "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            "unshare", "--map-root-user", "chroot", str(self.root),
            "/" + pathlib.Path(emulator).name, *options, "/" + pathlib.Path(self.program).name,
            "--config", "/data/agent.conf"])
        return self


class AndroidScene(Scene):
    def __init__(self, group):
        self.root = group.folder / "root"
        (self.root / "data").mkdir(parents=True)
        self.dns = Dns()
        group.exits.callback(self.dns.close)
        super().__init__(group, NAME)
        shutil.copy(self.key_file, self.root / "data" / "fleet.key")

    def make_agent(self):
        return AndroidAgent(self.root, self.group, Device("probe"), [self.url], [self.service()],
                            wrapper=self.wrapper, program=self.program, secret_file=None,
                            enrolment_key_file="/data/fleet.key", dns=self.dns.address)

    def trust(self, folder):
        """Android's folder, with the name that it would have there."""
        hashed = subprocess.run(["openssl", "x509", "-subject_hash_old", "-noout", "-in",
                                 str(self.certificate.ca)], check=True, capture_output=True,
                                text=True).stdout.strip()
        (self.root / folder).mkdir(parents=True)
        shutil.copy(self.certificate.ca, self.root / folder / f"{hashed}.0")


@pytest.fixture
def scene(group):
    return AndroidScene(group)


@pytest.mark.parametrize("folder", [CONSCRYPT, SYSTEM])
def test_the_systems_authorities_and_a_configured_name_server_are_enough(scene, folder):
    scene.trust(folder)
    host = scene.connect()
    scene.serves(host)
    scene.takes(host)
    scene.link.lose()
    scene.agent.process.wait_line('msg="session failed"', timeout=PATIENCE)
    scene.link.come_back()
    scene.agent.wait_connected(count=2, timeout=PATIENCE)
    scene.serves(host)
    assert not (scene.root / "etc").exists()


def test_without_authorities_there_is_no_tunnel(scene):
    scene.agent.start()
    scene.agent.process.wait_line("certificate", timeout=PATIENCE)
    assert not scene.agent.welcomes()
    assert "name=probe" not in scene.relay.devices_file.read_text()
    scene.agent.process.ends(66, timeout=PATIENCE)


def test_without_a_name_server_it_says_so_and_goes_on_asking(scene):
    scene.trust(CONSCRYPT)
    del scene.agent.config["dns"]
    scene.agent.start()
    scene.agent.process.wait_line('msg="session failed"', f"cannot resolve {NAME}",
                                  count=2, timeout=PATIENCE)
    assert not scene.agent.welcomes()
