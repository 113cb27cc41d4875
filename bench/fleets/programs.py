# SPDX-License-Identifier: MIT
"""Redis, HAProxy, the router and the relays of a fleet, each with the repository's configuration.
A relay has an address of its own, number by number, for its door and its listeners."""
import json
import os
import secrets
import subprocess
import urllib.request

from .. import machine, programs
from ..cluster import TOP
from ..programs import accepts, wait_until
from .redis import Redis

REDIS, RELAY, RELAY_TLS, ADMIN, HTTP, HTTPS = 6379, 8000, 8001, 8002, 8080, 8443
PORTS = (10000, 60000)  # of a relay's listeners, at each of its addresses
LOCAL, DOMAIN = "127.0.0.1", "example.test"
SECRET, PASSWORD = secrets.token_urlsafe(24), secrets.token_hex(16)


class Programs(programs.Programs):
    """by_name: the processes that run now, by the name of their program."""

    def __init__(self, folder, args, tls):
        super().__init__(folder)
        self.args, self.tls, self.by_name = args, tls, {}
        self.relays = {f"r{number}": None for number in range(1, args.relays + 1)}

    def enter(self, name, process):
        self.by_name.setdefault(name, []).append(process)
        return process

    def cpu_seconds(self):
        """By process."""
        return {process: machine.cpu_seconds([process.pid])
                for processes in self.by_name.values() for process in processes}

    def private_bytes(self, name):
        return machine.private_bytes(process.pid for process in self.by_name[name])

    def secret_file(self, name, text):
        path = self.folder / name
        # who is starting may be reading it
        return path if path.exists() else self.write(name, text + "\n", mode=0o600)

    def start_all(self):
        self.start_redis()
        self.start_router()
        self.start_haproxy()
        self.start_relays(self.relays)
        for name in self.relays:
            wait_until(f"{name} and its view of all relays", lambda: self.sees_all(name))

    # ---- the registry and the way in ----

    def start_redis(self):
        text = (TOP / "redis/users.acl").read_text()
        users = self.write("users.acl", "".join(
            line if line.startswith("user default ") else
            line.replace(" off ", f" on >{PASSWORD} ", 1)
            for line in text.splitlines(keepends=True)))
        # as if it had a processor of its own: what all wait for must not wait for all
        self.enter("redis", self.start("redis", [
            "nice", "-n", "-10", "redis-server", TOP / "redis/redis.conf", "--port", REDIS, "--dir",
            self.folder, "--aclfile", users]))
        wait_until("Redis", lambda: accepts((LOCAL, REDIS)))
        self.redis = Redis((LOCAL, REDIS), PASSWORD)

    def access(self, user):
        return ["--redis", f"{LOCAL}:{REDIS}", "--redis-user", user, "--redis-password-file",
                self.secret_file("password", PASSWORD)]

    def start_router(self):
        maps = self.folder / "maps"
        maps.mkdir()
        self.enter("router", self.start("router", [
            self.args.build / "taupe-router", "--config", "/dev/null",
            *self.access("taupe-router"), "--haproxy", self.folder / "admin.sock", "--map-dir",
            maps]))
        wait_until("the router", (maps / "relay.again.map").exists)

    def start_haproxy(self):
        self.enter("haproxy", self.start(
            "haproxy", ["haproxy", "-db", "-f", TOP / "haproxy/haproxy.cfg"],
            env=dict(os.environ, **{
                "TAUPE_UNPRIVILEGED": "1", "TAUPE_HTTP": f"{LOCAL}:{HTTP}",
                "TAUPE_HTTPS": f"{LOCAL}:{HTTPS}", "TAUPE_PORTS": f"{LOCAL}:20000-20009",
                "TAUPE_CERTS": str(self.certificate()), "TAUPE_MAPS": str(self.folder / "maps"),
                "TAUPE_PAGES": str(TOP / "haproxy/pages"),
                "TAUPE_ADMIN_SOCKET": str(self.folder / "admin.sock"), "TAUPE_LOG": "stdout"})))
        wait_until("HAProxy", lambda: accepts((LOCAL, HTTP)))

    def certificate(self):
        """A self-signed one and its key, in one file."""
        pem = self.folder / "cert.pem"
        if not pem.exists():
            names = [f"IP:{self.relay_address(name)}" for name in self.relays]
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                            "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{pem}.key",
                            "-out", pem, "-days", "3", "-subj", f"/CN=*.{DOMAIN}", "-addext",
                            ",".join([f"subjectAltName=DNS:*.{DOMAIN}", *names])],
                           check=True, capture_output=True)
            pem.write_text(pem.read_text() + (self.folder / "cert.pem.key").read_text())
        return pem

    # ---- relays ----

    @staticmethod
    def relay_address(name, more=0):
        return f"127.200.{name[1:]}.{1 + more}"

    def relay_url(self, name):
        scheme, port = ("wss", RELAY_TLS) if self.tls else ("ws", RELAY)
        return f"{scheme}://{self.relay_address(name)}:{port}"

    def start_relays(self, names):
        for name in list(names):
            self.relays[name] = self.enter("relay", self.start(name, self.relay_command(name)))

    def relay_command(self, name):
        at, capacity = self.relay_address(name), self.args.capacity
        # an address has a port for that many, and there are as many addresses as one wants
        ranges = [word for more in range(capacity // 40000 + 1)
                  for word in ("--service-listen",
                               f"{self.relay_address(name, more)}:{PORTS[0]}-{PORTS[1]}")]
        tls = ["--agent-tls-listen", f"{at}:{RELAY_TLS}",
               "--tls-certificate", self.certificate()] if self.tls else []
        return [self.args.build / "taupe-relay", "--config", "/dev/null", "--id", name,
                "--domain", DOMAIN, "--agent-listen", f"{at}:{RELAY}",
                "--admin-listen", f"{at}:{ADMIN}", *ranges,
                "--public-ports", "20000-20009", "--heartbeat", "60s", "--capacity", capacity,
                "--max-handshakes", self.args.handshakes,
                "--cluster-key-file", self.secret_file("cluster.key", "k" * 48),
                *self.access("taupe-relay"), *tls, *self.args.relay_arg]

    def sees_all(self, name):
        url = f"http://{self.relay_address(name)}:{ADMIN}/api/v1/relays"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return len(json.load(answer)["relays"]) == len(self.relays)

    def kill_relays(self, names):
        for name in names:
            self.relays[name].kill()
        for name in names:
            self.relays[name].wait()
            self.by_name["relay"].remove(self.relays[name])

    def relay_bytes(self):
        """Private memory of each."""
        return [machine.private_bytes([process.pid]) for process in self.relays.values()]
