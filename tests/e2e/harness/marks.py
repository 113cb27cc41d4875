# SPDX-License-Identifier: MIT
"""Secrets that can be recognised: each one that the harness makes has a mark in it, and where the
mark shows up but in the file that a program reads it from, the test has failed."""
import base64
import pathlib
import secrets

MARK = "Zq7MoleSecretMark"


def marked(length=24):
    """A new secret, of the characters that every kind of secret may have."""
    return f"{MARK}-{secrets.token_urlsafe(length)}"


def forms(secret=MARK):
    """As it stands there, and in base64 (Basic, RFC 7617), at each of the three places where it
    may begin among the groups of four."""
    raw = secret.encode()
    found = [raw, raw.hex().encode(), raw[::-1]]
    for shift in range(3):
        text = base64.b64encode(b"x" * shift + raw)
        # without the characters that depend on the neighbours
        found.append(text[(0, 2, 3)[shift]:-4])
    return found


FORMS = forms()


def shows(data):
    """Is a marked secret in it?"""
    return any(form in data for form in FORMS)


def command_line(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def faults_of_logs(folder):
    """The lines of all logs that show a secret, without it."""
    return [f"a secret in {log.name}, line {number}"
            for log in sorted(pathlib.Path(folder).glob("*.log"))
            for number, line in enumerate(log.read_bytes().splitlines(), 1) if shows(line)]


def everything_in(client):
    """All that a Redis knows, as Python would write it: keys and values, its slow commands, its
    refusals and its clients. The client leaves bytes as they are: values need not be text."""
    readers = {b"string": client.get, b"hash": client.hgetall, b"set": client.smembers,
               b"list": lambda key: client.lrange(key, 0, -1),
               b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
               b"stream": client.xrange}
    for key in client.scan_iter(count=1000):
        # None: it has expired meanwhile
        reader = readers.get(client.type(key))
        yield f"{key} {reader(key) if reader else ''}"
    for words in (["SLOWLOG", "GET", "-1"], ["ACL", "LOG"], ["CLIENT", "LIST"]):
        yield f"{words} {client.execute_command(*words)}"
