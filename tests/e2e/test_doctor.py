# SPDX-License-Identifier: MIT
"""taupectl doctor: a healthy cluster is all well, and each fault, made for real, gives the line that
names it, says what to do, and the exit code."""
import http.server
import json
import socket
import subprocess
import threading
import time

import pytest

from harness import ports
from harness.fakes import Dns
from harness.process import Thread, binary
from harness.programs import Agent, Device, Redis, SampleServices
from harness.scenes import Cluster, Standalone
from harness.wait import until

UNAVAILABLE = 69
DOMAIN = "example.test"


class Doctor:
    def __init__(self, **options):
        self.options = {"redis_timeout": "2s", **options}

    def run(self, *words, **more):
        argv = [binary("taupectl"), "--config", "/dev/null"]
        for key, value in {**self.options, **more}.items():
            for item in value if isinstance(value, list) else [value]:
                argv += ["--" + key.replace("_", "-"), str(item)]
        return subprocess.run([*argv, *words, "doctor"], capture_output=True, text=True,
                              timeout=60, check=False)

    def checks(self, status=0, **more):
        """check -> (result, seen, advice)"""
        done = self.run("--json", **more)
        assert done.returncode == status, done.stdout + done.stderr
        answer = json.loads(done.stdout)
        assert answer["healthy"] is (status == 0)
        return {check["check"]: (check["result"], check["seen"], check["advice"])
                for check in answer["checks"]}

    def finds(self, check, result, *words, **more):
        """The one thing that is wrong; what the healthy cluster has besides is well."""
        found = self.checks(UNAVAILABLE if result == "FAIL" else 0, **more)
        assert check in found, found
        assert found[check][0] == result, found[check]
        for word in words:
            assert word in f"{found[check][1]}: {found[check][2]}", found[check]
        assert found[check][2], "it does not say what to do"
        wrong = {name for name, (kind, _, _) in found.items() if kind in ("FAIL", "warning")}
        assert wrong == {check}, {name: found[name] for name in wrong}


class Scene:
    def __init__(self, group):
        self.group = group
        self.cluster = Cluster(group, relays=0, capacity=5000, announce="200ms")
        self.redis, self.haproxy = self.cluster.redis, self.cluster.haproxy
        self.redis.client.config_set("appendonly", "yes")
        self.dns = Dns(known={f"r1.{DOMAIN}"})
        group.exits.callback(self.dns.close)
        self.dns.known = Wildcard(DOMAIN)
        self.relay = self.cluster.add_relay(
            "r1", agent_url=f"wss://r1.{DOMAIN}:{self.haproxy.tls[1]}")
        self.cluster.relays.append(self.relay)
        services = SampleServices(group, "web")
        self.agent = Agent(group, self.cluster.device("alice"), [self.relay], [
            f"web:http:{services.target('web', 'http')}",
            f"ssh:tcp:{services.target('web', 'tcp')}"],
            dns=self.dns.address, ca_file=self.haproxy.certificate.ca)
        self.host = self.agent.host()
        self.cluster.wait_served(self.host)
        self.doctor = Doctor(
            **self.redis.access("taupectl"), haproxy=self.haproxy.socket, dns=self.dns.address,
            http_port=self.haproxy.http[1], https_port=self.haproxy.tls[1], address="127.0.0.1",
            ca_file=self.haproxy.certificate.ca)


class Wildcard:
    """The names under a domain."""

    def __init__(self, domain):
        self.domain = domain

    def __contains__(self, name):
        return name.endswith("." + self.domain)


@pytest.fixture(scope="module")
def scene(module_group):
    scene = Scene(module_group)
    # certificates of tests end soon
    haproxy = scene.haproxy
    renew(scene, 90)
    scene.pid = haproxy.process.pid
    return scene


def renew(scene, days):
    """Another certificate from the same authority, that HAProxy takes without a restart."""
    certificate = scene.haproxy.certificate
    answer = scene.haproxy.ask(
        f"set ssl cert {certificate.bundle} <<\n{certificate.again(days)}\n")
    assert "Transaction created" in answer, answer
    answer = scene.haproxy.ask(f"commit ssl cert {certificate.bundle}")
    assert "Success" in answer, answer


