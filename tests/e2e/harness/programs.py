# SPDX-License-Identifier: MIT
"""The programs of a scenario, each with what a test needs to know of it."""
import hashlib
import json
import pathlib
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import redis as redis_client

from . import marks, ports
from .network import inside
from .process import ROOT, Process, binary
from .wait import until

HARNESS = pathlib.Path(__file__).resolve().parent


def write_ini(path, section, values):
    """A configuration file; a list gives one line per item."""
    lines = [f"[{section}]"]
    for key, value in values.items():
        for item in value if isinstance(value, (list, tuple)) else [value]:
            if item is not None:
                text = {True: "yes", False: "no"}.get(item, item) if isinstance(item, bool) else item
                lines.append(f"{key} = {text}")
    path.write_text("\n".join(lines) + "\n")
    return path


def sha256_hex(text):
    return hashlib.sha256(text.encode()).hexdigest()


class Device:
    """A device's name, secret and reservations, as the operator has made them."""

    def __init__(self, name, label=None, ports_=()):
        self.name, self.label, self.ports = name, label, list(ports_)
        self.secret = marks.marked()

    def file_line(self):
        pairs = [("name", self.name), ("secret_sha256", sha256_hex(self.secret))]
        pairs += [("label", self.label)] if self.label else []
        pairs += [("port", port) for port in self.ports]
        return urllib.parse.urlencode(pairs, safe=":")

    def redis_hash(self):
        values = {"name": self.name, "secret_sha256": sha256_hex(self.secret), "created": "0"}
        if self.label:
            values["label"] = self.label
        if self.ports:
            values["ports"] = ",".join(self.ports)
        return values


class Relay:
    def __init__(self, group, name="r1", netns=None, host="127.0.0.1", start=True, wrapper=(),
                 env=None, **config):
        """wrapper: what the program is started by, as valgrind."""
        self.group, self.name, self.netns, self.wrapper = group, name, netns, wrapper
        self.env = env
        self.agent_port, self.admin_port = ports.take(), ports.take()
        self.visitor_port = None
        self.config = {
            "id": name,
            "agent_listen": f"{host}:{self.agent_port}",
            "agent_url": f"ws://{host}:{self.agent_port}",
            "admin_listen": f"127.0.0.1:{self.admin_port}",
            "domain": "example.test",
            "log_level": "debug",
            "drain_timeout": "500ms",
        }
        self.config.update(config)
        self.config = {key: value for key, value in self.config.items() if value is not None}
        self.url = self.config["agent_url"]
        self.process = None
        group.checks.append(self.exposes)
        if start:
            self.start()

    PAGES = ("/api/v1/events", "/metrics", "/api/v1/status", "/api/v1/relays", "/api/v1/routes", "/api/v1/devices",
             "/api/v1/relay/devices")

    def exposes(self):
        """The admin port tells no secret."""
        if self.process is None or not self.process.answers_soon():
            return []
        try:
            return [f"a secret in {path} of {self.name}" for path in self.PAGES
                    if marks.shows(self.admin(path)[1].encode())]
        except OSError:
            return []  # it is on its way out, or cut off

    def start(self, wait=True):
        path = write_ini(self.group.folder / f"{self.name}.conf", "relay", self.config)
        self.process = Process(self.group, self.name, [
            *self.wrapper, binary("taupe-relay"), "--config", str(path)], netns=self.netns,
            env=self.env)
        if wait:
            self.wait_ready()
        return self

    def admin(self, path):
        """GET of the admin port: status and body."""
        url = f"http://127.0.0.1:{self.admin_port}{path}"
        try:
            with inside(self.netns), urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def ready(self):
        if not self.process.running():
            raise RuntimeError(f"{self.name} ended:\n{self.process.text()}")
        return self.admin("/readyz")[0] == 200

    def wait_ready(self, timeout=20):
        until(f"{self.name} is ready", self.ready, timeout)

    def metrics(self):
        """Prometheus text as {name{labels}: value}."""
        values = {}
        for line in self.admin("/metrics")[1].splitlines():
            if line and not line.startswith("#"):
                key, _, value = line.rpartition(" ")
                values[key] = float(value)
        return values

    def api(self, path):
        return json.loads(self.admin(f"/api/v1/{path}")[1])

    @property
    def agent_address(self):
        return "127.0.0.1", self.agent_port


