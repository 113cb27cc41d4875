# SPDX-License-Identifier: MIT
"""A transfer much larger than any memory of relay or agent, each way: the bytes arrive identical and
the memory stays as it is. TAUPE_TRANSFER_BYTES says how large; scripts/test --all takes 10 GB."""
import hashlib
import os
import socket
import threading
import time

import pytest

from harness.programs import SampleServices
from harness.scenes import Standalone
from harness.visitors import READ, pattern, pattern_sha256

SIZE = int(os.environ.get("TAUPE_TRANSFER_BYTES", 1_000_000_000))
WARM_UP = 64_000_000
GROWTH_KIB = 2048
INTERVAL_S = 0.02
TIMEOUT_S = 60


class Scene:
    def __init__(self, group):
        services = SampleServices(group, "raw")
        self.alone = Standalone(group, log_level="info")
        self.agent = self.alone.agent("alice", [f"raw:tcp:{services.target('raw', 'tcp')}"],
                                      log_level="info")
        self.programs = [self.alone.relay.process, self.agent.process]
        self.sha256 = pattern_sha256(SIZE)
        self.download(WARM_UP)
        self.upload(WARM_UP)

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.agent.port("raw")), TIMEOUT_S)

    def download(self, size):
        """Length and hash of what the service sends."""
        digest, length, space = hashlib.sha256(), 0, memoryview(bytearray(READ))
        with self.connect() as sock:
            sock.sendall(f"SOURCE {size}\n".encode())
            while got := sock.recv_into(space):
                digest.update(space[:got])
                length += got
        return length, digest.hexdigest()

    def upload(self, size):
        """Length and hash of what the service got."""
        with self.connect() as sock:
            sock.sendall(b"SINK\n")
            for piece in pattern(size):
                sock.sendall(piece)
            sock.shutdown(socket.SHUT_WR)
            length, digest = sock.makefile().read().split()
        return int(length), digest


class MemoryWatch(threading.Thread):
    """While the block runs, looks at the programs' resident memory; then grown_kib tells by how much
    each was above its beginning at most."""

    def __init__(self, programs):
        super().__init__(daemon=True)
        self.programs = programs
        self.before = [program.rss_kib() for program in programs]
        self.grown_kib = [0] * len(programs)
        self.samples = 0
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(INTERVAL_S):
            self.grown_kib = [max(most, program.rss_kib() - before) for program, most, before
                              in zip(self.programs, self.grown_kib, self.before)]
            self.samples += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


@pytest.fixture(scope="module")
def scene(module_group):
    return Scene(module_group)


@pytest.mark.parametrize("direction", ["download", "upload"])
def test_big_transfer_arrives_identical_in_flat_memory(scene, direction):
    start = time.monotonic()
    with MemoryWatch(scene.programs) as watch:
        arrived = getattr(scene, direction)(SIZE)
    took = time.monotonic() - start
    print(f"{direction} of {SIZE} bytes in {took:.1f} s, {SIZE / took / 1e6:.0f} MB/s; memory of "
          f"{watch.before} KiB grew by {watch.grown_kib} KiB at most, in {watch.samples} samples")
    assert arrived == (SIZE, scene.sha256)
    assert watch.samples > 10
    assert max(watch.grown_kib) <= GROWTH_KIB