def test_a_healthy_cluster_is_all_well(scene):
    found = scene.doctor.checks()
    assert {kind for kind, _, _ in found.values()} == {"ok"}, found
    for check in ("redis", "redis version", "redis role", "redis persistence", "redis memory",
                  "redis events", "redis user default", "redis user taupe-relay",
                  "redis user taupe-router", "redis user taupectl", "redis user taupe-api",
                  "redis user taupe-webhook", "clock of this host",
                  "relays", "relay r1", "relay r1 limits", "clock of relay r1", "leases",
                  "sessions", f"dns *.{DOMAIN}", "dns of relay r1",
                  f"port {scene.haproxy.http[1]} of 127.0.0.1",
                  f"port {scene.haproxy.tls[1]} of 127.0.0.1",
                  f"port {scene.cluster.public} of 127.0.0.1",
                  f"port {scene.cluster.public_last} of 127.0.0.1", "answer of 127.0.0.1",
                  "certificate at 127.0.0.1", "agents' door of r1", "certificate of r1",
                  "haproxy", "haproxy version", "haproxy connections", "haproxy bufsize",
                  "haproxy errors", "maps"):
        assert check in found, check
    routes = len(scene.redis.routes(nameless=True))
    assert f"all {routes} routes" in found["maps"][1]
    assert "16384" in found["haproxy bufsize"][1]


def test_people_get_a_line_for_each_check(scene):
    done = scene.doctor.run()
    assert done.returncode == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[-1].startswith("0 failed, 0 warnings, 0 skipped, ")
    assert all(line.startswith("ok       ") for line in lines[:-2]), done.stdout


# HAProxy's maps, changed by hand over its socket.


def edit(scene, verb, kind, key, value=""):
    for level in (".again", ".new", ""):
        name = f"{scene.haproxy.maps}/{kind}{level}.map"
        scene.haproxy.ask(f"{verb} map {name} {key} {value}".rstrip())


@pytest.fixture
def maps(scene):
    yield
    # the router puts them right when it meets another process, or is one
    scene.cluster.router.process.stop()
    scene.cluster.router.start()
    until("the maps are right", lambda: scene.doctor.checks_maps_ok())


def maps_ok(self):
    done = self.run("--json")
    return {c["check"]: c["result"] for c in json.loads(done.stdout)["checks"]}["maps"] == "ok"


Doctor.checks_maps_ok = maps_ok


def test_a_map_entry_that_is_gone(scene, maps):
    edit(scene, "del", "http", scene.host)
    # nor does HAProxy answer TLS for a name that it does not know
    found = scene.doctor.checks(UNAVAILABLE)
    assert found["maps"][0] == "FAIL"
    assert f"1 missing, 0 too many, 0 different: http/{scene.host} is missing" in found["maps"][1]
    assert "taupe-router" in found["maps"][2]
    assert found["certificate at 127.0.0.1"][0] == "FAIL"


def test_a_map_entry_that_is_wrong_or_too_many(scene, maps):
    port = str(scene.agent.port("ssh"))
    edit(scene, "set", "tcp", port, "192.0.2.9,9")
    scene.haproxy.ask(f"add map {scene.haproxy.maps}/http.map ghost.{DOMAIN} 192.0.2.9,9")
    scene.doctor.finds("maps", "FAIL", "0 missing, 1 too many, 1 different",
                       f"tcp/{port} is different", f"http/ghost.{DOMAIN} is too many")


# Certificates.


@pytest.mark.parametrize("days,result,words", [
    (-1, "FAIL", "expired 1d 0h ago"),
    (6.02, "FAIL", "expires in 6d 0h"),
    (20.02, "warning", "expires in 20d 0h"),
])
def test_a_certificate_that_ends(scene, days, result, words):
    renew(scene, days)
    try:
        found = scene.doctor.checks(UNAVAILABLE if result == "FAIL" else 0)
    finally:
        renew(scene, 90)
    for check in ("certificate at 127.0.0.1", "certificate of r1",
                  f"certificate {scene.haproxy.certificate.bundle}"):
        assert found[check][0] == result and words in found[check][1], found[check]
        assert "renew it" in found[check][2]
    assert scene.haproxy.process.pid == scene.pid


