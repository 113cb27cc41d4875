# SPDX-License-Identifier: MIT
"""Many connections at once that send what a Mutator makes; and what a program that bears it must
show: a visitor beside them is served all the while, and what they took is given back."""
import asyncio
import contextlib
import os
import pathlib
import socket
import struct
import subprocess
import threading
import time

from .counting import sanitizer_build
from .visitors import Connection
from .wait import until

AT_ONCE = 64
PATIENCE_S = 3.0  # with one connection; nearly all end long before
# What a program's memory may have grown by after it all. A sanitizer keeps what was freed for a
# while, and the harness bounds that (QUARANTINE).
GROWTH_KIB = 40_000 if sanitizer_build() else 6_000
QUARANTINE = {"ASAN_OPTIONS": "quarantine_size_mb=8:thread_local_quarantine_size_kb=64"}
ENDED = (OSError, EOFError, asyncio.IncompleteReadError, asyncio.TimeoutError, ValueError)


def reset(writer):
    sock = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def write_cut(rng, writer, data):
    """In one piece, or in several."""
    for _ in range(rng.choice((0, 0, 0, 1, 3))):
        at = rng.randrange(len(data) + 1)
        writer.write(data[:at])
        await writer.drain()
        data = data[at:]
    writer.write(data)
    await writer.drain()


async def read_to_end(reader, most=1 << 20):
    """Or as much as is enough: a service may have been asked for any number of bytes."""
    while most > 0 and (data := await reader.read(65536)):
        most -= len(data)


async def finish(rng, reader, writer):
    """Leave, in one of the ways in which peers leave."""
    how = rng.randrange(4)
    if how < 2:
        with contextlib.suppress(*ENDED):
            writer.write_eof()
            await read_to_end(reader)
    elif how == 2:
        reset(writer)
    writer.transport.abort()


async def converse(rng, reader, writer, steps, wait_after=None):
    """Say it all, step by step; after the first, wait_after(reader) waits for the answer."""
    try:
        for number, step in enumerate(steps):
            await write_cut(rng, writer, step)
            if number == 0 and wait_after is not None:
                await wait_after(reader)
        await finish(rng, reader, writer)
    finally:
        writer.transport.abort()


async def throw(rng, address, steps, wait_after=None):
    """One connection from beginning to end, whatever becomes of it."""
    with contextlib.suppress(*ENDED):
        reader, writer = await asyncio.open_connection(*address)
        await asyncio.wait_for(converse(rng, reader, writer, steps, wait_after), PATIENCE_S)


async def read_answer_head(reader):
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 0.5)


async def all_at_once(count, one, at_once=AT_ONCE):
    """Call one(number) for each of count inputs, so many at a time."""
    numbers = iter(range(count))

    async def worker():
        for number in numbers:
            await one(number)
    await asyncio.gather(*(worker() for _ in range(min(at_once, count))))


class Bystander(threading.Thread):
    """A visitor that behaves: its requests go on through it all, on a connection that it keeps and
    on new ones, and each must be answered with this first line."""

    def __init__(self, address, host, line):
        super().__init__(daemon=True)
        self.address, self.host, self.line = address, host, line
        self.times, self.faults = [], []
        self.done = threading.Event()
        self.start()

    def run(self):
        kept = Connection(self.address, self.host)
        number = 0
        while not self.done.is_set():
            number += 1
            begin = time.monotonic()
            try:
                if number % 3:
                    answer = kept.get("/name")
                else:
                    with Connection(self.address, self.host) as visit:
                        answer = visit.get("/name")
                if (answer.status, answer.text.split("\n")[0]) != (200, self.line):
                    self.faults.append(repr(answer))
            except (OSError, EOFError, ValueError, IndexError) as error:
                self.faults.append(repr(error))
                kept = Connection(self.address, self.host)
            self.times.append(time.monotonic() - begin)
            self.done.wait(0.005)
        kept.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            until("it was asked often enough", lambda: len(self.times) > 3, 60)
        finally:
            self.done.set()
            self.join(60)
        assert not self.faults, (len(self.faults), self.faults[:3])


class Footprint:
    """What a program has: descriptors and memory."""

    def __init__(self, process):
        self.process = process
        self.descriptors, self.memory = self.count(), process.rss_kib()

    def count(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def list(self):
        """What they are, connections with their ends."""
        folder = pathlib.Path(f"/proc/{self.process.pid}/fd")
        for entry in sorted(folder.iterdir(), key=lambda path: int(path.name)):
            yield f"{entry.name} {os.readlink(entry)}"
        done = subprocess.run(["ss", "-tunap"], capture_output=True, text=True, check=False)
        yield from (line for line in done.stdout.splitlines() if f"pid={self.process.pid}," in line)

    def check(self, what, kept=0):
        """All of it was given back, but for so many descriptors that may be kept."""
        try:
            until("the descriptors are closed",
                  lambda: self.count() <= self.descriptors + kept, 20)
        except TimeoutError:
            raise AssertionError(f"{self.process.name} had {self.descriptors} descriptors and has\n"
                                 + "\n".join(self.list())) from None
        grown = self.process.rss_kib() - self.memory
        print(f"{what}: {self.process.name} has {self.count()} descriptors (before: "
              f"{self.descriptors}), {grown:+} KiB of memory")
        assert grown < GROWTH_KIB, f"{self.process.name} has grown by {grown} KiB"


def seed_of(test, default):
    """TAUPE_SEED repeats another run; what is used is printed, and shown when the test fails."""
    seed = int(os.environ.get("TAUPE_SEED", default))
    print(f"{test}: TAUPE_SEED={seed}")
    return seed
