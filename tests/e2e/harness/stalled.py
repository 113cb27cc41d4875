# SPDX-License-Identifier: MIT
"""Visitors that ask one device for much and never read, and another device beside them."""
import os
import socket
import time

from .counting import is_asleep, wake_ups
from .programs import SampleServices
from .scenes import Standalone
from .wait import until

VISITORS = 500
MUCH = 1 << 40  # bytes: nobody comes to the end of that
# Wake-ups in a second, at most: for a program's own sake, and for the little that the system still
# lets through to sockets that nobody reads. One for each visitor would be 500.
FEW_WAKE_UPS = 30


class StalledScene:
    def __init__(self, group):
        self.visits = []
        self.services = SampleServices(group, "much", "other")
        # with core_dumps the tester may measure their memory without being root
        # a channel that rests goes soon, so that what is left then is left for ever
        self.alone = Standalone(group, log_level="info", transfer_idle="500ms", warm_max=4,
                                warm_decay="100ms", core_dumps=True)
        self.agent, self.other = (
            self.alone.agent(device, [f"web:http:{self.services.target(service, 'http')}"],
                             log_level="info", max_transfers=VISITORS + 100, core_dumps=True)
            for device, service in (("alice", "much"), ("bob", "other")))
        self.programs = {"relay": self.alone.relay.process, "agent": self.agent.process}

    def visitors(self):
        return self.alone.relay.metrics()["taupe_relay_visitors"]

    def channels(self):
        return self.alone.relay.metrics()["taupe_relay_transfers"]

    def service_descriptors(self):
        """How many the services have open: each visit is one of them."""
        return len(os.listdir(f"/proc/{self.services.process.pid}/fd"))

    def stall(self):
        """The visitors come; afterwards nothing moves for them any more."""
        for _ in range(VISITORS):
            sock = socket.socket()
            self.alone.group.exits.callback(sock.close)
            self.visits.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(self.alone.front)
            sock.sendall(
                f"GET /bytes/{MUCH} HTTP/1.1\r\nHost: {self.agent.host()}\r\n\r\n".encode())
        until("all visits have begun", lambda: self.visitors() == VISITORS, 30)
        until("nothing moves", self.quiet, 60)

    def leave(self):
        """The visitors go; afterwards nothing is left of their visits, nor a channel that had one."""
        for sock in self.visits:
            sock.close()
        until("all visits have ended", lambda: self.visitors() == 0, 30)
        until("the services see it", lambda: self.service_descriptors() < VISITORS / 10, 30)
        until("idle channels have ended", lambda: self.channels() <= 4, 30)

    def quiet(self):
        """Do the services wait, and relay and agent do next to nothing, for a second?"""
        processes = [self.services.process, *self.programs.values()]
        before = [wake_ups(process) for process in processes]
        time.sleep(1)
        services, *others = (wake_ups(process) - count
                             for process, count in zip(processes, before))
        return services == 0 and max(others) <= FEW_WAKE_UPS and \
            all(map(is_asleep, processes))
