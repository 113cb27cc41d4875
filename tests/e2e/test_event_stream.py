# SPDX-License-Identifier: MIT
"""GET /api/v1/events as server-sent events, of a relay with Redis and of one that stands alone; and
taupectl events and webhooks of the latter."""
import http.client
import json
import pathlib
import signal
import socket
import time

import pytest

from harness.api import Api
from harness.barrage import QUARANTINE
from harness.process import Process
from harness.programs import Agent, Device, Redis, Relay, SampleServices
from harness.scenes import Standalone
from harness.wait import until
from test_admin_api import token_of
from test_taupectl import Ctl
from test_webhooks import KEY, Receiver


class Stream:
    """A client as a browser's EventSource."""

    def __init__(self, relay, receive=None, **headers):
        self.connection = http.client.HTTPConnection("127.0.0.1", relay.admin_port, timeout=20)
        if receive is not None:
            self.connection.sock = socket.socket()
            self.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
            self.connection.sock.settimeout(20)
            self.connection.sock.connect(("127.0.0.1", relay.admin_port))
        self.connection.request("GET", "/api/v1/events", headers={
            "Accept": "text/event-stream", **{key.replace("_", "-"): value
                                              for key, value in headers.items()}})
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, self.answer.read()
        assert self.answer.headers["Content-Type"] == "text/event-stream"

    def next(self):
        """Its id, and what it is: an event, or the name of one that is none of ours."""
        fields = {}
        while True:
            line = self.answer.readline().decode()
            assert line, "the stream has ended"
            line = line.rstrip("\n")
            if not line and fields:
                return fields.get("id"), (fields["event"] if "event" in fields
                                          else json.loads(fields["data"]))
            if line and not line.startswith(":"):
                key, _, value = line.partition(":")
                fields[key] = value.strip()

    def close(self):
        self.answer.close()  # has the socket, as the relay said Connection: close
        self.connection.close()


class WithRedis:
    def __init__(self, group, **config):
        self.group, self.redis = group, Redis(group)
        self.redis.add(Device("nobody"))
        self.relay = Relay(group, **self.redis.access("taupe-relay"), **config)
        self.services = SampleServices(group, "web")

    def agent(self, name):
        return Agent(self.group, self.redis.add(Device(name)), [self.relay],
                     [f"web:http:{self.services.target('web', 'http')}"])


class Alone(Standalone):
    def __init__(self, group):
        super().__init__(group)
        self.services = SampleServices(group, "web")

    def agent(self, name):
        return super().agent(name, [f"web:http:{self.services.target('web', 'http')}"])


@pytest.mark.parametrize("kind", [WithRedis, Alone])
def test_a_stream_goes_on_where_it_was(group, kind):
    scene = kind(group)
    stream = Stream(scene.relay)
    agent = scene.agent("alice")
    agent.wait_connected()
    place, lease = stream.next()
    assert (lease["kind"], lease["device"], lease["place"]) == ("lease", "alice", place)
    place, connect = stream.next()
    assert connect["kind"] == "connect" and isinstance(connect["epoch"], int)
    stream.close()
    agent.stop()
    scene.agent("bob").wait_connected()
    stream = Stream(scene.relay, Last_Event_ID=place)
    assert [stream.next()[1]["kind"] for _ in range(3)] == ["disconnect", "lease", "connect"]
    lost = Stream(scene.relay, Last_Event_ID="5-5")
    assert lost.next() == (None, "missed")
    assert lost.next()[1] == lease
    # they are counted, and who closes makes room
    others = [Stream(scene.relay) for _ in range(30)]
    with pytest.raises(AssertionError, match="too many streams"):
        Stream(scene.relay)
    for other in others:
        other.close()
    until("there is room again", lambda: Stream(scene.relay).close() is None, 20)
    scene.relay.process.stop()  # in order, with two that listen


