# SPDX-License-Identifier: MIT
"""Redis, HAProxy with the repository's configuration, taupe-router and small servers behind it,
for the tests of the router and of the facts about HAProxy that it rests on."""
import contextlib
import http.client
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest
import redis as redis_py

from harness import ports
from harness.process import BUILD, ROOT

CONFIG = ROOT / "haproxy" / "haproxy.cfg"
KINDS = ("http", "sni", "tcp", "relay", "allow", "revoked")
OVERLAYS = ("again", "new", None)  # in the order in which they are looked at; None: the big map
MAKEFILE = BUILD / "Makefile"
# Sanitizers make the router slower and bigger.
SLOW = 10 if MAKEFILE.exists() and re.search(
    r"^TAUPE_CFLAGS = .*fsanitize", MAKEFILE.read_text(), re.M) else 1


def until(condition, seconds=10, what="it to happen"):
    """Poll until condition() is true; returns its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.005)


def alive(sock_path):
    with socket.socket(socket.AF_UNIX) as sock:
        try:
            sock.connect(str(sock_path))
        except OSError:
            return False
    return True


class Program:
    """A child process with its output in a file."""

    def __init__(self, folder, name):
        self.folder, self.name = pathlib.Path(folder), name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = self.folder / f"{name}.log"
        self.process = None

    def spawn(self, *argv, env=None):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(a) for a in argv], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, env=env, cwd=self.folder)

    def output(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self):
        """End it as an operator would; returns the exit code."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        return self.process.returncode

    def rss_kib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))


class Redis(Program):
    """An empty Redis on a Unix socket; it keeps nothing when it ends."""

    def __init__(self, folder):
        super().__init__(folder, "redis")
        self.path = self.folder / "redis.sock"
        self.db = redis_py.Redis(unix_socket_path=str(self.path), decode_responses=True)

    def start(self):
        self.spawn("redis-server", "--port", "0", "--unixsocket", self.path, "--save", "",
                   "--appendonly", "no", "--dir", self.folder)
        until(lambda: alive(self.path) and self.answers(), what="Redis to answer")
        return self

    def answers(self):
        try:
            return self.db.ping()
        except redis_py.RedisError:
            return False

    def stop(self):
        self.db.connection_pool.disconnect()
        return super().stop()

    def put(self, routes, epoch=1, announce=True):
        """Write routes as a relay does: the hash and its events in transactions."""
        items = list(routes.items())
        for start in range(0, len(items), 1000):
            pipe = self.db.pipeline(transaction=True)
            for key, value in items[start:start + 1000]:
                value = f"{value},{epoch}" if value else ""
                if value:
                    pipe.hset("taupe:routes", key, value)
                else:
                    pipe.hdel("taupe:routes", key)
                if announce:
                    pipe.xadd("taupe:events", {"kind": "route", "key": key, "value": value},
                              maxlen=100000, approximate=True)
            pipe.execute()

    def remove(self, *keys):
        self.put({key: "" for key in keys})

    def routes(self):
        """What the maps must say: kind -> key -> "ip,port"."""
        maps = {kind: {} for kind in KINDS}
        for field, value in self.db.hgetall("taupe:routes").items():
            kind, key = field.split("/", 1)
            maps[kind][key] = value.rsplit(",", 1)[0]
        return maps


class Socket:
    """HAProxy's runtime socket, as a person would use it."""

    def __init__(self, path):
        self.path = str(path)

    def once(self, command):
        """Without interactive mode: one connection, one command."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(20)
            sock.connect(self.path)
            sock.sendall(command.encode())
            sock.shutdown(socket.SHUT_WR)
            reply = b""
            while data := sock.recv(65536):
                reply += data
        return reply.decode()

    def info(self):
        return dict(line.split(": ", 1) for line in self.once("show info\n").splitlines()
                    if ": " in line)

    def counts(self):
        """Map file -> entries."""
        return {m.group(1): int(m.group(2)) for m in
                re.finditer(r"^\d+ \((\S+)\).*entry_cnt=(\d+)", self.once("show map\n"), re.M)}

    def entries(self, name):
        """Pairs in the map's order."""
        return [tuple(line.split(" ", 2)[1:]) for line in
                self.once(f"show map {name}\n").splitlines() if line.startswith("0x")]