class Agent:
    def __init__(self, group, device, relays, services, name=None, netns=None, start=True,
                 wrapper=(), env=None, program=None, **config):
        """services: ["web:http:127.0.0.1:8080", …]; wrapper: what the program is started by;
        program: another one than the build's"""
        self.group, self.device, self.netns, self.wrapper = group, device, netns, wrapper
        self.env, self.program = env, program or binary("taupe-agent")
        self.name = name or f"agent-{device.name}"
        secret_file = group.folder / f"{self.name}.secret"
        secret_file.write_text(device.secret + "\n")
        secret_file.chmod(0o600)
        self.state_file = group.folder / f"{self.name}.state"
        self.config = {
            "relay": [relay if isinstance(relay, str) else relay.url for relay in relays],
            "name": device.name,
            "secret_file": secret_file,
            "service": services,
            "state_file": self.state_file,
            "domain": "example.test",
            "log_level": "debug",
            # short, so that a test's reconnect is seconds away at most
            "reconnect_min": "50ms",
            "reconnect_max": "500ms",
            "reconnect_reset": "1s",
            # HAProxy keeps connections to services open for the next visitor
            "drain_timeout": "100ms",
        }
        self.config.update(config)
        self.config = {key: value for key, value in self.config.items() if value is not None}
        self.process = None
        if start:
            self.start()

    def write_config(self):
        return write_ini(self.group.folder / f"{self.name}.conf", "agent", self.config)

    def start(self, wait=True):
        path = self.write_config()
        self.process = Process(self.group, self.name, [
            *self.wrapper, str(self.program), "--config", str(path)], netns=self.netns, env=self.env)
        if wait:
            self.wait_connected()
        return self

    # What the agent says when it has its welcome.
    WELCOME = 'msg="session opened"'

    def wait_connected(self, count=1, timeout=15):
        return self.process.wait_line(self.WELCOME, count=count, timeout=timeout)

    def welcomes(self):
        return len(self.process.lines(self.WELCOME))

    def state(self):
        pairs = {}
        for line in self.state_file.read_text().splitlines():
            for key, value in urllib.parse.parse_qsl(line, keep_blank_values=True):
                pairs.setdefault(key, []).append(value)
        return pairs

    @property
    def label(self):
        return until("the agent's state names its label", lambda: self.state()["label"][0])

    def host(self, service=None, domain="example.test"):
        return f"{self.label}--{service}.{domain}" if service else f"{self.label}.{domain}"

    def url(self, service):
        """The public URL of a service, from the last welcome."""
        found = re.findall(rf"\bservice={service} .*?url=\"?([^\s\"]+)", self.process.text())
        if not found:
            raise KeyError(service)
        return found[-1]

    def port(self, service):
        """The public port of a tcp service."""
        return until(f"the port of {service}",
                     lambda: urllib.parse.urlsplit(self.url(service)).port)

    def stop(self):
        self.process.stop()

    def kill(self):
        self.process.kill()


class SampleServices:
    def __init__(self, group, *names, netns=None):
        self.process = Process(group, "services-" + "-".join(names),
                               [sys.executable, str(HARNESS / "sample_services.py"), *names],
                               netns=netns, ends=(-15,))
        self.process.wait_line("listening")
        self.ports = {}
        for line in self.process.text().splitlines():
            parts = line.split()
            if len(parts) == 3:
                self.ports[parts[0], parts[1]] = int(parts[2])

    def address(self, name, kind):
        return "127.0.0.1", self.ports[name, kind]

    def target(self, name, kind):
        return f"127.0.0.1:{self.ports[name, kind]}"


