# SPDX-License-Identifier: MIT
"""A primary, a replica, and three Sentinels with a quorum of two that watch them. The Sentinels
know each other from the start, so that nobody waits for their introduction."""
import re
import secrets

import redis as redis_client

from . import ports
from .process import ROOT, Process
from .programs import Redis
from .wait import until

MASTER = "taupe"
CONF = ROOT / "redis" / "sentinel.conf"


def documented_users():
    """Those that redis/sentinel.conf shows, switched on."""
    text = re.sub(r"\n#     ", " ", CONF.read_text())
    users = re.findall(r"^#   (user .*)$", text, re.M)
    assert len(users) == 2
    return "".join(user.replace(" on #... ", f" on >{Redis.PASSWORD} ") + "\n" for user in users)


class Server(Redis):
    """One of the two, with a configuration file, which the Sentinels rewrite."""

    def __init__(self, group, name, primary=None):
        self.primary = primary
        super().__init__(group, name)

    def start(self):
        lines = [f"port {self.port}", "bind 127.0.0.1", 'save ""', "appendonly no",
                 f"dir {self.folder}", f"aclfile {self.users}", "masteruser replica",
                 f"masterauth {self.PASSWORD}", "repl-diskless-sync-delay 0",
                 "repl-ping-replica-period 1"]
        if self.primary:
            lines.append(f"replicaof 127.0.0.1 {self.primary.port}")
        if "user sentinel" not in self.users.read_text():
            with self.users.open("a") as users:
                users.write(documented_users())
        conf = self.folder / "redis.conf"
        conf.write_text("\n".join(lines) + "\n")
        self.process = Process(self.group, self.name, ["redis-server", str(conf)])
        self.client = self.connect()
        until("redis answers", self.answers)
        return self

    def connect(self):
        return redis_client.Redis(port=self.port, username="admin", password=self.PASSWORD,
                                  decode_responses=True, socket_timeout=5)

    def replication(self):
        try:
            return self.client.info("replication")
        except redis_client.RedisError as error:
            raise OSError(str(error)) from error

    def is_primary(self):
        return self.replication()["role"] == "master"

    def is_replica_of(self, other):
        state = self.replication()
        return state["role"] == "slave" and state["master_port"] == other.port and \
            state["master_link_status"] == "up"


class Sentinel:
    def __init__(self, group, name, port, identity):
        self.group, self.name, self.port, self.identity = group, name, port, identity
        self.address = f"127.0.0.1:{port}"
        self.process = self.client = None

    def start(self, text):
        folder = self.group.folder / self.name
        folder.mkdir(exist_ok=True)
        conf = folder / "sentinel.conf"
        conf.write_text(text + f"dir {folder}\nport {self.port}\n"
                        f"sentinel myid {self.identity}\n")
        self.process = Process(self.group, self.name, ["redis-server", str(conf), "--sentinel"])
        self.client = redis_client.Redis(port=self.port, password=Redis.PASSWORD,
                                         decode_responses=True)
        until("the Sentinel answers", self.answers)

    def answers(self):
        try:
            return self.client.ping()
        except redis_client.RedisError as error:
            raise OSError(str(error)) from error

    def primary_port(self):
        return int(self.client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER)[1])


class ReplicatedRedis:
    """Serves where a Redis of the harness serves: what it is asked goes to the primary."""

    def __init__(self, group, sentinels=3):
        self.group = group
        self.first = Server(group, "redis-a")
        self.second = Server(group, "redis-b", primary=self.first)
        self.servers = [self.first, self.second]
        until("the replica follows", lambda: self.second.is_replica_of(self.first))
        self.sentinels = [Sentinel(group, f"sentinel-{i}", ports.take(), secrets.token_hex(20))
                          for i in range(sentinels)]
        for sentinel in self.sentinels:
            sentinel.start(self.configuration(sentinel))
        self.password_file = self.first.password_file

    def configuration(self, sentinel):
        lines = ["bind 127.0.0.1", f"requirepass {Redis.PASSWORD}",
                 f"sentinel sentinel-pass {Redis.PASSWORD}",
                 f"sentinel monitor {MASTER} 127.0.0.1 {self.first.port} "
                 f"{len(self.sentinels) // 2 + 1}",
                 f"sentinel auth-user {MASTER} sentinel",
                 f"sentinel auth-pass {MASTER} {Redis.PASSWORD}",
                 f"sentinel down-after-milliseconds {MASTER} 500",
                 f"sentinel failover-timeout {MASTER} 3000",
                 f"sentinel known-replica {MASTER} 127.0.0.1 {self.second.port}"]
        lines += [f"sentinel known-sentinel {MASTER} 127.0.0.1 {other.port} {other.identity}"
                  for other in self.sentinels if other is not sentinel]
        return "\n".join(lines) + "\n"

    def access(self, user):
        return {"redis_sentinel": [sentinel.address for sentinel in self.sentinels],
                "redis_master_name": MASTER, "redis_user": user,
                "redis_password_file": self.password_file,
                "redis_sentinel_password_file": self.password_file}

    @property
    def primary(self):
        """The one that says so, and that all Sentinels name."""
        port = until("the Sentinels agree", self.agreed_port, 20)
        return next(server for server in self.servers if server.port == port)

    def agreed_port(self):
        named = {sentinel.primary_port() for sentinel in self.sentinels
                 if sentinel.process.running()}
        return named.pop() if len(named) == 1 else None

    @property
    def replica(self):
        return self.second if self.primary is self.first else self.first

    @property
    def client(self):
        return self.primary.client

    def add(self, device):
        return self.primary.add(device)

    def routes(self):
        return self.primary.routes()

    def wait_replicated(self):
        """Until the replica has all that was written so far; WAIT knows of its own client's."""
        written = self.primary.replication()["master_repl_offset"]
        until("the replica has it", lambda: self.replica.replication().get(
            "slave_repl_offset", 0) >= written)

    def failover(self):
        """What an operator asks of a Sentinel. The old primary is one for some seconds more."""
        until("a Sentinel begins", lambda: self.try_failover(self.sentinels[0]), 20)

    @staticmethod
    def try_failover(sentinel):
        try:
            return sentinel.client.execute_command("SENTINEL", "FAILOVER", MASTER)
        except redis_client.ResponseError as error:  # NOGOODSLAVE, INPROG
            raise OSError(str(error)) from error
