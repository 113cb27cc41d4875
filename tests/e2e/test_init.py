# SPDX-License-Identifier: MIT
"""taupe-relay init: what it writes works together, and it loses nothing that is there. The commands
are those that it prints."""
import os
import pty
import re
import shutil
import socket
import stat
import subprocess

import pytest

from harness.first_run import DOMAIN, FirstRun
from harness.process import ROOT, Process, binary
from harness.programs import Certificate, SampleServices
from harness.wait import until

USAGE, DATAERR, NOINPUT, UNAVAILABLE, CANTCREAT = 64, 65, 66, 69, 73


@pytest.fixture
def first(open_group):
    return FirstRun(open_group)


@pytest.fixture
def alone(open_group):
    return FirstRun(open_group, "--stand-alone")


def contents(root):
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def connect_agent(first, secret, services):
    """An agent with the secret that was printed, and the self-made certificate."""
    folder = first.group.folder
    (folder / "secret").write_text(re.search(r"secret=([\w-]+)'", secret).group(1) + "\n")
    (folder / "secret").chmod(0o600)
    target = services.target("web", "http")
    return Process(first.group, "agent", [
        binary("taupe-agent"), "--relay", f"wss://relay.{DOMAIN}:{first.https}", "--name", "alice",
        "--secret-file", str(folder / "secret"), "--service", f"web:http:{target}",
        "--state-file", str(folder / "state"), "--ca-file", str(first.find("ca.pem")),
        "--reconnect-max", "500ms", "--drain-timeout", "100ms"])


def public_url(agent):
    return re.search(r"url=(\S+)", agent.wait_line("url=http", timeout=20)).group(1)


def curl(first, url):
    done = subprocess.run(["curl", "-s", "--cacert", str(first.find("ca.pem")), url],
                          capture_output=True, text=True, timeout=20, check=False)
    return done.stdout


def test_a_cluster_as_it_was_written_serves_a_device_through_haproxy(first):
    services = SampleServices(first.group, "web")
    commands = first.commands(first.init())
    assert sum("taupe-relay --config" in command for command in commands) == 2
    # the commands are for a person, who is slower than programs start
    *programs, add = commands
    for command in programs:
        first.run([command])
        if "taupe-router" in command:
            until("the map files are there", lambda: list(first.root.rglob("relay.map")))
    ctl = add.split(" device ")[0]
    until("both relays are there", lambda: len(first.ask(
        f"{ctl} relay ls").splitlines()) == 3, timeout=20)
    secret, = first.run([add])
    agent = connect_agent(first, secret, services)
    url = public_url(agent)
    assert re.fullmatch(rf"https://[a-z0-9]+\.{DOMAIN}:{first.https}/", url)
    assert until("its page is there", lambda: curl(first, f"{url}name"), timeout=20) == "web"
    assert "alice" in first.ask(f"{ctl} device ls")
    first.ask(f"{ctl} status")
    # this machine's own limits and clocks are not the point
    seen = first.ask(f"{ctl} doctor || true")
    assert re.search(r"^ok +certificate of r1 +holds for r1", seen, re.M), seen
    assert re.search(r"^ok +haproxy +/\S+/admin.sock answers", seen, re.M), seen
    assert re.search(rf"^ok +port {first.https} of 127.0.0.1 +HTTPS: open", seen, re.M), seen
    # the relays' API has a user of its own in Redis
    token = first.ask(f"{ctl} token add boss --role admin").strip()
    admin, = re.findall(r"^admin_listen = (.*)$", first.find("relay-1.ini").read_text(), re.M)
    made = first.ask(f"curl -s -H 'Authorization: Bearer {token}' "
                     f"-H 'Content-Type: application/json' -d '{{\"name\": \"bob\"}}' "
                     f"http://{admin}/api/v1/devices")
    assert '"secret"' in made, made
    assert "bob" in first.ask(f"{ctl} device ls")
    # and so has what reads the events for a webhook
    redis, = re.findall(r"^redis = (.*)$", first.find("taupectl.ini").read_text(), re.M)
    assert "object=bob" in first.ask(
        f"{binary('taupectl')} --config /dev/null --redis {redis} --redis-user taupe-webhook "
        f"--redis-password-file {first.find('redis-webhook.password')} events --kind audit")


def test_a_relay_that_stands_alone_serves_a_device(alone):
    services = SampleServices(alone.group, "web")
    commands = alone.commands(alone.init())
    secret, = alone.run(commands)
    agent = connect_agent(alone, secret, services)
    url = public_url(agent)
    assert re.fullmatch(rf"http://[a-z0-9]+\.{DOMAIN}:{alone.http}/", url)
    assert until("its page is there", lambda: curl(alone, f"{url}name")) == "web"


