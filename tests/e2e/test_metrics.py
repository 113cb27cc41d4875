# SPDX-License-Identifier: MIT
"""What the relay and the router tell Prometheus, and what monitoring/ makes of it: with the real
Prometheus and its promtool."""
import json
import re
import subprocess
import time
import urllib.parse
import urllib.request

import pytest

from harness import ports
from harness.process import ROOT, Process, Thread
from harness.programs import SampleServices
from harness.scenes import Cluster, Standalone
from harness.visitors import Connection, get
from harness.wait import stays, until

MONITORING = ROOT / "monitoring"
OURS = r"\b(?:taupe_(?:relay|router)|process)_[a-z0-9_]+\b"


def promtool(*words, text=None):
    done = subprocess.run(["promtool", *map(str, words)], input=text, text=True, timeout=60,
                          capture_output=True, check=False, cwd=MONITORING)
    return done.returncode, done.stdout + done.stderr


def families(page):
    """{name: (type, help)}, each told once."""
    found = {}
    for name, text in re.findall(r"^# HELP (\S+) (.*)$", page, re.M):
        assert name not in found, f"{name} twice"
        found[name] = (*re.findall(rf"^# TYPE {name} (\w+)$", page, re.M), text)
    return found


class Scene:
    def __init__(self, group):
        self.group = group
        self.router_port = ports.take()
        self.cluster = Cluster(group, router={"admin_listen": f"127.0.0.1:{self.router_port}"})
        self.services = SampleServices(group, "web")
        self.agent = self.cluster.agent("alice", [
            f"web:http:{self.services.target('web', 'http')}"])
        self.cluster.wait_served(self.agent.host())
        until("the router is steady", lambda: "haproxy_current" in self.router_page())

    def relay_page(self):
        return self.cluster.relay.admin("/metrics")[1]

    def router_page(self):
        url = f"http://127.0.0.1:{self.router_port}/metrics"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read().decode()

    def families(self):
        return {**families(self.relay_page()), **families(self.router_page())}

    def series(self):
        """All names of samples, with what histograms add to theirs."""
        text = self.relay_page() + self.router_page()
        return set(re.findall(r"^([a-z_]+)[ {]", text, re.M))


@pytest.fixture(scope="module")
def scene(module_group):
    return Scene(module_group)


@pytest.mark.parametrize("whose", ["relay", "router"])
def test_promtool_finds_nothing_wrong(scene, whose):
    page = getattr(scene, f"{whose}_page")()
    assert promtool("check", "metrics", text=page) == (0, "")
    # and it does find what is
    code, said = promtool("check", "metrics", text=page.replace("_total ", " "))
    assert code != 0 or said


def test_rules_and_configuration_are_right():
    for words in (("check", "rules", "taupe.rules.yml"), ("check", "config", "prometheus.yml"),
                  ("test", "rules", "taupe.rules.test.yml")):
        code, said = promtool(*words)
        assert code == 0, said


def test_every_alert_is_tested():
    alerts = re.findall(r"alert: (\w+)", (MONITORING / "taupe.rules.yml").read_text())
    tests = (MONITORING / "taupe.rules.test.yml").read_text()
    assert len(alerts) > 10
    assert [alert for alert in alerts if alert not in tests] == []


@pytest.mark.parametrize("name", ["taupe.rules.yml", "grafana-dashboard.json"])
def test_rules_and_dashboard_ask_for_what_there_is(scene, name):
    text = (MONITORING / name).read_text()
    asked = set(re.findall(OURS, text))
    assert len(asked) > 10
    assert asked - scene.series() == set()


def test_dashboard_asks_what_prometheus_understands(scene, prometheus):
    dashboard = json.loads((MONITORING / "grafana-dashboard.json").read_text())
    exprs = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(exprs) > 20
    for expr in exprs:
        assert prometheus.ask(expr.replace("$relay", ".*")) is not None


def test_documentation_lists_all_of_them(scene):
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (?:[^|]*) \| (.*) \|$",
                      (ROOT / "docs" / "METRICS.md").read_text(), re.M)
    documented = {name: (kind, text) for name, kind, text in rows}
    assert len(documented) == len(rows), "one is there twice"
    assert documented == scene.families()


