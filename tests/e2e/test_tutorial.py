# SPDX-License-Identifier: MIT
"""docs/TUTORIAL.md, command by command, on a Debian that has nothing of taupe but its packages."""
import os
import pathlib
import re
import shutil

import pytest

from harness.bare_debian import BareDebian, build_packages
from harness.process import ROOT
from harness.programs import Certificate
from harness.wait import until

pytestmark = [pytest.mark.long, pytest.mark.alone,
              pytest.mark.skipif(os.getuid() != 0, reason="needs root for a chroot")]

TUTORIAL = ROOT / "docs" / "TUTORIAL.md"
CHARACTERS_A_MINUTE = 200


def commands():
    """Every line of the fenced blocks."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", TUTORIAL.read_text(), re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines()]


@pytest.fixture(scope="module")
def machine():
    # not under pytest's own folder, which only its user may enter
    folder = pathlib.Path("/var/tmp") / f"taupe-tutorial-{os.getpid()}"
    folder.mkdir(mode=0o755)
    debian = None
    try:
        debian = BareDebian(folder, build_packages(folder / "packages"))
        yield debian
    finally:
        if debian is not None:
            debian.close()
        shutil.rmtree(folder)


def prepare(machine, command, folder):
    """What the tutorial supposes to be there before a command."""
    if "--certificate" in command:
        made = Certificate(folder / "authority", "*.example.com", "example.com")
        place = machine.at("/etc/letsencrypt/live/example.com")
        place.mkdir(parents=True)
        shutil.copy(made.chain, place / "fullchain.pem")
        shutil.copy(made.key, place / "privkey.pem")
        # an authority that is known there
        shutil.copy(made.ca, machine.at("/usr/local/share/ca-certificates/known.crt"))
        machine.shell("update-ca-certificates")


def test_every_command_works_and_a_device_is_online(machine, tmp_path):
    uri, typed, seen = None, 0, {}
    online = None
    for command in commands():
        prepare(machine, command, tmp_path)
        answer = f"{uri}\n" if command.startswith("taupe-agent setup") else ""
        if command.startswith("curl"):
            # a person waits, too
            said = until("the page is there", lambda c=command: machine.shell(c), 20)
        elif command == "taupectl relay ls":
            said = until("both relays are there", lambda c=command: re.search(
                r"r1[\s\S]*r2", machine.shell(c)) and machine.shell(c), 20)
        elif command == "taupectl status":
            until("there are relays", lambda: "r2" in machine.shell("taupectl relay ls"), 20)
            said = machine.shell(command)
        else:
            said = machine.shell(command, answer)
        seen[command] = said
        # what asks for it is pasted, or typed: it counts as typed
        typed += len(command) + 1 + len(answer)
        if found := re.search(r"'(taupe://\S+)' \| sudo taupe-agent setup", said):
            uri = found.group(1)
        if command.startswith("curl") and online is None:
            online = typed
            assert said.endswith("Here is alice.\n")
        if command == "taupectl device ls":
            assert re.search(r"alice +online +alice", said), said
    assert uri is not None and online is not None
    minutes = online / CHARACTERS_A_MINUTE
    print(f"{online} characters until the device is online: {minutes:.1f} minutes")
    assert minutes < 5
    # with the certificate that is known, nothing has to be said
    until("the known certificate is shown", lambda: machine.shell(
        "curl -s https://alice.example.com/ || true") == "Here is alice.\n", 20)


def test_init_prints_what_the_tutorial_says(machine):
    said = machine.shell("taupe-relay init example.com --relays 2 --certificate "
                         "/etc/letsencrypt/live/example.com/fullchain.pem --key "
                         "/etc/letsencrypt/live/example.com/privkey.pem")
    assert "files are there as they should be" in said
    printed = [line.strip() for line in said.splitlines() if line.startswith("    systemctl")]
    assert printed == [line for line in commands()
                       if line.startswith("systemctl") and "agent" not in line
                       and "reload haproxy" not in line]
