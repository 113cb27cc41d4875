# SPDX-License-Identifier: MIT
"""A fresh Debian in a folder, with namespaces of its own for network, processes and mounts, and as
much of systemctl as docs name: no systemd runs there, but what its units say is done. TAUPE_PACKAGES names a
folder of packages that are built already, TAUPE_DEBIAN_ROOT a root that is filled already; it is
copied."""
import os
import pathlib
import re
import shlex
import shutil
import subprocess

from .process import ROOT
from .wait import until

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# What the commands would fetch: there is no network once they run.
FETCHED = ("haproxy", "redis-server", "curl", "busybox", "ca-certificates", "systemd")


def run(*argv, timeout=600, **kwargs):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=timeout, check=False, **kwargs)
    assert done.returncode == 0, f"{' '.join(map(str, argv))}: {done.returncode}\n{done.stdout}"
    return done.stdout


def build_packages(folder):
    built = os.environ.get("TAUPE_PACKAGES")
    if built is None:
        run(str(ROOT / "scripts/package"), str(folder), timeout=1800)
        built = folder
    return [path for path in pathlib.Path(built).glob("*.deb") if "-dbgsym_" not in path.name]


def needed_by(packages):
    """The packages of Debian's that ours depend on."""
    words = {word.strip() for path in packages
             for word in run("dpkg-deb", "-f", str(path), "Depends").split(",")}
    return sorted(word for word in words if word and not re.match(r"(lib)?taupe", word))


def fill(root, packages):
    if filled := os.environ.get("TAUPE_DEBIAN_ROOT"):
        run("cp", "-a", filled, str(root))
        return
    mirror = run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Codename: bookworm",
                 "Origin: Debian", "Label: Debian").split()
    include = [re.split(r"[ (|]", word)[0] for word in needed_by(packages)]
    run("mmdebstrap", "--quiet", "--variant=apt", f"--include={','.join((*FETCHED, *include))}",
        "bookworm", str(root), f"deb [signed-by={KEYRING}] "
        f"{mirror[0] if mirror else 'http://deb.debian.org/debian'} bookworm main", timeout=1200)


