# SPDX-License-Identifier: MIT
"""What README.md and docs/ tell to type is there: every option and command of taupe's programs in a block of commands
or in `code`, every key of an .ini, and every script and test that is named."""
import functools
import re
import subprocess

import pytest

from harness.process import ROOT, binary

PROGRAMS = ("taupe-relay init", "taupe-agent setup", "taupe-relay", "taupe-router", "taupe-agent",
            "taupectl")
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
SECTIONS = {"relay": "taupe-relay", "router": "taupe-router", "agent": "taupe-agent",
            "taupectl": "taupectl"}


@functools.cache
def help_of(program):
    name, *words = program.split()
    return subprocess.run([binary(name), *words, "--help"], capture_output=True, text=True,
                          timeout=20, check=True).stdout


@functools.cache
def options_of(program):
    found = set(re.findall(r"^  (?:-\w, )?(--[a-z0-9-]+)", help_of(program), re.MULTILINE))
    return found | {"--help", "--version", "--config"}


@functools.cache
def commands_of(program):
    """The first words of its commands."""
    before_options = help_of(program).split("Every option is also")[0]
    return {line.split()[0] for line in before_options.splitlines()
            if re.match(r"  [a-z]", line)}


@functools.cache
def names_of_tests():
    """Of files, and of what is in them."""
    files = [path for path in ROOT.glob("tests/**/test_*") if path.suffix in (".py", ".c")]
    return {path.stem for path in files} | {
        name for path in files for name in re.findall(r"\bdef (test_\w+)", path.read_text())}


def told(text):
    """Each command line of the text, with continued lines joined."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text,
                                              flags=re.DOTALL | re.MULTILINE))
    for block in blocks:
        yield from block.replace("\\\n", " ").splitlines()
    yield from spans


def calls(line):
    """The program and its words, wherever the line calls one."""
    line = line.split("  #")[0]
    for part in re.split(r"[|;&]+", line):
        for program in PROGRAMS:
            if found := re.match(rf"\s*(?:sudo )?{program}(?: (.*))?$", part):
                yield program, (found.group(1) or "").split()
                break


def variables_of_nobody(text):
    """What is used in a block of commands and set in none of the document's."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    script = re.sub(r"'[^']*'", "", "".join(blocks))
    known = set(re.findall(r"(?:^|[\s;(])(\w+)=", script)) | {"HOME", "PATH", "PWD"}
    return sorted(set(re.findall(r"\$\{?([A-Za-z_]\w*)", script)) - known)


def faults(text):
    for name in variables_of_nobody(text):
        yield f"${name} is set nowhere"
    for line in told(text):
        for program, words in calls(line):
            known = options_of(program)
            for word in words:
                option = re.match(r"--[a-z0-9-]+", word)
                if option and option.group() not in known and not (
                        option.group().startswith("--no-")
                        and f"--{option.group()[5:]}" in known):
                    yield f"{program} has no {option.group()}: {line}"
            first = words[0] if words else ""
            if program == "taupectl" and re.fullmatch(r"[a-z]+", first) \
                    and first not in commands_of(program):
                yield f"{program} has no command {first}: {line}"
    for name, block in re.findall(r"^ *```ini\n *\[(\w+)\]\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE):
        if name not in SECTIONS:
            continue
        for key in re.findall(r"^ *(\w+) = ", block, re.MULTILINE):
            if "--" + key.replace("_", "-") not in options_of(SECTIONS[name]):
                yield f"[{name}] has no key {key}"
    for test in re.findall(r"\btest_[a-z_]+\b", text):
        if test not in names_of_tests():
            yield f"there is no {test}"
    for script in re.findall(r"\bscripts/[a-z-]+\b", text):
        if not (ROOT / script).exists():
            yield f"there is no {script}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_what_is_told_is_there(document):
    assert list(faults(document.read_text())) == []


def test_what_is_not_there_is_noticed():
    text = ("`taupectl frobnicate`\n```sh\ntaupe-relay --no-such \\\n  --domain x | taupectl --qx\n```\n"
            "```ini\n[router]\nno_key = 1\n```\ntest_of_nothing scripts/nothing\n"
            "```sh\nhere=1; curl $here $nowhere\n```\n")
    assert len(list(faults(text))) == 7
