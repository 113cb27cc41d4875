# SPDX-License-Identifier: MIT
"""haproxy/haproxy.cfg as it is: names, entries, headers, error pages, streams. The maps are
written by hand here; who fills them is the router's business."""
import hashlib
import os
import pwd
import shutil
import socket
import ssl
import subprocess
import threading
import time

import pytest

from router_lib import CONFIG, ROOT, SLOW, HAProxy, make_certificate, stage, until

assert stage and SLOW  # "stage" is a fixture, used by its name


def route(hap, kind, key, value):
    assert hap.socket.once(f"add map {hap.map_name(kind)} {key} {value}\n").strip() == ""


def tls_context(*protocols):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(protocols)
    return context


def closed_at_once(port, first=b""):
    """Does a connection end without an answer, in well under a second?"""
    with socket.create_connection(("127.0.0.1", port), 5) as visitor:
        start = time.monotonic()
        visitor.sendall(first)
        visitor.settimeout(10)
        try:
            assert visitor.recv(1) == b""
        except ConnectionResetError:
            pass
        return time.monotonic() - start < 1


def client_hello(name):
    outgoing = ssl.MemoryBIO()
    tls = tls_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


# --- the file -------------------------------------------------------------------------------

def test_the_configuration_is_valid_and_without_warnings(tmp_path):
    hap = HAProxy(tmp_path)
    hap.make_maps()
    result = hap.check()
    assert result.returncode == 0, result.stderr
    assert "WARNING" not in result.stderr and "ALERT" not in result.stderr, result.stderr


def test_every_variable_has_a_default(tmp_path):
    """Without any variable HAProxy complains about files of a site, and of nothing else."""
    result = subprocess.run(["haproxy", "-c", "-f", CONFIG], capture_output=True, text=True,
                            env={"PATH": os.environ["PATH"]}, check=False)
    alerts = [line for line in result.stderr.splitlines() if "ALERT" in line]
    for line in alerts:
        assert ("error opening file" in line or "failed to open pattern file" in line
                or "SSL certificate" in line or "Error(s) found" in line
                or "Fatal errors" in line or "find group id" in line
                or "find user id" in line), line


@pytest.mark.skipif(os.geteuid() != 0 or not os.path.isdir("/var/lib/haproxy"),
                    reason="needs root and Debian's haproxy user")
def test_as_root_it_gives_up_its_rights_and_works_in_a_chroot(stage, tmp_path):
    hap, web = stage.keep(HAProxy(tmp_path / "hap", master=True)), stage.server("web")
    del hap.env["TAUPE_UNPRIVILEGED"]
    hap.start()
    worker = int(hap.socket.info()["Pid"])
    assert os.stat(f"/proc/{worker}").st_uid == pwd.getpwnam("haproxy").pw_uid
    for _ in range(2):
        route(hap, "http", "a.example.test", web.route)
        assert hap.get("a.example.test").text.startswith("web\n")
        assert hap.get("a.example.test", tls=True).text.startswith("web\n")
        hap.reload()


# --- names ----------------------------------------------------------------------------------

@pytest.mark.parametrize("host", ["a.example.test", "A.Example.TEST", "a.example.test:80",
                                  "a.example.test.", "A.EXAMPLE.TEST.:8080"])
@pytest.mark.parametrize("tls", [False, True])
def test_a_host_is_found_however_it_is_written(stage, host, tls):
    hap, web = stage.haproxy(), stage.server("web")
    route(hap, "http", "a.example.test", web.route)
    assert hap.get(host, tls=tls).text.startswith("web\n")


def test_an_unknown_host_gets_the_404_page(stage):
    hap, web = stage.haproxy(), stage.server("web")
    route(hap, "http", "a.example.test", web.route)
    for host in ("b.example.test", "example.test", "127.0.0.1", "[::1]", "a.example.test.evil",
                 "x.a.example.test", "any/3"):
        response = hap.get(host)
        assert response.status in (400, 404), host
    response = hap.get("b.example.test")
    assert response.status == 404
    assert "No device has this name" in response.text
    assert response.getheader("Content-Type").startswith("text/html")


