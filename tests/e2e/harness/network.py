# SPDX-License-Identifier: MIT
"""Hosts, the links between them, and what happens to links. Each host is a network namespace; all
are on one switch, devices behind a NAT. All of it ends with the group; the namespaces that a run
which was killed has left are removed by the next one.

Every fault is at the switch or the NAT, where hosts cannot tell it from a bad network. Delay needs
no netem, which small kernels lack: a link with delay is a pair of taps, with a process between them
(slow_wire.py)."""
import contextlib
import ctypes
import itertools
import os
import pathlib
import re
import subprocess
import sys

from .process import Process

PREFIX = "taupe-e2e-"
SPACES = pathlib.Path("/run/netns")
CLONE_NEWNET = 0x40000000
SWITCH = """
table bridge faults {
	set cut { type ipv4_addr . ipv4_addr; }
	chain lossy { }
	chain forward {
		type filter hook forward priority 0;
		ip saddr . ip daddr @cut drop
		jump lossy
	}
}
"""
# What belongs to no mapping is not let through, and nobody is told.
NAT = """
table ip nat {
	chain zone { type filter hook prerouting priority raw; }
	chain post { type nat hook postrouting priority srcnat; oifname "eth0" masquerade; }
	chain unknown { drop; }
	chain pass { type filter hook forward priority 0; ct state invalid jump unknown; }
	chain in { type filter hook input priority 0; iifname "eth0" ct state != established jump unknown; }
}
"""
_libc = ctypes.CDLL(None, use_errno=True)
_serial = itertools.count()


def run(*argv, text=None):
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr}"