class Prometheus:
    def __init__(self, scene):
        folder = scene.group.folder / "prometheus"
        folder.mkdir()
        port = ports.take()
        config = (MONITORING / "prometheus.yml").read_text()
        for was, now in (("127.0.0.1:9901", f"127.0.0.1:{scene.cluster.relay.admin_port}"),
                         ("127.0.0.1:9900", f"127.0.0.1:{scene.router_port}"),
                         ("interval: 15s", "interval: 1s"),
                         ("taupe.rules.yml", str(MONITORING / "taupe.rules.yml"))):
            assert was in config
            config = config.replace(was, now)
        (folder / "prometheus.yml").write_text(config)
        self.url = f"http://127.0.0.1:{port}/api/v1/query?query="
        self.process = Process(scene.group, "prometheus", [
            "prometheus", f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"])
        until("prometheus answers", lambda: self.ask("vector(1)"))

    def ask(self, expr):
        with urllib.request.urlopen(self.url + urllib.parse.quote(expr), timeout=5) as answer:
            reply = json.load(answer)
        assert reply["status"] == "success"
        return [(sample["metric"], float(sample["value"][1]))
                for sample in reply["data"]["result"]]


@pytest.fixture(scope="module")
def prometheus(scene):
    return Prometheus(scene)


def test_prometheus_scrapes_relay_and_router(scene, prometheus):
    until("both are up", lambda: sorted(
        (metric["job"], value) for metric, value in prometheus.ask("up")) == [
            ("taupe-relay", 1), ("taupe-router", 1)], 20)
    until("it has the relay's agents", lambda: prometheus.ask("taupe_relay_agents")[0][1] == 1)
    until("no alert is out", lambda: prometheus.ask("ALERTS") == [])
    assert prometheus.ask("taupe_router_haproxy_current")[0][1] == 1
    version, = prometheus.ask("taupe_relay_build_info")
    assert version[0]["version"]
    started, = prometheus.ask('time() - process_start_time_seconds{job="taupe-relay"}')
    assert -1 <= started[1] < 300


def histogram(relay, name, label=""):
    """(count, sum in seconds, buckets that grow up to the count)."""
    values = relay.metrics()
    inside = f"{{{label}}}" if label else ""
    buckets = [value for key, value in values.items()
               if key.startswith(f"{name}_bucket{{{label}")]
    count = values[f"{name}_count{inside}"]
    assert buckets == sorted(buckets) and buckets[-1] == count
    return count, values[f"{name}_sum{inside}"]


class Alone:
    def __init__(self, group, **config):
        self.alone = Standalone(group, hold="5s", **config)
        self.relay = self.alone.relay
        self.services = SampleServices(group, "web")

    def agent(self, name):
        agent = self.alone.agent(name, [f"web:http:{self.services.target('web', 'http')}"])
        until(f"{name} is served", lambda: self.alone.get(agent.host()).status == 200)
        return agent


def test_times_are_measured(group):
    scene = Alone(group)
    agent = scene.agent("alice")
    assert histogram(scene.relay, "taupe_relay_connect_seconds")[0] == 1
    first_byte = "taupe_relay_first_byte_seconds"
    began = time.monotonic()
    visitor = Thread(scene.alone.get, agent.host(), "/gate/slow")
    direct = scene.services.address("web", "http")
    until("its visitor waits", lambda: get(direct, "direct", "/gate/slow/count").text == "1")
    before = histogram(scene.relay, first_byte)
    stays("the first byte is not there", lambda: histogram(scene.relay, first_byte) == before, 0.3)
    assert get(direct, "direct", "/gate/slow/open").status == 200
    assert visitor.get().status == 200
    after = histogram(scene.relay, first_byte)
    assert after[0] == before[0] + 1
    assert 0.3 <= after[1] - before[1] < time.monotonic() - began

    # one waits until the device is back, one waits in vain
    agent.stop()
    until("it is away", lambda: scene.relay.metrics()["taupe_relay_agents"] == 0)
    with Connection(scene.alone.front, agent.host()) as waits:
        waits.send_head("GET", "/name")
        until("it is held", lambda: scene.relay.metrics()["taupe_relay_visitors"] == 1)
        agent.start()
        assert waits.read_answer().status == 200
    count, seconds = held(scene, "served")
    assert count == 1 and 0 < seconds < 5
    agent.stop()
    assert scene.alone.get(agent.host()).status == 503
    count, seconds = held(scene, "failed")
    assert count == 1 and 5 <= seconds < 9


def held(scene, outcome):
    return histogram(scene.relay, "taupe_relay_hold_seconds", f'outcome="{outcome}"')


def test_busiest_devices_are_told_of_one_by_one(group):
    scene = Alone(group, metrics_devices=2)
    sizes = {"alice": 1000, "bob": 3000, "carol": 2000}
    for name, size in sizes.items():
        agent = scene.agent(name)
        assert scene.alone.get(agent.host(), f"/bytes/{size}").status == 200
    out = "taupe_relay_device_bytes_out_total"

    def told():
        return {re.search(r'device="(\w+)"', key)[1]: value
                for key, value in scene.relay.metrics().items() if key.startswith(out)}
    until("the two busiest are told of", lambda: set(told()) == {"bob", "carol"})
    assert all(told()[name] > sizes[name] for name in told())
    values = scene.relay.metrics()
    assert values['taupe_relay_device_visits_total{device="bob"}'] >= 2
    assert values['taupe_relay_device_visitors{device="bob"}'] == 0


def test_no_device_is_told_of_if_none_shall_be(group):
    scene = Alone(group, metrics_devices=0)
    scene.agent("alice")
    assert "alice" not in scene.relay.admin("/metrics")[1]
