# SPDX-License-Identifier: MIT
"""The dashboard in a real browser: what it shows is so, at once and as things change; what it does
needs a login and a confirmation; keys, a phone and the dark are enough for it. Screenshots stay in
the build folder."""
import http.client
import os
import pathlib
import time

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from harness import ports
from harness.api import Api
from harness.process import ROOT, binary
from harness.programs import Agent, Device, Redis, Relay, SampleServices
from harness.scenes import Standalone
from harness.wait import until
from test_admin_api import token_of

PICTURES = pathlib.Path(binary("taupe-relay")).parent / "screenshots"


class Browser:
    def __init__(self, folder, width=1180, height=1250):
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
                         "--disable-dev-shm-usage", "--disable-background-networking",
                         "--disable-component-update", "--disable-sync", "--hide-scrollbars",
                         f"--user-data-dir={folder / 'profile'}",
                         f"--window-size={width},{height}"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(
            options=options, service=webdriver.chrome.service.Service("/usr/bin/chromedriver"))

    def open(self, relay, ready=True):
        self.driver.get(f"http://127.0.0.1:{relay.admin_port}/")
        if ready:
            until("the page is ready", lambda: self.run(
                "return document.body.dataset.ready") == "yes")

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def find(self, css):
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def all(self, css):
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def text(self, css):
        return self.run("return document.querySelector(arguments[0])?.innerText ?? null", css)

    def rows(self, table):
        """The texts of a table's rows, at one moment."""
        return self.run("return [...document.querySelectorAll(arguments[0] + ' tbody tr')].map("
                        "row => [...row.cells].map(cell => cell.textContent))", table)

    def keys(self, *keys):
        self.driver.switch_to.active_element.send_keys(*keys)

    def search(self, text):
        self.run("const at = document.getElementById('search'); at.value = arguments[0];"
                 "at.dispatchEvent(new Event('input'))", text)
        until(f"{text} was looked for", lambda: self.run(
            "return document.body.dataset.shown") == text)

    def press(self, css):
        until(f"{css} can be pressed", lambda: self.run(
            "const at = document.querySelector(arguments[0]); return at && !at.disabled", css))
        self.run("document.querySelector(arguments[0]).click()", css)

    def login(self, token):
        self.press("#login-open")
        self.find("#token").send_keys(token, Keys.ENTER)
        until("it is logged in", lambda: not self.run(
            "return document.getElementById('logout').hidden"))
        until("the page is ready", lambda: self.run(
            "return document.body.dataset.ready") == "yes")

    def picture(self, name):
        PICTURES.mkdir(exist_ok=True)
        assert self.driver.save_screenshot(str(PICTURES / f"{name}.png"))

    def dark(self, on):
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": "dark" if on else "light"}]})

    def size(self, width, height):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 2, "mobile": True})

    def full_size(self):
        self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def faults(self):
        """What the browser complains of: a policy that was broken, a script that failed."""
        return [entry["message"] for entry in self.driver.get_log("browser")
                if entry["level"] == "SEVERE" and " 401 " not in entry["message"]
                and " 422 " not in entry["message"] and " 403 " not in entry["message"]
                and "ERR_CONNECTION" not in entry["message"]
                and "ERR_INCOMPLETE" not in entry["message"]]

    def close(self):
        self.driver.quit()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@pytest.fixture(autouse=True)
def nothing_is_wrong(browser):
    browser.full_size()
    browser.dark(False)
    browser.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    browser.driver.get_log("browser")
    yield
    assert browser.faults() == []
    browser.driver.get("about:blank")


class Scene:
    def __init__(self, group):
        self.group, self.redis = group, Redis(group)
        for i in range(60):
            self.redis.add(Device(f"probe-{i:02}", label=f"probe-{i:02}" if i % 5 == 0 else None))
        self.relays = [self.relay("r1"), self.relay("r2")]
        self.services = SampleServices(group, "web")
        access = self.redis.access("taupectl")
        self.operator = token_of(access, "olga", "operate")
        self.admin = token_of(access, "anna", "admin")
        self.api = Api(self.relays[0], self.admin)
        until("the relays know each other", lambda: all(
            len(relay.api("relays")["relays"]) == 2 for relay in self.relays))

    def relay(self, name):
        block = ports.take_block()
        return Relay(self.group, name, announce="200ms", capacity=100, rebalance="no",
                     service_listen=f"127.0.0.1:{block}-{block + 9}",
                     admin_redis_user="taupe-api",
                     admin_redis_password_file=self.redis.password_file,
                     **self.redis.access("taupe-relay"))

    def agent(self, name, relay):
        device = Device(name)
        self.redis.add(device)
        return Agent(self.group, device, [self.relays[relay]],
                     [f"web:http:{self.services.target('web', 'http')}"])

    def visit(self, name, size):
        routes = until("it has a route", lambda: [
            route for route in self.api.ok("GET", f"/devices/{name}")["routes"]
            if route["key"].startswith("http/")])
        host, (ip, port, _) = routes[0]["key"][5:], routes[0]["value"].split(",")
        connection = http.client.HTTPConnection(ip, int(port), timeout=10)
        connection.request("GET", f"/bytes/{size}", headers={"Host": host})
        assert len(connection.getresponse().read()) == size
        connection.close()


