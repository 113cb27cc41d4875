# SPDX-License-Identifier: MIT
"""Completion in real shells: what a person gets who types and presses Tab."""
import os
import pathlib
import pty
import select
import subprocess
import time

import pytest

from harness.process import BUILD, ROOT, binary
from harness.programs import Device, Redis

SCRIPTS = ROOT / "packaging" / "completion"
LONG = "shop." + ".".join(["a" * 60] * 3) + ".example"  # longer than a device's name


def script(shell, program):
    text = (SCRIPTS / f"completion.{shell}").read_text()
    return text.replace("@PROGRAM@", program).replace("@FUNCTION@", program.replace("-", "_"))


@pytest.fixture(scope="module")
def redis(module_group):
    redis = Redis(module_group)
    for name in ("alice", "alfred", "bob"):
        redis.add(Device(name))
    redis.client.sadd("taupe:fleets", "probes")
    redis.client.sadd("taupe:tokens", "deploy", "dash")
    redis.client.zadd("taupe:relays", {"r1": 0.0, "r2": 0.0})
    redis.client.hset("taupe:reserved", mapping=dict.fromkeys(
        ["host/shop.example.com", f"host/{LONG}", "host/x-y.example.com", "label/shop", "port/20001"],
        "alice"))
    return redis


@pytest.fixture(scope="module")
def options(redis, module_group):
    path = module_group.folder / "ctl.ini"
    path.write_text("[taupectl]\n" + "".join(
        f"{key} = {value}\n" for key, value in redis.access("taupectl").items()))
    return ["--config", str(path)]


def candidates(*words, program="taupectl"):
    done = subprocess.run([binary(program), "--complete", *words], capture_output=True, text=True,
                          timeout=20, check=True)
    assert done.stderr == ""
    return [line.partition("\t")[0] for line in done.stdout.splitlines()]


CASES = [
    (["dev"], ["device"]),
    (["device", "s"], ["show", "set"]),
    (["device", "sh"], ["show"]),
    (["nothing", ""], []),
    (["--lab"], ["--label"]),
    (["device", "add", "x", "--vis"], ["--visitor-rate", "--visitor-burst"]),
    (["--dns", ""], []),
    (["--json", "route", ""], ["ls"]),
    (["--label", "route", "fleet", "r"], ["rm"]),
    (["--json=y"], ["--json=yes"]),
    (["--ca-file", ""], [":files"]),
    (["--config="], [":files"]),
    (["completion", ""], ["bash", "zsh", "fish"]),
    (["completion", "z"], ["zsh"]),
    (["device", "add", ""], []),
    (["--", "--json", ""], []),
    (["device", "show", "too", "many"], []),
]


@pytest.mark.parametrize("words,expected", CASES)
def test_what_a_word_may_become(words, expected):
    assert candidates(*words) == expected


def test_every_command_and_option_is_offered():
    text = subprocess.run([binary("taupectl"), "--help"], capture_output=True, text=True,
                          check=True).stdout
    told = {line.split()[0] for line in text.splitlines() if line.startswith("  --")}
    assert told <= set(candidates("--"))
    assert {"device", "fleet", "relay", "route", "status", "doctor"} <= set(candidates(""))


@pytest.mark.parametrize("words,expected", [
    (["device", "show", "al"], {"alice", "alfred"}),
    (["device", "rm", ""], {"alice", "alfred", "bob"}),
    (["fleet", "rm", ""], {"probes"}),
    (["relay", "drain", "r"], {"r1", "r2"}),
    (["domain", "rm", "s"], {"shop.example.com", LONG}),
    (["domain", "verify", ""], {"shop.example.com", "x-y.example.com", LONG}),
    (["domain", "rm", LONG[:100]], {LONG}),
    (["domain", "rm", "x-"], {"x-y.example.com"}),
    (["domain", "rm", "shop.*"], set()),
    (["domain", "add", "s"], set()),
    (["token", "rm", "d"], {"deploy", "dash"}),
    (["device", "show", "*"], set()),
    (["device", "show", "al fred"], set()),
])
def test_names_come_from_the_registry(options, words, expected):
    assert set(candidates(*options, *words)) == expected


def test_names_come_from_a_devices_file(group):
    devices = group.folder / "devices"
    devices.write_text("".join(Device(name).file_line() + "\n" for name in ("carol", "dave")))
    assert candidates("--devices-file", str(devices), "device", "show", "c") == ["carol"]
    for host in ("shop.example.com", "alarm.example.com"):
        subprocess.run([binary("taupectl"), "--config", "/dev/null", "--devices-file", str(devices),
                        "--domain", "example.com", "domain", "add", host, "dave/web"], check=True,
                       stdout=subprocess.DEVNULL, timeout=20)
    assert candidates("--devices-file", str(devices), "domain", "rm", "s") == ["shop.example.com"]
    assert sorted(candidates("--devices-file", str(devices), "domain", "verify", "")) == [
        "alarm.example.com", "shop.example.com"]
    subprocess.run([binary("taupectl"), "--devices-file", str(devices), "token", "add", "cleaner",
                    "--role", "read"], capture_output=True, timeout=20, check=True)
    assert candidates("--devices-file", str(devices), "token", "rm", "") == ["cleaner"]


