# SPDX-License-Identifier: MIT
"""How much one source may use. Loopback is no source, so agents come through a trusted proxy, which
is this test, and visitors from network namespaces."""

import contextlib
import socket
import ssl
import subprocess
import time

import pytest

from harness import ports
from harness.fakes import PING, TEXT, RawAgent, frame
from harness.network import Network
from harness.process import Process
from harness.programs import Agent, Certificate, Device, Relay, SampleServices
from harness.scenes import Standalone
from harness.wait import until

HOST = "alice.example.test"


def transfer_request(channel_id, source):
    request = RawAgent.transfer_request(channel_id)
    return request.replace("Host:", f"X-Forwarded-For: {source}\r\nHost:").encode()


def metric(relay, name):
    return relay.metrics()[f"taupe_relay_{name}"]


def use_up(ask, status):
    """Ask until there is 429, at a limit of one a second: ten are answered before, and as many more
    as that has seconds. Returns the last answer's Retry-After."""
    start = time.monotonic()
    for n in range(100):
        got, retry_after_s = ask(n)
        if got == 429:
            assert 10 <= n <= 11 + time.monotonic() - start
            assert 1 <= retry_after_s <= 12
            return
        assert got == status
    raise AssertionError("there is no end")


class Door:
    """A relay behind a proxy that it trusts, and a device."""

    def __init__(self, group, **config):
        self.alone = Standalone(group, trusted_proxy="127.0.0.1", **config)
        self.device = self.alone.device("alice", label="alice")
        self.relay = self.alone.relay

    def begin(self, source, **replace):
        """A handshake whose request has been sent."""
        agent = RawAgent(self.relay.agent_address)
        if source is not None:
            replace["x_forwarded_for"] = source
        agent.send(RawAgent.control_request(self.device, **replace).encode())
        return agent

    def ask(self, source, **replace):
        """The status of a handshake, and its Retry-After."""
        with self.begin(source, **replace) as agent:
            status, fields = agent.read_head()
            return status, int(fields.get("retry-after", 0))

    def ask_transfer(self, source, channel_id, replace=()):
        request = transfer_request(channel_id, source)
        for old in replace:
            request = request.replace(old, replace[old])
        with RawAgent(self.relay.agent_address) as channel:
            channel.send(request)
            status, fields = channel.read_head()
            return status, int(fields.get("retry-after", 0))

    def log(self, limit):
        return self.relay.process.text().count(f"limit={limit} ")


def test_handshakes_of_a_source_come_at_its_rate(group):
    door = Door(group, source_handshake_rate=1)
    use_up(lambda _: door.ask("198.51.100.7", query="name=alice"), 400)
    assert door.ask("198.51.100.8")[0] == 101
    assert door.ask(None)[0] == 101, "the proxy itself is no source"
    assert metric(door.relay, "source_handshakes_over_rate_total") == 1
    assert door.log("source_handshake_rate") == 1
    until("there is room again", lambda: door.ask("198.51.100.7")[0] == 101)


def test_a_used_up_rate_does_not_keep_out_channels_that_the_relay_asked_for(group):
    door = Door(group, source_handshake_rate=1)
    with door.begin("198.51.100.7") as control, RawAgent(door.relay.agent_address) as channel:
        assert control.read_head()[0] == 101
        control.read_message("welcome")
        until("the rate is used up",
              lambda: door.ask("198.51.100.7", query="name=alice")[0] == 429, interval=0)
        with door.alone.visit(HOST) as visitor:
            visitor.send_head("GET", "/")
            channel.send(transfer_request(control.read_message("open")["id"], "198.51.100.7"))
            assert channel.read_head()[0] == 101


def test_addresses_before_the_last_are_the_agents_own_inventions(group):
    door = Door(group, source_handshake_rate=1)
    use_up(lambda n: door.ask(f"203.0.113.{n}, 198.51.100.7", query="name=alice"), 400)


def test_an_ipv6_network_is_one_source(group):
    door = Door(group, source_handshake_rate=1)
    use_up(lambda n: door.ask(f"2001:db8:1:1::{n}", query="name=alice"), 400)
    assert door.ask("2001:db8:1:2::1")[0] == 101


def test_guesses_are_not_looked_at_after_too_many_failures(group):
    door = Door(group, source_auth_rate=1)
    use_up(lambda _: door.ask("198.51.100.7", secret="guess"), 401)
    # another guess for a token that has come meanwhile
    until("not even a right one is looked at", lambda: door.ask("198.51.100.7")[0] == 429 or
          door.ask("198.51.100.7", secret="guess") is None)
    assert door.ask("198.51.100.8")[0] == 101
    assert metric(door.relay, "agents_unauthorized_total") >= 10
    assert metric(door.relay, "source_auth_over_rate_total") >= 1
    assert 1 <= door.log("source_auth_rate") <= 2
    until("it may try again", lambda: door.ask("198.51.100.7")[0] == 101)


