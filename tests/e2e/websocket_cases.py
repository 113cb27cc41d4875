# SPDX-License-Identifier: MIT
"""The cases of the Autobahn test suite for WebSockets, by its numbers, as far as they mean
something for channels that carry control messages (text) and visits (binary). Autobahn's servers
echo; ours do not, so "echoed" becomes "understood": a text message of an op that nobody knows is
ignored and the channel lives, and a binary one arrives at the other end of the visit.

A case is (number, channels, build, outcome): build(link) gives what is sent, as pieces that are
written one by one; outcome is what must come of it, for some by side and channel."""
import itertools
import struct

from harness.fakes import BINARY, CLOSE, PING, PONG, TEXT

CONTROL, TRANSFER, SHARED = "control", "transfer", "shared"
ALL = (CONTROL, TRANSFER, SHARED)
VISITS = (TRANSFER, SHARED)
KIB, MIB = 1 << 10, 1 << 20


class Lives:
    """The channel is open; exactly these pings were answered, and this has arrived."""

    def __init__(self, *pongs, arrives=b"", ends=False):
        self.pongs, self.arrives, self.ends = list(pongs), arrives, ends


class Closes:
    """It is closed with this code, after these pings were answered."""

    def __init__(self, code, *pongs):
        self.code, self.pongs = code, list(pongs)


BROKEN = Closes(1002)


def octets(*frames):
    return [bytes([byte]) for byte in b"".join(frames)]


def chops(data, size):
    return [data[at:at + size] for at in range(0, len(data), size)]


def text(size):
    return b"op=x&y=".ljust(size, b"z")


def fragments(link, opcode, parts, between=()):
    """A message of these parts, with frames in between."""
    out = []
    for number, part in enumerate(parts):
        out.append(link.frame(opcode if number == 0 else 0, part, fin=number == len(parts) - 1))
        if number < len(parts) - 1:
            out += between
    return out


def pattern(size):
    return bytes(itertools.islice(itertools.cycle(range(251)), size))


# ---- 1 framing ----

def framing():
    yield "1.1.1", ALL, lambda l: [l.frame(TEXT)], BROKEN  # a control message has an op
    for number, size in enumerate((125, 126, 127, 128), 2):
        yield f"1.1.{number}", ALL, lambda l, n=size: [l.frame(TEXT, text(n))], Lives()
    for number, size in ((6, 65535), (7, 65536)):  # more than 4,096 bytes is too big for us
        yield f"1.1.{number}", ALL, lambda l, n=size: [l.frame(TEXT, text(n))], Closes(1009)
    yield "1.1.8", ALL, lambda l: chops(l.frame(TEXT, text(65536)), 997), Closes(1009)

    yield "1.2.1", VISITS, lambda l: [l.binary(b"")], Lives(ends=True)  # the end of a direction
    for number, size in enumerate((125, 126, 127, 128, 65535, 65536), 2):
        yield (f"1.2.{number}", (TRANSFER,), lambda l, n=size: [l.frame(BINARY, pattern(n))],
               Lives(arrives=pattern(size)))
        # the visit's number is part of the payload
        yield (f"1.2.{number}", (SHARED,), lambda l, n=size: [l.binary(pattern(n - 4))],
               Lives(arrives=pattern(size - 4)))
    yield ("1.2.8", (TRANSFER,), lambda l: chops(l.frame(BINARY, pattern(65536)), 997),
           Lives(arrives=pattern(65536)))
    yield ("1.2.8", (SHARED,), lambda l: chops(l.binary(pattern(65532)), 997),
           Lives(arrives=pattern(65532)))
    for number, size in enumerate((0, 125, 126, 127, 128, 65535, 65536), 1):
        yield f"1.2.{number}", (CONTROL,), lambda l, n=size: [l.frame(BINARY, pattern(n))], BROKEN
    yield "1.2.8", (CONTROL,), lambda l: chops(l.frame(BINARY, pattern(65536)), 997), BROKEN


# ---- 2 pings and pongs ----

