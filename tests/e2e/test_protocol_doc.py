# SPDX-License-Identifier: MIT
"""The examples of docs/PROTOCOL.md are the bytes: every handshake and every frame on that
page is built again here and compared, and read by a WebSocket library that is not ours.

After a change of an example, `test_protocol_doc.py --write` fills in the bytes.
"""
import base64
import hashlib
import pathlib
import re
import struct
import sys
import urllib.parse

import pytest
import websockets.frames
import websockets.utils

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "PROTOCOL.md"
OPCODES = {"text": 1, "binary": 2, "close": 8, "ping": 9, "pong": 10}
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KNOWN_KEYS = {
    "op", "id", "service", "from", "reason", "to", "visit", "epoch", "heartbeat_ms", "lease_ms",
    "label", "relay", "peer", "url", "lease", "name", "instance", "hops", "error", "since",
    "mux", "visits", "window", "bytes", "shared", "stream", "sha256", "enrol",
    "channels",
    "heartbeat_min_ms", "heartbeat_max_ms", "beat_bytes", "budget_bytes", "check", "pad",
}
CONTROL_OPS = {"welcome", "open", "opened", "refused", "abort", "move", "credit", "moved", "stays",
               "rotate", "secret", "heartbeat", "check", "health"}


class FrameExample:
    """One ```frame block: direction, type, optional code and mask, payload, bytes."""

    def __init__(self, block, line):
        self.line = line
        head, *rest = block.splitlines()
        self.head = head
        self.payload_lines = [text for text in rest if text.startswith("| ") or text == "|"]
        self.hex = " ".join(text for text in rest if not text.startswith("|"))
        match = re.fullmatch(
            r"(agent|relay|visitor) > (agent|relay|visitor)  (\w+)(?:  (\d{4}))?(?:  mask ([0-9a-f ]{11}))?", head)
        assert match, f"line {line}: {head!r}"
        self.sender, self.receiver, self.kind = match.group(1, 2, 3)
        self.code = int(match.group(4)) if match.group(4) else None
        self.mask = bytes.fromhex(match.group(5)) if match.group(5) else None
        text = "".join(part[2:] for part in self.payload_lines)
        self.payload = text.encode("ascii").decode("unicode_escape").encode("latin-1")

    def body(self):
        if self.kind == "close":
            return struct.pack(">H", self.code) + self.payload
        return self.payload

    def encode(self):
        body = self.body()
        out = bytearray([0x80 | OPCODES[self.kind]])
        masked = 0x80 if self.mask else 0
        if len(body) < 126:
            out.append(masked | len(body))
        elif len(body) < 65536:
            out += struct.pack(">BH", masked | 126, len(body))
        else:
            out += struct.pack(">BQ", masked | 127, len(body))
        if self.mask:
            out += self.mask
            body = bytes(byte ^ self.mask[i % 4] for i, byte in enumerate(body))
        return bytes(out + body)


def blocks(text, kind):
    for match in re.finditer(rf"^```{kind}\n(.*?)^```$", text, re.M | re.S):
        yield match.group(1), text.count("\n", 0, match.start()) + 1


def accept_of(key):
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


def rendered(text):
    """The page with all computed values filled in."""
    def frame(match):
        example = FrameExample(match.group(1), 0)
        wire = example.encode()
        rows = [wire[at:at + 24].hex(" ") for at in range(0, len(wire), 24)]
        return "\n".join(["```frame", example.head, *example.payload_lines, *rows, "```"])

    last_key = None

    def http(match):
        nonlocal last_key
        head, _, body = match.group(1).partition("\n\n")
        body = body.rstrip("\n")
        key = re.search(r"^Sec-WebSocket-Key: (.*)$", head, re.M)
        if key:
            last_key = key.group(1)
        if "Sec-WebSocket-Accept" in head:
            head = re.sub(r"(Sec-WebSocket-Accept: ).*", rf"\g<1>{accept_of(last_key)}", head)
        head = re.sub(r"(Content-Length: ).*", rf"\g<1>{len(body)}", head).rstrip("\n")
        return "```http\n" + head + "\n" + (f"\n{body}\n" if body else "") + "```"

    text = re.sub(r"^```frame\n(.*?)^```$", frame, text, flags=re.M | re.S)
    return re.sub(r"^```http\n(.*?)^```$", http, text, flags=re.M | re.S)


