# SPDX-License-Identifier: MIT
"""Counts what a program does, where its time would say more about the machine: system calls by
strace, instructions by callgrind, wake-ups and memory from /proc."""
import collections
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from .process import BUILD, binary


def sanitizer_build():
    return b"__asan_init" in pathlib.Path(binary("taupe-relay")).read_bytes()


def need_plain_build():
    """Skip where a sanitizer would be counted along."""
    if sanitizer_build():
        pytest.skip(f"{BUILD.name} has sanitizers, whose own work and memory would count")


def need_tool(name):
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed")


def expect_at_most(bound, attempt, attempts=3):
    """For counts to which chance can only add: one of the attempts must come down to the bound."""
    seen = []
    while not seen or seen[-1] > bound:
        assert len(seen) < attempts, f"{min(seen):.2f} at best, and {bound} is the bound"
        seen.append(attempt())


class SystemCalls:
    """While the block runs, counts the system calls of a running program; then calls[name]."""

    def __init__(self, process):
        need_tool("strace")
        self.process = process
        self.summary = process.group.folder / f"{process.name}.strace"
        self.calls = None

    def __enter__(self):
        self.strace = subprocess.Popen(
            ["strace", "-c", "-U", "name,calls", "-o", str(self.summary), "-p",
             str(self.process.pid)], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        said = self.strace.stderr.readline()
        if "attached" not in said:
            self.strace.wait(10)
            pytest.skip(f"strace may not look at a program here: {said.strip()}")
        return self

    def __exit__(self, *_):
        self.strace.send_signal(signal.SIGINT)
        self.strace.communicate(timeout=30)
        rows = re.findall(r"^(\w+) +(\d+)$", self.summary.read_text(), re.MULTILINE)
        self.calls = collections.Counter({name: int(count) for name, count in rows
                                          if name != "total"})

    def total(self):
        return self.calls.total()

    def per(self, count):
        """For the test's output: how often each call came for one of so many."""
        return "  ".join(f"{name} {calls / count:.2f}" for name, calls in self.calls.most_common()
                         if calls / count >= 0.005)


class Instructions:
    """Counts the instructions of a program that was started with wrapper(), its libraries
    included: taken() gives how many since it was last asked, and then calls(name) how often a
    function was called meanwhile."""

    def __init__(self, process):
        self.process = process
        self.dumps = 0
        self.dump = ""

    @staticmethod
    def wrapper(folder, name):
        need_tool("valgrind")
        return ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/{name}.callgrind"]

    def taken(self):
        self.dumps += 1
        done = subprocess.run(["vgdb", f"--pid={self.process.pid}", "dump"], timeout=60,
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        path = self.process.group.folder / f"{self.process.name}.callgrind.{self.dumps}"
        self.dump = path.read_text()
        return int(re.search(r"^(?:totals|summary): (\d+)", self.dump, re.MULTILINE)[1])

    def calls(self, name):
        """A name is written out where it comes first, and is a number afterwards."""
        number = re.search(rf"^c?fn=\((\d+)\) {name}$", self.dump, re.MULTILINE)[1]
        return sum(int(count) for count in re.findall(
            rf"^cfn=\({number}\).*\n(?:c.*\n)*?calls=(\d+) ", self.dump, re.MULTILINE))


def memory_kib(process):
    """What is the program's alone, in resident memory."""
    rollup = pathlib.Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    return sum(int(kib) for kib in re.findall(r"^Private_\w+: +(\d+)", rollup, re.MULTILINE))


def wake_ups(process):
    """How often it has gone to sleep so far, which is how often it was woken."""
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.MULTILINE)[1])


def stat(process):
    """The fields of /proc/PID/stat behind the name: the first is the state."""
    return pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()


def is_asleep(process):
    return stat(process)[0] == "S"


def cpu_ticks(process):
    """Its processor time so far, in ticks of a hundredth of a second."""
    return sum(map(int, stat(process)[11:13]))
