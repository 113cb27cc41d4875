# SPDX-License-Identifier: MIT
"""The benchmark runs, interleaves with its reference, and writes rows of the agreed shape."""
import json
import socket
import subprocess
import sys
import types

import pytest

from harness.process import BUILD, ROOT

sys.path.insert(0, str(ROOT))  # the benchmark stands beside the tests
import bench.__main__  # noqa: E402  enters the setups that are named here
from bench import document, measures, memory, parts, results, rounds  # noqa: E402
from bench.programs import Failure  # noqa: E402

pytestmark = pytest.mark.alone

KEYS = {"system", "metric", "median", "min", "max", "runs", "vs_hap2"}


def run_bench(*arguments):
    return subprocess.run([sys.executable, "-m", "bench", "--build", str(BUILD), *arguments],
                          cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_smallest_benchmark_gives_every_row(tmp_path):
    out = tmp_path / "rows.json"
    done = run_bench("--systems", "hap2,taupe", "--metrics", "keepalive_rps,new_p50_us",
                     "--rounds", "1", "--duration", "1", "--patience", "0", "--json", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {(row["system"], row["metric"]): row for row in json.loads(out.read_text())}
    metrics = ("keepalive_rps", "keepalive_p99_ms", "new_p50_us")
    assert set(rows) == {(system, metric) for system in ("hap2", "taupe") for metric in metrics}, \
        done.stderr
    for row in rows.values():
        assert KEYS <= set(row)
        assert 0 < row["min"] <= row["median"] <= row["max"]
        assert row["vs_hap2"] > 0


def test_paths_of_a_cluster_are_measured(tmp_path):
    out, systems = tmp_path / "rows.json", {"haproxy", "haproxy-hap2", "taupe-cluster"}
    done = run_bench("--systems", ",".join(systems), "--metrics", "new_p50_us", "--rounds", "1",
                     "--duration", "1", "--patience", "0", "--json", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    assert {row["system"] for row in json.loads(out.read_text())} == systems | {"hap2"}, done.stderr


@pytest.mark.parametrize("arguments, kept", [
    ([], document.LATEST), (["--sweep"], document.SWEEP), (["--quick"], None),
    (["--systems", "taupe"], None), (["--metrics", "close_rps"], None)])
def test_only_full_measurements_go_into_the_kept_results(arguments, kept, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["scripts/bench", *arguments])
    assert bench.__main__.parse_arguments().json == kept


def test_visitor_whose_answer_is_cut_off_is_no_silent_visitor():
    ours, theirs = socket.socketpair()
    theirs.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhalf")
    theirs.close()
    with ours, pytest.raises(Failure):
        memory.read_answer(ours)


def test_unknown_metric_is_refused():
    done = run_bench("--metrics", "speed")
    assert done.returncode == 2 and "speed: not one of" in done.stderr


def fake_rounds(values):
    """Rounds in which the runs give these values, one after the other."""
    left = iter(values)
    fake = measures.Measure(lambda context, setup: {"close_rps": next(left)}, ("close_rps",),
                            fresh=False, name="fake")
    made = rounds.Rounds(types.SimpleNamespace(), {"hap2": None, "taupe": None}, 0, print)
    made.run([fake], 1)
    return made.runs


def test_ratio_is_to_the_mean_of_the_reference_before_and_after():
    ours_run, = (run for run in fake_rounds([10, 60, 20]) if run.key == "taupe")
    assert ours_run.ratio == pytest.approx(4)


def make_run(value, foreign):
    return rounds.Run("taupe", "close_rps", None, value, None, foreign)


def test_noisy_runs_do_not_count_beside_quiet_ones():
    row, = results.make_rows([make_run(1, 0.9), make_run(5, 0.1), make_run(7, 0.0)])
    assert (row["min"], row["max"], row["runs"]) == (5, 7, 2)


def test_noisy_runs_count_where_there_are_no_others():
    row, = results.make_rows([make_run(1, 0.9)])
    assert (row["median"], row["runs"]) == (1, 1)


def test_encrypted_setup_is_a_metric_of_its_own():
    row, = results.make_rows([rounds.Run("taupe-tls", "close_rps", None, 1, None, 0)])
    assert (row["system"], row["metric"]) == ("taupe", "close_rps_tls")


def test_row_about_most_agents_is_the_one_that_stands_for_the_metric():
    rows = [{"system": "taupe", "metric": "idle_bytes_per_agent", "agents": agents,
             "median": agents} for agents in (None, 100000, 1000)]
    assert [row["median"] for row in results.most(rows)] == [100000]


PART = """\
#!/usr/bin/python3
import pathlib, sys
out = pathlib.Path(sys.argv[sys.argv.index("--json") + 1])
out.write_text('[{"system": "taupe", "metric": "route_move_ms_p99", "median": 9, "min": 8,'
               ' "max": 10, "runs": 3}]')
"""


def test_rows_of_a_part_are_taken_over_and_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "FOLDER", tmp_path)
    program = tmp_path / "routes"
    program.write_text(PART)
    program.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    told = []
    row, = parts.run(types.SimpleNamespace(metrics=None, build=BUILD), work, told.append)
    assert (row["median"], row["runs"], row["vs_hap2"]) == (9, 3, None)
    assert json.loads((tmp_path / "results/routes.json").read_text())[0]["max"] == 10
    assert any("fleet_run is left out" in line for line in told)
