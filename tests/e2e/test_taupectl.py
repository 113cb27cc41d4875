# SPDX-License-Identifier: MIT
"""taupectl against a stand-alone relay and against Redis: what it writes lets agents in and cuts
them, what it shows is true, and what is wrong it says with the right exit code."""
import hashlib
import http.server
import json
import os
import re
import socket
import subprocess
import threading

import pytest

from harness import ports
from harness.process import Thread, binary
from harness.programs import Agent, Device, Redis, Relay, SampleServices
from harness.scenes import Standalone
from harness.wait import until

USAGE, DATAERR, NOINPUT, NOUSER, UNAVAILABLE, CANTCREAT, PROTOCOL, NOPERM, CONFIG = (
    64, 65, 66, 67, 69, 73, 76, 77, 78)
SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


class Ctl:
    def __init__(self, **options):
        self.argv = [binary("taupectl"), "--config", "/dev/null"]
        for key, value in options.items():
            self.argv += ["--" + key.replace("_", "-"), str(value)]

    def run(self, *words):
        return subprocess.run([*self.argv, *map(str, words)], capture_output=True, text=True,
                              timeout=30, check=False)

    def ok(self, *words):
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, *words):
        return json.loads(self.ok("--json", *words))

    def fails(self, status, message, *words):
        done = self.run(*words)
        assert done.returncode == status, done.stderr
        assert re.search(message, done.stderr), done.stderr
        assert done.stdout == ""
        assert done.stderr.startswith("taupectl: ")


def add_device(ctl, name, *words):
    """A device with the secret that taupectl printed, and nothing else printed."""
    device = Device(name)
    out = ctl.ok("device", "add", name, *words)
    assert out.endswith("\n") and SECRET.fullmatch(out.strip()), out
    device.secret = out.strip()
    return device


# A relay that stands alone.


@pytest.fixture(scope="module")
def alone(module_group):
    scene = Standalone(module_group)
    scene.services = SampleServices(module_group, "web")
    scene.ctl = Ctl(devices_file=scene.devices_file,
                    admin=f"127.0.0.1:{scene.relay.admin_port}")
    return scene


def serve(scene, device, relays):
    return Agent(scene.group, device, relays, [
        f"web:http:{scene.services.target('web', 'http')}",
        f"raw:tcp:{scene.services.target('web', 'tcp')}"])


def test_alone_a_device_gets_in_with_the_printed_secret_and_is_cut_when_removed(alone):
    device = add_device(alone.ctl, "alice", "--label", "shop")
    text = alone.devices_file.read_text()
    assert device.secret not in text
    assert hashlib.sha256(device.secret.encode()).hexdigest() in text
    agent = serve(alone, device, [alone.relay])
    assert agent.label == "shop"
    assert alone.get("shop.example.test").text == "web"
    shown = alone.ctl.json("device", "show", "alice")
    assert shown["online"] is True
    assert shown["session"]["relay"] == "r1"
    assert shown["lease"]["label"] == "shop"
    listed = {entry["name"]: entry for entry in alone.ctl.json("device", "ls")["devices"]}
    assert listed["alice"]["online"] is True
    assert alone.ctl.ok("device", "rm", "alice") == ""
    agent.process.wait_line("revoked")
    until("the relay has let go", lambda: alone.ctl.json("status")["agents"] == 0)


def test_alone_the_tables_are_aligned(alone):
    add_device(alone.ctl, "a")
    add_device(alone.ctl, "a-much-longer-name", "--port", "ssh:20022", "--port", "db:20023")
    lines = alone.ctl.ok("device", "ls").splitlines()
    assert lines[0].split() == ["NAME", "STATE", "LABEL", "PORTS", "RELAY", "SINCE"]
    rows = {line.split()[0]: line for line in lines[1:]}
    column = lines[0].index("PORTS")
    assert rows["a-much-longer-name"][column:].startswith("ssh:20022,db:20023")
    assert rows["a"][column] == "-"
    assert list(rows) == sorted(rows)
    for name in ("a", "a-much-longer-name"):
        alone.ctl.ok("device", "rm", name)