class BareDebian:
    def __init__(self, folder, packages):
        self.root = folder / "root"
        fill(self.root, packages)
        # what commands find in the folder in which they are
        for path in packages:
            shutil.copy(path, self.root / "root")
        (self.root / "etc/hosts").write_text("127.0.0.1 localhost\n")
        (self.root / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
        (self.root / "usr/sbin/policy-rc.d").chmod(0o755)
        self.logs = folder / "logs"
        self.logs.mkdir()
        self.services = {}
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child",
             f"--mount-proc={self.root}/proc", "sh", "-c",
             'ip link set lo up; mount --rbind /dev "$0/dev" && echo ready && exec sleep infinity',
             str(self.root)], stdout=subprocess.PIPE, text=True)
        assert self.holder.stdout.readline() == "ready\n"
        children = f"/proc/{self.holder.pid}/task/{self.holder.pid}/children"
        self.inside = pathlib.Path(children).read_text().split()[0]

    def close(self):
        for service in self.services.values():
            service.terminate()
        self.holder.kill()
        self.holder.wait()
        for service in self.services.values():
            service.wait()

    def at(self, path):
        return self.root / path.lstrip("/")

    def argv(self, *argv, user="root", groups=()):
        more = [f"--groups={','.join(groups)}"] if groups else []
        return ["nsenter", "--target", self.inside, "--mount", "--net", "--pid", "chroot",
                f"--userspec={user}", *more, str(self.root), *argv]

    ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8",
                   "DEBIAN_FRONTEND": "noninteractive"}

    def shell(self, command, typed=""):
        """What it says; it must not fail."""
        if command.startswith("systemctl "):
            return self.systemctl(*shlex.split(command)[1:])
        done = subprocess.run(
            self.argv("bash", "-c", f"cd /root && {command}"), input=typed, text=True, timeout=300,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self.ENVIRONMENT, check=False)
        assert done.returncode == 0, f"$ {command}\n{done.stdout}\n{self.log_text()}"
        return done.stdout

    def log_text(self):
        return "".join(f"--- {path.name}\n{path.read_text(errors='replace')[-3000:]}\n"
                       for path in sorted(self.logs.iterdir()))

    # ---- systemd's part ----

    def systemctl(self, verb, *words):
        units = [word for word in words if not word.startswith("--")]
        if verb == "daemon-reload":
            return ""
        if verb == "enable" and "--now" not in words:
            for unit in units:
                self.unit_of(unit)  # it is there
            return ""
        for unit in units:
            if verb == "reload":
                self.reload(unit)
                continue
            assert verb in ("enable", "restart"), verb
            if verb == "restart":
                self.stop(unit)
            self.start(unit)
        return ""

    def unit_of(self, name):
        """All lines of the unit and its drop-ins, with its instance filled in."""
        template, _, instance = name.partition("@")
        file = f"{template}@.service" if instance else f"{template}.service"
        path = self.at(f"/lib/systemd/system/{file}")
        assert path.is_file(), f"there is no unit {file}"
        texts = [path.read_text()]
        for drop_in in sorted(self.at(f"/etc/systemd/system/{file}.d").glob("*.conf")):
            texts.append(drop_in.read_text())
        pairs = re.findall(r"^(\w+)=(.*)$", "\n".join(texts).replace("%i", instance), re.MULTILINE)
        unit = {}
        for key, value in pairs:
            unit.setdefault(key, []).append(value)
        return unit

    def environment_of(self, unit):
        found = {}
        for line in unit.get("Environment", []):
            found.update(word.split("=", 1) for word in shlex.split(line))
        for name in unit.get("EnvironmentFile", []):
            path = self.at(name.lstrip("-"))
            assert path.is_file() or name.startswith("-"), name
            if path.is_file():
                found.update(re.findall(r"^(\w+)=\"?(.*?)\"?$", path.read_text(), re.MULTILINE))
        return found

    def make_folders(self, unit, user):
        self.shell("systemd-tmpfiles --create 2>/dev/null || true")
        for key, parent in (("RuntimeDirectory", "/run"), ("StateDirectory", "/var/lib")):
            for name in unit.get(key, []):
                self.shell(f"install -d -o {user} -g {user} {parent}/{name}")

    def start(self, name):
        unit = self.unit_of(name)
        user = unit.get("User", ["root"])[0]
        self.make_folders(unit, user)
        environment = self.environment_of(unit)
        words = [environment.get(word[1:], "") if word.startswith("$") else word
                 for word in unit["ExecStart"][-1].split()]
        words = [part for word in words for part in word.split()]
        umask = unit.get("UMask", ["0022"])[0]
        groups = [group for line in unit.get("SupplementaryGroups", []) for group in line.split()]
        script = f"umask {umask}; exec {shlex.join(words)}"

        def launch():
            with open(self.logs / f"{name}.log", "ab") as log:
                self.services[name] = subprocess.Popen(
                    self.argv("sh", "-c", script, user=f"{user}:{user}", groups=groups),
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    env={**self.ENVIRONMENT, **environment})

        launch()
        if unit.get("Restart"):  # as systemd does; who types is slower than who starts
            until(f"{name} stays", lambda: self.is_up(name) or launch(), 20, interval=0.5)

    def is_up(self, name):
        try:
            return self.services[name].wait(timeout=0.5) is None
        except subprocess.TimeoutExpired:
            return True

    def stop(self, name):
        if name in self.services:
            self.signal(name, "TERM")
            self.services.pop(name).wait(timeout=20)

    def signal(self, name, signal):
        """nsenter waits for the service, which is its child."""
        pid = self.services[name].pid
        child = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]
        subprocess.run(["kill", f"-{signal}", child], check=True)

    def reload(self, name):
        """By the signal that its ExecReload sends."""
        sent = re.search(r"kill -(\w+) \$MAINPID", self.unit_of(name)["ExecReload"][-1])
        self.signal(name, sent.group(1))