def test_a_certificate_of_a_stranger(scene):
    options = dict(scene.doctor.options)
    del options["ca_file"]
    found = Doctor(**options).checks(UNAVAILABLE)
    for check in ("certificate at 127.0.0.1", "certificate of r1"):
        assert found[check][0] == "FAIL", found
        assert "not to be trusted" in found[check][1] and "--ca-file" in found[check][2]


# Redis.


@pytest.mark.parametrize("setting,bad,good,check,result,words", [
    ("maxmemory-policy", "allkeys-lru", "noeviction", "redis memory", "FAIL",
     ("allkeys-lru", "maxmemory-policy noeviction")),
    ("appendonly", "no", "yes", "redis persistence", "warning",
     ("no append-only file", "appendonly yes")),
])
def test_a_redis_that_forgets(scene, setting, bad, good, check, result, words):
    scene.redis.client.config_set(setting, bad)
    try:
        scene.doctor.finds(check, result, *words)
    finally:
        scene.redis.client.config_set(setting, good)


def set_back(scene, user):
    """What ACL LOAD would do, but that cuts all connections."""
    line, = [line for line in scene.redis.users.read_text().splitlines()
             if line.startswith(f"user {user} ")]
    scene.redis.client.execute_command("ACL", "SETUSER", user, "reset", *line.split()[2:])


@pytest.mark.parametrize("user,change,words", [
    ("taupe-router", "+hset", ("it may do more", "hset")),
    ("taupe-router", "+@all", ("it may do everything",)),
    ("taupe-router", "~*", ("it may do more", "~*")),
    ("taupectl", "-hlen", ("it may not do what it needs", "hlen")),
    ("taupe-api", "+acl|getuser", ("it may do more", "acl|getuser")),
    ("taupe-router", "nopass", ("nopass",)),
    ("default", "-@all", ("it lacks the rights", "append-only file")),
])
def test_rights_that_are_not_those_of_the_file(scene, user, change, words):
    scene.redis.client.execute_command("ACL", "SETUSER", user, change)
    try:
        scene.doctor.finds(f"redis user {user}", "FAIL", *words)
    finally:
        set_back(scene, user)


def test_what_may_not_be_asked_is_skipped_and_not_well(scene):
    redis = scene.redis
    for right in ("-zrange", "-zcount", "-xlen", "-time", "-info", "-acl|getuser"):
        redis.client.execute_command("ACL", "SETUSER", "taupectl", right)
    try:
        found = scene.doctor.checks(domain=DOMAIN)
    finally:
        set_back(scene, "taupectl")
        redis.client.acl_log_reset()  # these refusals were wanted
    for check in ("redis itself", "redis events", "redis user taupe-relay", "clock", "relays",
                  "leases", "sessions"):
        assert found[check][0] == "skipped", (check, found[check])
        assert "users.acl" in found[check][2]
    assert found["maps"][0] == "ok"


def test_a_redis_that_does_not_tell_its_time(scene):
    """redis/users.acl from before is loaded."""
    scene.redis.client.execute_command("ACL", "SETUSER", "taupectl", "-time")
    try:
        found = scene.doctor.checks(UNAVAILABLE)
    finally:
        set_back(scene, "taupectl")
        scene.redis.client.acl_log_reset()
    assert found["clock"][0] == "skipped"
    assert found["relays"][0] == found["relay r1"][0] == "ok"
    assert "clock of relay r1" not in found
    assert {name for name, row in found.items() if row[0] == "FAIL"} == {"redis user taupectl"}


def test_a_default_user_that_is_on(scene):
    scene.redis.client.execute_command("ACL", "SETUSER", "default", "on", "nopass")
    try:
        scene.doctor.finds("redis user default", "FAIL", "without a password", "off")
    finally:
        set_back(scene, "default")