@pytest.mark.parametrize("wrong_id,status", [("0" * 32, 404), ("short", 400)])
def test_wrong_ids_of_channels_are_no_failures(group, wrong_id, status):
    """An id goes stale without anybody's fault: that locks no agent out."""
    door = Door(group, source_auth_rate=1)
    asked = [door.ask_transfer("198.51.100.7", wrong_id)[0] for _ in range(15)]
    assert asked == [status] * 15
    assert door.ask("198.51.100.7")[0] == 101


@pytest.mark.parametrize("replace,status", [
    ({}, 404), ({b"0" * 32: b"short"}, 400), ({b"Version: 13": b"Version: 7"}, 426)],
    ids=["a wrong id", "no id", "no handshake"])
def test_requests_for_channels_in_vain_come_at_the_rate_of_handshakes(group, replace, status):
    door = Door(group, source_handshake_rate=1)
    use_up(lambda _: door.ask_transfer("198.51.100.7", "0" * 32, replace), status)
    assert metric(door.relay, "source_handshakes_over_rate_total") == 1


def test_good_handshakes_are_no_failures(group):
    door = Door(group, source_auth_rate=1)
    assert [door.ask("198.51.100.7")[0] for _ in range(15)] == [101] * 15


def test_a_device_of_too_many_services_is_told_so(group):
    door = Door(group, max_services=2)
    with door.begin("198.51.100.7", services=("a:http", "b:http", "c:tcp")) as agent:
        status, _, form = agent.read_error()
    assert (status, form["error"]) == (400, "bad_request")
    assert form["reason"] == "this relay takes 2 services of a device, not 3"
    assert door.ask("198.51.100.7", services=("a:http", "b:http"))[0] == 101
    assert metric(door.relay, "agents_over_services_total") == 1
    assert door.log("max_services") == 1


def test_a_long_head_is_refused_at_both_doors(group):
    door = Door(group, max_head="2k")
    with door.begin("198.51.100.7", x_more="m" * 2048) as agent:
        assert agent.read_head()[0] == 431
    answer = door.alone.get(HOST, fields=[("X-More", "m" * 2048)])
    assert answer.status == 431
    assert metric(door.relay, "heads_over_max_total") == 2
    assert door.log("max_head") >= 1


def test_a_long_message_ends_its_channel(group):
    door = Door(group, max_message=512)
    with door.begin(None) as agent:
        assert agent.read_head()[0] == 101
        agent.read_message("welcome")
        agent.send(frame(TEXT, "op=later&more=" + "m" * 480))
        agent.send(frame(PING, b"it lives"))
        agent.send(frame(TEXT, "m" * 513))
        assert agent.close_code() == 1009
    assert metric(door.relay, "messages_over_max_total") == 1
    assert door.log("max_message") == 1


@pytest.mark.parametrize("door_of", ["agents", "visitors"])
def test_who_does_not_say_in_time_whom_it_wants_is_counted(group, door_of):
    door = Door(group, handshake_timeout="100ms")
    address = door.relay.agent_address if door_of == "agents" else door.alone.front
    with RawAgent(address) as silent:
        silent.send(b"GET / HTTP/1.1\r\n")
        if door_of == "agents":
            assert silent.read_head()[0] == 408
        else:
            assert silent.at_end()
    assert metric(door.relay, "handshakes_late_total") == 1
    assert door.log("handshake_timeout") == 1


class Street:
    """A relay without a proxy, and two networks in front of it."""

    def __init__(self, group, **config):
        self.group, self.hosts = group, Network(group, "relay", "a", "b").hosts
        home = self.hosts["relay"].space
        self.front, self.agents, self.block = ports.take(), ports.take(), ports.take_block()
        device = Device("alice", label="alice")
        devices = group.folder / "devices"
        devices.write_text(device.file_line() + "\n")
        self.relay = Relay(group, netns=home, agent_listen=f"0.0.0.0:{self.agents}",
                           agent_url=f"ws://127.0.0.1:{self.agents}", devices_file=devices,
                           service_listen=f"0.0.0.0:{self.block}-{self.block + 63}",
                           advertise_address="127.0.0.1",
                           visitor_listen=f"0.0.0.0:{self.front}", **config)
        services = SampleServices(group, "web", netns=home)
        self.agent = Agent(group, device, [self.relay],
                           [f"web:http:{services.target('web', 'http')}"], netns=home)
        self.agent.wait_connected()

    def curl(self, name, port, *arguments, path="/name", host=HOST):
        """From a network, or from the relay's own host."""
        space = self.hosts[name or "relay"].space
        return subprocess.run(["ip", "netns", "exec", space, "curl", "-s", "-m", "20",
                               *self.arguments(name, port, path, host), *arguments],
                              capture_output=True, text=True, check=False).stdout

    def arguments(self, name, port, path, host=HOST):
        address = "127.0.0.1" if name is None else self.hosts["relay"].address
        return ["-H", f"Host: {host}", f"http://{address}:{port}{path}"]

    def status(self, name, port):
        return self.curl(name, port, "-o", "/dev/null", "-w", "%{http_code}")

    def visit(self, name, port):
        """One that goes on until it is killed."""
        return Process(self.group, f"visitor-{name}-{port}", [
            "curl", "-s", "-o", "/dev/null", "--limit-rate", "10k",
            *self.arguments(name, port, "/bytes/100000000")],
            netns=self.hosts[name].space, ends=(0, -15))

    def service_port(self):
        return int(self.relay.api("routes")["routes"][0]["value"].split(",")[1])