def test_alone_relays_routes_and_status_come_from_the_admin_server(alone):
    device = add_device(alone.ctl, "bob")
    agent = serve(alone, device, [alone.relay])
    relay, = alone.ctl.json("relay", "ls")["relays"]
    assert (relay["id"], relay["draining"]) == ("r1", False)
    routes = {route["key"]: route["value"] for route in alone.ctl.json("route", "ls")["routes"]}
    assert routes[f"http/{agent.label}.example.test"].startswith("127.0.0.1,")
    status = alone.ctl.json("status")
    assert status["serving"] is True and status["problems"] == []
    assert status["agents"] == 1 and status["devices"] >= 1
    text = alone.ctl.ok("status")
    assert "No problems found." in text
    assert alone.ctl.ok("relay", "ls").splitlines()[1].split()[0] == "r1"
    assert f"http/{agent.label}.example.test" in alone.ctl.ok("route", "ls")
    agent.stop()
    alone.ctl.ok("device", "rm", "bob")


def test_alone_a_closed_relay_is_asked_with_a_token(group):
    scene = Standalone(group, admin_private=True, announce="100ms")
    scene.services = SampleServices(group, "web")
    device = scene.device("alice")
    agent = serve(scene, device, [scene.relay])
    agent.wait_connected()
    options = {"devices_file": scene.devices_file, "admin": f"127.0.0.1:{scene.relay.admin_port}"}
    nobody, files = Ctl(**options), {}
    for role in ("read", "operate"):
        files[role] = group.folder / f"{role}.token"
        files[role].write_text(nobody.ok("token", "add", role, "--role", role))
        files[role].chmod(0o600)
    reader, operator = (Ctl(admin_token_file=files[role], **options) for role in files)
    commands = (["relay", "ls"], ["route", "ls"], ["status"], ["device", "ls"],
                ["device", "show", "alice"], ["events"], ["top", "--once"])
    nobody.fails(NOPERM, "--admin-token-file", "relay", "ls")
    nobody.fails(UNAVAILABLE, "--admin-token-file", "top", "--once")
    for words in commands:
        assert re.search("alice|r1|http/", reader.ok(*words))
    done = nobody.run("doctor", "--dns", "127.0.0.1:1")
    assert re.search(r"^FAIL +relay .*--admin-token-file", done.stdout, re.MULTILINE)
    nobody.fails(NOPERM, "--admin-token-file", "device", "kick", "alice")
    reader.fails(NOPERM, "needs the role operate", "device", "kick", "alice")
    operator.ok("device", "kick", "alice")
    agent.wait_connected(count=2)
    operator.fails(UNAVAILABLE, "not connected here", "device", "kick", "nobody")
    shown = reader.json("device", "show", "alice")
    assert shown["last"][0]["reason"] == "kicked"
    assert scene.get(f"{agent.label}.example.test").status == 200
    until("it is in its hour", lambda: sum(point[2] for point in reader.json(
        "device", "show", "alice")["traffic"]["points"]) > 0)
    text = reader.ok("device", "show", "alice")
    assert re.search(r"^last hour  +[0-9.]+ k?B in, [0-9.]+ k?B out$", text, re.MULTILINE), text
    # no secret in what goes wrong
    for text, message in (("", "no token"), ("x y\n", "no token"), ("a" * 200, "first line")):
        files["read"].write_text(text)
        done = reader.run("relay", "ls")
        assert done.returncode in (DATAERR, CONFIG) and message in done.stderr, done.stderr
        assert "x y" not in done.stderr and "aaa" not in done.stderr
    Ctl(redis="127.0.0.1:1", admin_token_file=files["read"]).fails(
        USAGE, "admin_token_file belongs to admin", "relay", "ls")


