# SPDX-License-Identifier: MIT
"""What the agent does on Windows in Windows' way: its folder, its service, the system's store of
certificates, and errors that say what there is not."""
import contextlib
import json
import os
import re
import signal
import socket
import stat
import time

import pytest

from harness import ports
from harness.programs import Agent, Certificate, SampleServices
from harness.scenes import Standalone
from harness.visitors import pattern_sha256
from harness.wait import until
from link import Link
from windows import PATIENCE, Windows, stays_on

if os.environ.get("TAUPE_AGENT", "").split(" ")[0].rpartition("/")[2] != "wine":
    pytest.skip("TAUPE_AGENT is no program for Windows", allow_module_level=True)

BIG = 10_000_000
USAGE, UNAVAILABLE, FAILED, CONFIG, STOPPED = 64, 69, 70, 78, 3  # exit codes
NO_PERMISSION, CANNOT_MAKE = 77, 73


@pytest.fixture(scope="module", autouse=True)
def _machine_is_on():
    with stays_on():
        yield


@pytest.fixture
def windows(group):
    return Windows(group)


class Scene:
    """A relay with TLS whose certificate's authority nobody knows yet, a link to it, a device that
    is registered and a service of its."""

    def __init__(self, windows):
        self.windows, self.group = windows, windows.group
        self.services = SampleServices(self.group, "web")
        self.certificate = Certificate(self.group.folder / "certificate", "localhost")
        port = ports.take()
        self.link = Link(self.group, port)
        self.url = f"wss://localhost:{self.link.port}"
        self.relay = Standalone(self.group, agent_listen="", agent_url=self.url,
                                agent_tls_listen=f"127.0.0.1:{port}", heartbeat="1s",
                                tls_certificate=self.certificate.bundle)
        self.device = self.relay.device("till", label="till")
        self.host = "till.example.test"
        self.target = self.services.target("web", "http")

    def config(self, **more):
        """With a secret at a path with a drive, and the folder that Windows keeps for programs."""
        self.windows.folder.mkdir(parents=True, exist_ok=True)
        secret = self.windows.folder / "clé.txt"
        secret.write_text(self.device.secret + "\r\n")
        secret.chmod(0o600)
        keys = {"relay": self.url, "name": "till", "log_level": "debug",
                "secret_file": r"%ProgramData%\taupe\clé.txt",
                "service": f"web:http:{self.target}", "drain_timeout": "100ms",
                "reconnect_min": "50ms", "reconnect_max": "500ms", **more}
        return self.windows.write_config(
            "[agent]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items()))

    def serves(self):
        answer = self.relay.get(self.host, f"/bytes/{BIG}", timeout=PATIENCE)
        assert (answer.status, answer.length) == (200, BIG)
        assert answer.sha256 == pattern_sha256(BIG)

    def console(self, **config):
        return Agent(self.group, self.device, [self.url], [f"web:http:{self.target}"],
                     wrapper=self.windows.wrapper, program=self.windows.program, start=False,
                     **config)

    def sessions(self):
        return len(self.relay.relay.process.lines('msg="session opened"'))

    def goodbyes(self):
        """An end without one has a detail that says so."""
        return len([line for line in self.relay.relay.process.lines('msg="session closed"')
                    if line.endswith(" reason=peer")])


@pytest.fixture
def scene(windows):
    return Scene(windows)


@pytest.fixture
def installed(windows):
    """The service, which the test may remove itself."""
    windows.service("install")
    yield windows
    windows.run("--service", "remove")


def opened(scene, count):
    until(f"{count} sessions", lambda: scene.windows.log_text().count("session opened") >= count,
          PATIENCE)


# ---- at a console ----

@pytest.mark.parametrize("text, what", [
    ("[agent]\nname = till\nrelai = wss://x\n", r"agent\.ini:3: relai: no such key; the closest"),
    ("[agent]\nconnect_timeout = soon\n", r"agent\.ini:2: connect_timeout = soon: allowed: a dur"),
    ("[agent]\nnonsense\n", r"agent\.ini:2: neither a \[section\] nor key = value"),
    ("[agent]\nname = " + "x" * 5000 + "\n", r"agent\.ini:2: the line is too long"),
])
def test_bad_configuration_is_told_with_file_and_line(windows, text, what):
    windows.write_config(text)
    said = windows.run("--check-config", check=CONFIG).stderr
    assert re.search(r"C:\\ProgramData\\taupe\\" + what, said), said


@pytest.mark.parametrize("line, what", [
    ("user = nobody", "choose the account where the service is installed"),
    ("log_syslog = yes", "there is no syslog on Windows: leave it out"),
])
def test_what_windows_has_not_says_what_to_do(windows, line, what):
    path = windows.write_config(
        "[agent]\nname = a\nrelay = ws://127.0.0.1:9\nservice = web:http:127.0.0.1:1\n"
        "secret_file = C:\\nowhere\n" + line + "\n")
    said = windows.run("--config", path, check=CONFIG).stderr
    assert what in said, said


def test_a_file_that_is_not_there_is_told_in_words(windows):
    said = windows.run("--config", r"C:\no\such.ini", check=CONFIG).stderr
    assert r"C:\no\such.ini: cannot be opened: No such file or directory" in said
    windows.write_config("[agent]\nname = a\nrelay = ws://127.0.0.1:9\n"
                         "service = web:http:127.0.0.1:1\nsecret_file = C:\\nö\\such.txt\n")
    said = windows.run(check=66).stderr
    assert r'key=secret_file file="C:\\n\xc3\xb6\\such.txt" error="No such file or dir' in said


def test_the_name_comes_from_the_machine(windows):
    windows.write_config("[agent]\nrelay = ws://127.0.0.1:9\nservice = web:http:127.0.0.1:1\n"
                         "enrolment_key_file = C:\\none\n")
    names = {re.search(r"derived from this machine\" device=(d-[0-9a-f]{12})\b",
                       windows.run(check=66).stderr)[1] for _ in range(2)}
    assert len(names) == 1


def test_setup_writes_both_files_or_none(windows):
    windows.folder.mkdir(parents=True)

    def set_up(name, code):
        typed = f"taupe://relay.example.test/?name={name}&secret={name[0] * 43}\n"
        return windows.run("setup", "--force", check=code, typed=typed)

    def there():
        return {path.name: path.read_text() for path in windows.folder.iterdir()}

    set_up("till", 0)
    assert there()["secret"] == "t" * 43 + "\n" and "name = till" in there()["agent.ini"]
    for name in ["bak"] + [f"bak{i}" for i in range(1, 100)]:
        (windows.folder / f"agent.ini.{name}").touch()
    before = there()
    said = set_up("shop", CANNOT_MAKE).stderr
    assert re.search(r"agent\.ini: there are too many", said), said
    assert there() == before
    (windows.folder / "agent.ini.bak7").unlink()
    set_up("shop", 0)
    assert there()["agent.ini.bak7"] == before["agent.ini"] and there()["secret.bak"] == before["secret"]
    assert there()["secret"] == "s" * 43 + "\n" and "name = shop" in there()["agent.ini"]


def test_an_error_of_a_socket_is_told_in_words(scene):
    agent = scene.console(relay=f"ws://127.0.0.1:{ports.take()}")
    agent.start(wait=False)
    line = agent.process.wait_line('msg="session failed"', timeout=PATIENCE)
    assert re.search(r'reason="[^"]*(refused)', line), line
    agent.stop()


def test_ctrl_c_is_a_clean_goodbye(scene):
    agent = scene.console(ca_file=scene.certificate.ca)
    agent.start(wait=False)
    agent.wait_connected(timeout=PATIENCE)
    agent.process.stop(signal.SIGTERM)  # cross/wine presses Ctrl-C for it
    assert agent.process.lines("msg=stopping") and agent.process.lines("msg=stopped")
    until("the relay has heard it", lambda: scene.goodbyes() == 1)


def test_a_running_agent_is_talked_to_by_who_may_read_its_file(scene):
    agent = scene.console(ca_file=scene.certificate.ca, access=["web:on-request"])
    sock = agent.state_file.with_suffix(".state.sock")

    def ask(*words, code=0):
        return scene.windows.run("--config", agent.write_config(), *words, check=code)

    assert "is it running" in ask("status", code=UNAVAILABLE).stderr
    agent.start(wait=False)
    agent.wait_connected(timeout=PATIENCE)
    told = json.loads(ask("status", "--json").stdout)
    assert (told["device"], told["state"]) == ("till", "connected"), told
    assert told["services"][0]["access"] == "on-request"
    assert re.fullmatch(r"\d+ [0-9a-f]{32}\n", sock.read_text())
    assert not stat.S_IMODE(sock.stat().st_mode) & stat.S_IRWXO
    for words, status in ((("allow", "1h"), 200), (("deny",), 403)):
        ask(*words)
        assert scene.relay.get(scene.host, timeout=PATIENCE).status == status
    # who does not know the key has said nothing
    port = int(sock.read_text().split()[0])
    for line in (b"0" * 32 + b"\nop=allow&ms=5000\n", b"op=allow&ms=5000\n" * 3):
        with socket.create_connection(("127.0.0.1", port), 20) as stranger:
            stranger.sendall(line)
            with contextlib.suppress(ConnectionResetError):
                assert stranger.recv(100) == b""
    assert scene.relay.get(scene.host, timeout=PATIENCE).status == 403
    # nor does he keep out who does
    with contextlib.ExitStack() as strangers:
        for _ in range(8):
            strangers.enter_context(socket.create_connection(("127.0.0.1", port), 20))
        ask("status")
    # another agent leaves it alone
    rival = Agent(scene.group, scene.device, [scene.url], [f"web:http:{scene.target}"], name="rival",
                  wrapper=scene.windows.wrapper, program=scene.windows.program, start=False,
                  ca_file=scene.certificate.ca, control_socket=sock)
    rival.start(wait=False)
    rival.process.wait_line("another agent listens there", timeout=PATIENCE)
    rival.stop()
    assert json.loads(ask("status", "--json").stdout)["device"] == "till"
    agent.process.stop(signal.SIGTERM)
    assert not sock.exists()
    # what one leaves that has died
    sock.write_text(f"{port} {'0' * 32}\n")
    assert "is it running" in ask("status", code=UNAVAILABLE).stderr
    agent.start(wait=False)
    agent.process.wait_line('msg="session opened"', timeout=PATIENCE)
    ask("status")
    agent.stop()


def test_what_is_no_door_stays_where_a_door_should_be(scene):
    mine = scene.group.folder / "mine"
    agent = scene.console(ca_file=scene.certificate.ca, control_socket=mine)
    for text in ("[agent]\n", f"1234 {'0' * 32}\nand more\n", "x" * 100):
        mine.write_text(text)
        agent.start(wait=False)
        agent.wait_connected(timeout=PATIENCE)
        assert re.search(r'no control_socket" .*error="File exists"', agent.process.text())
        agent.stop()
        assert mine.read_text() == text
    # what the power has left of one
    mine.write_text("")
    agent.start(wait=False)
    agent.wait_connected(timeout=PATIENCE)
    assert re.fullmatch(r"\d+ [0-9a-f]{32}\n", mine.read_text())
    agent.stop()
    assert not mine.exists()


def test_what_is_kept_is_nobody_elses_to_read(scene):
    agent = scene.console(ca_file=scene.certificate.ca)
    agent.start(wait=False)
    agent.wait_connected(timeout=PATIENCE)
    until("the state is kept", agent.state_file.exists)
    # Wine shows the list as a mode, and administrators as the group
    assert not stat.S_IMODE(agent.state_file.stat().st_mode) & stat.S_IRWXO
    assert not agent.state_file.with_suffix(".state.new").exists()
    # and replaced, at the next session
    kept = agent.state_file.stat().st_ino
    scene.link.lose()
    agent.process.wait_line('msg="session failed"', timeout=PATIENCE)
    scene.link.come_back()
    agent.wait_connected(count=2, timeout=PATIENCE)
    until("it is replaced", lambda: agent.state_file.stat().st_ino != kept)
    agent.stop()


def test_a_secret_that_all_may_read_is_warned_of(windows):
    windows.write_config("[agent]\nname = a\nrelay = ws://127.0.0.1:9\n"
                         "service = web:http:127.0.0.1:1\nsecret = abcdefgh\n").chmod(0o644)
    said = windows.run("--check-config", check=0).stderr
    assert "a file with a secret is open to others: icacls" in said, said
    windows.config.chmod(0o600)
    assert "open to others" not in windows.run("--check-config", check=0).stderr


def test_a_configuration_of_openssl_is_not_read(scene, monkeypatch):
    """Where it would be looked for, everybody may make one. This leaves no algorithm at all."""
    path = scene.group.folder / "openssl.cnf"
    path.write_text("openssl_conf = a\n[a]\nproviders = b\n[b]\nnull = c\n[c]\nactivate = 1\n")
    monkeypatch.setenv("OPENSSL_CONF", "Z:" + str(path).replace("/", "\\"))
    agent = scene.console(ca_file=scene.certificate.ca)
    agent.start(wait=False)
    agent.wait_connected(timeout=PATIENCE)
    agent.stop()


# ---- the system's certificates ----

def test_an_authority_of_the_systems_store_is_enough(scene):
    agent = scene.console()
    agent.start(wait=False)
    agent.process.wait_line("certificate verify failed", "system's store", timeout=PATIENCE)
    assert scene.sessions() == 0
    agent.stop()
    scene.windows.trust(scene.certificate.ca)
    agent.start(wait=False)
    agent.wait_connected(timeout=PATIENCE)
    scene.serves()
    agent.stop()


def test_ca_file_comes_before_the_systems_store(scene):
    scene.windows.trust(scene.certificate.ca)
    other = Certificate(scene.group.folder / "other", "localhost")
    agent = scene.console(ca_file=other.ca)
    agent.start(wait=False)
    agent.process.wait_line("certificate verify failed", timeout=PATIENCE)
    assert scene.sessions() == 0
    agent.stop()


# ---- as a service ----

def test_service_serves_loses_its_link_and_comes_back(scene, installed):
    scene.windows.trust(scene.certificate.ca)
    scene.config()
    installed.service("start")
    assert "running" in installed.service("status").stdout
    opened(scene, 1)
    scene.serves()

    scene.link.lose()
    until("it is noticed", lambda: "session failed" in installed.log_text(), PATIENCE)
    scene.link.come_back()
    opened(scene, 2)
    scene.serves()
    assert installed.state.exists()

    before = time.monotonic()
    installed.service("stop")
    assert time.monotonic() - before < 15
    assert "msg=stopped" in installed.log_text()
    until("the relay has heard it", lambda: scene.goodbyes() == 1)
    assert "stopped" in installed.service("status", check=STOPPED).stdout


def test_service_reads_its_configuration_again(scene, installed):
    scene.windows.trust(scene.certificate.ca)
    scene.config()
    installed.service("start")
    opened(scene, 1)
    scene.config(service=f"shop:http:{scene.target}")
    installed.service("reload")
    until("it is announced", lambda: "service=shop" in installed.log_text(), PATIENCE)
    scene.serves()


def test_service_that_cannot_start_says_so_and_why(scene, installed):
    scene.config(connect_timeout="soon")
    said = installed.service("start", check=FAILED).stderr
    assert "has not started" in said and "agent.log" in said
    assert "stopped" in installed.service("status", check=STOPPED).stdout
    assert r"agent.ini:" in installed.log_text() and "soon: allowed:" in installed.log_text()


def test_service_takes_options_for_its_command_line(scene, windows):
    scene.windows.trust(scene.certificate.ca)
    path = scene.config().rename(windows.group.folder / "my agent.ini")
    windows.service("install", "--config", path, "--name", 'till', "--log-level=warn")
    try:
        windows.service("start")
        until("it serves", lambda: scene.relay.get(scene.host).status == 200, PATIENCE)
        assert "level=info" not in windows.log_text()
    finally:
        windows.service("remove")


def test_service_is_removed_even_while_it_runs(scene, windows):
    scene.windows.trust(scene.certificate.ca)
    scene.config()
    windows.service("install")
    windows.service("start")
    opened(scene, 1)
    windows.service("remove")
    until("the relay has heard it", lambda: scene.goodbyes() == 1)
    assert windows.config.exists() and windows.log.exists()
    assert "not installed" in windows.service("status", check=UNAVAILABLE).stderr


def test_service_commands_in_the_wrong_order_are_told_what_to_do(windows):
    for verb in ("start", "stop", "restart", "reload", "status", "remove"):
        said = windows.service(verb, check=UNAVAILABLE).stderr
        assert "taupe-agent --service install" in said
    said = windows.service("launch", check=USAGE).stderr
    assert "allowed: install" in said
    said = windows.service("run", check=USAGE).stderr
    assert "--service start" in said
    windows.service("install")
    try:
        said = windows.service("install", check=73).stderr
        assert "installed already" in said
        windows.service("stop")  # it is
        said = windows.service("reload", check=FAILED).stderr
        assert "cannot be told" in said
    finally:
        windows.service("remove")


@pytest.mark.skipif(os.geteuid() != 0, reason="nobody but root can give a folder away")
def test_a_folder_of_somebody_else_is_refused(windows):
    windows.folder.mkdir(parents=True)
    os.chown(windows.folder, 12345, 12345)
    said = windows.service("install", check=NO_PERMISSION).stderr
    assert "belongs to somebody who is no administrator" in said
    windows.service("status", check=UNAVAILABLE)
    os.chown(windows.folder, 0, 0)
    windows.service("install")
    windows.service("remove")


def test_a_file_in_the_folders_place_is_refused(windows):
    windows.folder.write_text("")
    try:
        said = windows.service("install", check=NO_PERMISSION).stderr
        assert "is a file" in said
    finally:
        windows.folder.unlink()


def test_help_tells_of_the_service_and_the_folder(windows):
    said = windows.run("--help", check=0).stdout
    assert r"%ProgramData%\taupe\agent.ini" in said
    assert r"%ProgramData%\taupe\agent.state" in said
    assert "--service WHAT" in said and "reload" in said
