# SPDX-License-Identifier: MIT
"""One started program with its log. Every program of a test belongs to a Group, which ends all of
them and then tells what was wrong: who left unasked, with which status, and what the sanitizers
wrote."""
import contextlib
import os
import pathlib
import signal
import subprocess
import threading

from . import marks
from .wait import until

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("TAUPE_BUILD", ROOT / "build")).resolve()
# The agent may be another build's, with another library of TLS.
AGENT_BUILD = pathlib.Path(os.environ.get("TAUPE_AGENT_BUILD", BUILD)).resolve()


def binary(name):
    """A program of the build at hand (libtool may have left a wrapper: that is fine)."""
    build = AGENT_BUILD if name == "taupe-agent" else BUILD
    path = build / name
    if not path.exists():
        found = sorted(build.glob(f"src/**/{name}"))
        path = found[0] if found else path
    return str(path)


class Process:
    def __init__(self, group, name, argv, netns=None, env=None, ends=(0,)):
        """ends: the statuses that it may end with when it is asked to."""
        self.group, self.name, self.ends_with = group, name, ends
        self.log = group.folder / f"{name}.log"
        self.expected = None  # statuses that its end may have; None: it must not end
        if netns:
            argv = ["ip", "netns", "exec", netns, *argv]
        environment = dict(os.environ, **(env or {}))
        environment["ASAN_OPTIONS"] = ":".join(filter(None, [
            f"log_path={group.folder}/sanitizer.{name}:exitcode=99:detect_leaks=1",
            (env or {}).get("ASAN_OPTIONS")]))
        environment["UBSAN_OPTIONS"] = (
            f"log_path={group.folder}/sanitizer.{name}:print_stacktrace=1")
        with open(self.log, "ab") as log:
            self.start_of_log = log.tell()
            self.popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log,
                                          stderr=log, env=environment)
        self.pid = self.popen.pid
        group.members.append(self)

    def text(self):
        """What this start of the program has logged so far."""
        with open(self.log, "rb") as log:
            log.seek(self.start_of_log)
            return log.read().decode("utf-8", "replace")

    def lines(self, *needles):
        return [line for line in self.text().splitlines() if all(n in line for n in needles)]

    def wait_line(self, *needles, count=1, timeout=10):
        """The count-th line that holds all needles; also fails when the program ends before."""
        def look():
            found = self.lines(*needles)
            if len(found) >= count:
                return found[count - 1]
            if self.popen.poll() is not None:
                raise RuntimeError(
                    f"{self.name} ended with {self.popen.returncode} before it said {needles}")
            return None
        return until(f"{self.name} says {needles}", look, timeout)

    def exposes(self):
        """What everybody on the machine can see of it."""
        shown = marks.shows(marks.command_line(self.pid)) if self.running() else False
        return [f"a secret in the command line of {self.name}"] if shown else []

    def running(self):
        return self.popen.poll() is None

    def answers_soon(self):
        """It runs, and neither it nor what it was started by is frozen."""
        if not self.running():
            return False
        status = pathlib.Path(f"/proc/{self.pid}/stat").read_text()
        return status.rpartition(")")[2].split()[0] not in "TtZ"

    def send_signal(self, number):
        if number == signal.SIGTERM:  # it may have ended before anybody waits for that
            self.expected = set(self.ends_with)
        self.popen.send_signal(number)

    def stop(self, number=signal.SIGTERM, timeout=20):
        """End it in order."""
        self.expected = set(self.ends_with)
        if self.running():
            self.send_signal(number)
        try:
            self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise AssertionError(f"{self.name} did not end within {timeout} s") from None
        assert self.popen.returncode in self.expected, \
            f"{self.name} ended with {self.popen.returncode}, expected one of {self.expected}"

    def kill(self):
        """kill -9: the machine has gone."""
        self.expected = {-signal.SIGKILL}
        self.popen.kill()
        self.popen.wait()

    def freeze(self):
        """It neither answers nor says goodbye."""
        self.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.send_signal(signal.SIGCONT)

    def ends(self, status, timeout=10):
        """It ends by itself, with this status."""
        self.expected = {status}
        self.popen.wait(timeout)
        assert self.popen.returncode == status, \
            f"{self.name} ended with {self.popen.returncode}, expected {status}:\n{self.text()}"

    def rss_kib(self):
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise OSError("no VmRSS")


class Group:
    """Everything that one scenario has started, ended in reverse order."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.members = []
        self.exits = contextlib.ExitStack()
        self.checks = []  # called at the end; each returns a list of faults

    def check(self):
        """A check that cannot be made is a fault, and no reason to leave programs behind."""
        for check in self.checks:
            try:
                yield from check()
            except Exception as error:  # pylint: disable=broad-except
                yield f"{check.__qualname__}: {error!r}"

    def close(self):
        faults = list(self.check())
        faults += [fault for process in self.members for fault in process.exposes()]
        for process in reversed(self.members):
            ended_unasked = process.popen.poll() is not None and process.expected is None
            if ended_unasked:
                faults.append(f"{process.name} ended unasked with {process.popen.returncode}")
                continue
            if process.running():
                with contextlib.suppress(ProcessLookupError):
                    process.thaw()
                try:
                    process.stop()
                except AssertionError as error:
                    faults.append(str(error))
            elif process.popen.returncode not in process.expected:
                faults.append(f"{process.name} ended with {process.popen.returncode}")
        self.exits.close()
        faults += marks.faults_of_logs(self.folder)
        for report in sorted(self.folder.rglob("sanitizer.*")):
            faults.append(f"{report.name}:\n{report.read_text(errors='replace')[:6000]}")
        if faults:
            raise AssertionError("\n".join(faults))

    def logs(self, limit=60):
        """The ends of all logs, for a failed test."""
        parts = []
        for log in sorted(self.folder.glob("*.log")):
            lines = log.read_text(errors="replace").splitlines()
            parts.append(f"--- {log.name} ({len(lines)} lines)\n" + "\n".join(lines[-limit:]))
        return "\n".join(parts)


class Thread(threading.Thread):
    """A thread whose result or exception is handed to who joins it."""

    def __init__(self, target, *args, **kwargs):
        super().__init__(daemon=True)
        self._call = (target, args, kwargs)
        self.result = self.error = None
        self.start()

    def run(self):
        target, args, kwargs = self._call
        try:
            self.result = target(*args, **kwargs)
        except BaseException as error:  # handed on by get()
            self.error = error

    def get(self, timeout=60):
        self.join(timeout)
        assert not self.is_alive(), "still running"
        if self.error:
            raise self.error
        return self.result
