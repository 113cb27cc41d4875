# SPDX-License-Identifier: MIT
"""Other tunnels: those from Debian and npm, and those whose binaries stand in $TAUPE_PEERS."""
import os
import pathlib

from .floors import PUBLIC, services
from .programs import accepts, find_program, output_of, wait_until
from .setups import Missing, Setup, setup

SERVER = 7000
NODE_MODULES = "peers/node_modules"  # in the build folder; scripts/bench installs there
QUIET = {**os.environ, "RUST_LOG": "error"}


def peer(place, name):
    path = find_program(name, place.peers) if place.peers else None
    if path is None:
        raise Missing(f"no {name} in $TAUPE_PEERS")
    return path


def start_server(place, ip, argv, port=SERVER):
    process = place.start("server", argv, env=QUIET)
    wait_until("the server", lambda: accepts((ip, port)))
    return process


# ---- OpenSSH ----

SSHD = """\
Port {port}
ListenAddress {ip}
HostKey {folder}/host_key
PidFile none
UsePAM no
PasswordAuthentication no
AuthorizedKeysFile {folder}/client_key.pub
StrictModes no
PermitRootLogin prohibit-password
GatewayPorts clientspecified
LogLevel ERROR
UseDNS no
"""


def ssh(place):
    sshd = find_program("sshd")
    if sshd is None:
        raise Missing("no sshd")
    ip, folder = place.take_ip(), place.folder
    for name in ("host_key", "client_key"):
        output_of(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name])
    pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    config = place.write("sshd_config", SSHD.format(port=SERVER, ip=ip, folder=folder))
    server = start_server(place, ip, [sshd, "-D", "-e", "-f", config])
    forwards = []
    for name, (host, port) in services().items():
        forwards += ["-R", f"{ip}:{PUBLIC[name]}:{host}:{port}"]
    client = place.start("client", [
        "ssh", "-N", "-F", "none", "-p", SERVER, "-i", folder / "client_key",
        "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no",
        "-o", "UserKnownHostsFile=/dev/null", "-o", "ExitOnForwardFailure=yes",
        "-o", "LogLevel=ERROR", *forwards, f"root@{ip}"])
    return Setup(ip, PUBLIC, [server], [client])


# ssh and chisel always encrypt: they are measured beside both references.
setup("ssh")(ssh)
setup("ssh-tls", "ssh", tls=True)(ssh)


# ---- frp ----

FRPS = """\
[common]
bind_addr = {ip}
bind_port = {port}
proxy_bind_addr = {ip}
log_level = error
token = bench
{more}
"""
FRPC = """\
[common]
server_addr = {ip}
server_port = {port}
log_level = error
token = bench
{more}
"""
FRPC_SERVICE = """
[{name}]
type = tcp
local_ip = {host}
local_port = {port}
remote_port = {public}
"""


def frp(place, server="", client=""):
    frps, frpc, ip = peer(place, "frps"), peer(place, "frpc"), place.take_ip()
    config = place.write("frps.ini", FRPS.format(ip=ip, port=SERVER, more=server))
    relay = start_server(place, ip, [frps, "-c", config])
    text = FRPC.format(ip=ip, port=SERVER, more=client)
    for name, (host, port) in services().items():
        text += FRPC_SERVICE.format(name=name, host=host, port=port, public=PUBLIC[name])
    agent = place.start("client", [frpc, "-c", place.write("frpc.ini", text)])
    return Setup(ip, PUBLIC, [relay], [agent])


@setup("frp-nomux")
def frp_nomux(place):
    return frp(place, "tcp_mux = false\nmax_pool_count = 50",
               "tcp_mux = false\npool_count = 20\ntls_enable = false")


@setup("frp")
def frp_mux(place):
    return frp(place, client="tls_enable = false")


@setup("frp-tls", "frp", tls=True)
def frp_tls(place):
    return frp(place, client="tls_enable = true")


# ---- rathole, bore, chisel ----

@setup("rathole")
def rathole(place):
    program, ip = peer(place, "rathole"), place.take_ip()
    server = f'[server]\nbind_addr = "{ip}:{SERVER}"\ndefault_token = "bench"\n'
    client = f'[client]\nremote_addr = "{ip}:{SERVER}"\ndefault_token = "bench"\n'
    for name, (host, port) in services().items():
        server += f'[server.services.{name}]\nbind_addr = "{ip}:{PUBLIC[name]}"\n'
        client += f'[client.services.{name}]\nlocal_addr = "{host}:{port}"\n'
    relay = start_server(place, ip, [program, "--server", place.write("server.toml", server)])
    config = place.write("client.toml", client)
    agent = place.start("client", [program, "--client", config], env=QUIET)
    return Setup(ip, PUBLIC, [relay], [agent])


@setup("bore")
def bore(place):
    """Its server takes every address, so its ports are nobody else's."""
    program, ip, public = peer(place, "bore"), place.take_ip(), place.take_ports()
    relay = start_server(place, ip, [program, "server"], port=7835)
    agents = [
        place.start(f"client-{name}", [program, "local", port, "--local-host", host, "--to", ip,
                                       "-p", public[name]], env=QUIET)
        for name, (host, port) in services().items()]
    return Setup(ip, public, [relay], agents)


def chisel(place):
    program, ip = peer(place, "chisel"), place.take_ip()
    relay = start_server(place, ip, [program, "server", "--host", ip, "--port", SERVER,
                                     "--reverse"])
    agent = place.start("client", [
        program, "client", "--keepalive", "25s", f"http://{ip}:{SERVER}",
        *(f"R:{ip}:{PUBLIC[name]}:{host}:{port}" for name, (host, port) in services().items())])
    return Setup(ip, PUBLIC, [relay], [agent])


setup("chisel")(chisel)
setup("chisel-tls", "chisel", tls=True)(chisel)


# ---- node ----

def node_script(place, package):
    script = place.build / NODE_MODULES / package / "bin/wstt.js"
    if not (script.exists() and find_program("node")):
        raise Missing(f"no {package} in {script.parents[2]}")
    return ["node", script]


@setup("reverse-wstunnel")
def reverse_wstunnel(place):
    """Its server takes every address, so its ports are nobody else's."""
    command, ip = node_script(place, "reverse-wstunnel"), place.take_ip()
    public = place.take_ports()
    relay = start_server(place, ip, [*command, "-r", "-s", f"{ip}:{SERVER}"])
    agents = [place.start(f"client-{name}", [*command, "-r", "-t", f"{public[name]}:{host}:{port}",
                                             f"ws://{ip}:{SERVER}"])
              for name, (host, port) in services().items()]
    return Setup(ip, public, [relay], agents)


@setup("wstunnel")
def wstunnel(place):
    """It forwards only the other way: the process that visitors come to is its client."""
    command, ip = node_script(place, "wstunnel"), place.take_ip()
    agent = start_server(place, ip, [*command, "-s", f"{ip}:{SERVER}"])
    relays = [place.start(f"client-{name}", [*command, "-t", f"{ip}:{PUBLIC[name]}:{host}:{port}",
                                             f"ws://{ip}:{SERVER}"])
              for name, (host, port) in services().items()]
    return Setup(ip, PUBLIC, relays, [agent])