def test_alone_without_an_admin_server_the_state_is_not_known(alone):
    ctl = Ctl(devices_file=alone.devices_file)
    add_device(ctl, "carol")
    assert "online" not in ctl.json("device", "show", "carol")
    assert re.search(r"^carol +unknown ", ctl.ok("device", "ls"), re.MULTILINE)
    assert "unknown" in ctl.ok("device", "show", "carol")
    ctl.fails(USAGE, "--admin ADDRESS:PORT is missing", "relay", "ls")
    ctl.fails(USAGE, "--admin ADDRESS:PORT is missing", "status")
    ctl.ok("device", "rm", "carol")


def test_alone_reservations_are_kept_apart(alone):
    ctl = alone.ctl
    add_device(ctl, "dave", "--label", "taken", "--port", "ssh:20050")
    ctl.fails(CANTCREAT, "there is a device dave already.*device rotate dave --now", "device", "add", "dave")
    ctl.fails(CANTCREAT, "taken", "device", "add", "erin", "--label", "taken")
    ctl.fails(CANTCREAT, "20050", "device", "add", "erin", "--port", "x:20050")
    ctl.ok("device", "rm", "dave")
    add_device(ctl, "erin", "--label", "taken", "--port", "x:20050")
    ctl.ok("device", "rm", "erin")


def test_what_a_newer_version_has_written_is_kept(group):
    path, ctl = group.folder / "devices", Ctl(devices_file=group.folder / "devices")
    ctl.ok("device", "add", "alice", "--label", "shop")
    ctl.ok("device", "add", "bob")
    alice, bob = path.read_text().splitlines()
    path.write_text(f"# mine\nzone=a%20b&{alice}&paused\n{bob}&zone=c\n")
    ctl.ok("device", "set", "alice", "--max-visitors", "7")
    ctl.ok("device", "rotate", "alice")
    assert path.read_text() == (f"# mine\n{alice}&rotation=asked&max_visitors=7&zone=a%20b&paused\n"
                                f"{bob}&zone=c\n")
    # Nothing of it makes room for what is new.
    line = f"{bob}&zone="
    path.write_text(f"{alice}\n{line}{'c' * (98304 - len(line))}\n")
    before = path.read_text()
    ctl.fails(DATAERR, rf"{re.escape(str(path))}:2: .* longer than 98304 characters: shorten",
              "device", "rotate", "bob")
    assert path.read_text() == before


def test_a_wrong_devices_file_is_named_with_its_line(group):
    path = group.folder / "devices"
    path.write_text("# fine\nname=alice&secret_sha256=short\n")
    Ctl(devices_file=path).fails(DATAERR, rf"{re.escape(str(path))}:2: ", "device", "ls")
    Ctl(devices_file=path).fails(DATAERR, ":2: ", "device", "add", "bob")
    Ctl(devices_file=group.folder).fails(NOINPUT, "not a regular file", "device", "ls")
    Ctl(devices_file=group.folder / "none" / "devices").fails(
        CANTCREAT, "cannot be opened", "device", "add", "bob")


# Redis.


class Clustered:
    def __init__(self, group):
        self.group = group
        self.redis = Redis(group)
        self.ctl = Ctl(**self.redis.access("taupectl"))
        self.services = SampleServices(group, "web")
        add_device(self.ctl, "nobody")
        self.public = ports.take_block()
        listen = ports.take_block()
        self.relay = Relay(group, announce="100ms",
                           service_listen=f"127.0.0.1:{listen}-{listen + ports.BLOCK - 1}",
                           public_ports=f"{self.public}-{self.public + ports.BLOCK - 1}",
                           **self.redis.access("taupe-relay"))
        until("the relay is announced", lambda: self.ctl.json("relay", "ls")["relays"])


@pytest.fixture(scope="module")
def cluster(module_group):
    return Clustered(module_group)