def pings():
    long = b"\xfe" * 125
    ten = [b"payload-%d" % n for n in range(10)]
    yield "2.1", ALL, lambda l: [l.frame(PING)], Lives(b"")
    yield "2.2", ALL, lambda l: [l.frame(PING, b"Hello, world!")], Lives(b"Hello, world!")
    strange = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"
    yield "2.3", ALL, lambda l: [l.frame(PING, strange)], Lives(strange)
    yield "2.4", ALL, lambda l: [l.frame(PING, long)], Lives(long)
    yield "2.5", ALL, lambda l: [l.frame(PING, long + b"x")], BROKEN
    yield "2.6", ALL, lambda l: octets(l.frame(PING, long)), Lives(long)
    yield "2.7", ALL, lambda l: [l.frame(PONG)], Lives()
    yield "2.8", ALL, lambda l: [l.frame(PONG, b"unsolicited pong payload")], Lives()
    yield ("2.9", ALL, lambda l: [l.frame(PONG, b"unsolicited"), l.frame(PING, b"ping")],
           Lives(b"ping"))
    yield "2.10", ALL, lambda l: [l.frame(PING, p) for p in ten], Lives(*ten)
    yield "2.11", ALL, lambda l: octets(*(l.frame(PING, p) for p in ten)), Lives(*ten)


# ---- 3 reserved bits, 4 reserved opcodes ----

def reserved():
    def after_text(l, wrong):
        return [l.frame(TEXT, text(20)), wrong, l.frame(PING)]

    yield "3.1", ALL, lambda l: [l.frame(TEXT, text(20), rsv=1)], BROKEN
    yield "3.2", ALL, lambda l: [b"".join(after_text(l, l.frame(TEXT, text(20), rsv=2)))], BROKEN
    yield "3.3", ALL, lambda l: after_text(l, l.frame(TEXT, text(20), rsv=3)), BROKEN
    yield "3.4", ALL, lambda l: octets(*after_text(l, l.frame(TEXT, text(20), rsv=4))), BROKEN
    yield "3.5", ALL, lambda l: [l.frame(BINARY, b"\0\xff\xfe", rsv=5)], BROKEN
    yield "3.6", ALL, lambda l: [l.frame(PING, b"Hello", rsv=6)], BROKEN
    yield "3.7", ALL, lambda l: [l.frame(CLOSE, rsv=7)], BROKEN
    for group, first in (("4.1", 3), ("4.2", 11)):
        yield f"{group}.1", ALL, lambda l, n=first: [l.frame(n)], BROKEN
        yield f"{group}.2", ALL, lambda l, n=first: [l.frame(n + 1, b"reserved")], BROKEN
        yield (f"{group}.3", ALL, lambda l, n=first: [b"".join(after_text(l, l.frame(n + 2)))],
               BROKEN)
        yield (f"{group}.4", ALL, lambda l, n=first: after_text(l, l.frame(n + 3, b"reserved")),
               BROKEN)
        yield (f"{group}.5", ALL,
               lambda l, n=first: octets(*after_text(l, l.frame(n + 4, b"reserved"))), BROKEN)


# ---- 5 fragments ----

