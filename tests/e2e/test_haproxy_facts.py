# SPDX-License-Identifier: MIT
"""What the router takes for granted about HAProxy, shown with the HAProxy that is installed.
Durations are compared with each other, not with a clock: what counts is what grows."""
import re
import socket
import statistics
import subprocess
import threading
import time

import pytest

from harness import ports
from router_lib import (Conversation, Program, Socket, alive, make_certificate, stage, until)

pytestmark = pytest.mark.alone

assert stage  # a fixture, used by its name

VERSION = tuple(int(n) for n in re.search(
    r"version (\d+)\.(\d+)", subprocess.run(["haproxy", "-v"], capture_output=True, text=True,
                                            check=True).stdout).groups())
before_2_9 = pytest.mark.skipif(VERSION >= (2, 9), reason="maps are indexed from 2.9 on")
BIG, SMALL = 200_000, 1_000


def pairs(n, value="127.0.0.1,30000"):
    return ((f"host{i:07d}.example.com", value) for i in range(n))


class Bare(Program):
    """HAProxy with a configuration of the test's own; {admin}, {map} and {port} are filled in."""

    def __init__(self, folder, text, threads=1):
        super().__init__(folder, "bare")
        self.admin, self.map = self.folder / "admin.sock", self.folder / "one.map"
        self.map.touch()
        self.port = ports.take()
        self.socket = Socket(self.admin)
        self.config = self.folder / "bare.cfg"
        self.config.write_text(f"""
global
    nbthread {threads}
    stats socket {self.admin} level admin expose-fd listeners
defaults
    timeout client 30s
    timeout server 30s
    timeout connect 2s
""" + text.format(admin=self.admin, map=self.map, port=self.port))

    def start(self, *options):
        self.spawn("haproxy", *(options or ["-db"]), "-f", self.config)
        until(self.ready, what=lambda: self.output())
        return self

    def ready(self):
        assert self.process.poll() is None, self.output()
        return alive(self.admin)


# Tells the value of the map's entry for the request's host.
TELL = """
frontend f
    mode http
    bind 127.0.0.1:{port}
    http-request set-var(txn.r) req.hdr(host),map_str({map})
    http-request return status 200 content-type text/plain lf-string "%[var(txn.r)]"
"""


@pytest.fixture
def tell(tmp_path):
    bare = Bare(tmp_path / "hap", TELL).start()
    yield bare
    bare.kill()


# --- routing without Lua ---------------------------------------------------------------------

def test_host_leads_to_address_and_port_from_a_map(stage):
    hap, one, two = stage.haproxy(), stage.server("one"), stage.server("two")
    with Conversation(hap.admin) as talk:
        talk.ask(f"add map {hap.map_name('http')} one.example.test {one.route}\n")
        talk.ask(f"add map {hap.map_name('http')} two.example.test {two.route}\n")
    for _ in range(3):
        assert hap.get("one.example.test").text.startswith("one\n")
        assert hap.get("two.example.test").text.startswith("two\n")


def test_sni_leads_to_address_and_port_from_a_map(stage, tmp_path):
    hap = stage.haproxy()
    device = stage.echo("device", tls=make_certificate(tmp_path, "device.test"))
    hap.socket.once(f"add map {hap.map_name('sni')} device.test {device.route}\n")
    assert say_hello(hap.https, "device.test") == b"device\n"


def say_hello(port, name):
    import ssl
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), 5) as raw:
        with context.wrap_socket(raw, server_hostname=name) as tls:
            return tls.recv(100)


def client_hello(name):
    """The first bytes of a TLS client that asks for name."""
    import ssl
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def test_unknown_sni_hangs_unless_it_is_rejected(stage, tmp_path):
    """With server 0.0.0.0:0 and no destination set, HAProxy connects to itself, again and
    again; with a reject rule, as in haproxy.cfg, the visitor is told at once."""
    careless = stage.keep(Bare(tmp_path / "careless", """
frontend f
    mode tcp
    maxconn 40
    bind 127.0.0.1:{port}
    tcp-request inspect-delay 2s
    tcp-request content set-var(txn.r) req.ssl_sni,map_str({map}) if {{ req.ssl_hello_type 1 }}
    tcp-request content accept if {{ req.ssl_hello_type 1 }}
    default_backend b
backend b
    mode tcp
    server s 0.0.0.0:0
""")).start()
    with socket.create_connection(("127.0.0.1", careless.port), 5) as visitor:
        visitor.sendall(client_hello("unknown.test"))
        visitor.settimeout(1.5)
        with pytest.raises(TimeoutError):
            visitor.recv(1)
    careless.kill()

    hap = stage.haproxy()
    with socket.create_connection(("127.0.0.1", hap.https), 5) as visitor:
        start = time.monotonic()
        visitor.sendall(client_hello("unknown.test"))
        assert closed(visitor)
        assert time.monotonic() - start < 1


