# SPDX-License-Identifier: MIT
"""The agent as OpenWrt runs it: the package's init script and UCI configuration in a chroot with
BusyBox, against a relay. What is OpenWrt's there, and not BusyBox's, are stand-ins (openwrt/).
TAUPE_DEVICE_AGENT names another agent than the build's: scripts/cross has it."""
import os
import pathlib
import shlex

import pytest

from harness.busybox_root import BusyboxRoot, need_busybox_root
from harness.process import ROOT
from harness.programs import SampleServices
from harness.scenes import Standalone
from harness.wait import until

HERE = pathlib.Path(__file__).parent / "openwrt"
PACKAGE = ROOT / "packaging/openwrt"
SCRIPT = "/etc/init.d/taupe-agent"
PATIENCE = 30  # a sanitizer's or an emulator's start, and procd's pause


class OpenWrt:
    def __init__(self, group):
        self.services = SampleServices(group, "web", "other")
        self.relay = Standalone(group)
        self.device = self.relay.device("alice", label="alice")
        self.root = BusyboxRoot(group, files={
            SCRIPT: PACKAGE / "files/taupe.init", "/etc/rc.common": HERE / "rc.common",
            "/lib/functions.sh": HERE / "functions.sh",
            "/lib/functions/procd.sh": HERE / "procd.sh",
            "/lib/functions/procd-keep": HERE / "procd-keep",
            "/etc/taupe/secret": self.device.secret + "\n",
        }, agent=shlex.split(os.environ.get("TAUPE_DEVICE_AGENT", "")))
        self.root.at("/etc/taupe/secret").chmod(0o600)
        os.chown(self.root.at("/etc/taupe/secret"), 431, 431)
        self.configure()
        self.root.start()

    def configure(self, *lines, service="web", **options):
        """/etc/config/taupe; an option that is None is left out."""
        options = {"name": "alice", "secret_file": "/etc/taupe/secret", "user": "taupe",
                   "reconnect_min": "50ms", "reconnect_max": "500ms", **options}
        self.root.write({"/etc/config/taupe": "\n".join([
            "config agent 'agent'", f"\tlist relay '{self.relay.relay.url}'",
            *(f"\toption {key} '{value}'" for key, value in options.items() if value is not None),
            "config service 'web'", "\toption kind 'http'",
            f"\toption port '{self.services.ports[service, 'http']}'",
            "config service 'off'", "\toption enabled '0'", "\toption kind 'nonsense'",
            *lines]) + "\n"})

    def __call__(self, action, check=True):
        return self.root.run("sh", "/etc/rc.common", SCRIPT, action, check=check)

    def agent(self):
        """The number of the agent that runs; there is one."""
        agents = self.root.agents()
        return agents[0] if len(agents) == 1 else None

    def serves(self, text="web"):
        def look():
            answer = self.relay.get("alice.example.test")
            assert answer.status == 200 and answer.text == text, answer
            return True
        until(f"a visitor gets {text}", look, PATIENCE)

    def sessions(self):
        return self.relay.relay.metrics()["taupe_relay_agents"]

    def params(self):
        return self.root.at("/tmp/procd/taupe-agent/params").read_text()

    def ini(self):
        return self.root.at("/var/etc/taupe-agent.ini").read_text()


@pytest.fixture
def device(group):
    need_busybox_root()
    yield OpenWrt(group)


def test_start_visit_crash_reload_and_stop(device):
    device("start")
    device.serves()
    first = device.agent()
    assert first
    for line in ("respawn 3600 5 0", "term_timeout 15", "trigger config.change taupe"):
        assert line in device.params()
    device("start")  # again: it runs already
    assert device.agent() == first

    device.root.run("kill", "-9", str(first))
    device.serves()  # once procd's pause is over
    second = until("it was started again", device.agent)
    assert second != first

    # a change of the configuration, as procd tells the script of it
    device.configure(service="other", max_transfers=10)
    device("reload")
    device.serves("other")
    assert device.agent() == second
    assert "max_transfers = 10\n" in device.ini()

    closed = device.relay.relay.process.lines("session closed")
    device("stop")
    until("the relay was told", lambda: device.sessions() == 0)
    ended = device.relay.relay.process.lines("session closed")[len(closed):]
    assert ended and "without a close frame" not in ended[-1], ended
    assert device.root.at("/tmp/procd/taupe-agent/status").read_text() == "0\n"
    assert device.root.agents() == []


