# SPDX-License-Identifier: MIT
"""taupectl cert: HAProxy serves another certificate with the same process, connections that there are
go on, and the file that it begins with is the new one; what is wrong changes nothing."""
import json
import pathlib
import re
import socket
import ssl
import subprocess

import pytest

from harness import ports
from harness.haproxy import HAProxy
from harness.process import binary
from harness.programs import Certificate, SampleServices
from harness.visitors import get
from harness.wait import until

USAGE, DATAERR, NOINPUT, UNAVAILABLE = 64, 65, 66, 69
HOST, OTHER = "alice.example.test", "shop.example.net"


class Scene:
    """HAProxy with its certificates in a folder, and a service behind it."""

    def __init__(self, group):
        self.folder = group.folder / "certs"
        self.folder.mkdir()
        self.first = Certificate(group.folder / "first", "*.example.test")
        self.file = self.folder / "wildcard.pem"
        self.file.write_text(self.first.bundle.read_text())
        self.file.chmod(0o640)
        block = ports.take_block(group.exits)
        self.haproxy = HAProxy(group, block, block + 9, TAUPE_CERTS=str(self.folder),
                               TAUPE_ACME_THUMBPRINT="the-account_s-thumbprint")
        services = SampleServices(group, "web")
        for host in (HOST, OTHER):
            self.haproxy.ask(f"add map {self.haproxy.maps}/http.map {host} "
                             f"127.0.0.1,{services.ports['web', 'http']}")
        self.pid = self.pids()

    def pids(self):
        return re.search(r"^Pid: (\d+)", self.haproxy.ask("show info"), re.M).group(1)

    def ctl(self, *words, **options):
        argv = [binary("taupectl"), "--config", "/dev/null"]
        for key, value in {"haproxy": self.haproxy.socket, "certs": self.folder,
                           **options}.items():
            argv += ["--" + key.replace("_", "-"), str(value)]
        return subprocess.run([*argv, *map(str, words)], capture_output=True, text=True,
                              timeout=30, check=False)

    def dial(self, host=HOST):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        raw = socket.create_connection(self.haproxy.tls, timeout=10)
        return context.wrap_socket(raw, server_hostname=host)

    def served(self, host=HOST):
        """The certificate that visitors get, as PEM."""
        with self.dial(host) as connection:
            return ssl.DER_cert_to_PEM_cert(connection.getpeercert(binary_form=True))


@pytest.fixture(scope="module")
def scene(module_group):
    return Scene(module_group)


def certificate(scene, name, *names):
    folder = scene.folder.parent / name
    made = Certificate(folder, *names)
    made.upload = folder / "upload" / scene.file.name
    made.upload.parent.mkdir()
    # with what tools leave between the parts
    made.upload.write_text(made.chain.read_text() + "\r\n\n\n" + made.key.read_text() + "\n\n")
    return made


def same(pem, path):
    return "".join(pem.split()) in "".join(path.read_text().split())


def ask(connection):
    connection.sendall(f"GET /name HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    answer = b""
    while not answer.endswith(b"web"):
        piece = connection.recv(4096)
        assert piece, answer
        answer += piece
    assert answer.startswith(b"HTTP/1.1 200")


def test_another_certificate_without_another_process(scene):
    assert same(scene.served(), scene.first.chain)
    with scene.dial() as connection:
        ask(connection)
        new = certificate(scene, "second", "*.example.test", "example.test")
        done = scene.ctl("cert", "load", new.upload)
        assert done.returncode == 0, done.stderr
        assert "*.example.test, example.test" in done.stdout
        assert re.search(r"for (2d 23|3d 0)h more", done.stdout)
        assert same(scene.served(), new.chain)
        ask(connection)  # of before
    assert scene.pids() == scene.pid
    # what it begins with the next time
    assert same(scene.served(), scene.file)
    assert scene.file.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in scene.folder.iterdir()) == [scene.file.name]
    scene.haproxy.process.stop()
    scene.haproxy.start()
    for host in (HOST, OTHER):
        scene.haproxy.ask(f"add map {scene.haproxy.maps}/http.map {host} 127.0.0.1,1")
    assert same(until("it is served", scene.served), new.chain)
    scene.pid = scene.pids()