def test_every_program_takes_its_file(first):
    assert first.init().returncode == 0
    for program, name in (("taupe-relay", "relay-1.ini"), ("taupe-relay", "relay-2.ini"),
                          ("taupe-router", "router.ini"), ("taupectl", "taupectl.ini")):
        done = subprocess.run([binary(program), "--config", str(first.find(name)), "--check"],
                              capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 0, done.stderr
        assert "the configuration is right" in done.stdout
    secrets = [path for path in first.root.rglob("*")
               if path.suffix in (".password", ".key") or path.name == "taupe.pem"]
    assert len(secrets) == 8
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o027 == 0 for path in secrets)
    assert len({path.read_bytes() for path in secrets}) == 8


def test_all_of_haproxys_pages_are_written(first):
    assert first.init().returncode == 0
    written = first.root / "etc/haproxy/taupe-pages"
    assert {path.name: path.read_bytes() for path in written.iterdir()} == {
        path.name: path.read_bytes() for path in (ROOT / "haproxy/pages").iterdir()}


def test_a_second_run_changes_nothing(first):
    first.init()
    before = contents(first.root)
    done = first.init()
    assert done.returncode == 0
    assert f"all {len(before)} files are there as they should be" in done.stdout
    assert contents(first.root) == before


def test_what_differs_is_told_and_kept(first):
    first.init()
    path = first.find("router.ini")
    path.write_text(path.read_text() + "grace = 1s\n")
    first.find("relay-2.ini").unlink()
    before = contents(first.root)
    done = first.init()
    assert done.returncode == CANTCREAT
    line = len(path.read_text().splitlines())
    assert f'{path}:{line}: "grace = 1s" is there, it would be ""' in done.stderr
    assert "nothing was written" in done.stderr
    assert contents(first.root) == before
    # a secret is not shown
    key = first.find("redis-relay.password")
    key.write_text("a" * 64 + "\n")
    done = first.init()
    assert re.search(rf"{first.find('users-taupe.acl')}:\d+: differs", done.stderr)
    assert not re.search("[0-9a-f]{64}", done.stderr + done.stdout)


def test_force_keeps_what_was_there_and_the_secrets(first):
    first.init()
    path = first.find("router.ini")
    ours, secret = path.read_text(), first.find("cluster.key").read_text()
    for number, suffix in ((1, ".bak"), (2, ".bak1")):
        path.write_text(f"{ours}grace = {number}s\n")
        done = first.init("--force")
        assert done.returncode == 0
        assert path.read_text() == ours
        assert path.with_name(path.name + suffix).read_text() == f"{ours}grace = {number}s\n"
    assert first.find("cluster.key").read_text() == secret


