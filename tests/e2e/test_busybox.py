# SPDX-License-Identifier: MIT
"""The agent on a device whose init is BusyBox, in a chroot: by a script of rcS, and by inittab."""
import os
import shlex

from harness.busybox_root import BusyboxRoot, need_busybox_root
from harness.process import ROOT
from harness.programs import SampleServices
from harness.scenes import Standalone
from harness.wait import until

CONFIG = "/etc/taupe/agent.ini"
SCRIPT = "/etc/init.d/S90taupe-agent"
RC = "#!/bin/sh\nfor script in /etc/init.d/S??*; do $script start; done > /tmp/rcS.log 2>&1\n"
FOLDERS = {"@sbindir@": "/usr/sbin", "@sysconfdir@": "/etc", "@runstatedir@": "/var/run"}
PATIENCE = 30


class Device:
    def __init__(self, group, inittab):
        need_busybox_root()
        self.services = SampleServices(group, "web", "other")
        self.relay = Standalone(group)
        self.secret = self.relay.device("alice", label="alice").secret
        script = (ROOT / "packaging/sysv/taupe-agent.in").read_text()
        for name, folder in FOLDERS.items():
            script = script.replace(name, folder)
        self.root = BusyboxRoot(group, inittab, {SCRIPT: script, "/etc/init.d/rcS": RC,
                                                 "/etc/taupe/secret": self.secret + "\n"},
                                agent=shlex.split(os.environ.get("TAUPE_DEVICE_AGENT", "")))
        self.root.at("/etc/taupe/secret").chmod(0o600)
        self.configure()
        self.root.start()

    def configure(self, *lines, service="web"):
        self.root.write({CONFIG: "\n".join([
            "[agent]", f"relay = {self.relay.relay.url}", "name = alice",
            "secret_file = /etc/taupe/secret", "state_file = /tmp/agent.state",
            "reconnect_min = 50ms", "reconnect_max = 500ms",
            f"service = web:http:127.0.0.1:{self.services.ports[service, 'http']}", *lines]) + "\n"})

    def serves(self, text="web"):
        def look():
            answer = self.relay.get("alice.example.test")
            assert answer.status == 200 and answer.text == text, answer
            return True
        until(f"a visitor gets {text}", look, PATIENCE)

    def agent(self):
        agents = self.root.agents()
        return agents[0] if len(agents) == 1 else None

    def said_goodbye(self):
        """The last session that has ended did so in order."""
        def look():
            ended = self.relay.relay.process.lines("session closed")
            return ended and "without a close frame" not in ended[-1]
        return until("the relay was told", look)


def test_script_of_rc(group):
    device = Device(group, "::sysinit:/etc/init.d/rcS\n")
    device.serves()
    first = until("the agent runs", device.agent)
    log = device.root.at("/tmp/rcS.log")
    until("the script has said so", lambda: "started" in log.read_text())

    device.configure(service="other")
    device.root.run(SCRIPT, "reload")
    device.serves("other")
    assert device.agent() == first
    device.configure("log_level = loud")
    done = device.root.run(SCRIPT, "reload", check=False)
    assert done.returncode == 6 and "log_level = loud: allowed:" in done.stderr
    device.configure()

    device.root.run("kill", "-9", str(first))
    until("it has ended", lambda: device.root.agents() == [])
    assert device.root.run(SCRIPT, "status", check=False).returncode == 1
    device.root.run(SCRIPT, "start")
    device.serves()
    device.root.run(SCRIPT, "restart")
    device.serves()
    device.root.run(SCRIPT, "stop")
    until("init has waited for it", lambda: device.root.agents() == [])
    device.said_goodbye()


def test_line_of_inittab(group):
    device = Device(group, f"::respawn:/usr/sbin/taupe-agent --config {CONFIG}\n")
    device.serves()
    first = until("the agent runs", device.agent)
    device.configure(service="other")
    device.root.run("killall", "-HUP", device.root.name_of_agent)
    device.serves("other")
    assert device.agent() == first
    device.root.run("kill", "-9", str(first))
    until("init has started it again", lambda: device.agent() not in (None, first), PATIENCE)
    device.serves("other")
    second = until("the agent runs", device.agent)
    device.root.run("killall", device.root.name_of_agent)
    device.said_goodbye()
    until("init has started it again", lambda: device.agent() not in (None, second), PATIENCE)
    device.serves("other")
