# SPDX-License-Identifier: MIT
"""Certificates from nothing to https at a real authority (pebble), with taupectl cert load as the hook: a customer's
own domain, as docs/OPERATIONS.md has it, with a TXT record, and certbot, whose HTTP-01 challenge HAProxy answers
itself; and the wildcard, with lego and DNS-01, by the commands of haproxy/README.md."""
import json
import os
import re
import subprocess

import pytest

from harness import ports
from harness.fakes import Dns
from harness.process import ROOT, Process, binary
from harness.programs import Certificate, SampleServices
from harness.scenes import Cluster
from harness.visitors import get
from harness.wait import until

SHOP = "shop.customer.test"

pytestmark = pytest.mark.long


class Authority:
    """pebble, which asks the DNS that it is told, and HAProxy for the challenge."""

    def __init__(self, group, dns, http_port):
        own = Certificate(group.folder / "pebble", "localhost", "127.0.0.1")
        self.ca = own.ca
        port, management = ports.take(), ports.take()
        self.url = f"https://localhost:{port}/dir"
        self.roots = (("127.0.0.1", management), "/roots/0")
        config = group.folder / "pebble.json"
        config.write_text(json.dumps({"pebble": {
            "listenAddress": f"127.0.0.1:{port}", "managementListenAddress": f"127.0.0.1:{management}",
            "certificate": str(own.chain), "privateKey": str(own.key), "httpPort": http_port,
            "tlsPort": 1, "ocspResponderURL": "", "externalAccountBindingRequired": False}}))
        # no nonce that is refused at will, no sleep before a validation
        self.process = Process(group, "pebble", [
            "pebble", "-config", str(config), "-dnsserver", dns.address, "-strict"],
            env={"PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_VA_NOSLEEP": "1"}, ends=(-15,))
        self.root = group.folder / "acme-root.pem"
        until("the authority answers", self.answers)

    def answers(self):
        answer = get(*self.roots[:1], "localhost", self.roots[1], sni="localhost")
        self.root.write_text(answer.text)
        return answer.status == 200


