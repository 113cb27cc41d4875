# SPDX-License-Identifier: MIT
"""What stands in a process' memory: every byte that it could leave in a core."""
import pathlib
import re

PIECE = 1 << 22
MAPPING = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \d+ *(.*)$")
# The sanitizers' shadow is terabytes of nothing, and holds no data.
LARGEST = 1 << 34


def regions(pid):
    """Those with pages in them: begin, end."""
    found = None
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if match := MAPPING.match(line):
            found = (int(match[1], 16), int(match[2], 16), match[3], match[4])
        elif line.startswith("Rss:") and found and int(line.split()[1]) > 0:
            begin, end, rights, name = found
            if rights.startswith("r") and name != "[vvar]" and end - begin < LARGEST:
                yield begin, end


def places_of(pid, needle):
    """The addresses at which these bytes stand."""
    places = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for begin, end in regions(pid):
            rest = b""
            for at in range(begin, end, PIECE):
                try:
                    memory.seek(at)
                    data = rest + memory.read(min(PIECE, end - at))
                except OSError:
                    break  # unmapped meanwhile, or nobody's to read
                base, found = at - len(rest), data.find(needle)
                while found >= 0:
                    places.append(base + found)
                    found = data.find(needle, found + 1)
                rest = data[-(len(needle) - 1):]
    return sorted(set(places))
