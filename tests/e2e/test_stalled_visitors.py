# SPDX-License-Identifier: MIT
"""500 visitors that never read, all at one device: nobody else notices. What they cost in memory is
in test_cost_stalled.py."""
import time

import pytest

from harness.counting import cpu_ticks, wake_ups
from harness.stalled import FEW_WAKE_UPS, VISITORS, StalledScene
from harness.visitors import pattern_sha256

pytestmark = pytest.mark.alone

MB = 1_000_000
WATCHED_S = 2
OWN_TICKS = 3 * WATCHED_S  # of 10 ms: a sanitizer slows down what a program does for itself


@pytest.fixture(scope="module")
def scene(module_group):
    scene = StalledScene(module_group)
    scene.stall()
    return scene


def test_stalled_visitors_take_no_processor_time(scene):
    before = {name: (wake_ups(p), cpu_ticks(p)) for name, p in scene.programs.items()}
    time.sleep(WATCHED_S)
    for name, program in scene.programs.items():
        woken, ticks = before[name]
        assert wake_ups(program) - woken <= FEW_WAKE_UPS * WATCHED_S, name
        assert cpu_ticks(program) - ticks <= OWN_TICKS, name


def test_other_visits_are_answered_beside_stalled_ones(scene):
    whole = pattern_sha256(MB)
    for agent in (scene.other, scene.agent):
        for _ in range(10):
            assert scene.alone.get(agent.host(), f"/bytes/{MB}").sha256 == whole
    assert scene.visitors() >= VISITORS, "none of them has ended meanwhile"


def test_stalled_visits_end_everywhere_when_their_visitors_go(scene):
    assert scene.service_descriptors() >= VISITORS
    scene.leave()
    for agent in (scene.agent, scene.other):
        assert scene.alone.get(agent.host()).status == 200
