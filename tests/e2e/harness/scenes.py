# SPDX-License-Identifier: MIT
"""The two set-ups of taupe: a relay that stands alone, and a cluster behind HAProxy."""
from . import marks, ports
from .haproxy import HAProxy, Router
from .programs import Agent, Device, Redis, Relay
from .visitors import Connection, get
from .wait import until


class Standalone:
    """One relay with its registry in memory, a device file, and the built-in front."""

    def __init__(self, group, name="r1", **config):
        self.group = group
        self.devices_file = group.folder / f"{name}.devices"
        self.devices = []
        self._write()
        self.front_port = ports.take()
        self.front = ("127.0.0.1", self.front_port)
        self.first_port = services = ports.take_block(group.exits)
        self.relay = Relay(group, name, visitor_listen=f"127.0.0.1:{self.front_port}",
                           devices_file=self.devices_file,
                           service_listen=f"127.0.0.1:{services}-{services + ports.BLOCK - 1}",
                           public_http_port=self.front_port, **config)

    def _write(self):
        text = "".join(device.file_line() + "\n" for device in self.devices)
        new = self.devices_file.with_suffix(".new")
        new.write_text(text or "# none yet\nname=nobody&secret_sha256=" + "0" * 64 + "\n")
        new.rename(self.devices_file)

    def add(self, device):
        self.devices.append(device)
        self._write()
        return device

    def device(self, name, **kwargs):
        return self.add(Device(name, **kwargs))

    def agent(self, device, services, **config):
        if isinstance(device, str):
            device = self.device(device)
        return Agent(self.group, device, [self.relay], services, **config)

    def get(self, host, path="/name", **kwargs):
        return get(self.front, host, path, **kwargs)

    def visit(self, host, **kwargs):
        return Connection(self.front, host, **kwargs)


class Cluster:
    """Redis, relays, the router and HAProxy with the repository's configuration; in a network
    they are at its hosts "redis", "proxy" and those of the relays' names."""

    def __init__(self, group, relays=1, haproxy=None, router=None, network=None, redis=None,
                 **config):
        self.group, self.network = group, network
        self.redis = redis or Redis(group, **self.where("redis"))
        self.public = ports.take_block(group.exits)
        self.public_last = self.public + ports.BLOCK - 1
        self.key_file = group.folder / "cluster.key"
        self.key_file.write_text(marks.marked(48))
        self.key_file.chmod(0o600)
        self.config = config
        # a device must exist before a relay listens; these tests add theirs later
        self.redis.add(Device("nobody"))
        self.haproxy = HAProxy(group, self.public, self.public_last,
                               **self.where("proxy"), **(haproxy or {}))
        self.router = Router(group, self.redis, self.haproxy, **(router or {}))
        self.relays = [self.add_relay(f"r{number}") for number in range(1, relays + 1)]
        until("the relays know each other", lambda: all(
            len(relay.api("relays")["relays"]) == relays for relay in self.relays))

    def where(self, name):
        return self.network.hosts[name].where if self.network else {}

    def add_relay(self, name, **config):
        where = self.where(name)
        host = where.get("host", "127.0.0.1")
        services = [ports.take_block(self.group.exits) for _ in range(2)]
        settings = {
            **self.redis.access("taupe-relay"),
            "cluster_key_file": self.key_file,
            "service_listen": [f"{host}:{start}-{start + ports.BLOCK - 1}"
                               for start in services],
            "public_ports": f"{self.public}-{self.public_last}",
            "trusted_proxy": self.haproxy.http[0],
            **self.config, **config}
        return Relay(self.group, name, **where, **settings)

    @property
    def relay(self):
        return self.relays[0]

    def device(self, name, **kwargs):
        return self.redis.add(Device(name, **kwargs))

    def agent(self, device, services, relays=None, **config):
        if isinstance(device, str):
            device = self.device(device)
        return Agent(self.group, device, relays or self.relays, services, **config)

    def get(self, host, path="/name", fields=(), **kwargs):
        return get(self.haproxy.http, host, path, fields, **kwargs)

    def visit(self, host, **kwargs):
        return Connection(self.haproxy.http, host, **kwargs)

    def public_address(self, agent, service):
        return self.haproxy.http[0], agent.port(service)

    def wait_served(self, host, path="/name", status=200, timeout=10):
        """Until the name leads to the device."""
        def look():
            answer = self.get(host, path)
            assert answer.status == status, answer
            return answer
        return until(f"{host} answers {status}", look, timeout)


def wait_tcp(address, line="NAME", timeout=10):
    """Until the public port leads to the device's TCP service; what it says."""
    from .visitors import tcp_ask
    return until(f"{address} answers", lambda: tcp_ask(address, line), timeout)
