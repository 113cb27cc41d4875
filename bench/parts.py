# SPDX-License-Identifier: MIT
"""The parts of the benchmark that are programs of their own, because they fill a machine by
themselves: bench/fleet_run and bench/routes. Each writes rows with --json FILE, which are kept
under the name of the part."""
import pathlib
import subprocess
import sys

from . import results

FOLDER = pathlib.Path(__file__).resolve().parent
# Of each part: the program with its arguments, and which of its metrics it is chosen by.
PARTS = {
    "fleet_run": (["fleet_run"], (
        "idle_bytes_per_agent", "idle_bytes_per_agent_tls", "fleet_recover_s")),
    "fleet_cluster": (["fleet_run", "--agents", "100000", "--relays", "12"],
                      ("cluster_recover_s",)),
    "routes": (["routes"], ("route_move_ms_p99",)),
}


def run(args, folder, tell):
    """The rows of those parts that give one of the chosen metrics."""
    rows = []
    for name, ((program, *more), metrics) in PARTS.items():
        program, out = FOLDER / program, folder / f"{name}.json"
        if args.metrics is not None and not set(metrics) & set(args.metrics):
            continue
        if not program.exists():
            tell(f"{name} is left out: there is no {program}")
            continue
        tell(f"running bench/{name}")
        done = subprocess.run([program, args.build, *more, "--json", out], stdout=sys.stderr,
                              check=False)
        if done.returncode:
            tell(f"bench/{name} ended with {done.returncode}")
        seen = results.load(out)
        if seen:
            results.save(FOLDER / f"results/{name}.json", seen)
        rows += [{"vs_hap2": None, **row} for row in seen]
    return rows
