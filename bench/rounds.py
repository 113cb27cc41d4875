# SPDX-License-Identifier: MIT
"""Who is measured when: a run of the reference before and after each run of anything else, and
what is done where others use the machine."""
import dataclasses
import random
import statistics

from . import machine
from .programs import Failure
from .setups import REFERENCES, SETUPS

QUIET = 0.15  # of the machine; what others may take of it during a run
ATTEMPTS = 3
PATIENCE_S = 4


@dataclasses.dataclass
class Run:
    """One value of one metric; ratio: to the reference's runs around it."""
    key: str
    metric: str
    value: float
    ratio: float
    foreign: float


class Rounds:
    def __init__(self, context, setups, tell):
        """setups: {key: Setup}, the references among them. tell: takes lines about what goes on."""
        self.context, self.setups, self.tell = context, setups, tell
        self.runs = []

    def attempt(self, measure, key):
        """The values of the quietest of a few attempts, and what others took meanwhile."""
        best = None
        for _ in range(ATTEMPTS):
            machine.wait_quiet(QUIET, PATIENCE_S)
            watch = machine.Watch()
            values = measure(self.context, self.setups[key])
            foreign = watch.foreign()
            if best is None or foreign < best[1]:
                best = values, foreign
            if foreign <= QUIET:
                break
        return best

    def try_run(self, measure, key):
        try:
            return self.attempt(measure, key)
        except Failure as failure:
            self.tell(f"{key}, {measure.__name__}: {failure}")
            if measure.__name__ in ("bulk_down", "bulk_up", "loaded", "paced"):
                self.context.services.restart_bulk()
            return {}, 0.0

    def one_track(self, measure, tls):
        """One round of one measure, of the plain or of the encrypted systems."""
        reference = REFERENCES[tls]
        others = [key for key in self.setups if SETUPS[key].tls == tls and key != reference]
        if reference not in self.setups:
            return
        random.shuffle(others)
        before = self.try_run(measure, reference)
        self.enter(reference, before, (before,))
        for key in others:
            seen = self.try_run(measure, key)
            after = self.try_run(measure, reference)
            self.enter(key, seen, (before, after))
            self.enter(reference, after, (after,))
            before = after

    def enter(self, key, seen, around):
        values, foreign = seen
        for metric, value in values.items():
            near = [reference[metric] for reference, _ in around if reference.get(metric)]
            ratio = value / statistics.mean(near) if near else None
            worst = max(foreign, *(share for _, share in around))
            self.runs.append(Run(key, metric, value, ratio, worst))

    def run(self, measures, count):
        for number in range(1, count + 1):
            for measure in measures:
                for tls in (False, True):
                    self.one_track(measure, tls)
                self.tell(f"round {number} of {count}: {measure.__name__}")
