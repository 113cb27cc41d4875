# SPDX-License-Identifier: MIT
"""scripts/demo, as somebody new would run it; Ctrl-C leaves nothing behind."""
import os
import pathlib
import re
import signal
import socket
import subprocess
import urllib.request

import pytest

from harness import ports
from harness.process import BUILD, ROOT
from harness.visitors import Connection, get
from harness.wait import until

pytestmark = pytest.mark.alone


class Demo:
    def __init__(self, folder, *arguments, port=None):
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.reports = folder / "sanitizer"
        self.out = folder / "out"
        self.port = port or ports.take()
        env = dict(os.environ, DEMO_BUILD=str(BUILD), DEMO_PORT=str(self.port),
                   TMPDIR=str(self.temporary),
                   ASAN_OPTIONS=f"log_path={self.reports}", UBSAN_OPTIONS=f"log_path={self.reports}")
        with open(self.out, "wb") as out:
            self.popen = subprocess.Popen([ROOT / "scripts" / "demo", *arguments], stdout=out,
                                          stderr=out, stdin=subprocess.DEVNULL, env=env,
                                          start_new_session=True)

    def text(self):
        return self.out.read_text()

    def wait_started(self):
        def look():
            assert self.popen.poll() is None or pytest.fail(self.text())
            return "Ctrl-C ends it" in self.text()
        until("the demo says what to do", look, 60)

    def members(self):
        """Processes of its session."""
        found = []
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == self.popen.pid:
                found.append(stat.parent.joinpath("cmdline").read_text().replace("\0", " "))
        return found

    def press_ctrl_c(self):
        """The terminal sends it to the whole group."""
        os.killpg(self.popen.pid, signal.SIGINT)
        assert self.popen.wait(30) == 130
        until("nobody is left", lambda: self.members() == [])
        assert list(self.temporary.iterdir()) == []
        reports = [path.read_text() for path in self.reports.parent.glob("sanitizer.*")]
        assert not reports, reports

    def kill_if_running(self):
        if self.popen.poll() is None:
            os.killpg(self.popen.pid, signal.SIGTERM)
            self.popen.wait(30)


@pytest.fixture
def demo(tmp_path):
    started = []

    def start(*arguments, **kwargs):
        started.append(Demo(tmp_path, *arguments, **kwargs))
        return started[-1]

    yield start
    for each in started:
        each.kill_if_running()


def test_demo_serves_the_sample_site_by_name_and_leaves_nothing(demo):
    running = demo()
    running.wait_started()
    url = re.search(r"http://([a-z0-9]+\.localhost):(\d+)/", running.text())
    assert int(url.group(2)) == running.port
    answer = get(("127.0.0.1", running.port), url.group(1), "/")
    assert answer.status == 200 and "Hello from behind" in answer.text
    running.press_ctrl_c()


def test_demo_takes_another_port_when_its_own_is_taken(demo):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        running = demo(port=port)
        running.wait_started()
        assert f"port {port} is taken" in running.text()
        url = re.search(r"http://([a-z0-9]+\.localhost):(\d+)/", running.text())
        assert int(url.group(2)) != port
        assert get(("127.0.0.1", int(url.group(2))), url.group(1), "/").status == 200
        running.press_ctrl_c()


def test_demo_cluster_serves_three_devices_and_survives_a_relays_death(demo):
    running = demo("--cluster")
    running.wait_started()
    text = running.text()
    address = ("127.0.0.1", running.port)
    hosts = [f"{name}.localhost" for name in ("alice", "bob", "carol")]
    for host in hosts:
        assert f"http://{host}:{running.port}/" in text
        assert "Hello from behind" in get(address, host, "/").text
    tls_port = int(re.search(r"https://alice\.localhost:(\d+)/", text).group(1))
    with Connection(("127.0.0.1", tls_port), hosts[0], sni=hosts[0]) as visit:
        assert visit.get("/").status == 200
    tcp = re.search(r"curl (http://localhost:\d+/)", text).group(1)
    with urllib.request.urlopen(tcp.replace("localhost", "127.0.0.1"), timeout=10) as page:
        assert b"Hello from behind" in page.read()
    ctl = re.search(r't="(.*)"', text).group(1).split()
    listed = subprocess.run([*ctl, "device", "ls"], capture_output=True, text=True, check=True)
    assert all(name in listed.stdout for name in ("alice", "bob", "carol"))
    os.kill(int(re.search(r"kill -9 (\d+)", text).group(1)), signal.SIGKILL)
    for host in hosts:
        until(f"{host} is at the other relay",
              lambda host=host: get(address, host, "/").status == 200, 10)
    running.press_ctrl_c()


def test_demo_says_what_options_it_has():
    demo = str(ROOT / "scripts" / "demo")
    done = subprocess.run([demo, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "--cluster" in done.stdout
    done = subprocess.run([demo, "--nonsense"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "--nonsense" in done.stderr
