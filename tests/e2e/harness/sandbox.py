# SPDX-License-Identifier: MIT
"""A unit's sandbox without systemd, as far as the kernel gives it to who asks: user and rights, a
file system to be read only, a small /proc, no system call and no family of sockets but those that
the unit names. A directive that is in no list here is an error, so that none is added unseen.

As a program: sandbox.py PLAN argv… runs argv under the system call filter of the plan (JSON)."""
import ctypes
import functools
import json
import os
import pathlib
import socket
import subprocess
import sys

# What is done here, and what only systemd does, or what is about something else.
DONE = {"AmbientCapabilities", "CapabilityBoundingSet", "MemoryDenyWriteExecute",
        "NoNewPrivileges", "ProcSubset", "ProtectProc", "ProtectSystem", "RestrictAddressFamilies",
        "RestrictNamespaces", "SystemCallErrorNumber", "SystemCallFilter", "UMask", "User",
        "Group", "StateDirectory"}
LEFT = {"LockPersonality", "PrivateDevices", "PrivateTmp", "ProtectClock", "ProtectControlGroups",
        "ProtectHome", "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules",
        "ProtectKernelTunables", "RemoveIPC", "RestrictRealtime",
        "RestrictSUIDSGID", "StateDirectoryMode", "SystemCallArchitectures"}
LIFE = {"ExecReload", "ExecStart", "LimitNOFILE", "Restart", "RestartPreventExitStatus",
        "RestartSec", "TimeoutStopSec"}
PR_SET_MDWE, ALLOW, EPERM_ACTION, COMPARE_EQUAL = 65, 0x7FFF0000, 0x00050001, 4


def service_section(unit):
    """Directive → its values, in order."""
    found, section = {}, None
    for line in pathlib.Path(unit).read_text().splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and line and line[0] not in "#;":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


@functools.cache
def filter_sets():
    """systemd's names for sets of system calls: @set → its members, sets among them."""
    text = subprocess.run(["systemd-analyze", "--no-pager", "syscall-filter"],
                          capture_output=True, text=True, check=True).stdout
    found = {}
    for line in text.splitlines():
        if line.startswith("@"):
            members = found[line.strip()] = []
        elif line.startswith(" ") and not line.strip().startswith("#"):
            members.append(line.strip())
    return found


def expand(names):
    """The system calls of a list like "@system-service"."""
    calls = set()
    for name in names:
        calls |= expand(filter_sets()[name]) if name.startswith("@") else {name}
    return calls


def plan_of(directives, state):
    allowed = set()
    for value in directives["SystemCallFilter"]:
        if value.startswith("~"):
            allowed -= expand(value[1:].split())
        else:
            allowed |= expand(value.split())
    assert directives["SystemCallErrorNumber"] == ["EPERM"]
    assert directives["RestrictNamespaces"] == ["yes"]
    return {"state": str(state), "calls": sorted(allowed - {"socket", "unshare", "setns"}),
            "families": [int(getattr(socket, name))
                         for name in directives["RestrictAddressFamilies"][0].split()]}


class Sandbox:
    """A wrapper for the programs of one unit; what they write is in `state`."""

    def __init__(self, unit, folder, user):
        directives = service_section(unit)
        unknown = directives.keys() - DONE - LEFT - LIFE
        assert not unknown, f"{unit}: {unknown} is not known to harness/sandbox.py"
        assert directives["ProtectSystem"] == ["strict"] and directives["ProcSubset"] == ["pid"]
        folder.mkdir(mode=0o755)
        self.state = folder / "state"
        self.state.mkdir(mode=0o750)
        os.chown(self.state, user.pw_uid, user.pw_gid)
        plan = folder / "plan.json"
        plan.write_text(json.dumps(plan_of(directives, self.state)))
        bounds = directives["CapabilityBoundingSet"][0].split()
        ambient = directives.get("AmbientCapabilities", [""])[0].split()

        def rights(names):
            return ",".join(["-all", *("+" + name.removeprefix("CAP_").lower() for name in names)])
        mounts = ('mount --make-rprivate / && mount --bind "$0" "$0" && '
                  "mount -o bind,remount,ro / && "
                  "mount -t proc -o subset=pid,hidepid=invisible proc /proc && "
                  f'umask {directives["UMask"][0]} && exec "$@"')
        # the right that is asked for must be inheritable before it can be ambient
        self.wrapper = ["unshare", "-m", "sh", "-c", mounts, str(self.state),
                        "setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}",
                        "--clear-groups", "--no-new-privs", f"--bounding-set={rights(bounds)}",
                        f"--inh-caps={rights(ambient)}", f"--ambient-caps={rights(ambient)}",
                        sys.executable, str(pathlib.Path(__file__).resolve()), str(plan)]


def restrict(plan):
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    filter_ = ctypes.c_void_p(library.seccomp_init(EPERM_ACTION))

    class Compare(ctypes.Structure):
        _fields_ = [("argument", ctypes.c_uint), ("how", ctypes.c_int), ("a", ctypes.c_uint64),
                    ("b", ctypes.c_uint64)]

    def number(name):
        return library.seccomp_syscall_resolve_name(name.encode())

    def add(name, *compare):
        rules = (Compare * len(compare))(*compare)
        # a name that this kernel's architecture does not have is no rule
        if number(name) != -1:
            failed = library.seccomp_rule_add_array(filter_, ALLOW, number(name), len(compare),
                                                    rules)
            assert failed == 0, f"{name}: {failed}"
    for name in plan["calls"]:
        add(name)
    for family in plan["families"]:
        add("socket", Compare(0, COMPARE_EQUAL, family, 0))
    ctypes.CDLL(None).prctl(PR_SET_MDWE, 1, 0, 0, 0)  # unknown to older kernels
    assert library.seccomp_load(filter_) == 0


if __name__ == "__main__":
    what = json.loads(pathlib.Path(sys.argv[1]).read_text())
    restrict(what)
    # a sanitizer can write there alone, and looks for leaks with ptrace(2)
    for options in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
        os.environ[options] = (os.environ.get(options, "") +
                               f":log_path={what['state']}/sanitizer:detect_leaks=0").lstrip(":")
    os.execvp(sys.argv[2], sys.argv[2:])
