# SPDX-License-Identifier: MIT
"""The command line of scripts/bench."""
import argparse
import os
import pathlib
import platform
import sys
import tempfile

from . import floors, machine, measures, ours, results, tables
from .programs import Failure
from .rounds import Rounds
from .services import Services
from .setups import REFERENCES, SETUPS, Missing, Site

TOP = pathlib.Path(__file__).resolve().parent.parent
QUICK = {"systems": ["hap2", "taupe"], "rounds": 1, "duration": 2}


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
    parser.add_argument("--quick", action="store_true", help="the short form, two minutes")
    parser.add_argument("--json", type=pathlib.Path,
                        help="where the rows go; bench/results/latest.json for all of them")
    args = parser.parse_args()
    defaults = QUICK if args.quick else {"systems": list(SETUPS), "rounds": 5, "duration": 3}
    for name, value in defaults.items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    for given, known in ((args.systems, SETUPS), (args.metrics or [], measures.METRICS)):
        for name in given:
            if name not in known:
                parser.error(f"{name}: not one of {', '.join(known)}")
    args.build = args.build.resolve()
    return args


def tell(line):
    print(f"== {line}", file=sys.stderr, flush=True)


def start_setups(site, keys):
    """Those that can be started, and the references that they need."""
    setups = {}
    needed = [REFERENCES[tls] for tls in (False, True) if any(SETUPS[k].tls == tls for k in keys)]
    for key in dict.fromkeys(needed + keys):
        try:
            setups[key] = site.start(SETUPS[key])
        except (Missing, Failure) as why:
            tell(f"{key} is left out: {why}")
    return setups


def chosen_measures(metrics):
    return [measure for measure, gives in measures.MEASURES.items()
            if metrics is None or set(gives) & set(metrics)]


def measure(args, folder):
    site = Site(args.build, pathlib.Path(os.environ.get("TAUPE_PEERS", "/nonexistent")), folder)
    try:
        context = measures.Context(site, args.duration)
        context.services = Services(site.programs)
        setups = start_setups(site, args.systems)
        tell(f"measuring {', '.join(setups)}")
        rounds = Rounds(context, setups, tell)
        rounds.run(chosen_measures(args.metrics), args.rounds)
        return results.make_rows(rounds.runs)
    except Failure:
        tell(site.programs.log_ends())
        raise
    finally:
        site.programs.stop()


def main():
    args = parse_arguments()
    machine.enter_private_network()
    machine.allow_many_files()
    print(f"Linux {platform.release()}, {machine.CPUS} cores, congestion control "
          f"{machine.congestion_control()}, {args.rounds} rounds of {args.duration} s", flush=True)
    with tempfile.TemporaryDirectory(prefix="taupe-bench-") as folder:
        rows = measure(args, pathlib.Path(folder))
    print(tables.as_text(rows))
    if args.json:
        results.save(args.json, results.merge(results.load(args.json), rows))


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"scripts/bench: {failure}")