def test_a_device_gets_in_with_the_printed_secret_and_is_cut_when_removed(cluster):
    port = cluster.public + 7
    device = add_device(cluster.ctl, "alice", "--label", "shop", "--port", f"raw:{port}")
    stored = cluster.redis.client.hgetall("taupe:device:alice")
    assert stored["secret_sha256"] == hashlib.sha256(device.secret.encode()).hexdigest()
    assert stored["label"] == "shop" and stored["ports"] == f"raw:{port}"
    agent = serve(cluster, device, [cluster.relay])
    assert agent.label == "shop"
    assert agent.port("raw") == port
    until("its routes are there", lambda: len(cluster.redis.routes()) == 2)
    shown = cluster.ctl.json("device", "show", "alice")
    assert shown["online"] is True
    assert shown["session"]["relay"] == "r1"
    assert shown["lease"]["ports"] == {"raw": port}
    assert 0 < shown["lease"]["remaining_ms"] <= 3600000
    assert {route["key"] for route in shown["routes"]} == {
        "http/shop.example.test", f"tcp/{port}"}
    text = cluster.ctl.ok("device", "show", "alice")
    for wanted in ("online", "shop", f"raw:{port}", "r1", "http/shop.example.test"):
        assert wanted in text
    assert device.secret not in text
    # the agents' number is the relay's last announcement
    until("the agent is counted", lambda: cluster.ctl.json("status")["agents"] == 1)
    status = cluster.ctl.json("status")
    # the relay has a route, too
    assert (status["sessions"], status["leases"], status["routes"]) == (1, 1, 3)
    relay, = status["relays"]
    assert relay["url"] == cluster.relay.url
    cluster.ctl.ok("device", "rm", "alice")
    agent.process.wait_line("revoked")
    until("nothing is left", lambda: not cluster.redis.routes()
          and not cluster.redis.client.exists("taupe:lease:alice")
          and not cluster.redis.client.hlen("taupe:reserved"))


def test_routes_and_relays_are_shown_in_tables(cluster):
    device = add_device(cluster.ctl, "bob")
    agent = serve(cluster, device, [cluster.relay])
    until("its routes are there", lambda: len(cluster.redis.routes()) == 2)
    lines = cluster.ctl.ok("route", "ls").splitlines()
    assert lines[0].split() == ["ROUTE", "LISTENER", "ACCESS"]
    assert {line.split()[0]: line.split()[1] for line in lines[1:]} \
        == cluster.redis.routes(nameless=True)
    lines = cluster.ctl.ok("relay", "ls").splitlines()
    assert lines[0].split()[:3] == ["ID", "AGENTS", "VISITORS"]
    assert lines[1].split()[0] == "r1" and "serving" in lines[1]
    assert re.search(r"^bob +online +\S+ +raw:\d+ +r1 ", cluster.ctl.ok("device", "ls"),
                     re.MULTILINE)
    agent.stop()
    until("bob is offline", lambda: not cluster.ctl.json("device", "show", "bob")["online"])
    last = until("it is noted why", lambda: cluster.ctl.json("device", "show", "bob")["last"])
    assert re.search(rf"^ended +\S+ ago: {last[0]['reason']}.*, from 127\.0\.0\.1:\d+$",
                     cluster.ctl.ok("device", "show", "bob"), re.M)
    assert re.search(r"^bob +leased ", cluster.ctl.ok("device", "ls"), re.MULTILINE)
    cluster.ctl.ok("device", "rm", "bob")
    until("nothing is left", lambda: not cluster.redis.routes())