class Redis:
    """A Redis of our own with the repository's users, so that every test also shows that each
    program may do what it needs. Keeps nothing over a
    restart, unless it was told to SAVE."""
    PASSWORD = marks.marked()

    def __init__(self, group, name="redis", netns=None, host="127.0.0.1"):
        self.group, self.name, self.port = group, name, ports.take()
        self.netns, self.host = netns, host
        self.folder = group.folder / name
        self.folder.mkdir()
        self.address = f"{host}:{self.port}"
        self.socket = self.folder / "redis.sock"  # for us, in whichever network it is
        self.users = self.folder / "users.acl"
        self.users.write_text("".join(
            line if line.startswith("user default ") else
            line.replace(" off ", f" on >{self.PASSWORD} ", 1)
            for line in (ROOT / "redis" / "users.acl").read_text().splitlines(keepends=True)))
        self.password_file = self.folder / "password"
        self.password_file.write_text(self.PASSWORD + "\n")
        self.password_file.chmod(0o600)
        self.process = None
        group.checks += [self.denied, self.exposes]
        self.start()

    def denied(self):
        """What the users' rights did not allow."""
        if not self.process.running():
            return []
        return [f"ACL LOG: {entry}" for entry in self.client.acl_log()]

    def exposes(self):
        """No secret is stored, only what it can be checked with."""
        if not self.process.running():
            return []
        return [f"a secret in Redis: {text.split()[0]}"
                for text in self.everything() if marks.shows(text.encode())]

    def everything(self):
        where = ({"unix_socket_path": str(self.socket)} if self.socket.exists()
                 else {"port": self.port})
        with redis_client.Redis(username="admin", password=self.PASSWORD, **where) as client:
            return list(marks.everything_in(client))

    def access(self, user):
        """How a program of ours gets in."""
        return {"redis": self.address, "redis_user": user,
                "redis_password_file": self.password_file}

    def start(self, *arguments, wait=True):
        self.process = Process(self.group, self.name, [
            "redis-server", "--port", str(self.port), "--bind", self.host, "--save", "",
            "--unixsocket", str(self.socket), "--appendonly", "no", "--dir", str(self.folder),
            "--aclfile", str(self.users), *arguments], netns=self.netns)
        self.client = redis_client.Redis(unix_socket_path=str(self.socket), username="admin",
                                         password=self.PASSWORD, decode_responses=True)
        if wait:
            until("redis answers", self.answers)
        return self

    def answers(self):
        try:
            return self.client.ping()
        except redis_client.RedisError as error:
            raise OSError(str(error)) from error

    def restart_empty(self):
        self.process.kill()
        self.start()

    def add(self, device):
        """What taupectl device add does."""
        pipe = self.client.pipeline(transaction=True)
        pipe.hset(f"taupe:device:{device.name}", mapping=device.redis_hash())
        pipe.sadd("taupe:devices", device.name)
        if device.label:
            pipe.hset("taupe:reserved", f"label/{device.label}", device.name)
        for port in device.ports:
            pipe.hset("taupe:reserved", f"port/{port.rpartition(':')[2]}", device.name)
        pipe.execute()
        return device

    def routes(self, nameless=False):
        """Those that lead to devices, and to relays that have names; nameless: to the others, too."""
        return {key: value for key, value in self.client.hgetall("taupe:routes").items()
                if nameless or not key.startswith("relay/at-")}


