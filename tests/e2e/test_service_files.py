# SPDX-License-Identifier: MIT
"""The installed service files: the agent under its init script, and the systemd units.

The installation goes to a folder (DESTDIR) that is laid over the real prefix in a mount
namespace of each command, so that the very files run that a package would hold."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import pytest

from harness.process import BUILD
from harness.wait import until

pytestmark = pytest.mark.alone

SHELLS = [pytest.param(["sh"], id="sh"), pytest.param(["busybox", "sh"], id="busybox")]


def make(*words):
    return subprocess.run(["make", "-s", "-C", str(BUILD), *words], capture_output=True,
                          text=True, timeout=300, check=False)


def variable(name):
    """A variable of the build's makefile, expanded."""
    done = subprocess.run(["make", "-s", "-C", str(BUILD), "-f", "-", "show"], text=True,
                          input=f"include Makefile\nshow: ; @echo $({name})\n",
                          capture_output=True, timeout=60, check=True)
    return done.stdout.strip()


class Installation:
    def __init__(self, folder):
        self.root = folder / "root"
        self.prefix = variable("prefix")
        done = make("install", f"DESTDIR={self.root}")
        assert done.returncode == 0, done.stdout + done.stderr
        self.sbin, self.etc = variable("sbindir"), variable("sysconfdir")
        self.script = variable("initdir") + "/taupe-agent"
        self.units = variable("systemdsystemunitdir")
        self.pid_file = self.at(variable("runstatedir")) / "taupe-agent.pid"
        self.reports = folder / "reports"
        self.reports.mkdir(mode=0o777)
        self.reports.chmod(0o777)

    def at(self, path):
        """Where a path of the installation lies."""
        return self.root / str(path).lstrip("/")

    def run(self, argv, **kwargs):
        """Run a command that sees the installation where it belongs."""
        script = 'mount --bind "$0" "$1" && shift && exec "$@"'
        environment = dict(
            os.environ,
            ASAN_OPTIONS=f"log_path={self.reports}/asan:exitcode=99:detect_leaks=1",
            UBSAN_OPTIONS=f"log_path={self.reports}/ubsan:print_stacktrace=1")
        return subprocess.run(
            ["unshare", "-m", "sh", "-c", script, str(self.at(self.prefix)), self.prefix, *argv],
            capture_output=True, text=True, timeout=60, check=False, env=environment, **kwargs)


