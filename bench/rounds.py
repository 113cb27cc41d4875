# SPDX-License-Identifier: MIT
"""Who is measured when: a run of the reference before and after each run of anything else, and
what is done where others use the machine."""
import dataclasses
import random
import statistics
import time

from . import machine
from .programs import Failure
from .setups import REFERENCES, SETUPS

QUIET = 0.15  # of the machine: a run during which others took more is repeated
LULL_S = 4  # how long a run waits for a quiet moment
FRESH_ROUNDS = 3  # measures of memory vary little, and take long


@dataclasses.dataclass
class Run:
    """One value of one metric; ratio: to the mean of the reference's runs around it; foreign: the
    share of the machine that others took, in the worst of these runs."""
    key: str
    metric: str
    point: tuple
    value: float
    ratio: float
    foreign: float


class Rounds:
    def __init__(self, context, setups, patience_s, tell):
        """setups: {key: Setup}, the references among them. patience_s: time for waiting until
        others leave the machine alone, and for repeating. tell: takes lines about progress."""
        self.context, self.setups, self.tell = context, setups, tell
        self.patience_s = patience_s
        self.runs = []

    def values(self, measure, key):
        if not measure.fresh:
            return measure.run(self.context, self.setups[key])
        with self.context.site.started(key) as setup:
            return measure.run(self.context, setup)

    def quietest(self, measure, key):
        """Values and what others took meanwhile: the best of the attempts that patience allows."""
        best = None
        while True:
            start = time.monotonic()
            if self.patience_s > 0:
                machine.wait_quiet(QUIET, LULL_S)
            watch = machine.Watch()
            values = self.values(measure, key)
            foreign = watch.foreign()
            if best is None or foreign < best[1]:
                best = values, foreign
            if foreign <= QUIET or self.patience_s <= 0:
                return best
            self.patience_s -= time.monotonic() - start

    def attempt(self, measure, key):
        try:
            return self.quietest(measure, key)
        except (Failure, OSError) as failure:
            self.tell(f"{key}, {measure.name}: {failure}")
            self.context.services.restart_bulk()
            return {}, 0.0

    def one_track(self, measure, tls):
        """One round of one measure, of the plain or of the encrypted systems."""
        reference = REFERENCES[tls]
        others = [key for key in self.setups if SETUPS[key].tls == tls and key != reference]
        if reference not in self.setups:
            return
        random.shuffle(others)
        before = self.attempt(measure, reference)
        self.enter(measure, reference, before, (before,))
        for key in others:
            seen = self.attempt(measure, key)
            after = self.attempt(measure, reference)
            self.enter(measure, key, seen, (before, after))
            self.enter(measure, reference, after, (after,))
            before = after

    def enter(self, measure, key, seen, around):
        values, foreign = seen
        for metric, value in values.items():
            near = [reference[metric] for reference, _ in around if reference.get(metric)]
            ratio = value / statistics.mean(near) if near else None
            worst = max(foreign, *(share for _, share in around))
            self.runs.append(Run(key, metric, measure.point, value, ratio, worst))

    def run(self, measures, count):
        for number in range(1, count + 1):
            for measure in measures:
                if measure.fresh and number > FRESH_ROUNDS:
                    continue
                for tls in (False, True):
                    self.one_track(measure, tls)
                self.tell(f"round {number} of {count}: {measure.name}")
