# SPDX-License-Identifier: MIT
"""How many instructions relay and agent spend on a request, their libraries included and the kernel
left out: figures that hardly depend on how busy the machine is. What is left of chance only adds:
of several attempts the best one counts."""
import pytest

from harness.cost_scene import FEWEST_WAITS, CostScene
from harness.counting import Instructions, expect_at_most, need_plain_build

# Instructions of one request or visit, seen on a build with -O2; TOLERANCE above that fails.
# All but kept_at_front are those of test_cost_system_calls.py, which bounds the waits above the
# fewest: here they are taken off, with what they cost.
SEEN = {
    "kept": {"relay": 3_460, "agent": 3_750},
    "new": {"relay": 12_500, "agent": 12_500},
    "new_at_front": {"relay": 24_200, "agent": 12_950},
    "kept_at_front": {"relay": 8_100, "agent": 4_000},
}
TOLERANCE = 1.10
PER_WAIT = 650

WARM_UP = 20
FEW, MANY = 100, 300  # their difference counts: what happens once drops out

PROGRAMS = ("relay", "agent")


@pytest.fixture(scope="module")
def scene(module_group):
    need_plain_build()
    wrappers = {name: Instructions.wrapper(module_group.folder, file)
                for name, file in (("relay", "r1"), ("agent", "agent-alice"))}
    return CostScene(module_group, wrappers, heartbeat="1s")


@pytest.fixture(scope="module")
def counters(scene):
    return {name: Instructions(scene.programs[name]) for name in PROGRAMS}


@pytest.mark.parametrize("kind", SEEN)
def test_requests_take_no_more_instructions_than_they_did(scene, counters, kind):
    request = getattr(scene, kind)()

    def cost(counter, fewest_waits):
        taken = counter.taken()
        return taken - PER_WAIT * max(counter.calls("epoll_wait") - fewest_waits, 0)

    def spend(count):
        for _ in range(count):
            request()
        return {name: cost(counters[name], count * FEWEST_WAITS[kind][name]) for name in PROGRAMS}

    def attempt():
        few, many = spend(FEW), spend(MANY)
        each = {name: (many[name] - few[name]) / (MANY - FEW) for name in PROGRAMS}
        print(f"{kind}: {each['relay']:.0f} in the relay, {each['agent']:.0f} in the agent")
        return max(each[name] / SEEN[kind][name] for name in PROGRAMS)

    spend(WARM_UP)
    expect_at_most(TOLERANCE, attempt)
