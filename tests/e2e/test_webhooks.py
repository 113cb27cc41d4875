# SPDX-License-Identifier: MIT
"""taupectl events --webhook: a receiver that fails, hangs, dies and comes back has every event, in
order, each once when it drops the ids that it knows; whatever becomes of the sender and of Redis."""
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import threading

import pytest

from harness import ports
from harness.process import ROOT, Process
from harness.programs import Certificate, Device, Redis
from harness.wait import until
from test_taupectl import Ctl

KEY = "0123456789abcdef-signs-them"


def documented_check():
    """The function that docs/EVENTS.md gives to receivers."""
    text = (ROOT / "docs" / "EVENTS.md").read_text()
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    space = {}
    exec(code, space)  # pylint: disable=exec-used
    return space["is_signed"]


IS_SIGNED = documented_check()


class Receiver:
    """A real HTTP server; behave() says what comes of a request: a status, or None to hang."""

    def __init__(self, port=None, context=None, host="127.0.0.1"):
        self.host, self.port = host, port or ports.take()
        self.context = context
        self.behave = lambda events: 200
        self.taken, self.requests, self.held = [], [], []
        self.lock = threading.Lock()
        self.socket = None
        self.start()

    def start(self):
        self.socket = socket.create_server((self.host, self.port))
        threading.Thread(target=self._accept, args=(self.socket,), daemon=True).start()

    def die(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.release()

    def release(self):
        for sock in self.held:
            sock.close()
        self.held = []

    def _accept(self, server):
        while True:
            try:
                sock, _ = server.accept()
                if self.context:
                    sock = self.context.wrap_socket(sock, server_side=True)
            except ssl.SSLError:
                continue
            except OSError:
                return
            self._serve(sock)

    def _serve(self, sock):
        data = b""
        while b"\r\n\r\n" not in data:
            more = sock.recv(65536)
            if not more:
                return
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        while len(body) < int(fields["Content-Length"]):
            body += sock.recv(65536)
        events = json.loads(body)["events"]
        with self.lock:
            self.requests.append((head.decode().split("\r\n")[0], fields, body))
            status = self.behave(events)
            if status is None:
                self.held.append(sock)
                return
            if 200 <= status < 300:
                self.taken += events
        sock.sendall(f"HTTP/1.1 {status} X\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
                     .encode())
        sock.close()

    def unique(self):
        return list({event["id"]: event for event in self.taken}.values())


class Scene:
    def __init__(self, group, *redis_options):
        self.group, self.redis_options = group, redis_options
        self.redis = Redis(group)
        if redis_options:
            self.redis.process.kill()
            self.redis.start(*redis_options)
        self.redis.add(Device("nobody"))
        self.key_file = group.folder / "hook.key"
        self.key_file.write_text(KEY + "\n")
        self.key_file.chmod(0o600)
        self.state_file = group.folder / "hook.state"
        self.count = self.runs = 0

    def send(self, receiver, *words, scheme="http", path="/hook?x=1", host="localhost",
             before=()):
        self.runs += 1
        ctl = Ctl(**self.redis.access("taupe-webhook"))
        return Process(self.group, f"webhook-{self.runs}", [
            *before, *ctl.argv, "events", "--webhook",
            f"{scheme}://{host}:{receiver.port}{path}",
            "--webhook-key-file", str(self.key_file), "--webhook-state-file",
            str(self.state_file), "--webhook-timeout", "500ms", *words],
            ends=(-signal.SIGTERM,))

    def began(self):
        until("the place is kept", self.state_file.exists)

    def put(self, count=1, kind="connect", **fields):
        pipe = self.redis.client.pipeline(transaction=False)
        for _ in range(count):
            self.count += 1
            pipe.xadd("taupe:history", {
                "kind": kind, "id": f"e-{self.count}", "at_ms": str(1000 + self.count),
                "device": "alice", **fields})
        pipe.execute()

    def has_all(self, receiver, timeout=20):
        until("the receiver has all", lambda: len(receiver.unique()) == self.count, timeout)
        assert [event["id"] for event in receiver.unique()] == [
            f"e-{number}" for number in range(1, self.count + 1)], "in order"


def test_each_event_is_signed_and_chosen(group):
    scene, receiver = Scene(group), Receiver()
    scene.put(kind="connect")
    sender = scene.send(receiver, "--kind", "connect,limit")
    scene.began()
    scene.put(kind="lease", state="granted")
    scene.put(kind="connect", label='ä"x')
    scene.put(kind="limit", limit="max_visitors", times="3")
    until("both are there", lambda: len(receiver.taken) == 2)
    assert [event["id"] for event in receiver.taken] == ["e-3", "e-4"], "from its start on"
    assert receiver.taken[1]["times"] == 3 and receiver.taken[1]["device"] == "alice"
    line, fields, body = receiver.requests[0]
    assert line == "POST /hook?x=1 HTTP/1.1" and fields["Host"] == f"localhost:{receiver.port}"
    assert fields["Content-Type"] == "application/json"
    signature = fields["Taupe-Signature"]
    seconds = int(re.fullmatch(r"t=(\d+),v1=[0-9a-f]{64}", signature)[1])
    assert IS_SIGNED(KEY, signature, body, now=seconds + 10)
    assert not IS_SIGNED(KEY, signature, body + b" ", now=seconds)
    assert not IS_SIGNED(KEY + "x", signature, body, now=seconds)
    assert not IS_SIGNED(KEY, signature.replace(f"t={seconds}", f"t={seconds + 1}"), body,
                         now=seconds)
    assert not IS_SIGNED(KEY, signature, body, now=seconds + 3600), "too old"
    assert not IS_SIGNED(KEY, "nonsense", body, now=seconds)
    sender.stop()
    assert not sender.lines("taupectl:")


def test_a_receiver_that_fails_hangs_and_dies_has_them_all(group):
    scene, receiver = Scene(group), Receiver()
    sender = scene.send(receiver)
    scene.began()
    answers = iter([500, None, 302])
    receiver.behave = lambda events: next(answers, 204)
    scene.put(3)
    scene.has_all(receiver)
    assert not next(answers, None) and len({body for _, _, body in receiver.requests[:4]}) == 1
    assert {line for line, _, _ in receiver.requests} == {"POST /hook?x=1 HTTP/1.1"}
    assert len(sender.lines("trying it again")) == 1
    sender.wait_line("takes events again")
    receiver.die()
    scene.put(5)
    sender.wait_line("trying it again", count=2)
    receiver.start()
    scene.has_all(receiver)
    # a storm goes out in bodies of a hundred
    receiver.requests.clear()
    scene.put(1000)
    scene.has_all(receiver)
    assert max(body.count(b'"id"') for _, _, body in receiver.requests) <= 100
    assert len(receiver.requests) <= 30
    sender.stop()


def test_a_sender_that_is_killed_and_a_redis_that_restarts_lose_none(group):
    scene = Scene(group, "--appendonly", "yes", "--appendfsync", "always")
    receiver = Receiver()
    sender = scene.send(receiver)
    scene.began()
    for turn in range(6):
        scene.put(30)
        if turn % 2:
            until("some are there", lambda: receiver.taken)
        sender.kill()
        scene.put(30)
        if turn == 3:
            scene.redis.process.kill()
            scene.redis.start(*scene.redis_options)
        sender = scene.send(receiver)
    scene.has_all(receiver)
    again = len(receiver.taken) - scene.count
    print(f"{scene.count} events, {again} of them a second time")
    scene.redis.process.kill()
    sender.wait_line("trying it again")
    scene.redis.start(*scene.redis_options)
    scene.put(10)
    scene.has_all(receiver)
    sender.stop()


def test_killed_before_the_place_is_written_it_sends_the_same_again(group):
    scene, receiver = Scene(group), Receiver()
    sender = scene.send(receiver)
    scene.began()
    receiver.behave = lambda events: None  # it has them, and does not answer
    scene.put(1)
    until("it was sent", lambda: receiver.requests)
    sender.kill()
    receiver.release()
    receiver.behave = lambda events: 200
    sender = scene.send(receiver)
    scene.has_all(receiver)
    assert receiver.requests[0][2] == receiver.requests[-1][2]
    sender.stop()


def test_what_cannot_keep_its_place_sends_nothing(group):
    scene, receiver = Scene(group), Receiver()
    sender = scene.send(receiver)
    scene.began()
    sender.stop()
    blocker = scene.state_file.with_name("hook.state.new")
    blocker.mkdir()
    scene.put(1)
    for _ in range(2):
        scene.send(receiver).ends(os.EX_CANTCREAT)
    assert not receiver.requests
    blocker.rmdir()
    sender = scene.send(receiver)
    scene.has_all(receiver)
    sender.stop()


def test_gone_ends_it_and_what_was_trimmed_is_said(group):
    scene, receiver = Scene(group), Receiver()
    sender = scene.send(receiver)
    scene.began()
    place = scene.state_file.read_text()
    scene.put()
    scene.has_all(receiver)
    until("that is kept", lambda: scene.state_file.read_text() != place)
    receiver.die()
    sender.stop()
    scene.put(20)
    scene.redis.client.xtrim("taupe:history", maxlen=5, approximate=False)
    receiver.start()
    sender = scene.send(receiver)
    sender.wait_line("is not kept any more")
    until("the rest is there", lambda: [event["id"] for event in receiver.taken] == [
        "e-1", *(f"e-{number}" for number in range(17, 22))])
    receiver.behave = lambda events: 410
    scene.put()
    sender.ends(69)
    assert sender.lines("wants no more events (410)")


def test_a_host_with_two_addresses_is_reached_at_the_one_that_takes_it(group):
    """Its first one refuses; the names are those of a namespace of ours."""
    scene = Scene(group)
    hosts = group.folder / "hosts"
    hosts.write_text("127.0.0.1 localhost\n127.0.0.2 two.test\n127.0.0.1 two.test\n")
    own = ["unshare", "--mount", "sh", "-c", f'mount --bind {hosts} /etc/hosts && exec "$@"', "-"]
    found = subprocess.run([*own, "getent", "ahostsv4", "two.test"], capture_output=True, text=True,
                           check=True).stdout.splitlines()
    first, second = [line.split()[0] for line in found if "STREAM" in line]
    assert first != second
    receiver = Receiver(host=second)
    sender = scene.send(receiver, host="two.test", before=own)
    scene.began()
    scene.put(3)
    until("all are there", lambda: len(receiver.taken) == 3)
    assert receiver.requests[0][1]["Host"] == f"two.test:{receiver.port}"
    assert not sender.lines("taupectl:")
    sender.stop()


def test_https_is_verified(group):
    scene = Scene(group)
    good, other = (Certificate(group.folder / name, "localhost") for name in ("good", "other"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(good.chain, good.key)
    receiver = Receiver(context=context)
    sender = scene.send(receiver, "--ca-file", str(other.ca), scheme="https")
    scene.began()
    scene.put()
    sender.wait_line("certificate")
    assert not receiver.requests
    sender.stop()
    sender = scene.send(receiver, "--ca-file", str(good.ca), scheme="https")
    scene.has_all(receiver)
    sender.stop()


def test_a_second_sender_from_the_same_file_is_refused(group):
    scene, receiver = Scene(group), Receiver()
    sender = scene.send(receiver)
    scene.began()
    second = scene.send(receiver)
    second.ends(75)
    assert second.lines("is in use by another taupectl", str(scene.state_file))
    scene.put(3)
    scene.has_all(receiver)
    sender.stop()
    sender = scene.send(receiver)  # the lock went with it
    scene.put(3)
    scene.has_all(receiver)
    sender.stop()


@pytest.mark.parametrize("what,text,status", [
    ("key", "short\n", 65), ("state", "nonsense\n", 65),
    ("state", "5-0 http://elsewhere/\n", 65)])
def test_what_it_cannot_use_is_named(group, what, text, status):
    scene, receiver = Scene(group), Receiver()
    file = scene.key_file if what == "key" else scene.state_file
    pathlib.Path(file).write_text(text)
    sender = scene.send(receiver)
    sender.ends(status)
    assert sender.lines(str(file))
    receiver.die()
