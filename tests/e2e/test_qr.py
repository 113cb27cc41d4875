# SPDX-License-Identifier: MIT
"""taupectl device add --qr and taupe-agent setup: what the operator's terminal shows, read by a real
scanner or typed, makes an agent that is online."""
import fcntl
import itertools
import json
import os
import pty
import re
import select
import signal
import stat
import struct
import subprocess
import termios
import urllib.parse

import pytest
from PIL import Image

from harness import ports
from harness.first_run import PATH
from harness.process import BUILD, Process, binary
from harness.programs import Redis, Relay, SampleServices
from harness.wait import until

USAGE, DATAERR, NOINPUT, UNAVAILABLE, CANTCREAT = 64, 65, 66, 69, 73
SECRET = "0123456789abcdefghijABCDEFGHIJ-_0123456789a"
URI = f"taupe://relay.example.test/?name=alice&secret={SECRET}"
HALVES = {" ": (0, 0), "▀": (1, 0), "▄": (0, 1), "█": (1, 1)}
MODULE = 6  # pixels

needs_qrencode = pytest.mark.skipif(
    subprocess.run(["pkg-config", "--exists", "libqrencode"], check=False).returncode != 0,
    reason="built without libqrencode")


def scan(text, path):
    """Draw what a terminal shows, and look at it as a phone does."""
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in text.splitlines()]
    lines = [line for line in lines if line and set(line) <= set(HALVES)]
    rows = [[HALVES[c][half] for c in line] for line in lines for half in (0, 1)]
    image = Image.new("L", (len(rows[0]) * MODULE, len(rows) * MODULE), 255)
    for y, row in enumerate(rows):
        for x, dark in enumerate(row):
            if dark:
                image.paste(0, (x * MODULE, y * MODULE, (x + 1) * MODULE, (y + 1) * MODULE))
    image.save(path)
    done = subprocess.run(["zbarimg", "--quiet", "--raw", str(path)], capture_output=True, text=True,
                          timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Operator:
    def __init__(self, group):
        self.redis = Redis(group)
        block = ports.take_block()
        self.relay = Relay(group, service_listen=f"127.0.0.1:{block}-{block + 19}",
                           **self.redis.access("taupe-relay"))
        self.access = [word for key, value in self.redis.access("taupectl").items()
                       for word in ("--" + key.replace("_", "-"), str(value))]

    def ctl(self, *words):
        return subprocess.run([binary("taupectl"), *self.access, *words], capture_output=True,
                              text=True, timeout=20, check=False)


@pytest.fixture
def operator(group):
    return Operator(group)


def set_up(folder, uri, *options):
    return subprocess.run([binary("taupe-agent"), "setup", "--directory", str(folder), *options],
                          input=uri + "\n", capture_output=True, text=True, timeout=20, check=False)


def files(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def set_up_with(fault, number, folder, uri, *options):
    """With a fault at a call of rename(2): None if there are not so many."""
    calls = folder.with_suffix(".calls")
    done = subprocess.run(
        ["strace", "-o", str(calls), "-e", "trace=rename", "-e", f"inject=rename:{fault}:when={number}",
         binary("taupe-agent"), "setup", "--directory", str(folder), *options], input=uri + "\n",
        capture_output=True, text=True, timeout=30, env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"},
        check=False)
    return done if len(re.findall(r"^rename\(", calls.read_text(), re.M)) >= number else None


def start_agent(group, folder, name="agent"):
    agent = Process(group, name, [
        binary("taupe-agent"), "--config", str(folder / "agent.ini"), "--state-file",
        str(group.folder / f"{name}.state"), "--drain-timeout", "100ms", "--reconnect-max", "500ms"])
    return agent


@needs_qrencode
def test_a_scanned_code_sets_a_device_up(group, operator):
    services = SampleServices(group, "web")
    done = operator.ctl("device", "add", "alice", "--qr")
    assert done.returncode == 0, done.stderr
    assert "Whoever sees the line" in done.stderr
    uri = scan(done.stdout, group.folder / "code.png")
    parts = urllib.parse.urlsplit(uri)
    query = dict(urllib.parse.parse_qsl(parts.query))
    assert parts.netloc == operator.relay.url.removeprefix("ws://")
    assert query["name"] == "alice" and query["tls"] == "no"
    folder = group.folder / "device"
    folder.mkdir()
    done = set_up(folder, uri, "--service", f"web:http:{services.target('web', 'http')}")
    assert done.returncode == 0, done.stderr
    assert query["secret"] not in done.stdout + done.stderr
    assert stat.S_IMODE((folder / "secret").stat().st_mode) == 0o600
    agent = start_agent(group, folder)
    agent.wait_line('msg="session opened"')
    assert query["secret"] not in agent.text() + operator.relay.process.text()


def add_on_a_terminal(operator, columns):
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    child = subprocess.Popen([binary("taupectl"), *operator.access, "device", "add", "alice", "--qr",
                              "--relay", "wss://relay.example.test:4443"],
                             stdout=terminal, stderr=terminal)
    os.close(terminal)
    shown = b""
    while True:
        try:
            shown += os.read(controller, 65536)
        except OSError:  # its end
            break
    os.close(controller)
    assert child.wait(timeout=10) == 0
    return shown.decode()


@needs_qrencode
def test_on_a_terminal_the_code_is_black_on_white(group, operator):
    shown = add_on_a_terminal(operator, 80)
    assert "\x1b[30;107m" in shown
    uri = scan(shown, group.folder / "code.png")
    assert uri.startswith("taupe://relay.example.test:4443/?name=alice&secret=")
    assert f"echo '{uri}' | sudo taupe-agent setup" in shown


@needs_qrencode
def test_a_code_that_would_be_broken_is_not_shown(operator):
    shown = add_on_a_terminal(operator, 40)
    assert re.search(r"needs \d+ columns and this terminal has 40", shown)
    assert "echo 'taupe://" in shown and "█" not in shown


def test_the_printed_line_works_as_it_stands(group, operator):
    """But for sudo, and the folder that is this test's own."""
    done = operator.ctl("device", "add", "alice", "--qr")
    line = done.stdout.splitlines()[0]
    folder = group.folder / "device"
    folder.mkdir()
    line = line.replace("sudo taupe-agent setup", f"taupe-agent setup --directory {folder}")
    subprocess.run(["sh", "-c", line], env={**os.environ, **PATH}, check=True, timeout=20)
    start_agent(group, folder).wait_line('msg="session opened"')
    # the operator gives it another secret
    config = (folder / "agent.ini").read_text() + "# its own\n"
    (folder / "agent.ini").write_text(config)
    old = (folder / "secret").read_text()
    done = operator.ctl("device", "rotate", "alice", "--now", "--qr")
    line = done.stdout.splitlines()[0]
    assert line.endswith("taupe-agent setup --force")
    line = line.replace("sudo taupe-agent setup", f"taupe-agent setup --directory {folder}")
    subprocess.run(["sh", "-c", line], env={**os.environ, **PATH}, check=True, timeout=20)
    assert (folder / "agent.ini").read_text() == config
    assert (folder / "secret.bak").read_text() == old != (folder / "secret").read_text()
    start_agent(group, folder, "again").wait_line('msg="session opened"')


def test_json_has_the_uri(operator):
    done = operator.ctl("device", "add", "alice", "--qr", "--json")
    answer = json.loads(done.stdout)
    assert answer["uri"].endswith("&tls=no") and answer["secret"] in answer["uri"]


def test_a_uri_needs_a_relay(operator):
    until("the relay is announced", lambda: "r1" in operator.ctl("relay", "ls").stdout)
    operator.relay.process.stop()
    until("no relay is there", lambda: len(operator.ctl("relay", "ls").stdout.splitlines()) == 1)
    done = operator.ctl("device", "add", "alice", "--qr")
    assert done.returncode == UNAVAILABLE and "--relay" in done.stderr
    # nothing was made whose secret nobody has seen
    assert "alice" not in operator.ctl("device", "ls").stdout
    for words in (["device", "rotate", "alice", "--qr"], ["device", "ls", "--qr"]):
        done = operator.ctl(*words)
        assert done.returncode == USAGE and "qr belongs to" in done.stderr


def test_what_is_there_is_not_replaced(tmp_path):
    assert set_up(tmp_path, URI).returncode == 0
    before = {path: path.read_text() for path in tmp_path.iterdir()}
    assert len(before) == 2
    done = set_up(tmp_path, URI)
    assert done.returncode == CANTCREAT
    assert f"{tmp_path}/agent.ini is there already" in done.stderr and "--force" in done.stderr
    assert {path: path.read_text() for path in tmp_path.iterdir()} == before
    # as another device it is: the old files are kept
    done = set_up(tmp_path, URI.replace("alice", "bob"), "--force")
    assert done.returncode == 0
    assert (tmp_path / "agent.ini.bak").read_text() == before[tmp_path / "agent.ini"]
    assert (tmp_path / "secret.bak").read_text() == before[tmp_path / "secret"]
    assert "name = bob" in (tmp_path / "agent.ini").read_text()


OTHERS = URI.replace("alice", "bob").replace(SECRET, SECRET[::-1])


@pytest.mark.parametrize("is_there", [False, True])
def test_a_rename_that_fails_leaves_what_was_there(tmp_path, is_there):
    folder = tmp_path / "etc"
    folder.mkdir()
    if is_there:
        assert set_up(folder, URI).returncode == 0
    before = files(folder)
    for number in itertools.count(1):
        done = set_up_with("error=EBUSY", number, folder, OTHERS, "--force")
        if done is None:
            break
        assert done.returncode == CANTCREAT and "Device or resource busy" in done.stderr
        assert done.stdout == "" and files(folder) == before
    assert number == (7 if is_there else 5)
    assert "name = bob" in (folder / "agent.ini").read_text()


@pytest.mark.skipif(os.getuid() != 0, reason="needs root for a mount")
def test_a_configuration_that_is_mounted_keeps_its_secret(tmp_path):
    """As into a container: it can be written, and has no other name."""
    assert set_up(tmp_path, URI).returncode == 0
    before = files(tmp_path)
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", 'mount --bind "$0/agent.ini" "$0/agent.ini" && '
         'exec "$@" setup --force --directory "$0"', str(tmp_path), binary("taupe-agent")],
        input=OTHERS + "\n", capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == CANTCREAT and f"{tmp_path}/agent.ini: " in done.stderr
    assert done.stdout == "" and files(tmp_path) == before


@pytest.mark.parametrize("is_there", [False, True])
def test_who_is_interrupted_has_written_all(tmp_path, is_there):
    for number in itertools.count(1):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        if is_there:
            assert set_up(folder, URI).returncode == 0
        before = files(folder)
        done = set_up_with("signal=SIGINT", number, folder, OTHERS, "--force")
        if done is None:
            break
        assert done.returncode in (-signal.SIGINT, 130), done.stderr
        after = files(folder)
        assert "name = bob" in after["agent.ini"] and after["secret"] == SECRET[::-1] + "\n"
        assert {after[f"{name}.bak"] for name in before} == set(before.values())
        assert len(after) == 2 + len(before) and "This device is bob" in done.stdout
    assert number == (7 if is_there else 5)


def test_the_configuration_is_right(tmp_path):
    (tmp_path / "ca.pem").write_text("")
    done = set_up(tmp_path, URI, "--service", "web:http:127.0.0.1:80", "--service",
                  "ssh:tcp:127.0.0.1:22", "--ca-file", f"{tmp_path}/ca.pem")
    assert done.returncode == 0
    text = (tmp_path / "agent.ini").read_text()
    for line in ("relay = wss://relay.example.test", "name = alice", f"ca_file = {tmp_path}/ca.pem",
                 "service = web:http:127.0.0.1:80", "service = ssh:tcp:127.0.0.1:22"):
        assert line in text.splitlines()
    checked = subprocess.run([binary("taupe-agent"), "--config", f"{tmp_path}/agent.ini",
                              "--check-config"], capture_output=True, text=True, timeout=20,
                             check=False)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("uri, said", [
    ("", "does not begin with"), ("https://relay.example.test/", "does not begin with"),
    ("taupe://relay.example.test", "no name and no secret"),
    ("taupe://relay.example.test/path?name=a", "no name and no secret"),
    (URI.replace("relay.example.test", "-"), "relay's name"),
    (URI.replace("relay.example.test", "a" * 400), "relay's name"),
    (URI.replace("relay.example.test", "user@host"), "relay's name"),
    (URI.replace("alice", ""), "device's name"), (URI.replace("alice", "a%20b"), "device's name"),
    (URI.replace("alice", "%zz"), "malformed"), (URI.replace(SECRET, ""), "secret is missing"),
    (URI.replace(SECRET, "caf%C3%A9"), "malformed"), (URI + "&name=b", "twice"),
    (URI + "&tls=yes", "tls may be no"), ("x" * 3000, "too much")])
def test_a_bad_uri_is_refused(tmp_path, uri, said):
    done = set_up(tmp_path, uri)
    assert done.returncode in (DATAERR, NOINPUT)
    assert said in done.stderr
    assert SECRET not in done.stderr
    assert not list(tmp_path.iterdir())


def test_bad_use_is_refused(tmp_path):
    command = [binary("taupe-agent"), "setup", "--directory", str(tmp_path)]
    for words, code, said in (
            ([URI], USAGE, "everybody on this machine can read a command line"),
            (["--service", "web"], USAGE, "NAME:http|tls|tcp:HOST:PORT"),
            (["--ca-file", "/nonexistent"], NOINPUT, "no such file"),
            ([], NOINPUT, "nothing to read")):
        done = subprocess.run([*command, *words], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=20, check=False)
        assert done.returncode == code and said in done.stderr
        assert SECRET not in done.stderr
    done = set_up(tmp_path / "missing", URI)
    assert done.returncode == CANTCREAT and "missing" in done.stderr
    assert not list(tmp_path.iterdir())


def test_on_a_terminal_the_uri_is_not_shown(tmp_path):
    controller, terminal = pty.openpty()
    child = subprocess.Popen([str(BUILD / "taupe-agent"), "setup", "--directory", str(tmp_path)],
                             stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    shown = b""
    while b"not shown" not in shown:
        shown += os.read(controller, 4096)
    os.write(controller, URI.encode() + b"\n")
    while True:
        try:
            shown += os.read(controller, 4096)
        except OSError:  # its end
            break
    os.close(controller)
    assert child.wait(timeout=10) == 0
    assert SECRET.encode() not in shown and b"This device is alice" in shown


def test_who_is_interrupted_leaves_a_terminal_that_shows_what_is_typed(tmp_path):
    controller, terminal = pty.openpty()
    child = subprocess.Popen([str(BUILD / "taupe-agent"), "setup", "--directory", str(tmp_path)],
                             stdin=terminal, stdout=terminal, stderr=terminal)

    def shows():
        return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)

    shown = b""
    while b"not shown" not in shown:
        shown += os.read(controller, 4096)
    assert not shows()
    os.write(controller, URI.encode())
    child.send_signal(signal.SIGINT)

    def ended():
        """What it prints has to be read, or it waits for that."""
        if select.select([controller], [], [], 0)[0]:
            os.read(controller, 4096)
        return child.poll() is not None

    until("it has ended", ended)
    assert child.returncode == -signal.SIGINT
    assert shows() and not list(tmp_path.iterdir())
    os.close(terminal)
    os.close(controller)