def test_unknown_sni_no_sni_and_no_tls_are_closed_at_once(stage):
    hap = stage.haproxy()
    assert closed_at_once(hap.https, client_hello("unknown.example.test"))
    assert closed_at_once(hap.https, client_hello(None))
    assert closed_at_once(hap.https, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert closed_at_once(hap.first_port)


def test_a_name_that_is_gone_is_closed_at_once(stage):
    hap, web = stage.haproxy(), stage.server("web")
    for kind in ("http", "sni", "relay"):
        route(hap, kind, f"{kind}.example.test", web.route)
        name = hap.map_name(kind, overlay="new")
        hap.socket.once(f"add map {name} {kind}.example.test gone\n")
        assert closed_at_once(hap.https, client_hello(f"{kind}.example.test"))
    assert hap.get("http.example.test").status == 404
    assert hap.get("relay.example.test").status == 404


# --- entries --------------------------------------------------------------------------------

def test_tls_of_our_names_is_ended_and_of_devices_passed_on(stage, tmp_path):
    hap, web = stage.haproxy(), stage.server("web")
    device = stage.echo("device", tls=make_certificate(tmp_path, "device.test"))
    route(hap, "http", "a.example.test", web.route)
    route(hap, "sni", "device.test", device.route)
    own = ssl.PEM_cert_to_DER_cert((hap.folder / "cert.pem").read_text())
    theirs = ssl.PEM_cert_to_DER_cert((tmp_path / "cert.pem").read_text())
    assert certificate_of(hap.https, "a.example.test") == own
    assert certificate_of(hap.https, "device.test") == theirs
    assert certificate_of(hap.https, "Device.Test") == theirs


def test_a_device_with_a_relays_name_does_not_get_its_agents(stage, tmp_path):
    hap, agents = stage.haproxy(), stage.server("relay")
    device = stage.echo("device", tls=make_certificate(tmp_path, "relay.test"))
    own = ssl.PEM_cert_to_DER_cert((hap.folder / "cert.pem").read_text())
    theirs = ssl.PEM_cert_to_DER_cert((tmp_path / "cert.pem").read_text())
    route(hap, "sni", "relay.test", device.route)
    route(hap, "http", "relay.test", device.route)
    assert certificate_of(hap.https, "relay.test") == theirs
    route(hap, "relay", "relay.test", agents.route)
    assert certificate_of(hap.https, "relay.test") == own
    for tls in (False, True):
        assert hap.get("relay.test", tls=tls).text.startswith("relay\n")
    hap.socket.once(f"add map {hap.map_name('relay', overlay='new')} relay.test gone\n")
    assert certificate_of(hap.https, "relay.test") == theirs


def certificate_of(port, name):
    with socket.create_connection(("127.0.0.1", port), 5) as raw:
        with tls_context().wrap_socket(raw, server_hostname=name) as tls:
            return tls.getpeercert(binary_form=True)


@pytest.mark.parametrize("option,version", [("--http2", "2"), ("--http1.1", "1.1")])
def test_http2_and_http1_from_the_visitor(stage, option, version):
    hap, web = stage.haproxy(), stage.server("web")
    route(hap, "http", "a.example.test", web.route)
    run = subprocess.run(
        ["curl", "-sk", option, "-w", "\n%{http_version} %{http_code}", "--resolve",
         f"a.example.test:{hap.https}:127.0.0.1", f"https://a.example.test:{hap.https}/x"],
        capture_output=True, text=True, check=True, timeout=20)
    assert run.stdout.endswith(f"\n{version} 200")
    assert "GET /x HTTP/1.1" in run.stdout


# --- headers --------------------------------------------------------------------------------

@pytest.mark.parametrize("tls", [False, True])
def test_the_visitors_address_is_told_and_cannot_be_forged(stage, tls):
    hap, web = stage.haproxy(), stage.server("web")
    route(hap, "http", "a.example.test", web.route)
    forged = {"X-Forwarded-For": "6.6.6.6", "x-forwarded-proto": "gopher",
              "X-Forwarded-Host": "evil.test", "X-Forwarded-Port": "1", "X-Real-IP": "6.6.6.6",
              "Forwarded": "for=6.6.6.6", "X-Other": "kept"}
    text = get_from("127.0.0.9", hap, "a.example.test:81", forged, tls).lower()
    lines = [line for line in text.split("\n") if "forwarded" in line or "real-ip" in line]
    assert sorted(lines) == ["x-forwarded-for: 127.0.0.9",
                             "x-forwarded-host: a.example.test:81",
                             f"x-forwarded-proto: {'https' if tls else 'http'}"]
    assert "x-other: kept" in text
    assert "\nhost: a.example.test:81" in text


def get_from(source, hap, host, headers, tls):
    sock = socket.create_connection(("127.0.0.1", hap.https if tls else hap.http), 5,
                                    source_address=(source, 0))
    if tls:
        sock = tls_context().wrap_socket(sock, server_hostname="a.example.test")
    with sock:
        head = "".join(f"{k}: {v}\r\n" for k, v in headers.items())
        sock.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\n{head}Connection: close\r\n\r\n".encode())
        reply = b""
        while data := sock.recv(65536):
            reply += data
    return reply.decode()


# --- pages ----------------------------------------------------------------------------------

def unused_port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


def test_a_relay_that_is_gone_is_a_503_with_retry_after(stage):
    hap = stage.haproxy()
    route(hap, "http", "a.example.test", f"127.0.0.1,{unused_port()}")
    response = hap.get("a.example.test")
    assert response.status == 503
    assert int(response.getheader("Retry-After")) > 0
    assert "Not reachable" in response.text


def test_an_answer_that_is_none_is_a_502(stage):
    hap = stage.haproxy()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        route(hap, "http", "a.example.test", f"127.0.0.1,{listener.getsockname()[1]}")

        def serve():
            for _ in range(2):
                conn, _ = listener.accept()
                conn.recv(65536)
                conn.sendall(b"what?\r\n\r\n")
                conn.close()

        threading.Thread(target=serve, daemon=True).start()
        response = hap.get("a.example.test")
    assert response.status == 502
    assert "did not answer properly" in response.text


def test_a_device_maker_can_replace_the_pages(stage, tmp_path):
    pages = tmp_path / "pages"
    shutil.copytree(ROOT / "haproxy" / "pages", pages)
    (pages / "404.http").write_text("HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n"
                                    "\r\nACME knows no such thing.\n")
    hap = stage.keep(HAProxy(tmp_path / "hap"))
    hap.env["TAUPE_PAGES"] = str(pages)
    hap.start()
    response = hap.get("b.example.test")
    assert response.status == 404
    assert response.text == "ACME knows no such thing.\n"


def test_the_pages_are_complete():
    for code in ("400", "404", "408", "502", "503", "504"):
        text = (ROOT / "haproxy" / "pages" / f"{code}.http").read_text()
        head, body = text.split("\n\n", 1)
        assert head.startswith(f"HTTP/1.1 {code} ")
        assert "Content-Type: text/html" in head
        assert body.startswith("<!DOCTYPE html>") and f"{code} " in body
        assert len(text) < 8192


# --- streams --------------------------------------------------------------------------------

class Scripted:
    """A server whose answer is a function of the connection."""

    def __init__(self, serve):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.route = f"127.0.0.1,{self.listener.getsockname()[1]}"
        self.serve = serve
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.guard, args=(conn,), daemon=True).start()

    def guard(self, conn):
        try:
            with conn:
                self.serve(conn)
        except OSError:
            pass

    def close(self):
        self.listener.close()