def test_what_is_reserved_or_leased_is_refused_and_what_rests_is_not(cluster):
    ctl, client = cluster.ctl, cluster.redis.client
    add_device(ctl, "dave", "--label", "taken", "--port", "ssh:20050")
    ctl.fails(CANTCREAT, "there is a device dave already.*device rotate dave --now", "device", "add", "dave")
    ctl.fails(CANTCREAT, "label taken is reserved for the device dave", "device", "add", "erin",
              "--label", "taken")
    ctl.fails(CANTCREAT, "port 20050 is reserved for the device dave", "device", "add", "erin",
              "--port", "x:20050")
    client.hset("taupe:lease:frank", mapping={"label": "leased", "ports": "a:20060,b:20061",
                                              "epoch": "1", "relay": "r1"})
    for key, value in (("label:leased", "frank"), ("label:rests", "frank"), ("port:20061", "frank"),
                       ("port:20062", "frank")):
        client.set(f"taupe:{key}", value)
    ctl.fails(CANTCREAT, "label leased is leased to the device frank", "device", "add", "erin",
              "--label", "leased")
    ctl.fails(CANTCREAT, "port 20061 is leased to the device frank", "device", "add", "erin",
              "--port", "x:20061")
    assert not client.exists("taupe:device:erin")
    add_device(ctl, "erin", "--label", "rests", "--port", "x:20062")
    for name in ("dave", "erin"):
        ctl.ok("device", "rm", name)
    client.delete("taupe:lease:frank", "taupe:label:leased", "taupe:label:rests",
                  "taupe:port:20061", "taupe:port:20062")
    assert client.hlen("taupe:reserved") == 0


def test_of_many_who_want_the_same_label_one_gets_it(cluster):
    runs = [Thread(cluster.ctl.run, "device", "add", f"rival-{number}", "--label", "prize")
            for number in range(8)]
    codes = [run.get().returncode for run in runs]
    assert sorted(codes) == [0] + [CANTCREAT] * 7
    assert cluster.redis.client.hget("taupe:reserved", "label/prize") == \
        f"rival-{codes.index(0)}"
    cluster.ctl.ok("device", "rm", f"rival-{codes.index(0)}")


def test_a_thousand_devices_are_listed_sorted(cluster):
    pipe = cluster.redis.client.pipeline(transaction=False)
    names = [f"many-{number:04}" for number in range(1000)]
    for name in names:
        pipe.hset(f"taupe:device:{name}", mapping=Device(name).redis_hash())
        pipe.sadd("taupe:devices", name)
    pipe.execute()
    listed = [device["name"] for device in cluster.ctl.json("device", "ls")["devices"]]
    assert [name for name in listed if name.startswith("many-")] == names
    assert cluster.ctl.json("status")["devices"] == len(listed)
    for name in names:
        pipe.delete(f"taupe:device:{name}")
        pipe.srem("taupe:devices", name)
    pipe.execute()


def test_routes_beyond_one_scan_are_all_listed(cluster):
    routes = {f"tcp/{number}": f"127.0.0.1,{number},1" for number in range(20000, 25000)}
    cluster.redis.client.hset("taupe:routes", mapping=routes)
    listed = cluster.ctl.json("route", "ls")["routes"]
    assert {route["key"]: route["value"] for route in listed
            if route["key"].startswith("tcp/")} == routes
    cluster.redis.client.delete("taupe:routes")


def test_removing_tells_the_relays(cluster):
    add_device(cluster.ctl, "grace")
    cluster.redis.client.hset("taupe:counters:device:grace", "visitors", 3)
    assert "3" in cluster.ctl.ok("device", "show", "grace")
    cluster.ctl.ok("device", "rm", "grace")
    latest = [event for _, event in cluster.redis.client.xrevrange("taupe:events", count=8)
              if event["kind"] == "device"]  # the router writes the relays' slots beside it
    assert latest[0] == {"kind": "device", "name": "grace"}
    assert not cluster.redis.client.exists("taupe:counters:device:grace")
    cluster.ctl.fails(NOUSER, "there is no device grace", "device", "rm", "grace")
    cluster.ctl.fails(NOUSER, "there is no device grace", "device", "show", "grace")


