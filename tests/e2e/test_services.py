# SPDX-License-Identifier: MIT
"""One device with two HTTP services, ssh, and a target elsewhere on its network."""
import pytest

from harness import ports
from harness.programs import SampleServices, Sshd
from harness.scenes import Cluster, Standalone, wait_tcp
from harness.visitors import tcp_outcome
from harness.wait import until


class Scene:
    def __init__(self, group):
        self.group = group
        self.services = SampleServices(group, "web", "files", "printer")
        self.sshd = Sshd(group)
        self.cluster = Cluster(group)
        # The printer is another machine of the LAN: an address that is not the device's own.
        self.agent = self.cluster.agent("alice", [
            f"web:http:{self.services.target('web', 'http')}",
            f"files:http:{self.services.target('files', 'http')}",
            f"ssh:tcp:127.0.0.1:{self.sshd.port}",
            f"printer:tcp:localhost:{self.services.ports['printer', 'tcp']}"])


@pytest.fixture(scope="module")
def scene(module_group):
    return Scene(module_group)


def test_device_with_two_http_services_ssh_and_a_lan_target_has_four_ways_in(scene):
    assert scene.cluster.wait_served(scene.agent.host()).text == "web"
    assert scene.cluster.wait_served(scene.agent.host("files")).text == "files"
    done = until("ssh answers", lambda: (d := scene.sshd.ssh(scene.agent.port("ssh"), "echo in"))
                 and d.returncode == 0 and d)
    assert done.stdout == "in\n"
    assert wait_tcp(scene.cluster.public_address(scene.agent, "printer")) == "printer"


def test_urls_of_the_welcome_are_where_the_services_are(scene):
    label = scene.agent.label
    assert scene.agent.url("web") == f"http://{label}.example.test/"
    assert scene.agent.url("files") == f"http://{label}--files.example.test/"
    assert scene.agent.url("ssh").startswith("tcp://")
    assert scene.agent.port("ssh") != scene.agent.port("printer")


def test_service_that_the_device_does_not_offer_is_404(scene):
    assert scene.cluster.get(scene.agent.host("cellar"), "/").status == 404


def test_two_devices_do_not_see_each_other(scene):
    other = scene.cluster.agent("bob", [f"web:http:{scene.services.target('files', 'http')}"])
    assert scene.cluster.wait_served(other.host()).text == "files"
    assert scene.cluster.wait_served(scene.agent.host()).text == "web"
    assert other.label != scene.agent.label


def test_reserved_label_and_port_go_to_their_device_and_no_other(group):
    services = SampleServices(group, "web")
    cluster = Cluster(group)
    port = cluster.public  # the first that anybody would be given
    cluster.device("absent", label="my-printer", ports_=[f"raw:{port}"])
    present = cluster.device("present", label="our-printer", ports_=[f"raw:{port + 1}"])
    tcp = f"raw:tcp:{services.target('web', 'tcp')}"
    others = [cluster.agent(f"other{i}", [tcp]) for i in range(3)]
    assert not {port, port + 1} & {other.port("raw") for other in others}
    assert tcp_outcome(("127.0.0.1", port), b"NAME\n")[1] == b""
    agent = cluster.agent(present, [f"web:http:{services.target('web', 'http')}", tcp])
    assert agent.label == "our-printer"
    assert agent.port("raw") == port + 1
    assert cluster.wait_served("our-printer.example.test").text == "web"
    assert wait_tcp(("127.0.0.1", port + 1)) == "web"


def test_public_port_leads_to_whom_it_is_leased_though_a_web_service_listens_there(group):
    """A relay that stands alone has one range for both: the web service that took the number,
    because it came first, gives way, and is served all the same."""
    services = SampleServices(group, "web", "files")
    relay = Standalone(group)
    web = f"web:http:{services.target('web', 'http')}"
    alice = relay.agent(relay.device("alice"), [web])
    bob = relay.agent(relay.device("bob", ports_=[f"raw:{relay.first_port}"]),
                      [f"raw:tcp:{services.target('files', 'tcp')}",
                       f"site:http:{services.target('files', 'http')}"])
    assert bob.port("raw") == relay.first_port
    assert wait_tcp(("127.0.0.1", relay.first_port)) == "files"
    assert relay.get(alice.host()).text == "web"
    assert relay.get(bob.host()).text == "files"


def test_ports_come_from_ipv4_and_ipv6_ranges_that_lie_apart(group):
    """More services than the first range has listeners: the others take over, also on ::1."""
    first, second = ports.take_block(), ports.take_block()
    services = SampleServices(group, "web")
    cluster = Cluster(group, service_listen=[
        f"127.0.0.1:{first}-{first + 1}", f"127.0.0.1:{first + 10}-{first + 10}",
        f"[::1]:{second}-{second + 20}"])
    web = f"http:{services.target('web', 'http')}"
    agent = cluster.agent("many", [f"s{i}:{web}" for i in range(10)])
    assert cluster.wait_served(agent.host()).text == "web"
    for i in range(1, 10):
        assert cluster.wait_served(agent.host(f"s{i}")).text == "web"
    targets = {value.split(",")[0] for key, value in cluster.redis.routes().items()
               if key.startswith("http/")}
    assert targets == {"127.0.0.1", "::1"}, targets
