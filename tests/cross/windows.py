# SPDX-License-Identifier: MIT
"""A Windows (Wine) of a test's own: TAUPE_AGENT is "…/cross/wine PREFIX PROGRAM"."""
import base64
import contextlib
import hashlib
import os
import pathlib
import shlex
import shutil
import struct
import subprocess

PATIENCE = 90  # seconds
ROOTS = r"HKEY_LOCAL_MACHINE\Software\Microsoft\SystemCertificates\Root\Certificates"
CERTIFICATE_ITSELF = 32  # CERT_CERT_PROP_ID


@contextlib.contextmanager
def stays_on():
    """With its last program Wine's Windows is shut down, its services with it, and begins anew with
    the next: a machine that stays on has somebody waiting at its console."""
    runner, prefix, _ = shlex.split(os.environ["TAUPE_AGENT"])
    # while it goes down, a second one would come up beside it
    subprocess.run(["wineserver", "-w"], env=dict(os.environ, WINEPREFIX=prefix), check=True,
                   timeout=PATIENCE)
    with subprocess.Popen([runner, prefix, "cmd"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as console:
        assert console.stdout.read(1)  # its prompt: it is up
        yield
        console.communicate(b"exit\r\n", PATIENCE)


class Windows:
    def __init__(self, group):
        self.group = group
        runner, prefix, self.program = shlex.split(os.environ["TAUPE_AGENT"])
        self.wrapper = [runner, prefix]
        self.prefix = pathlib.Path(prefix)
        self.folder = self.prefix / "drive_c/ProgramData/taupe"
        self.config = self.folder / "agent.ini"
        self.log = self.folder / "agent.log"
        self.state = self.folder / "agent.state"
        self.remove_files()
        group.exits.callback(self.remove_files)

    def remove_files(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, *arguments, program=None, check=None, typed=""):
        """Run a program to its end."""
        done = subprocess.run([*self.wrapper, program or self.program, *map(str, arguments)],
                              input=typed, capture_output=True, text=True,
                              timeout=PATIENCE, check=False)
        if check is not None:
            assert done.returncode == check, (done.returncode, done.stdout, done.stderr)
        return done

    def service(self, *arguments, check=0):
        return self.run("--service", *arguments, check=check)

    def write_config(self, text, folder=None):
        """As an administrator does it in an editor: with Windows' ends of lines."""
        path = (folder or self.folder) / "agent.ini"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.replace("\n", "\r\n").encode())
        return path

    def log_text(self):
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""

    def trust(self, ca):
        """Put an authority into the machine's store, as its administrator does."""
        der = base64.b64decode("".join(line for line in ca.read_text().splitlines()
                                       if not line.startswith("-")))
        blob = struct.pack("<III", CERTIFICATE_ITSELF, 1, len(der)) + der
        key = f"{ROOTS}\\{hashlib.sha1(der).hexdigest().upper()}"
        script = self.group.folder / "trust.reg"

        def load(text):
            script.write_text("REGEDIT4\r\n\r\n" + text, encoding="ascii")
            self.run("/S", script, program="regedit", check=0)
        load(f'[{key}]\r\n"Blob"=hex:{",".join(f"{byte:02x}" for byte in blob)}\r\n')
        self.group.exits.callback(load, f"[-{key}]\r\n")
