# SPDX-License-Identifier: MIT
"""What a fleet of agents costs a relay, or several, with Redis, HAProxy and the router in the loop:

    bench/fleet_run BUILD_DIR [--agents N] [--relays N] [--runs N] [--rest SECONDS] [--json FILE]
                    [--quick]

In a network namespace of its own. bench/fleet/fleet grows in steps to N agents, each with an
address and an http service of its own; then they rest; then the relays are killed and started again
at once, and the agents come back by libtaupe's own delays; where there are several relays, the same
is done to one of them. An agent is two open files at its relay and one in the fleet: there are as
many processes of the fleet as the limit of open files asks for, and, unless --relays says how many,
as many relays, and one more, so that the others have room for the agents of one. The relays share
the processors of one machine, and Redis goes before them all.

What is said of each step, of all relays together:

    connect/s     agents from "begin" to their welcome, over the whole step
    bytes/agent   private memory of the relays, more than they had without agents; each: for those
                  that came after the first step, which leaves the room of a storm in the heap too
    cpu us/agent  processor time of each program for one agent that connects
    redis/agent   commands that Redis has had for one agent that connects
    map ms        from an agent's welcome until a visitor gets through HAProxy to it, for a sample
"""
import argparse
import contextlib
import pathlib
import resource
import signal
import subprocess
import sys
import tempfile

from .. import machine, results
from ..programs import Failure
from .phases import Bench, grow, recover_all, rest, weigh
from .rows import Rows, say

DESCRIPTORS = 1048576
SPARE = 200  # of them, for everything else
AGENTS, QUICK_AGENTS = 100000, 10000
TLS_AGENTS = 10000  # the fleet, too, needs memory for each connection
# max_handshakes: of one relay as it is by itself; of several so many that they find files.
HANDSHAKES, SHARED_HANDSHAKES = 10000, 1000
RELAYS_MAX = 64  # so many know each other
QUICK, FULL = {"runs": 1, "rest": 10}, {"runs": 3, "rest": 60}


def parse_arguments():
    parser = argparse.ArgumentParser(prog="bench/fleet_run", description=__doc__, formatter_class=
                                     argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("--agents", type=int)
    parser.add_argument("--relays", type=int)
    parser.add_argument("--runs", type=int, help="how often relays are killed (3)")
    parser.add_argument("--rest", type=float, help="seconds at rest (60)")
    parser.add_argument("--window", type=int, default=1000,
                        help="agents that may be on their first way at once")
    parser.add_argument("--relay-arg", action="append", default=[], metavar="ARG",
                        help="one more argument of taupe-relay, as --relay-arg=--max-handshakes=9")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--keep", type=pathlib.Path, help="folder for the logs")
    parser.add_argument("--quick", action="store_true",
                        help="10,000 agents, a short rest, one kill, no pauses between")
    return parser.parse_args()


def most_files():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(ValueError):  # where that is not ours to decide
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
        hard = DESCRIPTORS
    return hard - SPARE


def handshakes(relays):
    return HANDSHAKES if relays == 1 else SHARED_HANDSHAKES


def room(files, relays):
    """How many agents one of so many relays can have: a connection and a listener each. Several
    are full before those at the door find no more files."""
    return (files - (handshakes(relays) if relays > 1 else 0)) // 2


def relays_for(agents, files):
    """One, or so many that the others have room for the agents of one."""
    if agents <= room(files, 1):
        return 1
    return next((n for n in range(2, RELAYS_MAX + 1) if room(files, n) * (n - 1) >= agents),
                RELAYS_MAX)


def fill_in(args):
    """What was not said, and how everything is dealt out."""
    files = most_files()
    for name, value in (QUICK if args.quick else FULL).items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    if args.agents is None:
        most = room(files, args.relays or 1) * (args.relays or 1)
        args.agents = min(most, QUICK_AGENTS if args.quick else AGENTS)
    if args.relays is None:
        args.relays = relays_for(args.agents, files)
    if not 1 <= args.relays <= RELAYS_MAX:
        raise Failure(f"{args.relays} relays: 1 to {RELAYS_MAX} can be")
    args.capacity = room(files, args.relays)
    if args.agents > args.capacity * args.relays:
        raise Failure(f"the limit of open files allows {args.capacity} agents at a relay, and it "
                      "could not be raised (that takes CAP_SYS_RESOURCE)")
    args.handshakes = handshakes(args.relays)
    # some relays are a door to nobody: their agents are all sent to them
    args.parts = max(-(-args.agents // files), (args.relays + 1) // 2)
    say(f"{args.agents} agents in {args.parts} processes; {args.relays} relays, each with room for "
        f"{args.capacity} under the limit of open files")


def steps_to(agents):
    return [n for n in (1000, 3000, 10000, 30000) if n < agents] + [agents]


def measure(args, rows, folder):
    with Bench(args, rows, folder, args.agents) as bench:
        grow(bench, steps_to(args.agents))
        weigh(bench)
        rest(bench)
        recover_all(bench)


def has_tls(build):
    """Can agents speak TLS with the relay itself?"""
    return "--tls-certificate" in subprocess.run(
        [build / "taupe-relay", "--help"], capture_output=True, text=True, check=True).stdout


def measure_tls(args, rows, folder):
    agents = min(args.agents, TLS_AGENTS)
    say("with TLS at the relay:")
    with Bench(args, rows, folder, agents, tls=True) as bench:
        grow(bench, steps_to(agents))


def run(args):
    rows = Rows(args.agents, args.relays)
    parts = {"plain": measure}
    if args.relays == 1 and has_tls(args.build):
        parts["tls"] = measure_tls
    with tempfile.TemporaryDirectory() as temporary:
        try:
            for part, do in parts.items():
                folder = (args.keep or pathlib.Path(temporary)).resolve() / part
                folder.mkdir(parents=True)
                do(args, rows, folder)
        finally:  # what was measured until then
            if args.json is not None:
                results.save(args.json, rows.as_list())


def main():
    args = parse_arguments()
    machine.enter_private_network("cubic", sys.argv[0])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # in order: all that was started ends
    try:
        fill_in(args)
        run(args)
    except Failure as failure:
        sys.exit(f"bench/fleet_run: {failure}")