def test_two_for_one_name_are_told(scene):
    other = certificate(scene, "rival", "b.example.test", "*.example.test")
    upload = other.upload.rename(other.upload.with_name("rival.pem"))
    done = scene.ctl("cert", "load", upload)
    assert done.returncode == 0, done.stderr
    assert re.search(r"for \*\.example\.test HAProxy has \S+ and \S+, and shows one", done.stderr)
    name = f"{scene.folder}/rival.pem"
    scene.haproxy.ask(f"del ssl crt-list {scene.folder} {name}")
    scene.haproxy.ask(f"del ssl cert {name}")
    (scene.folder / "rival.pem").unlink()
    assert not scene.ctl("cert", "load", scene.file).stderr


def test_a_certificate_of_another_name_is_added(scene):
    new = certificate(scene, "shop", OTHER)
    assert not same(scene.served(OTHER), new.chain)
    upload = new.upload.with_name("shop.pem")
    new.upload.rename(upload)
    done = scene.ctl("--json", "cert", "load", upload)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["name"] == f"{scene.folder}/shop.pem" and answer["names"] == OTHER
    assert same(scene.served(OTHER), new.chain)
    assert not same(scene.served(HOST), new.chain)
    # and replaced, as any other
    again = certificate(scene, "shop2", OTHER)
    again.upload.rename(again.upload.with_name("shop.pem"))
    assert scene.ctl("cert", "load", again.upload.with_name("shop.pem")).returncode == 0
    assert same(scene.served(OTHER), again.chain)
    listed = json.loads(scene.ctl("--json", "cert", "ls").stdout)["certificates"]
    assert {entry["name"]: entry["names"] for entry in listed} == {
        f"{scene.folder}/shop.pem": OTHER, str(scene.file): "*.example.test, example.test"}
    table = scene.ctl("cert", "ls").stdout.splitlines()
    assert table[0].split()[0] == "CERTIFICATE"
    assert any(re.search(rf"shop\.pem +(2d 23|3d 0)h +{OTHER}", line) for line in table)
    assert scene.pids() == scene.pid


def uploads(scene, *hosts):
    """A certificate for each host, in a file of its name."""
    made = {}
    for host in hosts:
        certified = certificate(scene, "for-" + host, host)
        made[host] = certified, certified.upload.rename(certified.upload.with_name(f"{host}.pem"))
        scene.haproxy.ask(f"add map {scene.haproxy.maps}/http.map {host} 127.0.0.1,1")
    return made


