# SPDX-License-Identifier: MIT
"""Whose TXT record proves a domain: name servers of every kind are asked by taupectl, and none of them holds it
up for longer than it was told to wait."""
import json
import subprocess
import time

import pytest

from harness.fakes import Dns
from harness.process import binary

SHOP = "shop.customer.test"
OK, TEMPFAIL = 0, 75


class Proof:
    def __init__(self, folder):
        self.devices = folder / "devices"
        self.ctl("device", "add", "alice")
        txt = json.loads(self.ctl("--json", "domain", "add", SHOP, "alice/web").stdout)["txt"]
        self.name, self.value = txt["name"], txt["value"]

    def ctl(self, *words, timeout="2s"):
        return subprocess.run(
            [binary("taupectl"), "--config", "/dev/null", "--devices-file", str(self.devices),
             "--domain", "example.test", "--redis-timeout", timeout, *words],
            capture_output=True, text=True, timeout=30, check=False)

    def look(self, *servers, **options):
        """What comes of it if these have the record."""
        for server in servers:
            server.texts[self.name] = [["v=spf1 -all"], [self.value]]
        return self.ctl("--dns", ",".join(server.address for server in servers), "domain", "verify",
                        SHOP, **options)


@pytest.fixture
def proof(tmp_path):
    return Proof(tmp_path)


def whole(message):
    return message


@pytest.mark.parametrize("options", [
    {"host": "::1"}, {"forged": True}, {"tcp": whole}, {"host": "::1", "tcp": whole}],
    ids=["IPv6", "among forged ones", "by TCP", "by TCP over IPv6"])
def test_the_record_is_seen(proof, options):
    with Dns(**options) as server:
        done = proof.look(server)
        assert (done.returncode, done.stderr) == (OK, "")
        assert set(server.asked) == {proof.name}


def test_a_long_answer_is_read_to_its_end(proof):
    with Dns(tcp=whole) as server:
        server.texts[proof.name] = [["x" * 250] * 10] * 9 + [[proof.value]]
        done = proof.ctl("--dns", server.address, "domain", "verify", SHOP)
        assert (done.returncode, done.stderr) == (OK, "")


def test_the_next_one_is_asked(proof):
    """One that cannot, one at whose port nobody listens, one that is silent; and the fourth, too."""
    with Dns(fails=True) as failing, Dns(silent=True) as silent, Dns() as good:
        with Dns() as gone:
            pass
        done = proof.look(failing, gone, silent, good)
        assert (done.returncode, done.stderr) == (OK, "")
        assert failing.asked and silent.asked and good.asked


@pytest.mark.parametrize("options,message", [
    ({"silent": True}, "no name server answers"),
    ({"fails": True}, "the name servers cannot answer"),
    ({"tcp": None}, "no name server answers"),
    ({"tcp": lambda message: message[:40]}, "no name server answers"),
    ({"tcp": lambda message: b"\xff\xff" + message[2:]}, "no name server answers"),
    ({"tcp": lambda message: message[:2] + b"xx" + message[4:]}, "no name server answers"),
], ids=["silent", "failing", "silent by TCP", "half an answer", "less than it says", "another's answer"])
def test_nobody_waits_for_longer_than_was_said(proof, options, message):
    with Dns(**options) as server:
        began = time.monotonic()
        # what fails does so at once
        done = proof.look(server, timeout="2s" if "fails" in options else "300ms")
        took = time.monotonic() - began
        assert done.returncode == TEMPFAIL and f"cannot be asked for: {message}" in done.stderr
        assert took < 5


def test_no_record_and_another_one_are_told_apart(proof):
    with Dns(known=set()) as server:
        done = proof.ctl("--dns", server.address, "domain", "verify", SHOP)
        assert done.returncode == TEMPFAIL and "has no TXT record" in done.stderr
        server.texts[proof.name] = [[proof.value.upper()]]
        done = proof.ctl("--dns", server.address, "domain", "verify", SHOP)
        assert done.returncode == TEMPFAIL and "has another TXT record" in done.stderr
