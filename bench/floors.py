# SPDX-License-Identifier: MIT
"""What a tunnel is compared with: no proxy at all, and plain HAProxy hops. Two of them are the
reference, because a tunnel is two proxies in a row."""
from .programs import accepts, output_of, wait_until
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


def hop(place, name, ip, targets, bind="", server="", more=""):
    """One HAProxy that forwards PUBLIC at ip to the targets. more: lines for its defaults."""
    text = CONFIG + more
    for service, (host, port) in targets.items():
        text += (f"listen {service}\n\tbind {ip}:{PUBLIC[service]} {bind}\n"
                 f"\tserver next {host}:{port} {server}\n")
    config = place.write(f"{name}.cfg", text)
    process = place.start(name, ["haproxy", "-db", "-f", config])
    wait_until(name, lambda: accepts((ip, PUBLIC["web"])))
    return process


def services():
    return {name: (HOST, port) for name, port in PORTS.items()}


def hops(ip):
    return {name: (ip, port) for name, port in PUBLIC.items()}


@setup("direct")
def direct(_place):
    return Setup(HOST, PORTS, [], [])


@setup("hap1")
def hap1(place):
    ip = place.take_ip()
    return Setup(ip, PUBLIC, [hop(place, "only", ip, services())], [])


def two_hops(place, bind="", server="", more=""):
    outer, inner = place.take_ip(), place.take_ip()
    agent = hop(place, "inner", inner, services(), bind=bind, more=more)
    relay = hop(place, "outer", outer, hops(inner), server=server, more=more)
    return Setup(outer, PUBLIC, [relay], [agent])


@setup("hap2")
def hap2(place):
    return two_hops(place)


@setup("hap2-splice")
def hap2_splice(place):
    """What the kernel saves when no byte comes to user space."""
    return two_hops(place, more="\toption splice-auto\n")


def certificate(place, ip):
    """Files of a self-made certificate for an address: chain, key, and both in one."""
    chain, key, both = (place.folder / name for name in ("cert.pem", "key.pem", "both.pem"))
    output_of(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
               "-nodes", "-keyout", key, "-out", chain, "-days", "30", "-subj", "/CN=bench",
               "-addext", f"subjectAltName=IP:{ip},DNS:*.localhost"])
    place.write("both.pem", chain.read_text() + key.read_text(), mode=0o600)
    return chain, key, both


@setup("hap2-tls", "hap2", tls=True)
def hap2_tls(place):
    both = certificate(place, HOST)[2]
    return two_hops(place, bind=f"ssl crt {both} ssl-min-ver TLSv1.3", server="ssl verify none")