def test_a_long_history_comes_in_pages(group):
    scene = Alone(group)
    api = Api(scene.relay, token_of({"devices_file": scene.devices_file}, "anna", "admin"))
    for i in range(250):
        api.fails(404, "DELETE", f"/devices/there-is-no-{i}")
    page = api.ok("GET", "/events?after=0")
    assert len(page["events"]) == 100 and not page["missed"]
    assert page["end"] == page["events"][-1]["place"]
    told = [event["object"] for event in api.events() if event["kind"] == "audit"]
    assert told == [f"there-is-no-{i}" for i in range(250)]
    # a stream goes on at once, page after page
    began = time.monotonic()
    stream = Stream(scene.relay, Last_Event_ID="0")
    told = []
    while len(told) < 250:
        event = stream.next()[1]
        told += [event["object"]] if event["kind"] == "audit" else []
    assert told == [f"there-is-no-{i}" for i in range(250)]
    assert time.monotonic() - began < 1, "twice a second would be longer"
    stream.close()


def resident(relay):
    status = pathlib.Path(f"/proc/{relay.process.popen.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def test_clients_that_do_not_read_cost_little_and_miss_nothing(group):
    scene = WithRedis(group, env=QUARANTINE)
    pipe = scene.redis.client.pipeline()
    for i in range(4000):  # each page of Redis is more than a client may leave unread
        pipe.xadd("taupe:history", {"kind": "audit", "id": f"t-{i}", "at_ms": 1, "place": "9-9",
                                    "object": "x" * 1000})
    pipe.execute()
    wanted = [f"t-{i}" for i in range(4000)]
    assert ids(Stream(scene.relay, Last_Event_ID="0"), 4000) == wanted
    before = resident(scene.relay)
    clients = [Stream(scene.relay, receive=4096, Last_Event_ID="0") for _ in range(10)]
    # who reads is not held up by them, and by then they have had their turns, too
    assert ids(Stream(scene.relay, Last_Event_ID="0"), 4000) == wanted
    assert resident(scene.relay) - before < 14_000_000, "of 44 MB and more"
    assert ids(clients.pop(), 4000) == wanted, "who begins to read goes on"
    for client in clients:
        client.close()


def ids(stream, number):
    told = [stream.next() for _ in range(number)]
    assert [place for place, _ in told] == [event["place"] for _, event in told]
    stream.close()
    return [event["id"] for _, event in told]


def test_a_stream_waits_for_a_redis_that_is_away(group):
    scene = WithRedis(group)
    stream = Stream(scene.relay)
    scene.redis.process.kill()
    until("the relay knows", lambda: not scene.relay.ready())
    scene.redis.start()
    scene.redis.add(Device("nobody"))
    scene.agent("alice").wait_connected()
    told = [stream.next()[1] for _ in range(2)]
    assert [event["kind"] for event in told] == ["lease", "connect"]


def test_taupectl_and_webhooks_of_a_relay_that_stands_alone(group):
    scene, receiver = Alone(group), Receiver()
    ctl = Ctl(admin=f"127.0.0.1:{scene.relay.admin_port}")
    key, state = group.folder / "hook.key", group.folder / "hook.state"
    key.write_text(KEY)
    key.chmod(0o600)
    hook = [*ctl.argv, "events", "--webhook", f"http://127.0.0.1:{receiver.port}/",
            "--webhook-key-file", str(key), "--webhook-state-file", str(state)]
    sender = Process(group, "hook", hook, ends=(-signal.SIGTERM,))
    following = Process(group, "events", [*ctl.argv, "events", "-f"], ends=(-signal.SIGTERM,))
    until("the place is kept", state.exists)
    agent = scene.agent("alice")
    agent.wait_connected()
    following.wait_line(" connect ", "device=alice")
    until("both are there", lambda: [event["kind"] for event in receiver.taken] == [
        "lease", "connect"])
    assert [line.split()[1] for line in ctl.ok("events").splitlines()] == ["lease", "connect"]
    scene.relay.process.kill()
    following.wait_line("trying it again")
    scene.relay.start()
    # what was in its memory is gone with it, and that is said
    following.wait_line("is not kept any more")
    following.wait_line(" connect ", "device=alice", count=2)
    until("the second is there", lambda: [event["kind"] for event in receiver.taken].count(
        "connect") == 2)
    assert len({event["id"] for event in receiver.taken}) == len(receiver.taken)
    following.stop()
    sender.stop()
