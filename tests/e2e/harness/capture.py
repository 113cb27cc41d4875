# SPDX-License-Identifier: MIT
"""What goes over a link: every frame that an interface sends or receives, of whatever protocol,
counted with its Ethernet header."""
import ctypes
import socket
import struct
import threading
import time

from .network import inside

ETH_P_ALL = 3
SOL_PACKET, PACKET_STATISTICS = 263, 6
SO_ATTACH_FILTER = 26
LOAD_HALF, LOAD_BYTE, JUMP_EQUAL, RETURN = 0x28, 0x30, 0x15, 0x06


def only_port(port):
    """A filter of the kernel's: TCP over IPv4 from or to that port."""
    program = [(LOAD_HALF, 0, 0, 12), (JUMP_EQUAL, 0, 7, 0x0800),
               (LOAD_BYTE, 0, 0, 23), (JUMP_EQUAL, 0, 5, socket.IPPROTO_TCP),
               (LOAD_HALF, 0, 0, 34), (JUMP_EQUAL, 2, 0, port),
               (LOAD_HALF, 0, 0, 36), (JUMP_EQUAL, 0, 1, port),
               (RETURN, 0, 0, 0xffffffff), (RETURN, 0, 0, 0)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    return code, struct.pack("HL", len(program), ctypes.addressof(code))


class Capture:
    """From now on; frames are (monotonic time, is it outgoing?, bytes)."""

    def __init__(self, space, interface="eth0", port=None):
        """port: only connections from or to it, where there is much other traffic."""
        with inside(space):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            if port:
                code, program = only_port(port)
                self.socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
                del code
            self.socket.bind((interface, ETH_P_ALL))
        self.socket.settimeout(0.1)
        self.frames = []
        self.began = time.monotonic()
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.stopping.is_set():
            try:
                frame, address = self.socket.recvfrom(65536)
            except TimeoutError:
                continue
            except OSError:
                break  # the host is gone
            self.frames.append((time.monotonic(), address[2] == socket.PACKET_OUTGOING, frame))

    def stop(self):
        self.stopping.set()
        self.thread.join()
        self.seconds = time.monotonic() - self.began
        _, dropped = struct.unpack("II", self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        self.socket.close()
        assert dropped == 0, "frames that were not counted"
        return self

    def bytes(self, begin=0.0, end=float("inf")):
        return sum(len(frame) for at, _, frame in self.frames if begin <= at < end)

    def beats(self, apart=0.1):
        """What the host said by itself, and what followed until it said the next thing, so many
        seconds later at least."""
        found, seen = [], set()
        for at, outgoing, frame in list(self.frames):
            size, key = payload(frame)
            if outgoing and size > 0 and key not in seen:
                seen.add(key)
                if not found or at - found[-1].at >= apart:
                    if found:
                        found[-1].seconds = at - found[-1].at
                    found.append(Beat(at))
            if found:
                found[-1].bytes += len(frame)
                found[-1].frames += 1
                found[-1].answered |= not outgoing and size > 0
        return found[:-1]  # the last one is not over

    def least_answer(self):
        """Bytes of the shortest packet with payload that came in."""
        return min(len(frame) for _, outgoing, frame in self.frames
                   if not outgoing and payload(frame)[0] > 0)


class Beat:
    def __init__(self, at):
        self.at, self.seconds, self.bytes, self.frames, self.answered = at, 0.0, 0, 0, False

    def __repr__(self):
        return (f"{self.seconds:.2f} s, {self.frames} frames, {self.bytes} bytes"
                f"{', answered' if self.answered else ''}")


def payload(frame):
    """Bytes of payload of a TCP packet over IPv4, and what tells it from others; else 0."""
    if frame[12:14] != b"\x08\x00" or frame[23] != socket.IPPROTO_TCP:
        return 0, b""
    ip = (frame[14] & 15) * 4
    tcp = frame[14 + ip:]
    return int.from_bytes(frame[16:18], "big") - ip - (tcp[12] >> 4) * 4, tcp[0:8]
