# SPDX-License-Identifier: MIT
"""An agent where the C library and OpenSSL find nothing of what they are used to: no
/etc/resolv.conf, no certificates where Debian has them. Android is such a system."""
import signal
import subprocess
import time

import pytest

from harness import ports
from harness.bare_root import bare_root
from harness.fakes import Dns
from harness.programs import Agent, Certificate, SampleServices
from harness.scenes import Standalone
from harness.wait import until

NAME = "relay.example.test"
ANDROID_14, ANDROID = "/apex/com.android.conscrypt/cacerts", "/system/etc/security/cacerts"


class Scene:
    """A relay whose name only a name server of the test's knows."""

    def __init__(self, group):
        self.services = SampleServices(group, "web")
        self.certificate = Certificate(group.folder / "certificate", NAME)
        self.other = Certificate(group.folder / "other", NAME)
        self.port = ports.take()
        self.relay = Standalone(group, agent_tls_listen=f"127.0.0.1:{self.port}",
                                agent_url=f"wss://{NAME}:{self.port}",
                                tls_certificate=self.certificate.bundle)

    def plain(self, host):
        return f"ws://{host}:{self.relay.relay.agent_port}"

    def agent(self, group, name, files, wait=True, url=None, **config):
        agent = Agent(group, self.relay.device(name), [url or f"wss://{NAME}:{self.port}"],
                      [f"web:http:{self.services.target('web', 'http')}"], start=False,
                      wrapper=bare_root(group.folder, files), **config)
        return agent.start(wait)

    def shows(self, agent):
        assert self.relay.get(agent.host()).text == "web"


@pytest.fixture(scope="module")
def scene(module_group):
    yield Scene(module_group)


def name_of_old(certificate):
    """As Android names its authorities: by a hash that OpenSSL had before 1.0."""
    return subprocess.run(["openssl", "x509", "-noout", "-subject_hash_old", "-in", certificate],
                          check=True, capture_output=True, text=True).stdout.strip() + ".0"


def android(place, scene):
    """Its authorities, a file of each, with the text that Android has behind the certificate."""
    return {f"{place}/{name_of_old(one.ca)}" if one is scene.certificate else f"{place}/0.{n}":
            one.ca.read_text() + "Certificate:\n    Data:\n        Version: 3 (0x2)\n"
            for n, one in enumerate((scene.other, scene.certificate))}


@pytest.mark.parametrize("place", [ANDROID_14, ANDROID])
def test_android_has_names_from_dns_and_authorities_from_the_system(group, scene, place):
    with Dns() as dns:
        agent = scene.agent(group, f"android-{place.count('/')}", android(place, scene),
                            dns=dns.address)
        scene.shows(agent)
        assert set(dns.asked) == {NAME}
    agent.stop()


@pytest.mark.parametrize("place", [
    "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem"])
def test_bundle_of_another_system_is_found(group, scene, place):
    with Dns() as dns:
        agent = scene.agent(group, "bundle" + place.replace("/", "-"), {
            place: scene.other.ca.read_text() + scene.certificate.ca.read_text()},
            dns=dns.address)
        scene.shows(agent)
    agent.stop()


def test_system_that_trusts_others_does_not_trust_this_relay(group, scene):
    with Dns() as dns:
        agent = scene.agent(group, "stranger", {
            "/system/etc/security/cacerts/0.0": scene.other.ca.read_text()},
            wait=False, dns=dns.address)
        agent.process.wait_line("certificate verify failed", count=2)
        assert agent.welcomes() == 0
    agent.stop()


def test_system_without_authorities_is_an_error_that_says_what_to_do(group, scene):
    agent = scene.agent(group, "untrusting", {"/system/etc/security/cacerts/README": "none here"},
                        wait=False)
    agent.process.ends(66)
    assert agent.process.lines("the system's trusted certificates", "ca_file")


def test_syslog_that_is_not_there_is_told(group, scene):
    agent = scene.agent(group, "logless", {}, wait=False, url=scene.plain("127.0.0.1"),
                        log_syslog="yes")
    agent.process.wait_line("taupe-agent: log_syslog: there is no /dev/log: nothing is logged")
    until("it works all the same", lambda: scene.relay.relay.metrics()["taupe_relay_agents"] == 1)
    path = group.folder / f"{agent.name}.conf"
    path.write_text(path.read_text().replace(scene.services.target("web", "http"), "127.0.0.1:1"))
    agent.process.send_signal(signal.SIGHUP)
    until("that was read again", lambda: scene.relay.get(agent.host()).status == 502)
    assert len(agent.process.lines("there is no /dev/log")) == 1
    agent.stop()


def test_without_name_servers_the_error_says_so(group, scene):
    began = time.monotonic()
    agent = scene.agent(group, "nameless", {}, wait=False, url=scene.plain(NAME),
                        reconnect_min="1s")
    agent.process.wait_line("cannot resolve relay.example.test", "no name server is configured",
                            "/etc/resolv.conf")
    assert time.monotonic() - began < 8  # this machine was asked first
    agent.stop()


def test_silent_and_missing_servers_are_passed_over(group, scene):
    with Dns(silent=True) as silent, Dns(host="::1") as good:
        agent = scene.agent(group, "patient", android(ANDROID, scene), url=scene.plain(NAME),
                            dns=f"{silent.address}, 127.0.0.1:{ports.take()}, {good.address}")
        scene.shows(agent)
        assert set(good.asked) == {NAME}
    agent.stop()


def test_sighup_takes_other_name_servers(group, scene):
    with Dns(known=()) as ignorant, Dns() as good:
        agent = scene.agent(group, "taught", android(ANDROID, scene), wait=False, url=scene.plain(NAME),
                            dns=[ignorant.address])
        agent.process.wait_line("cannot resolve relay.example.test: no such host name")
        path = group.folder / f"{agent.name}.conf"
        text = path.read_text()
        path.write_text(text.replace(ignorant.address, "192.0.2.53:nonsense"))
        agent.process.send_signal(signal.SIGHUP)
        agent.process.wait_line("dns = 192.0.2.53:nonsense: allowed: up to 4 numeric addresses")
        path.write_text(text.replace(ignorant.address, good.address))
        agent.process.send_signal(signal.SIGHUP)
        agent.wait_connected()
        scene.shows(agent)
    agent.stop()


def test_addresses_localhost_and_hosts_are_no_question_of_dns(group, scene):
    files = {"/etc/hosts": f"127.0.0.1 {NAME}\n", **android(ANDROID, scene)}
    with Dns(known=()) as dns:
        for name, host in {"number": "127.0.0.1", "local": "localhost", "hosts": NAME}.items():
            agent = scene.agent(group, f"by-{name}", files, url=scene.plain(host),
                                dns=dns.address)
            scene.shows(agent)  # by channels to the name
            agent.stop()
        assert dns.asked == []