def fragmentation():
    two = [b"op=x&y=fragment1", b"fragment2"]
    five = [b"op=x&y=fragment1", *(b"fragment%d" % n for n in range(2, 6))]

    yield "5.1", ALL, lambda l: fragments(l, PING, two), BROKEN
    yield "5.2", ALL, lambda l: fragments(l, PONG, two), BROKEN
    yield "5.3", ALL, lambda l: [b"".join(fragments(l, TEXT, two))], Lives()
    yield "5.4", ALL, lambda l: fragments(l, TEXT, two), Lives()
    yield "5.5", ALL, lambda l: octets(*fragments(l, TEXT, two)), Lives()

    def with_ping(l, parts=two, opcode=TEXT):
        return fragments(l, opcode, parts, [l.frame(PING, b"between")])
    yield "5.6", ALL, lambda l: [b"".join(with_ping(l))], Lives(b"between")
    yield "5.7", ALL, with_ping, Lives(b"between")
    yield "5.8", ALL, lambda l: octets(*with_ping(l)), Lives(b"between")

    # a continuation of nothing; last of a message or not; followed by a message
    for number, fin, how in ((9, True, b"".join), (10, True, list), (11, True, None),
                             (12, False, b"".join), (13, False, list), (14, False, None)):
        def build(l, fin=fin, how=how):
            frames = [l.frame(0, b"non-continuation", fin=fin), l.frame(TEXT, text(20))]
            return octets(*frames) if how is None else \
                [how(frames)] if how is not list else frames
        yield f"5.{number}", ALL, build, BROKEN
    yield ("5.15", ALL, lambda l: [*fragments(l, TEXT, two), l.frame(0, b"f3", fin=False),
                                   l.frame(TEXT, text(20))], BROKEN)
    yield ("5.16", ALL, lambda l: [l.frame(0, b"f1", fin=False), *fragments(l, TEXT, two)] * 2,
           BROKEN)
    yield ("5.17", ALL, lambda l: [l.frame(0, b"f1"), *fragments(l, TEXT, two)] * 2, BROKEN)
    yield ("5.18", ALL, lambda l: [l.frame(TEXT, two[0], fin=False), l.frame(TEXT, two[1])],
           BROKEN)
    yield "5.19", ALL, lambda l: with_ping(l, five), Lives(*[b"between"] * 4)
    yield "5.20", ALL, lambda l: [b"".join(with_ping(l, five))], Lives(*[b"between"] * 4)
    # and the same of payload, which Autobahn has in 9.4 only
    yield ("5.19b", VISITS, lambda l: with_ping(l, [l.prefix + b"f1", b"f2", b"", b"f3", b"f4"],
                                                BINARY),
           Lives(*[b"between"] * 4, arrives=b"f1f2f3f4"))


# ---- 6 text is UTF-8, of which our grammar takes what is printable ASCII ----

