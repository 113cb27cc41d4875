# SPDX-License-Identifier: MIT
"""The programs work in the sandboxes of their systemd units, and the sandboxes hold."""
import os
import pathlib
import pwd
import signal
import subprocess

import pytest

from harness import ports
from harness.haproxy import HAProxy
from harness.process import BUILD, Process, binary
from harness.programs import Agent, Certificate, Device, Redis, Relay, SampleServices, write_ini
from harness.sandbox import Sandbox
from harness.visitors import get
from harness.wait import until

NOBODY = pwd.getpwnam("nobody")


def unit(name):
    path = f"packaging/systemd/{name}.service"
    done = subprocess.run(["make", "-s", "-C", str(BUILD), path], capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return BUILD / path


def may_sandbox():
    return subprocess.run(["unshare", "-m", "mount", "--make-rprivate", "/"], check=False,
                          capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(not may_sandbox(), reason="needs root for a mount namespace")


@pytest.fixture
def group(open_group):
    return open_group


@pytest.fixture
def sandbox(group):
    """A sandbox for each unit, in a folder that its user reaches."""
    return lambda name: Sandbox(unit(name), group.folder / name.rstrip("@"), NOBODY)


def give(path, mode=0o400):
    """A file that the program may read, and nobody else."""
    os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    path.chmod(mode)
    return path


def status(pid, key):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return line.split()[1]
    raise OSError(key)


def filtered(process, rights=0):
    """It is in its sandbox."""
    assert status(process.pid, "Seccomp") == "2"
    assert status(process.pid, "NoNewPrivs") == "1"
    assert status(process.pid, "Uid") == str(NOBODY.pw_uid)
    for kind in ("CapEff", "CapPrm", "CapBnd"):
        assert int(status(process.pid, kind), 16) == rights


def test_a_visit_through_all_programs_in_their_sandboxes(group, sandbox):
    redis = Redis(group)
    give(redis.password_file)
    services = SampleServices(group, "web")
    public = ports.take_block(group.exits)
    haproxy = HAProxy(group, public, public + ports.BLOCK - 1)

    # the router makes the map files by itself, in its state folder
    box = sandbox("taupe-router")
    haproxy.socket.chmod(0o666)
    router = Process(group, "router", [*box.wrapper, binary("taupe-router"), "--config", str(
        write_ini(group.folder / "router.conf", "router", {
            **redis.access("taupe-router"), "haproxy": haproxy.socket,
            "map_dir": box.state / "maps", "map_delay": "10ms", "log_level": "debug"}))])
    router.wait_line("started")

    # the relay has its certificate, the keys of the cluster, and ports of its own
    box = sandbox("taupe-relay@")
    certificate = Certificate(group.folder / "certificate", "127.0.0.1", "localhost")
    bundle, key = give(certificate.bundle), group.folder / "cluster.key"
    key.write_text("k" * 64)
    listen, port = ports.take_block(group.exits), ports.take()
    redis.add(Device("nobody"))
    relay = Relay(group, wrapper=box.wrapper, agent_listen="",
                  agent_tls_listen=f"127.0.0.1:{port}", agent_url=f"wss://127.0.0.1:{port}",
                  tls_certificate=bundle, cluster_key_file=give(key), announce="100ms",
                  service_listen=f"127.0.0.1:{listen}-{listen + ports.BLOCK - 1}",
                  **redis.access("taupe-relay"))

    # the agent, its state, and a service; a relay's name is looked up
    box = sandbox("taupe-agent")
    device = redis.add(Device("alice", label="shop"))
    agent = Agent(group, device, [f"wss://localhost:{port}"],
                  [f"web:http:{services.target('web', 'http')}"], wrapper=box.wrapper, ca_file=certificate.ca, start=False,
                  state_file=box.state / "agent.state")
    give(pathlib.Path(agent.config["secret_file"]))
    agent.start()

    for process, rights in ((router, 0), (relay.process, 1 << 10), (agent.process, 0)):
        filtered(process, rights)
    assert (box.state / "agent.state").stat().st_mode & 0o777 == 0o600
    until("the router has told HAProxy", lambda: redis.routes().get("http/shop.example.test"))
    route = redis.routes()["http/shop.example.test"].split(",")
    assert get((route[0], int(route[1])), "shop.example.test", "/bytes/1000000").status == 200
    until("the map file is written", lambda: "shop.example.test" in (
        group.folder / "taupe-router" / "state" / "maps" / "http.map").read_text())
    assert (group.folder / "taupe-router" / "state" / "maps" / "http.map").stat().st_mode & 0o777 == 0o640

    # a certificate of another authority, and everything read again
    renewed = Certificate(group.folder / "renewed", "127.0.0.1", "localhost")
    give(renewed.bundle).replace(bundle)
    for process in (relay.process, router):
        process.send_signal(signal.SIGHUP)
        process.wait_line("read again")
    agent.stop()
    agent.config["ca_file"] = renewed.ca
    agent.start()
    assert get((route[0], int(route[1])), "shop.example.test", "/name").status == 200


@pytest.mark.parametrize("argv,error", [
    (["touch", "/etc/here"], "Read-only file system"),
    (["mount", "-t", "tmpfs", "none", "/mnt"], "must be superuser"),
    (["cat", "/proc/meminfo"], "No such file"),
    (["ls", "/proc/1"], "No such file"),
    (["python3", "-c", "import socket; socket.socket(socket.AF_NETLINK)"], "not permitted"),
    (["python3", "-c", "import socket; socket.socket(socket.AF_PACKET)"], "not permitted"),
    (["unshare", "-U", "true"], "not permitted"),
    (["chroot", "/", "true"], "not permitted"),
])
def test_the_sandbox_holds(sandbox, argv, error):
    done = subprocess.run([*sandbox("taupe-agent").wrapper, *argv], capture_output=True, text=True,
                          timeout=30, check=False)
    assert done.returncode != 0
    assert error in done.stderr