def read_head(conn):
    head = b""
    while b"\r\n\r\n" not in head:
        data = conn.recv(65536)
        if not data:
            return head, b""
        head += data
    return tuple(head.split(b"\r\n\r\n", 1))


@pytest.mark.parametrize("kind,tls", [("http", False), ("http", True), ("relay", False),
                                      ("relay", True)])
def test_a_websocket_passes_in_both_directions(stage, kind, tls):
    """A visitor's own, or an agent's: after the 101 it is bytes."""
    def serve(conn):
        head, rest = read_head(conn)
        assert b"upgrade: websocket" in head.lower()
        conn.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                     b"Connection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\nhello")
        while data := rest or conn.recv(65536):
            rest = b""
            conn.sendall(data.upper())

    hap, server = stage.haproxy(), stage.keep(Scripted(serve))
    route(hap, kind, "a.example.test", server.route)
    sock = socket.create_connection(("127.0.0.1", hap.https if tls else hap.http), 5)
    if tls:
        sock = tls_context("h2", "http/1.1").wrap_socket(sock, server_hostname="a.example.test")
        assert sock.selected_alpn_protocol() == "h2"
        sock.close()
        sock = socket.create_connection(("127.0.0.1", hap.https), 5)
        sock = tls_context().wrap_socket(sock, server_hostname="a.example.test")
    with sock:
        sock.settimeout(5)
        sock.sendall(b"GET /v1/control HTTP/1.1\r\nHost: a.example.test\r\nConnection: Upgrade\r\n"
                     b"Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                     b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: taupe.v1\r\n\r\n")
        head, rest = read_head(sock)
        assert head.startswith(b"HTTP/1.1 101")
        while len(rest) < 5:
            rest += sock.recv(100)
        assert rest == b"hello"
        for _ in range(3):
            sock.sendall(b"abc")
            assert sock.recv(100) == b"ABC"


def test_the_first_event_arrives_before_the_last_is_sent(stage):
    sent_last = threading.Event()
    got_first = threading.Event()

    def serve(conn):
        read_head(conn)
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        got_first.wait(10)
        sent_last.set()
        conn.sendall(b"data: 2\n\n")

    hap, server = stage.haproxy(), stage.keep(Scripted(serve))
    route(hap, "http", "a.example.test", server.route)
    with socket.create_connection(("127.0.0.1", hap.http), 5) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a.example.test\r\n\r\n")
        seen = b""
        while b"data: 1" not in seen:
            seen += sock.recv(65536)
        assert not sent_last.is_set()
        got_first.set()
        while b"data: 2" not in seen:
            seen += sock.recv(65536)