def test_agent_becomes_its_user_and_keeps_its_state_in_flash(device):
    device("start")
    device.serves()
    status = device.root.run("cat", f"/proc/{device.agent()}/status").stdout
    assert "Uid:\t431\t431\t431" in status
    state = device.root.at("/etc/taupe/agent.state")
    until("the lease is kept", state.exists)
    assert state.stat().st_uid == 431
    assert device.root.at("/var/etc/taupe-agent.ini").stat().st_mode & 0o777 == 0o600
    device("stop")


@pytest.mark.parametrize("options,lines,complaint", [
    ({"max_transfers": "many"}, (), "max_transfers = many: "),
    ({"relayy": "ws://127.0.0.1:1"}, (), "relayy: no such key; the closest one is relay"),
    ({"dns": "resolver.example"}, (), "dns = resolver.example: allowed: up to 4 numeric"),
    ({"log_level": "info\nuser = root"}, (), "log_level: more than one line"),
    ({"proxy": "http://proxy.example ;x"}, (), "proxy: a blank before a ';', where a comment"),
    ({"proxy": "http://proxy.example\t;x"}, (), "proxy: a blank before a ';', where a comment"),
    ({"proxy": ";http://proxy.example"}, (), "proxy: a ';' at the beginning, where a comment"),
    ({"ca_file": " /etc/ca.pem"}, (), "ca_file: a blank at an end"),
    ({"ca_file": "/etc/ca.pem "}, (), "ca_file: a blank at an end"),
    ({"ca_file": "\t/etc/ca.pem"}, (), "ca_file: a blank at an end"),
    ({"ca_file": "/etc/ca.pem\t"}, (), "ca_file: a blank at an end"),
    ({"ca_file": " "}, (), "ca_file: a blank at an end"),
    ({"ca_file": "/etc/ca.pem\r"}, (), "ca_file: a carriage return"),
    ({"ca_file": "/etc/ca\r.pem"}, (), "ca_file: a carriage return"),
    ({"user": "nobody-here"}, (), "user: there is no nobody-here"),
    ({"user": "-R"}, (), "user: there is no -R"),
    ({"name": None}, (), "name is not set: which device is this?"),
    ({}, ("config service 'web2'", "\toption name 'web'", "\toption kind 'tcp'",
          "\toption port '22'"), "service: two of one name"),
    ({}, ("config agent 'other'", "\toption name 'bob'"), "config agent 'other': the section is"),
    ({}, ("config agent",), "config agent 'cfg"),
    ({}, ("config service 'ssh'", "\toption kind 'tcp'"), "service ssh: option port is missing"),
    ({}, ("config service 'ssh'", "\toption port '22'"), "service ssh: option kind is missing"),
    ({}, ("config service 'ssh'", "\toption kind 'udp'", "\toption port '22'"),
     "service = ssh:udp:127.0.0.1:22: allowed: NAME:http|tls|tcp:HOST:PORT"),
    ({}, ("config service 'ssh'", "\toption kind 'tcp'", "\toption port '70000'"),
     "service = ssh:tcp:127.0.0.1:70000: allowed:"),
], ids=["number", "key", "dns", "newline", "comment", "tab", "semicolon",
     "blank_first", "blank_last", "tab_first", "tab_last", "only_a_blank", "return_last",
     "return_inside", "user", "user_is_an_option",
     "no_name", "same_name", "other_agent", "anonymous_agent", "no_port", "no_kind", "kind", "port"])
def test_wrong_value_is_named_and_not_used(device, options, lines, complaint):
    device.configure(*lines, **options)
    done = device("start", check=False)
    assert done.returncode != 0
    assert complaint in done.stderr
    assert device.root.agents() == []
    # and it does not take a running one down
    device.configure()
    device("start")
    device.serves()
    agent = device.agent()
    device.configure(*lines, **options)
    done = device("reload", check=False)
    assert done.returncode != 0
    assert complaint in done.stderr
    assert device.agent() == agent
    device.serves()
    device("stop")


