# SPDX-License-Identifier: MIT
"""taupectl events: what has happened and what happens, chosen, as lines and as JSON, over the loss
of Redis; and nothing that Redis holds can spoil a line."""
import json
import re
import signal
import subprocess

from harness.process import Process
from harness.programs import Agent, Device, Redis, Relay, SampleServices
from harness.wait import until
from test_taupectl import DATAERR, NOPERM, USAGE, Ctl

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (\S+)( [a-z_]+=(\"[^\"]*\"|\S+))*")


class Scene:
    def __init__(self, group, *redis_options):
        self.group = group
        self.services = SampleServices(group, "web")
        self.redis = Redis(group)
        self.redis_options = redis_options
        if redis_options:
            self.redis.process.kill()
            self.redis.start(*redis_options)
        self.redis.add(Device("nobody"))
        self.relay = Relay(group, **self.redis.access("taupe-relay"))
        self.ctl = Ctl(**self.redis.access("taupectl"))

    def agent(self, name="alice"):
        agent = Agent(self.group, self.redis.add(Device(name)), [self.relay],
                      [f"web:http:{self.services.target('web', 'http')}"])
        agent.wait_connected()
        return agent

    def follow(self, *words, name="events"):
        return Process(self.group, name, [*self.ctl.argv, "events", "-f", *words],
                       ends=(-signal.SIGTERM,))

    def put(self, **fields):
        self.redis.client.xadd("taupe:history", fields)


def lines(text):
    for line in text.splitlines():
        assert LINE.fullmatch(line), line
    return text.splitlines()


def test_what_was_is_told_and_chosen(group):
    scene = Scene(group)
    agent = scene.agent()
    agent.stop()
    scene.agent("bob")
    until("all is there", lambda: scene.redis.client.xlen("taupe:history") == 5)
    shown = lines(scene.ctl.ok("events"))
    assert [line.split()[1] for line in shown] == [
        "lease", "connect", "disconnect", "lease", "connect"]
    assert " device=alice " in shown[2] and " reason=peer " in shown[2]
    chosen = lines(scene.ctl.ok("events", "--device", "alice", "--kind", "connect,disconnect"))
    assert chosen == shown[1:3]
    assert lines(scene.ctl.ok("events", "--kind", "connect", "--kind", "lease")) == [
        shown[0], shown[1], shown[3], shown[4]]
    objects = [json.loads(line) for line in scene.ctl.ok("--json", "events").splitlines()]
    assert [event["kind"] for event in objects] == [line.split()[1] for line in shown]
    assert isinstance(objects[2]["seconds"], int) and objects[2]["place"] > objects[1]["place"]
    assert lines(scene.ctl.ok("events", "--since", "1h")) == shown
    scene.put(kind="connect", id="old-1", at_ms="1000", device="carol")
    assert scene.ctl.ok("events", "--since", "1h", "--device", "carol") == ""
    assert scene.ctl.ok("events", "--device", "carol").startswith("1970-01-01T00:00:01.000Z ")


def test_bad_input_is_named(group):
    scene = Scene(group)
    scene.ctl.fails(USAGE, "kind=nonsense: there is no such kind", "events", "--kind",
                    "connect,nonsense")
    scene.ctl.fails(USAGE, "belong to events", "device", "ls", "-f")
    scene.ctl.fails(USAGE, "webhook-key-file FILE is missing", "events", "--webhook",
                    "http://127.0.0.1:1/")
    assert scene.ctl.run("events", "--webhook", "ftp://x/").returncode == 78
    assert scene.ctl.run("events", "-x").returncode == 78
    scene.redis.client.execute_command("ACL", "SETUSER", "taupectl", "-xread")
    scene.ctl.fails(NOPERM, "refuses: NOPERM", "events")
    scene.redis.client.execute_command("ACL", "SETUSER", "taupectl", "+xread")
    scene.redis.client.acl_log_reset()


def test_what_stands_in_redis_spoils_no_line(group):
    scene = Scene(group)
    scene.put(kind="connect", at_ms="x", device='a"b=\\c d', **{"k e y": "v\nw\x1b[2J"})
    scene.put(nothing="")
    scene.redis.client.xadd("taupe:history", {b"kind": b"\xff\xfe", b"at_ms": b"5"})
    shown = scene.ctl.ok("events")
    assert len(shown.splitlines()) == 3 and "\x1b" not in shown
    assert 'device="a\\"b=\\\\c d"' in shown and '"k e y"="v?w?[2J"' in shown
    assert len([json.loads(line) for line in
                scene.ctl.ok("--json", "events").splitlines()]) == 3
    scene.redis.client.delete("taupe:history")
    scene.redis.client.set("taupe:history", "x")
    done = scene.ctl.run("events")
    assert done.returncode == 69 and "WRONGTYPE" in done.stderr


def test_it_follows_over_a_restart_of_redis(group):
    scene = Scene(group, "--appendonly", "yes", "--appendfsync", "always")
    agent = scene.agent()
    until("they are there", lambda: scene.redis.client.xlen("taupe:history") == 2)
    following = scene.follow("--kind", "connect,disconnect")
    since = scene.follow("--since", "1h", "--json", name="since")
    since.wait_line('"kind":"connect"')
    # it has begun when it tells of what comes
    until("it follows", lambda: (scene.put(kind="connect", id="x", at_ms="1", device="begin"),
                                 following.lines("device=begin"))[1], interval=0.2)
    agent.stop()
    following.wait_line("disconnect ", "reason=peer")
    assert not following.lines("device=alice", "connect device", " label="), "only what is new"
    scene.redis.process.kill()
    following.wait_line("trying it again")
    agent.start()
    scene.redis.start(*scene.redis_options)
    following.wait_line("events again, from where they were left")
    following.wait_line(" connect ", "device=alice", timeout=20)
    since.wait_line('"kind":"connect"', '"device":"alice"', count=2, timeout=20)
    ids = [json.loads(line)["id"] for line in since.lines('"device":"alice"')]
    assert len(ids) == len(set(ids))
    assert len(following.lines("trying it again")) == 1
    following.stop()
    since.stop()


def test_who_follows_is_told_what_is_missing(group):
    scene = Scene(group)
    scene.put(kind="connect", id="1", at_ms="1", device="a")
    following = scene.follow("--since", "1h")
    until("it follows", lambda: (
        scene.put(kind="lease", id="n", at_ms="9999999999999", device="begin"),
        following.lines("device=begin"))[1], interval=0.2)
    following.freeze()
    for number in range(20):
        scene.put(kind="connect", id=str(number), at_ms="9999999999999", device=f"d-{number}")
    scene.redis.client.xtrim("taupe:history", maxlen=5, approximate=False)
    following.thaw()
    following.wait_line("is not kept any more")
    following.wait_line("device=d-19")
    following.stop()


def test_a_pager_that_has_seen_enough_ends_it(group):
    scene = Scene(group)
    for number in range(3000):
        scene.put(kind="connect", id=str(number), at_ms="1", device=f"d-{number}")
    command = " ".join(map(str, scene.ctl.argv)) + " events | head -n 1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True,
                          text=True, timeout=20, check=False)
    assert done.returncode == 128 + signal.SIGPIPE and done.stderr == "" and "device=d-0" in done.stdout
    assert len(scene.ctl.ok("events").splitlines()) == 3000, "page by page"