class LateClock:
    """Redis, but for its TIME, which is some seconds ahead."""

    def __init__(self, target, seconds):
        self.target, self.seconds = target, seconds
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.server.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            host, port = self.target.split(":")
            there = socket.create_connection((host, int(port)))
            threading.Thread(target=self.serve, args=(client, there), daemon=True).start()

    def serve(self, client, there):
        """One command at a time is all that a client without a loop sends beside pipelines, in which
        there is no TIME."""
        with client, there:
            asked = threading.Event()

            def answers():
                while data := there.recv(65536):
                    if asked.is_set():
                        asked.clear()
                        parts = data.split(b"\r\n")  # *2 $10 seconds $6 micros
                        parts[2] = str(int(parts[2]) + self.seconds).encode()
                        data = b"\r\n".join(parts)
                    client.sendall(data)

            threading.Thread(target=answers, daemon=True).start()
            while data := client.recv(65536):
                if data.endswith(b"\r\nTIME\r\n"):
                    asked.set()
                there.sendall(data)

    def close(self):
        self.server.close()


@pytest.mark.parametrize("seconds,words", [(10, "10.0 s behind Redis"),
                                           (-3, "3.0 s ahead of Redis")])
def test_a_clock_that_is_wrong(scene, seconds, words):
    clock = LateClock(scene.redis.address, seconds)
    try:
        found = scene.doctor.checks(redis=clock.address)
    finally:
        clock.close()
    for check in ("clock of this host", "clock of relay r1"):
        assert found[check][0] == "warning", found[check]
        assert "synchronise the clocks" in found[check][2]
        # an announcement is as old as the time to live of its key says, about
        assert words.split()[-1] in found[check][1]
    assert words in found["clock of this host"][1]


# Names and doors.


def test_a_wildcard_that_is_not_there(scene):
    with Dns(known={f"r1.{DOMAIN}"}) as dns:
        scene.doctor.finds(f"dns *.{DOMAIN}", "FAIL", "no such host name", "A and AAAA",
                           dns=dns.address)


def test_a_wildcard_that_leads_elsewhere(scene):
    scene.doctor.finds(f"dns *.{DOMAIN}", "FAIL", "127.0.0.1, but not 192.0.2.7",
                       address=["192.0.2.7"])


def test_a_name_server_that_is_silent_costs_seconds(scene):
    with Dns(silent=True) as dns:
        start = time.monotonic()
        found = scene.doctor.checks(UNAVAILABLE, dns=dns.address, redis_timeout="500ms")
        assert time.monotonic() - start < 10
    assert found[f"dns *.{DOMAIN}"][0] == found["dns of relay r1"][0] == "FAIL"
    assert "no answer" in found[f"dns *.{DOMAIN}"][1]


def test_custom_domains(scene):
    """Each must lead here, and have a certificate where it does."""
    shop, late = "shop.customer.test", "late.customer.test"
    ctl = scene.redis.access("taupectl")
    for host, *words in ((shop, "--on-my-word"), (late,), (f"alarm.{DOMAIN}",)):
        argv = [binary("taupectl"), "--config", "/dev/null"]
        for key, value in ctl.items():
            argv += ["--" + key.replace("_", "-"), str(value)]
        subprocess.run([*argv, "domain", "add", host, "alice/web", *words], check=True,
                       capture_output=True, timeout=30)
    scene.cluster.wait_served(shop)
    try:
        found = scene.doctor.checks(UNAVAILABLE)
        assert found[f"dns of {shop}"][0] == "FAIL" and "no such host" in found[f"dns of {shop}"][1]
        assert found[f"domain {late}"][0] == "skipped"
        assert not [check for check in found if "alarm" in check]
        with Dns() as dns:  # knows all names
            found = scene.doctor.checks(UNAVAILABLE, dns=dns.address)
            assert found[f"dns of {shop}"] == ("ok", "leads here", None)
            result, seen, advice = found[f"certificate of {shop}"]
            assert result == "FAIL" and "not to be trusted" in seen and "cert load" in advice
    finally:
        for host in (shop, late, f"alarm.{DOMAIN}"):
            subprocess.run([*argv, "domain", "rm", host], check=True, capture_output=True, timeout=30)


def test_a_port_that_is_closed(scene):
    port = ports.take()
    found = scene.doctor.checks(UNAVAILABLE, https_port=port)
    assert found[f"port {port} of 127.0.0.1"][0] == "FAIL"
    assert "Connection refused" in found[f"port {port} of 127.0.0.1"][1]
    assert "firewall" in found[f"port {port} of 127.0.0.1"][2]


