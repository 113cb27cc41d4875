# SPDX-License-Identifier: MIT
"""What a program may do and leave behind: cores, its user, its rights, its descriptors."""
import os
import pathlib
import pwd
import resource
import signal
import socket
import subprocess

import pytest

from harness.process import Process, binary
from harness.programs import Agent, write_ini
from harness.scenes import Standalone

EX_NOUSER, EX_NOPERM = 67, 77
NOBODY = pwd.getpwnam("nobody")
CAP_NET_BIND_SERVICE = 1 << 10
# A program starts in a folder of its own, and may leave as large a core there as this host allows
# (a sanitizer would allow none).
ALLOW_CORES = ('cd "$0" && ulimit -S -c "$(ulimit -H -c)" && '
               'export ASAN_OPTIONS="$ASAN_OPTIONS:disable_coredump=0" && exec "$@"')


def status(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.split() for key, _, value in (line.partition(":") for line in lines)}


def core_limit(pid):
    for line in pathlib.Path(f"/proc/{pid}/limits").read_text().splitlines():
        if line.startswith("Max core file size"):
            return line.split()[4]
    raise OSError("no limit")


class Daemon:
    """A daemon that has nothing to do."""

    def __init__(self, group, name, umask="022", **config):
        self.folder = group.folder / "cwd"
        self.folder.mkdir()
        folder = group.folder
        sections = {
            "taupe-agent": ("agent", {
                "relay": "ws://127.0.0.1:9", "name": "a", "service": "web:http:127.0.0.1:9",
                "state_file": folder / "state"}, "session failed"),
            "taupe-relay": ("relay", {
                "open": True, "agent_listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0"},
                "relay is running"),
            "taupe-router": ("router", {
                "redis": "127.0.0.1:9", "haproxy": folder / "none.sock",
                "map_dir": folder / "maps"}, "redis link is down"),
        }
        section, values, ready = sections[name]
        path = write_ini(folder / f"{name}.conf", section, {**values, **config})
        self.process = Process(group, name, [
            "sh", "-c", f"umask {umask} && {ALLOW_CORES}", str(self.folder), binary(name),
            "--config", str(path)])
        self.process.wait_line(ready)

    def crash(self):
        """Ask it for a core; what is there in the end."""
        self.process.expected = {-signal.SIGABRT}
        self.process.send_signal(signal.SIGABRT)
        self.process.popen.wait(20)
        assert self.process.popen.returncode == -signal.SIGABRT
        return [path.name for path in self.folder.iterdir()]


def cores_are_files_here():
    """Where a core goes is the host's choice (core_pattern), and its hard limit."""
    pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text().strip()
    return "/" not in pattern and not pattern.startswith("|") and \
        resource.getrlimit(resource.RLIMIT_CORE)[1] != 0


DAEMONS = ("taupe-agent", "taupe-relay", "taupe-router")


@pytest.mark.parametrize("name", DAEMONS)
def test_crash_leaves_no_core(group, name):
    daemon = Daemon(group, name)
    assert core_limit(daemon.process.pid) == "0"
    # nobody else's to look into: what belongs to such a process is root's
    assert os.stat(f"/proc/{daemon.process.pid}/mem").st_uid == 0
    assert daemon.crash() == []


@pytest.mark.parametrize("name", DAEMONS)
def test_core_dumps_leaves_a_core(group, name):
    """And so shows that the test above would have seen one."""
    if not cores_are_files_here():
        pytest.skip("cores go elsewhere on this host")
    daemon = Daemon(group, name, core_dumps=True)
    assert core_limit(daemon.process.pid) != "0"
    assert [found for found in daemon.crash() if found.startswith("core")]