@contextlib.contextmanager
def inside(space):
    """This thread's new sockets, and threads that it starts, are in that namespace."""
    if space is None:
        yield
        return

    def enter(namespace):
        if _libc.setns(namespace, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {space}")

    with open("/proc/thread-self/ns/net", "rb") as before, open(SPACES / space, "rb") as there:
        enter(there.fileno())
        try:
            yield
        finally:
            enter(before.fileno())


class Host:
    def __init__(self, network, name, address):
        self.network, self.name, self.address = network, name, address
        self.space = network.make_space(name)

    def run(self, *argv, text=None):
        run("ip", "netns", "exec", self.space, *argv, text=text)

    def inside(self):
        return inside(self.space)

    @property
    def where(self):
        """For a program that is to run here."""
        return {"netns": self.space, "host": self.address}


class Network:
    def __init__(self, group, *hosts, devices=(), delay_ms=0):
        """hosts: names on the switch; devices: names behind the NAT, whose link to the switch has
        this delay in each direction."""
        self.group = group
        self.tag = f"{PREFIX}{os.getpid()}-{next(_serial)}-"
        remove_left_over()
        self.switch = self.make_space("switch")
        run("ip", "-n", self.switch, "link", "add", "br0", "type", "bridge")
        run("ip", "-n", self.switch, "link", "set", "dev", "br0", "up")
        run("ip", "netns", "exec", self.switch, "nft", "-f", "-", text=SWITCH)
        self.hosts = {}
        for number, name in enumerate(hosts, 1):
            host = self.hosts[name] = Host(self, name, f"10.213.0.{number}")
            self.link(host.space, "eth0", f"{host.address}/24", self.switch, name)
            run("ip", "-n", self.switch, "link", "set", "dev", name, "master", "br0")
        if devices:
            self.make_nat(devices, delay_ms)

    def make_space(self, name):
        space = self.tag + name
        run("ip", "netns", "add", space)
        self.group.exits.callback(subprocess.run, ["ip", "netns", "del", space], check=False)
        run("ip", "-n", space, "link", "set", "dev", "lo", "up")
        return space

    @staticmethod
    def link(space, inner, address, other, outer):
        run("ip", "link", "add", inner, "netns", space, "type", "veth", "peer", "name", outer,
            "netns", other)
        run("ip", "-n", space, "addr", "add", address, "dev", inner)
        run("ip", "-n", space, "link", "set", "dev", inner, "up")
        run("ip", "-n", other, "link", "set", "dev", outer, "up")

    def make_nat(self, devices, delay_ms):
        nat = self.nat = Host(self, "nat", "10.213.0.200")
        if delay_ms:
            wire = Process(self.group, "slow-wire", [
                sys.executable, str(pathlib.Path(__file__).with_name("slow_wire.py")),
                str(delay_ms), nat.space, "eth0", self.switch, "nat"], ends=(-15,))
            wire.wait_line("ready")
            run("ip", "-n", nat.space, "addr", "add", f"{nat.address}/24", "dev", "eth0")
            run("ip", "-n", nat.space, "link", "set", "dev", "eth0", "up")
            run("ip", "-n", self.switch, "link", "set", "dev", "nat", "up")
        else:
            self.link(nat.space, "eth0", f"{nat.address}/24", self.switch, "nat")
        run("ip", "-n", self.switch, "link", "set", "dev", "nat", "master", "br0")
        for number, name in enumerate(devices, 1):
            host = self.hosts[name] = Host(self, name, f"10.214.{number}.2")
            self.link(host.space, "eth0", f"{host.address}/24", nat.space, name)
            gateway = f"10.214.{number}.1"
            run("ip", "-n", nat.space, "addr", "add", f"{gateway}/24", "dev", name)
            run("ip", "-n", host.space, "route", "add", "default", "via", gateway)
        # A packet from the middle of a connection makes no mapping.
        nat.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.netfilter.nf_conntrack_tcp_loose=0")
        nat.run("nft", "-f", "-", text=NAT)
        self.nat_zones = itertools.count(1)

    def forget_after(self, seconds):
        """The NAT forgets what has been idle for so long."""
        self.nat.run("sysctl", "-qw",
                     f"net.netfilter.nf_conntrack_tcp_timeout_established={seconds}")

    def point_to_point(self, device):
        """The link of a device is like a mobile network's: who is at its other end is known, and
        nobody asks for hardware addresses or looks for IPv6 routers."""
        ends = {}
        for space, name in ((self.hosts[device].space, "eth0"), (self.nat.space, device)):
            with inside(space):
                run("sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1")
                found = subprocess.run(["ip", "-br", "link", "show", "dev", name],
                                       capture_output=True, text=True, check=True).stdout
            ends[space] = name, re.search(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", found)[0]
        own, gateway = self.hosts[device].space, self.nat.space
        address = self.hosts[device].address
        for space, other, neighbour in ((own, gateway, address[:-1] + "1"),
                                        (gateway, own, address)):
            run("ip", "-n", space, "neigh", "replace", neighbour, "lladdr", ends[other][1],
                "dev", ends[space][0], "nud", "permanent")

    def forget(self):
        """The NAT has lost all mappings, as when it was switched off and on."""
        self.nat.run("nft", f"flush chain ip nat zone; "
                     f"add rule ip nat zone ct zone set {next(self.nat_zones)}")

    def reset_unknown(self):
        """From now on the NAT tells who uses a mapping that it does not have."""
        self.nat.run("nft", "flush chain ip nat unknown; "
                     "add rule ip nat unknown meta l4proto tcp reject with tcp reset")

    def unplug(self, name):
        """The cable of a device or host is out; plug() puts it in again."""
        run("ip", "-n", self.far_end(name), "link", "set", "dev", name, "down")

    def plug(self, name):
        run("ip", "-n", self.far_end(name), "link", "set", "dev", name, "up")

    def far_end(self, name):
        return self.nat.space if self.hosts[name].address.startswith("10.214.") else self.switch

    def address(self, name):
        """As others on the switch see it."""
        return self.nat.address if name == "nat" else self.hosts[name].address

    def _pairs(self, name, others):
        pairs = [(self.address(name), self.address(other)) for other in others]
        return ", ".join(f"{a} . {b}, {b} . {a}" for a, b in pairs)

    def _nft(self, command):
        run("ip", "netns", "exec", self.switch, "nft", command)

    def cut(self, name, *others):
        """Nothing passes between the host (or "nat") and these any more, and nobody is told."""
        self._nft(f"add element bridge faults cut {{ {self._pairs(name, others)} }}")

    def heal(self, name, *others):
        self._nft(f"delete element bridge faults cut {{ {self._pairs(name, others)} }}")

    def lose(self, name, percent):
        """So many packets to the host (or "nat"), and as many from it, are lost from now on."""
        address = self.address(name)
        self._nft("".join(
            f"add rule bridge faults lossy ip {field} {address} numgen random mod 100 < {percent} "
            "counter drop; " for field in ("saddr", "daddr")))

    def lost(self):
        """How many packets lose() has taken."""
        done = subprocess.run(["ip", "netns", "exec", self.switch, "nft", "list", "chain", "bridge",
                               "faults", "lossy"], capture_output=True, text=True, check=True)
        return sum(int(count) for count in re.findall(r"packets (\d+)", done.stdout))


def remove_left_over():
    for space in SPACES.glob(PREFIX + "*"):
        pid = re.match(rf"{PREFIX}(\d+)-", space.name)
        if pid and not pathlib.Path(f"/proc/{pid[1]}").exists():
            subprocess.run(["ip", "netns", "del", space.name], check=False, capture_output=True)
