# SPDX-License-Identifier: MIT
"""Where secrets are, and where they are not: in memory, on a command line, in Redis, in files. What
every test looks for at its end (logs, command lines, admin ports) is proved here to be found."""
import base64
import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest

from harness import marks, ports
from harness.memory import places_of
from harness.process import Group, Process, binary
from harness.programs import Agent, Certificate, Device, Redis, Relay, SampleServices, write_ini
from harness.scenes import Standalone
from harness.wait import until
from test_agent_proxy import Proxy

EX_CONFIG = 78


def visit(relay, agent, count=20):
    for _ in range(count):
        assert relay.get(agent.host()).status == 200


def places(process, secret):
    """How many times the secret stands in its memory; the tests' own hint on a failure is where."""
    return [hex(at) for at in places_of(process.pid, secret)]


def pem_body(path):
    """The base64 of a key in a PEM file, without its first and last line: what is in a file only."""
    lines, inside = [], False
    for line in pathlib.Path(path).read_text().splitlines():
        if line.startswith("-----"):
            inside = line.startswith("-----BEGIN") and "PRIVATE KEY" in line
        elif inside:
            lines.append(line)
    return lines


def private_number(path):
    """Of an elliptic curve's key, as PEM and DER have it."""
    text = subprocess.run(["openssl", "pkey", "-noout", "-text", "-in", str(path)], check=True,
                          capture_output=True, text=True).stdout
    digits = re.search(r"priv:\n([\s0-9a-f:]+)pub:", text)[1]
    return bytes.fromhex(re.sub(r"[\s:]", "", digits)).lstrip(b"\0")


@pytest.mark.parametrize("given", ["secret_file", "secret"])
@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
def test_secret_is_in_one_place_of_the_agent_and_nowhere_in_the_relay(group, given, tls):
    """core_dumps lets us look; it changes nothing else."""
    services = SampleServices(group, "web")
    config = {}
    if tls:
        certificate = Certificate(group.folder / "certificate", "127.0.0.1")
        port = ports.take()
        config = {"agent_listen": "", "agent_tls_listen": f"127.0.0.1:{port}",
                  "agent_url": f"wss://127.0.0.1:{port}", "tls_certificate": certificate.bundle}
    relay = Standalone(group, core_dumps=True, **config)
    device = relay.add(Device("alice", label="alice"))
    secret = device.secret.encode()
    agent = Agent(group, device, [relay.relay], [f"web:http:{services.target('web', 'http')}"],
                  start=False, core_dumps=True, ca_file=certificate.ca if tls else None)
    if given == "secret":
        agent.config["secret"] = agent.config.pop("secret_file").read_text().strip()
    path = group.folder / f"{agent.name}.conf"
    path.touch(mode=0o600)
    agent.start()
    visit(relay, agent)
    assert len(places(agent.process, secret)) == 1
    assert places(relay.relay.process, secret) == []
    # a second session, and a second reading of the configuration
    agent.config["max_transfers"] = 99
    agent.config["shared_visits"] = 99  # which the relay must be told
    write_ini(path, "agent", agent.config)
    agent.process.send_signal(signal.SIGHUP)
    agent.wait_connected(count=2)
    until("the old session is gone", lambda: len(places(agent.process, secret)) == 1)
    assert places(relay.relay.process, secret) == []
    if tls:
        for line in pem_body(certificate.key):
            assert places(relay.relay.process, line.encode()) == []
        # OpenSSL has it as a number, whose first byte is the last one in memory
        number = private_number(certificate.key)
        assert places(relay.relay.process, number) == []
        assert len(places(relay.relay.process, number[::-1])) == 1


def test_password_of_redis_is_in_one_place_for_each_connection(group):
    redis = Redis(group)
    redis.add(Device("nobody"))
    key = group.folder / "cluster.key"
    key.write_text(marks.marked(48))
    key.chmod(0o600)
    listen = ports.take_block(group.exits)
    relay = Relay(group, core_dumps=True, cluster_key_file=key, **redis.access("taupe-relay"),
                  service_listen=f"127.0.0.1:{listen}-{listen + ports.BLOCK - 1}")
    password = Redis.PASSWORD.encode()

    def connections():
        return sum(client["user"] == "taupe-relay" for client in redis.client.client_list())

    # a connection that is lost has to be made again with it
    until("each has its own", lambda: len(places(relay.process, password)) == connections() > 0)
    count = connections()
    redis.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    relay.process.wait_line("redis link is down")
    until("all are back", lambda: connections() == count)
    until("the registry is up", lambda: relay.api("status")["registry_up"])
    assert len(places(relay.process, password)) == count
    # what was made of the cluster's key is kept, and not the key
    assert places(relay.process, key.read_bytes()) == []


def test_password_of_a_proxy_is_kept_for_either_scheme_and_nowhere_else(group):
    relay, proxy = Standalone(group), Proxy()
    password = group.folder / "proxy.password"
    password.write_text(marks.marked())
    password.chmod(0o600)
    agent = relay.agent("alice", ["web:http:127.0.0.1:9"], core_dumps=True,
                        proxy=f"http://alice@{proxy.address[0]}:{proxy.address[1]}",
                        proxy_password_file=password)
    sent = [line.split()[-1] for line in proxy.heads[0].split("\r\n")
            if line.lower().startswith("proxy-authorization:")]
    assert base64.b64decode(sent[0]) == b"alice:" + password.read_bytes()
    assert len(places(agent.process, password.read_bytes())) == 2
    assert places(agent.process, sent[0].encode()) == []
    proxy.close()


