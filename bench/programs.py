# SPDX-License-Identifier: MIT
"""Processes that a benchmark has started, each with a log, all in one folder and ended together."""
import pathlib
import shutil
import socket
import subprocess
import time


class Failure(Exception):
    """Something did not work as a benchmark needs it; the text says what."""


def wait_until(what, probe, seconds=20, interval=0.02):
    """Ask until the probe gives something true, which is returned; no connection means not yet."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            value = probe()
            if value:
                return value
        except OSError:
            pass
        time.sleep(interval)
    raise Failure(f"{what}: not within {seconds} s")


def accepts(address):
    with socket.create_connection(address, 1):
        return True


def output_of(argv):
    """What a program prints that ends by itself, and well."""
    done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False)
    if done.returncode:
        raise Failure(f"{argv[0]}: {done.stderr.strip()}")
    return done.stdout


def find_program(name, *folders):
    """The path of a program, in these folders or on the path; None where there is none."""
    for folder in folders:
        for path in (pathlib.Path(folder) / name, pathlib.Path(folder) / "bin" / name):
            if path.is_file():
                return str(path)
    return shutil.which(name, path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")


class Programs:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.running = []

    def write(self, name, text, mode=0o644):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def log(self, name):
        return self.folder / f"{name}.log"

    def start(self, name, argv, **options):
        with open(self.log(name), "ab") as log:
            options = {"stdin": subprocess.DEVNULL, "stdout": log, **options}
            process = subprocess.Popen([str(a) for a in argv], stderr=log, **options)
        self.running.append(process)
        return process

    def stop(self, processes=None):
        """End these, or all that still run."""
        ending = list(self.running if processes is None else processes)
        for process in ending:
            process.terminate()
        for process in ending:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.running = [process for process in self.running if process not in ending]

    def log_ends(self, lines=8):
        """The last lines of every log that is not empty."""
        parts = []
        for path in sorted(self.folder.glob("*.log")):
            if text := path.read_text(errors="replace").splitlines()[-lines:]:
                parts.append(f"--- {path.name}\n" + "\n".join(text))
        return "\n".join(parts)
