# SPDX-License-Identifier: MIT
"""taupe-router between a real Redis, written to as a relay would, and real HAProxies."""
import base64
import contextlib
import itertools
import os
import pathlib
import random
import re
import signal
import socket
import statistics
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest

from harness import ports
from router_lib import BUILD, CONFIG, KINDS, OVERLAYS, SLOW, make_certificate, stage, until

assert stage  # a fixture, used by its name


def many(n, prefix="host", port=30000, kind="http"):
    return {f"{kind}/{prefix}-{i:06d}.example.test": f"127.0.0.1,{port + i % 1000}"
            for i in range(n)}


def equal(hap, redis):
    """But for the slots "any/…", which the router makes of the relays there are."""
    routes = redis.routes()
    return all({key: value for key, value in hap.effective(kind).items()
                if not key.startswith("any/")} == routes[kind] for kind in KINDS)


def until_equal(hap, redis, seconds=20):
    until(lambda: equal(hap, redis), seconds * SLOW, "HAProxy's maps to equal the registry")


def until_known(hap, key, value, kind="http", seconds=5):
    """Poll with a single get map of each map: cheap at any size."""
    def known():
        for overlay in OVERLAYS:
            reply = hap.socket.once(f"get map {hap.map_name(kind, overlay)} {key}\n")
            if found := re.search(r'value="([^"]*)"', reply):
                return found.group(1) == value or (value is None and found.group(1) == "gone")
        return value is None
    return until(known, seconds * SLOW, f"{kind}/{key} to become {value}")


# --- routes ----------------------------------------------------------------------------------

def test_routes_of_every_kind_appear_move_and_go(stage, tmp_path):
    redis, hap = stage.redis(), stage.haproxy()
    web, web2, ssh = stage.server("web"), stage.server("web2"), stage.echo("ssh")
    tls = stage.echo("device", tls=make_certificate(tmp_path, "device.test"))
    port = hap.first_port
    redis.put({"http/early.example.test": web.route})
    stage.router(redis, hap)
    until(lambda: hap.get("early.example.test").status == 200)

    redis.put({"http/a.example.test": web.route, "sni/device.test": tls.route,
               f"tcp/{port}": ssh.route, "relay/r1.example.test": web.route}, epoch=1)
    until_equal(hap, redis)
    assert hap.get("a.example.test").text.startswith("web\n")
    assert hap.get("r1.example.test").text.startswith("web\n")
    assert greeting(port) == b"ssh\n"

    redis.put({"http/a.example.test": web2.route}, epoch=2)
    until_equal(hap, redis)
    assert hap.get("a.example.test").text.startswith("web2\n")

    redis.remove("http/a.example.test", f"tcp/{port}", "sni/device.test")
    until_equal(hap, redis)
    assert hap.get("a.example.test").status == 404
    assert greeting(port) == b""
    redis.put({"http/a.example.test": web.route}, epoch=3)
    until_equal(hap, redis)
    assert hap.get("a.example.test").text.startswith("web\n")


def greeting(port):
    with socket.create_connection(("127.0.0.1", port), 5) as sock:
        try:
            return sock.recv(100)
        except ConnectionResetError:
            return b""


def test_a_new_route_is_there_in_milliseconds(stage):
    redis, hap, web = stage.redis(), stage.haproxy(), stage.server("web")
    redis.put(many(20_000))
    router = stage.router(redis, hap)
    until(lambda: router.logged("HAProxy has the routes"), 20 * SLOW)
    took = []
    for i in range(25):
        start = time.perf_counter()
        redis.put({f"http/new-{i}.example.test": web.route})
        until(lambda host=f"new-{i}.example.test": hap.get(host).status == 200)
        took.append((time.perf_counter() - start) * 1000)
    print(f"from Redis to a visitor's answer: median {statistics.median(took):.1f} ms, "
          f"worst {max(took):.1f} ms")
    assert statistics.median(took) < 20 * SLOW


def test_ipv6_relays(stage):
    redis, hap = stage.redis(), stage.haproxy()
    stage.router(redis, hap)
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")
    with listener:
        port = listener.getsockname()[1]
        redis.put({f"tcp/{hap.first_port}": f"::1,{port}"})
        until_equal(hap, redis)
        with socket.create_connection(("127.0.0.1", hap.first_port), 5):
            listener.settimeout(5)
            listener.accept()[0].close()


def test_the_last_change_counts_whatever_the_clocks_say(stage):
    redis, hap = stage.redis(), stage.haproxy()
    stage.router(redis, hap)
    redis.put({"tcp/20000": "127.0.0.1,2"}, epoch=1_800_000_300_000_000)
    until(lambda: hap.effective("tcp").get("20000") == "127.0.0.1,2")
    # the port's lease has ended, and another device has it, at a relay five minutes behind
    redis.put({"tcp/20000": "127.0.0.1,3"}, epoch=1_800_000_000_000_000)
    until(lambda: hap.effective("tcp").get("20000") == "127.0.0.1,3")
    until_equal(hap, redis)


def test_what_makes_no_sense_is_skipped_and_named(stage):
    redis, hap = stage.redis(), stage.haproxy()
    bad = {"http/UPPER.test": "127.0.0.1,1,1", "http/a b": "127.0.0.1,1,1", "nonsense": "x",
           "tcp/70000": "127.0.0.1,1,1", "http/port.test": "127.0.0.1,0,1",
           "http/x\nshow info": "127.0.0.1,1,1", "http/host.test": "localhost,80,1",
           "http/key.test": "127.0.0.1,1,1,private,HALF-OF-A-KEY"}
    redis.db.hset("taupe:routes", mapping=bad)
    router = stage.router(redis, hap)
    until(lambda: router.logged("read the routes"))
    for key, value in bad.items():
        redis.db.xadd("taupe:events", {"kind": "route", "key": key, "value": value})
    redis.db.xadd("taupe:events", {"kind": "unheard-of", "x": "y"})
    redis.put({"http/good.test": "127.0.0.1,5"})
    until_known(hap, "good.test", "127.0.0.1,5")
    assert hap.effective("http") == {"good.test": "127.0.0.1,5"}
    assert router.logged("skipped a route") == 2 * len(bad)
    assert router.logged("HALF-OF-A-KEY") == 0
    assert router.process.poll() is None