def test_an_upload_of_50_mb_is_streamed_and_arrives_whole(stage):
    size, digest, seen_early = 50_000_000, hashlib.sha256(), threading.Event()

    def serve(conn):
        _, rest = read_head(conn)
        left = size
        while left > 0:
            data = rest or conn.recv(1 << 20)
            rest = b""
            digest.update(data)
            left -= len(data)
            seen_early.set()
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    hap, server = stage.haproxy(), stage.keep(Scripted(serve))
    route(hap, "http", "a.example.test", server.route)
    block = os.urandom(1_000_000)
    with socket.create_connection(("127.0.0.1", hap.http), 20) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: a.example.test\r\n"
                     + f"Content-Length: {size}\r\n\r\n".encode())
        sock.sendall(block)
        assert seen_early.wait(5), "it was kept back"
        for _ in range(size // len(block) - 1):
            sock.sendall(block)
        assert sock.recv(100).startswith(b"HTTP/1.1 200")
    assert digest.hexdigest() == hashlib.sha256(block * (size // len(block))).hexdigest()


def test_half_close_passes_on_a_public_port(stage):
    def serve(conn):
        text = b""
        while data := conn.recv(65536):
            text += data
        conn.sendall(b"got " + text)

    hap, server = stage.haproxy(), stage.keep(Scripted(serve))
    route(hap, "tcp", str(hap.first_port), server.route)
    with socket.create_connection(("127.0.0.1", hap.first_port), 5) as sock:
        sock.sendall(b"question")
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(5)
        text = b""
        while data := sock.recv(100):
            text += data
    assert text == b"got question"


def test_a_server_that_speaks_first_is_heard_at_once(stage):
    hap, ssh = stage.haproxy(), stage.echo("SSH-2.0-test")
    route(hap, "tcp", str(hap.first_port), ssh.route)
    with socket.create_connection(("127.0.0.1", hap.first_port), 5) as sock:
        sock.settimeout(1)
        assert sock.recv(100) == b"SSH-2.0-test\n"


# --- connections ----------------------------------------------------------------------------

def test_resting_connections_are_used_again_and_never_for_another_service(stage):
    hap = stage.haproxy()
    servers = [stage.server(f"s{i}") for i in range(4)]
    for i, server in enumerate(servers):
        route(hap, "http", f"s{i}.example.test", server.route)

    def visit(results):
        with socket.create_connection(("127.0.0.1", hap.http), 5) as sock:
            lines = sock.makefile("rb")
            for turn in range(40):
                i = turn % 4
                sock.sendall(f"GET / HTTP/1.1\r\nHost: s{i}.example.test\r\n\r\n".encode())
                size = 0
                while (line := lines.readline()) != b"\r\n":
                    if line.lower().startswith(b"content-length:"):
                        size = int(line.split(b":")[1])
                results.append(lines.read(size).split(b"\n")[0] == f"s{i}".encode())

    results = []
    threads = [threading.Thread(target=visit, args=(results,)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 200 and all(results)
    assert sum(server.connections for server in servers) < 160, "none was used again"


def test_a_moved_route_is_not_served_by_a_resting_connection(stage):
    hap, old, new = stage.haproxy(), stage.server("old"), stage.server("new")
    route(hap, "http", "a.example.test", old.route)
    with socket.create_connection(("127.0.0.1", hap.http), 5) as sock:
        for expected in (b"old", b"new"):
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a.example.test\r\n\r\n")
            reply = b""
            while b"x-forwarded-host" not in reply:
                reply += sock.recv(65536)
            assert reply.split(b"\r\n\r\n")[1].startswith(expected)
            hap.socket.once(f"set map {hap.map_name('http')} a.example.test {new.route}\n")


def test_a_reload_refuses_nobody(stage):
    hap, web = stage.haproxy(master=True), stage.server("web")
    (hap.maps / "http.map").write_text(f"a.example.test {web.route}\n")
    hap.reload()
    stop, failures, good = threading.Event(), [], [0]

    def visit():
        while not stop.is_set():
            try:
                assert hap.get("a.example.test", tls=True).status == 200
                good[0] += 1
            except (OSError, AssertionError) as error:
                failures.append(error)

    threads = [threading.Thread(target=visit) for _ in range(3)]
    for thread in threads:
        thread.start()
    until(lambda: good[0] > 20)
    hap.reload()
    seen = good[0]
    until(lambda: good[0] > seen + 20)
    stop.set()
    for thread in threads:
        thread.join()
    print(f"{good[0]} visits, {len(failures)} failed: {failures[:3]}")
    assert len(failures) <= 1