def test_status_names_what_is_wrong(group):
    redis = Redis(group)
    ctl = Ctl(**redis.access("taupectl"))
    client = redis.client
    done = ctl.run("--json", "status")
    assert done.returncode == UNAVAILABLE
    assert any("no relay is alive" in problem for problem in json.loads(done.stdout)["problems"])
    now = int(client.time()[0] * 1000)
    client.hset("taupe:relay:r1", mapping={
        "url": "ws://r1", "address": "127.0.0.1:1", "agents": 95, "visitors": 0, "weight": 100,
        "capacity": 100, "draining": 0, "since_ms": now})
    client.zadd("taupe:relays", {"r1": 0.95, "dead": 1})
    client.zadd("taupe:leases", {"alice": now + 60000, "bob": now - 60000})
    client.set("taupe:session:alice", "epoch=5&relay=gone&instance=i&from=x&since_ms=1")
    client.hset("taupe:reserved", "label/x", "nobody")
    client.config_set("maxmemory-policy", "allkeys-lru")
    status = ctl.json("status")
    problems = "\n".join(status["problems"])
    for wanted in ("r1 is nearly full: 95 agents of 100", "1 relays have died",
                   "1 sessions are at relays that are gone", "1 leases are overdue",
                   "reserved for devices that are gone", "allkeys-lru", "no append-only file"):
        assert wanted in problems
    assert status["redis"]["version"].count(".") == 2
    assert (status["sessions"], status["leases"], status["agents"]) == (1, 2, 95)
    assert "Problems:" in ctl.ok("status")


def test_garbage_in_redis_is_survived(group):
    redis = Redis(group)
    ctl = Ctl(**redis.access("taupectl"))
    client = redis.client
    client.sadd("taupe:devices", "alice", "bad name", b"\xff\xfe", "/../")
    client.hset("taupe:device:alice", mapping={"name": "alice", "ports": "x:y,,ssh:1", "created": "z"})
    client.set("taupe:session:alice", "%zz&&=&epoch=abc")
    client.hset("taupe:lease:alice", mapping={"label": b"\xff", "ports": ":::"})
    client.zadd("taupe:relays", {"bad id": 1, "r1": 1})
    client.hset("taupe:relay:r1", mapping={"agents": "many", b"\xff": b"\xff"})
    client.hset("taupe:routes", mapping={b"\xff\xff": "x", "http/a": b"\xfe", "http/b": "1.2.3.4,5,6"})
    device, = ctl.json("device", "ls")["devices"]
    assert device["ports"] == {"ssh": 1}
    assert [relay["id"] for relay in ctl.json("relay", "ls")["relays"]] == ["r1"]
    assert {"key": "http/b", "value": "1.2.3.4,5,6", "access": "public"} in ctl.json("route", "ls")["routes"]
    for words in (["device", "ls"], ["device", "show", "alice"], ["relay", "ls"], ["route", "ls"]):
        ctl.ok(*words)
    client.set("taupe:relays", "of another type")
    ctl.fails(UNAVAILABLE, "WRONGTYPE", "relay", "ls")


# What is wrong, and the exit codes.


