# SPDX-License-Identifier: MIT
"""What the API can, taupectl can: docs/API.md has a row for each call and for each command, and both
are as docs/openapi.json and the programs say."""
import re
import subprocess

from harness.api import DOCUMENT
from harness.process import ROOT, binary


def rows():
    text = (ROOT / "docs" / "API.md").read_text().partition("## The same by taupectl")[2]
    for line in text.partition("\n## ")[0].splitlines():
        found = re.fullmatch(r"\| (.+) \| (.+) \|", line)
        if found and found[1] != "call":
            yield found[1], found[2]


def quoted(cell):
    return re.findall(r"`([^`]+)`", cell)


def offered(*words):
    done = subprocess.run([binary("taupectl"), "--complete", *words, ""], capture_output=True,
                          text=True, timeout=30, check=True)
    return [line.split("\t")[0] for line in done.stdout.splitlines()]


def commands():
    """Each as it is typed, from what the program itself says that a word may become."""
    for noun in offered():
        if noun.startswith("-"):
            continue
        verbs = [word for word in offered(noun) if re.fullmatch(r"[a-z]+", word)]
        yield from (f"{noun} {verb}" for verb in verbs if noun != "completion")
        if not verbs or noun in ("share", "completion"):
            yield noun


def test_each_call_has_its_command_and_each_command_its_call():
    table = list(rows())
    calls = [call for left, _ in table for call in quoted(left)]
    documented = [f"{method.upper()} {path}" for path, methods in DOCUMENT["paths"].items()
                  for method in methods if method != "parameters"]
    assert sorted(calls) == sorted(documented)
    told = {command for _, right in table for command in quoted(right)}
    assert told == set(commands())
    for left, right in table:
        assert bool(quoted(left)) or left.startswith("none: "), left
        assert bool(quoted(right)) or right.startswith("none: "), right