def test_what_only_a_restart_can_change_restarts_it(device):
    device("start")
    device.serves()
    first = device.agent()
    device.configure(state_file="/etc/taupe/other.state")
    device("reload")
    device.serves()
    assert device.agent() not in (None, first)
    until("the new state file is there", device.root.at("/etc/taupe/other.state").exists)
    device("stop")


def test_one_connection_is_a_matter_of_a_restart_too(device):
    device("start")
    first = device.agent()
    device.configure(one_connection="yes")
    device("reload")
    device.serves()
    assert device.agent() not in (None, first)
    device("stop")


def test_folder_of_somebody_else_stays_somebody_elses(device):
    device.root.write({"/etc/elsewhere/keep": ""})
    before = device.root.at("/etc/elsewhere").stat()
    device.configure(state_file="/etc/elsewhere/agent.state")
    device("start")
    until("the agent runs", device.agent, PATIENCE)
    after = device.root.at("/etc/elsewhere").stat()
    assert (after.st_uid, after.st_mode) == (before.st_uid, before.st_mode)
    device("stop")


def test_switched_off_is_not_started_and_is_stopped_by_reload(device):
    device.configure(enabled="0")
    device("start")
    assert device.root.agents() == []
    device.configure(enabled="1")
    device("reload")
    device.serves()
    device.configure(enabled="0")
    device("reload")
    assert device.root.agents() == []
    until("the relay was told", lambda: device.sessions() == 0)


def test_services_have_names_and_addresses_of_any_kind(device):
    device.configure("config service 'the_camera'", "\toption name 'cam-1'", "\toption kind 'http'",
                     "\toption host 'fd00::5'", "\toption port '80'",
                     "config service", "\toption name 'ssh'", "\toption kind 'tcp'",
                     "\toption host 'nas.lan'", "\toption port '22'")
    device("start")
    device.serves()
    assert "service = cam-1:http:[fd00::5]:80\n" in device.ini()
    assert "service = ssh:tcp:nas.lan:22\n" in device.ini()
    device("stop")


def test_values_reach_the_agent_as_they_are(device):
    """Blanks, what a shell or printf would take for its own, semicolons that begin no comment."""
    values = {"ca_file": "/etc/ssl/my certs/$(reboot) `id`;x.pem", "tls_certificate": r"C:\tables\%s\c",
              "proxy_password_file": "-n *", "core_dumps": "0", "mux": "off"}
    device.configure(**values)
    device("start")  # the files are not there, which an agent finds when it runs
    for key, value in values.items():
        assert f"\n{key} = {value}\n" in device.ini()
    device("stop")


def test_shipped_configuration_is_off_and_right_once_it_is_on(device):
    text = (PACKAGE / "files/taupe.config").read_text()
    device.root.write({"/etc/config/taupe": text})
    device("start")
    assert device.root.agents() == []
    device.root.write({"/etc/config/taupe": text.replace("enabled '0'", "enabled '1'", 1)})
    device("start")
    until("the agent runs", device.agent, PATIENCE)
    assert "relay = wss://relay.example.com\n" in device.ini()
    assert "service = web:http:127.0.0.1:80\n" in device.ini()
    assert "ssh" not in device.ini()
    device("stop")


def test_recipe_names_what_is_there():
    recipe = (PACKAGE / "Makefile").read_text()
    version = (ROOT / "configure.ac").read_text().split("AC_INIT([taupe], [")[1].split("]")[0]
    assert f"PKG_VERSION:={version}\n" in recipe
    for name in ("files/taupe.init", "files/taupe.config"):
        assert f"./{name} $(1)" in recipe and (PACKAGE / name).exists()
    options = (ROOT / "configure.ac").read_text()
    for word in ("daemons", "werror"):
        assert f"AC_ARG_ENABLE([{word}]" in options
    assert "--disable-daemons" in recipe
