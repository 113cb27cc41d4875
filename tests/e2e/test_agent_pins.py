# SPDX-License-Identifier: MIT
"""What an agent asks of a relay's certificate: verification that nothing switches off, and pins
beside it."""
import ssl
import subprocess

import pytest

from harness import fakes, ports
from harness.fakes import FakeRelay
from harness.process import AGENT_BUILD
from harness.programs import Agent, Certificate, Device, SampleServices
from harness.scenes import Standalone


def pin_of(certificate):
    """As the manual page says to print it."""
    return "sha256/" + subprocess.run(
        f"openssl x509 -in '{certificate}' -noout -pubkey | openssl pkey -pubin -outform der | "
        "openssl dgst -sha256 -binary | openssl base64", shell=True, check=True,
        capture_output=True, text=True).stdout.strip()


class Scene:
    def __init__(self, group):
        self.group = group
        self.services = SampleServices(group, "web")
        self.certificate = Certificate(group.folder / "certificate", "127.0.0.1")
        self.other = Certificate(group.folder / "other", "127.0.0.1")
        port = ports.take()
        self.relay = Standalone(group, agent_listen="", agent_tls_listen=f"127.0.0.1:{port}",
                                agent_url=f"wss://127.0.0.1:{port}",
                                tls_certificate=self.certificate.bundle)

    def agent(self, name, start=True, **config):
        return Agent(self.group, self.relay.device(name), [self.relay.relay],
                     [f"web:http:{self.services.target('web', 'http')}"], start=start,
                     **{"ca_file": self.certificate.ca, **config})


@pytest.fixture(scope="module")
def scene(module_group):
    yield Scene(module_group)


@pytest.mark.parametrize("key", ["ca_file", "tls_certificate"])
def test_certificate_of_a_kind_that_mbed_tls_lacks_is_named(scene, key):
    if "-lmbedtls" not in subprocess.run(["grep", "^TLS_LIBS =", str(AGENT_BUILD / "Makefile")],
                                         capture_output=True, text=True, check=True).stdout:
        pytest.skip("this agent has OpenSSL, which knows Ed25519")
    path = scene.group.folder / f"ed25519-{key}.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=ed",
                    "-keyout", str(path) + ".key", "-out", str(path)], check=True,
                   capture_output=True)
    agent = scene.agent(f"ed25519-{key}", start=False, **{key: path}).start(wait=False)
    agent.process.ends(66)
    assert agent.process.lines(f"{key} cannot be used", "of a kind that Mbed TLS does not have")


@pytest.mark.parametrize("what", ["leaf", "authority", "backup"])
def test_pin_of_any_certificate_of_the_chain_is_enough(scene, what):
    pins = {"leaf": [pin_of(scene.certificate.chain)], "authority": [pin_of(scene.certificate.ca)],
            "backup": [pin_of(scene.other.chain), pin_of(scene.certificate.chain)]}[what]
    agent = scene.agent(f"pin-{what}", pin=pins)
    # each visit's channel is a connection, that resumes the first one's session
    for _ in range(3):
        assert scene.relay.get(agent.host()).text == "web"
    agent.stop()


def test_relay_without_a_pinned_key_is_refused_again_and_again(scene):
    agent = scene.agent("unpinned", start=False, pin=pin_of(scene.other.chain)).start(wait=False)
    line = agent.process.wait_line("no pin matches for 127.0.0.1", count=3)
    assert pin_of(scene.certificate.chain) in line
    assert f"relay={scene.relay.relay.url}" in line
    assert agent.welcomes() == 0
    agent.stop()


def test_pin_does_not_replace_an_authority(scene):
    agent = scene.agent("stranger", start=False, ca_file=scene.other.ca,
                        pin=pin_of(scene.certificate.chain)).start(wait=False)
    agent.process.wait_line("certificate verify failed for 127.0.0.1", "ca_file", count=2)
    assert agent.welcomes() == 0
    agent.stop()


def test_certificate_that_is_its_own_authority_can_be_pinned(group):
    folder = group.folder
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder / "self.key", "-out",
                    folder / "self.pem", "-days", "3", "-subj", "/CN=relay", "-addext",
                    "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "self.pem", folder / "self.key")
    with FakeRelay(context=context) as relay:
        agent = Agent(group, Device("own"), [relay.url], ["web:http:127.0.0.1:1"],
                      ca_file=folder / "self.pem", pin=pin_of(folder / "self.pem"))
        agent.stop()


@pytest.mark.parametrize("config,status,needle", [
    ({"pin": "sha256/short="}, 78, "44 characters"),
    ({"pin": "sha1/" + "A" * 43 + "="}, 78, "sha256/"),
    ({"pin": "sha256/" + "A" * 43 + "=", "relay": "ws://127.0.0.1:1"}, 78, "wss:// is needed"),
    ({"insecure": "yes"}, 78, "insecure"),
], ids=["short", "other hash", "no TLS", "no such thing"])
def test_wrong_pin_is_told_at_the_start(scene, config, status, needle):
    agent = scene.agent("wrong", start=False, **config).start(wait=False)
    agent.process.ends(status)
    assert needle in agent.process.text()


def expired(certificate):
    folder = certificate.chain.parent
    subprocess.run(["openssl", "x509", "-req", "-in", folder / "cert.csr", "-CA", certificate.ca,
                    "-CAkey", folder / "ca.key", "-days", "-1", "-extfile", folder / "cert.ext",
                    "-out", certificate.chain], check=True, capture_output=True)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1")
@pytest.mark.parametrize("fault,needles", [
    ("name", ["certificate verify failed for 127.0.0.1", "IP address mismatch", "other names"]),
    ("expired", ["certificate verify failed for 127.0.0.1", "has expired", "renew"]),
    ("self", ["certificate verify failed for 127.0.0.1", "self-signed", "ca_file"]),
    ("authority", ["certificate verify failed for 127.0.0.1", "issuer", "ca_file"]),
    ("old", ["TLS with 127.0.0.1 failed", "TLS 1.2 or later is needed"]),
], ids=["wrong name", "expired", "self-signed", "wrong authority", "TLS 1.1"])
def test_relay_that_cannot_be_trusted_is_refused_with_what_where_and_what_to_do(group, fault,
                                                                                needles):
    certificate = Certificate(group.folder / "one", "10.9.8.7" if fault == "name" else "127.0.0.1")
    ca_file = certificate.ca
    if fault == "expired":
        expired(certificate)
    elif fault == "authority":
        ca_file = Certificate(group.folder / "two", "127.0.0.1").ca
    elif fault == "self":
        certificate.chain, certificate.key = certificate.ca, certificate.ca.with_suffix(".key")
        ca_file = Certificate(group.folder / "two", "127.0.0.1").ca
    context = fakes.tls_context(certificate)
    if fault == "old":
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with FakeRelay(context=context) as relay:
        agent = Agent(group, Device("careful"), [relay.url], ["web:http:127.0.0.1:1"],
                      ca_file=ca_file, start=False).start(wait=False)
        line = agent.process.wait_line("level=warn", *needles)
        assert f"relay={relay.url}" in line
        # nothing, and no secret, was said to it
        assert relay.heads == [] and agent.welcomes() == 0
        agent.stop()
