# SPDX-License-Identifier: MIT
"""HAProxy with the repository's own configuration, and the router that fills its maps."""
import secrets
import socket

from . import ports
from .process import ROOT, Process, binary
from .programs import Certificate, write_ini
from .wait import until

KINDS = ("http", "sni", "tcp", "relay", "allow", "revoked")


class HAProxy:
    def __init__(self, group, first_public, last_public, domain="example.test", netns=None,
                 host="127.0.0.1", log_visits=False, **env):
        self.group, self.netns = group, netns
        folder = group.folder / "haproxy"
        folder.mkdir()
        self.config = ROOT / "haproxy" / "haproxy.cfg"
        if log_visits:
            text = self.config.read_text().replace("local0 notice", "local0 info")
            self.config = folder / "haproxy.cfg"
            self.config.write_text(text)
        self.maps = folder / "maps"
        self.maps.mkdir()
        self.socket = folder / "admin.sock"
        self.certificate = Certificate(folder / "certificate", f"*.{domain}", domain)
        self.http, self.tls = ((host, ports.take()) for _ in range(2))
        self.https = self.tls  # one door for both sorts of TLS
        self.env = {
            "TAUPE_UNPRIVILEGED": "1",
            "TAUPE_HTTP": f"{host}:{self.http[1]}",
            "TAUPE_HTTPS": f"{host}:{self.tls[1]}",
            "TAUPE_PORTS": f"{host}:{first_public}-{last_public}",
            "TAUPE_CERTS": str(self.certificate.bundle),
            "TAUPE_MAPS": str(self.maps),
            "TAUPE_PAGES": str(ROOT / "haproxy" / "pages"),
            "TAUPE_ADMIN_SOCKET": str(self.socket),
            "TAUPE_INNER": f"taupe-{secrets.token_hex(6)}",
            "TAUPE_LOG": "stdout",
            **env,
        }
        self.empty_map_files()
        self.process = None
        self.start()

    def empty_map_files(self):
        for kind in KINDS:
            for name in (f"{kind}.map", f"{kind}.new.map", f"{kind}.again.map"):
                (self.maps / name).write_text("")

    def start(self):
        self.process = Process(self.group, "haproxy", [
            "haproxy", "-db", "-f", str(self.config)],
            netns=self.netns, env=self.env, ends=(0, 143, -15))
        until("haproxy answers", lambda: "Pid:" in self.ask("show info"))
        return self

    def ask(self, command):
        """One command over the runtime socket."""
        if not self.process.running():
            raise RuntimeError(f"haproxy ended:\n{self.process.text()}")
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(10)
            sock.connect(str(self.socket))
            sock.sendall(command.encode() + b"\n")
            parts = []
            while data := sock.recv(1 << 16):
                parts.append(data)
            return b"".join(parts).decode()

    def map(self, name):
        entries = {}
        for line in self.ask(f"show map {self.maps}/{name}").splitlines():
            parts = line.split()
            if len(parts) == 3:
                entries.setdefault(parts[1], parts[2])  # the older of two wins
        return entries

    def _merged(self, kind):
        """What HAProxy finds for each key: the overlays first, then the big map."""
        merged = self.map(f"{kind}.map")
        merged.update(self.map(f"{kind}.new.map"))
        if kind != "relay":
            merged.update(self.map(f"{kind}.again.map"))
        return {key: value.split(",")[:2] for key, value in merged.items() if value != "gone"}

    def relays(self):
        """All of them: by host, and those that have none by address."""
        return {key: value for key, value in self._merged("relay").items()
                if not key.startswith("any/")}

    def routes(self, kind):
        """Of relays those that have a host."""
        return {key: value for key, value in self._merged(kind).items()
                if not (kind == "relay" and key.startswith(("at-", "any/")))}


class Router:
    def __init__(self, group, redis, haproxy, **config):
        self.group, self.netns = group, haproxy.netns
        self.config = {**redis.access("taupe-router"), "haproxy": haproxy.socket,
                       "map_dir": haproxy.maps, "log_level": "debug", **config}
        self.process = None
        self.start()

    def start(self):
        path = write_ini(self.group.folder / "router.conf", "router", self.config)
        self.process = Process(self.group, "router",
                               [binary("taupe-router"), "--config", str(path)],
                               netns=self.netns)
        return self
