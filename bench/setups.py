# SPDX-License-Identifier: MIT
"""A setup is one system, started: where its visitors connect, and which processes it costs. The
modules floors, ours, cluster and peers enter theirs with @setup; it is started when asked for."""
import contextlib
import dataclasses
import http.client
import itertools

from . import machine
from .programs import Failure, Programs, accepts, wait_until
from .services import PORTS, SMALL

SETUPS = {}  # key → Definition, in the order of the tables


class Missing(Exception):
    """This setup cannot be started here, and why; it is left out."""


@dataclasses.dataclass
class Setup:
    """ports: of the services web, bulk and pieces at ip. relay: the processes on the public side,
    agent: those on the device's. neighbour: another device at the same relay, and door: where more
    agents may connect to it, as (address, file with the authority's certificate or None), if so."""
    ip: str
    ports: dict
    relay: list
    agent: list
    host: str = "localhost"
    neighbour: object = None
    door: object = None

    def address(self, service):
        return self.ip, self.ports[service]

    def cpu_seconds(self):
        return machine.cpu_seconds(p.pid for p in self.relay + self.agent)

    def private_bytes(self):
        """Of the relay's side and of the agent's."""
        return [machine.private_bytes(p.pid for p in side) for side in (self.relay, self.agent)]

    def serves(self):
        """Do visitors reach all three services?"""
        for process in self.relay + self.agent:
            if process.poll() is not None:
                raise Failure(f"{process.args[0]} ended with {process.returncode}")
        return self.answers("web") and self.answers("pieces") and accepts(self.address("bulk"))

    def answers(self, service):
        connection = http.client.HTTPConnection(*self.address(service), timeout=5)
        try:
            connection.request("GET", SMALL, headers={"Host": self.host, "Connection": "close"})
            answer = connection.getresponse()
            answer.read()
            return answer.status == 200
        except http.client.HTTPException:
            return False
        finally:
            connection.close()


@dataclasses.dataclass
class Definition:
    """system: its name in the results. tls: its tunnel is encrypted, and so it is compared with
    the encrypted reference, in metrics that end in _tls."""
    key: str
    system: str
    tls: bool
    start: object

    @property
    def suffix(self):
        return "_tls" if self.tls else ""


def setup(key, system=None, tls=False):
    """Enter a function that starts a setup at the Place that it is given."""
    def enter(start):
        SETUPS[key] = Definition(key, system or key, tls, start)
        return start
    return enter


REFERENCES = {False: "hap2", True: "hap2-tls"}


class Place(Programs):
    """Where one setup is started: its programs in a folder of their own, its addresses, and where
    to find the build of taupe and the binaries of peers."""

    def __init__(self, folder, build, peers, addresses):
        super().__init__(folder)
        self.build, self.peers, self.addresses = build, peers, addresses

    def take_ip(self):
        """An address that nobody else has had."""
        number = next(self.addresses)
        return f"127.0.{1 + number // 250}.{number % 250 + 1}"

    def take_ports(self):
        """A port for each service that nobody else has had, for what listens at every address."""
        return {name: 25000 + next(self.addresses) for name in PORTS}


class Site:
    """All setups of one benchmark."""

    def __init__(self, folder, build, peers):
        self.folder, self.build, self.peers = folder, build, peers
        self.addresses, self.numbers = itertools.count(), itertools.count(1)

    @contextlib.contextmanager
    def started(self, key):
        """The setup, serving, while the block runs."""
        folder = self.folder / f"{next(self.numbers)}-{key}"
        folder.mkdir()
        place = Place(folder, self.build, self.peers, self.addresses)
        try:
            setup_ = SETUPS[key].start(place)
            wait_until(f"{key}: the first answer", setup_.serves)
            yield setup_
        except Failure as failure:
            raise Failure(f"{failure}\n{place.log_ends()}") from None
        finally:
            place.stop()
