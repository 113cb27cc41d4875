# SPDX-License-Identifier: MIT
"""What a tunnel is compared with: no proxy at all, and plain HAProxy hops. Two of them are the
reference, because a tunnel is two proxies in a row."""
import subprocess

from .programs import Failure, accepts, wait_until
from .services import HOST, PORTS
from .setups import Setup, setup

PUBLIC = {"web": 8001, "bulk": 8002, "pieces": 8003}  # a hop's ports, at an address of its own

CONFIG = """\
global
	maxconn 4000
	nbthread 1
defaults
	mode tcp
	timeout connect 5s
	timeout client 300s
	timeout server 300s
"""


def hop(site, name, ip, targets, bind="", server=""):
    """One HAProxy that forwards PUBLIC at ip to the targets."""
    text = CONFIG
    for service, (host, port) in targets.items():
        text += (f"listen {service}\n\tbind {ip}:{PUBLIC[service]} {bind}\n"
                 f"\tserver next {host}:{port} {server}\n")
    config = site.programs.write(f"{name}.cfg", text)
    process = site.programs.start(name, ["haproxy", "-db", "-f", config])
    wait_until(name, lambda: accepts((ip, PUBLIC["web"])))
    return process


def services():
    return {name: (HOST, port) for name, port in PORTS.items()}


def hops(ip):
    return {name: (ip, port) for name, port in PUBLIC.items()}


@setup("direct")
def direct(site):
    return Setup(HOST, PORTS, [], [])


@setup("hap1")
def hap1(site):
    ip = site.take_ip()
    return Setup(ip, PUBLIC, [hop(site, "hap1", ip, services())], [])


def two_hops(site, name, tls=("", "")):
    outer, inner = site.take_ip(), site.take_ip()
    agent = hop(site, f"{name}-inner", inner, services(), bind=tls[0])
    relay = hop(site, f"{name}-outer", outer, hops(inner), server=tls[1])
    return Setup(outer, PUBLIC, [relay], [agent])


@setup("hap2")
def hap2(site):
    return two_hops(site, "hap2")


def certificate(site):
    """Files of a self-made certificate for every address that is used here: (chain, key, both)."""
    chain, key = (site.programs.folder / name for name in ("cert.pem", "key.pem"))
    both = site.programs.folder / "both.pem"
    if not both.exists():
        names = ",".join(f"IP:127.0.1.{n}" for n in range(1, 65))
        done = subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", key, "-out", chain, "-days", "30", "-subj", "/CN=bench",
             "-addext", f"subjectAltName={names}"], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failure(f"openssl: {done.stderr}")
        both.write_text(chain.read_text() + key.read_text())
        both.chmod(0o600)
    return chain, key, both


@setup("hap2-tls", "hap2", tls=True)
def hap2_tls(site):
    both = certificate(site)[2]
    return two_hops(site, "hap2-tls",
                    (f"ssl crt {both} ssl-min-ver TLSv1.3", "ssl verify none"))
