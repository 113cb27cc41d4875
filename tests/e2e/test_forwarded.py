# SPDX-License-Identifier: MIT
"""Each http request says at the device who its visitor is, whatever that says itself: from HAProxy,
and from the stand-alone relay's front, which also refuses what could hide a request."""
import base64
import hashlib
import hmac
import json
import signal
import struct
import time
import urllib.parse
from types import SimpleNamespace

import pytest

from forwarded import FORGED, claims, expected, outcome
from harness.programs import Device, SampleServices
from harness.scenes import Cluster, Standalone
from harness.visitors import Connection, get, pattern_sha256
from harness.wait import until


class Alone:
    """The stand-alone relay."""

    def __init__(self, group):
        self.relay = Standalone(group, "alone", domain="example.test", hold="300ms")
        self.services = SampleServices(group, "alone")
        self.agent = self.relay.agent("alone", [f"web:http:{self.services.target('alone', 'http')}",
                                                f"two:http:{self.services.target('alone', 'http')}"])
        self.door, self.host, self.other = (self.relay.front, self.agent.host(),
                                            self.agent.host("two"))
        assert get(self.door, self.host, "/name").text == "alone"


class Behind:
    """A relay behind HAProxy."""

    def __init__(self, group):
        self.cluster = Cluster(group)
        self.services = SampleServices(group, "behind")
        self.agent = self.cluster.agent("behind", [
            f"web:http:{self.services.target('behind', 'http')}"])
        self.door, self.host = self.cluster.haproxy.http, self.agent.host()
        self.cluster.wait_served(self.host)


@pytest.fixture(scope="module")
def alone(module_group):
    return Alone(module_group)


@pytest.fixture(scope="module")
def behind(module_group):
    return Behind(module_group)


@pytest.fixture(params=["alone", "behind"])
def way(request):
    return request.getfixturevalue(request.param)


# ---- every request ----

def test_every_request_says_who_the_visitor_is_whatever_that_says_itself(way):
    with Connection(way.door, way.host) as visit:
        for fields in ([], FORGED, [("Connection", "keep-alive"), *FORGED], FORGED * 2):
            assert claims(visit.get("/headers", fields)) == expected(way.host)


def listener(place, host):
    """Where the relay itself listens for the service of a host."""
    routes = {route["key"]: route["value"] for route in place.relay.relay.api("routes")["routes"]}
    ip, port = routes[f"http/{host}"].split(",")[:2]
    return ip, int(port)


def test_no_way_leads_around_the_front(alone, guarded):
    """Those of tcp services come to their listeners, and may try the others, too."""
    door = listener(alone, alone.host)
    with Connection(door, alone.host) as visit:
        for fields in (FORGED, []):
            assert claims(visit.get("/headers", fields)) == expected(alone.host)
    assert get(door, "127.0.0.1", "/name").status == 404
    door = listener(alone, guarded["web"])
    assert get(door, guarded["web"], "/name").status == 401
    assert get(door, guarded["web"], "/name", [basic("bob:secret")]).text == "alone"


def test_pipelined_requests_are_looked_at_too(way):
    forged = "".join(f"{name}: {value}\r\n" for name, value in FORGED)
    request = f"GET /headers HTTP/1.1\r\nHost: {way.host}\r\n{forged}\r\n"
    with Connection(way.door, way.host) as visit:
        visit.send(request.encode() * 20)
        for _ in range(20):
            assert claims(visit.read_answer()) == expected(way.host)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_requests_behind_bodies_are_looked_at(way, chunked):
    with Connection(way.door, way.host) as visit:
        for size in (1, 5000, 300_000):
            answer = visit.post_pattern("/sha256", size, chunked)
            assert answer.text == f"{size} {pattern_sha256(size)}"
            assert claims(visit.get("/headers", FORGED)) == expected(way.host)


def test_connection_names_no_field_of_ours(alone):
    with Connection(alone.door, alone.host) as visit:
        answer = visit.get("/headers", [("Connection", "keep-alive, X-Forwarded-For")])
        fields = {name.lower(): value for name, value in answer.json()["fields"]}
        assert fields["connection"] == "keep-alive" and "x-forwarded-for" in fields


