# SPDX-License-Identifier: MIT
"""taupe, in the ways in which it is run."""
import json
import subprocess
import urllib.request

from .floors import certificate
from .programs import wait_until
from .services import HOST, PORTS
from .setups import Missing, Setup, setup

KINDS = {"web": "http", "bulk": "tcp", "pieces": "tcp"}
AGENTS, ADMIN, FRONT = 7000, 7001, 7002  # a relay's ports, at an address of its own
LISTENERS = (8000, 8099)
MANY = 4000  # visitors at once, more than any measure takes


def has_option(site, program, option):
    text = subprocess.run([site.build / program, "--help"], capture_output=True, text=True,
                          check=True).stdout
    return f"--{option} " in text or f"--{option}\n" in text


def start_relay(site, name, ip, *options):
    return site.programs.start(f"{name}-relay", [
        site.build / "taupe-relay", "--config", "/dev/null", "--agent-listen", f"{ip}:{AGENTS}",
        "--admin-listen", f"{ip}:{ADMIN}", "--service-listen", f"{ip}:{LISTENERS[0]}-{LISTENERS[1]}",
        "--max-visitors", MANY, "--log-level", "warn", *options])


def start_agent(site, name, url, *options):
    services = []
    for service, port in PORTS.items():
        services += ["--service", f"{service}:{KINDS[service]}:{HOST}:{port}"]
    return site.programs.start(f"{name}-agent", [
        site.build / "taupe-agent", "--config", "/dev/null", "--relay", url, "--name", name,
        "--state-file", site.programs.folder / f"{name}.state", "--max-transfers", MANY,
        "--log-level", "warn", *services, *options])


def ask_admin(ip, path):
    with urllib.request.urlopen(f"http://{ip}:{ADMIN}/{path}", timeout=5) as answer:
        return json.load(answer)


def device(ip, name):
    """What the relay says of a device that is connected: (label, {service: listener's port})."""
    def look():
        devices = ask_admin(ip, "api/v1/devices")["devices"]
        return next((d for d in devices if d["name"] == name and d["online"]), None)
    found = wait_until(f"the welcome of {name}", look)
    routes = {route["key"]: int(route["value"].split(",")[1])
              for route in ask_admin(ip, "api/v1/routes")["routes"] if route["device"] == name}
    ports = {service: routes[f"tcp/{port}"] for service, port in found["ports"].items()}
    ports["web"] = next(port for key, port in routes.items() if key.startswith("http/"))
    return found["label"], ports


def standalone(site, name, relay_options=(), agent_options=(), scheme="ws"):
    """A relay without other parts and one agent; visitors come to the listeners of its services."""
    ip = site.take_ip()
    relay = start_relay(site, name, ip, "--open", *relay_options)
    agent = start_agent(site, name, f"{scheme}://{ip}:{AGENTS}", *agent_options)
    label, ports = device(ip, name)
    return Setup(ip, ports, [relay], [agent], host=f"{label}.localhost")


@setup("taupe")
def taupe(site):
    return standalone(site, "taupe")


@setup("taupe-front")
def taupe_front(site):
    """Web visitors come to the relay's own front, which looks at the name they ask for."""
    ip = site.take_ip()
    relay = start_relay(site, "taupe-front", ip, "--open", "--visitor-listen", f"{ip}:{FRONT}")
    agent = start_agent(site, "taupe-front", f"ws://{ip}:{AGENTS}")
    label, ports = device(ip, "taupe-front")
    return Setup(ip, {**ports, "web": FRONT}, [relay], [agent], host=f"{label}.localhost")


@setup("taupe-tls", "taupe", tls=True)
def taupe_tls(site):
    if not has_option(site, "taupe-relay", "tls-certificate"):
        raise Missing("this taupe-relay has no TLS of its own")
    chain, key, _ = certificate(site)
    return standalone(site, "taupe-tls", ["--tls-certificate", chain, "--tls-key", key],
                      ["--ca-file", chain], scheme="wss")
