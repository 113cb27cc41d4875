# SPDX-License-Identifier: MIT
"""The firmware of examples/mcu-lwip in QEMU, with a cable that can be pulled."""
import functools
import re
import socket
import subprocess

from .process import ROOT, Process

EXAMPLE = ROOT / "examples" / "mcu-lwip"


@functools.lru_cache
def build(board):
    subprocess.run([ROOT / "scripts" / "mcu", "firmware", board], check=True,
                   stdout=subprocess.DEVNULL)


class Firmware:
    def __init__(self, group, device, relays, board="mps2", number=1):
        """relays: the ports on this machine's loopback"""
        build(board)
        self.group, self.board = group, board
        self.settings = group.folder / f"{device.name}.settings"
        lines = [f"name={device.name}", f"secret={device.secret}", f"mac=0200000000{number:02x}"]
        lines += [f"relay=ws://10.0.2.2:{port}" for port in relays]
        self.settings.write_text("\n".join(lines) + "\n")
        self.settings.chmod(0o600)
        self.monitor_path = group.folder / f"{device.name}.monitor"
        self.process = Process(group, f"firmware-{device.name}", [
            str(EXAMPLE / "run"), board, str(self.settings),
            "-monitor", f"unix:{self.monitor_path},server=on,wait=off"], ends=(0, -15))

    def wait_up(self, count=1, timeout=20):
        self.process.wait_line("tunnel: up", count=count, timeout=timeout)
        return self

    def ask(self, command):
        """One command of QEMU's monitor."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(10)
            sock.connect(str(self.monitor_path))
            text = b""
            for line in (None, command):
                if line:
                    sock.sendall(line.encode() + b"\n")
                while not text.endswith(b"(qemu) "):
                    text += sock.recv(65536)
                text = text[:-1]
            return text.decode()

    def pull_cable(self):
        self.ask("set_link cable off")

    def plug_cable_in(self):
        self.ask("set_link cable on")

    def stack_used(self):
        return int(re.findall(r"most stack used so far, bytes: (\d+)", self.process.text())[-1])

    def wait_text(self, *needles, count=1, timeout=20):
        return self.process.wait_line(*needles, count=count, timeout=timeout)


