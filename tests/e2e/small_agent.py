# SPDX-License-Identifier: MIT
"""What the small agent needs of a device, measured: bytes of program, and of memory while it is
connected over TLS and nobody visits. Run by scripts/small, which builds it; TAUPE_SMALL is the
folder with a folder for each target.

On this machine's processor the memory is what the kernel says (VmRSS). A foreign one's is what
qemu has of the device's addresses alone, which it is told to keep in a range of their own: pages
that the program has touched or the kernel has mapped around them, as on the device."""
import os
import pathlib
import platform
import re
import shutil

import pytest

from harness import ports
from harness.load import tell
from harness.memory import MAPPING
from harness.programs import Agent, Certificate, SampleServices
from harness.scenes import Standalone
from harness.visitors import pattern_sha256

PROGRAM_BYTES_MAX = 500_000
RESIDENT_KB_MAX = 1200
BULK_BYTES = 3_000_000
SYSTEM_STORE = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
QEMU_BASE, QEMU_BYTES = 1 << 35, 1 << 32

SMALL = pathlib.Path(os.environ["TAUPE_SMALL"])
TARGETS = os.environ.get("TAUPE_SMALL_TARGETS", "mips x86_64").split()


def wrapper_of(target):
    if target == platform.machine():
        return ()
    return (shutil.which(f"qemu-{target}-static"), "-B", hex(QEMU_BASE))


def resident_in(pid, begin, end):
    """KB at these addresses."""
    total, inside = 0, False
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8").splitlines():
        if match := MAPPING.match(line):
            inside = begin <= int(match[1], 16) and int(match[2], 16) <= end
        elif inside and line.startswith("Rss:"):
            total += int(line.split()[1])
    return total


def resident_kb(agent):
    if agent.wrapper:
        return resident_in(agent.process.pid, QEMU_BASE, QEMU_BASE + QEMU_BYTES)
    status = pathlib.Path(f"/proc/{agent.process.pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])


class Scene:
    def __init__(self, group):
        self.group = group
        self.services = SampleServices(group, "web")
        self.certificate = Certificate(group.folder / "certificate", "127.0.0.1")
        port = ports.take()
        self.relay = Standalone(group, agent_listen="", agent_tls_listen=f"127.0.0.1:{port}",
                                agent_url=f"wss://127.0.0.1:{port}",
                                tls_certificate=self.certificate.bundle)

    def agent(self, target, what, **config):
        device = self.relay.device(f"{what}-{target.replace('_', '-')}")
        return Agent(self.group, device, [self.relay.relay],
                     [f"web:http:{self.services.target('web', 'http')}"],
                     wrapper=wrapper_of(target), program=SMALL / target / "taupe-agent",
                     log_level="info", **config)

    def system_store(self):
        """As many authorities as a system has, and ours."""
        store = self.group.folder / "store.pem"
        store.write_text(SYSTEM_STORE.read_text(encoding="ascii") +
                         self.certificate.ca.read_text(encoding="ascii"))
        return store


@pytest.fixture(scope="module")
def scene(module_group):
    return Scene(module_group)


@pytest.mark.parametrize("target", TARGETS)
def test_program_is_small(target):
    size = (SMALL / target / "taupe-agent").stat().st_size
    tell(f"small agent, {target}: {size:,} bytes of program (at most {PROGRAM_BYTES_MAX:,})")
    assert size <= PROGRAM_BYTES_MAX


def measure(scene, agent, what):
    """Before visits and after them, when nothing is on its way any more."""
    fresh = resident_kb(agent)
    for size in (0, 1000, BULK_BYTES):
        assert scene.relay.get(agent.host(), f"/bytes/{size}").sha256 == pattern_sha256(size)
    after = resident_kb(agent)
    tell(f"small agent, {what}: {fresh:,} KB of memory at rest, {after:,} KB after visits "
         f"(at most {RESIDENT_KB_MAX:,})")
    assert max(fresh, after) <= RESIDENT_KB_MAX


@pytest.mark.parametrize("target", TARGETS)
def test_memory_is_small(scene, target):
    agent = scene.agent(target, "file", ca_file=scene.certificate.ca)
    measure(scene, agent, target)


@pytest.mark.parametrize("target", TARGETS)
def test_memory_is_small_with_the_systems_authorities(scene, target):
    agent = scene.agent(target, "system", env={"SSL_CERT_FILE": str(scene.system_store())})
    measure(scene, agent, f"{target}, the system's authorities")
