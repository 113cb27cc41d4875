# SPDX-License-Identifier: MIT
"""The load generators: each function runs one against a setup and gives its figures."""
import json
import os
import re
import subprocess

from . import machine
from .programs import Failure, wait_until
from .services import SIZES

WRK_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}  # in milliseconds
STREAM_RUNS = 16 << 20  # once loopback has carried so much, a stream is under way
PATIENCE_S = 20


def run(argv, seconds):
    """What it prints; the seconds are those that it should take."""
    try:
        return subprocess.run(
            [str(a) for a in argv], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False, timeout=seconds + PATIENCE_S, env={**os.environ, "LC_ALL": "C"}).stdout
    except subprocess.TimeoutExpired:
        raise Failure(f"{argv[0]} did not end") from None


def wrk(setup, path, connections, seconds, close=False):
    """Requests per second, 99th percentile, payload rate."""
    ip, port = setup.address("web")
    fields = ["-H", f"Host: {setup.host}"] + (["-H", "Connection: close"] if close else [])
    text = run(["wrk", f"-t{min(2, connections)}", f"-c{connections}", f"-d{seconds}s", "--latency",
                "--timeout", "10s", *fields, f"http://{ip}:{port}{path}"], seconds)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    tail = re.search(r"\s99%\s+([\d.]+)(us|ms|s|m)\b", text)
    count = re.search(r"(\d+) requests in", text)
    bad = re.search(r"Socket errors: .*|Non-2xx or 3xx responses: .*", text)
    if not (rate and tail and count) or bad:
        raise Failure(bad.group(0) if bad else f"wrk says {text!r}")
    rps = float(rate.group(1))
    return {"rps": rps, "p99_ms": float(tail.group(1)) * WRK_UNITS[tail.group(2)],
            "gbps": rps * SIZES[path] * 8 / 1e9}


def iperf3_command(setup, seconds, down, *options):
    ip, port = setup.address("bulk")
    return ["iperf3", "-c", ip, "-p", str(port), "-t", str(seconds), *(["-R"] if down else []),
            *options]


def iperf3(setup, seconds, down):
    """Rate of one stream, and the bytes that arrived."""
    text = run(iperf3_command(setup, seconds, down, "-J"), seconds)
    try:
        received = json.loads(text)["end"]["sum_received"]
        return {"gbps": received["bits_per_second"] / 1e9, "bytes": received["bytes"]}
    except (ValueError, KeyError):
        raise Failure(f"iperf3 says {text[-300:]!r}") from None


class Stream:
    """A bulk stream towards the visitor that runs while the block does."""

    def __init__(self, setup, seconds, *options):
        self.command = iperf3_command(setup, seconds, True, *options)

    def __enter__(self):
        before = machine.loopback_bytes()
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until("the stream", lambda: machine.loopback_bytes() - before > STREAM_RUNS)
        except Failure:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def latency(site, setup, path, mode, count, seconds, service="web", gap_us=0):
    """Percentiles of one visitor's requests, one after the other: mode is new or keep."""
    ip, port = setup.address(service)
    text = run([site.build / "bench/tools/latency", ip, port, setup.host, path, mode, count, gap_us,
                seconds], seconds)
    try:
        seen = json.loads(text)
    except ValueError:
        raise Failure("the latency probe ended badly") from None
    if seen["failures"] or not seen["count"]:
        raise Failure(f"{seen['failures']} requests failed, {seen['count']} were answered")
    return seen
