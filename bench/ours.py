# SPDX-License-Identifier: MIT
"""taupe with one relay and no other parts, in the ways in which that is run."""
import functools
import json
import re
import urllib.request

from .floors import certificate
from .programs import output_of, wait_until
from .services import HOST, PORTS
from .setups import Missing, Setup, setup

KINDS = {"web": "http", "bulk": "tcp", "pieces": "tcp"}
AGENTS, ADMIN, FRONT, TLS = 7000, 7001, 7002, 7003  # a relay's ports, at an address of its own
LISTENERS = "10000-24999"
MANY = 4000  # visitors at once, more than any measure takes


@functools.cache
def options_of(program):
    return set(re.findall(r"^ +--([a-z-]+)", output_of([program, "--help"]), re.M))


def need_option(place, program, option):
    if option not in options_of(place.build / program):
        raise Missing(f"this {program} has no --{option}")


def start_relay(place, ip, *options):
    return place.start("relay", [
        place.build / "taupe-relay", "--config", "/dev/null", "--agent-listen", f"{ip}:{AGENTS}",
        "--admin-listen", f"{ip}:{ADMIN}", "--service-listen", f"{ip}:{LISTENERS}",
        "--max-visitors", MANY, "--log-level", "warn", *options])


def start_agent(place, name, url, *options):
    services = []
    for service, port in PORTS.items():
        services += ["--service", f"{service}:{KINDS[service]}:{HOST}:{port}"]
    return place.start(f"agent-{name}", [
        place.build / "taupe-agent", "--config", "/dev/null", "--relay", url, "--name", name,
        "--state-file", place.folder / f"{name}.state", "--max-transfers", MANY,
        "--log-level", "warn", *services, *options])


def ask_admin(ip, path, key):
    with urllib.request.urlopen(f"http://{ip}:{ADMIN}/api/v1/{path}", timeout=5) as answer:
        return json.load(answer)[key]


def connected(ip, name):
    """What the relay says of a device, once it is connected."""
    return wait_until(f"the welcome of {name}", lambda: next(
        (found for found in ask_admin(ip, f"relay/devices?search={name}", "devices")
         if found["name"] == name and found["online"]), None))


def listeners(ip, name):
    """The ports of the listeners of a connected device's services, and the device's host name."""
    device = connected(ip, name)
    routes = {route["key"]: int(route["value"].split(",")[1])
              for route in ask_admin(ip, f"routes?search={name}", "routes") if route["device"] == name}
    ports = {service: routes[f"tcp/{port}"] for service, port in device["ports"].items()}
    host = f"{device['label']}.localhost"
    return {**ports, "web": routes[f"http/{host}"]}, host


def device(place, ip, relay, name, url, *options):
    agent = start_agent(place, name, url, *options)
    ports, host = listeners(ip, name)
    return Setup(ip, ports, [relay], [agent], host)


def standalone(place, ip, *relay_options, agent_options=(), ca_file=None):
    """One relay and two devices; visitors come to the listeners of the first one's services."""
    url, port = (f"wss://{ip}:{TLS}", TLS) if ca_file else (f"ws://{ip}:{AGENTS}", AGENTS)
    trust = ["--ca-file", ca_file] if ca_file else []
    relay = start_relay(place, ip, "--open", *relay_options)
    setup_ = device(place, ip, relay, "bench", url, *trust, *agent_options)
    setup_.neighbour = device(place, ip, relay, "neighbour", url, *trust, *agent_options)
    setup_.door = (ip, port), ca_file
    return setup_


@setup("taupe")
def taupe(place):
    return standalone(place, place.take_ip())


@setup("taupe-trusted")
def taupe_trusted(place):
    """The operator says that nobody on the way misreads payload: it is not masked."""
    need_option(place, "taupe-agent", "trusted-path")
    return standalone(place, place.take_ip(), agent_options=["--trusted-path"])


@setup("taupe-front")
def taupe_front(place):
    """Web visitors come to the relay's own front, which looks at the name they ask for."""
    ip = place.take_ip()
    setup_ = standalone(place, ip, "--visitor-listen", f"{ip}:{FRONT}")
    setup_.ports["web"] = FRONT
    return setup_


@setup("taupe-tls", "taupe", tls=True)
def taupe_tls(place):
    need_option(place, "taupe-relay", "agent-tls-listen")
    ip = place.take_ip()
    chain, key, _ = certificate(place, ip)
    return standalone(place, ip, "--agent-tls-listen", f"{ip}:{TLS}", "--tls-certificate", chain,
                      "--tls-key", key, ca_file=chain)
