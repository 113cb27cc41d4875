# SPDX-License-Identifier: MIT
"""How long after a device has its welcome a visitor reaches it through HAProxy by name."""
import asyncio
import contextlib
import statistics
import time

import pytest

from harness.programs import Device, SampleServices
from harness.scenes import Cluster
from harness.visitors import Connection
from third_party_agent import Agent as ForeignAgent

pytestmark = pytest.mark.alone

DEVICES = 31


class TimedAgent(ForeignAgent):
    """Takes the time when the welcome is there; heartbeat() starts right behind it."""
    welcomed = None

    async def heartbeat(self, ws, interval_ms):
        if self.welcomed is None:
            self.welcomed = time.monotonic()
        await super().heartbeat(ws, interval_ms)


def reach(address, host):
    """Ask again and again over one connection until the device answers; when that was."""
    with Connection(address, host) as visit:
        while True:
            answer = visit.get("/name")
            if answer.status == 200:
                return time.monotonic()
            if answer.header("connection") == "close":
                return None


def test_median_device_connected_to_reachable_through_haproxy_is_under_20_ms(group):
    services = SampleServices(group, "web")
    cluster = Cluster(group, log_level="info")
    target = services.address("web", "http")

    async def one(number):
        device = cluster.redis.add(Device(f"d{number}", label=f"device-{number}"))
        agent = TimedAgent([cluster.relay.url], device.name, device.secret,
                           {"web": ("http", *target)})
        task = asyncio.create_task(agent.run())
        while agent.welcomed is None:
            await asyncio.sleep(0)
        reached = None
        while reached is None:
            reached = await asyncio.to_thread(reach, cluster.haproxy.http,
                                              f"device-{number}.example.test")
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return (reached - agent.welcomed) * 1000

    async def all_of_them():
        return [await one(number) for number in range(DEVICES)]

    took = asyncio.run(all_of_them())
    median = statistics.median(took)
    print(f"device connected -> reachable through HAProxy: median {median:.1f} ms, "
          f"slowest {max(took):.1f} ms of {DEVICES}")
    assert median < 20
