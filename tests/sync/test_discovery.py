"""Finding the hub: an address, bounded, and never a reason to trust."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from zeroconf import ServiceInfo, Zeroconf

from ledger.errors import Rejected, Unavailable
from sync import discovery
from sync.discovery import SERVICE, Announcement, find

KEY_HASH = bytes(range(16))
# A name of this run alone: a hub that really runs on this machine must not be found instead.
ORG = f"test-{secrets.token_hex(4)}"


@pytest.fixture(scope="module", autouse=True)
def _multicast() -> None:
    """A machine without multicast on loopback cannot run these tests."""
    try:
        announcement = Announcement("probe", ["127.0.0.1"], 1, KEY_HASH, loopback=True)
        announcement.start()
        heard = find(3_000, org="probe", loopback=True)
        announcement.stop()
    except Unavailable as error:
        pytest.skip(f"no multicast here: {error}")
    if not heard:
        pytest.skip("no multicast on this machine's loopback; nothing to install, use a machine that has it")


@pytest.fixture
def announced() -> Iterator[Announcement]:
    announcement = Announcement(ORG, ["127.0.0.1"], 8480, KEY_HASH, tls=True, loopback=True)
    announcement.start()
    yield announcement
    announcement.stop()


def test_an_announced_hub_is_found_by_its_organisation(announced: Announcement) -> None:
    (found,) = find(3_000, org=ORG, loopback=True)
    assert found == discovery.Found("https://127.0.0.1:8480", ORG, KEY_HASH.hex())
    assert find(300, org="other", loopback=True) == ()


def test_strange_announcements_are_passed_over(announced: Announcement) -> None:
    liar = Zeroconf(interfaces=["127.0.0.1"])
    for number, properties in enumerate(({"org": ORG, "key": "zz" * 16}, {"org": "x" * 200, "key": "0" * 32})):
        name = f"liar-{number}.{SERVICE}"
        liar.register_service(ServiceInfo(SERVICE, name, addresses=[b"\x7f\0\0\1"], port=9, properties=properties))
    try:
        found = find(3_000, org=ORG, loopback=True)
    finally:
        liar.close()
    assert [each.url for each in found] == ["https://127.0.0.1:8480"]


def test_a_thousand_announcements_are_a_few() -> None:
    """Whatever shouts: few are kept, each an address to try and nothing more, and large papers are none."""
    listener = discovery._Listener("")

    class Network:
        def get_service_info(self, kind: str, name: str, timeout: int) -> ServiceInfo:
            address = bytes((169, 254, *divmod(int(name.split(".")[0]), 256)))
            said = {"org": ORG, "key": "ab" * 16, "more": "x" * 200}
            return ServiceInfo(kind, name, addresses=[address], port=9, properties=said)

    for number in range(1_000):
        listener.add_service(Network(), SERVICE, f"{number}.{SERVICE}")  # type: ignore[arg-type]
    assert len(listener.found) == discovery.FOUND_MAX
    large = {f"k{number}": "x" * 200 for number in range(45)} | {"org": ORG, "key": "ab" * 16}
    info = ServiceInfo(SERVICE, f"large.{SERVICE}", addresses=[b"\x7f\0\0\1"], port=9, properties=large)
    assert len(info.text) > 9_000 and discovery._read(info) is None


def test_what_cannot_be_announced() -> None:
    for arguments in (("", ["127.0.0.1"], 80), ("acme", [], 80), ("acme", ["127.0.0.1"], 0)):
        with pytest.raises(Rejected):
            Announcement(*arguments, KEY_HASH)
    assert discovery.own_addresses("10.0.0.7") == ("10.0.0.7",)
    assert discovery.own_addresses("0.0.0.0")[0].count(".") == 3
