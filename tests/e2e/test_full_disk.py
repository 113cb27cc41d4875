# SPDX-License-Identifier: MIT
"""A disk that is full: a small tmpfs, in a namespace of mounts that ends with its test. Nothing that was
there is lost, each program says what it cannot do, and goes on by itself when there is room again."""
import os
import pathlib
import re
import subprocess

import pytest
import redis as redis_client

from harness.first_run import DOMAIN, FirstRun
from harness.process import Process, binary
from harness.programs import SampleServices
from harness.wait import until

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root for a mount")

NO_ROOM = "No space left on device"


class Disk:
    """The same path leads to it for all that run with the prefix, and `seen` for this process."""

    def __init__(self, group, kilobytes):
        self.path = group.folder / "disk"
        self.path.mkdir()
        # pylint: disable-next=consider-using-with
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "--kill-child", "sh", "-c",
             f'mount -t tmpfs -o size={kilobytes}k,mode=755 tmpfs "$0" && echo ready '
             "&& exec sleep infinity", str(self.path)], stdout=subprocess.PIPE, text=True)
        group.exits.callback(self.close)
        assert self.holder.stdout.readline() == "ready\n"
        self.prefix = ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt"]
        self.seen = pathlib.Path(f"/proc/{self.holder.pid}/root{self.path}")

    def close(self):
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()

    def fill(self):
        with open(self.seen / "filler", "wb", buffering=0) as file:
            for size in (4096, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    pass

    def make_room(self):
        (self.seen / "filler").unlink()

    def find(self, name):
        found = [path for path in self.seen.rglob(name) if path.is_file()]
        assert len(found) == 1, f"{name}: {found}"
        return found[0]


def start_agent(first, name, ca, *options):
    """Its state is on the same disk."""
    return Process(first.group, f"agent-{name}", [
        *first.prefix, binary("taupe-agent"), "--relay", f"wss://relay.{DOMAIN}:{first.https}",
        "--name", name, "--ca-file", str(ca), "--reconnect-max", "500ms", "--drain-timeout", "100ms",
        *map(str, options)])


def save(path, text):
    path.write_text(text)
    path.chmod(0o600)
    return path


def fails(first, command):
    """What it says, if it fails."""
    done = subprocess.run([*first.prefix, *command.split()], capture_output=True, text=True, timeout=30,
                          check=False)
    return done.returncode != 0 and done.stderr


def test_a_relay_that_stands_alone_and_its_devices(open_group):
    group = open_group
    disk = Disk(group, 1024)
    services = SampleServices(group, "web")
    first = FirstRun(group, "--stand-alone", folder=disk.path, prefix=disk.prefix)
    add, relay = first.commands(first.init())
    ctl = add.split(" device ")[0]
    ours = f"{binary('taupectl')} {ctl.split(' ', 1)[1]}"
    secret = save(group.folder / "alice.secret", first.ask(f"{ctl} device add alice"))
    key = save(group.folder / "fleet.key", first.ask(f"{ctl} fleet add probes --devices 5"))
    first.run([relay])
    relay = group.members[-1]
    service = ("--service", f"web:http:{services.target('web', 'http')}")
    ca = disk.path / disk.find("ca.pem").relative_to(disk.seen)
    state = disk.path / "alice.state"
    alice = start_agent(first, "alice", ca, "--secret-file", secret, "--state-file", state, *service)
    url = re.search(r"url=(\S+)", alice.wait_line("url=http", timeout=20)).group(1)
    until("its state is there", lambda: (disk.seen / "alice.state").exists())
    devices = disk.find("devices").read_bytes()
    kept = (disk.seen / "alice.state").read_bytes()
    disk.fill()

    # nothing is half written, and whoever asked for it hears why
    assert NO_ROOM in fails(first, f"{ours} device add bob")
    probe = start_agent(first, "p-1", ca, "--enrolment-key-file", key, "--state-file",
                        group.folder / "p-1.state", *service)
    probe.wait_line("status=503")
    relay.wait_line("the devices file cannot be changed", NO_ROOM)
    alice.stop()
    alice = start_agent(first, "alice", ca, "--secret-file", secret, "--state-file", state, *service)
    assert url in alice.wait_line("url=http", timeout=20)
    alice.wait_line("state file cannot be written", NO_ROOM)
    assert disk.find("devices").read_bytes() == devices
    assert (disk.seen / "alice.state").read_bytes() == kept
    assert not list(disk.seen.rglob("*.new")) + list(disk.seen.rglob("*.tmp"))

    # nobody is started again
    disk.make_room()
    probe.wait_line("enrolled", timeout=20)
    first.ask(f"{ctl} device add bob")
    assert re.findall(r"^(\S+) +(\w+)", first.ask(f"{ctl} device ls"), re.M)[1:] == [
        ("alice", "online"), ("bob", "offline"), ("p-1", "online")]
    # its lease is written by now, or in an hour's time
    alice.stop()
    assert (disk.seen / "alice.state").read_bytes() != kept


def test_redis_router_and_a_relay(open_group):
    group = open_group
    disk = Disk(group, 8192)
    first = FirstRun(group, relays=1, folder=disk.path, prefix=disk.prefix)
    store, router, relay, haproxy, add = first.commands(first.init())
    ctl = add.split(" device ")[0]
    ours = f"{binary('taupectl')} {ctl.split(' ', 1)[1]}"
    first.run([store, router])
    store_process, router_process = group.members[-2:]
    until("the map files are there", lambda: list(disk.seen.rglob("tcp.again.map")))
    first.run([haproxy, relay])
    relay_process = group.members[-1]
    until("the relay is there", lambda: "r1" in first.ask(f"{ctl} relay ls"), timeout=20)
    written = until("its route is written", lambda: (text := disk.find("relay.map").read_bytes()).count(
        b"r1.") and text)
    router_process.wait_line("HAProxy has the routes", timeout=20)
    disk.fill()

    # the first thing that does not fit: a route, which HAProxy has all the same
    password = disk.find("redis-admin.password").read_text().strip()
    with redis_client.Redis(port=first.redis, username="admin", password=password) as client:
        with client.pipeline() as tell:
            tell.hset("taupe:routes", "http/alice.test", "127.0.0.1,1,1")
            tell.xadd("taupe:events", {"kind": "route", "key": "http/alice.test",
                                       "value": "127.0.0.1,1,1"})
            tell.execute()
    router_process.wait_line("cannot write the map files", NO_ROOM)
    assert re.search(r"^ok +maps +they have all 2 routes", first.ask(f"{ctl} doctor || true"), re.M)
    added = []
    while not (said := fails(first, f"{ours} device add d{len(added)}")):
        added.append(f"d{len(added)}")
        assert len(added) < 1000
    assert "MISCONF" in said and NO_ROOM in said
    relay_process.wait_line("redis refuses writes")
    assert disk.find("relay.map").read_bytes() == written
    assert not list(disk.seen.rglob("*.map.tmp"))
    assert len(router_process.lines("cannot write the map files")) == 1

    # nobody is started again
    disk.make_room()
    router_process.wait_line("the map files are written again", timeout=20)
    assert "alice.test 127.0.0.1,1" in disk.find("http.map").read_text()
    relay_process.wait_line("redis takes writes again", timeout=20)
    added.append("last")
    first.ask(f"{ctl} device add last")
    # what was acknowledged is on the disk: Redis reads it there
    store_process.stop()
    first.run([store])
    until("Redis has read it", lambda: not fails(first, f"{ours} device ls"), timeout=20)
    assert re.findall(r"^(\S+) +offline", first.ask(f"{ctl} device ls"), re.M) == sorted(added)


def test_a_device_that_is_set_up(open_group):
    disk = Disk(open_group, 64)
    folder = disk.seen / "etc"
    folder.mkdir()

    def set_up(letter, *options):
        uri = f"taupe://relay.example.test/?name=alice&secret={letter * 43}\n"
        return subprocess.run([*disk.prefix, binary("taupe-agent"), "setup", "--directory",
                               str(disk.path / "etc"), *options], input=uri, capture_output=True,
                              text=True, timeout=30, check=False)

    def there():
        return {path.name: path.read_text() for path in folder.iterdir()}

    disk.fill()
    done = set_up("a")
    assert done.returncode == os.EX_CANTCREAT and NO_ROOM in done.stderr
    assert there() == {}
    disk.make_room()
    assert set_up("a").returncode == 0
    before = there()
    assert sorted(before) == ["agent.ini", "secret"]
    # the secret that is good is not given up for one that is not there
    disk.fill()
    done = set_up("b", "--force")
    assert done.returncode == os.EX_CANTCREAT and NO_ROOM in done.stderr
    assert there() == before
    disk.make_room()
    assert set_up("b", "--force").returncode == 0
    assert there()["secret"] == "b" * 43 + "\n" and there()["secret.bak"] == before["secret"]
