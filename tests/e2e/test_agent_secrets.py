# SPDX-License-Identifier: MIT
"""How taupe-agent changes its secret and enters a fleet (docs/PROTOCOL.md sections 4.8 and 4.9),
from the side of a scripted relay that knows one secret's hash, and loses what it is told to."""
import hashlib
import pathlib
import re
import stat
import urllib.parse

import pytest

from harness.fakes import CLOSE, TEXT, FakeRelay, RelayEnd, accept_websocket
from harness.programs import Agent, Device, sha256_hex
from harness.wait import until

EX_NOINPUT, EX_CANTCREAT, EX_CONFIG = 66, 73, 78
KEY = "probes.u7oYJ2xq-3bVd_0aKf5sT8wZrE1nPgQhL6mCiXjD4yM"
MACHINE_ID = pathlib.Path("/etc/machine-id")


def refusal(status, error):
    body = f"error={error}&reason=why"
    return (f"HTTP/1.1 {status} No\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode()


class SecretRelay(FakeRelay):
    """known: the hash that the registry has for the device; key: the fleet's; came: what each
    request came with, as a hash or "key"; so many welcomes are lost, and the key is then another."""

    def __init__(self, known=None, key=None):
        super().__init__()
        self.known, self.key = known, key
        self.came, self.enrols = [], []
        self.lose_welcomes, self.key_after = 0, key
        self.handler = SecretRelay._answer

    def _judge(self, head):
        bearer = re.search(r"^Authorization: Bearer (\S+)\r$", head, re.M)[1]
        query = dict(urllib.parse.parse_qsl(head.split(" ")[1].partition("?")[2]))
        if "enrol" not in query:
            self.came.append(sha256_hex(bearer))
            return self.came[-1] == self.known
        self.came.append("key")
        self.enrols.append(query["enrol"])
        if bearer == self.key and self.known in (None, query["enrol"]):
            self.known = query["enrol"]
            return True
        return False

    def _answer(sock, self):
        head = self.read_head(sock)
        control = "/v1/control" in head
        good = control and self._judge(head)
        if control and self.answers:
            sock.sendall(self.answers.pop(0))
            return
        if control and not good:
            taken = self.came[-1] == "key" and f"Bearer {self.key}\r" in head
            sock.sendall(refusal(409, "name_taken") if taken else refusal(401, "unauthorized"))
            return
        if control and self.lose_welcomes:
            self.lose_welcomes -= 1
            self.key = self.key_after
            return
        accept_websocket(sock, head)
        end = RelayEnd(sock, head)
        self.ends.append(end)
        if control:
            end.send_frame(TEXT, self.welcome_text())
        (self.controls if control else self.transfers).put(end)
        end.gone.wait(60)


class Scene:
    def __init__(self, group, relay=None, start=True, **config):
        self.device = Device("alice")
        self.given = sha256_hex(self.device.secret)
        self.relay = relay or SecretRelay(known=self.given)
        config.setdefault("log_level", "info")
        self.agent = Agent(group, self.device, [self.relay.url], ["web:http:127.0.0.1:9"],
                           start=False, **config)
        self.file = pathlib.Path(f"{self.agent.config['state_file']}.secret")
        if start:
            self.agent.start()

    def control(self):
        return self.relay.control()

    def kept(self):
        """What the file has on its first line; it must be readable for nobody else."""
        assert stat.S_IMODE(self.file.stat().st_mode) == 0o600
        return dict(urllib.parse.parse_qsl(self.file.read_text().splitlines()[0]))

    def hashes(self):
        kept = self.kept()
        return [sha256_hex(kept[key]) for key in ("secret", "old") if key in kept]

    def again(self):
        """The agent is cut off, as by a power cut, and starts again."""
        self.agent.kill()
        self.agent.start()
        return self.control()

    def check_log(self):
        text = self.agent.process.log.read_text()
        secrets = [self.device.secret, KEY, KEY.partition(".")[2]]
        if self.file.exists():
            secrets += [value for key, value in self.kept().items() if key in ("secret", "old")]
        for secret in secrets:
            assert secret not in text


@pytest.fixture
def make(group):
    """Makes scenes; their relays leave before their agents do, who need not wait for them then."""
    scenes = []

    def make_scene(*args, **kwargs):
        scenes.append(Scene(group, *args, **kwargs))
        return scenes[-1]

    yield make_scene
    for scene in scenes:
        scene.relay.close()


@pytest.fixture
def enrol(group, make):
    """Makes scenes with a device that has a key and no secret."""
    def make_enrolling(key=KEY, mode=0o600, start=True, **config):
        key_file = group.folder / "enrolment.key"
        key_file.write_text(f"{key}\n")
        key_file.chmod(mode)
        scene = make(SecretRelay(key=KEY), start=False, secret_file=None,
                     **{"enrolment_key_file": key_file, **config})
        scene.key_file = key_file
        if start:
            scene.agent.start()
        return scene

    return make_enrolling


def ask(control):
    """The relay wants another secret: the hash that is offered."""
    control.say(op="rotate")
    return control.expect("secret")["sha256"]


def test_rotation_is_kept_before_it_is_offered(make):
    scene = make()
    control = scene.control()
    fresh = ask(control)
    assert fresh != scene.given
    assert scene.hashes() == [fresh, scene.given]
    # the registry has it, and says so, with a lease that is good for it
    scene.relay.known = fresh
    control.say(op="secret", sha256=fresh, lease="signed.anew")
    scene.agent.process.wait_line("relay has the new secret")
    assert scene.agent.state()["lease"] == ["signed.anew"]
    # the next one replaces it, on the same session
    second = ask(control)
    assert second not in (fresh, scene.given)
    assert scene.hashes() == [second, fresh]
    scene.relay.known = second
    control.say(op="secret", sha256=second)
    scene.agent.process.wait_line("relay has the new secret", count=2)
    scene.again()
    assert scene.relay.came == [scene.given, second]
    scene.check_log()


def test_repeated_request_is_answered_with_the_same_secret(make):
    scene = make()
    control = scene.control()
    fresh = ask(control)
    written = scene.file.stat()
    assert ask(control) == fresh
    control.say(op="secret", error="the registry is away")
    scene.agent.process.wait_line("relay could not take the new secret", "the registry is away")
    assert ask(control) == fresh
    control = scene.again()
    assert scene.relay.came == [scene.given, fresh, scene.given]
    assert ask(control) == fresh
    now = scene.file.stat()
    assert (now.st_ino, now.st_mtime_ns) == (written.st_ino, written.st_mtime_ns)


def test_lost_confirmation_costs_nothing(make):
    scene = make()
    control = scene.control()
    scene.relay.known = fresh = ask(control)
    control.close()
    control = scene.control()
    assert scene.relay.came == [scene.given, fresh]
    assert ask(control) not in (fresh, scene.given)
    assert scene.hashes()[1] == fresh


def test_session_that_is_cut_as_one_with_the_old_secret_comes_back(make):
    scene = make()
    control = scene.control()
    scene.relay.known = fresh = ask(control)
    control.send_frame(CLOSE, b"\x03\xf0revoked")
    scene.control()
    assert scene.relay.came == [scene.given, fresh]


def test_power_cut_before_the_offer_arrives(make):
    # whoever waits after the first refusal does not come back while the test looks
    scene = make(reconnect_max="60s")
    fresh = ask(scene.control())
    control = scene.again()
    assert scene.relay.came == [scene.given, fresh, scene.given]
    scene.agent.process.wait_line("the next is tried", 'next="old secret"')
    scene.relay.known = ask(control)
    assert scene.relay.known == fresh
    scene.again()
    assert scene.relay.came[3:] == [fresh]


def test_registry_that_was_restored_from_old_data_locks_nobody_out(make):
    scene = make()
    control = scene.control()
    fresh = scene.relay.known = ask(control)
    control.say(op="secret", sha256=fresh)
    scene.agent.process.wait_line("relay has the new secret")
    scene.relay.known = scene.given
    control.close()
    control = scene.control()
    assert scene.relay.came == [scene.given, fresh, scene.given]
    # what the registry has lost is offered once more
    assert ask(control) == fresh


@pytest.mark.parametrize("state_file", ["/nowhere/at/all", "/proc/version/state"])
def test_without_a_place_to_keep_it_there_is_no_new_secret(make, state_file):
    scene = make(state_file=state_file)
    control = scene.control()
    control.say(op="rotate")
    assert control.expect("secret")["error"].startswith("a secret cannot be kept: No")
    scene.agent.process.wait_line("level=error", "the secret stays as it is", state_file)
    control.close()
    scene.control()
    assert scene.relay.came == [scene.given, scene.given]


def give(scene, secret):
    """The operator gives the device this secret."""
    pathlib.Path(scene.agent.config["secret_file"]).write_text(f"{secret}\n")
    scene.agent.process.send_signal(1)


def test_operators_new_secret_wins_over_our_own(make):
    scene = make()
    fresh = scene.relay.known = ask(scene.control())
    text = scene.file.read_text()
    scene.relay.known = sha256_hex("given-anew")
    give(scene, "given-anew")
    scene.control()
    scene.agent.process.wait_line("secrets are not used, and stay", "another secret than the one")
    assert scene.relay.came == [scene.given, sha256_hex("given-anew")]
    assert fresh not in scene.relay.came
    assert scene.file.read_text() == text
    scene.check_log()


def test_change_that_is_undone_brings_our_own_secret_back(make):
    """However many there were, and though one of them was replaced meanwhile."""
    scene = make()
    ours = scene.relay.known = ask(scene.control())
    scene.relay.known = sha256_hex("second")
    give(scene, "second")
    theirs = scene.relay.known = ask(scene.control())
    scene.relay.known = sha256_hex("third")
    give(scene, "third")
    scene.control()
    came = [scene.given, sha256_hex("second"), sha256_hex("third")]
    assert scene.relay.came == came
    for secret, known in [(scene.device.secret, ours), ("second", theirs)]:
        scene.relay.known = known
        give(scene, secret)
        scene.control()
        came.append(known)
        assert scene.relay.came == came
    scene.again()
    assert scene.relay.came == came + [theirs]
    scene.check_log()


def make_two_lines(scene):
    """A device that has secrets of its own for each of two that it was given: hashes of theirs."""
    ours = scene.relay.known = ask(scene.control())
    scene.relay.known = sha256_hex("second")
    give(scene, "second")
    theirs = scene.relay.known = ask(scene.control())
    assert len(scene.file.read_text().splitlines()) == 2
    return ours, theirs


def wait_kept_first(scene, *hashes):
    until("it is the first line", lambda: scene.hashes() == list(hashes))


def restart_without_given_secret(scene, **config):
    scene.agent.kill()
    del scene.agent.config["secret_file"]
    scene.agent.config.update(config)
    scene.relay.came.clear()
    scene.agent.start()
    return scene.control()


def test_what_was_used_last_counts_when_nothing_is_given_any_more(make):
    scene = make()
    ours, _ = make_two_lines(scene)
    scene.relay.known = ours
    give(scene, scene.device.secret)
    scene.control()
    wait_kept_first(scene, ours, scene.given)
    restart_without_given_secret(scene)
    assert scene.relay.came == [ours]


def test_every_secret_of_the_device_is_tried_before_it_is_locked_out(make):
    scene = make()
    ours, theirs = make_two_lines(scene)
    # restored from old data
    scene.relay.known = ours
    restart_without_given_secret(scene)
    came = [theirs, sha256_hex("second"), ours]
    assert scene.relay.came == came
    assert scene.agent.process.lines("other secrets of the device", str(scene.file))
    # found once, it is what comes first
    wait_kept_first(scene, ours, scene.given)
    scene.again()
    assert scene.relay.came == came + [ours]
    scene.check_log()


def test_given_secret_itself_is_tried_at_last(make):
    scene = make()
    control = scene.control()
    first = scene.relay.known = ask(control)
    control.say(op="secret", sha256=first)
    scene.agent.process.wait_line("relay has the new secret")
    second = scene.relay.known = ask(control)
    scene.relay.known = scene.given
    scene.relay.came.clear()
    control.close()
    scene.control()
    came = [second, first, scene.given]
    assert scene.relay.came == came
    wait_kept_first(scene, scene.given)
    control = scene.again()
    assert scene.relay.came == came + [scene.given]
    # and what follows upon it is kept beside what there was
    assert ask(control) not in (first, second)
    assert len(scene.file.read_text().splitlines()) == 2


def test_key_of_a_fleet_comes_after_what_a_device_had_before(make, group):
    """Though the registry says that the name is taken, by which it means this device."""
    scene = make()
    ours, theirs = make_two_lines(scene)
    scene.relay.key = KEY
    key_file = group.folder / "enrolment.key"
    key_file.write_text(f"{KEY}\n")
    key_file.chmod(0o600)
    scene.relay.known = sha256_hex("second")
    restart_without_given_secret(scene, enrolment_key_file=key_file)
    assert scene.relay.came == [theirs, sha256_hex("second")]
    scene.relay.known = ours
    scene.relay.came.clear()
    scene.again()
    assert scene.relay.came == [theirs, sha256_hex("second"), "key", ours]


def test_reload_that_fails_changes_nothing(make):
    scene = make()
    fresh = scene.relay.known = ask(scene.control())
    text = scene.file.read_text()
    config = scene.file.parent / f"{scene.agent.name}.conf"
    good = config.read_text()
    config.write_text(good.replace("name = alice", "name = bob"))
    assert config.read_text() != good
    give(scene, "given-anew")
    scene.agent.process.wait_line("nothing was changed", "key=name")
    config.write_text(good)
    give(scene, scene.device.secret)
    scene.agent.process.wait_line("configuration read again")
    assert scene.file.read_text() == text and not scene.agent.process.lines("are not used")
    scene.relay.ends[-1].close()
    scene.control()
    assert scene.relay.came == [scene.given, fresh]


def test_reload_keeps_our_own_secret(make):
    scene = make()
    fresh = scene.relay.known = ask(scene.control())
    scene.agent.config["service"] = ["web:http:127.0.0.1:9", "ssh:tcp:127.0.0.1:9"]
    config = scene.file.parent / f"{scene.agent.name}.conf"
    config.write_text(config.read_text() + "service = ssh:tcp:127.0.0.1:9\n")
    scene.agent.process.send_signal(1)
    scene.control()
    assert scene.relay.came == [scene.given, fresh]


# ---- enrolment ----

def test_enrolment_sends_the_key_once_and_the_secret_never(enrol):
    scene = enrol()
    control = scene.control()
    scene.agent.process.wait_line('msg=enrolled', "device=alice")
    own, = scene.hashes()
    assert scene.relay.enrols == [own] and scene.kept()["enrolled"] == "1"
    assert scene.kept()["secret"] not in scene.relay.heads[0]
    # from now on it is a device like any other, and the key may be taken away
    control.close()
    scene.control()
    scene.key_file.unlink()
    control = scene.again()
    assert scene.relay.came == ["key", own, own]
    assert KEY not in "".join(scene.relay.heads[1:])
    scene.relay.known = fresh = ask(control)
    scene.again()
    assert scene.relay.came[3:] == [fresh]
    assert scene.kept()["enrolled"] == "1"
    scene.check_log()


def test_lost_welcome_is_asked_for_with_the_same_hash(enrol):
    scene = enrol(start=False)
    scene.relay.lose_welcomes = 2
    scene.agent.start(wait=False)
    until("it has asked", lambda: scene.relay.enrols)
    scene.agent.kill()
    scene.agent.start()
    scene.control()
    assert len(scene.relay.enrols) >= 2 and len(set(scene.relay.enrols)) == 1
    assert scene.relay.came == ["key"] * len(scene.relay.came)


def test_key_that_was_revoked_after_the_welcome_was_lost(enrol):
    scene = enrol(start=False)
    scene.relay.lose_welcomes, scene.relay.key_after = 1, "revoked"
    scene.agent.start(wait=False)
    scene.agent.wait_connected()
    assert scene.relay.came[0] == "key" and scene.relay.came[-1] == scene.relay.enrols[0]


def test_device_that_the_registry_has_lost_enrols_anew(enrol):
    scene = enrol()
    control = scene.control()
    own, = scene.hashes()
    scene.relay.known = None
    control.close()
    scene.control()
    assert scene.relay.came == ["key", own, "key"]
    assert scene.relay.enrols == [own, own]


def test_key_may_come_and_go_while_the_agent_runs(enrol):
    scene = enrol(key="probes." + 43 * "x", start=False, reconnect_max="60s")
    scene.agent.start(wait=False)
    scene.agent.process.wait_line("level=error", "status=401")
    # the right one at last
    scene.key_file.write_text(f"{KEY}\n")
    scene.agent.process.send_signal(1)
    scene.agent.process.wait_line("msg=enrolled")
    own, = scene.hashes()
    assert scene.relay.came == ["key", own, "key"]
    # once it has done what it is for, nothing depends on it
    scene.key_file.unlink()
    scene.agent.process.send_signal(1)
    scene.agent.process.wait_line("configuration read again", count=2)
    assert scene.relay.came == ["key", own, "key"]
    scene.relay.ends[-1].close()
    until("it is back", lambda: scene.relay.came == ["key", own, "key", own])


def test_wrong_key_is_refused_and_reported(enrol):
    scene = enrol(key="probes." + 43 * "x", start=False)
    scene.agent.start(wait=False)
    scene.agent.process.wait_line("level=error", "status=401")
    own, = scene.hashes()
    assert scene.relay.came[:2] == ["key", own]
    scene.check_log()


@pytest.mark.parametrize("status, error, says", [
    (403, "fleet_full", "may not enter the fleet"),
    (403, "name_refused", "may not enter the fleet"),
    (409, "name_taken", "a device of this name exists"),
])
def test_fleet_that_does_not_take_the_device_is_not_pressed(enrol, status, error, says):
    # who did not wait for long would come back while the test looks
    scene = enrol(start=False, reconnect_max="60s")
    scene.relay.answers = [refusal(status, error)]
    scene.agent.start(wait=False)
    line = scene.agent.process.wait_line("level=error", says, f"status={status}", "reason=why")
    assert int(re.search(r"retry_ms=(\d+)", line)[1]) >= 30000
    assert scene.relay.came == ["key"]


def test_key_file_that_is_missing_ends_a_device_without_a_secret(enrol):
    scene = enrol(start=False)
    scene.key_file.unlink()
    scene.agent.start(wait=False)
    scene.agent.process.ends(EX_NOINPUT)
    assert scene.agent.process.lines("enrolment_key_file is not there", str(scene.key_file))
    assert not scene.relay.heads


def test_key_file_that_others_can_read_is_complained_of(enrol):
    scene = enrol(mode=0o644)
    scene.agent.process.wait_line("level=warn", "key=enrolment_key_file", "open to others")


def test_key_that_is_none_is_not_repeated(enrol):
    scene = enrol(start=False, enrolment_key="probes.confidential", enrolment_key_file=None)
    scene.agent.start(wait=False)
    scene.agent.process.ends(EX_CONFIG)
    assert scene.agent.process.lines("enrolment_key", "a fleet's name, a dot and 43")
    scene.key_file.write_text("probes.confidential\n")
    scene.agent.config.update(enrolment_key_file=scene.key_file)
    del scene.agent.config["enrolment_key"]
    scene.agent.start(wait=False)
    scene.agent.process.ends(EX_CONFIG)
    assert scene.agent.process.lines("key=enrolment_key_file", "a fleet's name, a dot and 43")
    assert "confidential" not in scene.agent.process.log.read_text()


def test_nothing_is_enrolled_that_could_not_be_kept(enrol):
    scene = enrol(start=False, state_file="/nowhere/at/all")
    scene.agent.start(wait=False)
    scene.agent.process.ends(EX_CANTCREAT)
    assert scene.agent.process.lines("a place to keep the device's secret", "/nowhere/at/all")
    assert not scene.relay.heads


def test_damaged_file_of_any_size_does_not_keep_a_device_out(enrol):
    scene = enrol(start=False)
    scene.file.write_text(20000 * "x")
    scene.file.chmod(0o600)
    scene.agent.start()
    scene.agent.process.wait_line("msg=enrolled")
    aside = pathlib.Path(f"{scene.file}.1")
    assert scene.agent.process.lines("level=warn", "moved aside", str(aside))
    assert aside.read_text() == 20000 * "x"
    own, = scene.hashes()
    scene.again()
    assert scene.relay.came == ["key", own]


@pytest.mark.skipif(not MACHINE_ID.exists(), reason="this machine has no id")
def test_name_is_derived_from_the_machine_id(enrol):
    scene = enrol(start=False)
    del scene.agent.config["name"]
    scene.agent.start()
    derived = hashlib.sha256(b"taupe" + MACHINE_ID.read_bytes().strip()).hexdigest()[:12]
    query = dict(scene.control().query)
    assert query["name"] == f"d-{derived}"
    assert scene.kept()["name"] == f"d-{derived}"
