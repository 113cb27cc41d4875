# SPDX-License-Identifier: MIT
"""redis/users.acl: each program works as its user, nothing is refused to it, and it can do nothing
else. The file itself is used, with the users switched on as redis/KEYS.md says."""
import hashlib
import re
import subprocess

import pytest
import redis as redis_client

from harness import ports
from harness.haproxy import HAProxy, Router
from harness.process import ROOT, Process, binary
from harness.programs import Agent, Device, Redis, Relay, SampleServices
from harness.wait import until

ACL = ROOT / "redis" / "users.acl"
USERS = ("taupe-relay", "taupe-router", "taupectl", "taupe-api", "taupe-webhook")


def switched_on(text):
    """What the operator's sed does (redis/KEYS.md), with one password for all."""
    digest = hashlib.sha256(Redis.PASSWORD.encode()).hexdigest()
    for user in ("admin", *USERS):
        text, count = re.subn(rf"^user {user} off ", f"user {user} on #{digest} ", text,
                              flags=re.MULTILINE)
        assert count == 1
    return text


@pytest.fixture(scope="module")
def redis(module_group):
    return Redis(module_group)


def refused(redis):
    return [entry for entry in redis.client.acl_log() if entry["reason"] != "auth"]


class Ctl:
    def __init__(self, redis):
        self.argv = [binary("taupectl")]
        for key, value in redis.access("taupectl").items():
            self.argv += ["--" + key.replace("_", "-"), str(value)]

    def __call__(self, *words):
        return subprocess.run([*self.argv, *words], capture_output=True, text=True, timeout=20,
                              check=False)


def start_server(group, conf):
    """A Redis that may not let us in: its first answer of any kind."""
    port = ports.take()
    process = Process(group, "redis", ["redis-server", *conf, "--port", str(port)])

    def answer():
        try:
            return str(redis_client.Redis(port=port).ping())
        except redis_client.AuthenticationError as error:
            return str(error)
        except redis_client.ConnectionError as error:
            raise OSError(str(error)) from error

    return process, port, until("redis answers", answer)


def test_the_file_as_it_is_lets_nobody_in(group):
    _, port, answer = start_server(group, ["--bind", "127.0.0.1", "--save", "", "--aclfile",
                                           str(ACL)])
    assert "Authentication required" in answer
    for user in ("default", "admin", *USERS):
        for guess in ("", user):
            with pytest.raises(redis_client.RedisError, match="WRONGPASS"):
                redis_client.Redis(port=port, username=user, password=guess).ping()


def test_every_program_does_its_work_as_its_user(module_group, redis):
    ctl = Ctl(redis)
    assert ctl("device", "add", "nobody").returncode == 0
    redis.client.acl_log_reset()
    services = SampleServices(module_group, "web")
    public = ports.take_block()
    haproxy = HAProxy(module_group, public, public + ports.BLOCK - 1)
    router = Router(module_group, redis, haproxy)
    listen = ports.take_block()
    relay = Relay(module_group, announce="100ms", lease="400ms",
                  service_listen=f"127.0.0.1:{listen}-{listen + ports.BLOCK - 1}",
                  public_ports=f"{public}-{public + ports.BLOCK - 1}",
                  **redis.access("taupe-relay"))
    device = Device("alice")
    added = ctl("device", "add", "alice", "--label", "shop", "--port", f"ssh:{public}")
    assert added.returncode == 0, added.stderr
    device.secret = added.stdout.strip()
    agent = Agent(module_group, device, [relay], [
        f"web:http:{services.target('web', 'http')}", f"ssh:tcp:{services.target('web', 'tcp')}"])
    until("the router has both routes", lambda: haproxy.routes("http").get("shop.example.test")
          and haproxy.routes("tcp").get(str(public)))
    until("the relay is announced", lambda: redis.client.exists("taupe:relay:r1"))
    for words in (["device", "ls"], ["device", "show", "alice"], ["relay", "ls"], ["route", "ls"],
                  ["status"]):
        done = ctl(*words)
        assert done.returncode == 0, done.stderr
    # renewed, disconnected, expired and swept
    until("the lease is renewed", lambda: redis.client.pttl("taupe:lease:alice") > 300)
    agent.stop()
    until("its routes are gone", lambda: not any(
        key.startswith(("http/", "tcp/")) for key in redis.routes()))
    assert ctl("device", "rm", "alice").returncode == 0
    redis.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    until("the relay is back", lambda: relay.api("status")["registry_up"])
    relay.process.stop()
    router.process.stop()
    assert not redis.client.exists("taupe:relay:r1")
    assert refused(redis) == []


