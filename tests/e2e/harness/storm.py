# SPDX-License-Identifier: MIT
"""A cluster with a fleet of agents in several processes, and visitors who ask a sample of its
devices through HAProxy until each has answered: for killing relays and seeing who comes back when."""
import heapq
import json
import os
import pathlib
import random
import secrets
import selectors
import socket
import time
import urllib.parse

from . import ports
from .process import Process, Thread, binary
from .programs import Certificate, Device, sha256_hex
from .scenes import Cluster
from .wait import until

DOMAIN = "example.test"
TICK = os.sysconf("SC_CLK_TCK")
HEARTBEAT = "30s"


class Visit:
    """One visitor: it asks once, and reads to the end."""

    def __init__(self, address, device, begun):
        self.device, self.begun, self.answer = device, begun, b""
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.sock.connect_ex(address)
        self.asked = False

    def ask(self):
        try:
            self.sock.send(f"GET / HTTP/1.1\r\nHost: {self.device.host}\r\n"
                           "Connection: close\r\n\r\n".encode())
        except OSError:
            return False
        self.asked = True
        return True

    def read(self):
        """True: it is over."""
        try:
            piece = self.sock.recv(4096)
        except BlockingIOError:
            return False
        except OSError:
            return True
        self.answer += piece
        return piece == b""

    def served_by(self):
        """The name of the device that has answered; None: none has."""
        head, _, body = self.answer.partition(b"\r\n\r\n")
        return body.decode("ascii", "replace") if head.startswith(b"HTTP/1.1 200") else None


class Asked:
    """A device of the sample."""

    def __init__(self, name, host):
        self.name, self.host, self.served_s = name, host, None
        self.visits = 0  # under way


class Sampler:
    """From its start on it visits each device every so many seconds, whether earlier visits were
    answered or not, until one was."""
    EVERY_S, MOST = 0.25, 4

    def __init__(self, address, devices):
        self.address, self.devices = address, devices
        self.misled, self.failed = [], 0
        self.begun = time.monotonic()
        self.stopping = False
        self.due = [(self.begun + random.random() * self.EVERY_S, number)
                    for number in range(len(devices))]
        heapq.heapify(self.due)
        self.selector = selectors.EpollSelector()
        self.thread = Thread(self.run)

    def missing(self):
        return sum(device.served_s is None for device in self.devices)

    def begin_due(self):
        now = time.monotonic()
        while self.due and self.due[0][0] <= now:
            at, number = heapq.heappop(self.due)
            device = self.devices[number]
            if device.served_s is not None:
                continue
            heapq.heappush(self.due, (max(at + self.EVERY_S, now), number))
            if device.visits < self.MOST:
                visit = Visit(self.address, device, now)
                device.visits += 1
                self.selector.register(visit.sock, selectors.EVENT_WRITE, visit)

    def end(self, visit):
        self.selector.unregister(visit.sock)
        visit.sock.close()
        visit.device.visits -= 1
        who = visit.served_by()
        if who is None:
            self.failed += 1
        elif who != visit.device.name:
            self.misled.append((visit.device.name, who, visit.begun - self.begun))
        elif visit.device.served_s is None:
            visit.device.served_s = time.monotonic() - self.begun

    def turn(self):
        self.begin_due()
        for key, _ in self.selector.select(0.01):
            visit = key.data
            if not visit.asked:
                if visit.ask():
                    self.selector.modify(visit.sock, selectors.EVENT_READ, visit)
                else:
                    self.end(visit)
            elif visit.read():
                self.end(visit)

    def run(self):
        while not self.stopping and self.missing():
            self.turn()

    def wait(self, timeout):
        """The times of the first success of each, sorted; those that had none are not among them."""
        self.thread.join(timeout)
        self.stopping = True
        self.thread.get(20)
        return sorted(device.served_s for device in self.devices if device.served_s is not None)


class FleetProcess(Process):
    """Some agents of the fleet."""

    def last(self, event):
        """The newest line of that kind; {} if there is none."""
        for line in reversed(self.text().splitlines()):
            if f'"event":"{event}"' in line:
                return json.loads(line)
        return {}