class Anything(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # pylint: disable=invalid-name
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_a_port_where_something_else_answers(scene):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Anything) as server:
        Thread(server.serve_forever)
        scene.doctor.finds("answer of 127.0.0.1", "warning", "status 200", "haproxy.cfg",
                           http_port=server.server_port)
        server.shutdown()


# HAProxy and relays.


def test_no_haproxy_at_the_socket(scene, tmp_path):
    scene.doctor.finds("haproxy", "FAIL", "No such file", "stats socket",
                       haproxy=tmp_path / "none.sock")


def test_commands_that_are_too_long_for_haproxy(scene):
    scene.doctor.finds("haproxy bufsize", "FAIL", "tune.bufsize is 16384", "haproxy_bufsize",
                       haproxy_bufsize=32768)


def test_a_relay_with_too_few_descriptors(scene):
    config = {"name": "r2", "wrapper": ["prlimit", "--nofile=1000"]}
    relay = scene.cluster.add_relay(**config)
    try:
        until("it is announced", lambda: scene.redis.client.exists("taupe:relay:r2"))
        scene.doctor.finds("relay r2 limits", "FAIL", "1000 file descriptors", "5000 agents",
                           "LimitNOFILE")
        scene.redis.client.hset("taupe:drain", "r2", "1")
        until("it drains", lambda: relay.api("status")["draining"])
        found = scene.doctor.checks(UNAVAILABLE)
        assert found["relay r2"][0] == "warning" and "undrain" in found["relay r2"][2]
    finally:
        relay.process.stop()


def test_a_relay_that_died_without_a_word(group):
    """Its agent cannot go elsewhere."""
    redis = Redis(group)
    cluster = Cluster(group, relays=1, redis=redis, announce="1s", capacity=5000)
    services = SampleServices(group, "web")
    agent = cluster.agent("bob", [f"web:http:{services.target('web', 'http')}"])
    agent.process.freeze()
    cluster.relay.process.kill()
    doctor = Doctor(**redis.access("taupectl"), haproxy=cluster.haproxy.socket,
                    http_port=0, https_port=0)
    until("its announcement is over", lambda: not redis.client.exists("taupe:relay:r1"))
    found = doctor.checks(UNAVAILABLE)
    assert found["relays"][:2] == ("FAIL", "none is alive")
    assert found["sessions"][0] == "warning" and "bob among them" in found["sessions"][1]
    agent.process.thaw()


def test_a_dead_redis_costs_seconds_and_says_so():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        found = Doctor(redis=f"127.0.0.1:{silent.getsockname()[1]}", redis_timeout="500ms",
                       haproxy="/nonexistent/socket").checks(UNAVAILABLE)
        assert time.monotonic() - start < 5
    assert found["redis"][0] == "FAIL"
    assert found["registry"][0] == found["dns"][0] == "skipped"


# A relay that stands alone.


def test_alone(group):
    with Dns() as dns:
        scene = Standalone(group, capacity=5000)
        doctor = Doctor(devices_file=scene.devices_file, dns=dns.address,
                        admin=f"127.0.0.1:{scene.relay.admin_port}",
                        http_port=scene.front_port, https_port=0)
        found = doctor.checks()
        assert {kind for name, (kind, _, _) in found.items() if name != "haproxy"} == {"ok"}, found
        assert found["haproxy"][0] == "skipped"
        assert "--haproxy" in found["haproxy"][2]
        for check in ("devices file", "relay", "relay r1 limits", "clock of this host",
                      f"dns *.{DOMAIN}", f"port {scene.front_port} of 127.0.0.1",
                      "answer of 127.0.0.1", "agents' door of r1"):
            assert check in found, check
        scene.devices_file.write_text("nonsense\n")
        found = doctor.checks(UNAVAILABLE)
        assert found["devices file"][0] == "FAIL"
        assert found["devices file"][1].startswith(f"{scene.devices_file}:1: ")
        scene._write()
        scene.relay.process.stop()
        found = doctor.checks(UNAVAILABLE)
        assert found["relay"][0] == "FAIL" and "admin_listen" in found["relay"][2]