def test_loads_at_once_wait_for_each_other(scene):
    made = uploads(scene, *(f"shop{number}.example.org" for number in range(6)))
    argv = [binary("taupectl"), "--config", "/dev/null", "--haproxy", str(scene.haproxy.socket),
            "--certs", str(scene.folder), "cert", "load"]
    loads = [subprocess.Popen([*argv, str(upload)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) for _, upload in made.values()]
    for load in loads:
        _, errors = load.communicate(timeout=40)
        assert load.returncode == 0, errors
    for host, (certified, _) in made.items():
        assert same(scene.served(host), certified.chain), host


def test_what_somebody_has_left_half_way_is_in_nobodys_way(scene):
    made = uploads(scene, "left.example.org", "next.example.org")
    left, upload = made["left.example.org"]
    name = f"{scene.folder}/left.example.org.pem"
    # stopped between its first command and its last ones
    assert "New empty" in scene.haproxy.ask(f"new ssl cert {name}")
    text = re.sub("[\r\n]+", "\n", upload.read_text())
    assert "Transaction" in scene.haproxy.ask(f"set ssl cert {name} <<\n{text}\n")
    for host in ("next.example.org", "left.example.org"):
        done = scene.ctl("cert", "load", made[host][1])
        assert done.returncode == 0, done.stderr
        assert same(scene.served(host), made[host][0].chain), host
    assert "*" not in scene.haproxy.ask("show ssl cert")


def test_what_another_program_has_under_way_is_left_to_it(scene):
    made = uploads(scene, "theirs.example.org", "ours.example.org")
    theirs, upload = made["theirs.example.org"]
    name = f"{scene.folder}/theirs.example.org.pem"
    text = re.sub("[\r\n]+", "\n", upload.read_text())
    scene.haproxy.ask(f"new ssl cert {name}")
    assert "Transaction" in scene.haproxy.ask(f"set ssl cert {name} <<\n{text}\n")
    ours = subprocess.Popen(
        [binary("taupectl"), "--config", "/dev/null", "--haproxy", str(scene.haproxy.socket), "--certs",
         str(scene.folder), "cert", "load", str(made["ours.example.org"][1])],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        waiting = pathlib.Path(f"/proc/{ours.pid}/wchan")
        until("it waits for them", lambda: "nanosleep" in waiting.read_text() or None)
        assert "Success" in scene.haproxy.ask(f"commit ssl cert {name}")
    finally:
        _, errors = ours.communicate(timeout=40)
    assert ours.returncode == 0, errors
    assert same(scene.served("ours.example.org"), made["ours.example.org"][0].chain)
    assert "*" not in scene.haproxy.ask("show ssl cert")


def test_names_that_haproxy_would_not_begin_with_are_refused(scene):
    made = certificate(scene, "named", "*.example.test")
    for name in ("shop.key", "shop.pem.issuer", "shop.ocsp", "shop.sctl", ".shop.pem", "a b.pem"):
        upload = made.upload.with_name(name)
        upload.write_text(made.upload.read_text())
        done = scene.ctl("cert", "load", upload)
        assert done.returncode == DATAERR and "no such name of a certificate" in done.stderr, name
        assert not (scene.folder / name).exists()


def corrupt(scene, name):
    made = certificate(scene, name, "*.example.test")
    other = Certificate(scene.folder.parent / f"{name}-other", "*.example.test")
    return made, other


BAD = [
    ("no key", lambda made, other: made.chain.read_text(), "no private key"),
    ("no certificate", lambda made, other: made.key.read_text(), "no certificate"),
    ("another key", lambda made, other: made.chain.read_text() + other.key.read_text(),
     "not that of its first certificate"),
    ("nonsense", lambda made, other: "nonsense\n", "no certificate"),
    ("empty", lambda made, other: "", "no certificate"),
    ("huge", lambda made, other: "#" * 70_000, "longer than 64 KB"),
    ("too long for HAProxy", lambda made, other: made.bundle.read_text() + 40 * (
        made.chain.read_text()), "tune.bufsize"),
]


@pytest.mark.parametrize("name,text,message", BAD, ids=[row[0] for row in BAD])
def test_what_is_wrong_changes_nothing(scene, name, text, message):
    before, on_disk = scene.served(), scene.file.read_text()
    made, other = corrupt(scene, "bad-" + re.sub(r"\W", "-", name))
    made.upload.write_text(text(made, other))
    done = scene.ctl("cert", "load", made.upload)
    assert done.returncode == DATAERR and message in done.stderr, done.stderr
    assert str(made.upload) in done.stderr and done.stdout == ""
    assert scene.served() == before and scene.file.read_text() == on_disk
    assert "*" not in scene.haproxy.ask("show ssl cert"), "a transaction is left"


def test_an_expired_certificate_is_not_served(scene):
    made = certificate(scene, "old", "*.example.test")
    made.upload.write_text(made.again(-1))
    done = scene.ctl("cert", "load", made.upload)
    assert done.returncode == DATAERR and "has ended" in done.stderr, done.stderr


def test_where_it_cannot_go(scene, tmp_path):
    made = certificate(scene, "fine", "*.example.test")
    before, on_disk = scene.served(), scene.file.read_text()
    for words, options, code, message in (
            (["load", made.upload], {"haproxy": tmp_path / "none"}, UNAVAILABLE, "--haproxy"),
            (["load", made.upload], {"certs": tmp_path / "none"}, NOINPUT, "TAUPE_CERTS"),
            (["load", made.upload], {"certs": made.chain}, UNAVAILABLE, "has no certificate"),
            (["load", tmp_path / "none.pem"], {}, DATAERR, "No such file"),
            (["load"], {}, USAGE, "PEM file is missing"),
            (["ls"], {"haproxy": tmp_path / "none"}, UNAVAILABLE, "No such file")):
        done = scene.ctl("cert", *words, **options)
        assert done.returncode == code and message in done.stderr, (words, options, done.stderr)
    # a disk that takes nothing: the name of the new file is a folder
    blocked = scene.folder / f".{scene.file.name}.new"
    blocked.mkdir()
    try:
        done = scene.ctl("cert", "load", made.upload)
    finally:
        blocked.rmdir()
    assert done.returncode == 73 and str(blocked) in done.stderr
    assert "*" not in scene.haproxy.ask("show ssl cert"), "a transaction is left"
    assert scene.served() == before and scene.file.read_text() == on_disk


def test_an_authority_is_answered_by_haproxy(scene):
    for host in ("new.example.net", HOST):
        answer = get(scene.haproxy.http, host, "/.well-known/acme-challenge/t0k-en_")
        assert (answer.status, answer.text) == (200, "t0k-en_.the-account_s-thumbprint")
    assert get(scene.haproxy.http, "new.example.net", "/.well-known/").status == 404