@pytest.mark.parametrize("words,status,message", [
    ([], USAGE, "a command is missing"),
    (["device"], USAGE, "no such command"),
    (["device", "frobnicate"], USAGE, "no such command"),
    (["status", "now"], USAGE, "too many words"),
    (["device", "add"], USAGE, "the device's name is missing"),
    (["device", "add", "a", "b"], USAGE, "too many words"),
    (["device", "add", "a b"], DATAERR, "cannot be a device's name"),
    (["device", "add", "-a"], CONFIG, "-a"),
    (["device", "add", "ä"], DATAERR, "cannot be a device's name"),
    (["device", "add", "x" * 64], DATAERR, "cannot be a device's name"),
    (["device", "rm", "../x"], DATAERR, "cannot be a device's name"),
    (["device", "add", "a", "--label", "UPPER"], CONFIG, "label"),
    (["device", "add", "a", "--label", "a--b"], CONFIG, "label"),
    (["device", "add", "a", "--port", "ssh"], CONFIG, "SERVICE:PORT"),
    (["device", "add", "a", "--port", "ssh:0"], CONFIG, "SERVICE:PORT"),
    (["device", "add", "a", "--port", "ssh:65536"], CONFIG, "SERVICE:PORT"),
    (["device", "add", "a", "--port", "ssh:1", "--port", "ssh:2"], DATAERR, "named before"),
    (["device", "add", "a", "--port", "ssh:1", "--port", "db:1"], DATAERR, "named before"),
    (["device", "add", "a"] + [f"--port=s{n}:{n}" for n in range(1, 18)], DATAERR, "16 services"),
    (["device", "ls", "--label", "abc"], USAGE, "belong to device add"),
    (["--frobnicate"], CONFIG, "frobnicate"),
    (["--admin", "example.com:80", "status"], CONFIG, "admin"),
    (["--redis", "nowhere", "status"], CONFIG, "redis"),
    (["--redis", "127.0.0.1:1", "status"], USAGE, "redis and devices_file are both given"),
])
def test_wrong_use_says_what_is_right(group, words, status, message):
    Ctl(devices_file=group.folder / "devices").fails(status, message, *words)
    assert not (group.folder / "devices").exists()


def test_without_a_place_to_look_it_says_where_to_write_one(group):
    Ctl().fails(CONFIG, "--redis HOST:PORT.*taupectl.ini", "device", "ls")