def test_visitors_of_a_source_are_bounded_at_front_and_service(group):
    street = Street(group, source_visitors=2)
    service = street.service_port()
    visits = [street.visit("a", street.front), street.visit("a", service)]
    until("both are there", lambda: metric(street.relay, "visitors") == 2)
    for port in (street.front, service):
        head, _, page = street.curl("a", port, "-i").partition("\n\n")
        assert head.startswith("HTTP/1.1 429 ") and "Retry-After: " in head
        assert "Too many connections" in page
        assert street.status("b", port) == street.status(None, port) == "200"
    assert metric(street.relay, "source_visitors_over_max_total") == 2
    assert f"limit=source_visitors last={street.hosts['a'].address}" in street.relay.process.text()
    visits[0].kill()
    until("there is room again", lambda: street.status("a", street.front) == "200")


def test_new_visitors_of_a_source_come_at_its_rate(group):
    street = Street(group, source_visitor_rate=1)

    def ask_often(name, host):
        return street.curl(name, street.front, "-w", "%{http_code} ", "-o", "/dev/null", "-H",
                           "Connection: close", path="/name?[1-40]", host=host).split()

    statuses = ask_often("a", HOST)
    assert statuses[:10] == ["200"] * 10 and "429" in statuses, statuses
    assert street.status("b", street.front) == street.status(None, street.front) == "200"
    assert metric(street.relay, "source_visitors_over_rate_total") == statuses.count("429")
    names = ask_often("b", "nobody.example.test")
    assert names[:9] == ["404"] * 9 and "429" in names, names


def test_agents_of_a_source_are_bounded_before_they_have_said_anything(group):
    street = Street(group, source_handshakes=3)
    holders = [Process(group, f"silent-{i}", [
        "python3", "-c", "import socket, sys, time\n"
        f"s = socket.create_connection(('{street.hosts['relay'].address}', {street.agents}))\n"
        "time.sleep(60)"], netns=street.hosts["a"].space, ends=(0, -15)) for i in range(3)]
    until("they are there and one more is refused",
          lambda: street.status("a", street.agents) == "429")
    assert street.status("b", street.agents) == street.status(None, street.agents) == "404"
    assert metric(street.relay, "source_handshakes_over_max_total") >= 1
    for holder in holders:
        holder.kill()
    until("there is room again", lambda: street.status("a", street.agents) == "404")


def test_a_source_does_not_fill_the_queue_of_tls_handshakes(group):
    certificate = Certificate(group.folder / "certificate", "relay.example.test")
    port = ports.take()
    street = Street(group, agent_tls_listen=f"0.0.0.0:{port}", tls_certificate=certificate.bundle,
                    source_handshakes=3, max_handshakes=6)
    process = street.relay.process
    with contextlib.ExitStack() as stack:
        def connect(name):
            with street.hosts[name].inside():
                return stack.enter_context(
                    socket.create_connection((street.hosts["relay"].address, port), 10))

        process.freeze()  # they come in one turn of its loop, after the first few
        stack.callback(process.thaw)
        crowd, other = [connect("a") for _ in range(30)], connect("b")
        process.thaw()
        context = ssl.create_default_context(cafile=certificate.ca)
        with context.wrap_socket(other, server_hostname="relay.example.test") as agent:
            agent.sendall(b"GET / HTTP/1.1\r\nHost: relay.example.test\r\n\r\n")
            assert agent.recv(100).startswith(b"HTTP/1.1 404 ")
        assert [sock.recv(1) for sock in crowd[3:]] == [b""] * 27
        for sock in crowd[:3]:
            sock.setblocking(False)
            with pytest.raises(BlockingIOError):
                sock.recv(1)
        assert metric(street.relay, "source_handshakes_over_max_total") == 27
        assert metric(street.relay, "handshakes_over_max_total") == 0
        address = street.hosts["a"].address
        process.wait_line("a limit was hit", "limit=source_handshakes", f"last={address}")
