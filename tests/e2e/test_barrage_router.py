# SPDX-License-Identifier: MIT
"""Thousands of mutated requests at the router's admin port, and HAProxies whose answers on the
runtime socket are mutated: the HAProxy beside them gets each change, its visitors are served, and
afterwards the router has what it had before."""
import asyncio
import threading
import time

import pytest

from harness import ports
from harness.barrage import (QUARANTINE, Bystander, Footprint, all_at_once, seed_of, throw)
from harness.mutate import Mutator
from harness.process import Group, Process, binary
from harness.wait import until
from router_lib import stage  # noqa: F401 (a fixture)
from test_barrage_relay import admin_requests
from test_router import FakeHAProxy, many

FAKES = 7  # with the real one as many as a router takes
ANSWERS = [
    ["Name: HAProxy", "Version: 2.6.12", "Pid: 4711", "Stopping: 0"],
    ["0 (/m/http.map) pattern loaded from file x curr_ver=0 next_ver=0 entry_cnt=20"],
    ["New version created: 1"],
    ['type=str, case=sensitive, found=yes, idx=tree, key="k", value="127.0.0.1,1", type="str"'],
    ["entry not found."], ["Key not found."],
]


class Scene:
    def __init__(self, group, stage, fakes=()):
        self.redis, self.hap = stage.redis(), stage.haproxy()
        self.server = stage.server("service")
        self.redis.put({**many(20), "http/device.example.test": self.server.route})
        self.admin_port = ports.take()
        folder = group.folder / "maps"
        folder.mkdir()
        arguments = ["--redis", self.redis.path, "--map-dir", folder, "--map-delay", "100ms",
                     "--haproxy-timeout", "1s", "--admin-listen", f"127.0.0.1:{self.admin_port}"]
        for hap in (self.hap, *fakes):
            arguments += ["--haproxy", hap.admin]
        self.router = Process(group, "router", [binary("taupe-router"), *map(str, arguments)],
                              env=QUARANTINE)
        self.door = "127.0.0.1", self.hap.http
        self.until_known("device.example.test", self.server.route)

    def until_known(self, key, value):
        end = time.monotonic() + 20
        while self.hap.effective("http").get(key) != value:
            assert time.monotonic() < end, f"{key} is not {value}"
            time.sleep(0.002)

    def changes(self, number):
        """A route comes, and goes on to be right."""
        value = f"127.0.0.1,{number % 60000 + 1}"
        self.redis.put({"http/moves.example.test": value}, epoch=number + 1)
        self.until_known("moves.example.test", value)


@pytest.fixture
def own_group(tmp_path):
    group = Group(tmp_path / "programs")
    yield group
    group.close()


@pytest.mark.parametrize("count", [
    pytest.param(300, id="300"), pytest.param(10_000, id="10000", marks=pytest.mark.long)])
def test_admin_door(stage, own_group, count):  # noqa: F811
    scene = Scene(own_group, stage)
    mutator = Mutator(seed_of("router's admin door", 20260401), list(admin_requests()))

    async def one(_number):
        await throw(mutator.random, ("127.0.0.1", scene.admin_port), mutator.next())

    with Bystander(scene.door, "device.example.test", "service"):
        asyncio.run(all_at_once(count // 10, one))
        before = Footprint(scene.router)
        asyncio.run(all_at_once(count, one))
        scene.changes(1)
    before.check(f"router's admin door, {count} inputs")


class Lying(FakeHAProxy):
    """Some of its answers are what a Mutator makes of right ones."""

    def __init__(self, path, mutator):
        self.mutator, self.lock, self.lies, self.honest = mutator, threading.Lock(), 0, True
        super().__init__(path, "2.6.1")

    def answer(self, line, payload):
        answer = FakeHAProxy.answer(self, line, payload)
        with self.lock:
            if self.honest or self.mutator.random.random() < 0.5:
                return answer
            self.lies += 1
            text = self.mutator.change((answer or "x").encode()) \
                if self.mutator.random.random() < 0.5 else b"\n".join(self.mutator.next())
            return text.decode("latin-1")


def until_met(scene, count):
    """The router stands in conversation with so many, and has told each all."""
    until(f"{count} have the routes", lambda: len(scene.router.lines("HAProxy has the routes"))
          >= count, 20)


@pytest.mark.parametrize("seconds", [
    pytest.param(1, id="1s"), pytest.param(60, id="60s", marks=pytest.mark.long)])
def test_answers_of_haproxy(stage, own_group, tmp_path, seconds):  # noqa: F811
    """A router meets who talks nonsense again after a pause that grows to five seconds, so it is
    a matter of time and not of counts here; fuzz_hapsock has the counts."""
    seed = seed_of("HAProxy's answers", 20260402)
    conversations = [["\n".join(answer).encode()] for answer in ANSWERS]
    fakes = [stage.keep(Lying(tmp_path / f"{number}.sock", Mutator(seed + number, conversations)))
             for number in range(FAKES)]
    scene = Scene(own_group, stage, fakes)
    until_met(scene, FAKES + 1)
    before = Footprint(scene.router)
    for fake in fakes:
        fake.honest = False
    end, number = time.monotonic() + seconds, 0
    with Bystander(scene.door, "device.example.test", "service"):
        while time.monotonic() < end:
            number += 1
            scene.changes(number)
    lies = sum(fake.lies for fake in fakes)
    print(f"{lies} mutated answers in {seconds} s, {number} changes beside them")
    assert lies >= 5 * seconds and number > seconds
    for fake in fakes:
        fake.honest = True
    before.check("HAProxy's answers")

