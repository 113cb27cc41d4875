# SPDX-License-Identifier: MIT
"""A device whose system is BusyBox: its init is process 1 of a process namespace, and what it sees
is a root folder with BusyBox, the agent, the libraries that these two want, and nothing else. The
network is ours."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from .process import Process, binary
from .wait import until

DEVICES = ("null", "zero", "random", "urandom")
# $0: the root
BEGIN = ('mount --make-rprivate / && mount -t proc proc "$0/proc" && '
         'for device in ' + " ".join(DEVICES) + '; do '
         'mount --bind "/dev/$device" "$0/dev/$device" || exit; done && '
         'exec chroot "$0" /bin/busybox init')


def need_busybox_root():
    # who names the agent of a device wants to see it run
    cannot = pytest.fail if os.environ.get("TAUPE_DEVICE_AGENT") else pytest.skip
    if not shutil.which("busybox"):
        cannot("no busybox")
    if subprocess.run(["unshare", "-mpf", "true"], check=False, capture_output=True).returncode:
        cannot("needs root for namespaces")


def libraries(program):
    """The files that a program is linked to, its loader among them."""
    done = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    return re.findall(r"(/\S+) \(0x", done.stdout)


class Init(Process):
    def stop(self, *_args, **_kwargs):
        """unshare waits for init, whatever it is told; without it init ends, and all with init."""
        self.kill()


class BusyboxRoot:
    def __init__(self, group, inittab="", files=None, agent=None):
        """files: path → text or a file of ours (pathlib.Path); agent: what runs the agent, instead
        of the build's: ["qemu-mipsel-static", "/a/file"]."""
        self.group = group
        self.root = group.folder / "root"
        self.name_of_agent = "emulator" if agent else "taupe-agent"  # as ps and killall have it
        for folder in ("bin", "proc", "dev", "tmp", "etc/init.d", "usr/sbin", "usr/bin", "usr/lib",
                       "var/run"):
            (self.root / folder).mkdir(parents=True)
        for device in DEVICES:
            (self.root / "dev" / device).touch()
        self.take("/bin/busybox", shutil.which("busybox"))
        applets = subprocess.run(["busybox", "--list"], capture_output=True, text=True,
                                 check=True).stdout.split()
        for applet in applets:
            if applet != "busybox":
                (self.root / "bin" / applet).symlink_to("busybox")
        self.take_agent(agent)
        self.write({
            "/etc/passwd": "root:x:0:0:root:/:/bin/sh\ntaupe:x:431:431::/:/bin/false\n",
            "/etc/group": "root:x:0:\ntaupe:x:431:\n",
            "/etc/inittab": inittab or "::sysinit:/bin/true\n", **(files or {})})
        self.reports = self.root / "tmp/reports"
        self.reports.mkdir(mode=0o777)
        self.reports.chmod(0o777)
        group.checks.append(self.sanitizers)
        self.init = self.env = None

    def at(self, path):
        return self.root / str(path).lstrip("/")

    def write(self, files):
        for name, what in files.items():
            path = self.at(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            text = what.read_text() if isinstance(what, pathlib.Path) else what
            path.write_text(text)
            if text.startswith("#!"):
                path.chmod(0o755)

    def take(self, name, program):
        """Copy a program, and the libraries that it wants, to where it finds them."""
        shutil.copy(program, self.at(name))
        for library in libraries(program):
            place = self.at(library)
            if not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(library, place)

    def take_agent(self, agent):
        if not agent:
            self.take("/usr/sbin/taupe-agent", binary("taupe-agent"))
            return
        self.take("/usr/bin/emulator", shutil.which(agent[0]))
        shutil.copy(agent[-1], self.at("/usr/lib/taupe-agent"))
        self.write({"/usr/sbin/taupe-agent": "#!/bin/sh\nexec /usr/bin/emulator " +
                    " ".join(agent[1:-1]) + ' /usr/lib/taupe-agent "$@"\n'})

    def sanitizers(self):
        return [report.read_text() for report in self.reports.iterdir()]

    def start(self):
        env = {"ASAN_OPTIONS": "log_path=/tmp/reports/asan:exitcode=99:detect_leaks=0",
               "UBSAN_OPTIONS": "log_path=/tmp/reports/ubsan", "PATH": "/bin:/usr/sbin:/usr/bin"}
        init = Init(self.group, "init", [
            shutil.which("unshare"), "-mpf", "--kill-child", shutil.which("sh"), "-c",
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin; " + BEGIN, str(self.root)], env=env)

        def child():
            tasks = pathlib.Path(f"/proc/{init.pid}/task/{init.pid}/children").read_text().split()
            return tasks and "busybox" in os.readlink(f"/proc/{tasks[0]}/exe") and tasks[0]
        self.init = until("init runs", child)
        # what is started in there has init's own environment
        self.env = env

    def run(self, *argv, check=True):
        """Run a command in there, to its end."""
        done = subprocess.run(["nsenter", "-t", self.init, "-m", "-p", "-r", "-w", *argv],
                              capture_output=True, text=True, timeout=120, check=False,
                              env=self.env)
        assert not check or done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done

    def agents(self):
        """The agents that run in there, by their numbers in there."""
        found = []
        for line in self.run("ps", "-o", "pid,comm,args").stdout.splitlines():
            words = line.split()
            if len(words) > 2 and "taupe-agent" in " ".join(words[1:]) and \
                    words[1] not in ("sh", "ps", "logger") and words[2] != "sh":
                found.append(int(words[0]))
        return found