class Certbot:
    def __init__(self, group, authority):
        self.folder = group.folder / "certbot"
        self.words = ["--server", authority.url, "--config-dir", self.folder / "etc", "--work-dir",
                      self.folder / "work", "--logs-dir", self.folder / "logs"]
        self.env = {**os.environ, "REQUESTS_CA_BUNDLE": str(authority.ca)}

    def __call__(self, *words):
        done = subprocess.run(["certbot", *map(str, (*words, *self.words))], env=self.env,
                              capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def thumbprint_of(key):
    """With the command of haproxy/README.md."""
    text = (ROOT / "haproxy" / "README.md").read_text()
    command = re.search(r"^    (python3 -c .+\n(?:        .+\n)+)", text, re.M).group(1)
    command = re.sub(r"/etc/letsencrypt/\S+", str(key), command)
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_customers_domain_gets_its_certificate(group):
    with Dns() as dns:
        certs = group.folder / "certs"
        certs.mkdir()
        wildcard = Certificate(group.folder / "wildcard", "*.example.test")
        (certs / "wildcard.pem").write_text(wildcard.bundle.read_text())
        cluster = Cluster(group, haproxy={"TAUPE_CERTS": str(certs)})
        services = SampleServices(group, "home")
        agent = cluster.agent("alice", [f"web:http:{services.target('home', 'http')}"])
        agent.wait_connected()

        def ctl(*words):
            argv = [binary("taupectl"), "--config", "/dev/null", "--dns", dns.address]
            for key, value in cluster.redis.access("taupectl").items():
                argv += ["--" + key.replace("_", "-"), str(value)]
            done = subprocess.run([*argv, *words], capture_output=True, text=True, timeout=30,
                                  check=False)
            assert done.returncode == 0, done.stderr
            return done.stdout

        made = json.loads(ctl("--json", "domain", "add", SHOP, "alice/web"))
        dns.texts[made["txt"]["name"]] = [[made["txt"]["value"]]]
        ctl("domain", "verify", SHOP)
        cluster.wait_served(SHOP)

        authority = Authority(group, dns, cluster.haproxy.http[1])
        certbot = Certbot(group, authority)
        certbot("register", "--agree-tos", "-m", "you@example.test", "--no-eff-email", "-n")
        thumbprint = thumbprint_of(next(certbot.folder.glob("etc/accounts/*/*/*/private_key.json")))
        # /etc/default/haproxy, and a reload
        cluster.haproxy.process.stop()
        cluster.haproxy.env["TAUPE_ACME_THUMBPRINT"] = thumbprint
        cluster.haproxy.start()
        cluster.wait_served(SHOP)

        hook = group.folder / "hook"
        hook.write_text(f"""#!/bin/sh
set -e
umask 077
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
cat "$RENEWED_LINEAGE/fullchain.pem" "$RENEWED_LINEAGE/privkey.pem" > "$new/${{RENEWED_LINEAGE##*/}}.pem"
{binary("taupectl")} --config /dev/null --haproxy {cluster.haproxy.socket} --certs {certs} \\
    cert load "$new/${{RENEWED_LINEAGE##*/}}.pem"
""")
        hook.chmod(0o700)

        def serial():
            found = get(cluster.haproxy.tls, SHOP, "/name", sni=SHOP, cafile=str(authority.root))
            assert (found.status, found.text) == (200, "home")
            listed, = [line for line in ctl("--haproxy", str(cluster.haproxy.socket), "cert",
                                            "ls").splitlines() if SHOP in line]
            return listed, (certs / f"{SHOP}.pem").read_text()

        certbot("certonly", "-n", "--manual", "--preferred-challenges", "http",
                "--manual-auth-hook", "/bin/true", "--deploy-hook", hook, "-d", SHOP)
        first = serial()
        certbot("renew", "-n", "--force-renewal", "--no-random-sleep-on-renew")
        assert serial()[1] != first[1]


class Zone:
    """What lego's program for the DNS (--dns exec) has written: texts for a Dns."""

    def __init__(self, folder):
        self.file = folder / "zone"
        self.file.touch()
        self.program = folder / "update-dns"
        self.program.write_text(f"#!/bin/sh\necho \"$*\" >> {self.file}\n")
        self.program.chmod(0o700)

    def __getitem__(self, name):
        rows = [line.split() for line in self.file.read_text().splitlines()]
        return [[row[2]] for row in rows if row[0] == "present" and row[1].rstrip(".") == name]

    def __contains__(self, name):
        return bool(self[name])


def commands_of(start, *, folder, authority, dns, ctl):
    """A command of haproxy/README.md, for this place."""
    text = (ROOT / "haproxy" / "README.md").read_text()
    command = re.search(rf"^    ({start}(?:[^\n\\]|\\\n)*)", text, re.M).group(1)
    for theirs, ours in (("\\\n", " "), ("/etc/lego", str(folder)), ("example.com", "example.test"),
                         ("--dns cloudflare", f"--server {authority.url} --dns exec --dns.disable-cp "
                          f"--dns.resolvers {dns.address}"), ("taupectl", ctl)):
        command = command.replace(theirs, ours)
    return command


def test_the_wildcard_renews_itself(group):
    certs, folder = group.folder / "certs", group.folder / "lego"
    certs.mkdir()
    # without any certificate HAProxy does not begin
    other = Certificate(group.folder / "other", "other.test")
    (certs / "other.pem").write_text(other.bundle.read_text())
    zone = Zone(group.folder)
    with Dns() as dns:
        dns.texts = zone
        cluster = Cluster(group, haproxy={"TAUPE_CERTS": str(certs)})
        services = SampleServices(group, "home")
        agent = cluster.agent("alice", [f"web:http:{services.target('home', 'http')}"])
        agent.wait_connected()
        host = agent.host()
        cluster.wait_served(host)
        authority = Authority(group, dns, cluster.haproxy.http[1])
        ctl = (f"{binary('taupectl')} --config /dev/null --haproxy {cluster.haproxy.socket} "
               f"--certs {certs}")
        env = {**os.environ, "LEGO_CA_CERTIFICATES": str(authority.ca), "EXEC_PATH": str(zone.program),
               "EXEC_SEQUENCE_INTERVAL": "1", "EXEC_POLLING_INTERVAL": "1"}

        def run(start, more=""):
            command = commands_of(start, folder=folder, authority=authority, dns=dns, ctl=ctl)
            done = subprocess.run(["sh", "-c", command + more], env=env, capture_output=True, text=True,
                                  timeout=120, check=False)
            assert done.returncode == 0, done.stdout + done.stderr

        def served():
            found = get(cluster.haproxy.tls, host, "/name", sni=host, cafile=str(authority.root))
            assert (found.status, found.text) == (200, "home")
            return (certs / "_.example.test.pem").read_text()

        run("lego --path /etc/lego --email you@example.com --accept-tos")
        run("taupectl cert load /etc/lego/")
        first = served()
        # its time has not come for two months
        run(r"lego --path /etc/lego --email you@example.com --dns", " --days 100000 --no-random-sleep")
        assert served() != first