def closed(sock):
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def test_public_port_leads_to_an_address_by_map_int_ip(stage, tmp_path):
    service = stage.echo("service")
    first = ports.take_block()
    bare = stage.keep(Bare(tmp_path / "hap", f"""
frontend f
    mode tcp
    bind 127.0.0.1:{first}-{first + 9}
    tcp-request content set-dst dst_port,map_int_ip({{map}})
    tcp-request content set-dst-port int({service.port})
    default_backend b
backend b
    mode tcp
    server s 0.0.0.0:0
"""))
    bare.map.write_text(f"{first + 3} 127.0.0.1\n")
    bare.start()
    with socket.create_connection(("127.0.0.1", first + 3), 5) as visitor:
        visitor.settimeout(5)
        assert visitor.recv(100) == b"service\n"


def test_public_port_leads_to_address_and_port_in_our_configuration(stage):
    hap, service = stage.haproxy(), stage.echo("service")
    port = hap.first_port + 5
    hap.socket.once(f"add map {hap.map_name('tcp')} {port} {service.route}\n")
    with socket.create_connection(("127.0.0.1", port), 5) as visitor:
        visitor.settimeout(5)
        assert visitor.recv(100) == b"service\n"
    with socket.create_connection(("127.0.0.1", port + 1), 5) as visitor:
        visitor.settimeout(2)
        assert closed(visitor)


# --- what commands cost ----------------------------------------------------------------------

def time_commands(tell, entries):
    with Conversation(tell.admin) as talk:
        talk.replace(tell.map, pairs(entries))
        last = f"host{entries - 1:07d}.example.com"
        set_ms = talk.time_ms(f"set map {tell.map} {last} 127.0.0.1,{{}}\n", 9)
        add_ms = talk.time_ms(f"add map {tell.map} new{{}}.example.com 127.0.0.1,1\n", 9)
        del_ms = talk.time_ms(f"del map {tell.map} new{{}}.example.com\n", 9)
    print(f"{entries} entries: set {set_ms:.2f} ms, add {add_ms:.2f} ms, del {del_ms:.2f} ms")
    return set_ms, add_ms, del_ms


@before_2_9
def test_set_and_del_cost_more_the_bigger_the_map_and_add_does_not(tell):
    small = time_commands(tell, SMALL)
    big = time_commands(tell, BIG)
    assert big[0] > 10 * small[0], "set map"
    assert big[2] > 5 * small[2], "del map"
    assert big[1] < 10 * max(small[1], 0.05), "add map"
    assert big[0] > 5 * big[1], "set map against add map"
    assert small[0] < 2, "set map in a small map, such as an overlay"


@before_2_9
def test_set_in_a_big_map_holds_haproxys_thread(tell):
    with Conversation(tell.admin) as talk:
        talk.replace(tell.map, pairs(BIG))
        idle = [request_ms(tell.port) for _ in range(15)]
        busy = []
        for _ in range(15):  # each comes while one runs
            talk.say(f"set map {tell.map} host{BIG - 1:07d}.example.com 1.2.3.4,5\n")
            busy.append(request_ms(tell.port))
            assert talk.answer() == ""
    idle, busy = statistics.median(idle), statistics.median(busy)
    print(f"a request: {idle:.2f} ms, while set map runs: {busy:.2f} ms")
    assert busy > 3 * idle


def ask_host(port, host):
    with socket.create_connection(("127.0.0.1", port), 5) as sock:
        sock.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        reply = b""
        while data := sock.recv(4096):
            reply += data
    return reply.split(b"\r\n\r\n", 1)[1].decode()


def request_ms(port):
    start = time.perf_counter()
    ask_host(port, "host0000001.example.com")
    return (time.perf_counter() - start) * 1000


def test_add_does_not_notice_a_duplicate_and_the_older_entry_wins(tell):
    with Conversation(tell.admin) as talk:
        assert talk.ask(f"add map {tell.map} a.test first\n") == ""
        assert talk.ask(f"add map {tell.map} a.test second\n") == ""
        assert 'value="first"' in talk.ask(f"get map {tell.map} a.test\n")
    assert ask_host(tell.port, "a.test") == "first"
    assert tell.socket.counts()[str(tell.map)] == 2


# --- transactions ----------------------------------------------------------------------------

def test_a_transaction_replaces_the_whole_map_at_once(tell):
    with Conversation(tell.admin) as talk:
        talk.replace(tell.map, pairs(20_000, "old"))
    probes, stop = [], threading.Event()

    def probe():
        while not stop.is_set():
            probes.append((ask_host(tell.port, "host0000000.example.com"),
                           ask_host(tell.port, "host0019999.example.com")))

    thread = threading.Thread(target=probe)
    thread.start()
    try:
        until(lambda: len(probes) > 3)
        with Conversation(tell.admin) as talk:
            talk.replace(tell.map, pairs(20_000, "new"))
        seen = len(probes)
        until(lambda: len(probes) > seen + 3)
    finally:
        stop.set()
        thread.join()
    assert probes[0] == ("old", "old") and probes[-1] == ("new", "new")
    assert set(probes) <= {("old", "old"), ("old", "new"), ("new", "new")}
    first_new = probes.index(("new", "new"))
    assert all(p == ("new", "new") for p in probes[first_new:])
    assert tell.socket.counts()[str(tell.map)] == 20_000


