# SPDX-License-Identifier: MIT
"""What this machine does meanwhile: the private network that a benchmark runs in, the CPU time and
memory of processes with all their descendants, and how much of the machine others take."""
import contextlib
import os
import pathlib
import re
import resource
import socket
import sys
import time

TICKS = os.sysconf("SC_CLK_TCK")
CPUS = os.cpu_count()
FILES = 65536
MARK = "TAUPE_BENCH_NETWORK"  # set for the process that runs inside
# Cubic is what most machines use; BBR paces loopback and adds milliseconds. The routes say it,
# because the sysctl of a namespace takes only what the machine lets everybody have.
PREPARE = r"""
ip link set lo up || exit
for to in 127.0.0.0/8 127.0.0.1; do
	ip route change local $to dev lo proto kernel scope host src 127.0.0.1 table local \
		congctl "$TAUPE_BENCH_CONGESTION" || exit
done
exec "$@"
"""


def enter_private_network(congestion, *program):
    """Begin this Python program again inside a network namespace that has loopback and nothing
    else."""
    if os.environ.get(MARK) == str(os.getpid()):
        return
    os.environ["TAUPE_BENCH_CONGESTION"] = congestion
    os.environ[MARK] = str(os.getpid())  # unshare and sh exec, so the process stays the same
    flags = "-n" if os.geteuid() == 0 else "-rn"
    os.execvp("unshare", ["unshare", flags, "sh", "-c", PREPARE, "sh", sys.executable, *program,
                          *sys.argv[1:]])


def congestion_control():
    """What both ends of a connection over loopback use here."""
    with (socket.create_server(("127.0.0.1", 0)) as server,
          socket.create_connection(server.getsockname()) as ours, server.accept()[0] as theirs):
        used = {sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
                for sock in (ours, theirs)}
    return "/".join(sorted(name.rstrip(b"\0").decode() for name in used))


def allow_many_files():
    """For this process and all that it starts, as many open files as it may have."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    for limit in (max(hard, FILES), hard):
        with contextlib.suppress(ValueError):  # more than before is not for everybody
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            return


def _stat(pid):
    """The fields of /proc/PID/stat from the third on."""
    text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    return text[text.rindex(")") + 2:].split()


def with_descendants(pids):
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                children.setdefault(int(_stat(entry)[1]), []).append(int(entry))
    found, left = [], list(pids)
    while left:
        pid = left.pop()
        found.append(pid)
        left += children.get(pid, [])
    return found


def cpu_seconds(pids):
    """CPU time so far of these processes and all below them, those that have ended included."""
    ticks = 0
    for pid in with_descendants(pids):
        with contextlib.suppress(OSError):
            ticks += sum(int(n) for n in _stat(pid)[11:15])
    return ticks / TICKS


def private_bytes(pids):
    """Memory that would come back if these processes and all below them ended."""
    total = 0
    for pid in with_descendants(pids):
        with contextlib.suppress(OSError):
            text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += sum(int(n) for n in re.findall(r"^Private_\w+:\s+(\d+) kB", text, re.M))
    return total * 1024


def loopback_bytes():
    """Bytes that loopback of this network has carried."""
    for line in pathlib.Path("/proc/net/dev").read_text().splitlines():
        name, _, counters = line.partition(":")
        if name.strip() == "lo":
            return int(counters.split()[0])
    raise OSError("no loopback")


def _busy_seconds():
    """CPU time that the whole machine has spent, the hypervisor's share included."""
    user, nice, system, idle, iowait, irq, softirq, steal = (
        int(n) for n in pathlib.Path("/proc/stat").read_text().split(None, 9)[1:9])
    del idle, iowait
    return (user + nice + system + irq + softirq + steal) / TICKS


class Watch:
    """The share of the machine that others took, from now to foreign()."""

    def __init__(self):
        self.start = time.monotonic()
        self.busy, self.own = _busy_seconds(), cpu_seconds([os.getpid()])

    def foreign(self):
        busy = _busy_seconds() - self.busy
        own = cpu_seconds([os.getpid()]) - self.own
        return max(0.0, (busy - own) / ((time.monotonic() - self.start) * CPUS))


def wait_quiet(limit, seconds):
    """Wait up to so long until others take less than this share of the machine."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        watch = Watch()
        time.sleep(0.3)
        if watch.foreign() < limit:
            return