def may_mount():
    return subprocess.run(["unshare", "-m", "mount", "--bind", "/tmp", "/mnt"], check=False,
                          capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    if not may_mount():
        pytest.skip("needs root for a mount namespace")
    # not under pytest's own folder, which only its user may enter
    folder = pathlib.Path("/var/tmp") / f"taupe-install-{os.getpid()}"
    folder.mkdir(mode=0o755)
    try:
        yield Installation(folder)
    finally:
        shutil.rmtree(folder)


def command_line(pid):
    """Empty for a process that has ended, even if nobody has waited for it yet."""
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


class Service:
    """The agent, through its init script."""

    def __init__(self, installation, shell):
        self.installation, self.shell = installation, shell
        self.config = installation.at(installation.etc) / "taupe/agent.ini"
        self.state = installation.at(installation.prefix) / "state"
        self.state.mkdir(exist_ok=True)
        self.state.chmod(0o777)
        self.defaults = installation.at(installation.etc) / "default/taupe-agent"
        self.defaults.unlink(missing_ok=True)
        # nobody listens there: the agent goes on trying
        self.configure()

    def configure(self, *lines):
        self.config.write_text("\n".join([
            "[agent]", "relay = ws://127.0.0.1:9", "name = alice",
            "secret = not-a-secret-but-long-enough", "service = web:http:127.0.0.1:9",
            f"state_file = {self.installation.prefix}/state/agent.state", *lines]) + "\n")

    def __call__(self, action):
        return self.installation.run([*self.shell, self.installation.script, action])

    def pid(self):
        return int(self.installation.pid_file.read_text())

    def agent(self):
        """The pid of the agent, which must be running."""
        pid = self.pid()
        assert f"{self.installation.sbin}/taupe-agent" in command_line(pid)
        return pid

    def end(self):
        done = self("stop")
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(params=SHELLS)
def service(installation, request):
    if not shutil.which(request.param[0]):
        pytest.skip(f"no {request.param[0]}")
    service = Service(installation, request.param)
    yield service
    service.end()
    assert not installation.pid_file.exists()
    reports = [report.read_text() for report in installation.reports.iterdir()]
    assert not reports, "\n".join(reports)


def ok(done, words=""):
    assert done.returncode == 0, f"{done.returncode}: {done.stdout}{done.stderr}"
    assert words in done.stdout
    return done


def test_start_restart_and_stop(service):
    ok(service("start"), "started")
    first = service.agent()
    ok(service("status"), f"is running (pid {first})")

    ok(service("start"), "is running already")
    assert service.agent() == first

    ok(service("restart"), "started")
    second = service.agent()
    assert second != first
    assert command_line(first) == ""

    ok(service("try-restart"), "started")
    third = service.agent()
    assert third != second

    ok(service("stop"), "stopped")
    assert command_line(third) == ""
    done = service("status")
    assert done.returncode == 3
    assert "is not running" in done.stdout

    ok(service("stop"), "is not running")
    ok(service("try-restart"))
    assert not service.installation.pid_file.exists()


def test_reload_keeps_the_agent_and_refuses_a_wrong_file(service):
    assert service("reload").returncode == 7
    ok(service("start"))
    pid = service.agent()
    ok(service("reload"))
    ok(service("force-reload"))
    assert service.agent() == pid
    service.configure("log_level = loud")
    done = service("reload")
    assert done.returncode == 6
    assert "agent.ini:7: log_level = loud: allowed:" in done.stderr
    assert service.agent() == pid


def test_start_says_what_is_wrong_with_the_configuration(service):
    service.configure("servise = ssh:tcp:127.0.0.1:22")
    done = service("start")
    assert done.returncode == 6
    assert "agent.ini:7: servise: no such key; the closest one is service" in done.stderr
    service.config.unlink()
    done = service("start")
    assert done.returncode == 6
    assert "agent.ini cannot be read" in done.stdout
    assert service("status").returncode == 3


def test_crash_is_noticed_and_mended(service):
    ok(service("start"))
    pid = service.agent()
    os.kill(pid, signal.SIGKILL)
    until("the agent has ended", lambda: command_line(pid) == "")
    done = service("status")
    assert done.returncode == 1
    assert "has died" in done.stdout
    ok(service("start"), "started")
    assert service.agent() != pid


def test_number_of_another_program_is_not_ours(service):
    """A pid file that outlived a reboot: its number is somebody else's now."""
    with subprocess.Popen(["sleep", "60"]) as other:
        service.installation.pid_file.parent.mkdir(parents=True, exist_ok=True)
        service.installation.pid_file.write_text(f"{other.pid}\n")
        assert service("status").returncode == 1
        ok(service("stop"), "is not running")
        assert other.poll() is None
        service.installation.pid_file.write_text(f"{other.pid}\n")
        ok(service("start"), "started")
        assert service.agent() != other.pid
        assert other.poll() is None
        other.kill()
    for rubbish in ("", "x", "-1", "99999999999999999999"):
        service.end()
        service.installation.pid_file.write_text(rubbish)
        ok(service("start"), "started")


def test_agent_outlives_the_session_that_started_it(service):
    ok(service("start"))
    pid = service.agent()
    assert os.getsid(pid) != os.getsid(0)
    for number in range(3):
        assert os.readlink(f"/proc/{pid}/fd/{number}") == "/dev/null"
    assert os.readlink(f"/proc/{pid}/cwd") == "/"


def test_agent_that_does_not_end_is_killed(service):
    service.defaults.parent.mkdir(exist_ok=True)
    service.defaults.write_text("STOP_SECONDS=1\n")
    ok(service("start"))
    pid = service.agent()
    os.kill(pid, signal.SIGSTOP)
    begin = time.monotonic()
    ok(service("stop"), "did not end within 1 seconds and is killed")
    assert time.monotonic() - begin < 15
    until("the agent has ended", lambda: command_line(pid) == "")


def test_agent_runs_as_the_configured_user(service):
    service.defaults.parent.mkdir(exist_ok=True)
    service.defaults.write_text("RUN_AS=nobody\n")
    ok(service("start"), "started")
    status = pathlib.Path(f"/proc/{service.agent()}/status").read_text()
    assert "Uid:\t65534\t65534\t" in status


def test_usage(service):
    done = service("dance")
    assert done.returncode == 2
    assert "start|stop|restart" in done.stderr


def test_examples_and_service_files_are_installed(installation):
    etc = installation.at(installation.etc)
    for program in ("taupe-agent", "taupe-relay", "taupe-router", "taupectl"):
        name = program.removeprefix("taupe-")
        example = etc / f"taupe/{name}.ini.example"
        assert f"\n[{name}]\n" in example.read_text()
        # what begins a configuration must be a right one
        done = installation.run([f"{installation.sbin}/{program}", "--check-config", "--config",
                                 f"{installation.etc}/taupe/{name}.ini.example"])
        assert done.returncode == 0, done.stderr
    for path in installation.root.rglob("*"):
        if path.is_file() and path.suffix in (".service", ".conf", ".example"):
            assert not re.search(r"@\w+@", path.read_text()), path  # what configure fills in


UNITS = ("taupe-agent", "taupe-relay@1", "taupe-router", "taupe-webhook@1")


@pytest.mark.parametrize("unit", UNITS)
def test_units_are_valid(installation, unit):
    name = unit.replace("@1", "@")
    path = installation.at(installation.units) / f"{name}.service"
    assert path.exists()
    target = f"{installation.units}/{unit}.service"
    done = installation.run(["systemd-analyze", "verify", "--man=no", target])
    complaints = [line for line in (done.stdout + done.stderr).splitlines() if "taupe" in line]
    assert done.returncode == 0 and not complaints, done.stdout + done.stderr


@pytest.mark.parametrize("unit", UNITS)
def test_units_are_tried_for_ever(installation, unit):
    """systemd gives up after five starts within ten seconds, if it is not told otherwise."""
    name = unit.replace("@1", "@")
    text = (installation.at(installation.units) / f"{name}.service").read_text()
    head = text.partition("\n[Service]\n")[0]
    assert re.search(r"^StartLimitIntervalSec=0$", head, re.M)
    assert re.search(r"^Restart=(on-failure|always)$", text, re.M)


@pytest.mark.parametrize("unit", UNITS)
def test_units_leave_little_exposed(installation, unit):
    """By the count of systemd itself: 0 is nothing, 10 is all; 2.0 is a strict sandbox."""
    name = unit.replace("@1", "@")
    done = installation.run(["systemd-analyze", "security", "--offline=true", "--no-pager",
                             "--threshold=20", f"{installation.units}/{name}.service"])
    assert done.returncode == 0, done.stdout + done.stderr
    level = re.search(r"exposure level for taupe-\S+: (\d+\.\d+)", done.stdout)
    assert level and float(level[1]) <= 2.0, done.stdout
    assert "✓ User=/DynamicUser=" in done.stdout