GREEK = "κόσμε".encode()
SEQUENCES = {
    "6.2": ["Hello-µ@ßöäüàá-UTF-8!!".encode()] * 3 + [GREEK],
    "6.3": [GREEK + b"\xed\xa0\x80edited"] * 2,
    "6.5": [b"hello\x24world", b"hello\xc2\xa2world", b"hello\xe2\x82\xacworld",
            b"hello\xf0\xa4\xad\xa2world", GREEK],
    "6.6": [GREEK[:n] for n in range(1, 12)],
    "6.7": [b"\0", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"],
    "6.8": [b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"],
    "6.9": [b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"],
    "6.10": [b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"],
    "6.11": [b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xf4\x8f\xbf\xbf",
             b"\xf4\x90\x80\x80"],
    "6.12": [*((b"\x80\xbf" * 3)[:n] for n in (1,)), b"\xbf",
             *((b"\x80\xbf" * 3)[:n] for n in range(2, 7)), bytes(range(0x80, 0xc0))],
    "6.13": [b" ".join(bytes([n]) for n in range(low, high)) for low, high in (
        (0xc0, 0xe0), (0xe0, 0xf0), (0xf0, 0xf8), (0xf8, 0xfc), (0xfc, 0xfe))],
    "6.14": [b"\xc0", b"\xe0\x80", b"\xf0\x80\x80", b"\xf8\x80\x80\x80", b"\xfc\x80\x80\x80\x80",
             b"\xdf", b"\xef\xbf", b"\xf7\xbf\xbf", b"\xfb\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf"],
    "6.16": [b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"],
    "6.17": [b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xaf",
             b"\xfc\x80\x80\x80\x80\xaf"],
    "6.18": [b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xf8\x87\xbf\xbf\xbf",
             b"\xfc\x83\xbf\xbf\xbf\xbf"],
    "6.19": [b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xf8\x80\x80\x80\x80",
             b"\xfc\x80\x80\x80\x80\x80"],
    "6.20": [b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xaf\xbf", b"\xed\xb0\x80",
             b"\xed\xbe\x80", b"\xed\xbf\xbf"],
    "6.21": [high + low for high in (b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80",
                                     b"\xed\xaf\xbf")
             for low in (b"\xed\xb0\x80", b"\xed\xbf\xbf")],
    "6.22": [chr(plane << 16 | last).encode() for plane in range(17) for last in (0xfffe, 0xffff)],
    "6.23": [chr(0xfff9 + n).encode() for n in range(7)],
}
SEQUENCES["6.15"] = [b"".join(SEQUENCES["6.14"])]


def is_ours(sequence):
    return all(0x20 <= byte <= 0x7e for byte in sequence)


def utf8():
    empty = [b"", b"", b""]
    yield "6.1.1", ALL, lambda l: [l.frame(TEXT)], BROKEN
    yield "6.1.2", ALL, lambda l: fragments(l, TEXT, empty), BROKEN
    yield "6.1.3", ALL, lambda l: fragments(l, TEXT, [b"", text(20), b""]), Lives()
    for group, sequences in SEQUENCES.items():
        for number, sequence in enumerate(sequences, 1):
            whole = b"op=x&y=" + sequence

            def build(l, number=number, whole=whole, group=group):
                if group in ("6.2", "6.3") and number == 2:  # in two fragments
                    return fragments(l, TEXT, [whole[:12], whole[12:]])
                if group in ("6.2", "6.3") and number > 1:   # byte by byte
                    return fragments(l, TEXT, [bytes([byte]) for byte in whole])
                return [l.frame(TEXT, whole)]
            yield (f"{group}.{number}", (TRANSFER,) if group > "6.4" or len(group) > 3 else ALL,
                   build, Lives() if is_ours(sequence) else Closes(1007))
    # fail fast: what is wrong shows before the message, or even the frame, has ended
    bad = b"op=x&y=" + GREEK + b"\xf4\x90\x80\x80" + b"edited"
    yield "6.4.1", ALL, lambda l: [l.frame(TEXT, bad[:18], fin=False)], Closes(1007)
    yield "6.4.2", ALL, lambda l: [l.frame(TEXT, bad[:7], fin=False),
                                   l.frame(0, bad[7:20], fin=False)], Closes(1007)
    yield "6.4.3", ALL, lambda l: [l.frame(TEXT, bad)[:20]], Closes(1007)
    yield "6.4.4", ALL, lambda l: [l.frame(TEXT, bad)[:13], l.frame(TEXT, bad)[13:15]], \
        Closes(1007)


# ---- 7 closing ----

def code(number, reason=b""):
    return struct.pack(">H", number) + reason


def closing():
    goodbye = lambda l: l.frame(CLOSE, code(1000))  # noqa: E731
    yield "7.1.1", ALL, lambda l: [l.frame(TEXT, text(20)), goodbye(l)], Closes(1000)
    yield "7.1.2", ALL, lambda l: [goodbye(l) + goodbye(l)], Closes(1000)
    yield "7.1.3", ALL, lambda l: [goodbye(l) + l.frame(PING)], Closes(1000)
    yield "7.1.4", ALL, lambda l: [goodbye(l) + l.frame(TEXT, text(20))], Closes(1000)
    yield ("7.1.5", ALL, lambda l: [l.frame(TEXT, text(20), fin=False) + goodbye(l)
                                    + l.frame(0, b"late")], Closes(1000))
    yield ("7.1.6", (TRANSFER,), lambda l: [l.frame(BINARY, pattern(256 * KIB)),
                                            l.frame(TEXT, text(20)), goodbye(l) + l.frame(PING)],
           Closes(1000))
    yield "7.3.1", ALL, lambda l: [l.frame(CLOSE)], Closes(1000)
    yield "7.3.2", ALL, lambda l: [l.frame(CLOSE, b"a")], BROKEN
    yield "7.3.3", ALL, lambda l: [goodbye(l)], Closes(1000)
    yield "7.3.4", ALL, lambda l: [l.frame(CLOSE, code(1000, b"Hello"))], Closes(1000)
    yield "7.3.5", ALL, lambda l: [l.frame(CLOSE, code(1000, b"*" * 123))], Closes(1000)
    yield "7.3.6", ALL, lambda l: [l.frame(CLOSE, code(1000, b"*" * 124))], BROKEN
    # nobody reads the reason as UTF-8: in logs it is escaped
    yield "7.5.1", ALL, lambda l: [l.frame(CLOSE, code(1000, b"\xed\xa0\x80"))], Closes(1000)
    for group, codes, outcome in (
            ("7.7", (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000,
                     4999), None),
            ("7.9", (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999), BROKEN),
            ("7.13", (5000, 65535), BROKEN)):
        for number, value in enumerate(codes, 1):
            yield (f"{group}.{number}", ALL, lambda l, n=value: [l.frame(CLOSE, code(n))],
                   outcome or Closes(value))


# ---- 9 large messages, many messages ----

def large():
    """Those that take a while are for the long run."""
    for number, size in enumerate((64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB), 1):
        yield (f"9.2.{number}", (TRANSFER,), lambda l, n=size: [l.frame(BINARY, pattern(n))],
               Lives(arrives=pattern(size)))
    # text has its bound, whole, in fragments and in chops
    yield "9.1.1", ALL, lambda l: [l.frame(TEXT, text(64 * KIB))], Closes(1009)
    yield ("9.3.1", ALL, lambda l: fragments(l, TEXT, chops(text(64 * KIB), 64)), Closes(1009))
    yield "9.5.1", ALL, lambda l: chops(l.frame(TEXT, text(64 * KIB)), 64), Closes(1009)
    for number, power in enumerate(range(6, 23, 2), 1):
        yield (f"9.4.{number}", (TRANSFER,),
               lambda l, n=1 << power: [b"".join(fragments(l, BINARY, chops(pattern(4 * MIB), n)))],
               Lives(arrives=pattern(4 * MIB)))
    for number, size in enumerate((64, 128, 256, 512, 1024, 2048), 1):
        yield (f"9.6.{number}", (TRANSFER,),
               lambda l, n=size: chops(l.frame(BINARY, pattern(MIB)), n),
               Lives(arrives=pattern(MIB)))
    for number, size in enumerate((16, 64, 256, 1024, 4096), 2):
        # an agent need not have room for more than 704 on the channels of visits
        yield (f"9.7.{number}", ALL, lambda l, n=size: [l.frame(TEXT, text(n)) * 1000],
               Lives() if size <= 704 else {"agent": {CONTROL: Lives(), TRANSFER: Closes(1009),
                                                      SHARED: Closes(1009)}})
        yield (f"9.8.{number}", VISITS if size == 16 else (TRANSFER,),
               lambda l, n=size: [l.binary(pattern(n)) * 1000],
               Lives(arrives=pattern(size) * 1000))


QUICK = [*framing(), *pings(), *reserved(), *fragmentation(), *utf8(), *closing()]
LARGE = list(large())

# What does not apply, and why.
LEFT_OUT = {
    "7.1.6 on control": "there is no binary message; a text of that size is 9.1.1",
    "7.1.6 on shared": "a message beyond the visit's window is 1002 (section 5.7)",
    "9.1.2-9.1.6": "larger than 9.1.1, which is too big already",
    "9.2.1-9.2.6, 9.4.1-9.4.9, 9.6.1-9.6.6 on control": "there are no binary messages: 1.2.1",
    "9.2.1-9.2.6, 9.4.1-9.4.9, 9.6.1-9.6.6 on shared": "beyond the visit's window",
    "9.3.2-9.3.9, 9.5.2-9.5.6": "as 9.3.1 and 9.5.1, in other pieces",
    "9.7.1": "a thousand empty texts: the first is 1.1.1",
    "9.8.1": "a thousand empty binary messages: the first ends the direction (1.2.1), the second "
             "is 1002 (PROTOCOL.md section 8.2)",
    "9.8.3-9.8.6 on shared": "beyond the window without credit in between",
    "10.1.1": "neither side has a fragmenting sender to be configured",
    "12.*, 13.*": "permessage-deflate: no extension is offered or accepted; a frame with RSV1 is "
                  "3.1",
}
