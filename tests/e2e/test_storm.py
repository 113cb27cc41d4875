# SPDX-License-Identifier: MIT
"""Relays die, one or all, and their agents come back: when is each device reached again? Visitors
ask through HAProxy; what a relay says of itself does not count. Each test prints its figures:

    TAUPE_BUILD=build-bench python3 -m pytest -q -s --long tests/e2e/test_storm.py
"""
import time

import pytest

from harness.storm import Storm

pytestmark = pytest.mark.alone

SAMPLE = 150  # more visitors would take the processors from those who come back


def percentile(times, share, of):
    """When that share of them was reached; None: it never was."""
    index = max(0, -(-of * share // 100) - 1)
    return times[index] if index < len(times) else None


def text_s(seconds):
    return "never" if seconds is None else f"{seconds:.1f} s"


class Outcome:
    def __init__(self, storm, what, sampler, cost, timeout):
        of = len(sampler.devices)
        times = sampler.wait(timeout)
        self.half, self.most, self.all = (
            percentile(times, share, of) for share in (50, 99, 100))
        self.misled = sampler.misled
        self.full, self.resumed = cost.handshakes()
        programs = cost.by_program()
        relays = sum(programs[relay.name][0] for relay in storm.relays if relay.name in programs)
        print(f"\n{what}: 99 % after {text_s(self.most)}, all after {text_s(self.all)}, "
              f"{self.full} full and {self.resumed} resumed handshakes, CPU s {relays:.1f}")
        print(f"  half after {text_s(self.half)}; {of} devices asked, {sampler.failed} visits "
              f"failed before, {len(self.misled)} led to another device; agents: {cost.agents()}")
        for name, (cpu, waited, megabytes) in programs.items():
            print(f"  {name}: CPU s {cpu:.1f}, {waited:.1f} s ready without a processor, "
                  f"{megabytes:.0f} MB")


def kill_one(storm, what, timeout=60):
    """The figures of those that were at the relay."""
    victim = storm.relays[0]
    names = [name for name, relay in storm.sessions().items() if relay == victim.name]
    assert len(names) >= storm.agents / len(storm.relays) / 2, "it has its share"
    devices = storm.sample(names, SAMPLE)
    cost = storm.cost()
    victim.process.kill()
    outcome = Outcome(storm, what, storm.visit(devices), cost, timeout)
    assert not outcome.misled, outcome.misled[:10]
    return outcome


def kill_all(storm, what, timeout=120):
    devices = storm.sample(storm.names, SAMPLE)
    cost = storm.cost()
    for relay in storm.relays:
        relay.process.kill()
    sampler = storm.visit(devices)
    for relay in storm.relays:
        relay.start(wait=False)
    outcome = Outcome(storm, what, sampler, cost, timeout)
    assert not outcome.misled, outcome.misled[:10]
    return outcome


def test_nobody_is_led_to_another_device_while_all_come_back(group):
    """Routes of a relay that was killed stay in the maps, its ports are free: the new one must not
    give them to others."""
    storm = Storm(group, 2, 500)
    storm.wait_up()
    outcome = kill_all(storm, "all relays killed, 500 agents", 60)
    assert outcome.all < 10


def rest(storm):
    """A link that stood for so long is good: its loss is the first failure."""
    storm.wait_up()
    time.sleep(31)


@pytest.mark.long
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_2000_agents_of_a_cluster_are_reached_again_when_a_relay_is_killed(group, tls):
    storm = Storm(group, 3, 2000, fleets=2, tls=tls)
    rest(storm)
    outcome = kill_one(storm, f"relay killed, 2000 {'TLS ' if tls else ''}agents")
    assert outcome.most < 3 and outcome.all < 10


@pytest.mark.long
def test_20000_agents_with_tls_are_reached_again_when_a_relay_is_killed(group):
    storm = Storm(group, 4, 20000, fleets=4, tls=True)
    rest(storm)
    outcome = kill_one(storm, "relay killed, 20000 TLS agents")
    assert outcome.most < 3 and outcome.all < 10


@pytest.mark.long
@pytest.mark.parametrize("agents", [4000, 20000])
def test_agents_with_tls_come_back_when_all_relays_were_killed(group, agents):
    storm = Storm(group, 4, agents, fleets=4, tls=True)
    rest(storm)
    outcome = kill_all(storm, f"all relays killed, {agents} TLS agents")
    assert outcome.all is not None
    # each has a session of its own that was there before
    assert outcome.full <= agents / 100
