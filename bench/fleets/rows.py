# SPDX-License-Identifier: MIT
"""What comes out: rows as bench.results has them, and how a cost is told."""
import statistics
import time

from .. import machine


def say(text):
    print(text, flush=True)


class Rows:
    """kind: what its metrics begin with, "fleet" at one relay and "cluster" at several."""

    def __init__(self, agents, relays):
        self.agents, self.relays, self.values, self.foreign = agents, relays, {}, {}
        self.kind = "fleet" if relays == 1 else "cluster"

    def add(self, cost, values, agents=None, suffix=""):
        """values: by metric, one or a list. cost: what all took while they were measured."""
        for metric, value in values.items():
            key = f"{self.kind}_{metric}{suffix}", agents or self.agents
            self.values.setdefault(key, []).extend(value if isinstance(value, list) else [value])
            self.foreign[key] = max(self.foreign.get(key, 0), cost.foreign)

    def as_list(self):
        return [{"system": "taupe", "metric": metric, "agents": agents, "relays": self.relays,
                 "median": round(statistics.median(v), 3), "min": round(min(v), 3),
                 "max": round(max(v), 3), "runs": len(v),
                 "foreign": round(self.foreign[metric, agents], 3)}
                for (metric, agents), v in self.values.items() if v]


class Cost:
    """What the programs do from now to end()."""

    def __init__(self, programs):
        self.programs, self.watch = programs, machine.Watch()
        self.before, self.calls = programs.cpu_seconds(), programs.redis.calls()
        self.begun = time.monotonic()

    def end(self):
        self.took = time.monotonic() - self.begun
        self.cpu_s = {}  # by program; all of it for a process that was started since
        now = self.programs.cpu_seconds()
        for name, processes in self.programs.by_name.items():
            self.cpu_s[name] = sum(now[process] - self.before.get(process, 0)
                                   for process in processes)
        self.foreign = self.watch.foreign()
        calls = self.programs.redis.calls()
        self.by_command = {name: n - self.calls.get(name, 0) for name, n in calls.items()
                           if n > self.calls.get(name, 0)}
        self.commands = sum(self.by_command.values())
        return self

    def cpu_us(self, agents):
        """Of one agent, by program."""
        return {name: seconds / agents * 1e6 for name, seconds in self.cpu_s.items()}

    def cpu_metrics(self, agents, metric):
        """That of the relays, and of what they share."""
        each = self.cpu_us(agents)
        return {metric: each["relay"],
                **{f"{metric}_{name}": each[name] for name in ("redis", "router", "haproxy")}}

    def in_short(self, agents):
        return (f"cpu us/agent: {named(self.cpu_us(agents))}; of the machine "
                f"{sum(self.cpu_s.values()) / self.took / machine.CPUS:.0%} theirs, "
                f"{self.foreign:.0%} others'")


def named(values, decimals=0):
    return " ".join(f"{name} {value:.{decimals}f}" for name, value in values.items())


def spread(values, decimals=0):
    """Least, median, most."""
    if not values:
        return "-"
    return " ".join(f"{f(values):.{decimals}f}" for f in (min, statistics.median, max))
