# SPDX-License-Identifier: MIT
"""taupe-relay init below a folder of a test, and the commands that it prints, run as they stand."""
import os
import re
import subprocess

from . import ports
from .process import BUILD, Process, binary

PATH = {"PATH": f"{BUILD}:{os.environ['PATH']}:/usr/sbin"}
DOMAIN = "try.localhost"  # its names are this machine's, for agents and curl alike


class FirstRun:
    def __init__(self, group, *options, relays=2, folder=None, prefix=()):
        """folder: where, if not in the group's own; prefix: what commands are run by, as they see it there."""
        self.group, self.root, self.prefix = group, (folder or group.folder) / "i", list(prefix)
        self.http, self.https, self.redis = (ports.take() for _ in range(3))
        block = ports.take_block()
        public = ports.take_block()
        self.options = [
            "--root", str(self.root), "--http-listen", f"127.0.0.1:{self.http}",
            "--https-listen", f"127.0.0.1:{self.https}", "--redis-port", str(self.redis),
            "--admin-port", str(block + 1), "--agent-port", str(block + 10),
            "--service-ports", f"{block + 20}-{block + 59}",
            "--public-ports", f"{public}-{public + 9}", *options]
        if "--stand-alone" not in options:
            self.options += ["--relays", str(relays)]

    def init(self, *more, domain=DOMAIN, stdin=subprocess.DEVNULL):
        return subprocess.run([*self.prefix, binary("taupe-relay"), "init", domain, *self.options, *more],
                              stdin=stdin, capture_output=True, text=True, timeout=30, check=False)

    @staticmethod
    def commands(done):
        """What comes next, as it was printed."""
        assert done.returncode == 0, done.stderr
        return [line.strip() for line in done.stdout.splitlines() if line.startswith("    ")]

    def run(self, commands):
        """One after the other; those with & stay. What the others have printed."""
        said = []
        for command in commands:
            if command.endswith(" &"):
                name = re.sub(r".*/(.*)\.(ini|conf|cfg) &$", r"\1", command)
                Process(self.group, name, [*self.prefix, "bash", "-c", "exec " + command[:-2]],
                        env=PATH, ends=(0, 143, -15))
            else:
                said.append(self.ask(command))
        return said

    def ask(self, command):
        done = subprocess.run([*self.prefix, "bash", "-c", command], env={**os.environ, **PATH}, text=True,
                              capture_output=True, timeout=30, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def find(self, name):
        """A file that was written, wherever this build has its folders."""
        found = [path for path in self.root.rglob(name) if path.is_file()]
        assert len(found) == 1, f"{name}: {found}"
        return found[0]
