# SPDX-License-Identifier: MIT
"""The fleet grows, rests, loses its relays and comes back; and what that takes."""
import time

from ..programs import wait_until
from .agents import Fleet, Sampler
from .programs import SECRET, Programs
from .rows import Cost, named, say, spread

SECONDS = 300  # for anything that the whole fleet does
GOOD_S = 31  # a link that stood for so long is good: its loss is the first failure


class Bench:
    """Everything that runs, and the rows of it that are wanted."""

    def __init__(self, args, rows, folder, agents, tls=False):
        self.args, self.rows, self.suffix = args, rows, "_tls" if tls else ""
        self.programs, self.sampler = Programs(folder, args, tls), Sampler()
        self.fleet = Fleet(agents, args.parts)

    def __enter__(self):
        try:
            self.programs.start_all()
            self.programs.redis.make_devices(self.fleet.names(), SECRET)
            self.fleet.start(self.programs, self.sampler)
        except BaseException:
            self.programs.stop()
            raise
        return self

    def __exit__(self, *_):
        self.programs.stop()

    def placed(self, agents):
        """How many agents each relay has, once the announcements tell of all; but for some that
        are being moved just then."""
        moved = agents // 100 if len(self.programs.relays) > 1 else 0

        def look():
            told = self.programs.redis.relays(self.programs.relays)
            return None not in told and abs(sum(told) - agents) <= moved and told
        return wait_until("the relays' announcements of all agents", look, 60)


def grow(bench, steps):
    base, before, first = bench.programs.relay_bytes(), 0, None
    say(f"relays without agents: {spread(base)} bytes of private memory")
    for agents in steps:
        redirects = bench.fleet.counts()["redirects"]
        cost = Cost(bench.programs)
        bench.fleet.grow(agents)
        seconds = bench.fleet.wait(SECONDS).at - cost.begun
        cost.end()
        maps, placed = bench.sampler.take(), bench.placed(agents)
        redirects = bench.fleet.counts()["redirects"] - redirects
        grown = [now - then for now, then in zip(bench.programs.relay_bytes(), base)]
        new = agents - before
        each = [] if first is None else [(sum(grown) - first[1]) / (agents - first[0])]
        first = first or (agents, sum(grown))  # the first step leaves the room of a storm behind
        told = {
            "idle_bytes_per_agent": each, "relay_bytes": sum(grown),
            "relay_bytes_per_agent": [size / n for size, n in zip(grown, placed) if n],
            "agents_per_relay": placed, "redirects_per_connect": redirects / new,
            "connect_per_s": new / seconds, "redis_per_connect": cost.commands / new,
            "map_ms": maps, **cost.cpu_metrics(new, "connect_cpu_us")}
        bench.rows.add(cost, told, agents, bench.suffix)
        say(f"{agents:7} agents: {new / seconds:6.0f} connect/s, "
            f"{sum(grown) / agents:5.0f} bytes/agent (relays "
            f"{spread(told['relay_bytes_per_agent'])}, {spread(each)} each), "
            f"{cost.commands / new:5.1f} redis/agent, "
            f"{redirects / new:.2f} redirects/agent, map ms {spread(maps)}, {cost.in_short(new)}")
        say(f"                agents per relay {spread(placed)}; redis/agent: "
            f"{named({name: n / new for name, n in cost.by_command.items()}, 2)}")
        before = agents


def weigh(bench):
    """The memory of what the relays share, with all agents there."""
    sizes = {f"{name}_bytes": bench.programs.private_bytes(name)
             for name in ("redis", "router", "haproxy")}
    bench.rows.add(Cost(bench.programs).end(), sizes)
    say(f"private bytes: {named(sizes)}")


def rest(bench):
    time.sleep(min(3, bench.args.rest))
    cost = Cost(bench.programs)
    time.sleep(bench.args.rest)
    cost.end()
    share = {name: seconds / cost.took * 100 for name, seconds in cost.cpu_s.items()}
    bench.rows.add(cost, {"rest_cpu_pct": share["relay"],
                          "rest_redis_ops_s": cost.commands / cost.took})
    say(f"at rest for {cost.took:.0f} s: {cost.commands / cost.took:.0f} redis commands/s, "
        f"% of a core: {named(share, 2)}")


def recover(bench, relays, metric):
    """These relays are killed, and started again at once. metric: how its rows begin."""
    whole, fleet = bench.rows.agents, bench.fleet
    at = dict(zip(bench.programs.relays, bench.placed(whole)))
    agents, before = sum(at[name] for name in relays), fleet.counts()
    fleet.begin()
    cost = Cost(bench.programs)
    bench.programs.kill_relays(relays)
    bench.programs.start_relays(relays)
    came = fleet.wait(SECONDS, before["lost"] + agents)
    seconds = came.at - cost.begun
    cost.end()
    tries = {key: n - before[key] for key, n in fleet.counts().items()}
    maps, placed = bench.sampler.take(), bench.placed(whole)
    bench.rows.add(cost, {
        f"{metric}_s": seconds, f"{metric}_p50_s": came.way_s(0.5),
        f"{metric}_p99_s": came.way_s(0.99), f"{metric}_redis_ops_s": cost.commands / seconds,
        f"{metric}_map_ms": maps, f"{metric}_agents_per_relay": placed,
        **cost.cpu_metrics(agents, f"{metric}_cpu_us")})
    say(f"{' '.join(relays)} with {agents} agents killed and back: all in {seconds:.1f} s (half "
        f"{came.way_s(0.5):.1f} s, 99 % {came.way_s(0.99):.1f} s), "
        f"{cost.commands / seconds:.0f} redis commands/s, {tries}, map ms {spread(maps)}, "
        f"{cost.in_short(agents)}; agents per relay {spread(placed)}")


def recover_all(bench):
    """All relays at once, and where there are several, one after that."""
    names = list(bench.programs.relays)
    kills = [(names, "recover")] * bench.args.runs
    if len(names) > 1:
        kills += [([names[number % len(names)]], "recover_one")
                  for number in range(bench.args.runs)]
    for number, (relays, metric) in enumerate(kills):
        if number > 0 and not bench.args.quick:
            time.sleep(GOOD_S)
        recover(bench, relays, metric)
