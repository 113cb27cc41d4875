# SPDX-License-Identifier: MIT
"""A setup is one system, started: where its visitors connect, and which processes it costs. The
modules floors, ours and peers enter theirs with @setup; nothing is started before it is asked for."""
import dataclasses
import http.client

from . import machine
from .programs import Failure, Programs, wait_until
from .services import SMALL

SETUPS = {}  # key → Definition, in the order of the tables


class Missing(Exception):
    """This setup cannot be started here, and why; it is left out."""


@dataclasses.dataclass
class Setup:
    """ports: of the services web, bulk and pieces at ip. relay: the processes on the public side,
    agent: those on the device's."""
    ip: str
    ports: dict
    relay: list
    agent: list
    host: str = "localhost"

    def address(self, service):
        return self.ip, self.ports[service]

    def cpu_seconds(self):
        return machine.cpu_seconds(p.pid for p in self.relay + self.agent)

    def get(self, path=SMALL):
        connection = http.client.HTTPConnection(*self.address("web"), timeout=5)
        connection.request("GET", path, headers={"Host": self.host, "Connection": "close"})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status == 200

    def wait_ready(self):
        def look():
            try:
                return self.get()
            except http.client.HTTPException:
                return False
        wait_until("the first answer", look)


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
    def enter(start):
        SETUPS[key] = Definition(key, system or key, tls, start)
        return start
    return enter


REFERENCES = {False: "hap2", True: "hap2-tls"}


class Site:
    """What a setup is started with: the build, the place for binaries of peers, programs in a folder,
    a certificate, and addresses of its own."""

    def __init__(self, build, peers, folder):
        self.build, self.peers = build, peers
        self.programs = Programs(folder)
        self.next_address = 1

    def take_ip(self):
        self.next_address += 1
        return f"127.0.1.{self.next_address}"

    def start(self, definition):
        setup_ = definition.start(self)
        try:
            setup_.wait_ready()
        except Failure as failure:
            self.programs.stop(setup_.relay + setup_.agent)
            raise Failure(f"{definition.key} does not serve: {failure}") from None
        return setup_