# --- big and small -----------------------------------------------------------------------------

def test_changes_go_to_the_overlay_and_are_folded_in(stage):
    redis, hap = stage.redis(), stage.haproxy()
    redis.put(many(2_000))
    stage.router(redis, hap)
    until_equal(hap, redis)
    assert hap.socket.entries(hap.map_name("http", overlay="new")) == []
    redis.put({"http/host-000001.example.test": "127.0.0.1,1"}, epoch=2)
    redis.remove("http/host-000002.example.test")
    until_equal(hap, redis)
    overlay = dict(hap.socket.entries(hap.map_name("http", overlay="new")))
    assert overlay == {"host-000001.example.test": "127.0.0.1,1",
                       "host-000002.example.test": "gone"}
    assert hap.socket.counts()[hap.map_name("http")] == 2_000
    for i in range(600):  # one by one, as agents come and go
        redis.put({f"http/host-{i:06d}.example.test": "127.0.0.1,7"}, epoch=3)
        if i % 5 == 0:
            redis.remove(f"http/host-{i:06d}.example.test")
    until_equal(hap, redis)
    until(lambda: len(hap.socket.entries(hap.map_name("http", overlay="new"))) <= 2_000 / 16,
          10 * SLOW, "the overlay to be folded in")
    until_equal(hap, redis)
    assert "host-000002.example.test" in dict(hap.socket.entries(hap.map_name("http")))
    assert hap.socket.counts()[hap.map_name("http")] < 2_000  # tombstones became removals


def test_what_changes_again_has_a_map_of_its_own_until_the_overlay_takes_it_in(stage):
    redis, hap = stage.redis(), stage.haproxy()
    redis.put(many(2_000))
    stage.router(redis, hap)
    until_equal(hap, redis)
    hot = list(many(120))

    def entries(overlay):
        return dict(hap.socket.entries(hap.map_name("http", overlay)))

    redis.put({name: "127.0.0.1,1" for name in hot}, epoch=2)
    until_equal(hap, redis)
    assert len(entries("new")) == 120 and entries("again") == {}
    redis.put({name: "127.0.0.1,2" for name in hot[:20]}, epoch=3)
    until_equal(hap, redis)
    assert len(entries("again")) == 20
    assert entries("new")["host-000000.example.test"] == "127.0.0.1,1"
    redis.put({name: "127.0.0.1,3" for name in hot}, epoch=4)
    until(lambda: entries("again") == {}, 10 * SLOW)
    until_equal(hap, redis)
    assert set(entries("new").values()) == {"127.0.0.1,3"}
    assert entries(None)["host-000000.example.test"] == "127.0.0.1,30000"  # not written anew


def test_moves_arrive_in_time_and_cost_haproxy_one_command_each(stage):
    """A third of the routes moves, some again and again, while the overlay is folded in."""
    redis, hap, admin = stage.redis(), stage.haproxy(), ports.take()
    redis.put(many(20_000))
    router = stage.router(redis, hap, admin_listen=f"127.0.0.1:{admin}")
    until(lambda: router.logged("HAProxy has the routes"), 20 * SLOW)
    before = metrics(admin)
    rng, names, took, moves = random.Random(3), list(many(20_000)), [], 0
    while moves < 4_000 or metrics(admin)["rebuilds"] == before["rebuilds"]:
        some = {names[rng.randrange(20_000 if i % 4 else 300)]: f"127.0.0.1,{rng.randint(1, 9)}"
                for i in range(20)}
        start = time.monotonic()
        redis.put(some, epoch=moves + 2)
        last, value = some.popitem()
        until_known(hap, last[5:], value, seconds=2)
        took.append(time.monotonic() - start)
        moves += 20
    until(lambda: metrics(admin)["writing"] == 0, 20 * SLOW)
    until_equal(hap, redis)
    after = {name: value - before[name] for name, value in metrics(admin).items()}
    print(f"{moves} moves: {after}; worst {max(took) * 1000:.0f} ms")
    assert after["changes"] <= moves
    # the overlay is folded in each time that it has a sixteenth of the routes; a fold is a
    # thousand small commands
    assert after["rebuilds"] <= 1 + moves / 500
    assert after["commands"] <= moves + 1_500 * after["rebuilds"] + 200
    assert after["failures"] == after["conversations"] == 0


def test_many_changes_are_one_transaction(stage):
    redis, hap = stage.redis(), stage.haproxy()
    admin = ports.take()
    stage.router(redis, hap, admin_listen=f"127.0.0.1:{admin}")
    redis.put(many(5_000))
    until_equal(hap, redis)
    redis.put(many(5_000, port=40000), epoch=2)
    until_equal(hap, redis)
    page = metrics(admin)
    print(page)
    assert page["changes"] < 2_000
    assert page["rebuilds"] >= 5


def metrics(port, prefix="taupe_router_haproxy_"):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as reply:
        text = reply.read().decode()
    return {m.group(1): int(m.group(2)) for m in
            re.finditer(rf"^{prefix}(\w+?)(?:_total)?(?:\{{.*\}})? (\d+)$", text, re.M)}


def test_changes_during_a_fold_are_not_lost(stage):
    """Routes change all the time while big maps are written; at the end all is equal."""
    redis, hap = stage.redis(), stage.haproxy()
    redis.put(many(30_000))
    stage.router(redis, hap)
    rng, epoch = random.Random(7), 1
    names = [f"http/host-{i:06d}.example.test" for i in range(30_000)]
    for turn in range(30):
        epoch += 1
        some = rng.sample(names, 1500 if turn % 10 == 5 else 60)
        redis.put({name: f"127.0.0.1,{rng.randint(1, 65535)}" for name in some}, epoch=epoch)
        redis.remove(*rng.sample(names, 30))
        value = redis.db.hget("taupe:routes", some[0])
        until_known(hap, some[0][5:], value and value.rsplit(",", 1)[0])
    until_equal(hap, redis)


