# SPDX-License-Identifier: MIT
"""Constant visitors, while something dies, and what became of each of their requests."""
import hashlib
import os
import threading
import time
import typing

from .process import Thread
from .visitors import Connection, get, pattern_sha256
from .wait import until

CALM = 5  # good requests in a row, and a host is as before


class Visit(typing.NamedTuple):
    kind: str
    host: str
    begin: float  # monotonic, as end
    end: float
    status: int  # 0: there was no answer
    fault: str
    held: bool  # it came late: somebody has held it

    @property
    def good(self):
        return not self.fault and not self.held

    def __str__(self):
        return f"{self.begin:.3f} {self.kind} {self.host} {self.end - self.begin:.3f} s: {self.fault}"


def tell(line):
    """A figure for who runs the tests: pytest keeps what tests print to itself, so it goes to
    the file that scripts/test names, too."""
    print(line)
    if path := os.environ.get("TAUPE_FIGURES"):
        with open(path, "a", encoding="utf-8") as figures:
            figures.write(line + "\n")


class Load:
    """Visitors that ask each host for ever, over connections that they keep and over new ones;
    more can be added. question(host, number) gives a path and the right answer."""
    ASKING = ("kept", "new")

    def __init__(self, address, hosts, question, threads, pause=0.005, late=1, patience=30):
        """threads: of each sort, each with its share of the hosts; late: an answer was held if it
        took so many seconds; patience: so many without a byte, and a visitor leaves."""
        self.address, self.hosts, self.question, self.pause = address, hosts, question, pause
        self.late, self.patience = late, patience
        self.stopping = threading.Event()
        self.visits = []  # in the order of their ends; appended to by all threads
        self.began = self.marked = time.monotonic()
        self.threads = [Thread(kind, hosts[number::threads]) for number in range(threads)
                        for kind in (self.keep, self.renew)]

    def ask(self, kind, host, right, do):
        """One visit: do() gives its answer, which is right or wrong."""
        begin, status, fault = time.monotonic(), 0, ""
        try:
            answer = do()
            status = answer.status
            if status != 200 or not right(answer):
                fault = repr(answer)
        except (OSError, EOFError, ValueError, IndexError) as error:
            fault = repr(error)
        self.add_visit(kind, host, begin, status, fault)
        return not fault

    def add_visit(self, kind, host, begin, status, fault):
        end = time.monotonic()
        held = kind in self.ASKING and end - begin >= self.late
        self.visits.append(Visit(kind, host, begin, end, status, fault, held))

    def rounds(self, hosts):
        number = 0
        while not self.stopping.is_set():
            for host in hosts:
                if self.stopping.wait(self.pause):
                    return
                number += 1
                path, text = self.question(host, number)
                yield host, path, lambda answer, text=text: answer.text == text

    def keep(self, hosts):
        """One connection to HAProxy for each host, and another one when it failed."""
        connections = {}

        def over_the_same(host, path):
            if host not in connections:
                connections[host] = Connection(self.address, host, timeout=self.patience)
            return connections[host].get(path)

        for host, path, right in self.rounds(hosts):
            if not self.ask("kept", host, right, lambda: over_the_same(host, path)) and (
                    host in connections):
                connections.pop(host).close()
        for connection in connections.values():
            connection.close()

    def renew(self, hosts):
        for host, path, right in self.rounds(hosts):
            self.ask("new", host, right, lambda: get(
                self.address, host, path, timeout=self.patience))

    def add(self, target, *args):
        self.threads.append(Thread(target, *args))

    def add_transfers(self, host, size, rate):
        """Downloads of so many bytes, one after the other, not faster than so many a second until
        the load stops; their checksums are compared."""
        def read():
            with Connection(self.address, host, timeout=self.patience) as connection:
                connection.send_head("GET", f"/bytes/{size}")
                status, _ = connection.read_head()
                digest, begin, got = hashlib.sha256(), time.monotonic(), 0

                def take(data):
                    nonlocal got
                    digest.update(data)
                    got += len(data)
                    self.stopping.wait(max(0, begin + got / rate - time.monotonic()))

                connection.read_exactly(size, take)
                return status, digest.hexdigest()

        def transfer():
            begin, status, fault = time.monotonic(), 0, ""
            try:
                status, digest = read()
                if status != 200 or digest != pattern_sha256(size):
                    fault = f"{status} {digest}"
            except (OSError, EOFError, ValueError, IndexError) as error:
                fault = repr(error)
            self.add_visit("transfer", host, begin, status, fault)
            return not fault

        def transfers():
            while not self.stopping.is_set():
                if not transfer():
                    self.stopping.wait(1)

        self.add(transfers)

    def of(self, *kinds):
        return [visit for visit in list(self.visits) if visit.kind in kinds]

    @property
    def asked(self):
        return self.of(*self.ASKING)

    @property
    def failed(self):
        return [visit for visit in self.asked if visit.fault]

    @property
    def broken_transfers(self):
        return [visit for visit in self.of("transfer") if visit.fault]

    def wait_under_way(self):
        until("all sorts of visitors have been at all hosts", lambda: {
            (visit.kind, visit.host) for visit in self.asked if visit.good} >= {
                (kind, host) for kind in self.ASKING for host in self.hosts}, 60)

    def fault(self):
        """It happens now."""
        self.began = self.marked = time.monotonic()

    def repaired(self):
        """From now on, and not from the fault on, recovery is measured."""
        self.marked = time.monotonic()

    def wait_calm(self, timeout=60):
        """Until each host has answered some requests in a row that came after the fault, or
        its repair, over a kept connection and over new ones."""
        def look():
            calm = {(kind, host): 0 for kind in self.ASKING for host in self.hosts}
            for visit in self.asked:
                good = visit.good and visit.begin >= self.marked
                calm[visit[:2]] = calm[visit[:2]] + 1 if good else 0
            return all(count >= CALM for count in calm.values())
        until("all hosts answer as before", look, timeout, 0.05)

    def recovered(self):
        """Seconds from the fault, or its repair, until each host had its first good answer, over a kept
        connection and over a new one, after the last that failed or was held."""
        last_bad, good_again = {}, {}
        for visit in self.asked:
            if not visit.good:
                last_bad[visit[:2]] = visit.end
                good_again.pop(visit[:2], None)
            elif visit[:2] in last_bad:
                good_again.setdefault(visit[:2], visit.end)
        return max([0.0] + [good_again.get(key, float("inf")) - self.marked for key in last_bad])

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.get(120)

    def figures(self, scenario, recovery=True):
        """One line about all visitors; those that were held were answered, but late."""
        asked, failed = self.asked, self.failed
        held = sum(visit.held and not visit.fault for visit in asked)
        transfers = self.of("transfer")
        line = (f"{scenario}: {len(asked)} requests, {len(asked) - len(failed)} answered, "
                f"{held} held, {len(failed)} failed")
        if recovery:
            line += f", recovered in {self.recovered():.1f} s"
        whole = len(transfers) - len(self.broken_transfers)
        return line + f"; {whole} of {len(transfers)} transfers whole"
