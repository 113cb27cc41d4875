# SPDX-License-Identifier: MIT
"""Who may visit a service: one table, asked of HAProxy (with the router, a relay and Redis) and of
the front of a relay that stands alone. What they say is the same."""
import base64
import contextlib
import json
import re
import subprocess
import time

import pytest

from harness import ports
from harness.process import binary
from harness.programs import Agent, Certificate, Device, Relay, SampleServices
from harness.scenes import Cluster
from harness.visitors import Connection, get, tcp_outcome
from harness.wait import until
from test_tls_passthrough import TlsService

USER, PASSWORD = "tech", "correct horse battery"
SERVICES = ("open", "word", "listed", "other", "closed")
COOKIE = "taupe_visit"
PROXIES = ["127.0.0.3", "127.0.0.4"]


class Place:
    """Where the table is asked."""

    def run(self, *words):
        argv = [binary("taupectl"), "--config", "/dev/null"]
        for key, value in self.options.items():
            argv += ["--" + key.replace("_", "-"), str(value)]
        return subprocess.run([*argv, *words], capture_output=True, text=True, timeout=30,
                              check=False)

    def ctl(self, *words):
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def begin(self, group):
        self.words = group.folder / "password"
        self.words.write_text(PASSWORD + "\n")
        self.words.chmod(0o600)
        self.services = SampleServices(group, "home")
        http = self.services.target("home", "http")
        self.agent = Agent(group, self.device, [self.relay], [
            *(f"{name}:http:{http}" for name in SERVICES),
            f"raw:tcp:{self.services.target('home', 'tcp')}",
            f"seal:tls:{self.sealed(group)}"])
        self.agent.wait_connected()
        self.hosts = {name: ("alice" if name == SERVICES[0] else f"alice--{name}") + self.domain
                      for name in SERVICES}
        self.set("word=password", "--user", USER, "--password-file", str(self.words))
        self.set("listed=allow:127.0.0.0/8,2001:db8::/32")
        self.set("other=allow:192.0.2.0/24,::/1")
        self.set("closed=private")
        self.expect({"open": 200, "word": 401, "listed": 200, "other": 403, "closed": 403})

    @staticmethod
    def sealed(group):
        service = TlsService()
        group.exits.callback(service.server_close)
        group.exits.callback(service.shutdown)
        service.context.load_cert_chain(
            Certificate(group.folder / "sealed", "alice--seal.example.test").bundle)
        return service.target

    def set(self, rule, *words):
        return self.ctl("device", "set", "alice", "--access", rule, *words)

    def get(self, service, path="/headers", fields=()):
        return get(self.address, self.hosts[service], path, fields)

    def expect(self, statuses):
        def look():
            found = {name: self.get(name).status for name in statuses}
            assert found == statuses, found
            return True
        until("the rules hold", look)

    def share(self, service, time_="1h", *words):
        link = self.ctl("share", f"alice/{service}", "--for", time_, *words).strip()
        assert link.startswith(self.url(service)), link
        return link

    def url(self, service):
        return f"http://{self.hosts[service]}{self.port}/.taupe/share/"

    def open(self, link, service, behind=""):
        """Open a link at the host of a service."""
        return self.get(service, "/.taupe/share/" + link.split("/share/")[1] + behind)

    def cookie(self, link, service):
        answer = self.open(link, service)
        assert answer.status == 303, answer
        return answer.header("set-cookie").split(";")[0]

    def curl(self, service, *paths, options=(), scheme="http", door=None):
        """A browser of that service's host: it keeps cookies and connections, and follows. The
        statuses of what it was led to."""
        address, port = door or self.address
        host = self.hosts[service]
        argv = ["curl", "-sS", "-L", "-b", "", "-m", "20", "--resolve", f"{host}:{port}:{address}",
                "-w", "%{http_code} %{http_version} %{num_connects}\\n", *options]
        for path in paths:
            argv += ["-o", "/dev/null", f"{scheme}://{host}:{port}{path}"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done
        return [line.split() for line in done.stdout.splitlines()]

    def share_events(self, share):
        text = self.ctl("--json", "events", "--kind", "share")
        events = [json.loads(line) for line in text.splitlines()]
        return [event for event in events
                if event["share"] == share and event.get("state") == "used"]


class Behind(Place):
    """HAProxy, the router, a relay, Redis."""

    def __init__(self, group):
        # neither a relay's host name nor a common one of agents: links need none
        door, mapped = ports.take(), ports.take()
        self.v6, self.mapped = ("::1", door), ("127.0.0.1", mapped)
        self.cluster = Cluster(group, relays=2, announce="100ms", haproxy={
            "TAUPE_HTTP": f"127.0.0.1:{door},::1:{door},[::ffff:127.0.0.1]:{mapped}", "log_visits": True,
            "TAUPE_GUESSES": "200"})
        self.cluster.haproxy.http = "127.0.0.1", door
        self.cluster_relay()
        self.begin(group)

    def cluster_relay(self):
        cluster = self.cluster
        self.options = cluster.redis.access("taupectl")
        self.relay, self.domain = cluster.relay, ".example.test"
        self.address, self.port = cluster.haproxy.http, ""
        self.tls = cluster.haproxy.tls
        self.device = Device("alice")
        self.device.secret = self.ctl("device", "add", "alice", "--label", "alice").strip()


class Alone(Place):
    """The front of a relay that stands alone."""

    def __init__(self, group):
        block, front = ports.take_block(group.exits), ports.take()
        devices = group.folder / "devices"
        self.options = {"devices_file": devices}
        self.device = Device("alice")
        self.device.secret = self.ctl("device", "add", "alice", "--label", "alice").strip()
        self.relay = Relay(group, "alone", devices_file=devices, announce="100ms",
                           visitor_listen=f"127.0.0.1:{front}", public_http_port=front,
                           source_guesses=200, trusted_proxy=PROXIES,
                           service_listen=f"127.0.0.1:{block}-{block + ports.BLOCK - 1}")
        self.options["admin"] = f"127.0.0.1:{self.relay.admin_port}"
        self.domain, self.address, self.port = ".example.test", ("127.0.0.1", front), f":{front}"
        self.tls = self.address
        self.begin(group)


@pytest.fixture(scope="module", params=[Behind, Alone], ids=["haproxy", "front"])
def place(request, module_group):
    return request.param(module_group)


def basic(user, password):
    return [("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())]


# service, fields, the outcome
ROWS = [
    ("open", [], 200),
    ("open", basic(USER, PASSWORD), 200),
    ("word", [], 401),
    ("word", basic(USER, PASSWORD), 200),
    ("word", [("Authorization", basic(USER, PASSWORD)[0][1].replace("Basic", "bAsIc"))], 200),
    ("word", basic(USER, PASSWORD + "x"), 401),
    ("word", basic(USER, ""), 401),
    ("word", basic("root", PASSWORD), 401),
    ("word", [("Authorization", basic(USER, PASSWORD)[0][1][:-4])], 401),
    ("word", [("Authorization", "Bearer " + basic(USER, PASSWORD)[0][1][6:])], 401),
    ("word", [("Authorization", "Basic")], 401),
    ("word", [("Authorization", "Basic ====")], 401),
    ("word", basic(USER, PASSWORD) * 2, 401),
    ("word", [("Authorization", basic(USER, PASSWORD)[0][1] + " y")], 401),
    ("word", [("Authorization", basic(USER, PASSWORD)[0][1].replace(" ", "  "))], 200),
    ("word", [("Cookie", f"{COOKIE}=x.y.z")], 401),
    ("listed", [], 200),
    ("listed", [("X-Forwarded-For", "203.0.113.9")], 200),
    ("other", [], 403),
    ("other", [("X-Forwarded-For", "192.0.2.1")], 403),
    ("other", basic(USER, PASSWORD), 403),
    ("closed", [], 403),
    ("closed", basic(USER, PASSWORD), 403),
    ("closed", [("Cookie", f"{COOKIE}=")], 403),
    ("closed", [("Cookie", f"{COOKIE}={'a' * 3000}.b.c")], 403),
]
PAGES = {401: "A password is needed", "other": "Not from your network",
         "closed": "This needs a share link"}


def page_of(service, status):
    return PAGES[401 if status == 401 else "closed" if service == "link" else service]


@pytest.mark.parametrize("service,fields,status", ROWS)
def test_rule(place, service, fields, status):
    answer = place.get(service, fields=fields)
    assert answer.status == status, answer
    if status == 200:
        return
    assert page_of(service, status) in answer.text
    assert answer.header("cache-control") == "no-store"
    assert (answer.header("www-authenticate") is not None) == (status == 401)


def test_a_share_link_opens_its_service_and_the_device_sees_nothing_of_it(place):
    link = place.share("closed", "1h", "--note", "for the table")
    answer = place.open(link, "closed", "/deep/path?x=1")
    assert answer.status == 303 and answer.header("location") == "/deep/path?x=1"
    assert answer.header("cache-control") == "no-store"
    cookie = answer.header("set-cookie")
    assert re.match(COOKIE + r"=[\w.-]+; Path=/; Max-Age=3[56]\d\d; HttpOnly; SameSite=Lax$", cookie)
    cookie = cookie.split(";")[0]
    for fields in ([cookie], ["a=1; " + cookie], [cookie + "; b=2"], ["a=1; " + cookie + "; b=2"]):
        answer = place.get("closed", fields=[("Cookie", value) for value in fields])
        assert answer.status == 200, answer
        seen = dict(answer.json()["fields"]).get("Cookie", dict(answer.json()["fields"]).get("cookie"))
        kept = "; ".join(piece for piece in fields[0].split("; ") if COOKIE not in piece)
        assert (re.sub(" +", " ", seen) if seen else "") == kept
    # two of them are none, and it is of this service alone
    assert place.get("closed", fields=[("Cookie", cookie + "; " + cookie)]).status == 403
    assert place.get("other", fields=[("Cookie", cookie)]).status == 403
    assert place.get("word", fields=[("Cookie", cookie)]).status == 401
    # what the link says is no cookie, and what the cookie says is no link
    token = link.split("/share/")[1]
    assert place.get("closed", fields=[("Cookie", f"{COOKIE}={token}")]).status == 403
    assert place.open("/share/" + cookie.split("=")[1], "closed").status == 403


@pytest.mark.parametrize("text,status", [
    ("VISIT; b=2", 200),
    ('VISIT; b="2', 200),
    ("VISIT; b=2,3", 200),
    ("a=1,VISIT", 403),
    ("VISIT,b=2", 403),
    ('size=5"; VISIT', 403),
    (f'VISIT; a="; {COOKIE}=z; b="', 403),
    (f"VISIT; other,{COOKIE}=z", 403),
])
def test_a_cookie_that_is_read_in_two_ways_is_none(place, text, status):
    text = text.replace("VISIT", place.cookie(place.share("closed"), "closed"))
    answer = place.get("closed", fields=[("Cookie", text)])
    assert answer.status == status, answer
    assert COOKIE not in answer.text


def test_what_the_device_gets_of_a_cookie_has_no_visit(place):
    """Let in by a password, and with a cookie that only others take for one."""
    visit = place.cookie(place.share("word"), "word")
    for text in (f"a=1,{visit}", f'size=5"; {visit}', f'{visit}; a="; {COOKIE}=z; b="'):
        answer = place.get("word", fields=[*basic(USER, PASSWORD), ("Cookie", text)])
        assert answer.status == 200 and COOKIE not in answer.text, answer


@pytest.mark.parametrize("protocol", ["h2c", "HTTP/2.0", "foo, h2c", "H3", "TLS/1.0"])
def test_requests_do_not_come_by_a_tunnel(place, protocol):
    answer = place.get("open", fields=[("Connection", "Upgrade"), ("Upgrade", protocol)])
    assert answer.status == 200
    assert "upgrade" not in {name.lower() for name, _ in answer.json()["fields"]}


def test_a_tunnel_is_not_to_be_had(place):
    host = place.hosts["open"]
    with Connection(place.address, host) as visit:
        visit.send(f"CONNECT {host}:80 HTTP/1.1\r\nHost: {host}:80\r\n\r\n".encode())
        assert visit.read_head()[0] in (400, 405)


def test_links_to_pages_lead_to_their_hosts_where_a_relay_is_configured_too(place):
    """taupectl.ini has one for device add --qr; it is where links to other services lead."""
    relay = ("--relay", "wss://relay.example.test")
    assert place.open(place.share("closed", "1h", *relay), "closed").status == 303
    link = place.ctl("share", "alice/closed", "--for", "1h", *relay, "--url",
                     "https://cam.example.net")
    assert link.startswith("https://cam.example.net/.taupe/share/")
    place.set("raw=private")
    assert place.ctl("share", "alice/raw", "--for", "1h", *relay).startswith(
        "https://relay.example.test/.taupe/share/")
    place.set("raw=public")
    # a page that is away: which kind it will be of is not known
    place.set("away=private")
    done = place.run("share", "alice/away", "--for", "1h", *relay)
    assert done.stdout.startswith("https://relay.example.test/") and "--url" in done.stderr
    place.set("away=public")


def test_a_share_link_opens_what_has_a_password_or_a_list(place):
    for service in ("word", "other"):
        cookie = place.cookie(place.share(service), service)
        answer = place.get(service, fields=[("Cookie", cookie)])
        assert answer.status == 200, answer


def test_a_password_is_not_shown_to_the_device(place):
    names = {name.lower() for name, _ in
             place.get("word", fields=basic(USER, PASSWORD)).json()["fields"]}
    assert "authorization" not in names
    names = {name.lower() for name, _ in
             place.get("open", fields=basic(USER, PASSWORD)).json()["fields"]}
    assert "authorization" in names


def newest(place, service):
    shares = json.loads(place.ctl("--json", "share", "ls"))["shares"]
    return max((share for share in shares if share["service"] == service),
               key=lambda share: share["created_ms"])["id"]


def refused(answer):
    assert answer.status == 403, answer
    assert PAGES["closed"] in answer.text and "ask who gave it" in answer.text
    assert answer.header("set-cookie") is None


def test_a_link_for_another_service_or_with_a_changed_byte_is_refused(place):
    link = place.share("closed")
    refused(place.open(link, "other"))
    refused(place.open(link, "word"))
    refused(place.open(link, "open"))
    at = link.index("/share/") + len("/share/")
    for spot in range(at, len(link), 7):
        if link[spot] != ".":
            changed = "B" if link[spot] == "A" else "A"
            refused(place.open(link[:spot] + changed + link[spot + 1:], "closed"))
    refused(place.open(link[:-1], "closed"))
    refused(place.open(link + ".x", "closed"))
    refused(place.open("/share/", "closed"))


def test_a_changed_byte_of_the_cookie_is_refused(place):
    cookie = place.cookie(place.share("closed"), "closed")
    for spot in range(len(COOKIE) + 1, len(cookie), 9):
        if cookie[spot] != ".":
            changed = cookie[:spot] + ("B" if cookie[spot] == "A" else "A") + cookie[spot + 1:]
            assert place.get("closed", fields=[("Cookie", changed)]).status == 403


def test_a_links_token_is_in_no_log(place):
    link = place.share("closed")
    place.cookie(link, "closed")
    assert place.get("open", "/name?not-a-link").status == 200
    if isinstance(place, Behind):
        place.cluster.haproxy.process.wait_line("/name?not-a-link")
        assert not place.cluster.haproxy.process.lines(link.split("/share/")[1])
    assert not place.relay.process.lines(link.split("/share/")[1])


def test_a_link_leads_to_no_other_host(place):
    link = place.share("closed")
    for behind, to in (("//evil.test/x", "/evil.test/x"), ("/\\evil.test", "/evil.test"),
                       ("///a", "/a"), ("?q=1", "/"), ("", "/")):
        answer = place.open(link, "closed", behind)
        assert answer.status == 303 and answer.header("location") == to, (behind, answer)


def test_after_its_time_a_link_and_its_visit_are_over(place):
    link = place.share("closed", "3s")
    end = time.time() + 3
    cookie = place.cookie(link, "closed")
    fields = [("Cookie", cookie)]
    assert place.get("closed", fields=fields).status == 200
    until("the visit is over", lambda: place.get("closed", fields=fields).status == 403 or None)
    assert end - 1.5 < time.time() < end + 3
    refused(place.open(link, "closed"))


def test_a_link_that_is_revoked_is_over_and_others_go_on(place):
    revoked, other = place.share("closed"), place.share("word")
    fields = [("Cookie", place.cookie(revoked, "closed"))]
    kept = [("Cookie", place.cookie(other, "word"))]
    assert place.get("closed", fields=fields).status == 200
    place.ctl("share", "revoke", newest(place, "closed"))
    until("the visit is refused",
          lambda: place.get("closed", fields=fields).status == 403 or None)
    until("the link is refused", lambda: place.open(revoked, "closed").status == 403 or None)
    refused(place.open(revoked, "closed"))
    assert place.get("word", fields=kept).status == 200
    done = place.run("share", "revoke", "0123456789abcdef")
    assert done.returncode == 67 and "there is no share link" in done.stderr


def test_a_link_on_a_connection_that_was_used_before(place):
    """As a browser does it: the page that says no, the link, and the page, on one connection as far
    as that is kept."""
    link = "/.taupe/share/" + place.share("closed").split("/share/")[1]
    got = place.curl("closed", "/headers", link + "/name", "/headers")
    assert [status for status, *_ in got] == ["403", "200", "200"], got
    got = place.curl("open", "/name", "/.taupe/nothing", "/name")
    assert [status for status, *_ in got] == ["200", "404", "200"], got


def test_a_link_behind_other_requests_of_a_connection(place):
    """As a proxy that keeps its connections sends it: at once, and of another host."""
    token = place.share("closed").split("/share/")[1]
    path = "/.taupe/share/" + token + "/name?x=1"
    with Connection(place.address, place.hosts["open"]) as visit:
        visit.send_head("GET", "/bytes/200000")
        visit.host = place.hosts["closed"]
        visit.send_head("GET", path)
        assert visit.read_answer().length == 200000
        answer = visit.read_answer()
        assert answer.status == 303 and answer.header("location") == "/name?x=1"
        cookie = answer.header("set-cookie").split(";")[0]
    assert place.get("closed", fields=[("Cookie", cookie)]).status == 200
    share = newest(place, "closed")
    assert until("it is noted", lambda: place.share_events(share))
    for wanted, host, status in ((path[:-len("/name?x=1") - 1], "closed", 403), (path, "word", 403),
                                 ("/.taupe/nothing", "closed", 404), (path, "closed", 303)):
        with Connection(place.address, place.hosts["open"]) as visit:
            assert visit.get("/name").status == 200
            visit.host = place.hosts[host]
            assert visit.get(wanted).status == status, wanted


def test_whoever_opens_a_link_is_noted_with_its_address(place):
    link = place.share("closed")
    share = newest(place, "closed")
    path = "/.taupe/share/" + link.split("/share/")[1]
    assert place.curl("closed", path + "/name", options=["--interface", "127.0.0.2"])[0][0] == "200"
    event, = until("the event", lambda: place.share_events(share))
    assert event["from"] == "127.0.0.2" and event["device"] == "alice", event
    assert event["service"] == "closed"


def test_any_relay_opens_a_link(place):
    if not isinstance(place, Behind):
        pytest.skip("of many relays")
    link = place.share("closed")
    share = newest(place, "closed")

    def relays():
        assert place.open(link, "closed").status == 303
        return {event["relay"] for event in place.share_events(share)} == {"r1", "r2"}
    until("both have", relays)


def test_head_opens_a_link_and_has_no_body(place):
    path = "/.taupe/share/" + place.share("closed").split("/share/")[1]
    for wanted, status in ((path, 303), ("/name", 403), ("/.taupe/share/x", 403)):
        with Connection(place.address, place.hosts["closed"]) as visit:
            visit.send_head("HEAD", wanted, [("Connection", "close")])
            answer = visit.read_answer("HEAD")
            assert answer.status == status, answer
            assert (answer.header("set-cookie") is not None) == (status == 303)
            assert visit.buffer + visit.sock.recv(1) == b"", wanted
    with Connection(place.address, place.hosts["closed"]) as visit:
        visit.send_head("POST", path, [("Content-Length", "0")])
        answer = visit.read_answer()
        assert answer.status == 405 and answer.header("allow") == "GET, HEAD"


def test_https_has_a_cookie_of_its_own(place):
    if not isinstance(place, Behind):
        pytest.skip("the front ends no TLS")
    path = "/.taupe/share/" + place.share("closed").split("/share/")[1]
    haproxy, host = place.cluster.haproxy, place.hosts["closed"]
    with Connection(haproxy.https, host, sni=host, cafile=haproxy.certificate.ca) as visit:
        cookie = visit.get(path).header("set-cookie")
    assert re.match("__Host-" + COOKIE + r"=[\w.-]+; Path=/; Max-Age=\d+; HttpOnly; SameSite=Lax; "
                    "Secure$", cookie)
    token = cookie.split(";")[0].split("=")[1]
    for name, status in (("__Host-" + COOKIE, 200), (COOKIE, 403)):
        with Connection(haproxy.https, host, sni=host, cafile=haproxy.certificate.ca) as visit:
            answer = visit.get("/headers", [("Cookie", f"a=1; {name}={token}; b=2")])
        assert answer.status == status, (name, answer)
        if status == 200:
            cookies = [v for n, v in answer.json()["fields"] if n.lower() == "cookie"]
            assert [re.sub(" +", " ", value) for value in cookies] == ["a=1; b=2"]
    # without TLS it is none: another host of the domain may have set it
    assert place.get("closed", fields=[("Cookie", f"__Host-{COOKIE}={token}")]).status == 403
    got = place.curl("closed", "/headers", path + "/name", "/headers", scheme="https",
                     door=haproxy.https,
                     options=["--http2", "--cacert", str(haproxy.certificate.ca)])
    assert [line[:2] for line in got] == [["403", "2"], ["200", "2"], ["200", "2"]], got


def test_tls_is_asked_by_its_address(place):
    host = "alice--seal" + place.domain

    def comes():
        try:
            with Connection(place.tls, host, sni=host, timeout=5) as visit:
                return visit.get("/bytes/3").status == 200
        except (OSError, EOFError):
            return False
    until("it is open", comes)
    for rule, wanted in (("allow:192.0.2.0/24", False), ("allow:127.0.0.0/8", True),
                         ("private", False), ("public", True)):
        place.set(f"seal={rule}")
        until(f"seal is {rule}", lambda w=wanted: comes() == w)


def test_visitors_of_ipv6_are_asked_by_their_own_address(place):
    if not isinstance(place, Behind):
        pytest.skip("the list of the front has its own test")
    for service, status in (("other", 200), ("listed", 403)):
        assert get(place.v6, place.hosts[service], "/headers").status == status
    fields = dict(get(place.v6, place.hosts["other"], "/headers").json()["fields"])
    assert {name.lower(): value for name, value in fields.items()}["x-forwarded-for"] == "::1"


def test_ipv4_that_comes_mapped_into_ipv6_is_ipv4(place):
    """As at a HAProxy that listens for both at one address."""
    if not isinstance(place, Behind):
        pytest.skip("the front listens for each by itself")
    for service, status in (("other", 403), ("listed", 200)):
        assert get(place.mapped, place.hosts[service], "/headers").status == status
    fields = dict(get(place.mapped, place.hosts["listed"], "/headers").json()["fields"])
    assert {name.lower(): value for name, value in fields.items()}["x-forwarded-for"] == "127.0.0.1"


def test_a_websocket_is_asked_as_any_other_request(place):
    upgrade = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"),
               ("Sec-WebSocket-Key", base64.b64encode(bytes(16)).decode())]
    password = place.set("word=password", "--user", USER, "--password-file", str(place.words))
    assert password == ""
    until("the password holds", lambda: place.get(
        "word", fields=basic(USER, PASSWORD)).status == 200 or None)
    for service, fields, status in (("word", [], 401), ("word", basic(USER, PASSWORD), 101),
                                    ("closed", [], 403)):
        with Connection(place.address, place.hosts[service]) as visit:
            visit.send_head("GET", "/ws", upgrade + fields)
            assert visit.read_head()[0] == status
            if status == 101:
                visit.send(b"\x81\x82\0\0\0\0hi")
                got = []
                visit.read_exactly(2, got.append)
                visit.read_exactly(2, got.append)
                assert b"".join(got).endswith(b"hi")


def test_what_connection_names_does_not_hide_the_visitor(place):
    for service, more in (("open", []), ("word", basic(USER, PASSWORD))):
        for said in ("X-Forwarded-For", "keep-alive, x-forwarded-for, X-Forwarded-Proto"):
            with Connection(place.address, place.hosts[service]) as visit:
                answer = visit.get("/headers", [("Connection", said), *more])
            fields = {name.lower(): value for name, value in answer.json()["fields"]}
            assert fields["x-forwarded-for"] == "127.0.0.1"
            assert "forwarded" not in fields.get("connection", "").lower(), fields


def test_all_links_of_a_service_are_over_at_once(place):
    links = [place.share("closed"), place.share("closed")]
    fields = [("Cookie", place.cookie(links[0], "closed"))]
    other = [("Cookie", place.cookie(place.share("word"), "word"))]
    assert place.get("closed", fields=fields).status == 200
    place.ctl("share", "revoke", "alice/closed")
    until("the visit is refused",
          lambda: place.get("closed", fields=fields).status == 403 or None)
    for link in links:
        until("the link is refused", lambda: place.open(link, "closed").status == 403 or None)
    kept = json.loads(place.ctl("--json", "share", "ls", "alice"))["shares"]
    assert "closed" not in {share["service"] for share in kept}
    assert place.get("word", fields=other).status == 200
    fields = [("Cookie", place.cookie(place.share("closed"), "closed"))]
    until("a new link opens", lambda: place.get("closed", fields=fields).status == 200 or None)
    done = place.run("share", "revoke", "alice/open")
    assert done.returncode == 67 and "no rule" in done.stderr


def test_a_service_is_closed_and_opened_while_it_is_visited(place):
    place.set("open=private")
    place.expect({"open": 403})
    place.set("open=public")
    place.expect({"open": 200})


def test_tcp_is_asked_by_its_address(place):
    address = place.address[0], place.agent.port("raw")
    until("the port answers", lambda: b"home" in tcp_outcome(address, b"NAME\n")[1] or None)
    for rule, comes in (("allow:192.0.2.0/24", False), ("allow:127.0.0.0/8", True),
                        ("private", False), ("password", False), ("public", True)):
        place.set(f"raw={rule}")
        until(f"raw is {rule}", lambda c=comes: (
            b"home" in tcp_outcome(address, b"NAME\n")[1]) == c or None)


@pytest.mark.parametrize("words,code,says", [
    (("share", "alice/open", "--for", "1h"), 65, "public"),
    (("share", "bob/open", "--for", "1h"), 67, "bob"),
    (("share", "alice", "--for", "1h"), 65, "DEVICE/SERVICE"),
    (("share", "alice/closed"), 65, "--for"),
    (("share", "alice/closed", "--for", "400d"), 65, "366d"),
    (("share", "revoke", "x"), 67, "share ls"),
    (("device", "set", "alice", "--access", "web"), 65, "web=password"),
    (("device", "set", "alice", "--access", "web=allow:10.0.0.1/8"), 65, "10.0.0.0/8"),
    (("device", "set", "alice", "--access", "web=allow:"), 65, "network"),
    (("device", "set", "alice", "--access", "web=open"), 65, "public, password"),
    (("device", "set", "alice", "--access", "web=private", "--access", "web=public"), 65, "before"),
    (("device", "set", "alice", "--access", "web=private", "--user", "x"), 64, "password"),
    (("device", "set", "nobodyelse", "--access", "web=private"), 67, "nobodyelse"),
])
def test_bad_input_says_what_is_wrong(place, words, code, says):
    done = place.run(*words)
    assert done.returncode == code and says in done.stderr, (done.returncode, done.stderr)


def test_passwords_are_not_guessed_without_limit(place):
    wrong = basic(USER, PASSWORD + "x")
    until("it is enough", lambda: place.get("word", fields=wrong).status == 429 or None,
          timeout=30, interval=0)
    answer = place.get("word", fields=basic(USER, PASSWORD))
    assert answer.status == 429 and answer.header("retry-after") == "60"
    assert "Too many wrong passwords" in answer.text
    assert answer.header("cache-control") == "no-store"
    # others are not kept out, nor is who asks for no password, or has a link
    assert place.get("word").status == 401 and place.get("open").status == 200
    got = place.curl("word", "/headers", options=["--interface", "127.0.0.2", "-u",
                                                  f"{USER}:{PASSWORD}"])
    assert got[0][0] == "200"
    visit = place.cookie(place.share("word"), "word")
    assert place.get("word", fields=[*wrong, ("Cookie", visit)]).status == 200
    if isinstance(place, Behind):
        place.cluster.haproxy.ask("clear table restricted")
        assert place.get("word", fields=basic(USER, PASSWORD)).status == 200
    else:
        assert place.relay.metrics()["taupe_relay_source_guesses_over_max_total"] >= 2
        until("time has passed", lambda: place.get(
            "word", fields=basic(USER, PASSWORD)).status == 200 or None)


def test_visitors_whom_a_proxy_does_not_name_are_the_proxy(place):
    if isinstance(place, Behind):
        pytest.skip("of the front")

    def ask(proxy, password=PASSWORD, source=None):
        said = [("X-Forwarded-For", source)] if source is not None else []
        return get(place.address, place.hosts["word"], "/headers",
                   [*basic(USER, password), *said], source=proxy).status
    first, second = PROXIES
    until("it is enough", lambda: [ask(first, "wrong"), ask(first), ask(first, source="unknown")]
          == [429] * 3, timeout=30, interval=0)
    assert ask(second) == 200
    assert ask(first, source="198.51.100.7") == 200
    assert len(place.relay.process.lines("whom a proxy does not name", first)) == 1
    assert not place.relay.process.lines("whom a proxy does not name", second)


def test_a_drawn_password_is_printed_once_and_lets_in(place):
    password = place.set("word=password").strip()
    assert len(password) == 20
    until("the new password holds", lambda: place.get(
        "word", fields=basic("visitor", password)).status == 200 or None)
    assert place.get("word", fields=basic(USER, PASSWORD)).status == 401
    shown = place.ctl("device", "show", "alice")
    assert "word: password, user visitor" in shown and password not in shown
    assert re.search(r"other: allow 192\.0\.2\.0/24, ::/1", shown)
    for text in (place.ctl("--json", "device", "show", "alice"), place.ctl("--json", "route", "ls")):
        assert not re.search(r"[A-Za-z0-9+/]{43}=|[0-9a-f]{64}", text), text


def test_a_rule_outlives_relay_and_registry(place):
    """Records are the operator's data, as devices are: what a Redis without them has lost, a relay
    that holds the device still knows."""
    if not isinstance(place, Behind):
        pytest.skip("of Redis")
    redis = place.cluster.redis.client
    kept = {key: redis.dump(key) for key in redis.keys("taupe:device*")}
    redis.flushall()
    for key, value in kept.items():
        redis.restore(key, 0, value, replace=True)
    until("the routes are back", lambda: redis.hgetall("taupe:routes") or None)
    place.expect({"open": 200, "closed": 403, "listed": 200, "other": 403})
    with contextlib.suppress(ValueError):
        place.relay.process.kill()
    assert place.get("closed").status in (403, 503)
    place.relay.start()
    place.expect({"open": 200, "closed": 403, "listed": 200, "other": 403})
