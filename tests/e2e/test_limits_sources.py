# SPDX-License-Identifier: MIT
"""How much one source may use. Loopback is no source, so agents come through a trusted proxy, which
is this test, and visitors from network namespaces."""

import pytest

from harness import ports
from harness.fakes import PING, TEXT, RawAgent, frame
from harness.process import Process
from harness.programs import Agent, Device, Namespace, Relay, SampleServices
from harness.scenes import Standalone
from harness.wait import until

HOST = "alice.example.test"


def metric(relay, name):
    return relay.metrics()[f"taupe_relay_{name}"]


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

    def log(self, limit):
        return self.relay.process.text().count(f"limit={limit} ")


def test_handshakes_of_a_source_come_at_its_rate(group):
    door = Door(group, source_handshake_rate=1)
    for _ in range(10):
        assert door.ask("198.51.100.7", query="name=alice")[0] == 400
    status, retry_after_s = door.ask("198.51.100.7")
    assert status == 429 and 1 <= retry_after_s <= 12
    assert door.ask("198.51.100.8")[0] == 101
    assert door.ask(None)[0] == 101, "the proxy itself is no source"
    assert metric(door.relay, "source_handshakes_over_rate_total") == 1
    assert door.log("source_handshake_rate") == 1
    until("there is room again", lambda: door.ask("198.51.100.7")[0] == 101)


def test_addresses_before_the_last_are_the_agents_own_inventions(group):
    door = Door(group, source_handshake_rate=1)
    answers = [door.ask(f"203.0.113.{i}, 198.51.100.7", query="name=alice") for i in range(11)]
    assert [status for status, _ in answers] == [400] * 10 + [429]


def test_an_ipv6_network_is_one_source(group):
    door = Door(group, source_handshake_rate=1)
    answers = [door.ask(f"2001:db8:1:1::{i}", query="name=alice") for i in range(11)]
    assert [status for status, _ in answers] == [400] * 10 + [429]
    assert door.ask("2001:db8:1:2::1")[0] == 101


def test_guesses_are_not_looked_at_after_too_many_failures(group):
    door = Door(group, source_auth_rate=1)
    for _ in range(10):
        assert door.ask("198.51.100.7", secret="guess")[0] == 401
    status, retry_after_s = door.ask("198.51.100.7")
    assert status == 429 and 1 <= retry_after_s <= 12, "not even the right one"
    assert door.ask("198.51.100.8")[0] == 101
    assert metric(door.relay, "agents_unauthorized_total") == 10
    assert metric(door.relay, "source_auth_over_rate_total") == 1
    assert door.log("source_auth_rate") == 1
    until("it may try again", lambda: door.ask("198.51.100.7")[0] == 101)


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
        self.group, self.space = group, Namespace(group, "a", "b")
        self.front, self.agents, self.block = ports.take(), ports.take(), ports.take_block()
        device = Device("alice", label="alice")
        devices = group.folder / "devices"
        devices.write_text(device.file_line() + "\n")
        self.relay = Relay(group, netns=self.space.hub, agent_listen=f"0.0.0.0:{self.agents}",
                           agent_url=f"ws://127.0.0.1:{self.agents}", devices_file=devices,
                           service_listen=f"0.0.0.0:{self.block}-{self.block + 63}",
                           advertise_address="127.0.0.1",
                           visitor_listen=f"0.0.0.0:{self.front}", **config)
        services = SampleServices(group, "web", netns=self.space.hub)
        self.agent = Agent(group, device, [self.relay], [f"web:http:{services.target('web', 'http')}"],
                           netns=self.space.hub)
        self.agent.wait_connected()

    def curl(self, name, port, *arguments, path="/name"):
        """From a network, or from the relay's own host."""
        space = self.space.hub if name is None else self.space.names[name]
        return self.space.curl(space, *self.arguments(name, port, path), *arguments).stdout

    def arguments(self, name, port, path):
        address = "127.0.0.1" if name is None else self.space.hub_address(name)
        return ["-H", f"Host: {HOST}", f"http://{address}:{port}{path}"]

    def status(self, name, port):
        return self.curl(name, port, "-o", "/dev/null", "-w", "%{http_code}")

    def visit(self, name, port):
        """One that goes on until it is killed."""
        return Process(self.group, f"visitor-{name}-{port}", [
            "curl", "-s", "-o", "/dev/null", "--limit-rate", "10k",
            *self.arguments(name, port, "/bytes/100000000")],
            netns=self.space.names[name], ends=(0, -15))

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
    assert "limit=source_visitors last=10.213.1.2" in street.relay.process.text()
    visits[0].kill()
    until("there is room again", lambda: street.status("a", street.front) == "200")


def test_new_visitors_of_a_source_come_at_its_rate(group):
    street = Street(group, source_visitor_rate=1)
    one_call = ["-w", "%{http_code} ", "-o", "/dev/null", "--no-keepalive", "-H", "Connection: close"]
    statuses = street.curl("a", street.front, *one_call, path="/name?[1-12]").split()
    assert statuses[:10] == ["200"] * 10 and statuses[11] == "429", statuses
    assert street.status("b", street.front) == street.status(None, street.front) == "200"
    assert metric(street.relay, "source_visitors_over_rate_total") == statuses.count("429")


def test_agents_of_a_source_are_bounded_before_they_have_said_anything(group):
    street = Street(group, source_handshakes=3)
    holders = [Process(group, f"silent-{i}", [
        "python3", "-c", "import socket, sys, time\n"
        f"s = socket.create_connection(('{street.space.hub_address('a')}', {street.agents}))\n"
        "time.sleep(60)"], netns=street.space.names["a"], ends=(0, -15)) for i in range(3)]
    until("they are there and one more is refused",
          lambda: street.status("a", street.agents) == "429")
    assert street.status("b", street.agents) == street.status(None, street.agents) == "404"
    assert metric(street.relay, "source_handshakes_over_max_total") >= 1
    for holder in holders:
        holder.kill()
    until("there is room again", lambda: street.status("a", street.agents) == "404")
