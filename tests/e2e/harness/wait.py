# SPDX-License-Identifier: MIT
"""Waiting for something to become true: always by asking, never by sleeping and hoping."""
import time


def until(what, condition, timeout=10.0, interval=0.01):
    """Call condition() until it gives something true, and return that; an exception of a kind that
    means "not yet" (no connection, no file) counts as false."""
    deadline = time.monotonic() + timeout
    last = None
    while True:
        try:
            value = condition()
            if value:
                return value
            last = value
        except (OSError, ValueError, KeyError, AssertionError, EOFError) as error:
            last = error
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout} s: {what} (last: {last!r})")
        time.sleep(interval)


def stays(what, condition, seconds, interval=0.05):
    """Is condition() true all that time?"""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), f"not for {seconds} s: {what}"
        time.sleep(interval)
