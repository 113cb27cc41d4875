# SPDX-License-Identifier: MIT
"""Port numbers for programs that must be told one. Whole blocks below the system's ephemeral
range are locked by file, so that test runs side by side never share one."""
import fcntl
import os
import pathlib
import random
import socket
import tempfile

BLOCK = 64
FIRST, LAST = 10240, 32704

_held = {}  # block's first port -> open lock file
_free = []


def _bindable(port):
    """At no address of this machine does anybody listen."""
    for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::1")):
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind((host, port))
            except OSError:
                return False
    return True


def _give_back(start):
    os.close(_held.pop(start))


def take_block(exits=None):
    """The first of BLOCK consecutive ports that are nobody else's while this process lives, or
    until the exit stack ends: there are not blocks enough for each test to keep its own."""
    folder = pathlib.Path(tempfile.gettempdir()) / "taupe-e2e-ports"
    folder.mkdir(mode=0o777, exist_ok=True)
    starts = list(range(FIRST, LAST, BLOCK))
    random.shuffle(starts)
    for start in starts:
        if start in _held:
            continue
        lock = os.open(folder / str(start), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            continue
        if all(_bindable(port) for port in range(start, start + BLOCK)):
            _held[start] = lock
            if exits is not None:
                exits.callback(_give_back, start)
            return start
        os.close(lock)
    raise RuntimeError("no free block of ports")


def take():
    """One port."""
    if not _free:
        start = take_block()
        _free.extend(range(start, start + BLOCK))
    return _free.pop()
