# SPDX-License-Identifier: MIT
"""What every platform's agent must do: enrol with a fleet's key, serve over TLS, lose its link
without being told, and come back under the same name."""
import os
import pathlib

import pytest

from harness.programs import Certificate
from memory import resident_kib
from scene import PATIENCE, Scene


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

    scene.end()
    lines = scene.relay.devices_file.read_text().splitlines()
    assert sum("name=probe&" in f"{line}&" for line in lines) == 1, lines


def test_a_relay_of_another_authority_is_refused(scene):
    other = Certificate(scene.group.folder / "other", "localhost")
    scene.agent.config["ca_file"] = other.ca
    scene.agent.start(wait=False)
    scene.agent.process.wait_line("certificate", timeout=PATIENCE)
    assert not scene.agent.welcomes()
    assert "name=probe" not in scene.relay.devices_file.read_text()
    scene.end()
