# SPDX-License-Identifier: MIT
"""What a program has resident, even inside qemu-user: qemu maps the program's address space into
its own, from "-B BEGIN" on and so long as "-R BYTES" says, or 4 GiB for 32 bits. What is resident
there is the program's: its code, data, heap and stack. The emulator and what it has translated lie
elsewhere. Without -B the program is this machine's own, and all that it has counts."""
import pathlib
import re

MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) ")


def address_space(command):
    """Where in the process of that command the program's addresses are."""
    if "-B" not in command:
        return 0, 1 << 64
    begin = int(command[command.index("-B") + 1], 0)
    size = int(command[command.index("-R") + 1], 0) if "-R" in command else 1 << 32
    return begin, begin + size


def resident_kib(pid, command):
    first, last = address_space(command)
    total, inside = 0, False
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if match := MAPPING.match(line):
            inside = first <= int(match[1], 16) < last
        elif inside and line.startswith("Rss:"):
            total += int(line.split()[1])
    return total