@pytest.mark.parametrize("options", [["--redis", "127.0.0.1:1"], ["--nonsense"],
                                     ["--config", "/nonexistent"],
                                     ["--devices-file", "/nonexistent"]])
def test_where_there_are_no_names_nothing_is_said(options):
    assert candidates(*options, "device", "show", "") == []


@pytest.mark.alone
def test_a_hundred_thousand_devices_do_not_make_the_shell_wait(redis, options):
    names = [f"n{number:06}" for number in range(100_000)]
    redis.client.sadd("taupe:devices", *names)
    try:
        start = time.monotonic()
        found = candidates(*options, "device", "show", "n05000")
        took = time.monotonic() - start
        assert sorted(found) == [f"n05000{number}" for number in range(10)]
        assert len(candidates(*options, "device", "show", "n")) == 1000
        assert took < 0.5, took  # 0.2 without sanitizers
    finally:
        redis.client.srem("taupe:devices", *names)


class Terminal:
    """A shell on a terminal of its own."""

    def __init__(self, folder, argv, first):
        environment = {"PATH": f"{BUILD}:{os.environ['PATH']}", "TERM": "dumb", "LC_ALL": "C.UTF-8",
                       "HOME": str(folder)}
        pid, self.fd = pty.fork()
        if pid == 0:
            os.chdir(folder)
            os.execvpe(argv[0], argv, environment)
        self.pid = pid
        self.seen = ""
        self.type(f"{first}\n")
        self.type("echo rea''dy\n")
        self.until("ready")

    def type(self, text):
        os.write(self.fd, text.encode())

    def until(self, needle, timeout=10):
        end = time.monotonic() + timeout
        while needle not in self.seen:
            assert time.monotonic() < end, f"no {needle!r} in {self.seen!r}"
            if select.select([self.fd], [], [], 0.1)[0]:
                self.seen += os.read(self.fd, 65536).decode(errors="replace")
        self.seen = self.seen[self.seen.index(needle) + len(needle):]

    def completes(self, typed, expected):
        """Type that, press Tab, and see the line become what is expected."""
        self.type(typed + "\t")
        self.until(expected)
        self.type("\x15")  # Ctrl-U

    def close(self):
        os.close(self.fd)
        os.waitpid(self.pid, 0)


def typed_cases(options):
    return [("taupectl device sh", "device show "), ("taupectl --jso", "--json "),
            (f"taupectl {' '.join(options)} device show alf", "show alfred "),
            (f"taupectl {' '.join(options)} relay drain r", "drain r"),
            ("taupe-relay --log-lev", "--log-level "),
            ("taupe-relay --log-level=w", "--log-level=warn ")]


@pytest.mark.parametrize("shell,argv,setup", [
    ("bash", ["bash", "--norc", "--noprofile", "-i"], "PS1='> '"),
    ("zsh", ["zsh", "-f", "-i"], "PS1='> '; autoload -U compinit; compinit -u -D"),
])
def test_a_person_presses_tab(group, options, shell, argv, setup):
    for program in ("taupectl", "taupe-relay"):
        (group.folder / program).write_text(script(shell, program))
    folder = pathlib.Path(group.folder)
    (folder / "a-file.pem").write_text("")
    terminal = Terminal(folder, argv, f"{setup}; . ./taupectl; . ./taupe-relay; "
                        "unset LS_COLORS; stty -echoctl")
    try:
        for typed, expected in typed_cases(options):
            terminal.completes(typed, expected)
        terminal.completes("taupectl --ca-file a-f", "--ca-file a-file.pem ")
        terminal.completes("taupectl --ca-file=a-f", "--ca-file=a-file.pem ")
    finally:
        terminal.close()


def test_fish_completes_as_well(group, options):
    (group.folder / "taupectl.fish").write_text(script("fish", "taupectl"))
    (group.folder / "a-file.pem").write_text("")

    def fish(line):
        done = subprocess.run(
            ["fish", "--no-config", "-c", f"source taupectl.fish; complete -C '{line}'"],
            cwd=group.folder, capture_output=True, text=True, timeout=20, check=True,
            env={"PATH": f"{BUILD}:{os.environ['PATH']}", "HOME": str(group.folder)})
        return [found.partition("\t")[0] for found in done.stdout.splitlines()]

    assert fish("taupectl device sh") == ["show"]
    assert fish("taupectl --jso") == ["--json"]
    assert fish(f"taupectl {' '.join(options)} device show alf") == ["alfred"]
    assert fish("taupectl --ca-file a-f") == ["a-file.pem"]
    assert fish("taupectl --ca-file=a-f") == ["--ca-file=a-file.pem"]


def test_taupectl_prints_the_scripts_for_all_programs():
    for shell in ("bash", "zsh", "fish"):
        printed = subprocess.run([binary("taupectl"), "completion", shell], capture_output=True,
                                 text=True, check=True).stdout
        assert printed == "".join(script(shell, program) for program in (
            "taupectl", "taupe-agent", "taupe-relay", "taupe-router"))
    done = subprocess.run([binary("taupectl"), "completion", "tcsh"], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 64 and "bash, zsh and fish" in done.stderr
