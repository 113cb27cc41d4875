# SPDX-License-Identifier: MIT
"""The Debian packages: built once, installed into a fresh bookworm, upgraded, and purged.

The root is a folder that mmdebstrap fills from the mirror of this machine's apt; what the packages
depend on is fetched first, and no network is used from then on. Nothing runs there as a service,
as in any chroot: what the units do is tests/e2e/test_service_files.py's. The tests build on each
other in the order of this file, by their fixtures."""
import os
import pathlib
import re
import shutil
import stat
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = {"taupe-relay": "/usr/sbin/taupe-relay", "taupe-router": "/usr/sbin/taupe-router",
            "taupe-agent": "/usr/sbin/taupe-agent", "taupe-tools": "/usr/sbin/taupectl"}
PACKAGES = [*PROGRAMS, "taupe-common", "libtaupe1", "libtaupe-dev"]
EXAMPLES = {"taupe-relay": "relay", "taupe-router": "router", "taupe-agent": "agent",
            "taupe-tools": "taupectl"}
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root for a chroot")


def run(*argv, timeout=300, check=True, **kwargs):
    """Run a command; one that should not have failed shows all it said."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=timeout, check=False, **kwargs)
    assert not check or done.returncode == 0, \
        f"{' '.join(map(str, argv))}: {done.returncode}\n{done.stdout}"
    return done


def field(package, name):
    return run("dpkg-deb", "-f", package, name).stdout.strip()


@pytest.fixture(scope="module")
def folder():
    # not under pytest's own folder, which only its user may enter
    folder = pathlib.Path("/var/tmp") / f"taupe-package-{os.getpid()}"
    folder.mkdir(mode=0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def test_packages_of_another_version_than_the_tree_are_refused():
    done = run(TOP / "scripts/package", "--version", "99.0-1", check=False)
    assert done.returncode != 0
    assert "99.0-1, but configure.ac has" in done.stdout


@pytest.fixture(scope="module")
def packages(folder):
    """Name to file; scripts/package fails where lintian complains."""
    run(TOP / "scripts/package", folder / "built", timeout=1800)
    found = {path.name.split("_")[0]: path for path in (folder / "built").glob("*.deb")
             if "-dbgsym_" not in path.name}
    assert sorted(found) == sorted(PACKAGES)
    return found


def mirror():
    found = run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Codename: bookworm",
                "Origin: Debian", "Label: Debian").stdout.split()
    return found[0] if found else "http://deb.debian.org/debian"


class Machine:
    """A Debian in a folder."""

    def __init__(self, root):
        self.root = root

    def at(self, path):
        return self.root / path.lstrip("/")

    def run(self, *argv, **kwargs):
        environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C.UTF-8",
                           PATH="/usr/sbin:/usr/bin:/sbin:/bin")
        return run("unshare", "--mount", "--pid", "--fork", f"--mount-proc={self.root}/proc",
                   "chroot", self.root, *argv, env=environment, **kwargs)

    def files(self):
        """All there is, but for what apt, dpkg and logs keep of what has been."""
        kept = ("var/log/", "var/lib/dpkg/", "var/cache/", "tmp/", "proc/", "dev/")
        # who changes users leaves the files as they were before
        before = {f"etc/{name}-" for name in ("passwd", "group", "shadow", "gshadow", "subuid",
                                             "subgid")}
        found = set()
        for path, folders, files in os.walk(self.root):
            for name in folders + files:
                found.add(os.path.relpath(os.path.join(path, name), self.root))
        return {name for name in found - before if not name.startswith(kept)}

    def install(self, paths, *options):
        place = self.at("/tmp/packages")
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for path in paths:
            shutil.copy(path, place)
        return self.run("dpkg", "--install", *options,
                        *(f"/tmp/packages/{path.name}" for path in paths))

    def owner(self, path):
        """Mode, user and group, as stat tells them there."""
        return self.run("stat", "-c", "%a %U %G", path).stdout.strip()


@pytest.fixture(scope="module")
def bare(folder, packages):
    """With what the packages depend on, and without them."""
    root = folder / "root"
    run("mmdebstrap", "--quiet", "--variant=apt", "bookworm", root,
        f"deb [signed-by={KEYRING}] {mirror()} bookworm main", timeout=900)
    machine = Machine(root)
    for name in ("resolv.conf", "hosts"):
        shutil.copy(f"/etc/{name}", machine.at(f"/etc/{name}"))
    depends = {word.strip() for path in packages.values()
               for word in field(path, "Depends").split(",")
               if not re.match(r"(lib)?taupe", word.strip())}
    machine.run("apt-get", "-q", "update")
    machine.run("apt-get", "-q", "-y", "--no-install-recommends", "satisfy",
                ", ".join(sorted(depends)), timeout=900)
    machine.before = machine.files()
    return machine


@pytest.fixture(scope="module")
def installed(bare, packages):
    bare.install(packages.values())
    return bare


def test_installing_fails_for_nothing_where_there_is_no_configuration(installed):
    states = installed.run("dpkg-query", "-W", "-f", "${Package} ${Status}\n", *PACKAGES).stdout
    assert sorted(states.splitlines()) == sorted(f"{name} install ok installed"
                                                 for name in PACKAGES)
    assert installed.run("dpkg", "--audit").stdout == ""


def test_no_service_is_enabled_before_it_is_asked_for(installed):
    wanted = installed.at("/etc/systemd/system/multi-user.target.wants")
    assert not list(wanted.glob("taupe*"))


def test_the_user_owns_the_state_and_reads_the_configuration(installed):
    entry = installed.run("getent", "passwd", "taupe").stdout.strip().split(":")
    assert 0 < int(entry[2]) < 1000
    assert entry[5:] == ["/var/lib/taupe", "/usr/sbin/nologin"]
    assert installed.owner("/etc/taupe") == "750 root taupe"
    assert installed.owner("/var/lib/taupe") == "750 taupe taupe"
    installed.run("runuser", "-u", "taupe", "--", "cat", "/etc/taupe/relay.ini.example")
    assert installed.run("runuser", "-u", "nobody", "--", "cat", "/etc/taupe/relay.ini.example",
                         check=False).returncode != 0


@pytest.mark.parametrize("package", PROGRAMS)
def test_a_program_starts_and_has_its_manual(installed, package):
    program = PROGRAMS[package]
    version = installed.run("dpkg-query", "-W", "-f", "${Version}", package).stdout
    assert version.rsplit("-", 1)[0] in installed.run(program, "--version").stdout
    assert stat.S_IMODE(installed.at(program).stat().st_mode) == 0o755
    name = pathlib.Path(program).name
    files = installed.run("dpkg", "-L", package).stdout.splitlines()
    assert f"/usr/share/man/man8/{name}.8.gz" in files
    assert f"/usr/share/man/man5/{name}.ini.5.gz" in files


@pytest.mark.parametrize("package", PROGRAMS)
def test_the_configuration_to_begin_with_is_right(installed, package):
    example = f"/etc/taupe/{EXAMPLES[package]}.ini"
    assert f"{example}.example" in installed.run(
        "dpkg-query", "-W", "-f", "${Conffiles}", package).stdout
    shutil.copy(installed.at(f"{example}.example"), installed.at(example))
    installed.run("install", "-o", "taupe", "-m", "600", "/dev/null", "/etc/taupe/secret")
    installed.at("/etc/taupe/secret").write_text("not-a-secret-but-long-enough\n")
    installed.run("runuser", "-u", "taupe", "--", PROGRAMS[package], "--config", example, "--check-config")
    installed.at("/etc/taupe/secret").unlink()
    installed.at(example).unlink()


def test_units_name_what_is_there(installed):
    """ExecStart, and the user that they run as."""
    units = ["taupe-agent.service", "taupe-relay@.service", "taupe-router.service",
             "taupe-webhook@.service"]
    for unit in units:
        text = installed.at(f"/lib/systemd/system/{unit}").read_text()
        program = re.search(r"^ExecStart=(\S+) --config /etc/taupe/", text, re.MULTILINE).group(1)
        assert installed.at(program).exists()
        assert "\nUser=taupe\n" in text


def test_examples_and_documents_are_where_debian_has_them(installed):
    for name in ("taupe-router/examples/haproxy/haproxy.cfg",
                 "taupe-router/examples/haproxy/pages/502.http",
                 "taupe-relay/examples/redis/users.acl", "taupe-common/README.md.gz",
                 "taupe-common/examples/monitoring/grafana-dashboard.json",
                 "taupe-common/examples/monitoring/taupe.rules.yml", "taupe-common/openapi.json",
                 "libtaupe-dev/SDK.md.gz", "libtaupe-dev/PROTOCOL.md.gz",
                 *(f"{package}/copyright" for package in PACKAGES)):
        assert installed.at(f"/usr/share/doc/{name}").exists(), name


def test_no_document_is_left_out(installed):
    """What lies in docs/, monitoring/, haproxy/ and redis/ is there, small or compressed."""
    found = {path.name.removesuffix(".gz")
             for path in installed.root.glob("usr/share/doc/*taupe*/**/*")}
    names = {path.name for folder in ("docs", "monitoring", "haproxy", "redis")
             for path in (TOP / folder).rglob("*") if path.is_file() and path.name != "local.am"}
    assert names - found == set()


def test_the_library_has_its_name_and_its_pkg_config(installed, packages):
    assert list(installed.root.glob("usr/lib/*/libtaupe.so.1"))
    assert field(packages["libtaupe-dev"], "Depends").startswith("libtaupe1 (=")
    assert list(installed.root.glob("usr/lib/*/pkgconfig/taupe.pc"))


RELAYS = "taupe-relay@1.service loaded active running\ntaupe-relay@2.service loaded active running"


def asked_of_systemd(machine, script, *words):
    """What a maintainer script wants of a systemd that runs, and that two relays run under."""
    stubs, log = machine.at("/tmp/stubs"), machine.at("/tmp/asked")
    stubs.mkdir(exist_ok=True)
    log.write_text("")
    for name in ("systemctl", "deb-systemd-invoke"):
        stub = stubs / name
        stub.write_text(f'#!/bin/sh\necho "$@" >> /tmp/asked\n'
                        f'case $1 in list-units) echo "{RELAYS}" ;; esac\n')
        stub.chmod(0o755)
    running = machine.at("/run/systemd/system")
    running.mkdir(parents=True)
    try:
        machine.run("env", "PATH=/tmp/stubs:/usr/sbin:/usr/bin:/sbin:/bin",
                    f"DPKG_MAINTSCRIPT_PACKAGE={script.split('.')[0]}",
                    f"/var/lib/dpkg/info/{script}", *words)
    finally:
        running.rmdir()
    return [line for line in log.read_text().splitlines()
            if "daemon-reload" not in line and "list-units" not in line]


def test_an_upgrade_restarts_what_runs_and_relays_one_by_one(installed):
    assert asked_of_systemd(installed, "taupe-relay.postinst", "configure", "0.0.1-1") == [
        "try-restart taupe-relay@1.service", "try-restart taupe-relay@2.service"]
    assert asked_of_systemd(installed, "taupe-tools.postinst", "configure", "0.0.1-1") == [
        "try-restart taupe-webhook@*.service"]
    for name in ("taupe-agent", "taupe-router"):
        assert asked_of_systemd(installed, f"{name}.postinst", "configure", "0.0.1-1") == [
            f"try-restart {name}.service"]
        assert asked_of_systemd(installed, f"{name}.prerm", "upgrade", "99.0-1") == []
    assert asked_of_systemd(installed, "taupe-relay.prerm", "upgrade", "99.0-1") == []


def test_a_first_installation_starts_nothing_and_removing_stops(installed):
    for name, units in (("taupe-relay", "taupe-relay@*.service"),
                        ("taupe-tools", "taupe-webhook@*.service"),
                        ("taupe-agent", "taupe-agent.service"),
                        ("taupe-router", "taupe-router.service")):
        assert asked_of_systemd(installed, f"{name}.postinst", "configure", "") == []
        assert asked_of_systemd(installed, f"{name}.prerm", "remove") == [f"stop {units}"]


def raised(package, folder):
    """The same package as a later version with other conffiles, and the versions of the
    packages that it depends on raised with it."""
    tree = folder / "tree"
    run("dpkg-deb", "-R", package, tree)
    control = tree / "DEBIAN/control"
    version = field(package, "Version")
    control.write_text(control.read_text().replace(version, version + "+later1"))
    for example in (tree / "etc/taupe").glob("*.example"):
        example.write_text(example.read_text() + "# later\n")
    made = folder / package.name.replace(version, version + "+later1")
    run("dpkg-deb", "--root-owner-group", "-b", tree, made)
    shutil.rmtree(tree)
    return made


@pytest.fixture(scope="module")
def upgraded(installed, packages, folder):
    later = folder / "later"
    later.mkdir()
    installed.at("/etc/taupe/agent.ini.example").write_text("# mine\n")
    installed.at("/etc/taupe/relay-1.ini").write_text("[relay]\ndomain = example.com\n")
    for name in ("agent.state", "agent.state.secret", "devices"):
        installed.at(f"/var/lib/taupe/{name}").write_text("state\n")
    # as apt does it where nobody can be asked
    installed.install([raised(path, later) for path in packages.values()],
                      "--force-confdef", "--force-confold")
    return installed


def test_an_upgrade_keeps_what_was_edited_and_renews_what_was_not(upgraded):
    assert upgraded.run("dpkg-query", "-W", "-f", "${Version}",
                        "taupe-agent").stdout.endswith("+later1")
    assert upgraded.at("/etc/taupe/agent.ini.example").read_text() == "# mine\n"
    assert upgraded.at("/etc/taupe/router.ini.example").read_text().endswith("# later\n")


def test_an_upgrade_leaves_configuration_and_state(upgraded):
    assert upgraded.at("/etc/taupe/relay-1.ini").exists()
    assert upgraded.at("/var/lib/taupe/agent.state.secret").read_text() == "state\n"
    assert upgraded.owner("/var/lib/taupe") == "750 taupe taupe"


@pytest.fixture(scope="module")
def removed(upgraded):
    upgraded.run("dpkg", "--remove", *PACKAGES)
    return upgraded


def test_removing_keeps_configuration_and_state(removed):
    for path in ("/etc/taupe/relay-1.ini", "/etc/taupe/agent.ini.example",
                 "/var/lib/taupe/agent.state.secret", "/var/lib/taupe/devices"):
        assert removed.at(path).exists(), path
    removed.run("getent", "passwd", "taupe")


@pytest.fixture(scope="module")
def purged(removed):
    """All but taupe-common, which has what is shared; a key of the administrator's is left."""
    removed.at("/etc/taupe/cluster.key").write_text("key\n")
    removed.run("dpkg", "--purge", *(name for name in PACKAGES if name != "taupe-common"))
    return removed


def test_purging_a_program_takes_its_own_configuration_and_state(purged):
    assert [path.name for path in purged.at("/etc/taupe").iterdir()] == ["cluster.key"]
    assert not list(purged.at("/var/lib/taupe").iterdir())


def test_keys_of_the_administrator_outlive_a_purge_with_their_owner(purged, packages):
    purged.run("dpkg", "--purge", "taupe-common")
    assert purged.at("/etc/taupe/cluster.key").exists()
    assert not purged.at("/var/lib/taupe").exists()
    purged.run("getent", "passwd", "taupe")
    # for what comes next
    purged.at("/etc/taupe/cluster.key").unlink()
    purged.install([packages["taupe-common"]])


def test_purging_everything_leaves_nothing(purged):
    purged.run("dpkg", "--purge", "taupe-common")
    assert purged.files() - purged.before == set()
    for table in ("passwd", "group", "shadow", "gshadow"):
        assert "taupe" not in purged.at(f"/etc/{table}").read_text()
