# SPDX-License-Identifier: MIT
"""What scripts/cross does besides building: runs at the same time wait for each other, Debian's
packages come from Debian, and the table of docs/PLATFORMS.md loses no row."""
import itertools
import os
import shutil
import subprocess

import pytest

from harness.process import ROOT
from harness.wait import until

PAGE = """before
<!-- table: written by a script -->
| target | what it is | size | memory |
|---|---|---:|---:|
| `armhf` | as it was | 3,000 bytes | 3.0 MB RSS |
| `gone` | no target any more | 1 bytes | - |
| `mips` | as it was | 2,000 bytes | 2.0 MB RSS |
<!-- end of the table -->
| `mips` | of another table | behind it |
"""


@pytest.fixture
def tree(tmp_path):
    """A tree with three targets, of which one has been run with success."""
    for folder in ("cross/targets", "build-cross/arm64", "build-cross/mips", "docs"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(ROOT / "cross/document", tmp_path / "cross")
    for target in ("arm64", "armhf", "mips", "new"):
        (tmp_path / "cross/targets" / target).write_text(f"title='{target}: what & how'\n")
    (tmp_path / "docs/PLATFORMS.md").write_text(PAGE)
    (tmp_path / "build-cross/arm64/line").write_text("arm64       ok  4,000 bytes (x: 1)  -\n")
    return tmp_path


def test_table_has_new_rows_and_keeps_those_of_targets_that_failed_or_did_not_run(tree):
    (tree / "build-cross/mips/log").write_text("error\n")  # of a run that failed
    done = subprocess.run([str(tree / "cross/document")], capture_output=True, text=True,
                          timeout=20, check=True)
    assert (tree / "docs/PLATFORMS.md").read_text() == """before
<!-- table: written by a script -->
| target | what it is | size | memory |
|---|---|---:|---:|
| `arm64` | arm64: what & how | 4,000 bytes (x: 1) | - |
| `armhf` | as it was | 3,000 bytes | 3.0 MB RSS |
| `mips` | as it was | 2,000 bytes | 2.0 MB RSS |
<!-- end of the table -->
| `mips` | of another table | behind it |
"""
    assert done.stderr.splitlines() == [
        "armhf: no run that went well; its row stays as it was",
        "mips: no run that went well; its row stays as it was",
        "new: no run that went well; it has no row"]


def lib(script, **env):
    return ["sh", "-euc", f'top={ROOT}; . "$top/scripts/lib.sh"; . "$top/cross/lib.sh"\n{script}'], \
        dict(os.environ, **env)


def test_second_run_says_that_it_waits_and_begins_when_the_first_is_done(tmp_path):
    lock, go = tmp_path / "some/where.lock", tmp_path / "go"
    argv, env = lib(f"""
what=all lock=mine
work() {{ echo "begin $what $lock"; until [ -e {go} ]; do sleep 0.05; done; sleep 30 & echo $!; }}
locked {lock} "does the same" work""")
    out = tmp_path / "out"
    with open(out, "w", encoding="ascii") as sink, \
            subprocess.Popen(argv, env=env, stdout=sink, stderr=sink) as first:
        until("the first has begun", lambda: out.read_text() == "begin all mine\n")
        argv, env = lib(f"locked {lock} 'does the same' echo mine")
        with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) as second:
            assert "waiting for another run, which does the same" in second.stderr.readline()
            assert second.poll() is None
            go.touch()
            # what the first has left running does not hold it
            assert second.communicate(timeout=20)[0] == "mine\n"
        assert first.wait(20) == 0
    subprocess.run(["kill", out.read_text().split()[-1]], check=True)


@pytest.mark.parametrize("options,says", [("-e", ""), ("+e", "status 7, ")])
def test_command_that_fails_behind_a_lock_has_failed(tmp_path, options, says):
    argv, env = lib(f"""
set {options}
locked {tmp_path}/lock "does it" sh -c "exit 7"
printf 'status %d, ' $?
flock -n {tmp_path}/lock echo free""")
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=20, check=False)
    assert done.stdout == (says and says + "free\n")
    assert done.returncode == (0 if says else 7)