def test_two_hundred_thousand_routes_fit_in_64_mb(stage):
    redis, hap = stage.redis(), stage.haproxy()
    router = stage.router(redis, hap)
    start = time.monotonic()
    redis.put(many(200_000), announce=False)
    # everything at once, and the events of the last ones
    redis.put(many(1_000, prefix="late"))
    print(f"written to Redis in {time.monotonic() - start:.1f} s")
    router.kill()
    start = time.monotonic()
    router.start()
    until(lambda: hap.socket.counts()[hap.map_name("http")] == 201_000, 60 * SLOW)
    took = time.monotonic() - start
    until_known(hap, "host-199999.example.test", "127.0.0.1,30999")
    rss = router.rss_kib() / 1024
    print(f"201,000 routes: {rss:.1f} MB resident, in HAProxy {took:.1f} s after the start")
    if SLOW == 1:
        assert rss < 64
    until(lambda: (hap.maps / "http.map").read_text().count("\n") > 201_000, 20 * SLOW)
    redis.put({"http/host-100000.example.test": "127.0.0.1,9"}, epoch=2)
    until_known(hap, "host-100000.example.test", "127.0.0.1,9")
    if SLOW == 1:
        assert router.rss_kib() / 1024 < 64


def test_a_smaller_buffer_than_announced_is_found_by_trial(stage, tmp_path):
    extra = tmp_path / "small.cfg"
    extra.write_text("global\n\ttune.bufsize 4096\n\ttune.maxrewrite 512\n")
    redis, hap = stage.redis(), stage.haproxy(extra=("-f", extra))
    redis.put(many(2_000))
    router = stage.router(redis, hap, haproxy_timeout="500ms")
    until_equal(hap, redis)
    assert router.logged("sending less at once") >= 2


def test_a_smaller_buffer_that_is_announced_is_respected(stage, tmp_path):
    extra = tmp_path / "small.cfg"
    extra.write_text("global\n\ttune.bufsize 4096\n\ttune.maxrewrite 512\n")
    redis, hap = stage.redis(), stage.haproxy(extra=("-f", extra))
    redis.put(many(2_000))
    router = stage.router(redis, hap, haproxy_bufsize="4096")
    until_equal(hap, redis)
    assert router.logged("sending less at once") == 0
    assert router.logged("met HAProxy") == 1


# --- when HAProxy comes and goes ---------------------------------------------------------------

def empty_map_files(hap):
    for kind in KINDS:
        (hap.maps / f"{kind}.map").write_text("")


def test_maps_are_back_within_a_second_of_a_restart(stage):
    redis, hap = stage.redis(), stage.haproxy()
    redis.put(many(10_000))
    redis.put({"sni/a.test": "127.0.0.1,1", "tcp/20001": "127.0.0.1,2"})
    stage.router(redis, hap, map_delay="1h")  # so that the files do not help
    until_equal(hap, redis)
    for _ in range(3):
        hap.kill()
        empty_map_files(hap)
        hap.start()
        start = time.monotonic()
        until(lambda: hap.socket.counts()[hap.map_name("http")] == 10_000, 10)
        took = time.monotonic() - start
        print(f"all maps back {took * 1000:.0f} ms after HAProxy's return")
        assert took < 1 * SLOW
        until_equal(hap, redis)


def test_maps_are_back_within_a_second_of_a_reload(stage):
    redis, hap = stage.redis(), stage.haproxy(master=True)
    redis.put(many(10_000))
    stage.router(redis, hap, map_delay="1h")
    until_equal(hap, redis)
    empty_map_files(hap)
    with socket.create_connection(("127.0.0.1", hap.http), 5):  # keeps the old process
        hap.reload()
        start = time.monotonic()
        until(lambda: hap.socket.counts()[hap.map_name("http")] == 10_000, 10)
        took = time.monotonic() - start
        print(f"all maps back {took * 1000:.0f} ms after the reload")
        assert took < 1 * SLOW
        redis.put({"http/late.test": "127.0.0.1,5"})
        until_equal(hap, redis)


def test_haproxy_begins_with_the_map_files(stage):
    """Without the router: what it has left on disk is enough."""
    redis, hap = stage.redis(), stage.haproxy()
    redis.put(many(1_000))
    redis.put({"relay/r1.test": "127.0.0.1,8000", "tcp/20001": "127.0.0.1,2"})
    router = stage.router(redis, hap)
    until_equal(hap, redis)
    redis.put({"http/last.test": "127.0.0.1,9"})
    redis.remove("http/host-000000.example.test")
    until_equal(hap, redis)
    assert router.stop() == 0  # writes what was not written yet
    hap.restart()
    assert equal(hap, redis)
    assert hap.effective("http")["last.test"] == "127.0.0.1,9"


def test_map_files_are_replaced_whole_and_not_for_every_change(stage):
    redis, hap = stage.redis(), stage.haproxy()
    redis.put(many(5_000))
    stage.router(redis, hap, map_delay="300ms")
    file = hap.maps / "http.map"
    until(lambda: file.read_text().count("\n") > 5_000, 10 * SLOW)
    versions = set()
    stop = threading.Event()
    broken = []

    def watch():
        while not stop.is_set():
            with open(file, encoding="ascii") as f:
                versions.add(os.fstat(f.fileno()).st_ino)
                text = f.read()
            if text.count("\n") < 5_000 or not text.endswith("\n"):
                broken.append(text[-200:])

    thread = threading.Thread(target=watch)
    thread.start()
    start = time.monotonic()
    for i in range(200):
        redis.put({f"http/new-{i}.test": "127.0.0.1,5"})
    until(lambda: "new-199.test 127.0.0.1,5\n" in file.read_text(), 10 * SLOW)
    took = time.monotonic() - start
    stop.set()
    thread.join()
    assert not broken
    assert len(versions) <= 2 + took / 0.3