TEXT = PAGE.read_text(encoding="utf-8")
FRAMES = [FrameExample(block, line) for block, line in blocks(TEXT, "frame")]
HTTP = list(blocks(TEXT, "http"))


def parse_form(text):
    assert re.fullmatch(r"[\x21-\x7e]*", text)
    return urllib.parse.parse_qsl(text, strict_parsing=True, keep_blank_values=True)


@pytest.mark.parametrize("example", FRAMES, ids=lambda example: f"line{example.line}")
def test_frame_example_is_its_bytes(example):
    assert bytes.fromhex(example.hex) == example.encode()


@pytest.mark.parametrize("example", FRAMES, ids=lambda example: f"line{example.line}")
def test_frame_example_is_read_by_a_foreign_library(example):
    wire = bytes.fromhex(example.hex)
    at = 0

    def read_exact(count):
        nonlocal at
        yield from ()
        at += count
        assert at <= len(wire)
        return wire[at - count:at]

    parser = websockets.frames.Frame.parse(read_exact, mask=example.sender != "relay")
    with pytest.raises(StopIteration) as stop:
        while True:
            next(parser)
    frame = stop.value.value
    assert at == len(wire)
    assert frame.fin
    assert frame.opcode == OPCODES[example.kind]
    assert frame.data == example.body()


@pytest.mark.parametrize("example", FRAMES, ids=lambda example: f"line{example.line}")
def test_only_the_relay_does_not_mask(example):
    assert (example.mask is not None) == (example.sender != "relay")
    assert example.sender != example.receiver


@pytest.mark.parametrize("example", [e for e in FRAMES if e.kind == "text"],
                         ids=lambda example: f"line{example.line}")
def test_control_message_is_a_form_of_known_keys(example):
    pairs = parse_form(example.payload.decode())
    assert pairs[0][0] == "op" and pairs[0][1] in CONTROL_OPS
    assert {key for key, _ in pairs} <= KNOWN_KEYS
    assert len(example.payload) <= 4096


@pytest.mark.parametrize("block,line", HTTP, ids=lambda value: f"line{value}"
                         if isinstance(value, int) else "")
def test_http_example_is_whole(block, line):
    head, _, body = block.partition("\n\n")
    start, *fields = head.rstrip("\n").splitlines()
    body = body.rstrip("\n")
    headers = dict(field.split(": ", 1) for field in fields)
    if start.startswith("GET "):
        target = start.split(" ")[1]
        path, _, query = target.partition("?")
        assert path in ("/v1/control", "/v1/transfer", "/v1/connect")
        assert {key for key, _ in parse_form(query)} <= KNOWN_KEYS
        assert len(base64.b64decode(headers["Sec-WebSocket-Key"], validate=True)) == 16
        assert headers["Sec-WebSocket-Protocol"] == "taupe.v1"
        return
    status = int(start.split(" ")[1])
    if status == 101:
        return
    assert int(headers["Content-Length"]) == len(body)
    if status == 302:
        query = headers["Location"].partition("?")[2]
        assert ("hops", "1") in parse_form(query)
    assert dict(parse_form(body)).keys() >= {"error", "reason"}
    if status in (429, 503):
        assert int(headers["Retry-After"]) > 0


def test_accept_answers_the_key_before_it():
    key, seen = None, 0
    for block, _ in HTTP:
        found = re.search(r"^Sec-WebSocket-Key: (.*)$", block, re.M)
        key = found.group(1) if found else key
        accept = re.search(r"^Sec-WebSocket-Accept: (.*)$", block, re.M)
        if accept:
            assert accept.group(1) == websockets.utils.accept_key(key)
            seen += 1
    assert seen == 3


def test_every_message_and_every_answer_has_an_example():
    ops = {dict(parse_form(e.payload.decode()))["op"] for e in FRAMES if e.kind == "text"}
    assert ops == CONTROL_OPS
    assert {e.kind for e in FRAMES} == set(OPCODES)
    statuses = {block.split(" ")[1] for block, _ in HTTP if block.startswith("HTTP/1.1")}
    assert statuses == {"101", "302", "400", "401", "403", "404", "409", "426", "429", "503"}
    assert any(e.kind == "binary" and not e.payload and e.sender == s for s in ("agent", "relay")
               for e in FRAMES)


def test_page_is_as_the_generator_writes_it():
    assert rendered(TEXT) == TEXT


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    PAGE.write_text(rendered(TEXT), encoding="utf-8")
