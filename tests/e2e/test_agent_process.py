# SPDX-License-Identifier: MIT
"""taupe-agent as a process: its signals, its limits, and what it does with early bytes."""
import hashlib
import os
import signal
import socket
import subprocess
import threading

import pytest
from harness.fakes import BINARY, CLOSE, TEXT, FakeRelay, frame
from harness.process import AGENT_BUILD
from harness.programs import Agent, Device
from harness.wait import stays, until
from test_agent_conformance import Stage, read_exactly


@pytest.fixture
def stage(group):
    stage = Stage(group, "ours")
    yield stage
    stage.relay.close()
    stage.service.close()


def services_of(control):
    return [value for key, value in control.query if key == "service"]


def configure(stage, **changes):
    """Write the agent's file anew and tell it."""
    path = stage.group.folder / f"{stage.agent.name}.conf"
    stage.agent.config.update(changes)
    lines = ["[agent]"]
    for key, value in stage.agent.config.items():
        lines += [f"{key} = {item}" for item in (value if isinstance(value, list) else [value])]
    path.write_text("\n".join(lines) + "\n")
    stage.process.send_signal(signal.SIGHUP)


def test_reload_announces_new_services_before_it_leaves_the_old_session(stage):
    port = stage.service.getsockname()[1]
    channel = stage.channel()
    with stage.open(channel) as sock:
        configure(stage, service=[f"cam:http:127.0.0.1:{port}"])
        renewed = stage.relay.control()
        assert services_of(renewed) == ["cam:http"]
        assert dict(renewed.query)["instance"] == dict(stage.control.query)["instance"]
        assert stage.control.close_code() == 1000
        # the visit that was there is not disturbed
        sock.sendall(b"still here")
        assert channel.read_frame() == (BINARY, b"still here")
        stage.end_both(channel, sock)
    stage.control = renewed
    channel = stage.channel()
    with stage.open(channel, service="cam") as sock:
        stage.end_both(channel, sock)


def test_reload_that_changes_nothing_for_the_relay_keeps_the_session(stage):
    configure(stage, log_level="info")
    stage.process.wait_line("configuration read again")
    stays("the session is the same", stage.relay.controls.empty, 0.3)
    stage.check_reusable(stage.channel())


@pytest.mark.parametrize("changes,word", [
    ({"service": ["web:gopher:127.0.0.1:70"]}, "service"),
    ({"name": "somebody-else"}, "key=name"),
    ({"secret_file": "/nowhere/at/all"}, "/nowhere/at/all"),
])
def test_reload_of_a_bad_configuration_changes_nothing(stage, changes, word):
    configure(stage, **changes)
    stage.process.wait_line("level=error", word)
    stays("the session is the same", stage.relay.controls.empty, 0.3)
    stage.check_reusable(stage.channel())


def test_stop_lets_a_running_visit_end_and_then_ends_itself(group):
    stage = Stage(group, "ours", drain_timeout="30s")
    channel = stage.channel()
    stage.process.expected = {0}
    with stage.open(channel) as sock:
        stage.process.send_signal(signal.SIGTERM)
        assert stage.control.close_code() == 1000
        stage.control.send_frame(CLOSE, b"\x03\xe8")
        channel.send_frame(BINARY, b"last")
        assert read_exactly(sock, 4) == b"last"
        assert stage.process.running()
        stage.end_both(channel, sock)
    assert channel.close_code() == 1000
    channel.send_frame(CLOSE, b"\x03\xe8")
    stage.process.ends(0)
    stage.relay.close()


@pytest.mark.parametrize("drain,signals", [("50ms", 1), ("60s", 2)])
def test_stop_ends_visits_that_take_too_long_or_at_the_second_signal(group, drain, signals):
    stage = Stage(group, "ours", drain_timeout=drain)
    channel = stage.channel()
    stage.process.expected = {0}
    with stage.open(channel) as sock:
        for _ in range(signals):
            stage.process.send_signal(signal.SIGTERM)
            stage.process.wait_line("stopping")
        assert channel.close_code() == 1000
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    stage.process.ends(0)
    stage.relay.close()


def test_more_visitors_than_allowed_are_refused_on_the_control_channel(group):
    stage = Stage(group, "ours", max_transfers=1)
    first = stage.channel()
    stage.control.say(op="open", id="1" * 32, service="web")
    assert "too many" in stage.control.expect("refused", id="1" * 32)["reason"]
    stage.check_reusable(first)
    stage.relay.close()


