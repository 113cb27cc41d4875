# SPDX-License-Identifier: MIT
"""Health of local services: a service that is down is shown as such everywhere, and gets its own page."""
import http.server
import json
import itertools
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness import ports
from harness.fakes import FakeRelay
from harness.process import binary
from harness.programs import Agent
from harness.scenes import Cluster, Standalone
from harness.wait import until
from test_agent_status import ask, status


class Target:
    """A web service whose health is what the test says; it counts who looks."""

    def __init__(self):
        self.port, self.server = ports.take(), None
        self.status, self.looks, self.heads = 200, 0, []

    @property
    def place(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        target = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path == "/healthz":
                    target.looks += 1
                    target.heads.append(dict(self.headers))
                self.send_response(target.status if self.path == "/healthz" else 200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"hi")

            def log_message(self, *_):
                pass

        http.server.ThreadingHTTPServer.allow_reuse_address = True
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Scene:
    def __init__(self, group):
        self.group, self.numbers = group, itertools.count(1)
        self.relay = Standalone(group)

    def agent(self, target, health="web:http:/healthz:1s", relay=None, **config):
        return (relay or self.relay).agent(f"device-{next(self.numbers)}", [
            f"web:http:{target.place}", f"raw:tcp:{target.place}"], health=health, **config)

    def down(self, agent, relay=None):
        relay = relay or self.relay.relay
        device, = [d for d in relay.api("relay/devices")["devices"]
                   if d["name"] == agent.device.name]
        return device.get("down", [])


@pytest.fixture(scope="module")
def scene(module_group):
    yield Scene(module_group)


@pytest.fixture
def target():
    target = Target().start()
    yield target
    if target.server.socket.fileno() >= 0:
        target.stop()


def ctl(scene, *words):
    done = subprocess.run([binary("taupectl"), "--devices-file", str(scene.relay.devices_file),
                           "--admin", f"127.0.0.1:{scene.relay.relay.admin_port}", *words],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def counted(scene, agent):
    """What is down of all devices, and of this one."""
    values = scene.relay.relay.metrics()
    return (values["taupe_relay_services_down"],
            values.get(f'taupe_relay_device_services_down{{device="{agent.device.name}"}}'))


@pytest.mark.parametrize("way", [pytest.param({"mux": False}, marks=pytest.mark.long), {"mux": True},
                                 pytest.param({"one_connection": True}, marks=pytest.mark.long)])
def test_service_that_goes_down_and_comes_back(scene, target, way):
    agent = scene.agent(target, **way)
    name = agent.device.name
    until("it was looked at", lambda: status(agent)["services"][0]["health"] == "up")
    assert status(agent)["services"][1]["health"] == "unchecked"
    assert scene.relay.get(agent.host(), "/").status == 200
    target.status = 503
    line = agent.process.wait_line("service is down", "service=web", timeout=20)
    assert 'reason="answers with 503"' in line
    web, _ = status(agent)["services"]
    assert (web["health"], web["error"]) == ("down", "answers with 503")
    assert "health: down: answers with 503" in ask(agent, "status").stdout
    until("the relay knows", lambda: scene.down(agent) == ["web"])
    assert scene.relay.get(agent.host(), "/").status == 503  # it is among those that were visited
    assert counted(scene, agent) == (1, 1)
    if way == {"mux": True}:
        shown = json.loads(ctl(scene, "device", "show", name, "--json"))
        assert shown["session"]["down"] == ["web"], shown
        assert "down       web\n" in ctl(scene, "device", "show", name)
        row, = [line for line in ctl(scene, "device", "ls").splitlines()
                if line.startswith(name + " ")]
        assert "online, down: web" in row
    answer = scene.relay.get(agent.host(), "/")
    assert answer.status == 503 and "The service behind this device is down" in answer.text
    assert answer.fields["retry-after"] == "30"
    with socket.create_connection(("127.0.0.1", agent.port("raw")), 5) as raw:  # not this one
        raw.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert b"200" in raw.recv(1000)
    target.status = 302
    agent.process.wait_line("service is up again", "service=web", timeout=20)
    until("the relay knows", lambda: scene.down(agent) == [])
    assert counted(scene, agent) == (0, 0)
    assert scene.relay.get(agent.host(), "/").status == 200
    assert target.heads[0]["User-Agent"].endswith("(health)")
    assert target.heads[0]["Host"] == target.place
    agent.stop()


def test_service_of_a_device_that_has_left_is_not_counted(scene, target):
    target.status = 500
    agent = scene.agent(target)
    until("the relay knows", lambda: scene.down(agent) == ["web"])
    assert counted(scene, agent)[0] == 1
    agent.kill()
    until("it is counted no more", lambda: counted(scene, agent)[0] == 0)


@pytest.mark.long
def test_one_that_flaps_stays_down_and_is_told_once(scene, target):
    """No message for each look: links are paid for by the byte. And the target is not hammered."""
    with FakeRelay() as relay:
        agent = Agent(scene.group, scene.relay.device("flaps"), [relay.url],
                      [f"web:http:{target.place}"], health="web:http:/healthz:1s")
        control = relay.control()
        began = time.monotonic()
        target.status = 500
        assert "answers with 500" in control.expect("health", service="web")["error"]
        seen = target.looks
        for code in (200, 500, 200, 200, 500):
            target.status = code
            until("one look more", lambda before=target.looks: target.looks > before, 5)
        assert status(agent)["services"][0]["health"] == "down"
        target.status = 200
        pairs = control.expect("health", service="web")
        assert "error" not in pairs
        spent = time.monotonic() - began
        assert target.looks <= spent + 2, (target.looks, spent)
        assert target.looks >= seen + 5
        agent.stop()


def test_tcp_and_a_welcome_that_knows_nothing(scene, target):
    """A relay is told again what it has not heard."""
    target.stop()
    with FakeRelay() as relay:
        agent = Agent(scene.group, scene.relay.device("tcp"), [relay.url],
                      [f"web:http:{target.place}"], health="web:tcp:1s")
        control = relay.control()
        assert "refused" in control.expect("health", service="web")["error"]
        control.close()
        assert "refused" in relay.control().expect("health", service="web")["error"]
        agent.stop()


@pytest.mark.long
def test_reload(scene, target):
    target.status = 404
    agent = scene.agent(target)
    until("the relay knows", lambda: scene.down(agent) == ["web"], 20)
    agent.config["health"] = ["web:http:/healthz:1s", "raw:tcp:1h"]
    agent.write_config()
    agent.process.send_signal(signal.SIGHUP)
    agent.process.wait_line("configuration read again")
    until("the other was looked at", lambda: [s["health"] for s in status(agent)["services"]]
          == ["down", "up"])
    assert scene.down(agent) == ["web"]
    healthy = Target().start()  # and what was found elsewhere says nothing of it
    agent.config["service"] = [service.replace(target.place, healthy.place)
                               for service in agent.config["service"]]
    agent.config["health"] = ["web:http:/healthz:1h", "raw:tcp:1h"]
    agent.write_config()
    agent.process.send_signal(signal.SIGHUP)
    until("the new one was looked at once", lambda: [
        s["health"] for s in status(agent)["services"]] == ["up", "up"])
    until("the relay knows", lambda: scene.down(agent) == [])
    healthy.stop()
    agent.config["service"] = [service.replace(healthy.place, target.place)
                               for service in agent.config["service"]]
    agent.config["health"] = ["raw:tcp:1h"]
    agent.write_config()
    agent.process.send_signal(signal.SIGHUP)
    until("nobody looks any more", lambda: scene.down(agent) == [])
    assert scene.relay.get(agent.host(), "/").status == 200
    agent.stop()


@pytest.mark.long
def test_cluster_knows(group, target):
    """In the registry, for everybody."""
    cluster = Cluster(group)
    target.status = 500
    agent = cluster.agent("alice", [f"web:http:{target.place}"], health="web:http:/healthz:1s")
    def form():
        return cluster.redis.client.get("taupe:session:alice") or ""
    until("it is in the registry", lambda: "down=web" in form(), 30)
    target.status = 200
    agent.process.wait_line("service is up again", timeout=20)
    agent.stop()


@pytest.mark.parametrize("health, needle", [
    ("web", "SERVICE:tcp:TIME"), ("web:tcp", "SERVICE:tcp:TIME"), ("web:tcp:0s", "1s to 1h"),
    ("web:http:30s", "SERVICE:tcp:TIME"), ("web:http:healthz:30s", "SERVICE:tcp:TIME"),
    ("web:http:/a b:30s", "SERVICE:tcp:TIME"), ("web:udp:30s", "SERVICE:tcp:TIME"),
    ("ftp:tcp:30s", "a service that there is not")])
def test_health_that_is_wrong(health, needle):
    done = subprocess.run([binary("taupe-agent"), "--check-config", "--name", "a", "--relay",
                           "ws://x", "--service", "web:http:x:1", "--health", health],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 78 and needle in done.stderr, done
