# SPDX-License-Identifier: MIT
"""What a device hears about its visitor, and what visitors say about themselves."""
import socket

FORGED = [("X-Forwarded-For", "203.0.113.99"), ("x-forwarded-proto", "https"),
          ("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Port", "1"),
          ("X_Forwarded_For", "203.0.113.99"), ("Forwarded", "for=203.0.113.99"),
          ("X-Real-IP", "203.0.113.99"), ("X-Taupe-Client-Certificate", "Zm9v")]
CLAIMS = ("forwarded", "x-forwarded", "x-real-ip", "x-taupe")


def claims(answer):
    """What a request said at the device about who sent it."""
    return sorted((name.lower(), value) for name, value in answer.json()["fields"]
                  if name.lower().replace("_", "-").startswith(CLAIMS))


def expected(host, source="127.0.0.1"):
    return [("x-forwarded-for", source), ("x-forwarded-host", host), ("x-forwarded-proto", "http")]


def outcome(door, data):
    """All that the door says to these bytes, until it ends."""
    with socket.create_connection(door, 20) as sock:
        sock.sendall(data)
        got = b""
        try:
            while piece := sock.recv(65536):
                got += piece
        except ConnectionResetError:
            pass
        return got
