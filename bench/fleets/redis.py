# SPDX-License-Identifier: MIT
"""The few commands that are needed here, as admin."""
import hashlib
import re
import socket

from ..programs import Failure


class Redis:
    def __init__(self, address, password):
        self.sock = socket.create_connection(address)
        self.reader = self.sock.makefile("rb")
        self.ask("AUTH", "admin", password)

    @staticmethod
    def encode(words):
        words = [str(word).encode() for word in words]
        return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)

    def read(self):
        line = self.reader.readline().rstrip(b"\r\n")
        kind, rest = line[:1], line[1:].decode()
        if kind == b"-":
            raise Failure(f"Redis says {rest}")
        if kind == b"$":
            return None if rest == "-1" else self.reader.read(int(rest) + 2)[:-2].decode()
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        return rest

    def ask(self, *words):
        return self.batch([words])[0]

    def batch(self, commands):
        self.sock.sendall(b"".join(self.encode(words) for words in commands))
        return [self.read() for _ in commands]

    def calls(self):
        """How often each command was run, but for what is ours here."""
        found = re.findall(r"^cmdstat_(\S+?):calls=(\d+)", self.ask("INFO", "commandstats"), re.M)
        return {name: int(calls) for name, calls in found
                if name not in ("info", "auth", "ping")}

    def make_devices(self, names, secret):
        digest = hashlib.sha256(secret.encode()).hexdigest()
        for start in range(0, len(names), 1000):
            part = names[start:start + 1000]
            self.batch([("HSET", f"taupe:device:{name}", "name", name, "secret_sha256", digest,
                         "created", 0) for name in part] + [("SADD", "taupe:devices", *part)])

    def relays(self, ids):
        """Of each relay how many agents it has, as it has announced; None: it has not."""
        told = self.batch([("HGET", f"taupe:relay:{name}", "agents") for name in ids])
        return [None if agents is None else int(agents) for agents in told]
