# SPDX-License-Identifier: MIT
"""The admin API, with a registry in Redis and one in memory: each call does what it says, answers
as docs/openapi.json says, to who may make it and to nobody else; and every change is audited."""
import base64
import http.client
import json
import secrets
import subprocess
import threading
import time

import pytest

from harness import marks, ports
from harness.api import DOCUMENT, PREFIX, Api
from harness.fakes import Dns
from harness.process import binary
from harness.programs import Agent, Device, Redis, Relay, SampleServices
from harness.scenes import Standalone
from harness.visitors import get
from harness.wait import until


def token_of(access, name, role, *words):
    argv = [binary("taupectl"), "--config", "/dev/null"]
    for key, value in access.items():
        argv += ["--" + key.replace("_", "-"), str(value)]
    done = subprocess.run([*argv, "token", "add", name, "--role", role, *words],
                          capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    text = done.stdout.strip()
    assert text.startswith(name + ".")
    return text


class Scene:
    def __init__(self, group, relay, access):
        self.group, self.relay, self.access = group, relay, access
        self.tokens = {role: token_of(access, f"{role}er", role)
                       for role in ("read", "operate", "admin")}
        self.api = Api(relay, self.tokens["admin"])
        self.services = SampleServices(group, "web")

    def agent(self, name, **body):
        device = Device(name)
        device.secret = self.api.ok("POST", "/devices", {"name": name, **body})["secret"]
        return Agent(self.group, device, [self.relay],
                     [f"web:http:{self.services.target('web', 'http')}"])

    def ctl(self, *words):
        argv = [binary("taupectl"), "--config", "/dev/null"]
        for key, value in self.access.items():
            argv += ["--" + key.replace("_", "-"), str(value)]
        return subprocess.run([*argv, *words], capture_output=True, text=True, timeout=30,
                              check=False)


def fetch(address, host, size):
    connection = http.client.HTTPConnection(*address, timeout=10)
    connection.request("GET", f"/bytes/{size}", headers={"Host": host})
    assert len(connection.getresponse().read()) == size
    connection.close()


class ClusterScene(Scene):
    """Without HAProxy: what would stand in its maps."""

    def enforces(self, mode, device):
        def holds():
            values = [self.redis.client.hget("taupe:routes", key) for key in
                      self.redis.client.smembers(f"taupe:owned:device:{device}")
                      if key.startswith("http/")]
            return [(*value.split(","), "public")[3] for value in values if value] == [mode]
        until(f"the route says {mode}", holds)

    def send(self, device, size):
        routes = until("it has a route", lambda: [
            route for route in self.api.ok("GET", f"/devices/{device}")["routes"]
            if route["key"].startswith("http/")])
        host, (ip, port, _) = routes[0]["key"][5:], routes[0]["value"].split(",")
        fetch((ip, int(port)), host, size)

    def opens(self, device, link, wanted):
        claims = json.loads(base64.urlsafe_b64decode(link.split(".")[1] + "=="))
        self.enforces("private", device)
        until(f"the link is {'good' if wanted else 'over'}", lambda: wanted != bool(
            self.redis.client.hexists("taupe:routes", f"revoked/{claims['jti']}")))


class AloneScene(Scene):
    """With the front, which visitors come to."""

    def get(self, device, path="/name"):
        return get(self.front, self.host(device), path)

    def host(self, device):
        url = until("it has a URL", lambda: self.api.ok("GET", f"/devices/{device}")["urls"])[0]
        return url.split("/")[2].split(":")[0]

    def send(self, device, size):
        fetch(self.front, self.host(device), size)

    def enforces(self, mode, device):
        status = {"public": 200, "password": 401, "allow": 403, "private": 403}[mode]
        until(f"visitors get {status}", lambda: self.get(device).status == status)

    def opens(self, device, link, wanted):
        until(f"the link answers {wanted}", lambda: (
            self.get(device, f"/.taupe/share/{link}").status == 303) == wanted)


@pytest.fixture(scope="module")
def dns():
    with Dns(known=set()) as server:
        yield server


def redis_scene(group, **config):
    redis = Redis(group)
    redis.add(Device("nobody"))
    access = redis.access("taupectl")
    block = ports.take_block()
    relay = Relay(group, announce="100ms", service_listen=f"127.0.0.1:{block}-{block + 9}",
                  admin_redis_user="taupe-api", admin_redis_password_file=redis.password_file,
                  **redis.access("taupe-relay"), **config)
    scene = ClusterScene(group, relay, access)
    scene.redis = redis
    until("the relay is announced", lambda: redis.client.exists("taupe:relay:r1"))
    return scene


@pytest.fixture(scope="module")
def cluster(module_group, dns):
    scene = redis_scene(module_group, admin_dns=dns.address)
    scene.dns = dns
    return scene


@pytest.fixture(scope="module")
def alone(module_group, dns):
    place = Standalone(module_group, name="alone", admin_dns=dns.address)
    scene = AloneScene(module_group, place.relay, {"devices_file": place.devices_file})
    scene.front, scene.dns = place.front, dns
    return scene


@pytest.fixture(params=["cluster", "alone"])
def scene(request):
    return request.getfixturevalue(request.param)


def test_a_device_from_its_birth_to_its_end(scene):
    api = scene.api
    agent = scene.agent("alice", label="shop", ports={"ssh": 20022}, limits={"max_visitors": 5})
    found = until("she is online", lambda: next(
        (device for device in [api.ok("GET", "/devices/alice")] if device["online"]), None))
    assert (found["label"], found["ports"]) == ("shop", {"ssh": 20022})
    assert found["limits"] == {"max_visitors": 5}
    assert found["lease"]["label"] == "shop"
    assert found["session"]["from"].startswith("127.0.0.1")
    until("her URL is known", lambda: any(
        "shop.example.test" in url for url in api.ok("GET", "/devices/alice")["urls"]))
    changed = api.ok("PATCH", "/devices/alice", {"limits": {"max_visitors": None,
                                                            "device_rate": 100000}})
    assert changed["limits"] == {"device_rate": 100000}
    quota = {"quota_month": 5 << 30, "quota_action": "slow", "quota_rate": 1000}
    changed = api.ok("PATCH", "/devices/alice", {"limits": {"device_rate": None, **quota}})
    assert changed["limits"] == api.ok("GET", "/devices/alice")["limits"] == quota
    assert api.ok("PUT", "/devices/alice", {"limits": {"max_visitors": 7}})["limits"] == {
        "max_visitors": 7}
    api.fails(409, "PUT", "/devices/alice", {"label": "other"}, "cannot be changed")
    api.fails(409, "POST", "/devices", {"name": "alice"}, "a device alice already")
    api.fails(409, "POST", "/devices", {"name": "bob", "label": "shop"}, "reserved for")
    # kicked, she comes again
    welcomes = agent.welcomes()
    assert api.ok("POST", "/devices/alice/kick") == {"kicked": "alice"}
    agent.wait_connected(count=welcomes + 1)
    # another secret by her agent, then one that she has not
    assert api.ok("POST", "/devices/alice/rotate")["rotation"] == "asked"
    until("the agent has drawn it",
          lambda: api.ok("GET", "/devices/alice")["rotation"] is None)
    assert len(api.ok("POST", "/devices/alice/rotate", {"now": True})["secret"]) == 43
    agent.process.wait_line("revoked")
    assert api.call("DELETE", "/devices/alice")[0] == 204
    api.fails(404, "GET", "/devices/alice", match="no device alice")
    for method, path in (("DELETE", ""), ("POST", "/kick"), ("POST", "/rotate")):
        api.fails(404 if path != "/kick" or hasattr(scene, "redis") else 409, method,
                  f"/devices/alice{path}")


def test_a_device_may_be_put(scene):
    first = scene.api.call("PUT", "/devices/put", {"label": "put-here"})
    assert first[0] == 201 and len(first[1]["secret"]) == 43
    again = scene.api.call("PUT", "/devices/put", {"label": "put-here", "limits": {}})
    assert again[0] == 200 and again[1]["limits"] == {}
    scene.api.ok("DELETE", "/devices/put")


def test_devices_come_in_pages_and_are_found(scene):
    api = scene.api
    for i in range(7):
        api.ok("POST", "/devices", {"name": f"Page-{i}", **({"label": "needle"} if i == 3 else {})})
    names, after = [], ""
    while after is not None:
        page = api.ok("GET", f"/devices?limit=3&search=pAGe-&after={after}")
        assert len(page["devices"]) <= 3
        names += [device["name"] for device in page["devices"]]
        after = page["next"]
    assert names == [f"Page-{i}" for i in range(7)]
    for search in ("needle", "EEDL"):
        assert [device["name"] for device in
                api.ok("GET", f"/devices?search={search}")["devices"]] == ["Page-3"]
    for search in ("nothing-has-this", "%2a", "%5b"):
        assert api.ok("GET", f"/devices?search={search}") == {"devices": [], "next": None}
    everything = api.ok("GET", "/devices?limit=500")
    assert {f"Page-{i}" for i in range(7)} <= {device["name"] for device in everything["devices"]}
    for query in ("limit=0", "limit=501", "limit=x", "after=%20", "search=" + "x" * 64, "nonsense=1",
                  "search=%zz"):
        api.fails(400, "GET", f"/devices?{query}")
    for i in range(7):
        api.ok("DELETE", f"/devices/Page-{i}")


def test_what_is_at_a_relay_comes_in_pages(scene):
    api, names = scene.api, [f"here-{i}" for i in range(5)]
    for name in names:
        scene.agent(name).wait_connected()
    for path, key in (("/relay/devices", "devices"), ("/routes", "routes")):
        whole = api.ok("GET", f"{path}?search=HERE-")
        assert whole["next"] is None and len(whole[key]) == 5
        pages, after = [], ""
        while after is not None:
            page = api.ok("GET", f"{path}?search=here-&limit=2&after={after}")
            pages.append(page[key])
            after = page["next"]
        assert sum(pages, []) == whole[key] and [len(page) for page in pages] == [2, 2, 1]
        assert [found.get("name") or found["device"] for found in whole[key]] == names
        api.fails(400, "GET", f"{path}?limit=501", match="from 1 to 500")
    for name in names:
        api.ok("DELETE", f"/devices/{name}")


def test_what_others_change_is_listed_at_once(cluster):
    def names():
        return [device["name"] for device in
                cluster.api.ok("GET", "/devices?search=other")["devices"]]

    assert names() == []
    for i in range(5):
        assert cluster.ctl("device", "add", f"other-{i}", "--label", f"else-{i}").returncode == 0
        assert names() == [f"other-{k}" for k in range(i + 1)]
        found = cluster.api.ok("GET", f"/devices?search=else-{i}")["devices"]
        assert [device["name"] for device in found] == [f"other-{i}"]
    assert cluster.ctl("device", "rm", "other-2").returncode == 0
    assert cluster.ctl("device", "add", "other-9").returncode == 0
    assert names() == ["other-0", "other-1", "other-3", "other-4", "other-9"]
    for i in (0, 1, 3, 4, 9):
        cluster.api.ok("DELETE", f"/devices/other-{i}")
    assert names() == []


def test_fleets_and_tokens(scene):
    api = scene.api
    fleet = api.ok("POST", "/fleets", {"name": "probes", "max": 3, "pattern": "p-*"})
    assert fleet["key"].startswith("probes.") and fleet["max"] == 3
    api.fails(409, "POST", "/fleets", {"name": "probes"})
    assert [entry["name"] for entry in api.ok("GET", "/fleets")["fleets"]] == ["probes"]
    api.ok("DELETE", "/fleets/probes")
    api.fails(404, "DELETE", "/fleets/probes")
    made = api.ok("POST", "/tokens", {"name": "short", "role": "read", "for_ms": 86400000})
    assert made["expires_ms"] - made["created_ms"] == 86400000
    api.fails(409, "POST", "/tokens", {"name": "short", "role": "read"})
    assert "short" in {token["name"] for token in api.ok("GET", "/tokens")["tokens"]}
    assert api.ok("GET", "/whoami", token=made["token"])["role"] == "read"
    api.ok("DELETE", "/tokens/short")
    api.fails(401, "GET", "/whoami", token=made["token"])
    api.fails(404, "DELETE", "/tokens/short")
    brief = api.ok("POST", "/tokens", {"name": "brief", "role": "read", "for_ms": 1})["token"]
    until("it has expired", lambda: api.call("GET", "/whoami", token=brief)[0] == 401)
    api.ok("DELETE", "/tokens/brief")
    listed = json.loads(scene.ctl("--json", "token", "ls").stdout)["tokens"]
    assert {token["name"]: token["role"] for token in listed} == {
        "reader": "read", "operateer": "operate", "adminer": "admin"}


def test_relays_drain_where_there_are_others_and_views_tell(scene):
    api = scene.api
    for path in ("/status", "/relays", "/routes", "/relay/devices", "/cluster", "/relay/samples"):
        api.ok("GET", path)
    if not hasattr(scene, "redis"):
        api.fails(409, "POST", "/relays/r1/drain", match="stands alone")
        return
    assert api.ok("POST", "/relays/r1/drain") == {"relay": "r1", "drain": True}
    until("it drains", lambda: api.ok("GET", "/status")["draining"])
    api.ok("POST", "/relays/r1/undrain")
    until("it serves", lambda: not api.ok("GET", "/status")["draining"])
    api.fails(404, "POST", "/relays/nowhere/drain", match="no relay nowhere is alive")


ROLES = ["read", "operate", "admin"]


def test_each_call_needs_the_role_that_is_documented(scene):
    for template, path in DOCUMENT["paths"].items():
        for method, operation in path.items():
            if method == "parameters":
                continue
            needs = operation["description"].split()[-1].rstrip(".")
            target = template.replace("{name}", "there-is-none").replace(
                "{service}", "web").replace("{share}", "0123456789abcdef").replace(
                "{host}", "shop.customer.test")
            for role in ROLES[:ROLES.index(needs)]:
                scene.api.fails(403, method.upper(), target, {} if method != "get" else None,
                                f"needs the role {needs}", token=scene.tokens[role])
            if needs != "read":
                scene.api.fails(401, method.upper(), target, token="")


def test_a_devices_new_secret_is_for_admins(scene):
    scene.api.ok("POST", "/devices", {"name": "desired"})
    path, operate = "/devices/desired/rotate", scene.tokens["operate"]
    scene.api.fails(403, "POST", path, {"now": True}, "needs the role admin", token=operate)
    assert scene.api.ok("POST", path, {"now": False}, token=operate)["rotation"] == "asked"
    assert scene.api.ok("POST", path, {"now": True})["secret"]
    told = [(event["who"], event["outcome"]) for event in scene.api.events()
            if event.get("object") == "desired" and event["what"] == "device rotate now"]
    assert told == [("operateer", "denied"), ("adminer", "done")]
    scene.api.ok("DELETE", "/devices/desired")


def test_events_in_pages(scene):
    began = scene.api.ok("GET", "/events?after=end")
    assert began["events"] == [] and not began["missed"]
    agent = scene.agent("seen")
    agent.wait_connected()
    agent.stop()

    def page():
        found = scene.api.ok("GET", f"/events?after={began['end']}")
        kinds = [event["kind"] for event in found["events"] if event.get("device") == "seen"]
        return found if kinds == ["lease", "connect", "disconnect"] else None
    events = until("they are told", page)["events"]
    places = [event["place"] for event in events]
    assert scene.api.ok("GET", f"/events?after={places[0]}")["events"] == events[1:]
    assert scene.api.events()[-len(events):] == events
    assert scene.api.ok("GET", "/events?after=5-5")["missed"]
    for after in ("after=x", "before=1", "after=1-2-3"):
        scene.api.fails(400, "GET", f"/events?{after}", match="no place")


def test_a_rule_of_a_service(scene):
    api, path = scene.api, "/devices/ruled/services/web/access"
    scene.agent("ruled").wait_connected()
    assert api.ok("GET", path) == {"mode": "public"}
    password = marks.marked()
    for body, rule in (
            ({"mode": "password", "password": password}, {"mode": "password", "user": "visitor"}),
            ({"mode": "password", "user": "anna", "password": password},
             {"mode": "password", "user": "anna"}),
            ({"mode": "allow", "nets": ["192.0.2.0/24", "2001:db8::/32"]},
             {"mode": "allow", "nets": ["192.0.2.0/24", "2001:db8::/32"]}),
            ({"mode": "private"}, {"mode": "private"})):
        assert api.ok("PUT", path, body) == rule == api.ok("GET", path)
        found = api.call("GET", "/devices/ruled")[1]
        assert found["access"] == {"web": rule} and password not in json.dumps(found)
        scene.enforces(rule["mode"], "ruled")
    assert api.ok("PUT", path, {"mode": "public"}) == {"mode": "public"}
    scene.enforces("public", "ruled")
    api.ok("PUT", path, {"mode": "private"})
    assert api.call("DELETE", path)[0] == 204
    assert api.ok("GET", path) == {"mode": "public"}
    scene.enforces("public", "ruled")
    for method, body in (("GET", None), ("PUT", {"mode": "private"}), ("DELETE", None)):
        api.fails(404, method, path.replace("ruled", "nobody-has-it"), body, "nobody-has-it")
        api.fails(404, method, path.replace("web", "We%20b"), body, "no")
    api.ok("DELETE", "/devices/ruled")


BAD_RULES = [
    ({}, '"mode" must be'), ({"mode": "open"}, '"mode" must be'), ({"mode": 1}, '"mode" must be'),
    ({"mode": "private", "key": "x"}, 'no member "key"'),
    ({"mode": "password"}, '"password" is missing'),
    ({"mode": "password", "password": "1234567"}, '"password" must be'),
    ({"mode": "password", "password": "x" * 199}, '"password" must be'),
    ({"mode": "password", "password": "secret \u00fc secret"}, '"password" must be'),
    ({"mode": "password", "password": "correct horse", "user": "a:b"}, '"user" must be'),
    ({"mode": "private", "password": "correct horse"}, "belongs to the mode password"),
    ({"mode": "public", "nets": ["192.0.2.0/24"]}, "belongs to the mode allow"),
    ({"mode": "allow"}, '"nets" must be a list'), ({"mode": "allow", "nets": []}, '"nets" must be a list'),
    ({"mode": "allow", "nets": "192.0.2.0/24"}, '"nets" must be a list'),
    ({"mode": "allow", "nets": [1]}, '"nets" must be texts'),
    ({"mode": "allow", "nets": ["192.0.2.1/24"]}, "192.0.2.0/24"),
    ({"mode": "allow", "nets": ["10.0.0.0/8"] * 17}, "1 to 16 networks"),
]


def test_what_is_wrong_with_a_rule_is_told_and_nothing_is_changed(cluster):
    api, path = cluster.api, "/devices/wrong/services/web/access"
    api.ok("POST", "/devices", {"name": "wrong"})
    api.ok("PUT", path, {"mode": "private"})
    for body, match in BAD_RULES:
        api.fails(422, "PUT", path, body, match)
    api.fails(400, "PUT", path, "[]", "no JSON object")
    assert api.ok("GET", path) == {"mode": "private"}
    api.ok("DELETE", "/devices/wrong")


def test_a_share_link_is_made_opens_and_ends(scene):
    api, operate = scene.api, scene.tokens["operate"]
    device, service = "/devices/lender", "/devices/lender/services/web"
    scene.agent("lender").wait_connected()
    api.fails(422, "POST", service + "/shares", {"for_ms": 60000}, "has no rule for a service web")
    api.fails(404, "DELETE", service + "/shares", match="no rule")
    api.ok("PUT", service + "/access", {"mode": "private"})
    scene.enforces("private", "lender")
    made = api.ok("POST", service + "/shares", {"for_ms": 3600000, "note": "the plumber"}, token=operate)
    assert (made["by"], made["note"], made["service"], made["revoked"]) == (
        "operateer", "the plumber", "web", False)
    assert made["expires_ms"] - made["created_ms"] == pytest.approx(3600000, abs=2000)
    assert "/.taupe/share/" in made["url"] and made["url"].startswith("http")
    token = made.pop("url").rpartition("/")[2]
    assert api.ok("GET", device + "/shares") == {"shares": [made]}
    assert api.ok("GET", device)["shares"] == [made]
    scene.opens("lender", token, True)
    assert token not in scene.ctl("--json", "device", "show", "lender").stdout
    assert api.call("DELETE", f"{device}/shares/{made['id']}", token=operate)[0] == 204
    scene.opens("lender", token, False)
    assert api.ok("GET", device + "/shares")["shares"][0]["revoked"]
    api.fails(404, "DELETE", f"{device}/shares/0123456789abcdef", match="no share link")
    api.fails(404, "DELETE", f"{device}/shares/x")
    api.fails(404, "DELETE", f"/devices/nobody-has-it/shares/{made['id']}")
    # all of a service, and to a host of one's own
    other = api.ok("POST", service + "/shares", {"for_ms": 1000, "url": "https://cam.example.com/"})
    assert other["url"].startswith("https://cam.example.com/.taupe/share/")
    to_relay = api.ok("POST", service + "/shares", {"for_ms": 1000, "url": "wss://relay.example.com"})
    assert to_relay["url"].startswith("https://relay.example.com/.taupe/share/")
    assert api.call("DELETE", service + "/shares", token=operate)[0] == 204
    assert api.ok("GET", device + "/shares") == {"shares": []}
    for body, match in (
            ({}, '"for_ms" must say'), ({"for_ms": 999}, '"for_ms" must say'),
            ({"for_ms": 367 * 86400000}, '"for_ms" must be'), ({"for_ms": "1h"}, '"for_ms" must be'),
            ({"for_ms": 1000, "note": "x" * 61}, '"note" must be'),
            ({"for_ms": 1000, "note": "\n"}, '"note" must be'),
            ({"for_ms": 1000, "url": "ftp://x"}, '"url" must be'),
            ({"for_ms": 1000, "url": "https://x/?y"}, '"url" must be'),
            ({"for_ms": 1000, "by": "me"}, 'no member "by"')):
        api.fails(422, "POST", service + "/shares", body, match)
    assert api.ok("GET", device + "/shares") == {"shares": []}
    api.ok("PUT", "/devices/lender/services/none/access", {"mode": "private"})
    answer = api.fails(422, "POST", "/devices/lender/services/none/shares", {"for_ms": 1000},
                       "host name")
    assert "url" in answer["hint"]
    api.fails(404, "POST", "/devices/nobody-has-it/services/web/shares", {"for_ms": 1000})
    api.ok("DELETE", device)


def test_further_names_of_a_device(scene):
    api, operate = scene.api, scene.tokens["operate"]
    began = api.ok("GET", "/events?after=end")["end"]
    api.ok("POST", "/devices", {"name": "named"})
    wish = {"host": "shop.customer.test", "device": "named", "service": "web"}
    made = api.ok("POST", "/domains", wish, token=operate)
    assert (made["proof"], made["by"]) == ("pending", "operateer")
    assert made["txt"]["name"] == "_taupe.shop.customer.test"
    assert made.pop("cname").endswith(".example.test")
    assert api.ok("GET", "/domains")["domains"] == [made]
    del made["device"]
    assert api.ok("GET", "/devices/named")["hosts"] == [made]
    path = "/domains/shop.customer.test"
    answer = api.fails(409, "POST", path + "/verify", match="TXT record")
    assert answer["error"] == "unproved"
    api.fails(409, "POST", "/domains", wish, "is a name of the device named already")
    for body, match in (
            ({}, "are needed"), ({**wish, "host": "bücher.test"}, "xn--"),
            ({**wish, "host": "*.customer.test"}, "is a wildcard"), ({**wish, "host": "a b"}, "must be"),
            ({**wish, "service": "Web"}, '"service" must be'), ({**wish, "device": "-"}, '"device" must be'),
            ({**wish, "vouched": 1}, '"vouched" must be'), ({**wish, "proof": "word"}, "no member"),
            ({**wish, "host": "example.test"}, "the cluster's own domain")):
        api.fails(422, "POST", "/domains", body, match)
    api.fails(404, "POST", "/domains", {**wish, "host": "other.customer.test", "device": "nobody-has-it"})
    for where in ("", "/verify"):
        method = "POST" if where else "DELETE"
        api.fails(404, method, "/domains/other.customer.test" + where, match="no further name")
        api.fails(404, method, "/domains/Other" + where)
    assert api.call("DELETE", path, token=operate)[0] == 204
    made = api.ok("POST", "/domains", wish)
    scene.dns.texts[made["txt"]["name"]] = [[made["txt"]["value"]]]
    assert api.ok("POST", path + "/verify", token=operate)["proof"] == "txt"
    assert api.call("DELETE", path, token=operate)[0] == 204
    # to vouch for it is more than to add it
    api.fails(403, "POST", "/domains", {**wish, "vouched": True}, "needs the role admin", token=operate)
    assert api.ok("POST", "/domains", {**wish, "vouched": True})["proof"] == "word"
    assert api.ok("POST", "/domains", {**wish, "host": "alarm.example.test"}, token=operate)["proof"] == "alias"
    api.fails(409, "POST", "/devices", {"name": "late", "label": "alarm"}, "reserved for the device named")
    told = [(event["what"], event.get("object"), event["outcome"])
            for event in api.ok("GET", f"/events?after={began}")["events"]
            if event.get("what", "").startswith("domain")]
    shop = "shop.customer.test"
    assert [row for row in told if row[1] == shop] == [
        ("domain add", shop, "done"), ("domain verify", shop, "unproved"), ("domain add", shop, "taken"),
        ("domain rm", shop, "done"), ("domain add", shop, "done"), ("domain verify", shop, "done"),
        ("domain rm", shop, "done"), ("domain add", shop, "denied"), ("domain add", shop, "done")]
    api.ok("DELETE", "/devices/named")
    assert api.ok("GET", "/domains") == {"domains": []}


def test_a_label_that_is_leased_is_nobody_elses(scene):
    api = scene.api
    agent = scene.agent("lessee")
    agent.wait_connected()
    label = agent.host().split(".")[0]
    api.ok("POST", "/devices", {"name": "wisher"})
    wish = {"host": f"{label}.example.test", "device": "wisher", "service": "web"}
    api.fails(409, "POST", "/domains", wish, f"label {label} is leased to the device lessee")
    api.fails(409, "POST", "/domains", {**wish, "device": "lessee"}, "is that device's own name already")
    api.fails(409, "POST", "/devices", {"name": "late", "label": label},
              f"label {label} is leased to the device lessee")
    api.fails(409, "PUT", "/devices/late", {"label": label}, "is leased to the device lessee")
    api.fails(404, "GET", "/devices/late")
    assert api.ok("GET", "/domains") == {"domains": []}
    # who may not is told that, and no more
    api.fails(403, "POST", "/domains", wish, token=scene.tokens["read"])
    for name in ("lessee", "wisher"):
        api.ok("DELETE", f"/devices/{name}")
    agent.stop()


def test_the_last_hour_of_a_device(scene):
    api, path = scene.api, "/devices/drawn/traffic"
    scene.agent("drawn").wait_connected()
    hour = api.ok("GET", path)
    assert {tuple(point[1:]) for point in hour["points"]} == {(0, 0)}
    for size in (200_000, 300_000):
        scene.send("drawn", size)

    def there():
        hour = api.ok("GET", path)
        return hour if sum(point[2] for point in hour["points"]) >= 500_000 else None
    hour = until("it is counted", there)
    assert 500_000 <= sum(point[2] for point in hour["points"]) < 510_000
    assert 0 < sum(point[1] for point in hour["points"]) < 10_000
    # all in the last two minutes, as it is now or was when the minute ended
    assert sum(point[2] for point in hour["points"][-2:]) >= 500_000
    begins = [point[0] for point in hour["points"]]
    assert begins == list(range(begins[0], begins[0] + 3600000, 60000))
    assert begins[-1] <= hour["now_ms"] < begins[-1] + 60000
    api.fails(404, "GET", "/devices/nobody-has-it/traffic")
    api.ok("DELETE", "/devices/drawn")


def test_the_last_hour_is_in_two_hashes_and_goes(cluster):
    api, client = cluster.api, cluster.redis.client
    api.ok("POST", "/devices", {"name": "timed"})
    minute = api.ok("GET", "/devices/timed/traffic")["now_ms"] // 60000
    for ago, size in ((0, 1), (1, 2), (58, 400), (59, 800), (60, 1600), (61, 3200)):
        client.hset(f"taupe:traffic:timed:{(minute - ago) // 60}", f"{(minute - ago) % 60}/in", size)
    client.hset(f"taupe:traffic:timed:{minute // 60}", mapping={"x/in": 5, "1/later": 5, "3": 5})
    points = [point[1] for point in api.ok("GET", "/devices/timed/traffic")["points"]]
    assert sum(points) in (1203, 403), "the last hour and no more, also if a minute has gone by"
    for key in client.keys("taupe:traffic:timed:*"):
        client.delete(key)
    cluster.agent("lasting").wait_connected()
    cluster.send("lasting", 1000)
    key, = until("it is written", lambda: client.keys("taupe:traffic:lasting:*"))
    assert 7_100_000 < client.pttl(key) <= 7_200_000
    for name in ("timed", "lasting"):
        api.ok("DELETE", f"/devices/{name}")


def test_what_a_device_has_used_day_by_day(cluster):
    api, client = cluster.api, cluster.redis.client
    days = {"20260228": (1, 2, 3_000_000), "20260301": (4, 0, 0), "20260302": (9, 9, 9)}
    for day, numbers in days.items():
        client.hset(f"taupe:usage:billed:{day}",
                    mapping=dict(zip(("visitors", "bytes_in", "bytes_out"), numbers)))
    told = api.ok("GET", "/devices/billed/usage?from=2026-02-01&to=20260301")
    assert [tuple(row.values())[1:] for row in told["usage"]] == [
        ("2026-02-28", 1, 2, 3_000_000), ("2026-03-01", 4, 0, 0)]
    assert told == json.loads(cluster.ctl(
        "--json", "usage", "billed", "--from", "20260201", "--to", "20260301").stdout)
    today = time.strftime("%Y%m%d", time.gmtime())
    client.hset(f"taupe:usage:billed:{today}", "bytes_in", 7)
    assert api.ok("GET", "/devices/billed/usage")["usage"][-1]["bytes_in"] == 7, "this month"
    assert api.ok("GET", "/devices/nobody-has-it/usage") == {"usage": []}
    for query, match in (("from=2026-02-30", "must be days"), ("to=", "must be days"),
                         ("from=20260302&to=20260301", "later day"), ("day=20260301", "nothing else"),
                         ("from=20000101&to=20260301", "3660 days"), ("from=%zz", "KEY=VALUE")):
        api.fails(400, "GET", f"/devices/billed/usage?{query}", match=match)
    for key in client.keys("taupe:usage:billed:*"):
        client.delete(key)


def test_alone_a_device_has_its_sums_and_last_disconnects(alone):
    api = alone.api
    agent = alone.agent("summed")
    agent.wait_connected()
    assert api.ok("GET", "/devices/summed")["counters"] == {
        "visitors": 0, "bytes_in": 0, "bytes_out": 0}
    assert api.ok("GET", "/devices/summed")["last"] == []
    alone.send("summed", 100_000)
    until("it is counted", lambda: api.ok(
        "GET", "/devices/summed")["counters"]["bytes_out"] > 100_000)
    assert api.ok("GET", "/devices/summed")["counters"]["visitors"] == 1
    for count in range(2, 8):
        api.ok("POST", "/devices/summed/kick")
        agent.wait_connected(count=count)
    last = api.ok("GET", "/devices/summed")["last"]
    assert [end["reason"] for end in last] == ["kicked"] * 5, "five, as with Redis"
    epochs = [int(end["epoch"]) for end in last]
    assert epochs == sorted(epochs, reverse=True), "the latest first"
    api.ok("DELETE", "/devices/summed")
    api.fails(409, "GET", "/devices/summed/usage", match="kept in Redis")


def test_a_relay_that_lets_anybody_in_shows_who_is_here(group):
    relay = Relay(group, open="yes")
    api = Api(relay)
    services = SampleServices(group, "web")
    agent = Agent(group, Device("alice"), [relay], [f"web:http:{services.target('web', 'http')}"])
    agent.wait_connected()
    listed, = api.ok("GET", "/devices")["devices"]
    shown = api.ok("GET", "/devices/alice")
    assert shown["online"] and shown["last"] == [] and shown["counters"]["visitors"] == 0
    assert {key: shown[key] for key in listed} == listed
    assert len(api.ok("GET", "/devices/alice/traffic")["points"]) == 60
    for path in ("/devices/bob", "/devices/bob/traffic"):
        api.fails(404, "GET", path, match="not here")


def test_rules_and_share_links_are_audited(cluster):
    audits = audits_from_here(cluster)
    api, path = cluster.api, "/devices/told/services/web"
    api.ok("POST", "/devices", {"name": "told"})
    api.fails(403, "PUT", path + "/access", {"mode": "public"}, token=cluster.tokens["operate"])
    api.ok("PUT", path + "/access", {"mode": "private"})
    api.fails(422, "POST", path + "/shares", {"for_ms": 1000}, "no route leads")
    made = api.ok("POST", path + "/shares", {"for_ms": 1000, "url": "https://cam.example.com"})
    assert api.call("DELETE", f"/devices/told/shares/{made['id']}")[0] == 204
    assert api.call("DELETE", path + "/shares")[0] == 204
    assert api.call("DELETE", path + "/access")[0] == 204
    found = until("all are there", lambda: len(audits()) == 8 and audits())
    assert [(a["what"], a["object"], a["outcome"]) for a in found[1:]] == [
        ("device set", "told/web", "denied"), ("device set", "told/web", "done"),
        ("share", "told/web", "invalid"), ("share", "told/web", "done"),
        ("share revoke", made["id"], "done"), ("share revoke", "told/web", "done"),
        ("device set", "told/web", "done")]
    api.ok("DELETE", "/devices/told")


def test_who_may_read_without_a_token(scene):
    api = Api(scene.relay)
    assert api.ok("GET", "/whoami")["name"] is None
    api.ok("GET", "/devices")
    for header in ("X-Forwarded-For", "Forwarded"):
        api.fails(401, "GET", "/devices", headers={header: "192.0.2.1"})
        api.fails(401, "GET", "/status", headers={header: "192.0.2.1"})
    for bad in ("x", "reader." + "A" * 43, "nobody." + "A" * 43, scene.tokens["read"] + "A",
                scene.tokens["read"][:-1]):
        api.fails(401, "GET", "/devices", token=bad)
    # a page whose name was made to point here
    status, _, body = api.raw("GET", PREFIX + "/devices", headers={"Host": "evil.example"})
    assert status == 403 and b"Page" not in body
    # what a page from elsewhere can make a browser send
    status, _, _ = api.raw("POST", PREFIX + "/devices/x/kick", "", {
        "Content-Type": "text/plain", "Origin": "http://evil.example"})
    assert status == 401
    status, headers, _ = api.raw("OPTIONS", PREFIX + "/devices", headers={
        "Origin": "http://evil.example", "Access-Control-Request-Method": "POST"})
    assert status == 405 and not [key for key in headers if key.startswith("Access-Control")]


def test_a_login_is_a_cookie_and_a_second_value(scene):
    api = Api(scene.relay)
    api.fails(401, "POST", "/login", match="needs a token")
    api.fails(401, "POST", "/login", token="nobody." + "A" * 43)
    status, answer, headers = api.call("POST", "/login", token=scene.tokens["operate"])
    assert status == 200 and answer["role"] == "operate"
    cookie, *attributes = headers["Set-Cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(attributes)
    assert scene.tokens["operate"] not in cookie
    logged_in = {"Cookie": f"a=b; {cookie}"}
    assert "Secure" not in attributes
    # the cookie alone, which another port of this host may get: it looks, and does not learn the rest
    assert api.ok("GET", "/whoami", headers=logged_in) == {"name": "operateer", "role": "operate"}
    _, _, headers = api.call("POST", "/login", token=scene.tokens["admin"],
                             headers={"X-Forwarded-Proto": "https"})
    admin, *attributes = headers["Set-Cookie"].split("; ")
    assert "Secure" in attributes
    api.fails(403, "GET", "/tokens", match="X-Taupe-CSRF", headers={"Cookie": admin})
    for site in ("cross-site", "same-site"):
        # a stream that were let in would have no end
        stream = http.client.HTTPConnection("127.0.0.1", scene.relay.admin_port, timeout=10)
        stream.request("GET", PREFIX + "/live", headers={"Sec-Fetch-Site": site})
        assert stream.getresponse().status == 403
        stream.close()
        for method, path in (("GET", "/devices"), ("POST", "/login")):
            api.fails(403, method, path, match="page from elsewhere",
                      headers={**logged_in, "Sec-Fetch-Site": site})
        assert api.raw("GET", "/healthz", headers={"Sec-Fetch-Site": site})[0] == 200
    for site in ("same-origin", "none"):
        api.ok("GET", "/devices", headers={"Sec-Fetch-Site": site})
    change = "/devices/there-is-none/rotate"
    api.fails(403, "POST", change, match="X-Taupe-CSRF", headers=logged_in)
    answer_csrf = api.fails(403, "POST", change, headers={**logged_in, "X-Taupe-CSRF": "A" * 43})
    assert answer_csrf["error"] == "csrf"
    right = {**logged_in, "X-Taupe-CSRF": answer["csrf"]}
    api.fails(404, "POST", change, headers=right)
    api.fails(403, "DELETE", "/devices/x", match="role admin", headers=right)
    _, _, headers = api.call("POST", "/logout", headers=right)
    assert "Max-Age=0" in headers["Set-Cookie"]
    assert api.ok("GET", "/whoami", headers=logged_in)["name"] is None
    api.fails(401, "POST", change, headers=right)
    # who has none ends none: another page could send this
    status, _, headers = api.call("POST", "/logout")
    assert status == 401 and "Set-Cookie" not in headers


def test_a_login_ends_with_its_token(scene):
    api = Api(scene.relay, scene.tokens["admin"])
    token = api.ok("POST", "/tokens", {"name": "passing", "role": "admin"})["token"]
    _, answer, headers = api.call("POST", "/login", token=token)
    cookie = {"Cookie": headers["Set-Cookie"].split(";")[0], "X-Taupe-CSRF": answer["csrf"]}
    api.token = None
    api.fails(404, "DELETE", "/devices/there-is-none", headers=cookie)
    api.ok("DELETE", "/tokens/passing", token=scene.tokens["admin"])
    api.fails(401, "DELETE", "/devices/there-is-none", headers=cookie)


def test_false_tokens_do_not_keep_good_ones_waiting(group):
    scene = redis_scene(group)
    api, false, good = Api(scene.relay), [], []
    assert api.call("GET", "/devices", token=scene.tokens["read"])[0] == 200

    def guess(number):
        for _ in range(20):
            status, answer, headers = api.call("GET", "/devices", token=f"eve{number}." + "A" * 43)
            if status == 429:
                assert int(headers["Retry-After"]) >= 1 and "false tokens" in answer["what"]
            false.append(status)

    guessers = [threading.Thread(target=guess, args=(number,)) for number in range(15)]
    began = time.monotonic()
    for guesser in guessers:
        guesser.start()
    for _ in range(60):
        good.append(api.call("GET", "/devices", token=scene.tokens["read"])[0])
    for guesser in guessers:
        guesser.join()
    assert set(good) == {200}
    # 30 at once, and one each two seconds
    most = 31 + (time.monotonic() - began) / 2
    assert set(false) == {401, 429} and 30 <= false.count(401) <= most, false.count(401)
    # a good one that is seen for the first time waits, but from elsewhere it does not
    until("there is a second to go", lambda: api.call(
        "GET", "/devices", token="eve." + "A" * 43)[2]["Retry-After"] == "2")
    assert api.call("GET", "/devices", token=scene.tokens["operate"])[0] == 429
    elsewhere = http.client.HTTPConnection("127.0.0.1", scene.relay.admin_port, timeout=10,
                                           source_address=("127.0.0.2", 0))
    elsewhere.request("GET", PREFIX + "/devices", headers={
        "Authorization": f"Bearer {scene.tokens['operate']}"})
    assert elsewhere.getresponse().status == 200
    elsewhere.close()
    # and it is known from then on
    api.ok("GET", "/devices", token=scene.tokens["operate"])


def test_who_watches_relays_sees_them_without_redis(group):
    scene = redis_scene(group, admin_private=True)
    read, api = scene.tokens["read"], Api(scene.relay)
    passing = token_of(scene.access, "passing", "read")
    _, made, headers = api.call("POST", "/login", token=scene.tokens["admin"])
    cookie = {"Cookie": headers["Set-Cookie"].split(";")[0]}
    for token in (read, passing):
        api.ok("GET", "/whoami", token=token)
    assert scene.ctl("token", "rm", "passing").returncode == 0
    api.fails(401, "GET", "/whoami", token=passing)
    scene.redis.process.kill()
    until("the relay knows", lambda: not scene.relay.ready())

    def metrics(token):
        return api.raw("GET", "/metrics", headers={"Authorization": f"Bearer {token}"})
    status, _, text = metrics(read)
    assert status == 200 and b"taupe_relay" in text
    assert metrics("eve." + "A" * 43)[0] == 503
    assert metrics(passing)[0] == 503, "it was not good when it was asked last"
    assert metrics(scene.tokens["operate"])[0] == 503, "it was never asked"
    api.ok("GET", "/relay/samples", token=read)
    assert api.ok("GET", "/whoami", headers=cookie) == {"name": "adminer", "role": "admin"}
    # no more than looking, and nothing that the registry has
    api.fails(503, "POST", "/login", token=read)
    api.fails(503, "GET", "/devices", token=read)
    api.fails(503, "DELETE", "/devices/x", headers={**cookie, "X-Taupe-CSRF": made["csrf"]})


BAD = [
    (400, "{", "no JSON object"),
    (400, "[]", "no JSON object"),
    (400, '{"name": "a", "name": "b"}', "duplicate"),
    (422, {}, '"name" is missing'),
    (422, {"name": ""}, '"name" must be'),
    (422, {"name": "a b"}, '"name" must be'),
    (422, {"name": "x" * 64}, '"name" must be'),
    (422, {"name": 1}, '"name" must be'),
    (422, {"name": "a", "label": "-"}, '"label" must be'),
    (422, {"name": "a", "ports": []}, '"ports" must be an object'),
    (422, {"name": "a", "ports": {"ssh": 0}}, '"ports" must have'),
    (422, {"name": "a", "ports": {"ssh": 65536}}, '"ports" must have'),
    (422, {"name": "a", "ports": {"SSH!": 22}}, '"ports" must have'),
    (422, {"name": "a", "ports": {"ssh": 22, "db": 22}}, "two services"),
    (422, {"name": "a", "ports": {f"s{i}": i + 1 for i in range(100)}}, "services at most"),
    (422, {"name": "a", "limits": {"max_visitors": -1}}, '"max_visitors" must be'),
    (422, {"name": "a", "limits": {"max_visitors": "5"}}, '"max_visitors" must be'),
    (422, {"name": "a", "limits": {"speed": 1}}, 'no limit "speed"'),
    (422, {"name": "a", "limits": {"quota_day": 0}}, '"quota_day" must be'),
    (422, {"name": "a", "limits": {"quota_action": "kill"}}, "one of warn|slow|stop"),
    (422, {"name": "a", "limits": {"quota_action": 1}}, "one of warn|slow|stop"),
    (422, {"name": "a", "secret": "x"}, 'no member "secret"'),
    # quoted up to the middle of a character
    (422, {"name": "a", "x" * 39 + "\u00e9": 1}, 'no member "x{39}'),
    (422, {"name": "a", "limits": {"x" * 39 + "\u00e9": 1}}, 'no limit "x{39}'),
]


@pytest.mark.parametrize("status,body,match", BAD)
def test_what_is_wrong_with_a_body_is_told_and_nothing_is_made(cluster, status, body, match):
    before = cluster.api.ok("GET", "/devices?limit=500")
    cluster.api.fails(status, "POST", "/devices", body, match)
    assert cluster.api.ok("GET", "/devices?limit=500") == before


def test_other_bad_requests(cluster):
    api = cluster.api
    api.fails(415, "POST", "/devices", {"name": "a"}, headers={"Content-Type": "text/plain"})
    api.fails(413, "POST", "/devices", '{"name": "' + "a" * 65536 + '"}')
    api.fails(422, "POST", "/tokens", {"name": "a", "role": "root"}, '"role" must be')
    api.fails(422, "POST", "/fleets", {"name": "a", "max": -1}, '"max" must be')
    api.fails(422, "POST", "/fleets", {"name": "a", "pattern": "/"}, '"pattern" must be')
    api.fails(422, "PATCH", "/devices/a", {"label": "other"}, 'no member "label"')
    api.fails(404, "GET", "/devices/a%20b")
    for method, path, expected in (("GET", "/nowhere", 404), ("GET", "", 404), ("GET", "/devices/", 404),
                                   ("GET", "/devices/a/b/c", 404), ("POST", "/whoami", 405),
                                   ("DELETE", "/devices", 405)):
        status, headers, text = api.raw(method, PREFIX + path)
        assert (status, set(json.loads(text))) == (expected, {"error", "what", "hint"}), path
        assert (headers["Allow"] is not None) == (expected == 405)
    status, headers, body = api.raw("HEAD", PREFIX + "/whoami")
    assert status == 200 and body == b"" and int(headers["Content-Length"]) > 0
    # a stream's head has an end, and takes nobody's place
    for path in ("/live", "/events"):
        for _ in range(40):
            status, headers, body = api.raw("HEAD", PREFIX + path, headers={
                "Accept": "text/event-stream"})
            assert status == 200 and body == b""
            assert headers["Content-Type"].startswith("text/event-stream")


def audits_from_here(cluster):
    """What is audited from now on: what was done before has been written when this returns."""
    mark = f"mark-{secrets.token_hex(4)}"
    redis = cluster.redis.client
    cluster.api.fails(404, "DELETE", f"/devices/{mark}")
    place = until("the mark is written", lambda: next(
        (place for place, fields in redis.xrange("taupe:history")
         if fields.get("object") == mark), None))
    return lambda: [fields for _, fields in redis.xrange("taupe:history", f"({place}")
                    if fields["kind"] == "audit"]


def test_every_change_is_audited_also_one_that_was_denied(cluster):
    audits = audits_from_here(cluster)
    cluster.api.ok("POST", "/devices", {"name": "audited"})
    cluster.api.fails(409, "POST", "/devices", {"name": "audited"})
    for _ in range(2):
        cluster.api.ok("PUT", "/devices/audited-too", {})
    cluster.api.fails(403, "DELETE", "/devices/audited", token=cluster.tokens["read"])
    assert cluster.ctl("device", "rotate", "audited").returncode == 0
    assert cluster.ctl("device", "rm", "audited").returncode == 0
    assert cluster.ctl("device", "rm", "audited").returncode != 0
    found = until("all are there", lambda: len(audits()) == 8 and audits())
    by_api = [(a["who"], a["what"], a["object"], a["outcome"]) for a in found if "relay" in a]
    by_ctl = [(a["what"], a["object"], a["outcome"]) for a in found if "relay" not in a]
    assert by_api == [("adminer", "device add", "audited", "done"),
                      ("adminer", "device add", "audited", "taken"),
                      ("adminer", "device add", "audited-too", "done"),
                      ("adminer", "device set", "audited-too", "done"),
                      ("reader", "device rm", "audited", "denied")]
    assert by_ctl == [("device rotate", "audited", "done"), ("device rm", "audited", "done"),
                      ("device rm", "audited", "unknown")]
    assert all(a["who"].startswith("taupectl:") for a in found if "relay" not in a)
    assert len({a["id"] for a in found}) == 8
    cluster.api.ok("DELETE", "/devices/audited-too")
    assert {a["from"] for a in found if "relay" in a} == {"127.0.0.1"}


def test_an_audit_names_what_was_denied(cluster):
    audits = audits_from_here(cluster)
    cluster.api.fails(403, "POST", "/devices", {"name": "wanted"}, token=cluster.tokens["read"])
    _, _, headers = cluster.api.call("POST", "/login", token=cluster.tokens["admin"])
    cookie = {"Cookie": headers["Set-Cookie"].split(";")[0]}
    Api(cluster.relay).fails(403, "DELETE", "/fleets/wanted", headers=cookie, match="X-Taupe-CSRF")
    found = until("both are there", lambda: len(audits()) == 2 and audits())
    assert [(a["who"], a["what"], a["object"], a["outcome"]) for a in found] == [
        ("reader", "device add", "wanted", "denied"), ("adminer", "fleet rm", "wanted", "denied")]


def test_an_audit_of_a_relay_that_stands_alone_is_in_its_log(alone):
    alone.api.ok("POST", "/devices", {"name": "logged"})
    alone.api.ok("DELETE", "/devices/logged")
    alone.relay.process.wait_line('msg=audit who=adminer from=127.0.0.1 what="device rm" '
                                  "object=logged outcome=done")
    alone.api.ok("POST", "/devices", {"name": "away"})
    alone.api.fails(409, "POST", "/devices/away/kick")
    alone.relay.process.wait_line('what="device kick" object=away outcome=impossible')
    alone.api.ok("DELETE", "/devices/away")


def test_routes_show_no_keys(cluster):
    key = marks.marked()
    cluster.redis.client.sadd("taupe:owned:device:nobody", "http/keyed.example.test")
    cluster.redis.client.hset("taupe:routes", "http/keyed.example.test",
                              f"127.0.0.1,30001,7,password,{key}")
    found = cluster.api.ok("GET", "/devices/nobody")
    assert found["routes"] == [{"key": "http/keyed.example.test", "value": "127.0.0.1,30001,7",
                                "access": "password"}]
    listed = cluster.ctl("route", "ls").stdout
    assert "http/keyed.example.test" in listed and key not in listed
    cluster.redis.client.hdel("taupe:routes", "http/keyed.example.test")
    cluster.redis.client.delete("taupe:owned:device:nobody")


def test_without_redis_calls_fail_and_with_it_again_they_work(group):
    scene = redis_scene(group)
    scene.api.ok("GET", "/devices")
    scene.redis.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    scene.api.ok("GET", "/devices")
    scene.redis.process.kill()
    began = time.monotonic()
    scene.api.fails(503, "GET", "/devices", match="Redis at")
    scene.api.fails(503, "GET", "/cluster", match="Redis at")
    assert time.monotonic() - began < 5
    # who needs no registry, and no token, is answered meanwhile
    assert scene.relay.admin("/healthz")[0] == 200


def test_the_loop_goes_on_while_redis_stalls_and_the_queue_has_an_end(group):
    scene = redis_scene(group)
    scene.api.ok("GET", "/devices")
    began = time.monotonic()
    scene.redis.client.execute_command("CLIENT", "PAUSE", "3000", "ALL")
    statuses = []
    callers = [threading.Thread(target=lambda: statuses.append(
        Api(scene.relay).call("GET", "/devices")[0])) for _ in range(80)]
    callers[0].start()
    for _ in range(5):
        assert scene.relay.admin("/healthz")[0] == 200
    assert callers[0].is_alive() and time.monotonic() - began < 3
    for caller in callers[1:]:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(statuses) == 80 and set(statuses) <= {200, 503} and 503 in statuses
    until("all is well again", lambda: scene.api.call("GET", "/devices")[0] == 200)


def test_a_relay_ends_cleanly_with_calls_under_way(group):
    scene = redis_scene(group)
    scene.redis.client.execute_command("CLIENT", "PAUSE", "4000", "ALL")

    def call():
        try:
            Api(scene.relay).raw("GET", PREFIX + "/devices")
        except OSError:
            pass

    callers = [threading.Thread(target=call) for _ in range(5)]
    for caller in callers:
        caller.start()
    until("they wait", lambda: scene.relay.process.running())
    scene.relay.process.stop()
    for caller in callers:
        caller.join(timeout=10)
        assert not caller.is_alive()


def test_a_user_who_may_not_do_it_is_named(group):
    redis = Redis(group)
    redis.add(Device("nobody"))
    token = token_of(redis.access("taupectl"), "boss", "admin")
    relay = Relay(group, **redis.access("taupe-relay"))
    answer = Api(relay, token).fails(503, "POST", "/fleets", {"name": "x"}, "NOPERM|refuses")
    assert "admin_redis_user" in answer["hint"]
    redis.client.acl_log_reset()  # that is what was wanted


def refuses(group, **config):
    relay = Relay(group, start=False, **config)
    relay.start(wait=False)
    relay.process.expected = (78,)
    until("it has ended", lambda: not relay.process.running())
    return relay.process


def test_beyond_loopback_there_must_be_a_token_and_every_call_needs_it(group):
    devices = group.folder / "devices"
    devices.write_text("name=nobody&secret_sha256=" + "0" * 64 + "\n")
    port = ports.take()
    process = refuses(group, name="bare", devices_file=devices, admin_listen=f"0.0.0.0:{port}")
    assert "taupectl token add" in process.text()
    token = token_of({"devices_file": devices}, "boss", "admin")
    relay = Relay(group, name="wide", devices_file=devices, start=False)
    relay.config["admin_listen"] = f"0.0.0.0:{relay.admin_port}"
    relay.start()
    api = Api(relay)
    for path in ("/devices", "/status", "/whoami"):
        api.fails(401, "GET", path)
        api.ok("GET", path, token=token, headers={"Host": "admin.example.test"})
    assert relay.admin("/metrics")[0] == 401
    assert relay.admin("/healthz")[0] == 200


def test_admin_private_closes_reading_on_loopback(group):
    devices = group.folder / "devices"
    devices.write_text("name=nobody&secret_sha256=" + "0" * 64 + "\n")
    token = token_of({"devices_file": devices}, "eve", "read")
    relay = Relay(group, devices_file=devices, admin_private=True)
    api = Api(relay)
    api.fails(401, "GET", "/devices")
    api.ok("GET", "/devices", token=token)


def test_every_documented_answer_was_given(cluster, alone):
    """Runs last: what is documented and never seen may not be so."""
    seen = cluster.api.seen | alone.api.seen
    documented = {(path, method, status) for path, methods in DOCUMENT["paths"].items()
                  for method, operation in methods.items() if method != "parameters"
                  for status in operation["responses"] if status.startswith("2")}
    elsewhere = {("/login", "post", "200"), ("/logout", "post", "200"), ("/live", "get", "200")}
    assert documented - seen - elsewhere == set()