def shown_by_haproxy(first):
    """At the agents' name: it ends TLS for those that are in its maps."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{first.https}", "-servername",
         f"relay.{DOMAIN}"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20,
        check=False)
    return re.search(r"-----BEGIN CERT.*?-----END CERTIFICATE-----\n", done.stdout, re.DOTALL)


def test_haproxy_shows_the_certificate_that_has_replaced_another(first, open_group):
    """One of RSA, which HAProxy would leave for any of an elliptic curve that it finds."""
    commands = first.commands(first.init())
    redis, router, *_, haproxy, _ = commands
    given = Certificate(open_group.folder / "rsa", f"*.{DOMAIN}", DOMAIN, key="rsa:2048")
    done = first.init("--force", "--certificate", str(given.chain), "--key", str(given.key))
    kept = re.search(r"taupe.pem: what was there is (\S+)", done.stdout).group(1)
    assert "PRIVATE KEY" in open(kept, encoding="ascii").read()
    assert stat.S_IMODE(os.stat(kept).st_mode) == 0o600
    assert [path.name for path in first.find("taupe.pem").parent.iterdir()] == ["taupe.pem"]
    first.run([redis, router])
    until("the map files are there", lambda: list(first.root.rglob("tcp.again.map")))
    first.run([haproxy])
    shown = until("HAProxy answers", lambda: shown_by_haproxy(first))
    assert shown.group() == given.chain.read_text()
    # whoever keeps a copy there is told
    doctor = f"{commands[-1].split(' device ')[0]} doctor || true"
    assert not re.search("is for .* too", first.ask(doctor))
    first.group.members[-1].stop()
    shutil.copy(kept, first.find("taupe.pem").with_name("taupe.pem.old"))
    first.run([haproxy])
    until("HAProxy answers", lambda: shown_by_haproxy(first))
    assert re.search(r"^warning +certificate \S+/taupe.pem.old +\S+/taupe.pem is for", first.ask(doctor), re.M)


@pytest.mark.parametrize("call, number, written", [("fsync", 20, False), ("rename", 3, True)])
def test_who_is_interrupted_leaves_all_or_nothing(first, call, number, written):
    done = subprocess.run(
        ["strace", "-o", str(first.group.folder / "calls"), "-e", f"trace={call}", "-e",
         f"inject={call}:signal=SIGINT:when={number}", binary("taupe-relay"), "init", DOMAIN,
         *first.options], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}, check=False)
    assert done.returncode in (-2, 130), done.stderr
    assert ("nothing was written" in done.stderr) != written
    assert ("What comes next" in done.stdout) == written
    if written:
        assert "files are there as they should be" in first.init().stdout
    else:
        assert not first.root.exists()


def test_a_certificate_is_taken_and_its_faults_are_told(first, open_group):
    good = Certificate(open_group.folder / "good", f"*.{DOMAIN}", DOMAIN)
    other = Certificate(open_group.folder / "other", "other.test")
    done = first.init("--certificate", str(good.chain), "--key", str(other.key))
    assert done.returncode == DATAERR
    assert "do not belong together" in done.stderr
    assert not first.root.exists()
    done = first.init("--certificate", str(good.chain))
    assert done.returncode == DATAERR and "no private key" in done.stderr
    done = first.init("--certificate", "/nonexistent.pem")
    assert done.returncode == NOINPUT and "/nonexistent.pem" in done.stderr
    done = first.init("--certificate", str(other.bundle))
    assert done.returncode == 0 and f"not for *.{DOMAIN}" in done.stdout
    done = first.init("--force", "--certificate", str(good.chain), "--key", str(good.key))
    assert done.returncode == 0, done.stderr
    assert "not for" not in done.stdout
    bundle = first.find("taupe.pem").read_text()
    assert good.chain.read_text() in bundle and good.key.read_text() in bundle


@pytest.mark.parametrize("domain, said", [
    ("localhost", "a domain with a dot"), ("192.0.2.1", "an address has no names below it"),
    ("::1", "an address has no names below it"), ("Example.com", "lower case"),
    ("example..com", "a domain name"), ("1.2.3", "ends in a number"), ("exa mple.com", "a domain name"), ("", "a domain name"),
    ("a." * 115 + "com", "too long")])
def test_a_bad_domain_is_refused(first, domain, said):
    done = first.init(domain=domain)
    assert done.returncode == USAGE and said in done.stderr
    assert not first.root.exists()


@pytest.mark.parametrize("options, said", [
    (["second.example"], "there is one domain"), (["--relays", "65"], "0 to 64"),
    (["--key", "/etc/hostname"], "no certificate for it"), (["--root", "relative"], "absolute"),
    (["--root", "/with blank"], "absolute"), (["--address", "0.0.0.0"], "numeric address"),
    (["--address", "192.0.2.77"], "no address of this machine"),
    (["--public-ports", "20-10"], "LOW-HIGH"), (["--public-ports", "x"], "LOW-HIGH"),
    (["--http-listen", "80"], "ADDRESS:PORT"), (["--stand-alone"], "one relay"),
    (["--agent-port", "65000", "--admin-port", "65000"], "both have port"),
    (["--service-ports", "5-5"], "too few")])
def test_bad_options_are_refused(first, options, said):
    done = first.init(*options)
    assert done.returncode in (USAGE, UNAVAILABLE)
    assert said in done.stderr and "Traceback" not in done.stderr
    assert not first.root.exists()


def test_a_port_that_is_taken_is_told(first):
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", first.redis))
        other.listen()
        done = first.init()
    assert done.returncode == UNAVAILABLE
    assert f"127.0.0.1:{first.redis} is taken by another program" in done.stderr
    assert "--redis-port" in done.stderr
    assert not first.root.exists()


def test_where_nothing_can_be_written_nothing_is(first):
    first.root.parent.joinpath("i").write_text("a file\n")
    done = first.init()
    assert done.returncode == CANTCREAT
    assert f"{first.root}" in done.stderr
    assert first.root.read_text() == "a file\n"


def test_half_of_it_is_not_left(first):
    """The last folder cannot be made: what was written before is gone."""
    (first.root / "run").mkdir(parents=True)
    (first.root / "run" / "haproxy").write_text("in the way\n")
    (first.root / "var").write_text("in the way\n")
    done = first.init()
    assert done.returncode == CANTCREAT
    assert sorted(path.name for path in first.root.rglob("*")) == ["haproxy", "run", "var"]


def type_answers(first, argv, answers):
    """On a terminal of its own: what was asked and said, and the exit code."""
    controller, terminal = pty.openpty()
    child = subprocess.Popen([binary("taupe-relay"), "init", *argv, *first.options[:-2]],
                             stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    os.write(controller, answers.encode())
    said = b""
    while True:
        try:
            data = os.read(controller, 4096)
        except OSError:  # its end
            break
        if not data:
            break
        said += data
    os.close(controller)
    return said.decode(), child.wait(timeout=10)


def test_on_a_terminal_it_asks(first):
    said, code = type_answers(first, [], "localhost\ntry.localhost\nmaybe\nno\n0\n3\n/none\n\n")
    assert code == 0, said
    assert said.count("The domain that devices get names under") == 2
    assert '"localhost": allowed: a domain with a dot' in said
    assert '"maybe": allowed: yes or no' in said
    assert '"/none": there is no such file' in said
    assert first.find("relay-3.ini").read_text().count("domain = try.localhost") == 1


def test_without_an_answer_nothing_is_written(first):
    said, code = type_answers(first, [], "try.localhost\n\x04")
    assert code == USAGE and "nothing was written" in said
    assert not first.root.exists()