class Conversation:
    """The runtime socket in interactive mode, with timing."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(str(path))
        self.ask("prompt\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def ask(self, command):
        self.say(command)
        return self.answer()

    def say(self, command):
        self.sock.sendall(command.encode())

    def answer(self):
        reply = b""
        while not reply.endswith(b"\n> "):
            data = self.sock.recv(65536)
            if not data:
                raise EOFError("HAProxy closed the connection")
            reply += data
        return re.sub(r"^(\+ )*", "", reply[:-3].decode()).strip("\n")

    def time_ms(self, command, times=1):
        """The quickest of some runs: what the command itself costs. {} becomes the run's
        number."""
        best = None
        for i in range(times):
            text = command.replace("{}", str(i))
            start = time.perf_counter()
            reply = self.ask(text)
            took = (time.perf_counter() - start) * 1000
            assert reply == "", reply
            best = took if best is None else min(best, took)
        return best

    def replace(self, name, pairs, limit=16000):
        """A whole map in one transaction; returns the seconds that it took."""
        start = time.perf_counter()
        version = re.search(r"(\d+)", self.ask(f"prepare map {name}\n")).group(1)
        head = f"add map @{version} {name} <<\n"
        text = head
        for key, value in pairs:
            line = f"{key} {value}\n"
            if len(text) + len(line) >= limit:
                assert self.ask(text + "\n") == ""
                text = head
            text += line
        if text != head:
            assert self.ask(text + "\n") == ""
        assert self.ask(f"commit map @{version} {name}\n") == ""
        return time.perf_counter() - start


def make_certificate(folder, name="example.test"):
    """A key and a self-signed certificate for name and its subdomains, in one file."""
    folder = pathlib.Path(folder)
    both = folder / f"{name}.both.pem"
    if not both.exists():
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj", f"/CN={name}",
             "-addext", f"subjectAltName=DNS:{name},DNS:*.{name}",
             "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
            check=True, capture_output=True)
        both.write_bytes((folder / "cert.pem").read_bytes() + (folder / "key.pem").read_bytes())
    return both


class HAProxy(Program):
    """HAProxy with haproxy/haproxy.cfg, moved to other ports and folders by its variables."""

    N_PORTS = 16

    def __init__(self, folder, config=CONFIG, master=False, maps=None, extra=()):
        super().__init__(folder, "haproxy")
        self.config, self.master, self.extra = config, master, extra
        self.maps = pathlib.Path(maps) if maps else self.folder / "maps"
        self.admin = self.folder / "admin.sock"
        self.master_socket = self.folder / "master.sock"
        self.socket = Socket(self.admin)
        block = ports.take_block()
        self.http, self.https, self.first_port = block, block + 1, block + 10
        self.certificate = make_certificate(self.folder)
        self.env = {
            "PATH": os.environ["PATH"],
            "TAUPE_UNPRIVILEGED": "1",
            "TAUPE_HTTP": f"127.0.0.1:{self.http}",
            "TAUPE_HTTPS": f"127.0.0.1:{self.https}",
            "TAUPE_PORTS": f"127.0.0.1:{self.first_port}-{self.first_port + self.N_PORTS - 1}",
            "TAUPE_CERTS": str(self.certificate),
            "TAUPE_MAPS": str(self.maps),
            "TAUPE_PAGES": str(ROOT / "haproxy" / "pages"),
            "TAUPE_ADMIN_SOCKET": str(self.admin),
            "TAUPE_INNER": f"taupe-test-{os.getpid()}-{block}",
            "TAUPE_LOG": "127.0.0.1:514",
        }

    def make_maps(self):
        self.maps.mkdir(parents=True, exist_ok=True)
        for kind in KINDS:
            for overlay in OVERLAYS:
                pathlib.Path(self.map_name(kind, overlay)).touch()

    def argv(self):
        how = ["-W", "-S", self.master_socket] if self.master else ["-db"]
        return ["haproxy", *how, "-f", self.config, *self.extra]

    def start(self):
        self.make_maps()
        self.spawn(*self.argv(), env=self.env)
        until(self.answers, what="HAProxy to answer")
        return self

    def answers(self):
        assert self.process.poll() is None, self.output()
        try:
            return self.socket.info().get("Stopping") == "0"
        except OSError:
            return False

    def restart(self):
        self.kill()
        return self.start()

    def reload(self, by_socket=False):
        """Master-worker: a new worker takes over. Returns when it has."""
        old = self.socket.info()["Pid"]

        def ask():  # a master that has only just started misses the signal
            if by_socket:
                with contextlib.suppress(OSError):  # it ends with the old master
                    Socket(self.master_socket).once("reload\n")
            else:
                self.process.send_signal(signal.SIGUSR2)
            with contextlib.suppress(AssertionError):
                until(lambda: self.answers() and self.socket.info()["Pid"] != old, 2)
                return True

        until(ask, 20, "a new worker")

    def check(self):
        return subprocess.run(["haproxy", "-c", "-f", self.config], env=self.env,
                              capture_output=True, text=True, check=False)

    def map_name(self, kind, overlay=None):
        return str(self.maps / f"{kind}{'.' + overlay if overlay else ''}.map")

    def effective(self, kind):
        """What a visitor meets: the overlays over the big map, first entries first."""
        found = {}
        for overlay in OVERLAYS:
            for key, value in self.socket.entries(self.map_name(kind, overlay)):
                found.setdefault(key, value)
        return {key: value for key, value in found.items() if value != "gone"}

    def get(self, host, path="/", headers=None, tls=False, method="GET", body=None):
        """One request of its own connection; returns the response with .text."""
        if tls:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            raw = socket.create_connection(("127.0.0.1", self.https), 10)
            conn = http.client.HTTPConnection("127.0.0.1", self.https, timeout=10)
            conn.sock = context.wrap_socket(raw, server_hostname=host.split(":")[0])
        else:
            conn = http.client.HTTPConnection("127.0.0.1", self.http, timeout=10)
        try:
            conn.putrequest(method, path, skip_host=True)
            conn.putheader("Host", host)
            for name, value in (headers or {}).items():
                conn.putheader(name, value)
            if body is not None:
                conn.putheader("Content-Length", str(len(body)))
            conn.endheaders(body)
            response = conn.getresponse()
            response.text = response.read().decode()
            return response
        finally:
            conn.close()


class Router(Program):
    """taupe-router between a Redis and some HAProxies."""

    def __init__(self, folder, redis, *haproxies, maps=None, **options):
        super().__init__(folder, "router")
        self.redis = redis
        self.sockets = [getattr(h, "admin", h) for h in haproxies]
        self.maps = pathlib.Path(maps or haproxies[0].maps)
        self.options = {"map_delay": "100ms", **options}

    def start(self):
        self.maps.mkdir(parents=True, exist_ok=True)
        argv = [BUILD / "taupe-router", "--redis", getattr(self.redis, "path", self.redis),
                "--map-dir", self.maps]
        for path in self.sockets:
            argv += ["--haproxy", path]
        for key, value in self.options.items():
            for one in value if isinstance(value, (list, tuple)) else [value]:
                argv += ["--" + key.replace("_", "-"), one]
        self.spawn(*argv)
        return self

    def logged(self, text):
        return self.output().count(text)


class HttpServer:
    """A service behind a route: says who it is and what it was asked, on kept-alive
    connections; counts its connections."""

    def __init__(self, name):
        self.name, self.connections = name, 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.route = f"127.0.0.1,{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        with conn, conn.makefile("rb") as lines, contextlib.suppress(OSError):
            while True:
                head = []
                while (line := lines.readline()) not in (b"\r\n", b""):
                    head.append(line.decode("latin-1").strip())
                if not head:
                    return
                body = "\n".join([self.name, *head]).encode()
                conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: "
                             + str(len(body)).encode() + b"\r\n\r\n" + body)

    def close(self):
        self.listener.close()


class EchoServer:
    """A TCP service: says its name, then repeats what it hears."""

    def __init__(self, name, tls=None):
        self.name = name
        self.context = None
        if tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(tls)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.route = f"127.0.0.1,{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        try:
            if self.context:
                conn = self.context.wrap_socket(conn, server_side=True)
            with conn:
                conn.sendall(self.name.encode() + b"\n")
                while data := conn.recv(65536):
                    conn.sendall(data)
        except OSError:
            pass

    def close(self):
        self.listener.close()


class Stage:
    """The programs and servers of one test; all end with it."""

    def __init__(self, folder):
        self.folder, self.things = pathlib.Path(folder), []

    def keep(self, thing):
        self.things.append(thing)
        return thing

    def path(self, name):
        return self.folder / f"{name}{len(self.things)}"

    def redis(self):
        return self.keep(Redis(self.path("redis"))).start()

    def haproxy(self, **options):
        return self.keep(HAProxy(self.path("hap"), **options)).start()

    def router(self, redis, *haproxies, **options):
        return self.keep(Router(self.path("router"), redis, *haproxies, **options)).start()

    def server(self, name):
        return self.keep(HttpServer(name))

    def echo(self, name, tls=None):
        return self.keep(EchoServer(name, tls=tls))

    def close(self):
        for thing in reversed(self.things):
            if isinstance(thing, Program):
                thing.kill()
                print(f"--- {thing.log}\n{thing.output()[-4000:]}")
            else:
                thing.close()


@pytest.fixture
def stage(tmp_path):
    one = Stage(tmp_path)
    yield one
    one.close()