@pytest.fixture(scope="module")
def scene(module_group):
    return Scene(module_group)


@pytest.fixture(scope="module")
def alice(scene):
    return scene.agent("alice", 0)


def test_the_first_screen_shows_relays_and_devices(scene, alice, browser):
    scene.agent("bob", 1)
    browser.open(scene.relays[0])
    for _ in range(3):
        scene.visit("alice", 3_000_000)
    until("the traffic is seen", lambda: "MB" in browser.rows("#relays")[0][5]
          or "kB" in browser.rows("#relays")[0][5])
    relays = {row[0]: row for row in browser.rows("#relays")}
    assert set(relays) == {"r1 (this one)", "r2"}
    assert relays["r2"][1] == "serving" and relays["r2"][2] == "1 of 100"
    assert "MB" in relays["r2"][4]
    devices = browser.rows("#list")
    assert len(devices) == 50
    assert devices[0][:2] == ["alice", "online"] and devices[1][:2] == ["bob", "online"]
    assert browser.text("#sum-relays") == "2" and browser.text("#sum-devices") == "62"
    assert browser.text("#pulse") == "live"
    assert browser.run("return document.querySelector('#hour .in').getAttribute('d')")
    browser.picture("full")
    browser.press("#more")
    until("the second page is there", lambda: len(browser.rows("#list")) == 12)
    browser.press("#back")
    until("the first page is there", lambda: len(browser.rows("#list")) == 50)


def test_keys_alone_find_and_open_a_device(scene, alice, browser):
    browser.open(scene.relays[0])
    browser.find("body").send_keys("/")
    assert browser.run("return document.activeElement.id") == "search"
    browser.keys("PROBE-15")
    until("it is found", lambda: [row[0] for row in browser.rows("#list")] == ["probe-15"])
    browser.keys(Keys.ESCAPE)
    until("all are there", lambda: len(browser.rows("#list")) == 50)
    browser.keys(Keys.ARROW_DOWN)
    assert browser.run("return document.activeElement.dataset.name") == "alice"
    browser.keys(Keys.ARROW_DOWN)
    assert browser.run("return document.activeElement.dataset.name") != "alice"
    assert browser.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    browser.keys(Keys.HOME)
    browser.keys(Keys.ENTER)
    until("alice is shown", lambda: browser.text("#device-state") == "online")
    until("her URL is there", lambda: "example.test" in browser.text("#device-urls"))
    assert "r1" in browser.text("#device-facts")
    browser.picture("device")
    browser.keys(Keys.ESCAPE)
    assert not browser.run("return document.getElementById('device').open")
    browser.search("there-is-none")
    assert browser.text("#none") == 'No device\'s name or label has "there-is-none" in it.'


def test_without_a_login_nothing_can_be_done(scene, alice, browser):
    browser.open(scene.relays[0])
    assert browser.all("#relays button") == []
    browser.run("openDevice('alice')")
    until("alice is shown", lambda: browser.text("#device-state") == "online")
    assert not browser.find("#kick").is_enabled() and not browser.find("#rotate").is_enabled()