def test_all_of_redis_is_searched_and_holds_no_secret(group):
    redis = Redis(group)
    device = redis.add(Device("alice", label="alice"))
    listen = ports.take_block(group.exits)
    relay = Relay(group, **redis.access("taupe-relay"),
                  service_listen=f"127.0.0.1:{listen}-{listen + ports.BLOCK - 1}")
    Agent(group, device, [relay], ["web:http:127.0.0.1:9"])
    until("the session is registered", lambda: redis.client.exists("taupe:session:alice"))
    everything = "\n".join(redis.everything())
    assert "taupe:session:alice" in everything and "secret_sha256" in everything
    assert device.secret not in everything and redis.exposes() == []
    # the search finds what is there, in each type
    for number, write in enumerate([
            lambda key: redis.client.set(key, device.secret),
            lambda key: redis.client.hset(key, "a", device.secret),
            lambda key: redis.client.sadd(key, device.secret),
            lambda key: redis.client.zadd(key, {device.secret: 1}),
            lambda key: redis.client.xadd(key, {"a": device.secret})]):
        write(f"planted:{number}")
        assert redis.exposes() == [f"a secret in Redis: b'planted:{number}'"]
        redis.client.delete(f"planted:{number}")


@pytest.mark.parametrize("text", [
    marks.marked(), base64.b64encode(f"alice:{marks.marked()}".encode()).decode()],
    ids=["plain", "base64"])
def test_a_test_whose_programs_log_a_secret_fails(group, text):
    inner = Group(group.folder / "inner")
    # not on its own command line
    Process(inner, "talker", ["sh", "-c", "echo $SECRET"], env={"SECRET": f"level=info x={text}"}
            ).ends(0)
    with pytest.raises(AssertionError, match="a secret in talker.log, line 1"):
        inner.close()


def test_a_test_whose_programs_show_a_secret_in_ps_fails(group):
    inner = Group(group.folder / "inner")
    assert Process(inner, "quiet", ["sleep", "60"], ends=(-15,)).exposes() == []
    shower = Process(inner, "shower", [sys.executable, "-c", "import time; time.sleep(60)",
                                       marks.marked()], ends=(-15,))
    # the kernel shows it a moment after the program has begun
    until("it has a command line", lambda: marks.command_line(shower.pid))
    with pytest.raises(AssertionError, match="a secret in the command line of shower"):
        inner.close()


@pytest.mark.parametrize("words", [["--secret", marks.MARK], [f"--secret={marks.MARK}"]])
def test_secret_on_the_command_line_is_refused_and_not_repeated(words):
    done = subprocess.run([binary("taupe-agent"), "--relay", "ws://127.0.0.1:9", "--name", "a",
                           "--service", "web:http:127.0.0.1:9", *words], capture_output=True,
                          text=True, timeout=20, check=False)
    assert done.returncode == EX_CONFIG
    assert "write secret = ... into the configuration file" in done.stderr
    assert not marks.shows((done.stdout + done.stderr).encode())


SECRET_FILES = {
    "taupe-agent": ("secret_file", "agent", {
        "relay": "ws://127.0.0.1:9", "name": "a", "service": "web:http:127.0.0.1:9"}),
    "taupe-relay": ("cluster_key_file", "relay", {
        "open": True, "agent_listen": "127.0.0.1:0"}),
}


@pytest.mark.parametrize("mode,warned", [(0o600, False), (0o640, False), (0o644, True),
                                         (0o660, True)])
@pytest.mark.parametrize("program", SECRET_FILES)
def test_file_that_others_can_read_is_warned_of(group, program, mode, warned):
    key, section, values = SECRET_FILES[program]
    secret = group.folder / "a-secret"
    secret.write_text(marks.marked(48) + "\n")
    secret.chmod(mode)
    # a link is followed: what counts is the file
    link = group.folder / "link"
    link.symlink_to(secret)
    config = write_ini(group.folder / "conf", section, {
        **values, key: link, **({"state_file": group.folder / "state"}
                                if section == "agent" else {"admin_listen": "127.0.0.1:0"})})
    process = Process(group, program, [binary(program), "--config", str(config)])
    process.wait_line("session failed" if section == "agent" else "relay is running")
    assert bool(process.lines("level=warn", key, "chmod 600")) == warned


def test_configuration_with_a_secret_that_others_can_read_is_warned_of(group):
    config = write_ini(group.folder / "conf", "agent", {
        "relay": "ws://127.0.0.1:9", "name": "a", "service": "web:http:127.0.0.1:9",
        "secret": marks.marked(), "state_file": group.folder / "state"})
    for mode, warned in ((0o644, True), (0o640, False)):
        config.chmod(mode)
        process = Process(group, f"agent{mode:o}", [binary("taupe-agent"), "--config", str(config)])
        process.wait_line("session failed")
        assert bool(process.lines("level=warn", "key=secret", "chmod 600")) == warned


def test_what_the_agent_writes_is_its_own(group):
    """Whatever the umask that it was started with."""
    relay = Standalone(group)
    agent = relay.agent("alice", ["web:http:127.0.0.1:9"], start=False,
                        wrapper=("sh", "-c", 'umask 0; exec "$@"', "sh"))
    agent.start()
    assert os.stat(agent.state_file).st_mode & 0o777 == 0o600