def stop_writer(router, change):
    """Make changes until one of the children that write the map files is stopped half-way, as if
    the disk hung: its process id."""
    children = pathlib.Path(f"/proc/{router.process.pid}/task/{router.process.pid}/children")
    deadline, next_change = time.monotonic() + 10 * SLOW, 0
    while time.monotonic() < deadline:
        if time.monotonic() >= next_change:
            change()
            next_change = time.monotonic() + 0.2
        for child in children.read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGSTOP)
                if until(lambda: state_of(child) in "TZ-", 10 * SLOW) and state_of(child) == "T":
                    return int(child)
    raise AssertionError("no child was seen that writes")


def test_a_disk_that_hangs_keeps_no_change_waiting(stage):
    redis, hap = stage.redis(), stage.haproxy()
    router = stage.router(redis, hap)
    ports = itertools.count(1)

    def change():
        port = next(ports)
        redis.put({"http/a.test": f"127.0.0.1,{port}"}, epoch=port)
        return f"127.0.0.1,{port}"

    child = stop_writer(router, change)
    for _ in range(20):
        until_known(hap, "a.test", change())
    assert state_of(child) == "T"
    router.kill()
    written = (hap.maps / "http.map").read_text()
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGCONT)  # it may not even have begun
    until(lambda: state_of(child) in "Z-")
    assert (hap.maps / "http.map").read_text() == written, "an old file over a newer one"


def state_of(pid):
    """Of a process, as /proc has it; "-": there is none."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "-"


def test_a_map_file_that_cannot_be_written_is_named_and_tried_again(stage):
    redis, hap = stage.redis(), stage.haproxy()
    blocker = hap.maps / "http.map.tmp"
    blocker.mkdir()
    admin = ports.take()
    router = stage.router(redis, hap, admin_listen=f"127.0.0.1:{admin}")
    redis.put({"http/a.test": "127.0.0.1,1"})
    until(lambda: router.logged("cannot write the map files"), 10 * SLOW)
    assert "Is a directory" in router.output()
    until(lambda: metrics(admin, "taupe_router_")["map_file_failures"] >= 2, 10 * SLOW)
    assert router.output().count("cannot write the map files") == 1
    blocker.rmdir()
    until(lambda: "a.test 127.0.0.1,1\n" in (hap.maps / "http.map").read_text(), 10 * SLOW)
    until(lambda: router.logged("the map files are written again"), 10 * SLOW)


def test_a_hung_haproxy_is_given_up_and_met_again(stage):
    redis, hap, other = stage.redis(), stage.haproxy(), stage.haproxy()
    router = stage.router(redis, hap, other, haproxy_timeout="300ms")
    redis.put({"http/a.test": "127.0.0.1,1"})
    until_equal(hap, redis)
    hap.process.send_signal(signal.SIGSTOP)
    try:
        redis.put({"http/b.test": "127.0.0.1,2"})
        until_known(other, "b.test", "127.0.0.1,2")
        until(lambda: "it does not answer" in router.output())
    finally:
        hap.process.send_signal(signal.SIGCONT)
    until_equal(hap, redis)


def test_each_haproxy_is_on_its_own(stage):
    redis, one, two = stage.redis(), stage.haproxy(), stage.haproxy()
    redis.put(many(500))
    stage.router(redis, one, two)
    until_equal(one, redis)
    until_equal(two, redis)
    one.kill()
    redis.put({"http/a.test": "127.0.0.1,1"})
    redis.remove("http/host-000001.example.test")
    until_equal(two, redis)
    one.start()
    until_equal(one, redis)


def test_a_map_that_somebody_else_changed_is_written_anew(stage):
    redis, hap = stage.redis(), stage.haproxy()
    redis.put(many(100))
    router = stage.router(redis, hap, haproxy_check="100ms")
    until_equal(hap, redis)
    hap.socket.once(f"clear map {hap.map_name('http')}\n")
    until_equal(hap, redis)
    assert router.logged("not as it was left") >= 1
    assert router.logged("met HAProxy") == 1


def test_maps_that_haproxy_does_not_have_are_named(stage, tmp_path):
    config = tmp_path / "only-http.cfg"
    config.write_text("""
global
    stats socket "${TAUPE_ADMIN_SOCKET}" level admin
defaults
    mode http
    timeout client 5s
    timeout server 5s
    timeout connect 5s
frontend f
    bind "${TAUPE_HTTP}"
    http-request return status 200 if { req.hdr(host),map_str("${TAUPE_MAPS}/http.map") -m found }
    http-request return status 404
