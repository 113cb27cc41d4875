# SPDX-License-Identifier: MIT
"""taupe behind HAProxy with the repository's configuration, Redis and the router; and what is left
of that path without taupe."""
import pathlib
import secrets

from . import ours
from .floors import certificate, hops, services, two_hops
from .programs import accepts, output_of, wait_until
from .setups import Setup, setup

TOP = pathlib.Path(__file__).resolve().parent.parent
HTTP, HTTPS, REDIS = 8080, 8443, 6379
PORTS = (20000, 20015)  # the public ones
KINDS = ("http", "sni", "tcp", "relay", "allow", "revoked")
LABEL = "bench"
HOST = f"{LABEL}.localhost"
PASSWORD = secrets.token_hex(16)


def start_haproxy(place, ip):
    maps = place.folder / "maps"
    process = place.start("haproxy", ["haproxy", "-db", "-f", TOP / "haproxy/haproxy.cfg"], env={
        "PATH": "/usr/sbin:/usr/bin",
        "TAUPE_UNPRIVILEGED": "1", "TAUPE_LOG": "stdout", "TAUPE_HTTP": f"{ip}:{HTTP}",
        "TAUPE_HTTPS": f"{ip}:{HTTPS}", "TAUPE_PORTS": f"{ip}:{PORTS[0]}-{PORTS[1]}",
        "TAUPE_CERTS": str(certificate(place, ip)[2]), "TAUPE_MAPS": str(maps),
        "TAUPE_PAGES": str(TOP / "haproxy/pages"),
        "TAUPE_ADMIN_SOCKET": str(place.folder / "haproxy.sock"), "TAUPE_INNER": f"inner-{ip}"})
    wait_until("HAProxy", lambda: accepts((ip, HTTP)))
    return process


def static(place, ip, targets):
    """HAProxy with maps that say once and for all where the services are."""
    ports = {"web": HTTP, "bulk": PORTS[0], "pieces": PORTS[0] + 1}
    entries = {"http": [(HOST, targets["web"])],
               "tcp": [(ports[name], targets[name]) for name in ("bulk", "pieces")]}
    for kind in KINDS:
        lines = [f"{key} {host},{port}\n" for key, (host, port) in entries.get(kind, [])]
        place.write(f"maps/{kind}.map", "".join(lines))
        for overlay in ("new", "again"):
            place.write(f"maps/{kind}.{overlay}.map", "")
    return Setup(ip, ports, [start_haproxy(place, ip)], [], HOST)


@setup("haproxy")
def haproxy(place):
    """HAProxy alone: what a cluster's visitors pay before they come to taupe."""
    return static(place, place.take_ip(), services())


@setup("haproxy-hap2")
def haproxy_hap2(place):
    """HAProxy and two plain hops behind it: the floor of the cluster's path."""
    tunnel = two_hops(place)
    setup_ = static(place, place.take_ip(), hops(tunnel.ip))
    setup_.relay += tunnel.relay
    setup_.agent += tunnel.agent
    return setup_


def start_redis(place, ip):
    lines = (TOP / "redis/users.acl").read_text().splitlines(keepends=True)
    users = place.write("users.acl", "".join(
        line if line.startswith("user default ") else line.replace(" off ", f" on >{PASSWORD} ", 1)
        for line in lines))
    place.write("password", PASSWORD + "\n", mode=0o600)
    place.start("redis", ["redis-server", "--port", REDIS, "--bind", ip, "--save", "",
                          "--appendonly", "no", "--dir", place.folder, "--aclfile", users])
    wait_until("Redis", lambda: accepts((ip, REDIS)))


def access(place, ip, user):
    return ["--redis", f"{ip}:{REDIS}", "--redis-user", user, "--redis-password-file",
            place.folder / "password"]


def add_device(place, ip):
    """Its secret, which taupectl tells once, in a file."""
    secret = output_of([place.build / "taupectl", *access(place, ip, "taupectl"), "device", "add",
                        "bench", "--label", LABEL])
    return place.write("secret", secret, mode=0o600)


@setup("taupe-cluster")
def taupe_cluster(place):
    ip = place.take_ip()
    start_redis(place, ip)
    secret = add_device(place, ip)
    maps = place.folder / "maps"
    maps.mkdir()
    place.start("router", [place.build / "taupe-router", *access(place, ip, "taupe-router"),
                           "--haproxy", place.folder / "haproxy.sock", "--map-dir", maps])
    wait_until("the router", (maps / "relay.again.map").exists)
    front = start_haproxy(place, ip)
    cluster_key = place.write("cluster.key", secrets.token_hex(32) + "\n", mode=0o600)
    relay = ours.start_relay(place, ip, *access(place, ip, "taupe-relay"), "--cluster-key-file",
                             cluster_key, "--trusted-proxy", "127.0.0.1", "--public-ports",
                             f"{PORTS[0]}-{PORTS[1]}", "--public-http-port", HTTP)
    wait_until("the relay", lambda: accepts((ip, ours.AGENTS)))
    agent = ours.start_agent(place, "bench", f"ws://{ip}:{ours.AGENTS}", "--secret-file", secret)
    public = ours.connected(ip, "bench")["ports"]
    return Setup(ip, {**public, "web": HTTP}, [front, relay], [agent], HOST)
