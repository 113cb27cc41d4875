# SPDX-License-Identifier: MIT
"""Broken input made of good input: recorded conversations, of which one thing or a few are changed.
What a seed gives is always the same."""
import random

from .fakes import frame

LONGEST_RUN = 70_000  # bytes: more than any bound of ours
NUMBERS = [b"0", b"-1", b"1", b"65535", b"65536", b"4294967296", b"18446744073709551615",
           b"18446744073709551616", b"9" * 40, b"0x10", b"1e9", b" 1"]
BYTES = b"\0\r\n\t \x7f\x80\xff%&=+:/.-@[]{}\"'\\,;?#"


class Frame:
    """One WebSocket frame of a conversation: its payload may be changed as well as its bytes."""

    def __init__(self, opcode, payload=b"", mask=b"\x01\x02\x03\x04"):
        self.opcode, self.mask = opcode, mask
        self.payload = payload.encode() if isinstance(payload, str) else payload

    def encode(self, **kwargs):
        return frame(self.opcode, self.payload, **{"mask": self.mask, **kwargs})


def flip_bits(rng, data, _others):
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        at = rng.randrange(len(out))
        out[at] ^= 1 << rng.randrange(8)
    return bytes(out)


def strange_byte(rng, data, _others):
    at = rng.randrange(len(data))
    return data[:at] + bytes([rng.choice(BYTES)]) + data[at + rng.randrange(2):]


def cut_off(rng, data, _others):
    return data[:rng.randrange(len(data))]


def leave_out(rng, data, _others):
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.randrange(1, 20):]


def repeat(rng, data, _others):
    at = rng.randrange(len(data))
    end = at + rng.randrange(1, 1 + min(200, len(data) - at))
    return data[:end] + data[at:end] * rng.choice((1, 2, 50)) + data[end:]


def splice(rng, data, others):
    other = rng.choice(others)
    return data[:rng.randrange(len(data))] + other[rng.randrange(len(other) + 1):]


def long_run(rng, data, _others):
    at = rng.randrange(len(data) + 1)
    size = int(LONGEST_RUN ** rng.random())
    return data[:at] + bytes([rng.randrange(256)]) * size + data[at:]


def other_number(rng, data, _others):
    digits = [i for i, byte in enumerate(data) if 48 <= byte < 58]
    if not digits:
        return flip_bits(rng, data, _others)
    start = end = rng.choice(digits)
    while start > 0 and 48 <= data[start - 1] < 58:
        start -= 1
    while end < len(data) and 48 <= data[end] < 58:
        end += 1
    return data[:start] + rng.choice(NUMBERS) + data[end:]


def noise(rng, data, _others):
    return rng.randbytes(rng.randrange(1, 2 * len(data) + 2))


KINDS = (flip_bits, flip_bits, strange_byte, strange_byte, cut_off, leave_out, repeat, splice,
         long_run, other_number, other_number, noise)


class Mutator:
    """Conversations are lists of steps, each bytes or a Frame."""

    def __init__(self, seed, conversations):
        self.random = random.Random(seed)
        self.conversations = conversations
        self.others = [step if isinstance(step, bytes) else step.encode()
                       for steps in conversations for step in steps]

    def change(self, data):
        for _ in range(self.random.choice((1, 1, 1, 2, 4))):
            if data:
                data = self.random.choice(KINDS)(self.random, data, self.others)
        return data

    def change_frame(self, step):
        rng = self.random
        what = rng.randrange(4)
        if what == 0:  # the frame is right, what it carries is not
            return Frame(step.opcode, self.change(step.payload), step.mask).encode()
        if what == 1:  # the other way round
            return step.encode(**rng.choice(({"fin": False}, {"rsv": rng.randrange(1, 8)},
                                             {"mask": None if step.mask else b"abcd"},
                                             {"length": rng.randrange(1 << rng.randrange(63))})))
        if what == 2:
            return Frame(rng.randrange(16), step.payload, step.mask).encode()
        return self.change(step.encode())

    def next(self, intact=0):
        """The steps of one conversation, as bytes, of which the first ones are left as they are."""
        rng = self.random
        steps = list(rng.choice(self.conversations))
        if rng.random() < 0.2:  # out of order, or something twice
            at = rng.randrange(min(intact, len(steps)), len(steps) + 1)
            steps[at:at] = [rng.choice(steps[intact:] or steps)]
        out = [step if isinstance(step, bytes) else step.encode() for step in steps]
        for at in rng.sample(range(len(steps)), k=min(len(steps), rng.choice((1, 1, 2)))):
            if at >= intact:
                out[at] = (self.change(steps[at]) if isinstance(steps[at], bytes)
                           else self.change_frame(steps[at]))
        return out