def test_a_login_is_a_cookie_that_no_script_sees(scene, browser):
    browser.open(scene.relays[0])
    browser.press("#login-open")
    browser.find("#token").send_keys("olga." + "A" * 43, Keys.ENTER)
    until("it is refused", lambda: browser.text("#login-wrong") == "This token is not good.")
    browser.picture("login")
    browser.run("document.getElementById('login').close()")
    browser.login(scene.operator)
    assert browser.text("#who") == "olga, operate"
    cookie, = browser.driver.get_cookies()
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict"
    assert browser.run("return document.cookie") == ""
    kept = browser.run("return [{...localStorage}, {...sessionStorage}]")
    assert scene.operator not in str(kept) + cookie["value"] and cookie["value"] not in str(kept)
    assert kept[0] == {} and set(kept[1]) == {"csrf"}
    # a reload goes on; another tab may look, until it logs in by itself
    browser.open(scene.relays[0])
    assert browser.text("#who") == "olga, operate"
    tab = browser.driver.current_window_handle
    browser.driver.switch_to.new_window("tab")
    browser.open(scene.relays[0])
    assert browser.text("#who") == "olga, reading in this tab"
    assert browser.all("#relays button") == []
    browser.login(scene.operator)
    until("it may drain", lambda: browser.all("#relays button"))
    browser.driver.close()
    browser.driver.switch_to.window(tab)
    # whose login is another one now
    browser.open(scene.relays[0])
    browser.press("#relays tbody tr:nth-child(2) button")
    browser.press("#confirm-yes")
    until("it asks for the token", lambda: browser.run(
        "return document.getElementById('login').open"))
    assert not scene.redis.client.hexists("taupe:drain", "r2")
    browser.run("document.getElementById('login').close()")
    browser.login(scene.operator)
    browser.press("#logout")
    until("it is logged out", lambda: browser.text("#who") == "Reading without a token")


def test_a_relay_is_drained_when_that_was_confirmed(scene, browser):
    browser.open(scene.relays[0])
    browser.login(scene.operator)
    state = lambda: {row[0]: row[1] for row in browser.rows("#relays")}["r2"]
    press = "#relays tbody tr:nth-child(2) button"
    browser.press(press)
    assert browser.text("#confirm-what") == "Drain r2?"
    browser.picture("confirm")
    assert browser.run("return document.activeElement.id") == "confirm-no"
    browser.keys(Keys.ENTER)
    assert not scene.redis.client.hexists("taupe:drain", "r2")
    browser.press(press)
    browser.press("#confirm-yes")
    until("it drains", lambda: state() == "draining")
    browser.press(press)
    browser.press("#confirm-yes")
    until("it serves", lambda: state() == "serving")


def test_a_session_is_ended_and_told_of(scene, alice, browser):
    browser.open(scene.relays[0])
    browser.login(scene.operator)
    browser.run("openDevice('alice')")
    until("alice is shown", lambda: browser.text("#device-state") == "online")
    welcomes = alice.welcomes()
    browser.press("#kick")
    browser.press("#confirm-yes")
    alice.wait_connected(count=welcomes + 1)
    until("why she was away is told", lambda: "kicked" in browser.text("#device-last"))
    browser.press("#rotate")
    browser.press("#confirm-yes")
    alice.process.wait_line("secret", timeout=10)


def test_a_devices_last_hour_is_drawn_at_another_relay(scene, alice, browser):
    scene.visit("alice", 3_000_000)
    browser.open(scene.relays[1])
    until("it is in the registry", lambda: sum(point[2] for point in scene.api.ok(
        "GET", "/devices/alice/traffic")["points"]) >= 3_000_000)
    browser.run("openDevice('alice')")
    until("it is drawn", lambda: int(browser.run(
        "return document.getElementById('device-chart').dataset.bytes || 0")) >= 3_000_000)
    heights = browser.run("return document.querySelector('#device-chart .out').getAttribute('d')"
                          ".match(/[ML][0-9.]+ [0-9.]+/g).map(point => Number(point.split(' ')[1]))")
    assert len(heights) >= 59 and max(heights) == 78 and min(heights) == 4
    assert "MB from it" in browser.text("#device-hour")
    assert browser.text("#device-traffic").endswith("in all")


def test_further_names_are_shown_and_which_of_them_lead_nowhere_yet(scene, alice, browser):
    alice.wait_connected()
    browser.open(scene.relays[0])
    browser.run("openDevice('alice')")
    wish = {"device": "alice", "service": "web"}
    scene.api.ok("POST", "/domains", {"host": "shop.customer.test", **wish})
    scene.api.ok("POST", "/domains", {"host": "alarm.example.test", **wish})
    urls = "return [...document.querySelectorAll('#device-urls li')].map(item => item.textContent)"
    until("both are there", lambda: {"http://alarm.example.test/", "shop.customer.test, not proved yet"}
          < set(browser.run(urls)))
    browser.picture("further-names")
    for host in ("shop.customer.test", "alarm.example.test"):
        assert scene.api.call("DELETE", f"/domains/{host}")[0] == 204
    until("both are gone", lambda: len(browser.run(urls)) == 1)