def test_the_file_configures_it(group):
    config = group.folder / "taupectl.ini"
    config.write_text(f"[taupectl]\ndevices_file = {group.folder / 'devices'}\njson = yes\n")
    done = subprocess.run([binary("taupectl"), "--config", str(config), "device", "ls"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0 and json.loads(done.stdout) == {"devices": []}


def test_a_change_that_no_event_tells_of_is_said(group):
    redis = Redis(group)
    ctl = Ctl(**redis.access("taupectl"))
    redis.client.execute_command("ACL", "SETUSER", "taupectl", "-xadd")
    done = ctl.run("token", "add", "made", "--role", "read")
    assert done.returncode == 0 and done.stdout.startswith("made.")
    assert "that is done, but no event tells of it: " in done.stderr
    redis.client.execute_command("ACL", "SETUSER", "taupectl", "+xadd")
    assert ctl.run("token", "rm", "made").stderr == ""
    redis.client.acl_log_reset()  # this refusal was wanted


def test_redis_that_is_away_or_refuses(group):
    redis = Redis(group)
    Ctl(redis=f"127.0.0.1:{ports.take()}").fails(UNAVAILABLE, "Connection refused", "status")
    Ctl(redis="/nonexistent/redis.sock").fails(UNAVAILABLE, "No such file", "status")
    Ctl(redis=redis.address).fails(UNAVAILABLE, "NOAUTH", "status")
    wrong = group.folder / "wrong"
    wrong.write_text("not-the-password\n")
    wrong.chmod(0o600)
    access = {**redis.access("taupectl"), "redis_password_file": wrong}
    Ctl(**access).fails(UNAVAILABLE, "AUTH was refused: WRONGPASS", "status")
    assert "not-the-password" not in Ctl(**access).run("status").stderr
    Ctl(**{**access, "redis_password_file": "/nonexistent"}).fails(
        NOINPUT, "/nonexistent: no password can be read", "status")
    Ctl(**redis.access("taupe-router")).fails(NOPERM, "NOPERM", "device", "ls")
    redis.client.acl_log_reset()  # these refusals were wanted


def test_redis_that_does_not_answer_is_not_waited_for_longer_than_said(group):
    with socket.create_server(("127.0.0.1", 0)) as server:
        Ctl(redis=f"127.0.0.1:{server.getsockname()[1]}", redis_timeout="200ms").fails(
            UNAVAILABLE, "Redis at", "status")


ANSWERS = [
    (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", UNAVAILABLE, "status 500"),
    (b'HTTP/1.1 409 No\r\nContent-Length: 21\r\n\r\n{"what": "\\u001b[2J"}', UNAVAILABLE,
     r"^taupectl: \?\[2J$"),
    (b"HTTP/1.1 409 No\r\nContent-Length: 2\r\n\r\n{}", UNAVAILABLE, "status 409$"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", PROTOCOL, "no JSON object"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{x}", PROTOCOL, "no JSON object"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", PROTOCOL, "tells of no routes"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}", UNAVAILABLE, "admin server at"),
    (b"garbage\r\n\r\n", UNAVAILABLE, "admin server at"),
    (b"", UNAVAILABLE, "admin server at"),
]


@pytest.mark.parametrize("answer,status,message", ANSWERS)
def test_an_admin_server_that_answers_nonsense(answer, status, message):
    with socket.create_server(("127.0.0.1", 0)) as server:
        def serve_once():
            client, _ = server.accept()
            with client:
                client.recv(65536)
                client.sendall(answer)

        thread = threading.Thread(target=serve_once)
        thread.start()
        Ctl(admin=f"127.0.0.1:{server.getsockname()[1]}", redis_timeout="2s").fails(
            status, message, "route", "ls")
        thread.join()


PAGES = [
    # page after page; what does not go on behind its last name would go on for ever
    ([{"next": "b"}, {"next": "d"}, {"next": None}], 0, ""),
    ([{"next": "b"}, {}], 0, ""),
    ([{"next": "b"}, {"next": "b"}], PROTOCOL, "tells of no routes"),
    ([{"next": "b/c"}], PROTOCOL, "tells of no routes"),
]


@pytest.mark.parametrize("pages,status,message", PAGES)
def test_a_relay_is_asked_page_after_page(pages, status, message):
    asked = []

    def serve(server):
        for page in pages:
            client, _ = server.accept()
            with client:
                asked.append(client.recv(65536).split()[1].decode())
                body = json.dumps({"routes": [{"key": asked[-1]}], **page}).encode()
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        done = Ctl(admin=f"127.0.0.1:{server.getsockname()[1]}").run("--json", "route", "ls")
        thread.join()
    assert done.returncode == status and message in done.stderr, done.stderr
    assert [path.rpartition("after=")[2] for path in asked] == ["", "b", "d"][:len(pages)]
    if not status:
        assert [route["key"] for route in json.loads(done.stdout)["routes"]] == asked


class Busy(http.server.BaseHTTPRequestHandler):
    """A relay that knows none of the devices, and is too busy to say what went through them."""

    def do_GET(self):
        self.send_response(503 if self.path.endswith("/traffic") else 404)
        self.send_header("Content-Length", "17")
        self.end_headers()
        self.wfile.write(b'{"what": "later"}')

    def log_message(self, *_):
        pass


def test_a_device_is_shown_without_what_is_not_to_be_had(tmp_path):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Busy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        ctl = Ctl(devices_file=tmp_path / "devices", admin=f"127.0.0.1:{server.server_port}")
        ctl.ok("device", "add", "alice")
        done = ctl.run("device", "show", "alice")
        server.shutdown()
        thread.join()
    assert (done.returncode, done.stdout.split()[:2]) == (0, ["name", "alice"]), done.stderr
    assert re.search("last hour is not known: .* status 503: later$", done.stderr), done.stderr


def test_an_admin_server_that_is_silent_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as server:
        Ctl(admin=f"127.0.0.1:{server.getsockname()[1]}", redis_timeout="200ms").fails(
            UNAVAILABLE, "no answer in time", "route", "ls")


def test_an_answer_that_cannot_be_written_is_an_error(group):
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([binary("taupectl"), "--config", "/dev/null", "--devices-file",
                               str(group.folder / "devices"), "device", "ls"], stdout=full,
                              stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == os.EX_IOERR
        # there is a device, and nobody has its secret
        done = subprocess.run([*done.args[:-1], "add", "alice"], stdout=full,
                              stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == os.EX_IOERR and "device rotate NAME --now" in done.stderr