def test_body_of_20_mb_arrives_identical_and_the_connection_goes_on(alone):
    with Connection(alone.door, alone.host) as visit:
        for chunked in (False, True):
            size = 20_000_000
            assert visit.post_pattern("/sha256", size, chunked).text == \
                f"{size} {pattern_sha256(size)}"
        # an answer that goes to the worker's thread, and a request after it
        assert visit.get("/bytes/50000000").sha256 == pattern_sha256(50_000_000)
        assert claims(visit.get("/headers", FORGED)) == expected(alone.host)


def test_requests_that_come_byte_by_byte(alone):
    data = (f"POST /sha256 HTTP/1.1\r\nHost: {alone.host}\r\nTransfer-Encoding: chunked\r\n\r\n"
            f"3;x=y\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n"
            f"GET /headers HTTP/1.1\r\nHost: {alone.host}\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n")
    with Connection(alone.door, alone.host) as visit:
        for byte in data.encode():
            visit.send(bytes([byte]))
        assert visit.read_answer().text == f"3 {hashlib.sha256(b'abc').hexdigest()}"
        assert claims(visit.read_answer()) == expected(alone.host)


def test_expect_100_continue_passes(alone):
    with Connection(alone.door, alone.host) as visit:
        assert visit.get("/name").text == "alone"
        visit.send_head("POST", "/sha256", [("Expect", "100-continue"), ("Content-Length", "3")])
        assert visit.read_head()[0] == 100
        visit.send(b"abc")
        assert visit.read_answer().text == f"3 {hashlib.sha256(b'abc').hexdigest()}"


def test_http_1_0_works(alone):
    with Connection(alone.door, alone.host) as visit:
        visit.send(f"GET /headers HTTP/1.0\r\nHost: {alone.host}\r\n"
                   f"X-Forwarded-For: 1.2.3.4\r\n\r\n".encode())
        assert claims(visit.read_answer()) == expected(alone.host)


# ---- what may not go on ----

