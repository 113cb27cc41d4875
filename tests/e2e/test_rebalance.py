# SPDX-License-Identifier: MIT
"""A relay that joins is filled by the others, and no visitor notices."""
import time

from harness.wait import stays, until
from test_drain import Scene

AGENTS = 56
REAL = 4


def count_moved(scene):
    return [relay.metrics()["taupe_relay_agents_moved_total"] for relay in scene.cluster.relays]


def settled(scene):
    """The counts, once they stay the same: it goes on to the very share."""
    before = count_moved(scene)
    stays("nobody is moved", lambda: count_moved(scene) == before, 3)
    return before


def test_third_relay_is_filled_under_load_without_a_failed_request(group):
    scene = Scene(group, 2, agents=AGENTS, real=REAL, rebalance_rate=10)
    load = scene.load()
    third = scene.cluster.add_relay("r3", log_level="info")
    joined = time.monotonic()
    scene.cluster.relays.append(third)
    mean = scene.total() / 3
    until("all have their share", lambda: sum(scene.spread()) == scene.total() and all(
        abs(count - mean) <= 0.1 * mean for count in scene.spread()), 60)
    took = time.monotonic() - joined
    moved = until("the relays have ended it", lambda: settled(scene), 60)
    stays("it is left at that", lambda: count_moved(scene) == moved, 4)
    spread = scene.spread()
    load.stop()
    print(f"rebalance: {scene.total()} agents {spread} after {took:.1f} s, {sum(moved):.0f} moved, "
          f"{len(load.asked)} requests, {len(load.failed)} failed")
    assert all(abs(count - mean) <= 0.1 * mean for count in spread)
    assert not load.failed, "\n".join(map(str, load.failed[:20]))
    assert sum(moved) <= mean * 1.2, "each needs to move once"
    assert moved[2] == 0