def test_bytes_that_come_with_the_open_wait_for_the_service(stage):
    """More than is kept: the channel is not read until the service is there."""
    data = os.urandom(1 << 20)
    channel = stage.channel()
    early = frame(TEXT, "op=open&visit=1&service=web&from=192.0.2.1:50312", mask=None)
    for at in range(0, len(data), 65536):
        early += frame(BINARY, data[at:at + 65536], mask=None)
    early += frame(BINARY, b"", mask=None)
    sender = threading.Thread(target=channel.send, args=(early,))
    sender.start()
    sock, _ = stage.service.accept()
    sock.settimeout(15)
    got = hashlib.sha256()
    while block := sock.recv(65536):
        got.update(block)
    assert got.hexdigest() == hashlib.sha256(data).hexdigest()
    sender.join()
    assert channel.expect("opened")["visit"] == "1"
    sock.close()
    next(channel.visits)
    assert channel.read_frame() == (BINARY, b"")
    stage.check_reusable(channel)


def test_secret_file_that_others_can_read_is_complained_about(group):
    relay = FakeRelay()
    agent = Agent(group, Device("loose"), [relay.url], ["web:http:127.0.0.1:1"], start=False)
    (group.folder / f"{agent.name}.secret").chmod(0o644)
    agent.start()
    agent.process.wait_line("level=warn", "secret_file", "chmod 600")
    relay.close()


def test_unwritable_state_file_is_complained_about_once_and_not_fatal(group):
    relay = FakeRelay()
    agent = Agent(group, Device("stateless"), [relay.url], ["web:http:127.0.0.1:1"],
                  state_file="/nowhere/at/all")
    relay.control().close()
    relay.control()
    agent.wait_connected(count=2)
    assert len(agent.process.lines("level=warn", "state file", "/nowhere/at/all")) == 1
    relay.close()


def test_relay_that_is_a_name_is_looked_up(group):
    relay = FakeRelay()
    agent = Agent(group, Device("named"), [f"ws://localhost:{relay.address[1]}"],
                  ["web:http:127.0.0.1:1"])
    assert relay.control().head.lower().find(f"host: localhost:{relay.address[1]}") > 0
    assert agent.process.running()
    relay.close()


def test_cleartext_beyond_loopback_is_warned_of(group):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("no address but loopback here")
        own = probe.getsockname()[0]
    relay = FakeRelay(host=own)
    agent = Agent(group, Device("careless"), [relay.url], ["web:http:127.0.0.1:1"])
    agent.process.wait_line("level=warn", "in the clear")
    relay.close()
    near = FakeRelay()
    careful = Agent(group, Device("careful"), [near.url], ["web:http:127.0.0.1:1"])
    until("it is connected", careful.welcomes)
    assert not careful.process.lines("in the clear")
    near.close()


RIGHT = {"name": ["alice"], "relay": ["ws://127.0.0.1:1"], "service": ["web:http:127.0.0.1:80"],
         "secret-file": ["/not/there/yet"]}


@pytest.mark.parametrize("changes,what", [
    ({}, None),
    ({"relay": []}, "relay is not set: where to connect to?"),
    ({"service": []}, "service is not set: what shall visitors reach?"),
    ({"service": ["web:http:127.0.0.1:80", "web:tcp:127.0.0.1:22"]}, "service: two of one name"),
    ({"name": []}, "name is not set: which device is this?"),
    ({"pin": ["sha256/" + "A" * 43 + "="]}, "pin is set, and a relay without TLS shows no key"),
    ({"dns": ["9.9.9.9,1.1.1.1,8.8.8.8,9.9.9.10", "1.0.0.1"]}, "dns names more than 4 servers"),
    ({"one-connection": ["yes"], "mux": ["no"]}, "one_connection = yes needs mux = yes"),
    ({"heartbeat-min": ["2m"], "heartbeat-max": ["1m"]}, "heartbeat_min is longer than"),
], ids=lambda value: "-".join(value) or "right" if isinstance(value, dict) else "")
def test_check_says_what_is_wrong_with_the_options_together(changes, what, tmp_path):
    (tmp_path / "agent.ini").write_text("[agent]\n" + "".join(
        f"{key.replace('-', '_')} = {value}\n" for key, values in {**RIGHT, **changes}.items()
        for value in values))
    done = subprocess.run([AGENT_BUILD / "taupe-agent", "--check-config", "--log-syslog", "--config",
                           tmp_path / "agent.ini"], capture_output=True, text=True, timeout=20,
                          check=False)
    if what is None:
        assert (done.returncode, done.stdout) == (0, "taupe-agent: the configuration is right\n")
    else:
        assert done.returncode == 78 and done.stdout == "" and what in done.stderr, done