def test_taupectl_leaves_no_core(group):
    """While it waits for an answer."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        process = Process(group, "taupectl", [
            "sh", "-c", ALLOW_CORES, str(group.folder), binary("taupectl"), "--redis",
            f"127.0.0.1:{silent.getsockname()[1]}", "--redis-timeout", "60s", "status"])
        with silent.accept()[0] as client:
            client.recv(1)
            assert core_limit(process.pid) == "0"
            process.expected = {-signal.SIGABRT}
            process.send_signal(signal.SIGABRT)
            process.popen.wait(20)
    assert not list(group.folder.glob("core*"))


def test_map_files_are_nobody_elses_to_write(group):
    """Whatever the umask that the router was started with: HAProxy believes them; and they hold
    the keys of restricted services, which are not for everybody's eyes."""
    Daemon(group, "taupe-router", umask="0")
    files = list((group.folder / "maps").glob("*.map"))
    assert files and {path.stat().st_mode & 0o777 for path in files} == {0o640}
    assert (group.folder / "maps").stat().st_mode & 0o777 == 0o755


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@needs_root
@pytest.mark.parametrize("name", DAEMONS)
def test_root_without_user_is_warned_of(group, name):
    assert Daemon(group, name).process.lines("level=warn", "running as root")


@needs_root
@pytest.mark.parametrize("name", DAEMONS)
def test_program_becomes_its_user_for_good(open_group, name):
    pid = Daemon(open_group, name, user="nobody").process.pid
    found = status(pid)
    assert found["Uid"] == [str(NOBODY.pw_uid)] * 4
    assert found["Gid"] == [str(NOBODY.pw_gid)] * 4
    assert set(found["Groups"]) <= set(map(str, os.getgrouplist("nobody", NOBODY.pw_gid)))
    right = CAP_NET_BIND_SERVICE if name == "taupe-relay" else 0
    for kind in ("CapPrm", "CapEff"):
        assert int(found[kind][0], 16) == right
    assert int(found["CapInh"][0], 16) == int(found["CapAmb"][0], 16) == 0
    assert found["NoNewPrivs"] == ["1"]
    assert core_limit(pid) == "0"
    assert os.stat(f"/proc/{pid}/mem").st_uid == 0


def low_port():
    for port in range(1023, 512, -1):
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RuntimeError("no free port below 1024")


@needs_root
def test_relay_that_became_a_user_listens_at_a_low_port_and_serves(open_group):
    """And reads its configuration and its devices again as that user."""
    port = low_port()
    relay = Standalone(open_group, user="nobody", agent_listen=f"127.0.0.1:{port}",
                       agent_url=f"ws://127.0.0.1:{port}")
    assert status(relay.relay.process.pid)["Uid"][0] == str(NOBODY.pw_uid)
    device = relay.device("alice", label="alice")
    agent = Agent(open_group, device, [f"ws://127.0.0.1:{port}"], ["web:http:127.0.0.1:9"])
    assert relay.get(agent.host()).status == 502  # the device's service is not there
    relay.relay.process.send_signal(signal.SIGHUP)
    relay.relay.process.wait_line("configuration was read again")


@needs_root
def test_file_that_the_user_may_not_read_is_noticed_at_the_start(open_group):
    key = open_group.folder / "cluster.key"
    key.write_text("k" * 64)
    key.chmod(0o600)
    relay = Standalone(open_group, user="nobody", cluster_key_file=key, start=False)
    relay.relay.start(wait=False)
    relay.relay.process.ends(66)  # EX_NOINPUT
    assert relay.relay.process.lines("level=error", str(key), "Permission denied")


@needs_root
@pytest.mark.parametrize("name,section", [
    ("taupe-agent", "agent"), ("taupe-relay", "relay"), ("taupe-router", "router")])
def test_user_that_does_not_exist_is_an_error(group, name, section):
    config = {"user": "no-such-user"}
    if section == "agent":
        config |= {"relay": "ws://127.0.0.1:9", "name": "a", "service": "web:http:127.0.0.1:9"}
    path = write_ini(group.folder / "conf", section, config)
    done = subprocess.run([binary(name), "--config", str(path)], capture_output=True, text=True,
                          timeout=20, check=False)
    assert done.returncode == EX_NOUSER
    assert "there is no such user" in done.stderr and "no-such-user" in done.stderr


@needs_root
def test_only_root_becomes_another_user(open_group):
    path = write_ini(open_group.folder / "conf", "agent", {
        "relay": "ws://127.0.0.1:9", "name": "a", "service": "web:http:127.0.0.1:9",
        "user": "root"})
    done = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", binary("taupe-agent"),
                           "--config", str(path)], capture_output=True, text=True, timeout=20,
                          check=False)
    assert done.returncode == EX_NOPERM, done.stderr
    assert "only root can" in done.stderr