""")
    redis, hap = stage.redis(), stage.haproxy(config=config)
    router = stage.router(redis, hap)
    redis.put({"http/a.test": "127.0.0.1,1", "sni/a.test": "127.0.0.1,1"})
    until(lambda: hap.get("a.test").status == 200)  # no overlay: changed directly
    redis.remove("http/a.test")
    until(lambda: hap.get("a.test").status == 404)
    assert router.logged("configuration has no such map") == 5


def test_a_haproxy_that_asks_no_rule_gets_no_restricted_route(stage, tmp_path):
    """One with a configuration of before takes the address out of the value, whatever follows."""
    config = tmp_path / "before.cfg"
    config.write_text(
        CONFIG.read_text()
        .replace("${TAUPE_MAPS}/allow.map", str(tmp_path / "elsewhere"))
        .replace("${TAUPE_MAPS}/revoked.map", str(tmp_path / "elsewhere")))
    (tmp_path / "elsewhere").touch()
    redis, hap = stage.redis(), stage.haproxy(config=config)
    router = stage.router(redis, hap)
    access = "private," + base64.b64encode(bytes(32)).decode()
    redis.put({"http/first.test": "127.0.0.1,1"})
    until_known(hap, "first.test", "127.0.0.1,1")
    for key, kind in (("a.test", "http"), ("a.test", "sni"), (str(hap.first_port), "tcp")):
        redis.db.xadd("taupe:events", {"kind": "route", "key": f"{kind}/{key}",
                                           "value": f"127.0.0.1,1,1,{access}"})
    redis.put({"http/last.test": "127.0.0.1,1"})
    until_known(hap, "last.test", "127.0.0.1,1")
    for kind in ("http", "sni", "tcp"):
        until_known(hap, "a.test" if kind != "tcp" else str(hap.first_port), "gone", kind)
    assert router.logged("does not ask who may visit") == 1


# --- when the router comes and goes --------------------------------------------------------------

def test_kill_9_and_restart_while_10000_routes_change(stage):
    redis, hap = stage.redis(), stage.haproxy()
    redis.put(many(10_000))
    router = stage.router(redis, hap)
    until_equal(hap, redis)
    rng = random.Random(1)
    names = [f"http/host-{i:06d}.example.test" for i in range(12_000)]
    rng.shuffle(names)

    def change():
        for i, name in enumerate(names[:10_000]):
            if i % 7 == 0:
                redis.remove(name)
            else:
                redis.put({name: f"127.0.0.1,{rng.randint(1, 65535)}"}, epoch=2)

    writer = threading.Thread(target=change)
    writer.start()
    kills = 0
    while writer.is_alive():
        time.sleep(rng.uniform(0.05, 0.4))  # at any moment
        router.kill()
        router.start()
        kills += 1
    writer.join()
    print(f"killed {kills} times")
    assert kills >= 2
    until_equal(hap, redis)


def test_without_the_router_visitors_notice_nothing(stage):
    redis, hap, web = stage.redis(), stage.haproxy(), stage.server("web")
    redis.put({"http/a.test": web.route})
    router = stage.router(redis, hap)
    until(lambda: hap.get("a.test").status == 200)
    router.kill()
    assert hap.get("a.test").status == 200


def test_it_stops_when_told_to(stage):
    redis, hap = stage.redis(), stage.haproxy()
    router = stage.router(redis, hap)
    until(lambda: router.logged("HAProxy has the routes"))
    assert router.stop() == 0


# --- when Redis comes and goes ---------------------------------------------------------------------

def test_maps_stay_while_redis_is_away(stage):
    redis, hap = stage.redis(), stage.haproxy()
    redis.put(many(100))
    stage.router(redis, hap, map_delay="1h")
    until_equal(hap, redis)
    before = hap.effective("http")
    redis.kill()
    hap.kill()
    empty_map_files(hap)
    hap.start()  # even a new HAProxy gets what the router knows
    until(lambda: hap.effective("http") == before)


def test_an_emptied_redis_gets_time_to_be_filled_again(stage):
    redis, hap = stage.redis(), stage.haproxy()
    redis.put(many(100))
    router = stage.router(redis, hap, grace="3s")
    until_equal(hap, redis)
    before = hap.effective("http")
    redis.stop()
    redis.start()
    until(lambda: router.logged("has forgotten routes"), 10 * SLOW)
    lost = time.monotonic()
    back = dict(list(many(100).items())[:60])
    redis.put(back, epoch=2)
    redis.put({"http/new.test": "127.0.0.1,5"})
    until_known(hap, "new.test", "127.0.0.1,5")
    if time.monotonic() - lost < 2.5:
        assert hap.effective("http") == {**before, "new.test": "127.0.0.1,5"}
    until_equal(hap, redis)
    assert time.monotonic() - lost > 2, "what is missing went at once"
    assert len(hap.effective("http")) == 61


def test_flushall_is_noticed_though_the_connection_stands(stage):
    redis, hap = stage.redis(), stage.haproxy()
    redis.put(many(50))
    router = stage.router(redis, hap, grace="1s")
    until_equal(hap, redis)
    redis.db.flushall()
    until(lambda: router.logged("has forgotten routes"), 10 * SLOW)
    redis.put(dict(list(many(50).items())[:20]), epoch=9)
    until_equal(hap, redis)
    assert len(hap.effective("http")) == 20


def test_a_redis_that_stays_empty_empties_the_maps_in_the_end(stage):
    redis, hap = stage.redis(), stage.haproxy()
    redis.put(many(10))
    stage.router(redis, hap, grace="500ms")
    until_equal(hap, redis)
    redis.stop()
    redis.start()
    until(lambda: hap.effective("http") == {}, 15 * SLOW)


def test_events_that_were_trimmed_away_are_made_up_for(stage):
    redis, hap = stage.redis(), stage.haproxy()
    redis.put(many(100))
    router = stage.router(redis, hap, grace="500ms")
    until_equal(hap, redis)
    router.process.send_signal(signal.SIGSTOP)
    redis.put(many(3_000, prefix="other"))
    redis.remove(*list(many(100))[:50])
    redis.db.xtrim("taupe:events", maxlen=1, approximate=False)
    router.process.send_signal(signal.SIGCONT)
    until_equal(hap, redis)
    assert router.logged("events were lost") >= 1


def test_a_restart_of_the_router_alone_needs_no_grace(stage):
    """The map files say how far the registry was known: what is missing was removed."""
    redis, hap = stage.redis(), stage.haproxy()
    redis.put(many(100))
    router = stage.router(redis, hap, grace="1h")
    until_equal(hap, redis)
    assert router.stop() == 0
    redis.remove(*list(many(100))[:50])
    router.start()
    until_equal(hap, redis)


def test_router_and_redis_gone_together_keep_the_routes_of_the_files(stage):
    redis, hap = stage.redis(), stage.haproxy()
    redis.put(many(20))
    router = stage.router(redis, hap, grace="1h")
    until_equal(hap, redis)
    before = hap.effective("http")
    assert router.stop() == 0
    redis.stop()
    redis.start()
    router.start()
    redis.put({"http/new.test": "127.0.0.1,5"})
    until_known(hap, "new.test", "127.0.0.1,5")
    assert hap.effective("http") == {**before, "new.test": "127.0.0.1,5"}


def test_a_redis_that_refuses_is_named_and_asked_again(stage):
    redis, hap = stage.redis(), stage.haproxy()
    redis.db.set("taupe:events", "not a stream")
    router = stage.router(redis, hap)
    until(lambda: "WRONGTYPE" in router.output())
    redis.db.delete("taupe:events")
    redis.put({"http/a.test": "127.0.0.1,1"})
    until_known(hap, "a.test", "127.0.0.1,1")


class FakeRedis:
    """Says +OK to everything, and something strange to the command that is named."""

    def __init__(self, path, command, strange):
        self.path, self.command, self.strange = path, command.encode(), strange
        self.asked = 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def answer(self, command, args):
        """None hangs up."""
        if command == self.command:
            self.asked += 1
            return self.strange
        return {b"PING": b"+PONG\r\n", b"XREVRANGE": b"*0\r\n",
                b"HSCAN": b"*2\r\n$1\r\n0\r\n*0\r\n"}.get(command, b"+OK\r\n")

    def serve(self, conn):
        with conn, conn.makefile("rb") as lines:
            try:
                while line := lines.readline():
                    args = []
                    for _ in range(int(line[1:])):
                        size = int(lines.readline()[1:])
                        args.append(lines.read(size + 2)[:-2])
                    answer = self.answer(args[0].upper(), args)
                    if answer is None:
                        return
                    conn.sendall(answer)
            except (OSError, ValueError):
                pass

    def close(self):
        self.listener.close()


@pytest.mark.parametrize("command,strange", [
    ("XREVRANGE", b":1\r\n"),
    ("XREVRANGE", b"*1\r\n$3\r\nabc\r\n"),
    ("HSCAN", b"*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n"),
    ("HSCAN", b"*2\r\n:0\r\n*0\r\n"),
    ("XREAD", b"*1\r\n*2\r\n$1\r\ns\r\n*1\r\n:1\r\n"),
    ("XREAD", b"?what is this\r\n"),
])
def test_a_redis_that_talks_nonsense_changes_nothing(stage, tmp_path, command, strange):
    fake = stage.keep(FakeRedis(tmp_path / "fake.sock", command, strange))
    hap = stage.haproxy()
    hap.socket.once(f"add map {hap.map_name('http')} here.test 127.0.0.1,1\n")
    router = stage.router(fake, hap)
    until(lambda: fake.asked >= 2)
    assert router.process.poll() is None
    assert "level=warn" in router.output() or "level=error" in router.output()
    if command != "XREAD":  # by then there was a whole, empty registry
        assert hap.effective("http") == {"here.test": "127.0.0.1,1"}


class CutRedis(FakeRedis):
    """Has lost one of two routes and its events while nobody was connected; hangs up once in the
    middle of the snapshot that follows."""

    def __init__(self, path):
        self.stage = "whole"  # then: lost, cut
        self.scanned = self.forget = False
        super().__init__(path, "", b"")

    @staticmethod
    def bulk(*words):
        return b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)

    def entry(self, number):
        return b"*1\r\n*2\r\n" + self.bulk(number) + b"*2\r\n" + self.bulk(b"kind", b"x")

    def answer(self, command, args):
        if command == b"XREVRANGE":
            if self.stage == "whole":
                return self.entry(b"1-0")
            if self.stage == "lost":
                return self.entry(b"6-0" if self.scanned else b"5-0")
            return self.entry(b"6-0")
        if command == b"HSCAN":
            self.scanned = True
            pairs = [b"http/a.test", b"127.0.0.1,1,1"]
            if self.stage == "whole":
                pairs += [b"http/b.test", b"127.0.0.1,2,1"]
            return b"*2\r\n" + self.bulk(b"0") + b"*%d\r\n" % len(pairs) + self.bulk(*pairs)
        if command == b"XRANGE":
            exists = args[2] == b"1-0" if self.stage == "whole" else args[2] in (b"5-0", b"6-0")
            return self.entry(args[2]) if exists else b"*0\r\n"
        if command == b"XREAD":
            if self.stage == "lost" and self.scanned:
                self.stage = "cut"
                return None
            if args[-1] == b"5-0":
                return b"*1\r\n*2\r\n" + self.bulk(b"taupe:events") + self.entry(b"6-0")
            time.sleep(0.1)
            if self.stage == "whole" and self.forget:
                self.stage, self.scanned = "lost", False
                return None
            return b"*-1\r\n"
        return super().answer(command, args)


def test_a_snapshot_that_was_cut_off_is_taken_again(stage, tmp_path):
    redis, hap = stage.keep(CutRedis(tmp_path / "fake.sock")), stage.haproxy()
    stage.router(redis, hap, grace="300ms")
    until(lambda: hap.effective("http") == {"a.test": "127.0.0.1,1", "b.test": "127.0.0.1,2"})
    redis.forget = True
    until(lambda: redis.stage == "cut")
    until(lambda: hap.effective("http") == {"a.test": "127.0.0.1,1"})


# --- other versions of HAProxy, and what only looks like one -----------------------------------------

class FakeHAProxy:
    """A runtime socket with two maps that answers like a given version; answer() may be
    replaced. Only conversations count as connections, not what comes for one command."""

    def __init__(self, path, version="2.9.1"):
        self.admin, self.version = path, version
        self.commands, self.maps = [], {"/m/http.map": {}, "/m/http.new.map": {"old.test": "x"}}
        self.prepared, self.abandoned = {}, {}
        self.connections = 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        interactive = False
        with conn, conn.makefile("r") as lines:
            try:
                for line in lines:
                    line, payload = line.strip(), []
                    if line == "prompt":
                        interactive = True
                        self.connections += 1
                    if line.endswith("<<"):
                        for row in lines:
                            if row == "\n":
                                break
                            payload.append(row.split())
                    self.commands.append(line)
                    reply = self.answer(line, payload)
                    if reply is None:
                        return
                    if not interactive:
                        conn.sendall(reply.encode() + b"\n")
                        return
                    conn.sendall("+ ".join([""] * (len(payload) + 1)).encode() + reply.encode()
                                 + (b"\n> " if not reply else b"\n\n> "))
            except OSError:
                pass

    def find(self, key):
        """What a visitor meets."""
        for name in ("/m/http.again.map", "/m/http.new.map", "/m/http.map"):
            if key in self.maps.get(name, ()):
                return self.maps[name][key]
        return None

    def count(self, name):
        """Entries of all versions, those of transactions that were given up included."""
        return (len(self.maps[name]) + len(self.prepared.get(name, ()))
                + self.abandoned.get(name, 0))

    def answer(self, line, payload):
        words = line.split()
        if line == "show info":
            return f"Name: HAProxy\nVersion: {self.version}\nPid: 4711\nStopping: 0"
        if line == "show map":
            return "\n".join(f"{i} ({name}) x curr_ver=0 next_ver=0 entry_cnt={self.count(name)}"
                             for i, name in enumerate(self.maps))
        if words[0] == "prepare":
            self.abandoned[words[2]] = (self.abandoned.get(words[2], 0)
                                        + len(self.prepared.get(words[2], ())))
            self.prepared[words[2]] = {}
            return "New version created: 1"
        if words[0] == "commit":
            self.maps[words[3]] = self.prepared.pop(words[3])
            self.abandoned[words[3]] = 0
            return ""
        if words[:2] == ["add", "map"] and payload:
            self.prepared[words[3]].update(payload)
            return ""
        if words[0] in ("set", "add"):
            if (words[0] == "set") != (words[3] in self.maps[words[2]]):
                return "entry not found."
            self.maps[words[2]][words[3]] = words[4]
            return ""
        if words[0] == "del":
            return "" if self.maps[words[2]].pop(words[3], None) else "Key not found."
        if words[0] == "get":
            value = self.maps[words[2]].get(words[3])
            return (f'type=str, case=sensitive, found=yes, idx=tree, key="k", value="{value}", '
                    'type="str"' if value else "type=str, case=sensitive, found=no")
        return ""

    def close(self):
        self.listener.close()


def test_haproxy_2_9_is_changed_directly(stage, tmp_path):
    fake = stage.keep(FakeHAProxy(tmp_path / "admin.sock"))
    redis = stage.redis()
    redis.put(many(50))
    router = stage.router(redis, fake, maps=tmp_path / "maps")
    until(lambda: fake.maps["/m/http.map"] == redis.routes()["http"])
    until(lambda: fake.maps["/m/http.new.map"] == {})
    until(lambda: router.logged("HAProxy has the routes"))
    fake.commands.clear()
    redis.put({"http/a.test": "127.0.0.1,1"})
    redis.put({"http/host-000001.example.test": "127.0.0.1,2"}, epoch=2)
    redis.remove("http/host-000002.example.test")
    until(lambda: fake.maps["/m/http.map"] == redis.routes()["http"])
    changes = [c for c in fake.commands if c.split()[0] in ("set", "add", "del")]
    assert changes == ["set map /m/http.map a.test 127.0.0.1,1",
                       "add map /m/http.map a.test 127.0.0.1,1",
                       "set map /m/http.map host-000001.example.test 127.0.0.1,2",
                       "del map /m/http.map host-000002.example.test"]
    assert fake.maps["/m/http.new.map"] == {}


def test_a_commit_that_takes_long_keeps_no_change_waiting(stage, tmp_path):
    fake = stage.keep(FakeHAProxy(tmp_path / "admin.sock", "2.6.1"))
    fake.maps["/m/http.again.map"] = {}
    redis = stage.redis()
    redis.put(many(200))
    router = stage.router(redis, fake, maps=tmp_path / "maps")
    until(lambda: router.logged("HAProxy has the routes"))
    normal, committing, go_on = fake.answer, threading.Event(), threading.Event()

    def answer(line, payload):
        if line.startswith("commit map") and line.endswith("/m/http.map"):
            committing.set()
            go_on.wait(20 * SLOW)
        return normal(line, payload)

    fake.answer = answer
    try:
        redis.put({name: "127.0.0.1,1" for name in list(many(200))[:70]}, epoch=2)
        assert committing.wait(20 * SLOW), "the overlay was not folded"
        for i in range(30):
            redis.put({"http/a.test": f"127.0.0.1,{i + 1}", f"http/b{i}.test": "127.0.0.1,1"})
            until(lambda value=f"127.0.0.1,{i + 1}": fake.find("a.test") == value)
        assert not go_on.is_set()
    finally:
        go_on.set()
    until(lambda: fake.find("host-000000.example.test") == fake.maps["/m/http.map"].get(
        "host-000000.example.test") == "127.0.0.1,1")
    until(lambda: all(fake.find(key) == value for key, value in redis.routes()["http"].items()))
    assert router.logged("did not do as it was told") == 0


@pytest.mark.parametrize("version,overlay", [("2.8.9", True), ("2.9-dev1", False),
                                             ("3.0.2", False)])
def test_the_version_decides_where_changes_go(stage, tmp_path, version, overlay):
    fake = stage.keep(FakeHAProxy(tmp_path / "admin.sock", version))
    redis = stage.redis()
    router = stage.router(redis, fake, maps=tmp_path / "maps")
    until(lambda: router.logged("HAProxy has the routes"))
    redis.put({"http/a.test": "127.0.0.1,1"})
    name = "/m/http.new.map" if overlay else "/m/http.map"
    until(lambda: fake.maps[name] == {"a.test": "127.0.0.1,1"})


@pytest.mark.parametrize("strange", [
    lambda line: "" if line == "show info" else True,
    lambda line: "Pid: x\nVersion: y" if line == "show info" else True,
    lambda line: "nonsense" if line.startswith("prepare") else True,
    lambda line: "nonsense" if line.startswith("commit") else True,
    lambda line: "nonsense" if line.startswith("get map") else True,
    lambda line: "> \n> \n> " if line == "show map" else True,
    lambda line: "x" * 300_000 if line == "show map" else True,
    lambda line: "a\0b" if line == "show map" else True,
    lambda line: None if line.startswith("add map") else True,
    lambda line: "entry not found." if line.startswith("set map") else True,
])
def test_a_haproxy_that_talks_nonsense_is_met_again_and_bothers_nobody(stage, tmp_path, strange):
    fake = stage.keep(FakeHAProxy(tmp_path / "admin.sock", "2.6.1"))
    normal, healthy = fake.answer, False

    def answer(line, payload):
        reply = True if healthy else strange(line)
        return normal(line, payload) if reply is True else reply

    fake.answer = answer
    redis, hap = stage.redis(), stage.haproxy()
    redis.put(many(20))
    router = stage.router(redis, hap, fake)
    until_equal(hap, redis)
    for i in range(3):  # a refused change shows only when there is one: each goes there alone
        value = f"127.0.0.1,{i + 1}"
        redis.put({"http/a.test": value}, epoch=i + 1)
        until_known(hap, "a.test", value)
        until(lambda: fake.connections >= 2 or fake.find("a.test") == value)
    until(lambda: fake.connections >= 2)
    healthy = True
    until(lambda: {**fake.maps["/m/http.map"], **fake.maps["/m/http.new.map"]}
          == redis.routes()["http"], 20 * SLOW)
    assert router.process.poll() is None
    assert router.logged(f"met HAProxy\" socket={hap.admin}") == 1


# --- agents --------------------------------------------------------------------------------------------

def test_the_common_host_leads_agents_to_every_relay(stage):
    redis, hap = stage.redis(), stage.haproxy()
    relays = [stage.server(f"r{i}") for i in range(3)]
    redis.put({f"relay/r{i}.example.test": relays[i].route for i in range(2)})
    stage.router(redis, hap, agent_host="relay.example.test")
    until(lambda: hap.get("relay.example.test").status == 200)
    met = {hap.get("relay.example.test").text.split("\n")[0] for _ in range(60)}
    assert met == {"r0", "r1"}

    redis.put({"relay/r2.example.test": relays[2].route})
    until(lambda: hap.get("relay.example.test").text.startswith("r2\n"))
    redis.remove("relay/r0.example.test", "relay/r1.example.test")
    until(lambda: {hap.get("relay.example.test").text.split("\n")[0] for _ in range(40)}
          == {"r2"})
    redis.remove("relay/r2.example.test")
    until(lambda: hap.get("relay.example.test").status == 503)
    assert hap.get("relay.example.test").getheader("Retry-After")


def test_a_registry_route_cannot_take_the_common_host(stage):
    redis, hap, relay = stage.redis(), stage.haproxy(), stage.server("r0")
    stage.router(redis, hap, agent_host="relay.example.test")
    redis.put({"relay/r0.example.test": relay.route,
               "relay/relay.example.test": "127.0.0.1,9"})
    until(lambda: hap.get("relay.example.test").status == 200)
    assert hap.effective("relay")["relay.example.test"] == "any"


# --- the operator ------------------------------------------------------------------------------------------

def test_ready_only_when_every_haproxy_has_the_routes(stage):
    redis, one, two = stage.redis(), stage.haproxy(), stage.haproxy()
    redis.put(many(10))
    admin = ports.take()
    router = stage.router(redis, one, two, admin_listen=f"127.0.0.1:{admin}")
    until(lambda: router.logged("HAProxy has the routes") == 2)
    until(lambda: ask(admin, "/readyz") == (200, "ok\n"))
    assert ask(admin, "/healthz") == (200, "ok\n")
    two.kill()
    until(lambda: ask(admin, "/readyz")[0] == 503)
    assert str(two.admin) in ask(admin, "/readyz")[1]
    assert ask(admin, "/healthz")[0] == 200
    two.start()
    until(lambda: ask(admin, "/readyz")[0] == 200)
    redis.kill()
    until(lambda: ask(admin, "/readyz")[0] == 503)
    assert 'taupe_router_routes{kind="http"} 10' in ask(admin, "/metrics")[1]


def ask(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("options,named", [
    (["--haproxy", "relative.sock"], "absolute path"),
    (["--redis", "nowhere"], "HOST:PORT"),
    (["--agent-host", "UPPER"], "host name"),
    (["--haproxy-bufsize", "1000"], "2k"),
    (["--grace", "x"], "grace"),
])
def test_wrong_options_are_explained(options, named):
    run = subprocess.run([BUILD / "taupe-router", *options], capture_output=True, text=True,
                         check=False, timeout=20)
    assert run.returncode == 78
    assert named in run.stderr


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    folder = tmp_path / "not" / "there"
    run = subprocess.run([BUILD / "taupe-router", "--map-dir", folder],
                         capture_output=True, text=True, check=False, timeout=20)
    assert run.returncode == 73
    assert str(folder) in run.stderr


def test_sighup_reads_the_log_level_again(stage, tmp_path):
    redis, hap = stage.redis(), stage.haproxy()
    config = tmp_path / "router.ini"
    config.write_text("[router]\nlog_level = info\n")
    router = stage.router(redis, hap, config=config)
    until(lambda: router.logged("HAProxy has the routes"))
    config.write_text("[router]\nlog_level = nonsense\n")
    router.process.send_signal(signal.SIGHUP)
    until(lambda: "nonsense" in router.output())
    config.write_text("[router]\nlog_level = info\n")
    router.process.send_signal(signal.SIGHUP)
    until(lambda: router.logged("read again"))
    config.write_text("[router]\nlog_level = error\n")
    router.process.send_signal(signal.SIGHUP)
    hap.restart()
    redis.put({"http/a.test": "127.0.0.1,1"})
    until_equal(hap, redis)
    assert router.logged("met HAProxy") == 1


def test_nine_haproxies_are_one_too_many(tmp_path):
    argv = [a for i in range(9) for a in ("--haproxy", f"/nowhere/{i}")]
    run = subprocess.run([BUILD / "taupe-router", "--map-dir", tmp_path, *argv],
                         capture_output=True, text=True, check=False, timeout=20)
    assert run.returncode == 78
    assert "too many" in run.stderr


def test_a_haproxy_that_is_named_twice_is_an_error(tmp_path):
    run = subprocess.run([BUILD / "taupe-router", "--map-dir", tmp_path, "--haproxy", "/a",
                          "--haproxy", "/a"], capture_output=True, text=True, check=False,
                         timeout=20)
    assert run.returncode == 78
    assert "named twice" in run.stderr


def test_a_conversation_is_kept_open_and_never_silent_for_long(stage, tmp_path):
    """HAProxy would end a silent one after its "stats timeout", 10 s by default."""
    fake = stage.keep(FakeHAProxy(tmp_path / "admin.sock"))
    redis = stage.redis()
    stage.router(redis, fake, maps=tmp_path / "maps")
    start = time.monotonic()
    until(lambda: fake.commands.count("show info") >= 5)
    assert time.monotonic() - start < 5 * SLOW
    assert fake.connections == 1
    assert fake.commands.count("prompt") == 1