SMUGGLED = "GET /name/smuggled HTTP/1.1\r\nHost: {host}\r\n\r\n"
CHUNKED = "POST /sha256 HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n"
SMUGGLING = {
    "both lengths": CHUNKED + "Content-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": "POST /sha256 HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n"
                   "Content-Length: 60\r\n\r\n",
    "signed length": "POST /sha256 HTTP/1.1\r\nHost: {host}\r\nContent-Length: +0\r\n\r\n",
    "two codings": "POST /sha256 HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n"
                   "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "strange coding": "POST /sha256 HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: xchunked\r\n\r\n"
                      "0\r\n\r\n",
    "blank before the colon": "POST /sha256 HTTP/1.1\r\nHost: {host}\r\n"
                              "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "folded": "POST /sha256 HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding:\r\n chunked\r\n\r\n"
              "0\r\n\r\n",
    "bare line feed": "POST /sha256 HTTP/1.1\r\nHost: {host}\r\nA: b\nContent-Length: 60\r\n\r\n",
    "chunk size with a sign": CHUNKED + "\r\n+0\r\n\r\n",
    "chunk size in another base": CHUNKED + "\r\n0x0\r\n\r\n",
    "chunk ended by a line feed": CHUNKED + "\r\n0\n\n",
    "chunk longer than it says": CHUNKED + "\r\n1\r\nab\r\n0\r\n\r\n",
    "two hosts": "GET /name HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n",
    "no host": "GET /name HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("name", SMUGGLING)
def test_what_could_be_read_in_two_ways_is_refused(alone, name):
    for before in ("", "GET /name HTTP/1.1\r\nHost: {host}\r\n\r\n"):
        data = (before + SMUGGLING[name] + SMUGGLED).format(host=alone.host)
        got = outcome(alone.door, data.encode())
        assert b"smuggled" not in got
        answers = got.split(b"HTTP/1.1 ")[1:]
        assert len(answers) == bool(before) + 1, got
        assert not before or answers[0].startswith(b"200") and answers[0].endswith(b"alone")
        # a body that turns out to be wrong may have begun at the device, which then has no answer
        assert answers[-1][:3] in (b"400", b"501"), got


def test_refusal_waits_for_the_answers_before_it(alone):
    key = "refusal"
    with Connection(alone.door, alone.host) as visit, Connection(alone.door, alone.host) as aside:
        visit.send_head("GET", "/name/first")
        assert visit.read_answer().text == "alone first"
        request = f"GET /bytes/300000 HTTP/1.1\r\nHost: {alone.host}\r\n\r\n"
        visit.send((request * 2 + "GET /name/last HTTP/1.1\r\nHost: nobody.example.test\r\n\r\n"
                    ).encode())
        for _ in range(2):
            assert visit.read_answer().sha256 == pattern_sha256(300000)
        answer = visit.read_answer()
        assert answer.status == 421 and answer.header("connection") == "close"
        assert visit.ended() == "end"
        assert aside.get(f"/name/{key}").text == f"alone {key}"


def test_request_for_another_host_is_misdirected(alone):
    for host in (alone.other, "nobody.example.test"):
        with Connection(alone.door, alone.host) as visit:
            assert visit.get("/name").text == "alone"
            visit.host = host
            assert visit.get("/name").status == 421
            assert visit.ended() == "end"
    # as the same host is written, it is the same
    with Connection(alone.door, alone.host) as visit:
        assert visit.get("/name").text == "alone"
        visit.host = f"{alone.host.upper()}.:8080"
        assert visit.get("/name").text == "alone"


def test_second_head_that_is_too_long_is_refused(alone):
    with Connection(alone.door, alone.host) as visit:
        assert visit.get("/name").text == "alone"
        assert visit.get("/name", [("X-Long", "x" * 9000)]).status == 431


def test_proxy_that_is_trusted_says_who_the_visitor_is(module_group, alone):
    relay = Standalone(module_group, "proxied", domain="example.test", trusted_proxy="127.0.0.1")
    target = alone.services.target("alone", "http")
    device = relay.add(Guarded("proxied", far={"mode": "allow", "key": "22" * 32,
                                               "net": "192.0.2.0/24"},
                               near={"mode": "allow", "key": "33" * 32, "net": "127.0.0.0/8"}))
    agent = relay.agent(device, [f"{name}:http:{target}" for name in ("web", "far", "near")])
    said = [("X-Forwarded-For", "198.51.100.1, 192.0.2.7"), ("X-Forwarded-Proto", "https")]
    with Connection(relay.front, agent.host()) as visit:
        assert claims(visit.get("/headers")) == expected(agent.host())
        assert dict(claims(visit.get("/headers", said))) == {
            "x-forwarded-for": "198.51.100.1, 192.0.2.7", "x-forwarded-proto": "https",
            "x-forwarded-host": agent.host()}
    with Connection(listener(SimpleNamespace(relay=relay), agent.host()), agent.host()) as visit:
        assert ("x-forwarded-for", said[0][1]) in claims(visit.get("/headers", said))
    for source, status in (("192.0.2.7", 200), ("192.0.2.7, 198.51.100.1", 403)):
        assert get(relay.front, agent.host("far"), "/name",
                   [("X-Forwarded-For", source)]).status == status
    assert get(relay.front, agent.host("far"), "/name").status == 403
    # the proxy's own address lets nobody in
    for source, far, near in (("192.0.2.7:4711", 200, 403), ("unknown", 403, 403), ("", 403, 403),
                              ("127.0.0.1:80", 403, 200), (None, 403, 403)):
        fields = [("X-Forwarded-For", source)] if source is not None else []
        for name, status in (("far", far), ("near", near)):
            assert get(relay.front, agent.host(name), "/name", fields).status == status, source


def share_token(key, subject):
    def url64(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    said = {"aud": "link", "exp": int(time.time()) + 600, "jti": "0123456789abcdef",
            "sub": subject}
    text = ".".join(url64(json.dumps(part, separators=(",", ":")).encode())
                    for part in ({"alg": "HS256", "typ": "JWT"}, said))
    return text + "." + url64(hmac.new(bytes.fromhex(key), text.encode(), hashlib.sha256).digest())


def test_a_share_link_opens_through_a_trusted_proxy(module_group, alone):
    """It speaks https with the visitor, so the cookie is the one of https, which it then takes."""
    relay = Standalone(module_group, "linked", domain="example.test", trusted_proxy="127.0.0.1")
    device = relay.add(Guarded("linked", shut={"mode": "private", "key": "44" * 32}))
    agent = relay.agent(device, [f"shut:http:{alone.services.target('alone', 'http')}"])
    path = "/.taupe/share/" + share_token("44" * 32, "linked/shut")
    for proto, name in (("https", "__Host-taupe_visit"), ("http", "taupe_visit")):
        said = [("X-Forwarded-For", "192.0.2.7:4711"), ("X-Forwarded-Proto", proto)]
        answer = get(relay.front, agent.host(), path, said)
        assert answer.status == 303, answer
        cookie = answer.header("set-cookie").split(";")[0]
        assert cookie.startswith(name + "=")
        assert get(relay.front, agent.host(), "/name", [*said, ("Cookie", cookie)]).status == 200
    assert relay.relay.process.lines("a share link was used", "192.0.2.7")


# ---- another protocol ----

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
           ("Sec-WebSocket-Key", KEY)]


def frame(data):
    return struct.pack("!BB", 0x81, 0x80 | len(data)) + b"\0\0\0\0" + data


def test_websocket_passes(way):
    with Connection(way.door, way.host) as visit:
        visit.send_head("GET", "/ws", [*UPGRADE, *FORGED])
        status, fields = visit.read_head()
        assert status == 101 and fields["upgrade"].lower() == "websocket"
        for text in (b"hello", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100):
            visit.send(frame(text))
            got = []
            visit.read_exactly(2 + len(text), got.append)
            assert b"".join(got)[2:] == text


def test_bytes_right_behind_an_upgrade_wait_for_the_answer(alone):
    with Connection(alone.door, alone.host) as visit:
        fields = "".join(f"{name}: {value}\r\n" for name, value in UPGRADE)
        visit.send(f"GET /ws HTTP/1.1\r\nHost: {alone.host}\r\n{fields}\r\n".encode()
                   + frame(b"early"))
        assert visit.read_head()[0] == 101
        got = []
        visit.read_exactly(7, got.append)
        assert b"".join(got)[2:] == b"early"


def test_upgrade_that_is_not_taken_opens_no_tunnel(alone):
    """The service answers 200: what follows is requests, as ever."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in
                     [("Connection", "Upgrade"), ("Upgrade", "other")])
    with Connection(alone.door, alone.host) as visit:
        visit.send((f"GET /headers HTTP/1.1\r\nHost: {alone.host}\r\n{fields}\r\n"
                    f"GET /headers HTTP/1.1\r\nHost: {alone.host}\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n"
                    ).encode())
        for _ in range(2):
            assert claims(visit.read_answer()) == expected(alone.host)


@pytest.mark.parametrize("protocol", ["h2c", "websocket"])
def test_upgrade_that_is_not_passed_on(alone, protocol):
    """To HTTP in another version, or on a connection that has carried a request."""
    fields = [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", protocol)]
    with Connection(alone.door, alone.host) as visit:
        if protocol == "websocket":
            assert visit.get("/name").text == "alone"
        seen = {name.lower() for name, _ in visit.get("/headers", fields).json()["fields"]}
        assert "upgrade" not in seen and "connection" not in seen
        assert visit.get("/name").text == "alone"


def test_visitor_who_leaves_while_an_upgrade_waits_is_noticed(alone):
    with Connection(alone.door, alone.host) as visit:
        visit.send_head("GET", "/gate/upgrade", [("Connection", "Upgrade"), ("Upgrade", "other")])
        until("it waits", lambda: get(alone.door, alone.host, "/gate/upgrade/count").text == "1")
    until("it has left", lambda: get(alone.door, alone.host, "/gate/upgrade/count").text == "0")


# ---- who may visit ----

class Guarded(Device):
    """A device whose services have rules."""

    def __init__(self, name, **rules):
        super().__init__(name)
        self.rules = rules

    def file_line(self):
        pairs = [(f"access/{service}", urllib.parse.urlencode(rule, safe=":/,"))
                 for service, rule in self.rules.items()]
        return super().file_line() + "&" + urllib.parse.urlencode(pairs)


def password(user_and_password):
    salt = bytes(range(16))
    return {"mode": "password", "key": "11" * 32, "user": user_and_password.split(":")[0],
            "salt": salt.hex(),
            "hash": hmac.new(salt, user_and_password.encode(), hashlib.sha256).hexdigest()}


def basic(user_and_password):
    return "Authorization", "Basic " + base64.b64encode(user_and_password.encode()).decode()


@pytest.fixture(scope="module")
def guarded(alone):
    """The host of a service with each rule."""
    target = alone.services.target("alone", "http")
    device = alone.relay.add(Guarded("guarded", web=password("bob:secret"),
                                     far={"mode": "allow", "key": "22" * 32, "net": "192.0.2.0/24"},
                                     near={"mode": "allow", "key": "22" * 32, "net": "127.0.0.0/8"},
                                     shut={"mode": "private", "key": "33" * 32}))
    agent = alone.relay.agent(device, [f"{name}:http:{target}"
                                       for name in ("web", "far", "near", "shut")])
    return {"web": agent.host(), **{name: agent.host(name) for name in ("far", "near", "shut")}}


def test_password_is_asked_for_with_every_request_and_not_passed_on(alone, guarded):
    right, wrong = basic("bob:secret"), basic("bob:guess")
    for fields in ([], [wrong]):
        with Connection(alone.door, guarded["web"]) as visit:
            answer = visit.get("/headers", fields)
            assert answer.status == 401 and "basic" in answer.header("www-authenticate").lower()
            assert visit.ended() == "end"
    with Connection(alone.door, guarded["web"]) as visit:
        for _ in range(3):
            answer = visit.get("/headers", [right, ("Cookie", "a=b; taupe_visit=x; c=d")])
            fields = {name.lower(): value for name, value in answer.json()["fields"]}
            assert "authorization" not in fields and fields["cookie"] == "a=b; c=d"
        assert visit.get("/headers", [wrong]).status == 401
        assert visit.ended() == "end"


def test_page_comes_behind_the_answers_that_were_asked_for_before(alone, guarded):
    name, value = basic("bob:secret")
    good = (f"GET /bytes/300000 HTTP/1.1\r\nHost: {guarded['web']}\r\n{name}: {value}\r\n\r\n")
    with Connection(alone.door, guarded["web"]) as visit:
        visit.send((good * 3 + f"GET /name HTTP/1.1\r\nHost: {guarded['web']}\r\n\r\n" + good).encode())
        for _ in range(3):
            assert visit.read_answer().sha256 == pattern_sha256(300000)
        assert visit.read_answer().status == 401
        assert visit.ended() == "end"


def test_networks_and_links_are_asked_for(alone, guarded):
    assert get(alone.door, guarded["near"], "/name").text == "alone"
    for name in ("far", "shut"):
        answer = get(alone.door, guarded[name], "/name", FORGED)
        assert answer.status == 403 and "<html" in answer.text.lower()


def test_a_host_that_has_changed_hands_is_not_for_an_old_connection(module_group, alone):
    """Its requests would go to the one service, and be judged by the rule of the other."""
    relay = Standalone(module_group, "swapped", domain="example.test")
    target = alone.services.target("alone", "http")
    device = relay.add(Guarded("swapped", one={"mode": "allow", "key": "55" * 32,
                                               "net": "127.0.0.0/8"}))
    services = [f"one:http:{target}", f"two:http:{target}"]
    agent = relay.agent(device, services)
    host = agent.host()
    with Connection(relay.front, host) as visit:
        assert visit.get("/name").status == 200
        agent.config["service"] = services[::-1]
        agent.write_config()
        agent.process.send_signal(signal.SIGHUP)
        until("the host is the other's", lambda: f"//{host}:" in agent.url("two") or None)
        assert visit.get("/name").status == 421
    assert get(relay.front, host, "/name").status == 200