def test_a_link_is_shared_and_revoked(scene, browser):
    agent = scene.agent("sharon", 0)
    agent.wait_connected()
    path = "/devices/sharon/services/web/access"
    browser.open(scene.relays[0])
    browser.run("openDevice('sharon')")
    until("all is public", lambda: browser.text("#device-rules") == "anybody, to all its services")
    scene.api.ok("PUT", path, {"mode": "allow", "nets": ["192.0.2.0/24"]})
    until("it is listed", lambda: "from 192.0.2.0/24" in browser.text("#device-rules"))
    scene.api.ok("PUT", path, {"mode": "private"})
    until("it is private", lambda: "by a share link alone" in browser.text("#device-rules"))
    assert browser.all("#device-rules button") == []
    browser.run("document.getElementById('device').close()")
    browser.login(scene.operator)
    browser.run("openDevice('sharon')")
    browser.press("#device-rules button")
    assert browser.text("#share-what") == "Share web of sharon?"
    browser.find("#share-note").send_keys("the plumber")
    browser.find("#share-url").send_keys("ftp://example.com")
    browser.press("#share-make")
    until("it is refused", lambda: '"url" must be' in browser.text("#share-wrong"))
    browser.find("#share-url").clear()
    browser.picture("share")
    browser.press("#share-make")
    link = until("there is a link", lambda: browser.run(
        "return document.getElementById('share-link').value"))
    assert link.startswith("http") and "/.taupe/share/" in link
    browser.picture("share-link")
    browser.driver.execute_cdp_cmd("Browser.grantPermissions", {
        "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]})
    browser.press("#share-copy")
    until("it is copied", lambda: browser.text("#share-copy") == "Copied")
    browser.run("document.getElementById('share').close()")
    until("it is forgotten", lambda: browser.run(
        "return document.getElementById('share-link').value") == "")
    until("it is listed", lambda: "the plumber, by olga" in browser.text("#device-shares"))
    made, = scene.api.ok("GET", "/devices/sharon/shares")["shares"]
    assert (made["service"], made["revoked"]) == ("web", False)
    assert made["expires_ms"] - made["created_ms"] == pytest.approx(3600000, abs=2000)
    browser.picture("device-shared")
    browser.press("#device-shares button")
    assert "the plumber: it opens nothing any more" in browser.text("#confirm-why")
    browser.press("#confirm-no")
    assert not scene.api.ok("GET", "/devices/sharon/shares")["shares"][0]["revoked"]
    browser.press("#device-shares button")
    browser.keys(Keys.ESCAPE)
    assert not browser.run("return document.getElementById('confirm').open")
    # somebody quick: before the browser has said that the first question is gone
    browser.press("#device-shares button")
    browser.run("window.ended = 0; const real = window.fetch; window.fetch = (path, how) => {"
                "ended += how.method === 'DELETE'; return real(path, how); };"
                "for (const css of ['#confirm-no', '#device-shares button', '#confirm-yes'])"
                "document.querySelector(css).click();")
    until("it is revoked", lambda: "revoked" in browser.text("#device-shares"))
    assert browser.run("return ended") == 1, "no is no"
    assert scene.api.ok("GET", "/devices/sharon/shares")["shares"][0]["revoked"]
    assert browser.all("#device-shares button") == []


def test_a_slow_registry_is_asked_one_look_at_a_time(scene, alice, browser):
    browser.open(scene.relays[0])
    browser.run("openDevice('alice')")
    until("alice is shown", lambda: browser.text("#device-state") == "online")
    browser.run("stream.close()")  # ticks are ours from here on
    until("it has looked", lambda: browser.run("return looking === null"))
    browser.run("window.asked = []; const real = window.fetch; window.fetch = (...all) => {"
                "asked.push(all[0]); return new Promise(resolve => setTimeout(resolve, 300))"
                ".then(() => real(...all)); };"
                "window.turn = () => tick({data: JSON.stringify({changes: changes + 1})});"
                "for (let i = 1; i <= 20; i++) window.turn();")
    asked = browser.run("return asked")
    for path in ("api/v1/cluster", "api/v1/devices?limit=50", "api/v1/devices/alice"):
        assert asked.count(path) == 1, asked
    # and then again
    until("it has looked", lambda: browser.run("return looking === null"))
    browser.run("window.turn()")
    assert browser.run("return asked").count("api/v1/cluster") == 2


IS_SEEN = """const box = document.querySelector(arguments[0]).getBoundingClientRect();
const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
return box.height > 0 && top !== null && top.matches(arguments[0]);"""
FAIL_ONCE = """stream.close();  // ticks are ours from here on
const real = window.fetch, path = arguments[0];
window.fetch = (...all) => {
	if (!all[0].startsWith(path))
		return real(...all);
	window.fetch = real;
	return Promise.resolve(new Response('{"what": "not now", "hint": "come again"}', {status: 503}));
};"""


def test_what_an_action_came_to_is_seen_where_it_was_asked_for(scene, alice, browser):
    browser.open(scene.relays[0])
    browser.login(scene.operator)
    browser.run("openDevice('alice')")
    until("alice is shown", lambda: browser.text("#device-state") == "online")
    browser.run(FAIL_ONCE, "api/v1/devices/alice/kick")
    browser.press("#kick")
    browser.press("#confirm-yes")
    until("it is told", lambda: browser.text("#device-problem") == "not now. come again")
    assert browser.run(IS_SEEN, "#device-problem")
    # looks that go well say nothing about that
    until("it has looked", lambda: browser.run("return looking === null"))
    assert browser.run(IS_SEEN, "#device-problem")
    browser.picture("device-problem")
    browser.run("openDevice('alice')")
    assert not browser.run(IS_SEEN, "#device-problem")


def test_what_a_look_came_to_is_over_with_the_next_one(scene, browser):
    browser.open(scene.relays[0])
    browser.run(FAIL_ONCE, "api/v1/cluster")
    browser.run("look()")
    until("it is told", lambda: browser.run(IS_SEEN, "#problem"))
    browser.run("lookAgain()")
    until("it is over", lambda: browser.run("return document.getElementById('problem').hidden"))


def test_who_is_logged_out_is_asked_to_log_in(group, browser):
    """By the relay's restart, where nobody may look without a login."""
    closed = Standalone(group, name="closed", admin_private=True)
    token = token_of({"devices_file": closed.devices_file}, "olga", "operate")
    browser.open(closed.relay, ready=False)
    is_asked = "return document.getElementById('login').open"
    until("it asks for a token", lambda: browser.run(is_asked))
    browser.press("#login .close")
    browser.login(token)
    until("it is live", lambda: browser.text("#pulse") == "live")
    closed.relay.process.kill()
    closed.relay.start()
    # as the browser does it after some seconds, and ours after some more
    browser.run("const real = window.setTimeout; window.setTimeout = (f, ms) => real(f, ms / 100);"
                "listen();")
    until("it asks for a token", lambda: browser.run(is_asked))
    assert browser.text("#who") == "Not logged in" and browser.text("#pulse") == "not logged in"
    browser.press("#login .close")
    browser.login(token)
    until("it is live", lambda: browser.text("#pulse") == "live")


def test_a_device_that_comes_is_there_without_a_reload(scene, browser):
    browser.open(scene.relays[0])
    browser.search("zoe")
    assert browser.rows("#list") == []
    agent = scene.agent("zoe", 1)
    until("she is there", lambda: [row[:2] for row in browser.rows("#list")] == [["zoe", "online"]])
    agent.stop()
    until("she is away", lambda: browser.rows("#list")[0][1] == "leased")


def test_a_phone_and_the_dark(scene, alice, browser):
    browser.size(360, 780)
    browser.open(scene.relays[0])
    wide = "return [document.documentElement.scrollWidth, innerWidth]"
    assert browser.run(wide) == [360, 360]
    browser.picture("phone")
    scene.api.ok("PUT", "/devices/alice/services/web/access", {
        "mode": "allow", "nets": ["2001:db8:1234:5678::/64", "192.0.2.0/24"]})
    scene.api.ok("POST", "/devices/alice/services/web/shares", {
        "for_ms": 86400000, "note": "x" * 60, "url": "https://cam.example.com"})
    browser.run("openDevice('alice')")
    until("alice is shown", lambda: browser.text("#device-state") == "online")
    until("her hour is drawn", lambda: browser.text("#device-hour"))
    assert browser.run("const box = document.getElementById('device');"
                       "return box.scrollWidth - box.clientWidth") == 0
    box = browser.run("const box = document.getElementById('device').getBoundingClientRect();"
                      "return [box.left, box.right]")
    assert box[0] >= 0 and box[1] <= 360
    browser.picture("phone-device")
    browser.full_size()
    browser.dark(True)
    browser.open(scene.relays[0])
    assert browser.run("return getComputedStyle(document.body).backgroundColor") == (
        "rgb(26, 23, 21)")
    browser.picture("dark")
    browser.run("openDevice('alice')")
    until("her hour is drawn", lambda: browser.text("#device-hour"))
    browser.picture("dark-device")


def test_nothing_there_yet(group, browser):
    standalone = Standalone(group, name="empty")
    standalone.devices_file.write_text("# none\n")
    browser.open(standalone.relay)
    until("it says so", lambda: "There are no devices yet" in (browser.text("#none") or ""))
    assert browser.text("#sum-devices") == "0"
    browser.picture("empty")


def test_the_page_is_closed_to_others(scene):
    for path in ("/", "/style.css", "/app.js"):
        status, headers, body = scene.api.raw("GET", path)
        assert status == 200 and body
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
    source = (ROOT / "src" / "relay" / "api" / "dashboard" / "app.js").read_text()
    assert "innerHTML" not in source and "eval(" not in source


def test_dashboards_have_an_end(scene):
    streams = []
    for _ in range(16):
        connection = http.client.HTTPConnection("127.0.0.1", scene.relays[1].admin_port, timeout=5)
        connection.request("GET", "/api/v1/live")
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert answer.readline().startswith(b"data: {")
        streams.append((connection, answer))
    api = Api(scene.relays[1])
    api.fails(503, "GET", "/live", match="open at this relay already")
    for connection, answer in streams[:2]:
        answer.close()
        connection.close()
    until("there is room again", lambda: begins_live(scene.relays[1]))
    for connection, answer in streams[2:]:
        answer.close()
        connection.close()


def begins_live(relay):
    connection = http.client.HTTPConnection("127.0.0.1", relay.admin_port, timeout=5)
    connection.request("GET", "/api/v1/live")
    answer = connection.getresponse()
    answer.close()
    connection.close()
    return answer.status == 200


def test_z_a_relay_that_has_died_is_shown_as_gone(scene, browser):
    """Last: it takes a relay away."""
    browser.open(scene.relays[0])
    scene.relays[1].process.kill()
    until("it is shown as gone", lambda: any(
        row[0] == "r2" and row[1].startswith("gone") for row in browser.rows("#relays")), 20)
    browser.picture("relay-down")


def resident(relay):
    for line in pathlib.Path(f"/proc/{relay.process.popen.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


@pytest.mark.long
@pytest.mark.alone
def test_a_hundred_thousand_devices(group, browser, capsys):
    redis = Redis(group)
    pipe = redis.client.pipeline(transaction=False)
    for i in range(100_000):
        name = f"device-{i:06}"
        pipe.hset(f"taupe:device:{name}", mapping={"name": name, "secret_sha256": "0" * 64,
                                                   "created": 0, "label": f"label-{i:06}"})
        pipe.sadd("taupe:devices", name)
        pipe.hset("taupe:reserved", f"label/label-{i:06}", name)
        if i % 5000 == 4999:
            pipe.execute()
    relay = Relay(group, admin_redis_user="taupe-api",
                  admin_redis_password_file=redis.password_file, **redis.access("taupe-relay"))
    api = Api(relay)
    before = resident(relay)
    browser.open(relay)
    paint = browser.run("return performance.getEntriesByName('first-contentful-paint')[0].startTime")
    listed = browser.run("return performance.now()")
    assert len(browser.rows("#list")) == 50 and browser.text("#sum-devices") == "100,000"
    times = []
    for search in ("99999", "DEVICE-0500", "label-09", "nothing", "device-012345", "7"):
        began = time.monotonic()
        api.ok("GET", f"/devices?limit=50&search={search}")
        times.append(1000 * (time.monotonic() - began))
    for search in ("055555", "device-0999"):
        browser.search(search)
        assert all(search in row[0] for row in browser.rows("#list"))
    browser.picture("hundred-thousand")
    grown = resident(relay) - before
    with capsys.disabled():
        print(f"\n100,000 devices: first paint {paint:.0f} ms, list there by {listed:.0f} ms, "
              f"searches {', '.join(f'{ms:.0f}' for ms in times)} ms, "
              f"the relay has grown by {grown / 1e6:.1f} MB")
    assert paint < 1000
    if "san" not in os.path.basename(os.path.dirname(binary("taupe-relay"))):
        assert max(times) < 100
        assert grown < 10_000_000