def test_firmware_is_built_by_one_run_at_a_time(tmp_path):
    """scripts/mcu, in a tree whose make only waits."""
    for folder in ("scripts", "cross", "examples"):
        (tmp_path / folder).mkdir()
    shutil.copy(ROOT / "scripts/mcu", tmp_path / "scripts")
    shutil.copy(ROOT / "scripts/lib.sh", tmp_path / "scripts")
    (tmp_path / "scripts/packages").touch()
    (tmp_path / "cross/lib.sh").write_text("debian_source() { source=none; }\n")
    (tmp_path / "bin").mkdir()
    make, go, log = tmp_path / "bin/make", tmp_path / "go", tmp_path / "log"
    make.write_text(f"#!/bin/sh\necho begin >> {log}\nuntil [ -e {go} ]; do sleep 0.05; done\n"
                    f"echo end >> {log}\n")
    make.chmod(0o755)
    env = dict(os.environ, PATH=f"{tmp_path}/bin:{os.environ['PATH']}")
    argv = ["sh", str(tmp_path / "scripts/mcu"), "firmware", "mps2"]
    said = tmp_path / "said"
    with open(said, "w", encoding="ascii") as sink, subprocess.Popen(argv, env=env, stderr=sink) as first, \
            subprocess.Popen(argv, env=env, stderr=sink) as second:
        try:
            until("one builds", log.exists)
            until("the other waits", lambda: "\n" in said.read_text())
        finally:
            go.touch()
        assert (first.wait(20), second.wait(20)) == (0, 0)
    assert "waiting for another run, which builds the firmware" in said.read_text()
    assert log.read_text() == 2 * "begin\nend\n"


@pytest.mark.parametrize("script", ["cross", "demo", "fuzz", "mcu", "small", "test"])
def test_usage_is_the_comment_at_the_top_and_all_of_it(script):
    lines = (ROOT / "scripts" / script).read_text().splitlines()[1:]
    comment = [line[2:] for line in itertools.takewhile(lambda line: line.startswith("#"), lines)
               if not line.startswith("# SPDX")]
    argument = [] if script == "mcu" else ["--help"]
    done = subprocess.run([ROOT / "scripts" / script, *argument], capture_output=True, text=True,
                          timeout=20, check=False)
    assert done.stdout.splitlines() == comment


@pytest.mark.parametrize("lines,mirror", [
    ("", "http://deb.debian.org/debian/"),
    ("http://nearer.example/debian/", "http://nearer.example/debian/"),
    ("cdrom://disc/ http://nearer.example/debian/", "http://nearer.example/debian/"),
])
def test_mirror_is_an_archive_of_debians_own(tmp_path, lines, mirror):
    """apt is asked for what says that it is Debian, not for what has packages for it."""
    apt = tmp_path / "apt-get"
    apt.write_text(f"""#!/bin/sh
[ "$*" = 'indextargets --format $(REPO_URI) Codename: bookworm Origin: Debian Label: Debian' ] ||
    {{ echo http://third-party.example/; exit; }}
printf '%s\\n' {lines}
""")
    apt.chmod(0o755)
    argv, env = lib("mirror", PATH=f"{tmp_path}:{os.environ['PATH']}")
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.strip() == mirror


def test_what_is_fetched_is_signed_whatever_the_machine_allows(tmp_path):
    """A source without Debian's signature is refused, even where the machine's apt would take it."""
    if not shutil.which("apt-get"):
        pytest.skip("no apt-get")
    (tmp_path / "conf").write_text('Acquire::AllowInsecureRepositories "true";\n'
                                   'APT::Get::AllowUnauthenticated "true";\n')
    archive = tmp_path / "archive/dists/bookworm"
    archive.mkdir(parents=True)
    (archive / "Release").write_text("Origin: Debian\nSuite: bookworm\nCodename: bookworm\n"
                                     "Date: Thu, 01 Jan 2026 00:00:00 UTC\nComponents: main\n")
    argv, env = lib(f"""
mirror() {{ echo file:{tmp_path}/archive/; }}
state={tmp_path}/apt
mkdir $state
source_line deb-src bookworm > $state/sources.list
private_apt $state amd64 update""", APT_CONFIG=str(tmp_path / "conf"))
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "E: The repository" in done.stderr and "is not signed" in done.stderr, done