class Sshd:
    """An OpenSSH server with keys of its own; the client's key is in key."""

    def __init__(self, group):
        folder = group.folder / "sshd"
        folder.mkdir(mode=0o700)
        pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self.key = folder / "client_key"
        for path in (folder / "host_key", self.key):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)],
                           check=True)
        authorized = folder / "authorized_keys"
        shutil.copy(f"{self.key}.pub", authorized)
        authorized.chmod(0o600)
        self.port = ports.take()
        config = folder / "sshd_config"
        config.write_text(f"""Port {self.port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
PidFile {folder}/sshd.pid
AuthorizedKeysFile {authorized}
PermitRootLogin prohibit-password
PasswordAuthentication no
StrictModes no
UsePAM no
MaxStartups 100:30:200
Subsystem sftp internal-sftp
""")
        self.process = Process(group, "sshd", ["/usr/sbin/sshd", "-D", "-e", "-f", str(config)],
                               ends=(0, 255))
        until("sshd listens", lambda: socket.create_connection(("127.0.0.1", self.port)).close()
              or True)
        self.options = ["-i", str(self.key), "-o", "StrictHostKeyChecking=no",
                        "-o", f"UserKnownHostsFile={folder}/known_hosts", "-o", "BatchMode=yes",
                        "-o", "LogLevel=ERROR", "-F", "none"]

    def ssh(self, port, command, **kwargs):
        return subprocess.run(["ssh", *self.options, "-p", str(port), "root@127.0.0.1", command],
                              capture_output=True, text=True, timeout=60, check=False, **kwargs)

    def scp(self, port, source, target):
        return subprocess.run(["scp", *self.options, "-P", str(port), str(source),
                               f"root@127.0.0.1:{target}"], capture_output=True, text=True,
                              timeout=120, check=False)


class Certificate:
    """A self-made authority and one certificate for some names."""

    def __init__(self, folder, *names, key="ec"):
        folder.mkdir(parents=True, exist_ok=True)
        self.ca, ca_key = folder / "ca.pem", folder / "ca.key"
        self.chain, self.key = folder / "cert.pem", folder / "cert.key"
        self.bundle = folder / "bundle.pem"
        request, extensions = folder / "cert.csr", folder / "cert.ext"
        extensions.write_text("subjectAltName=" + ",".join(
            f"IP:{n}" if re.fullmatch(r"[\d.]+", n) else f"DNS:{n}" for n in names) + "\n")

        def openssl(*arguments):
            subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        own = curve if key == "ec" else ["-newkey", key, "-nodes"]
        openssl("req", "-x509", *curve, "-keyout", ca_key, "-out", self.ca, "-days", "3",
                "-subj", "/CN=taupe test authority")
        openssl("req", *own, "-keyout", self.key, "-out", request, "-subj", "/CN=taupe test")
        openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", ca_key,
                "-CAcreateserial", "-days", "3", "-extfile", extensions, "-out", self.chain)
        self.bundle.write_text(self.chain.read_text() + self.key.read_text())

    def again(self, days):
        """Chain and key of another one, of the same names and key, that ends in so many days; it
        has begun long ago, so they may be less than none."""
        folder = self.key.parent
        chain, index, config = folder / "again.pem", folder / "index", folder / "again.conf"
        begin, end = (time.strftime("%y%m%d%H%M%SZ", time.gmtime(time.time() + at * 86400))
                      for at in (-100, days))
        index.write_text("")
        config.write_text(f"[ca]\ndefault_ca=own\n[own]\ndatabase={index}\n"
                          f"new_certs_dir={folder}\nrand_serial=yes\ndefault_md=sha256\n"
                          "policy=any\nunique_subject=no\n[any]\ncommonName=supplied\n")
        subprocess.run(["openssl", "ca", "-batch", "-notext", "-config", config, "-in",
                        folder / "cert.csr", "-cert", self.ca, "-keyfile", folder / "ca.key",
                        "-extfile", folder / "cert.ext", "-startdate", begin, "-enddate", end,
                        "-out", chain], check=True, capture_output=True)
        return chain.read_text() + self.key.read_text()


__all__ = ["Agent", "Certificate", "Device", "ROOT", "Redis", "Relay",
           "SampleServices", "Sshd", "write_ini"]
