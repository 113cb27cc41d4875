# SPDX-License-Identifier: MIT
"""Further host names of services: a custom domain leads nowhere until it is proved, an alias at once;
both go where their device goes, and end when they are removed."""
import json
import os
import re
import signal
import ssl
import subprocess

import pytest

from harness.fakes import Dns
from harness.process import binary
from harness.programs import Certificate, SampleServices
from harness.scenes import Cluster, Standalone
from harness.visitors import get
from harness.wait import until
from test_tls_passthrough import TlsService

USAGE, DATAERR, NOUSER, UNAVAILABLE, CANTCREAT, TEMPFAIL = 64, 65, 67, 69, 73, 75
SHOP, DOMAIN = "shop.customer.test", "example.test"


class Scene:
    def __init__(self, group, dns):
        self.dns = dns
        self.folder = group.folder / "certs"
        self.folder.mkdir()
        made = Certificate(group.folder / "wildcard", f"*.{DOMAIN}")
        (self.folder / "wildcard.pem").write_text(made.bundle.read_text())
        self.cluster = Cluster(group, relays=2, announce="100ms",
                               haproxy={"TAUPE_CERTS": str(self.folder)})
        self.client = self.cluster.redis.client
        self.services = SampleServices(group, "home", "other")
        tls = TlsService()
        tls.context.load_cert_chain(made.chain, made.key)
        self.agents = {}
        for name, service in (("alice", "home"), ("bob", "other")):
            self.agents[name] = self.cluster.agent(
                self.cluster.device(name, label=name),
                [f"web:http:{self.services.target(service, 'http')}",
                 f"admin:http:{self.services.target(service, 'http')}",
                 f"raw:tcp:{self.services.target(service, 'tcp')}",
                 f"seal:tls:{tls.target}"])
        for name, agent in self.agents.items():
            agent.wait_connected()
            self.cluster.wait_served(f"{name}.{DOMAIN}")

    def run(self, *words, **options):
        argv = [binary("taupectl"), "--config", "/dev/null"]
        for key, value in {**self.cluster.redis.access("taupectl"), "dns": self.dns.address,
                           **options}.items():
            argv += ["--" + key.replace("_", "-"), str(value)]
        return subprocess.run([*argv, *words], capture_output=True, text=True, timeout=30,
                              check=False)

    def ctl(self, *words, **options):
        done = self.run(*words, **options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def fails(self, status, message, *words, **options):
        done = self.run(*words, **options)
        assert (done.returncode, done.stdout) == (status, ""), done
        assert re.search(message, done.stderr), done.stderr

    def add(self, host, place, *words):
        return json.loads(self.ctl("--json", "domain", "add", host, place, *words))

    def prove(self, host, place):
        made = self.add(host, place)
        self.dns.texts[made["txt"]["name"]] = [["v=spf1 -all"], [made["txt"]["value"]]]
        self.ctl("domain", "verify", host)

    def body(self, host):
        answer = self.cluster.get(host)
        return answer.status, answer.text if answer.status == 200 else ""

    def leads(self, host, to):
        """Until the name leads to the service, "" to none."""
        wanted = (200, to) if to else (404, "")
        until(f"{host} leads to {to or 'nobody'}", lambda: self.body(host) == wanted or None)

    def keys(self):
        return {key for key in self.client.scan_iter("taupe:host:*")}


@pytest.fixture(scope="module")
def scene(module_group):
    with Dns(known=set()) as dns:
        yield Scene(module_group, dns)


@pytest.fixture(autouse=True)
def nothing_left(scene):
    yield
    for key in scene.client.hkeys("taupe:reserved"):
        if key.startswith("host/"):
            scene.ctl("domain", "rm", key.removeprefix("host/"))
    until("no key is left", lambda: not scene.keys() or None)
    assert {key for key in scene.client.hkeys("taupe:reserved")} == {"label/alice", "label/bob"}


def test_a_domain_leads_nowhere_until_it_is_proved(scene):
    told = scene.ctl("domain", "add", "Shop.Customer.Test.", "alice/web")
    assert f"{SHOP}. CNAME alice.{DOMAIN}." in told
    name, value = re.search(r'^(\S+)\. TXT "(.+)"$', told, re.M).groups()
    assert name == f"_taupe.{SHOP}" and re.fullmatch("taupe-proof=[0-9a-f]{32}", value)
    scene.fails(TEMPFAIL, f"{name} has no TXT record: it must have \"{value}\"",
                "domain", "verify", SHOP)
    scene.dns.texts[name] = [["taupe-proof=" + "0" * 32], [value + " "], [value, "x"], [value[:-1]]]
    scene.fails(TEMPFAIL, f"{name} has another TXT record", "domain", "verify", SHOP)
    listed, = json.loads(scene.ctl("--json", "domain", "ls"))["domains"]
    assert listed["proof"] == "pending" and "proved_ms" not in listed
    # and neither of them has let anybody in meanwhile
    assert scene.body(SHOP)[0] == 404 and f"http/{SHOP}" not in scene.client.hkeys("taupe:routes")
    scene.dns.texts[name] = [["other"], [value[:20], value[20:]]]
    assert f"{SHOP} is proved, and leads to alice/web." in scene.ctl("domain", "verify", SHOP)
    scene.leads(SHOP, "home")
    listed, = json.loads(scene.ctl("--json", "domain", "ls"))["domains"]
    assert listed["proof"] == "txt" and listed["proved_ms"] >= listed["created_ms"]
    assert scene.client.hget("taupe:routes", f"http/{SHOP}") == scene.client.hget(
        "taupe:routes", f"http/alice.{DOMAIN}")
    shown = scene.ctl("device", "show", "alice")
    assert f"host       {SHOP} -> web, txt" in shown and f"route      http/{SHOP} ->" in shown
    assert f"http/{SHOP}" in scene.ctl("route", "ls")
    # the record has gone: it says so, and changes nothing
    del scene.dns.texts[name]
    scene.fails(TEMPFAIL, f"{SHOP} goes on leading to alice/web", "domain", "verify", SHOP)
    scene.ctl("domain", "rm", SHOP)
    scene.leads(SHOP, "")
    scene.fails(NOUSER, "is no further name of a device", "domain", "rm", SHOP)
    scene.fails(NOUSER, "is no further name of a device", "domain", "verify", SHOP)


def test_nobody_answers_for_the_record(scene):
    scene.add(SHOP, "alice/web")
    with Dns(silent=True) as silent:
        scene.fails(TEMPFAIL, "cannot be asked for: no name server answers", "domain", "verify",
                    SHOP, dns=silent.address, redis_timeout="1s")
    assert scene.body(SHOP)[0] == 404


def test_the_word_of_the_operator_and_an_alias_are_enough(scene):
    scene.add(SHOP, "alice/web", "--on-my-word")
    scene.add(f"alarm.{DOMAIN}", "alice/admin")
    scene.leads(SHOP, "home")
    scene.leads(f"alarm.{DOMAIN}", "home")
    proofs = {host["host"]: host["proof"]
              for host in json.loads(scene.ctl("--json", "domain", "ls"))["domains"]}
    assert proofs == {SHOP: "word", f"alarm.{DOMAIN}": "alias"}
    assert scene.client.hget("taupe:reserved", "label/alarm") == "alice"
    scene.fails(UNAVAILABLE, "there is nothing to prove", "domain", "verify", f"alarm.{DOMAIN}")
    scene.fails(CANTCREAT, "label alarm is reserved for the device alice", "device", "add", "carol",
                "--label", "alarm")


def test_two_devices_want_the_same(scene):
    scene.add(SHOP, "alice/web")
    scene.add(f"alarm.{DOMAIN}", "alice/web")
    for host in (SHOP, f"alarm.{DOMAIN}"):
        for place in ("bob/web", "alice/admin"):
            scene.fails(CANTCREAT, f"{host} is a name of the device alice already: choose another "
                        f"one, or taupectl domain rm {host} first", "domain", "add", host, place)
    # it goes over when it is free, and what the first one's relay does late changes nothing
    scene.ctl("domain", "rm", SHOP)
    scene.add(SHOP, "bob/web", "--on-my-word")
    scene.leads(SHOP, "other")
    for turn in range(4):
        here, there = (("bob", "alice"), ("alice", "bob"))[turn % 2]
        scene.ctl("domain", "rm", SHOP)
        scene.add(SHOP, f"{there}/web", "--on-my-word")
        assert scene.client.hget("taupe:reserved", f"host/{SHOP}") == there != here
    scene.leads(SHOP, "other")
    until("alice has let go", lambda: not scene.client.sismember(
        "taupe:owned:device:alice", f"http/{SHOP}") or None)
    assert scene.client.get(f"taupe:host:{SHOP}") == "bob"


BAD_NAMES = [
    ("*.customer.test", DATAERR, "is a wildcard: add each name by itself"),
    ("192.0.2.1", DATAERR, "is an address"),
    ("2001:db8::1", DATAERR, "is an address"),
    ("[2001:db8::1]", DATAERR, "is an address"),
    ("1.2.3", DATAERR, "is no host name"),
    ("my_shop.customer.test", DATAERR, "no underscore"),
    ("bücher.example", DATAERR, "xn-- form"),
    ("shop", DATAERR, "is no host name"),
    ("https://shop.customer.test/", DATAERR, "is no host name"),
    ("shop.customer.test:443", DATAERR, "is no host name"),
    ("shop..test", DATAERR, "is no host name"),
    ("shop-.customer.test", DATAERR, "is no host name"),
    (".".join(["a" * 60] * 4) + ".test", DATAERR, "too long: 246 at most"),
    ("a" * 64 + ".test", DATAERR, "is no host name"),
    (DOMAIN, DATAERR, "is the cluster's own domain"),
    (f"a.b.{DOMAIN}", DATAERR, "one label of 3 to 40"),
    (f"carol--web.{DOMAIN}", DATAERR, "one label of 3 to 40"),
    (f"ab.{DOMAIN}", DATAERR, "one label of 3 to 40"),
    (f"alice.{DOMAIN}", CANTCREAT, "is that device's own name already"),
    (f"bob.{DOMAIN}", CANTCREAT, "label bob is reserved for the device bob"),
]


def test_what_is_no_name_is_told(scene):
    for host, status, message in BAD_NAMES:
        scene.fails(status, message, "domain", "add", host, "alice/web")


def test_what_is_no_service_is_told(scene):
    scene.fails(DATAERR, "raw of alice is a tcp service", "domain", "add", SHOP, "alice/raw")
    scene.fails(DATAERR, "is no DEVICE/SERVICE", "domain", "add", SHOP, "alice")
    scene.fails(NOUSER, "there is no device carol", "domain", "add", SHOP, "carol/web")
    scene.fails(USAGE, "DEVICE/SERVICE is missing", "domain", "add", SHOP)
    scene.fails(USAGE, "the host name is missing", "domain", "rm")
    scene.fails(USAGE, "too many words", "domain", "add", SHOP, "alice/web", "more")
    scene.fails(USAGE, "on_my_word belongs to domain add", "domain", "rm", SHOP, "--on-my-word")


def test_a_label_that_another_device_leases_is_no_alias(scene):
    agent = scene.cluster.agent("dave", [f"web:http:{scene.services.target('home', 'http')}"])
    agent.wait_connected()
    host = agent.host()
    scene.fails(CANTCREAT, f"label {host.split('.')[0]} is leased to the device dave",
                "domain", "add", host, "alice/web")
    agent.stop()
    scene.ctl("device", "rm", "dave")
    until("its lease is over", lambda: not scene.client.exists("taupe:lease:dave") or None)
    # it rests, and the operator's word ends that
    scene.add(host, "alice/web")
    scene.leads(host, "home")
    assert not scene.client.exists(f"taupe:label:{host.split('.')[0]}")
    scene.ctl("domain", "rm", host)
    scene.leads(host, "")


def test_a_relays_name_is_no_devices(scene):
    # one more, as the first has announced itself, full
    like = scene.client.hgetall(f"taupe:relay:{scene.cluster.relays[0].name}")
    scene.client.hset("taupe:relay:door", mapping={**like, "url": f"wss://Door.{DOMAIN}:8443",
                                                   "agents": like["capacity"]})
    scene.client.zadd("taupe:relays", {"door": 1e9})
    try:
        where = f"door.{DOMAIN} is where agents find the relay door: choose another"
        scene.fails(CANTCREAT, f"{where} name", "domain", "add", f"door.{DOMAIN}", "alice/seal")
        scene.fails(CANTCREAT, f"{where} label", "device", "add", "carol", "--label", "door")
    finally:
        scene.client.zrem("taupe:relays", "door")
        scene.client.delete("taupe:relay:door")


def test_one_that_makes_no_sense_hides_no_others(scene):
    """Of a later version, perhaps."""
    scene.add(SHOP, "alice/web")
    scene.client.hset("taupe:device:ghost", "host/odd.customer.test", "proof=prayer")
    scene.client.hset("taupe:reserved", "host/odd.customer.test", "ghost")
    listed = json.loads(scene.ctl("--json", "domain", "ls"))["domains"]
    scene.client.hdel("taupe:reserved", "host/odd.customer.test")
    scene.client.delete("taupe:device:ghost")
    assert [host["host"] for host in listed] == [SHOP]


def test_many_are_listed_in_order(scene):
    text = "service=web&proof=pending&created_ms=1&token=" + "0" * 32
    hosts = [f"n{number:04}.customer.test" for number in range(1000)]
    fields = {f"host/{host}": text for host in hosts}
    scene.client.hset("taupe:device:ghost", mapping=fields)
    scene.client.hset("taupe:reserved", mapping=dict.fromkeys(fields, "ghost"))
    listed = json.loads(scene.ctl("--json", "domain", "ls"))["domains"]
    assert ("1000 labels, ports or further names are reserved for devices that are gone"
            in scene.run("status").stdout)
    scene.client.hdel("taupe:reserved", *fields)
    scene.client.delete("taupe:device:ghost")
    assert [host["host"] for host in listed] == hosts


def test_no_more_than_32(scene):
    text = "service=web&proof=pending&created_ms=1&token=" + "0" * 32
    others = [f"host/n{number}.customer.test" for number in range(31)]
    scene.client.hset("taupe:device:alice", mapping=dict.fromkeys(others, text))
    scene.add("last.customer.test", "alice/web")
    scene.fails(DATAERR, "alice has 32 further names", "domain", "add", SHOP, "alice/web")
    scene.add(SHOP, "bob/web")
    scene.client.hdel("taupe:device:alice", *others)


def test_a_domain_with_a_certificate_of_its_own(scene, tmp_path):
    scene.prove(SHOP, "alice/web")
    scene.leads(SHOP, "home")
    made = Certificate(tmp_path / "shop", SHOP)
    upload = tmp_path / f"{SHOP}.pem"
    upload.write_text(made.bundle.read_text())
    with pytest.raises(ssl.SSLError):
        get(scene.cluster.haproxy.tls, SHOP, sni=SHOP, cafile=str(made.ca))
    scene.ctl("cert", "load", str(upload), haproxy=scene.cluster.haproxy.socket,
              certs=scene.folder)
    answer = get(scene.cluster.haproxy.tls, SHOP, "/name", sni=SHOP, cafile=str(made.ca))
    assert (answer.status, answer.text) == (200, "home")


def test_a_tls_service_is_found_by_its_domain(scene):
    scene.add(SHOP, "alice/seal", "--on-my-word")
    until("it leads there", lambda: f"sni/{SHOP}" in scene.client.hkeys("taupe:routes") or None)
    until("the device answers", lambda: get(
        scene.cluster.haproxy.tls, SHOP, "/9", sni=SHOP).status == 200 or None)


def test_rules_and_share_links_hold_for_all_names(scene):
    scene.add(SHOP, "alice/web", "--on-my-word")
    scene.leads(SHOP, "home")
    scene.ctl("device", "set", "alice", "--access", "web=private")
    scene.cluster.wait_served(SHOP, status=403)
    scene.cluster.wait_served(f"alice.{DOMAIN}", status=403)
    link = scene.ctl("share", "alice/web", "--for", "1h").strip()
    assert link.split("/")[2] == f"alice.{DOMAIN}"
    link = scene.ctl("share", "alice/web", "--for", "1h", "--url", f"http://{SHOP}").strip()
    opened = scene.cluster.get(SHOP, link.removeprefix(f"http://{SHOP}"))
    assert opened.status == 303
    cookie = opened.header("set-cookie").split(";")[0]
    assert scene.cluster.get(SHOP, fields=[("Cookie", cookie)]).text == "home"
    scene.ctl("device", "set", "alice", "--access", "web=public")
    scene.leads(SHOP, "home")


def test_it_goes_where_its_device_goes(scene):
    scene.prove(SHOP, "alice/web")
    scene.leads(SHOP, "home")
    before = scene.client.hget("taupe:routes", f"http/{SHOP}")
    where = scene.client.hget("taupe:lease:alice", "relay")
    scene.ctl("relay", "drain", where)
    until("it is elsewhere", lambda: scene.client.hget("taupe:lease:alice", "relay") != where or None)
    until("its names have followed", lambda: scene.client.hget(
        "taupe:routes", f"http/{SHOP}") not in (before, None) or None)
    assert scene.client.hget("taupe:routes", f"http/{SHOP}") == scene.client.hget(
        "taupe:routes", f"http/alice.{DOMAIN}")
    scene.leads(SHOP, "home")
    scene.ctl("relay", "undrain", where)
    # its relay is another process: the same listener, and HAProxy's maps stay as they are
    relay, = (relay for relay in scene.cluster.relays if relay.name != where)
    before = scene.client.hget("taupe:routes", f"http/{SHOP}")
    sessions = scene.agents["alice"].welcomes()
    relay.process.kill()
    relay.start()
    scene.agents["alice"].wait_connected(sessions + 1)
    scene.leads(SHOP, "home")
    if scene.client.hget("taupe:lease:alice", "relay") == relay.name:
        after = scene.client.hget("taupe:routes", f"http/{SHOP}")
        assert after.split(",")[:2] == before.split(",")[:2]


def test_redis_is_restarted_and_comes_back_empty(scene):
    scene.prove(SHOP, "alice/web")
    scene.leads(SHOP, "home")
    saved = {key: scene.client.hgetall(key) for key in
             ("taupe:device:alice", "taupe:device:bob", "taupe:device:nobody", "taupe:reserved")}
    scene.cluster.redis.restart_empty()
    scene.client = scene.cluster.redis.client
    # the relays write again what they hold, though nothing is reserved
    until("its names are there again", lambda: {f"http/{SHOP}", f"http/alice.{DOMAIN}"} <= set(
        scene.client.hkeys("taupe:routes")) or None, 20)
    for key, fields in saved.items():
        scene.client.hset(key, mapping=fields)
    scene.client.sadd("taupe:devices", "alice", "bob", "nobody")
    # what the router misses when it reads them all it keeps for a while: it has read them by then
    scene.cluster.router.process.wait_line("reading all routes again")
    scene.add(f"alarm.{DOMAIN}", "alice/web")
    scene.leads(f"alarm.{DOMAIN}", "home")
    scene.leads(SHOP, "home")
    scene.ctl("domain", "rm", SHOP)
    scene.leads(SHOP, "")


def test_what_a_relay_has_missed_it_reads(scene):
    """Its link to Redis was away for longer than the stream of changes goes back."""
    scene.add(SHOP, "alice/web", "--on-my-word")
    scene.leads(SHOP, "home")
    sessions = scene.agents["alice"].welcomes()
    relay, = (relay for relay in scene.cluster.relays
              if relay.name == scene.client.hget("taupe:lease:alice", "relay"))
    os.kill(relay.process.pid, signal.SIGSTOP)
    try:
        for link in scene.client.client_list():
            if link["name"].startswith(f"taupe-relay:{relay.name}"):
                scene.client.client_kill(link["addr"])
        scene.ctl("domain", "rm", SHOP)
        scene.ctl("device", "set", "alice", "--access", "web=private")
        scene.client.xtrim("taupe:events", maxlen=0, approximate=False)
    finally:
        os.kill(relay.process.pid, signal.SIGCONT)
    scene.cluster.wait_served(f"alice.{DOMAIN}", status=403)
    scene.leads(SHOP, "")
    scene.ctl("device", "set", "alice", "--access", "web=public")
    scene.leads(f"alice.{DOMAIN}", "home")
    # nobody was sent away for it
    assert scene.agents["alice"].welcomes() == sessions


def test_a_removed_device_leaves_no_name(scene):
    agent = scene.cluster.agent("erin", [f"web:http:{scene.services.target('home', 'http')}"])
    agent.wait_connected()
    scene.add(SHOP, "erin/web", "--on-my-word")
    scene.add(f"alarm.{DOMAIN}", "erin/web")
    scene.leads(SHOP, "home")
    scene.ctl("device", "rm", "erin")
    scene.leads(SHOP, "")
    scene.leads(f"alarm.{DOMAIN}", "")
    assert not scene.client.hexists("taupe:reserved", f"host/{SHOP}")
    agent.stop()


# A relay that stands alone.


@pytest.fixture(scope="module")
def alone(module_group, scene):
    place = Standalone(module_group, "alone")
    place.alice = place.agent("alice", [f"web:http:{scene.services.target('home', 'http')}"])
    place.alice.wait_connected()

    def ctl(*words, status=0, **options):
        argv = [binary("taupectl"), "--config", "/dev/null", "--devices-file", place.devices_file,
                "--admin", f"127.0.0.1:{place.relay.admin_port}", "--dns", scene.dns.address]
        done = subprocess.run([*map(str, argv), *words], capture_output=True, text=True,
                              timeout=30, check=False)
        assert done.returncode == status, done.stderr
        return done.stderr if status else done.stdout
    place.ctl = ctl
    return place


def test_alone_the_front_finds_it_by_host(alone, scene):
    made = json.loads(alone.ctl("--json", "domain", "add", SHOP, "alice/web"))
    assert made["cname"] == f"{alone.alice.label}.{DOMAIN}"
    assert alone.get(SHOP).status == 404
    scene.dns.texts[made["txt"]["name"]] = [[made["txt"]["value"]]]
    alone.ctl("domain", "verify", SHOP)
    until("it leads there", lambda: alone.get(SHOP).status == 200 or None)
    alone.ctl("domain", "add", f"alarm.{DOMAIN}", "alice/web")
    until("so does the alias", lambda: alone.get(f"alarm.{DOMAIN}").status == 200 or None)
    assert {host["host"] for host in json.loads(alone.ctl("--json", "domain", "ls"))["domains"]} == {
        SHOP, f"alarm.{DOMAIN}"}
    alone.ctl("device", "add", "bob")
    assert "is a name of the device alice already" in alone.ctl(
        "domain", "add", SHOP, "bob/web", status=CANTCREAT)
    assert "label alarm is reserved for the device alice" in alone.ctl(
        "device", "add", "carol", "--label", "alarm", status=CANTCREAT)
    # a connection that was let in by the name ends with it
    with alone.visit(SHOP) as visitor:
        assert visitor.get("/name").status == 200
        alone.ctl("domain", "rm", SHOP)
        until("it leads nowhere", lambda: alone.get(SHOP).status == 404 or None)
        assert visitor.get("/name").status != 200
    alone.ctl("domain", "rm", f"alarm.{DOMAIN}")
    until("nor does the alias", lambda: alone.get(f"alarm.{DOMAIN}").status == 404 or None)
