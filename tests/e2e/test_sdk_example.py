# SPDX-License-Identifier: MIT
"""What docs/SDK.md promises to somebody who has nothing but the installed libtaupe: its example is
compiled with what pkg-config says, shared and static, and is an agent."""
import contextlib
import hashlib
import os
import shutil
import signal
import subprocess

import pytest

from harness import ports
from harness.process import BUILD, ROOT, Process
from harness.programs import SampleServices
from harness.sample_services import pattern_sha256
from harness.scenes import Standalone
from harness.slow_proxy import SlowProxy
from harness.wait import until

pytestmark = pytest.mark.alone

EXAMPLE = ROOT / "examples/sdk/plain_agent.c"


def variable(name):
    """A variable of the build's makefile, expanded."""
    return subprocess.run(["make", "-s", "-C", str(BUILD), "-f", "-", "show"], text=True,
                          input=f"include Makefile\nshow: ; @echo $({name})\n",
                          capture_output=True, timeout=60, check=True).stdout.strip()


class Installed:
    """libtaupe, as make install leaves it, in a folder of the test's."""

    def __init__(self, folder):
        self.root = folder / "root"
        done = subprocess.run(["make", "-s", "-C", str(BUILD), "install", f"DESTDIR={self.root}"],
                              capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        self.libdir = self.root / variable("libdir").lstrip("/")
        # a library with sanitizers wants a program with them
        self.flags = [flag for flag in variable("TAUPE_CFLAGS").split()
                      if flag.startswith("-fsanitize=")]
        self.shared = (self.libdir / "libtaupe.so").exists()

    def pkg_config(self, *words):
        env = dict(os.environ, PKG_CONFIG_LIBDIR=f"{self.libdir}/pkgconfig",
                   PKG_CONFIG_SYSROOT_DIR=str(self.root), PKG_CONFIG_ALLOW_SYSTEM_CFLAGS="1",
                   PKG_CONFIG_ALLOW_SYSTEM_LIBS="1")
        return subprocess.run(["pkg-config", *words, "taupe"], env=env, capture_output=True,
                              text=True, check=True).stdout.split()

    def compile(self, kind, source, out, *flags):
        """The program at out, and what the compiler said."""
        libs = self.pkg_config("--libs")
        if kind == "static":
            libs = [f"-l:lib{lib[2:]}.a" if lib.startswith("-l") else lib
                    for lib in self.pkg_config("--static", "--libs")]
        done = subprocess.run([*variable("CC").split(), *self.flags, "-g", *flags,
                               *self.pkg_config("--cflags"), str(source), *libs, "-o", str(out)],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    yield Installed(tmp_path_factory.mktemp("installed"))


class Example:
    """The example as an agent of a relay of its own, behind a link that can be cut."""

    def __init__(self, group, installed, kind):
        if kind == "shared" and not installed.shared:
            pytest.skip("this build has no shared libtaupe")
        self.group = group
        program = group.folder / f"plain_agent_{kind}"
        installed.compile(kind, EXAMPLE, program, "-Wall", "-Wextra", "-Werror")
        port = ports.take()
        self.link = SlowProxy(group, port)
        self.relay = Standalone(group, agent_listen=f"127.0.0.1:{port}", heartbeat="1s",
                                agent_url=f"ws://{self.link.address}", lease="60s")
        self.services = SampleServices(group, "web")
        device = self.relay.device("alice", label="alice")
        env = {"TAUPE_SECRET": device.secret}
        if kind == "shared":
            env["LD_LIBRARY_PATH"] = str(installed.libdir)
        self.process = Process(group, "plain-agent", [
            str(program), f"ws://{self.link.address}", "alice",
            str(self.services.ports["web", "http"])], env=env, ends=(-signal.SIGTERM,))
        self.process.wait_line("http://alice.example.test")

    def get(self, path, **kwargs):
        return self.relay.get("alice.example.test", path, **kwargs)

    def welcomes(self):
        return len(self.process.lines("http://alice.example.test"))

    def come_back(self, count):
        until("it is welcomed again", lambda: self.welcomes() >= count)

        def served():
            answer = self.get("/name")
            assert answer.status == 200 and answer.text == "web", answer
            return True
        until("visitors are served again", served)


@pytest.fixture(params=["shared", "static"])
def example(group, installed, request):
    return Example(group, installed, request.param)


def test_example_serves_visits_and_comes_back(example):
    assert example.get("/name").text == "web"
    # several on one connection, and several at once
    with example.relay.visit("alice.example.test") as visitor:
        for number in range(5):
            visitor.send_head("GET", f"/name/{number}")
            assert visitor.read_answer().text == f"web {number}"
    with contextlib.ExitStack() as stack:
        visitors = [stack.enter_context(example.relay.visit("alice.example.test"))
                    for _ in range(6)]
        for number, visitor in enumerate(visitors):
            visitor.send_head("GET", f"/name/{number}")
        for number, visitor in reversed(list(enumerate(visitors))):
            assert visitor.read_answer().text == f"web {number}"
    # large ones in both directions
    size = 3_000_000
    answer = example.get(f"/bytes/{size}")
    assert (answer.length, answer.sha256) == (size, pattern_sha256(size))
    body = bytes(range(256)) * 8192
    with example.relay.visit("alice.example.test") as visitor:
        visitor.send_head("POST", "/sha256", [("Content-Length", str(len(body)))])
        visitor.send(body)
        assert hashlib.sha256(body).hexdigest() in visitor.read_answer("POST").text
    assert example.welcomes() == 1


def test_example_comes_back_from_a_cut_link_and_a_killed_relay(example):
    assert example.get("/name").text == "web"
    example.link.cut()
    example.come_back(2)
    # silence: nobody tells it
    example.link.open.clear()
    until("the relay has given it up", lambda: example.relay.relay.metrics()[
        "taupe_relay_agents"] == 0, 30)
    example.link.open.set()
    example.come_back(3)
    example.relay.relay.process.kill()
    example.relay.relay.start()
    example.come_back(4)


def test_example_tells_the_relay_of_a_service_that_is_not_there(example):
    example.services.process.kill()
    answer = example.get("/name")
    assert answer.status == 502, answer
    assert example.process.running()


def test_example_is_what_the_documentation_shows():
    page = (ROOT / "docs/SDK.md").read_text()
    for path in (EXAMPLE, EXAMPLE.with_name("plain_system.h")):
        assert "```c\n" + path.read_text() + "```\n" in page
    code = [line for line in EXAMPLE.read_text().splitlines()
            if line.strip() and not line.startswith(("#include", "/*", " *"))]
    assert len(code) <= 110  # "about a hundred lines"


def test_installed_header_is_c_and_cplusplus(installed, tmp_path):
    (tmp_path / "a.c").write_text("#include <taupe.h>\nint x;\n")
    (tmp_path / "a.cc").write_text(
        "#include <taupe.h>\nint main() { taupe_config config = {}; taupe_session session;\n"
        "return taupe_session_init(&session, &config) == nullptr; }\n")
    for compiler, name, standards in (("gcc", "a.c", ("c11", "c17")),
                                      ("g++", "a.cc", ("c++11", "c++17"))):
        if not shutil.which(compiler):
            pytest.skip(f"no {compiler}")
        for standard in standards:
            done = subprocess.run([compiler, f"-std={standard}", "-fsyntax-only", "-Wall",
                                   "-Wextra", "-pedantic", "-Werror",
                                   *installed.pkg_config("--cflags"), str(tmp_path / name)],
                                  capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr


def test_installed_library_has_its_version(installed):
    version, = installed.pkg_config("--modversion")
    assert f'#define TAUPE_VERSION "{version}"' in (ROOT / "src/sdk/taupe.h").read_text()
    if installed.shared:
        dynamic = subprocess.run(["readelf", "-d", f"{installed.libdir}/libtaupe.so"],
                                 capture_output=True, text=True, check=True).stdout
        assert "[libtaupe.so.1]" in dynamic


def test_static_library_shares_its_names_with_nobody(installed, tmp_path):
    """A firmware has a str_copy, a reader_init and a memory_init of its own."""
    (tmp_path / "own.c").write_text("""
#include <taupe.h>
int str_copy = 1, reader_init = 2, memory_init = 3, sha1_digest = 4, ws_mask = 5;
int main(void)
{
	struct taupe_config config = {0};
	static struct taupe_session session;
	return str_copy + reader_init + memory_init + sha1_digest + ws_mask == 15 &&
	    taupe_session_init(&session, &config) != NULL ? 0 : 1;
}
""")
    installed.compile("static", tmp_path / "own.c", tmp_path / "own")
    assert subprocess.run([str(tmp_path / "own")], check=False).returncode == 0