DENIED = [
    ("taupe-relay", "SADD taupe:fleets x"),
    ("taupe-relay", "SMEMBERS taupe:fleets"),
    ("taupe-relay", "HSET taupe:reserved label/x y"),
    ("taupe-relay", "HDEL taupe:reserved label/x"),
    ("taupe-relay", "GET other"),
    ("taupe-relay", "SET other 1"),
    ("taupe-relay", "KEYS *"),
    ("taupe-relay", "SCAN 0"),
    ("taupe-relay", "FLUSHALL"),
    ("taupe-relay", "FLUSHDB"),
    ("taupe-relay", "EVAL return 0"),
    ("taupe-relay", "CONFIG GET *"),
    ("taupe-relay", "ACL LIST"),
    ("taupe-relay", "CLIENT LIST"),
    ("taupe-relay", "CLIENT KILL TYPE normal"),
    ("taupe-relay", "XTRIM taupe:events MAXLEN 0"),
    ("taupe-relay", "XTRIM taupe:history MAXLEN 0"),
    ("taupe-relay", "SUBSCRIBE x"),
    ("taupe-relay", "MONITOR"),
    ("taupe-relay", "SHUTDOWN"),
    ("taupe-relay", "REPLICAOF no one"),
    ("taupe-router", "HSET taupe:routes http/x 1"),
    ("taupe-router", "HDEL taupe:routes http/x"),
    ("taupe-router", "DEL taupe:routes"),
    ("taupe-router", "XADD taupe:events * kind route"),
    ("taupe-router", "XTRIM taupe:events MAXLEN 0"),
    ("taupe-router", "XRANGE taupe:history - +"),
    ("taupe-router", "LRANGE taupe:last:alice 0 -1"),
    ("taupe-router", "HGETALL taupe:device:alice"),
    ("taupe-router", "HSCAN taupe:device:alice 0"),
    ("taupe-router", "HSCAN taupe:reserved 0"),
    ("taupe-router", "HGETALL taupe:fleet:probes"),
    ("taupe-router", "GET taupe:session:alice"),
    ("taupe-router", "FLUSHALL"),
    ("taupe-router", "CONFIG GET *"),
    ("taupe-router", "KEYS *"),
    ("taupe-api", "ACL GETUSER admin"),
    ("taupe-api", "INFO"),
    ("taupe-api", "CONFIG GET *"),
    ("taupe-api", "KEYS *"),
    ("taupe-api", "SCAN 0"),
    ("taupe-api", "TIME"),
    ("taupe-api", "HSET taupe:routes http/x 1"),
    ("taupe-api", "DEL taupe:session:alice"),
    ("taupe-api", "HSET taupe:lease:alice label x"),
    ("taupe-api", "ZRANGE taupe:leases 0 -1"),
    ("taupe-api", "XTRIM taupe:history MAXLEN 0"),
    ("taupe-api", "GET other"),
    ("taupe-webhook", "XRANGE taupe:events - +"),
    ("taupe-webhook", "XADD taupe:history * kind connect"),
    ("taupe-webhook", "HGETALL taupe:device:alice"),
    ("taupe-webhook", "LRANGE taupe:last:alice 0 -1"),
    ("taupe-webhook", "KEYS *"),
    ("taupectl", "HSET taupe:routes http/x 1"),
    ("taupectl", "HDEL taupe:routes http/x"),
    ("taupectl", "DEL taupe:session:alice"),
    ("taupectl", "DEL taupe:lease:alice"),
    ("taupectl", "HSET taupe:lease:alice label x"),
    ("taupectl", "HSET taupe:relay:r1 url x"),
    ("taupectl", "XTRIM taupe:events MAXLEN 0"),
    ("taupectl", "ACL SETUSER taupectl +@all"),
    ("taupectl", "XTRIM taupe:history MAXLEN 0"),
    ("taupectl", "LPUSH taupe:last:alice x"),
    ("taupectl", "FLUSHALL"),
    ("taupectl", "KEYS *"),
    ("taupectl", "CONFIG SET save x"),
    ("taupectl", "ACL LIST"),
    ("taupectl", "EVAL return 0"),
    ("taupectl", "GET other"),
]


@pytest.mark.parametrize("user,command", DENIED)
def test_what_a_program_does_not_need_is_denied(redis, user, command):
    client = redis_client.Redis(port=redis.port, username=user,
                                password=Redis.PASSWORD, decode_responses=True)
    with pytest.raises(redis_client.RedisError, match="(?i)no permission|no permissions|NOPERM"):
        client.execute_command(*(command.split() + (["0"] if command.startswith("EVAL") else [])))
    client.close()
    redis.client.acl_log_reset()  # this refusal was wanted


def test_the_configuration_starts(group):
    """redis.conf as it is, but for its paths."""
    text = (ROOT / "redis" / "redis.conf").read_text()
    folder, users = group.folder / "data", group.folder / "users.acl"
    folder.mkdir()
    users.write_text(switched_on(ACL.read_text()))
    for old, new in (("dir /var/lib/redis", f"dir {folder}"),
                     ("aclfile /etc/redis/users.acl", f"aclfile {users}")):
        assert text.count(f"\n{old}\n") == 1
        text = text.replace(f"\n{old}\n", f"\n{new}\n")
    conf = group.folder / "redis.conf"
    conf.write_text(text)
    process, port, answer = start_server(group, [str(conf)])
    assert "Authentication required" in answer
    client = redis_client.Redis(port=port, username="admin", password=Redis.PASSWORD,
                                decode_responses=True)
    assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert client.config_get("appendonly") == {"appendonly": "yes"}
    assert {entry.split()[1] for entry in client.acl_list()} == {"admin", "default", *USERS}
    process.stop()


WRITTEN = re.compile(r"`(taupe:[a-z]+)")


def test_every_key_is_documented(redis):
    """Each pattern of users.acl has its line in KEYS.md."""
    described = set(WRITTEN.findall((ROOT / "redis" / "KEYS.md").read_text()))
    granted = set(re.findall(r"~(taupe:[a-z]+)", ACL.read_text()))
    assert granted == described