@before_2_9
def test_a_transaction_is_cheaper_than_many_changes(tell):
    with Conversation(tell.admin) as talk:
        talk.replace(tell.map, pairs(BIG))
        took = talk.replace(tell.map, pairs(BIG))
        change_ms = talk.time_ms(
            f"set map {tell.map} host{BIG - 1:07d}.example.com 1.2.3.4,{{}}\n", 5)
    print(f"{BIG} entries in one transaction: {took:.2f} s, one change: {change_ms:.1f} ms")
    assert tell.socket.counts()[str(tell.map)] == BIG
    assert took < 10
    assert took * 1000 < 1000 * change_ms  # a thousand changes cost more


@before_2_9
def test_a_million_entries(tmp_path):
    """What they cost in memory and in time: 300 MB, seconds."""
    bare = Bare(tmp_path / "hap", TELL).start()
    try:
        empty = bare.rss_kib()
        with Conversation(bare.admin) as talk:
            took = talk.replace(bare.map, pairs(1_000_000))
            change_ms = talk.time_ms(
                f"set map {bare.map} host0999999.example.com 1.2.3.4,{{}}\n", 3)
        grown = (bare.rss_kib() - empty) / 1024
    finally:
        bare.kill()
    print(f"a million entries: {grown:.0f} MB, written in {took:.1f} s, set map {change_ms:.0f} ms")
    assert 150 < grown < 600
    assert took < 30
    assert change_ms > 10


# --- the overlay -----------------------------------------------------------------------------

def test_an_overlay_is_looked_at_first_and_can_hide_an_entry(stage):
    hap, old, new = stage.haproxy(), stage.server("old"), stage.server("new")
    base, overlay = hap.map_name("http"), hap.map_name("http", overlay="new")
    with Conversation(hap.admin) as talk:
        talk.ask(f"add map {base} a.test {old.route}\n")
        assert hap.get("a.test").text.startswith("old\n")
        talk.ask(f"add map {overlay} a.test {new.route}\n")
        assert hap.get("a.test").text.startswith("new\n")
        talk.ask(f"set map {overlay} a.test gone\n")
        assert hap.get("a.test").status == 404
        talk.ask(f"del map {overlay} a.test\n")
        assert hap.get("a.test").text.startswith("old\n")


# --- the size of a command -------------------------------------------------------------------

def payload(name, size):
    """A command of exactly that many bytes that adds entries, and how many."""
    text, n = f"add map {name} <<\n", 0
    while len(text) < size - 100:
        text += f"key{n:06d} {'v' * 40}\n"
        n += 1
    text += "last " + "v" * (size - len(text) - len("last ") - 2) + "\n\n"
    assert len(text) == size
    return text, n + 1


def test_a_command_that_fits_the_buffer_is_taken(tell):
    text, n = payload(tell.map, 16_383)
    assert tell.socket.once(text).strip() == ""
    assert tell.socket.counts()[str(tell.map)] == n


def test_a_command_that_does_not_fit_is_dropped_without_a_word(tell):
    text, _ = payload(tell.map, 16_500)
    assert tell.socket.once(text).strip() == ""
    assert tell.socket.counts()[str(tell.map)] == 0


def test_in_a_conversation_it_ends_the_conversation(tell):
    text, _ = payload(tell.map, 16_500)
    with Conversation(tell.admin) as talk:
        with pytest.raises((EOFError, ConnectionError)):
            talk.ask(text)
    assert tell.socket.counts()[str(tell.map)] == 0


# --- restart and reload ----------------------------------------------------------------------

def test_changes_are_lost_at_a_restart_and_the_file_counts(tell):
    tell.socket.once(f"add map {tell.map} runtime.test x\n")
    pid = tell.socket.info()["Pid"]
    tell.kill()
    tell.map.write_text("file.test y\n")
    tell.start()
    assert tell.socket.info()["Pid"] != pid
    assert tell.socket.entries(tell.map) == [("file.test", "y")]


def test_a_reload_loses_changes_and_the_old_process_says_that_it_is_stopping(stage):
    hap = stage.haproxy(master=True)
    hap.socket.once(f"add map {hap.map_name('http')} runtime.test 127.0.0.1,1\n")
    with Conversation(hap.admin) as talk:
        assert "Stopping: 0" in talk.ask("show info\n")
        hap.reload()
        # the conversation goes on, with a process that no visitor comes to any more
        assert "Stopping: 1" in talk.ask("show info\n")
        assert "runtime.test" in talk.ask(f"show map {hap.map_name('http')}\n")
    assert hap.socket.entries(hap.map_name("http")) == []


def test_show_info_tells_processes_apart(tell):
    info = tell.socket.info()
    assert int(info["Pid"]) == tell.process.pid
    assert int(info["Start_time_sec"]) > 1_500_000_000
    assert re.match(r"\d+\.\d+", info["Version"])
