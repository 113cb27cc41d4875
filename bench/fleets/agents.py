# SPDX-License-Identifier: MIT
"""The fleet: as many processes of bench/fleet as their limit of open files asks for, seen as one.
And a visitor of those of its agents that are sampled."""
import contextlib
import ipaddress
import json
import socket
import subprocess
import threading
import time

from ..programs import Failure, wait_until
from .programs import DOMAIN, HTTP, LOCAL, SECRET

FIRST_ADDRESS = ipaddress.ip_address("127.64.0.1")
SAMPLE = 20


class Part:
    """One process: some of the agents. Whom it tries first is its own door, as that of a site."""

    def __init__(self, number, agents, before):
        self.prefix, self.agents, self.before = f"f{number}-", agents, before
        self.complete, self.wanted, self.counts = True, 0, {}

    def names(self):
        return [f"{self.prefix}{number:06}" for number in range(self.agents)]

    def start(self, programs, door, parts):
        urls = [programs.relay_url(name) for name in programs.relays]
        self.input, theirs = socket.socketpair()
        options = {"agents": self.agents, "name": self.prefix,
                   "first-address": FIRST_ADDRESS + self.before,
                   "window": max(1, programs.args.window // parts),
                   "sample": max(1, SAMPLE // parts),
                   "ca-file": programs.certificate() if programs.tls else "",
                   "secret-file": programs.secret_file("secret", SECRET)}
        with theirs:
            self.process = programs.enter("fleet", programs.start(
                f"fleet{self.prefix}", [
                    programs.args.build / "bench/fleet/fleet", "--steps",
                    *(word for url in urls[door:] + urls[:door] for word in ("--relay", url)),
                    *(word for key, value in options.items() for word in (f"--{key}", value))],
                stdin=theirs, stdout=subprocess.PIPE, text=True))

    def grow(self, wanted):
        if wanted > self.wanted:
            self.wanted, self.complete = wanted, False
            self.input.sendall(f"{wanted}\n".encode())


class Came:
    """Those that have come, or come back: when the last of all was up, and how long they took."""

    def __init__(self, told):
        self.at = max((event["ms"] for event in told), default=0) / 1000
        self.ways = sorted((way, event["came"] / len(event["way_ms"]))
                           for event in told for way in event["way_ms"])

    def way_s(self, share):
        left = share * sum(weight for _, weight in self.ways)
        for way, weight in self.ways:
            left -= weight
            if left <= 0:
                return way / 1000
        return self.ways[-1][0] / 1000


class Fleet:
    def __init__(self, agents, parts):
        at = [agents * number // parts for number in range(parts + 1)]
        self.parts = [Part(number, at[number + 1] - at[number], at[number])
                      for number in range(parts)]
        self.agents, self.told, self.news = agents, [], threading.Condition()

    def names(self):
        return [name for part in self.parts for name in part.names()]

    def start(self, programs, sampler):
        for number, part in enumerate(self.parts):
            part.start(programs, number * len(programs.relays) // len(self.parts),
                       len(self.parts))
            threading.Thread(target=self.read, args=(part, sampler), daemon=True).start()

    def read(self, part, sampler):
        for line in part.process.stdout:
            event = json.loads(line)
            if event["event"] == "welcome":
                sampler.add(event)
                continue
            with self.news:
                if event["event"] == "counts":
                    part.counts = event
                    part.complete = part.complete and event["up"] == part.wanted
                else:
                    part.complete = event["up"] == part.wanted
                    self.told.append(event)
                self.news.notify_all()

    def counts(self):
        return {key: sum(part.counts.get(key, 0) for part in self.parts)
                for key in ("dialled", "redirects", "refused", "failed", "lost")}

    def begin(self):
        """What comes from now on is what wait() tells of."""
        with self.news:
            self.told = []

    def grow(self, agents):
        self.begin()
        with self.news:
            for part in self.parts:
                part.grow(agents * (part.before + part.agents) // self.agents
                          - agents * part.before // self.agents)

    def wait(self, seconds, lost=0):
        """Until all are up, after that many were lost in all."""
        def is_complete():
            return self.counts()["lost"] >= lost and all(part.complete for part in self.parts)

        with self.news:
            if not self.news.wait_for(is_complete, seconds):
                raise Failure(f"not all agents were up within {seconds} s: {self.counts()}")
            return Came(self.told)


class Sampler:
    """Visits the sampled agents through HAProxy, each from its welcome on until it answers."""

    def __init__(self):
        self.left, self.took, self.lock = 0, [], threading.Lock()

    def add(self, event):
        with self.lock:
            self.left += 1
        threading.Thread(target=self.follow, args=(event,), daemon=True).start()

    def take(self):
        """How many milliseconds each took."""
        wait_until("the sampled agents' routes", lambda: self.left == 0, 60)
        with self.lock:
            took, self.took = self.took, []
        return took

    @staticmethod
    def visit(label, name):
        with socket.create_connection((LOCAL, HTTP), 5) as sock:
            sock.settimeout(10)
            sock.sendall(f"GET / HTTP/1.1\r\nHost: {label}.{DOMAIN}\r\n"
                         "Connection: close\r\n\r\n".encode())
            answer = b""
            while piece := sock.recv(4096):
                answer += piece
        return answer.startswith(b"HTTP/1.1 200") and answer.endswith(name.encode())

    def follow(self, event):
        while True:
            # what was asked for when is what counts, not how long the answer took
            asked = time.monotonic() * 1000
            with contextlib.suppress(OSError):
                if self.visit(event["label"], event["name"]):
                    break
            time.sleep(0.005)
        with self.lock:
            self.took.append(max(0.0, asked - event["ms"]))
            self.left -= 1
