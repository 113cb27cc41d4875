#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A link with delay: two taps, in two network namespaces, and every frame of one comes out of the
other so many milliseconds later. Says "ready" when the taps are there.

slow_wire.py DELAY_MS SPACE TAP SPACE TAP"""
import collections
import fcntl
import os
import pathlib
import select
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from harness.network import inside  # noqa: E402

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
FRAME = 2048
QUEUE = 100_000  # frames on their way in one direction; more are lost


def open_tap(space, name):
    with inside(space):
        tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return tap


def take(tap, queue, delay):
    """What there is now."""
    try:
        while True:
            frame = os.read(tap, FRAME)
            if len(queue) < QUEUE:
                queue.append((time.monotonic() + delay, frame))
    except BlockingIOError:
        pass


def give(tap, queue):
    """What has been on its way for long enough."""
    while queue and queue[0][0] <= time.monotonic():
        try:
            os.write(tap, queue.popleft()[1])
        except (BlockingIOError, OSError):
            pass  # as a wire whose other end is down: the frame is lost


def carry(delay, taps):
    queues = {tap: collections.deque() for tap in taps}  # frames that came from it
    other = dict(zip(taps, reversed(taps)))
    poll = select.poll()
    for tap in taps:
        poll.register(tap, select.POLLIN)
    while True:
        due = [queue[0][0] for queue in queues.values() if queue]
        wait = max(0, min(due) - time.monotonic()) * 1000 if due else None
        for tap, _ in poll.poll(wait):
            take(tap, queues[tap], delay)
        for tap, queue in queues.items():
            give(other[tap], queue)


def main(delay_ms, *ends):
    taps = [open_tap(space, name) for space, name in zip(ends[::2], ends[1::2])]
    print("ready", flush=True)
    carry(float(delay_ms) / 1000, taps)


if __name__ == "__main__":
    main(*sys.argv[1:])
