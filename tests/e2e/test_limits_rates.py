# SPDX-License-Identifier: MIT
"""How much one device may use, in figures."""
import time

import pytest

from harness import programs
from harness.process import Thread
from harness.scenes import Standalone

HOST = "alice.example.test"
RATE = 200_000


def make(group, agent=None, **config):
    alone = Standalone(group, **config)
    services = programs.SampleServices(group, "home")
    alone.agent(alone.device("alice", label="alice"),
                [f"web:http:{services.target('home', 'http')}"], **(agent or {}))
    return alone


def metric(alone, name):
    return alone.relay.metrics()[f"taupe_relay_{name}"]


def download(alone, size, host=HOST):
    start = time.monotonic()
    answer = alone.get(host, f"/bytes/{size}")
    assert answer.status == 200 and answer.length == size
    return time.monotonic() - start


@pytest.mark.parametrize("mux", ["yes", "no"])
def test_large_answer_comes_at_the_rate_of_its_device(group, mux):
    alone = make(group, agent={"mux": mux}, device_rate=RATE)
    size = 5 * RATE
    rate = size / download(alone, size)
    print(f"{rate:.0f} bytes a second")
    # what may come at once before the rate counts is a quarter of a second's
    assert rate == pytest.approx(RATE * 5 / 4.75, rel=0.1)
    assert metric(alone, "rate_waits_total") > 0
    assert alone.relay.process.text().count("limit=device_rate") <= 8, "not a line for each"


@pytest.mark.parametrize("mux", ["yes", "no"])
def test_upload_comes_at_the_rate_of_its_device(group, mux):
    alone = make(group, agent={"mux": mux}, device_rate=RATE)
    size = 5 * RATE
    start = time.monotonic()
    with alone.visit(HOST) as visitor:
        answer = visitor.post_pattern("/sha256", size)
    assert answer.text.startswith(f"{size} ")
    assert size / (time.monotonic() - start) == pytest.approx(RATE * 5 / 4.75, rel=0.1)


@pytest.mark.parametrize("mux", ["yes", "no"])
def test_visits_of_a_device_share_its_rate_fairly(group, mux):
    alone = make(group, agent={"mux": mux}, device_rate=RATE)
    size = RATE
    visits = [Thread(download, alone, size) for _ in range(5)]
    times = [visit.get() for visit in visits]
    print(times)
    assert 5 * size / max(times) == pytest.approx(RATE * 5 / 4.75, rel=0.1)
    assert min(times) > 0.6 * max(times), "none is first"


def test_small_answers_count_as_well(group):
    alone = make(group, device_rate=RATE)
    size, n = 20_000, 50
    start = time.monotonic()

    def some():
        for _ in range(n // 5):
            download(alone, size)

    for each in [Thread(some) for _ in range(5)]:
        each.get()
    assert n * size / (time.monotonic() - start) == pytest.approx(RATE * 5 / 4.75, rel=0.1)


def test_others_do_not_notice(group):
    alone = make(group, device_rate=RATE)
    services = programs.SampleServices(group, "other")
    alone.agent(alone.device("bob", label="bob"), [f"web:http:{services.target('other', 'http')}"])
    busy = [Thread(download, alone, RATE) for _ in range(4)]
    took = []
    for _ in range(20):
        start = time.monotonic()
        assert alone.get("bob.example.test").status == 200
        took.append(time.monotonic() - start)
    assert sorted(took)[10] < 0.2
    for each in busy:
        each.get()


def test_new_visitors_come_at_the_rate_of_their_device(group):
    alone = make(group, visitor_rate=5, visitor_burst=10)
    start, served, busy = time.monotonic(), 0, 0
    while (took := time.monotonic() - start) < 3:
        answer = alone.get(HOST)
        served += answer.status == 200
        busy += answer.status == 503
        if answer.status == 503:
            assert 1 <= int(answer.header("Retry-After")) <= 10
    assert served == pytest.approx(10 + 5 * took, abs=2)
    assert metric(alone, "visits_over_rate_total") == busy > 0
    assert alone.relay.process.text().count("limit=visitor_rate") <= 5, "not a line for each"


def test_one_visitor_too_many_gets_a_page(group):
    alone = make(group, max_visitors=2)
    with alone.visit(HOST) as one, alone.visit(HOST) as two:
        assert one.get("/name").status == two.get("/name").status == 200
        answer = alone.get(HOST)
        assert answer.status == 503 and "busy" in answer.text
        assert int(answer.header("Retry-After")) > 0
        assert metric(alone, "visits_over_max_total") == 1


def test_a_device_has_no_more_transfer_channels_than_it_may(group):
    alone = make(group, agent={"mux": "no"}, max_transfers=1, hold="300ms", open_timeout="300ms")
    with alone.visit(HOST) as one:
        assert one.get("/name").status == 200
        assert alone.get(HOST).status == 503, "it has waited for a channel, and got none"
        assert metric(alone, "transfers") == 1
    assert metric(alone, "transfers_over_max_total") > 0
    assert alone.relay.process.text().count("limit=max_transfers ") == 1