class Storm:
    """relays with Redis, router and HAProxy, and `agents` simulated ones in `fleets` processes."""

    def __init__(self, group, relays, agents, fleets=1, tls=False, window=200, **config):
        self.group, self.agents, self.tls = group, agents, tls
        self.cluster = Cluster(group, relays=0, router={"log_level": "info"})
        self.certificate = Certificate(group.folder / "relays", "127.0.0.1")
        net = f"127.{secrets.randbelow(60) + 190}.{secrets.randbelow(256)}"
        for number in range(1, relays + 1):
            self.cluster.relays.append(self.cluster.add_relay(
                f"r{number}", **self.relay_config(f"{net}.{number}", config)))
        until("the relays know each other", lambda: all(
            len(relay.api("relays")["relays"]) == relays for relay in self.relays), 30)
        self.secret = secrets.token_urlsafe(24)
        self.secret_file = group.folder / "fleet.secret"
        self.secret_file.write_text(self.secret + "\n")
        share = agents // fleets
        self.names = [f"{prefix}{number:06}" for prefix in self.prefixes(fleets)
                      for number in range(share)]
        self.register()
        self.fleets = [self.start_fleet(number, prefix, share, window // fleets)
                       for number, prefix in enumerate(self.prefixes(fleets))]

    @staticmethod
    def prefixes(fleets):
        return [chr(ord("a") + number) for number in range(fleets)]

    @property
    def relays(self):
        return self.cluster.relays

    def relay_config(self, host, config):
        tls = {}
        if self.tls:
            url = f"127.0.0.1:{ports.take()}"
            tls = {"agent_tls_listen": url, "agent_url": f"wss://{url}",
                   "tls_certificate": self.certificate.bundle}
        return {"service_listen": f"{host}:10000-29999", "log_level": "info",
                "heartbeat": HEARTBEAT, **tls, **config}

    def register(self):
        client, digest = self.cluster.redis.client, sha256_hex(self.secret)
        for start in range(0, len(self.names), 2000):
            pipe = client.pipeline(transaction=False)
            for name in self.names[start:start + 2000]:
                pipe.hset(f"taupe:device:{name}", mapping={
                    **Device(name).redis_hash(), "secret_sha256": digest})
            pipe.execute()

    def start_fleet(self, number, prefix, agents, window):
        argv = [word for relay in self.relays for word in ("--relay", relay.url)]
        options = {"agents": agents, "name": prefix, "secret_file": self.secret_file, "window": window,
                   "domain": DOMAIN, "first_address": f"127.{64 + number}.0.1",
                   "report": "1s", "ca_file": self.certificate.ca if self.tls else ""}
        argv += [word for key, value in options.items()
                 for word in (f"--{key.replace('_', '-')}", str(value))]
        return FleetProcess(self.group, f"fleet-{prefix}", [binary("bench/fleet/fleet"), *argv])

    # ---- what is there ----

    def counts(self):
        """Of all fleets together."""
        total = {}
        for fleet in self.fleets:
            for key, value in fleet.last("counts").items():
                if isinstance(value, int):
                    total[key] = total.get(key, 0) + value
        return total

    def is_up(self):
        for fleet in self.fleets:
            if not fleet.running():
                raise RuntimeError(f"{fleet.name} ended:\n{fleet.text()[-2000:]}")
        return (self.counts().get("up") == self.agents
                and self.cluster.redis.client.hlen("taupe:routes") >= self.agents)

    def wait_up(self, timeout=200):
        until("all agents are up and routed", self.is_up, timeout, 0.5)

    def sessions(self):
        """Which relay each device is at."""
        client, found = self.cluster.redis.client, {}
        for start in range(0, len(self.names), 2000):
            names = self.names[start:start + 2000]
            for name, text in zip(names, client.mget([f"taupe:session:{n}" for n in names])):
                found[name] = urllib.parse.parse_qs(text or "").get("relay", [None])[0]
        return found

    def sample(self, names, count):
        """So many of them at random, or all, with their hosts."""
        names = random.sample(names, min(count, len(names)))
        pipe = self.cluster.redis.client.pipeline(transaction=False)
        for name in names:
            pipe.hget(f"taupe:lease:{name}", "label")
        return [Asked(name, f"{label}.{DOMAIN}") for name, label in zip(names, pipe.execute())]

    def visit(self, devices):
        return Sampler(self.cluster.haproxy.http, devices)

    # ---- what it costs ----

    def programs(self):
        return {"redis": self.cluster.redis.process, "haproxy": self.cluster.haproxy.process,
                "router": self.cluster.router.process,
                **{relay.name: relay.process for relay in self.relays},
                **{fleet.name: fleet for fleet in self.fleets}}

    def cost(self):
        return Cost(self)

    def handshakes(self):
        """Full and resumed ones that each relay has counted since its start."""
        found = {}
        for relay in self.relays:
            if relay.process.running():
                metrics = relay.metrics()
                total = metrics["taupe_relay_tls_handshakes_total"]
                resumed = metrics["taupe_relay_tls_resumed_total"]
                found[relay.process.pid] = (int(total - resumed), int(resumed))
        return found


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def waited_s(pid):
    """How long it was ready to run, and others had the processors."""
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


class Cost:
    """Processor time and TLS handshakes from now on; a program that was started since counts whole."""

    def __init__(self, storm):
        self.storm = storm
        self.before = {process.pid: (cpu_s(process.pid), waited_s(process.pid))
                       for process in storm.programs().values()}
        self.shaken, self.counts = storm.handshakes(), storm.counts()

    def agents(self):
        """What the agents have done."""
        return {key: value - self.counts.get(key, 0) for key, value in self.storm.counts().items()
                if key not in ("ms", "up")}

    def handshakes(self):
        full = resumed = 0
        for pid, (now_full, now_resumed) in self.storm.handshakes().items():
            before = self.shaken.get(pid, (0, 0))
            full, resumed = full + now_full - before[0], resumed + now_resumed - before[1]
        return full, resumed

    def by_program(self):
        """{program: (processor seconds, seconds that it waited for a processor, resident MB)} of
        those that run."""
        found = {}
        for name, process in self.storm.programs().items():
            if process.running():
                cpu, waited = self.before.get(process.pid, (0, 0))
                found[name] = (cpu_s(process.pid) - cpu, waited_s(process.pid) - waited,
                               process.rss_kib() / 1024)
        return found
