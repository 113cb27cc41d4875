# SPDX-License-Identifier: MIT
"""HAProxy reloads under its visitors, hangs, or has two routers: visitors fail nowhere, the maps
end up right, and the log says it once."""
import http.client
import itertools
import socket
import threading
import time
import urllib.error
import urllib.request

import pytest

from harness import ports
from harness.wait import stays
from router_lib import SLOW, Socket, stage, until

assert stage  # a fixture, used by its name

HOSTS = 40


def until_equal(hap, redis, seconds=10):
    until(lambda: hap.effective("http") == redis.routes()["http"], seconds * SLOW,
          "HAProxy to have the registry's routes")


def readyz(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


class Load:
    """Visitors who ask one host after the other, and devices that move all the time between two
    places which serve them both."""

    def __init__(self, hap, redis, places):
        self.hap, self.redis, self.places = hap, redis, places
        self.hosts = [f"host-{i}.example.test" for i in range(HOSTS)]
        self.requests, self.moves, self.faults = itertools.count(), 0, []
        self.ending = threading.Event()
        redis.put({f"http/{host}": places[0].route for host in self.hosts})
        self.threads = []

    def start(self):
        until_equal(self.hap, self.redis)
        # a process that begins knows what was in the files
        until(lambda: (self.hap.maps / "http.map").read_text().count("host-") == HOSTS,
              10 * SLOW)
        self.threads = [threading.Thread(target=self.visit, args=(n,)) for n in range(3)]
        self.threads.append(threading.Thread(target=self.move))
        for thread in self.threads:
            thread.start()

    def visit(self, number):
        for host in itertools.cycle(self.hosts[number::3]):
            if self.ending.is_set():
                return
            try:
                answer = self.hap.get(host)
                if answer.status != 200:
                    self.faults.append((time.monotonic(), host, answer.status))
            except (OSError, http.client.HTTPException) as error:
                self.faults.append((time.monotonic(), host, repr(error)))
            next(self.requests)

    def move(self):
        for epoch in itertools.count(2):
            for host in self.hosts[::4]:
                if self.ending.wait(0.005):
                    return
                self.redis.put({f"http/{host}": self.places[epoch % 2].route}, epoch=epoch)
                self.moves += 1

    def end(self):
        until(lambda: self.moves > 50, what="moves enough to show something")
        self.ending.set()
        for thread in self.threads:
            thread.join()
        requests = next(self.requests)
        print(f"{requests} requests, {self.moves} moves")
        assert self.faults == []
        assert requests > 50 and self.moves > 50


@pytest.mark.parametrize("reloads", [2, pytest.param(20, marks=pytest.mark.long)])
def test_reloads_under_visitors_and_moves_fail_nobody(stage, reloads):
    redis, hap = stage.redis(), stage.haproxy(master=True)
    load = Load(hap, redis, [stage.server("one"), stage.server("two")])
    router = stage.router(redis, hap)
    load.start()
    for number in range(reloads):
        hap.reload(by_socket=number % 2 == 0)
        start = time.monotonic()
        met = router.logged("HAProxy has the routes")
        until(lambda count=met: router.logged("HAProxy has the routes") > count
              or hap.effective("http") == redis.routes()["http"], 5 * SLOW)
        print(f"routes back {(time.monotonic() - start) * 1000:.0f} ms after the reload")
    load.end()
    until_equal(hap, redis)


def test_a_second_router_stands_by_until_the_first_has_ended(stage):
    redis, hap = stage.redis(), stage.haproxy()
    load = Load(hap, redis, [stage.server("one"), stage.server("two")])
    port = ports.take()
    first = stage.router(redis, hap, haproxy_check="100ms")
    until(lambda: first.logged("HAProxy has the routes"))
    second = stage.router(redis, hap, haproxy_check="100ms",
                          admin_listen=f"127.0.0.1:{port}")
    until(lambda: readyz(port)[0] == 503)
    assert f"/{first.process.pid})" in readyz(port)[1]
    assert second.logged(f"/{first.process.pid}") == 1
    load.start()
    stays("the first finds its maps as they were",
          lambda: not first.logged("not as it was left"), 0.5)  # five checks
    first.kill()
    start = time.monotonic()
    until(lambda: readyz(port)[0] == 200, 5 * SLOW)
    print(f"the second router has taken over after {time.monotonic() - start:.2f} s")
    load.end()
    until_equal(hap, redis)
    for router in (first, second):
        assert router.logged("not as it was left") == 0
        assert router.logged("did not do as it was told") == 0
    assert second.logged("standing by") == 1
    # and the other way round, in order
    third = stage.router(redis, hap)
    until(lambda: third.logged("standing by"))
    assert second.stop() == 0
    until(lambda: third.logged("taking over"))
    redis.put({"http/late.example.test": "127.0.0.1,5"})
    until_equal(hap, redis)


@pytest.mark.long
def test_two_routers_with_folders_of_their_own_disturb_each_other_but_no_visitor(stage, tmp_path):
    """A mistake that nothing can prevent: HAProxy does not know who writes to it."""
    redis, hap = stage.redis(), stage.haproxy()
    load = Load(hap, redis, [stage.server("one"), stage.server("two")])
    routers = [stage.router(redis, hap, haproxy_check="200ms"),
               stage.router(redis, hap, haproxy_check="200ms", maps=tmp_path / "other")]
    load.start()
    stays("no visitor fails", lambda: load.faults == [], 5)
    load.end()
    assert any(router.logged("nobody else may write") for router in routers)
    assert routers[1].stop() == 0
    until_equal(hap, redis)
    rebuilds = sum(router.logged("not as it was left") for router in routers)
    conversations = sum(router.logged("met HAProxy") for router in routers)
    print(f"{rebuilds} maps written anew, {conversations} conversations")


class HungSocket:
    """Accepts, hears everything, and answers no command to the end, but perhaps the first."""

    def __init__(self, path, answer):
        self.answer, self.connections, self.kept = answer, 0, []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(16)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.kept.append(conn)
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        try:
            answer = self.answer
            while conn.recv(65536):
                conn.sendall(answer)
                answer = b"Name: HAProxy\nVers"
        except OSError:
            pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for conn in self.kept:
            conn.close()


@pytest.mark.parametrize("answer", [
    pytest.param(b"", id="nothing", marks=pytest.mark.long),
    pytest.param(b"Name: HAProxy\nVers", id="half", marks=pytest.mark.long),
    pytest.param(b"\n> ", id="half-of-the-second"),
])
def test_a_socket_that_hangs_is_named_once_and_met_when_it_answers(stage, tmp_path, answer):
    redis, hap = stage.redis(), stage.haproxy()
    redis.put({"http/a.example.test": "127.0.0.1,1"})
    path, port = tmp_path / "hung.sock", ports.take()
    hung = stage.keep(HungSocket(path, answer))
    router = stage.router(redis, path, maps=hap.maps, haproxy_timeout="100ms",
                          admin_listen=f"127.0.0.1:{port}")
    until(lambda: hung.connections >= 3)
    assert readyz(port) == (503, f"HAProxy at {path} has not all routes\n")
    assert router.logged("it does not answer") == 1
    # with pauses that grow
    connections = hung.connections
    stays("it pauses", lambda: hung.connections - connections <= 4, 1)
    path.unlink()
    path.symlink_to(hap.admin)
    until(lambda: readyz(port)[0] == 200, 10 * SLOW)
    until_equal(hap, redis)
    assert Socket(path).info()["Stopping"] == "0"


@pytest.mark.long
def test_a_redis_that_refuses_to_tell_is_named_once_and_asked_each_second(stage):
    redis, hap = stage.redis(), stage.haproxy()
    port = ports.take()
    redis.put({"http/a.example.test": "127.0.0.1,1"})
    router = stage.router(redis, hap, admin_listen=f"127.0.0.1:{port}")
    until(lambda: readyz(port)[0] == 200, 10 * SLOW)
    redis.db.rename("taupe:events", "elsewhere")
    redis.db.set("taupe:events", "not a stream")
    until(lambda: readyz(port)[0] == 503, 5 * SLOW)
    asked = redis.db.info("stats")["total_commands_processed"]
    stays("it is said once, and the maps stay",
          lambda: router.logged("refused to tell the routes") == 1
          and hap.effective("http") == {"a.example.test": "127.0.0.1,1"}, 4)
    asked = redis.db.info("stats")["total_commands_processed"] - asked
    print(f"{asked} commands in 4 s")
    assert asked <= 20
    redis.db.delete("taupe:events")
    redis.db.rename("elsewhere", "taupe:events")
    redis.put({"http/b.example.test": "127.0.0.1,2"})
    until(lambda: readyz(port)[0] == 200, 5 * SLOW)
    until_equal(hap, redis)
