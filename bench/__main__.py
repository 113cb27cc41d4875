# SPDX-License-Identifier: MIT
"""Measures taupe beside other tunnels, between runs of two plain HAProxy hops."""
import argparse
import contextlib
import os
import pathlib
import platform
import signal
import sys
import tempfile

from . import (cluster, document, floors, idle, machine, measures, memory, ours, parts, peers,
               results, sweep, tables)
from .programs import Failure, Programs
from .rounds import Rounds
from .services import Services
from .setups import REFERENCES, SETUPS, Missing, Site

TOP = pathlib.Path(__file__).resolve().parent.parent
ENTERED = (cluster, floors, idle, memory, ours, peers)  # these enter their setups and measures
ALL = {"systems": list(SETUPS), "rounds": 5, "duration": 3, "patience": 1200}
SWEEP = {"systems": sweep.SYSTEMS, "rounds": 3, "duration": 2, "patience": 300}
QUICK = {"systems": ["hap2", "taupe"], "rounds": 1, "duration": 2, "patience": 15}


def names(text):
    return [name for name in text.split(",") if name]


def parse_arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=TOP / "build-bench",
                        help="folder with the programs to measure")
    parser.add_argument("--systems", type=names, help="some of: " + ", ".join(SETUPS))
    parser.add_argument("--metrics", type=names,
                        help="some of: " + ", ".join(measures.METRICS))
    parser.add_argument("--rounds", type=int, help="how often each is measured (5)")
    parser.add_argument("--duration", type=int, help="seconds of one run (3)")
    parser.add_argument("--patience", type=int,
                        help="seconds in all to wait and repeat while others use the machine "
                        "(1200)")
    parser.add_argument("--congestion", default="cubic",
                        help="congestion control of all connections: cubic, bbr, reno")
    parser.add_argument("--quick", action="store_true", help="the short form, two minutes")
    parser.add_argument("--sweep", action="store_true",
                        help="measure at growing numbers of visitors and agents instead")
    parser.add_argument("--document", action="store_true",
                        help="measure nothing; bring docs/PERFORMANCE.md up to date with "
                        "bench/results")
    parser.add_argument("--json", type=pathlib.Path,
                        help="where the rows go, beside those of other systems and metrics there; "
                        "a file in bench/results if all is measured")
    args = parser.parse_args()
    for given, known in ((args.systems or [], SETUPS), (args.metrics or [], measures.METRICS)):
        for name in given:
            if name not in known:
                parser.error(f"{name}: not one of {', '.join(known)}")
    fill_in(args)
    return args


def fill_in(args):
    """What was not said."""
    if not (args.json or args.systems or args.metrics or args.quick):
        args.json = document.SWEEP if args.sweep else document.LATEST
    for name, value in (SWEEP if args.sweep else QUICK if args.quick else ALL).items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    args.build = args.build.resolve()


def tell(line):
    print(f"== {line}", file=sys.stderr, flush=True)


def start_setups(site, keys, started):
    """Those that can be started, and the references that they need."""
    setups = {}
    needed = [REFERENCES[tls] for tls in (False, True) if any(SETUPS[k].tls == tls for k in keys)]
    for key in dict.fromkeys(needed + keys):
        try:
            setups[key] = started.enter_context(site.started(key))
        except (Missing, Failure, OSError) as why:
            tell(f"{key} is left out: {why}")
    return setups


def chosen_measures(args):
    return [measure for measure in (sweep.measures() if args.sweep else measures.MEASURES)
            if args.metrics is None or set(measure.metrics) & set(args.metrics)]


def measure_all(args, folder):
    """Rows about all setups and measures that were chosen."""
    chosen = chosen_measures(args)
    if not chosen:
        return []
    site = Site(folder, args.build, os.environ.get("TAUPE_PEERS"))
    with contextlib.ExitStack() as started:
        programs = Programs(folder)
        started.callback(programs.stop)
        context = measures.Context(site, Services(programs), args.duration)
        setups = start_setups(site, args.systems, started)
        tell(f"measuring {', '.join(setups)}")
        rounds = Rounds(context, setups, args.patience, tell)
        rounds.run(chosen, args.rounds)
        return results.make_rows(rounds.runs)


def run(args, folder):
    rows = measure_all(args, folder)
    extra = [] if args.sweep or args.quick else parts.run(args, folder, tell)
    print(tables.as_text(rows + extra))
    if args.json:
        known = results.merge(results.load(args.json), rows + extra)
        results.save(args.json, known if args.sweep else results.most(known))


def main():
    args = parse_arguments()
    if args.document:
        document.write()
        return
    machine.enter_private_network(args.congestion, "-m", "bench")
    machine.allow_many_files()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # in order: all that was started ends
    print(f"Linux {platform.release()}, {machine.CPUS} cores, congestion control "
          f"{machine.congestion_control()}, {args.rounds} rounds of {args.duration} s", flush=True)
    with tempfile.TemporaryDirectory(prefix="taupe-bench-") as folder:
        run(args, pathlib.Path(folder))


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"scripts/bench: {failure}")
