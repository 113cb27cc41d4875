# SPDX-License-Identifier: MIT
"""The lease that a relay has signed: it brings a device's name back where nobody knows it any
more, and nothing to whoever has made it up, has another device's, or comes from elsewhere."""
import contextlib
import urllib.parse

import pytest

from harness.fakes import RawAgent
from harness.scenes import Cluster
from harness.wait import until

VARIANTS = ["own", "forged", "of another device", "of another cluster"]
SERVICES = ("web:http", "ssh:tcp")


class Scene:
    """Each device has been here once, and has shown nothing yet."""

    def __init__(self, group):
        self.cluster = Cluster(group, redis_timeout="300ms")
        self.redis, self.relay = self.cluster.redis, self.cluster.relay
        self.devices = {variant: self.cluster.device(f"d{number}")
                        for number, variant in enumerate([*VARIANTS, "other"])}
        self.had = {}
        for variant, device in self.devices.items():
            status, self.had[variant] = self.join(device)
            assert status == 101
        self.key = group.folder / "other.key"
        self.key.write_bytes(b"o" * 48)
        self.key.chmod(0o600)

    def join(self, device, lease=None):
        """Status, and what the welcome says, or the error's form."""
        query = [("name", device.name), ("instance", "i" * 32)]
        query += [("service", service) for service in SERVICES]
        query += [("lease", lease)] if lease else []
        with RawAgent(self.relay.agent_address) as agent:
            agent.send(agent.control_request(
                device, query=urllib.parse.urlencode(query, safe=":")).encode())
            status, fields = agent.read_head()
            if status != 101:
                body = agent.read_exactly(int(fields["content-length"]))
                return status, dict(urllib.parse.parse_qsl(body.decode()))
            _, payload = agent.read_frame()
            pairs = urllib.parse.parse_qsl(payload.decode())
            return status, {**dict(pairs), "urls": [v for key, v in pairs if key == "url"]}

    def token(self, variant):
        if variant == "of another device":
            return self.had["other"]["lease"]
        own = self.had[variant]["lease"]
        if variant != "forged":
            return own
        payload, signature = own[:-4], own[-4:]
        return payload + ("AAAA" if signature != "AAAA" else "BBBB")

    def restart_relay(self, variant, wait=True):
        """The only one that knew the devices."""
        self.relay.process.kill()
        if variant == "of another cluster":
            self.relay.config["cluster_key_file"] = self.key
        self.relay.start(wait=wait)

    def forget(self, variant):
        """All that was known is lost, but for the operator's devices."""
        self.relay.process.kill()
        self.redis.restart_empty()
        for device in self.devices.values():
            self.redis.add(device)
        self.restart_relay(variant)

    @contextlib.contextmanager
    def away(self, variant):
        self.redis.process.freeze()
        self.restart_relay(variant, wait=False)
        until("it runs", lambda: self.relay.admin("/readyz")[0] == 503)
        until("it has waited for the registry long enough", lambda: self.join(
            self.devices["other"])[1]["reason"] == "the registry does not answer")
        try:
            yield
        finally:
            self.redis.process.thaw()


@pytest.fixture(scope="module")
def scene(module_group):
    return Scene(module_group)


def places(welcome):
    """The label, and the URLs with it and the public port."""
    assert len(welcome["urls"]) == len(SERVICES)
    return welcome["label"], welcome["urls"]


@pytest.mark.long
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_registry_that_has_forgotten_honours_the_devices_own_lease(scene, variant):
    scene.forget(variant)
    status, welcome = scene.join(scene.devices[variant], scene.token(variant))
    assert status == 101
    labels = {had["label"] for had in scene.had.values()}
    if variant == "own":
        assert places(welcome) == places(scene.had[variant])
    else:
        assert welcome["label"] not in labels, "it is a stranger"


@pytest.mark.long
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_relay_without_its_registry_honours_the_devices_own_lease(group, variant):
    scene = Scene(group)
    device = scene.devices[variant]
    with scene.away(variant):
        assert scene.join(device)[0] == 503, "the relay has never seen it"
        status, welcome = scene.join(device, scene.token(variant))
        if variant == "own":
            assert status == 101
            assert places(welcome) == places(scene.had[variant])
        else:
            assert status == 503
