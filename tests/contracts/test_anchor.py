"""AnchorRegistry on its own chain: it only grows, only the allowed submit, nothing is ever deleted."""

from __future__ import annotations

from typing import Any

import pytest
from eth_utils import keccak

from contracts import artifacts
from contracts.build import SOURCES
from ledger.codec import abi_decode, abi_encode
from tests.contracts.kit import Chain, Result
from tests.contracts.test_refusals import reasons_in

OWNER, NEXT, SUBMITTER, STRANGER = (bytes([number]) * 20 for number in (1, 2, 3, 4))
AT = bytes([7]) * 20
ZERO, ROOT, OTHER, LIST = (bytes([number]) * 32 for number in (0, 11, 12, 13))


class Anchors(Chain):
    def __init__(self, owner: bytes = OWNER) -> None:
        super().__init__()
        code = artifacts.load("AnchorRegistry").bytecode
        self.made = self.create(OWNER, AT, code + abi_encode(["address", "address"], [owner, SUBMITTER]))

    def by(self, sender: bytes, signature: str, *values: Any) -> Result:
        types = signature[signature.index("(") + 1 : -1].split(",") if values else []
        return self.send(sender, AT, keccak(text=signature)[:4] + abi_encode(types, values))

    def anchor(self, size: int, root: bytes, prev_size: int, prev_root: bytes, sender: bytes = SUBMITTER) -> Result:
        method = "anchor(uint256,bytes32,uint256,bytes32,bytes32)"
        return self.by(sender, method, size, root, prev_size, prev_root, LIST)

    def latest(self) -> tuple[Any, ...]:
        return self.view(AT, "latest()", "uint256,bytes32")

    def root_at(self, size: int) -> bytes:
        return bytes(self.view(AT, "root_at(uint256)", "bytes32", size)[0])


@pytest.fixture
def anchors() -> Anchors:
    found = Anchors()
    assert found.made.ok
    return found


def test_anchors_grow_and_are_told(anchors: Anchors) -> None:
    assert anchors.latest() == (0, ZERO)
    assert anchors.anchor(5, ROOT, 0, ZERO).ok
    result = anchors.anchor(9, OTHER, 5, ROOT)
    (log,) = result.events
    signature = keccak(text="Anchored(uint256,bytes32,uint256,bytes32,bytes32,address)")
    assert log.topics == (signature, (9).to_bytes(32, "big"), OTHER)
    told = abi_decode(["uint256", "bytes32", "bytes32", "address"], log.data)
    assert told == (5, ROOT, LIST, SUBMITTER)
    assert anchors.latest() == (9, OTHER)
    assert [anchors.root_at(size) for size in (5, 7, 9)] == [ROOT, ZERO, OTHER]


REFUSED = {
    "not a submitter": lambda chain: chain.anchor(9, OTHER, 5, ROOT, STRANGER),
    "not the latest anchor": lambda chain: chain.anchor(9, OTHER, 5, OTHER),
    "size must grow": lambda chain: chain.anchor(5, OTHER, 5, ROOT),
    "empty root": lambda chain: chain.anchor(9, ZERO, 5, ROOT),
    "no such anchor": lambda chain: chain.by(OWNER, "annul(uint256,string)", 4, "never made"),
    "not the owner": lambda chain: chain.by(SUBMITTER, "set_submitter(address,bool)", STRANGER, True),
    "not offered to you": lambda chain: chain.by(STRANGER, "accept_ownership()"),
    "empty owner": lambda chain: Anchors(owner=bytes(20)).made,
}


def test_every_reason_is_brought_about() -> None:
    assert reasons_in("AnchorRegistry") == set(REFUSED)
    assert (SOURCES / "AnchorRegistry.vy").exists()


@pytest.mark.parametrize("reason", REFUSED)
def test_it_is_refused_for_this_reason(anchors: Anchors, reason: str) -> None:
    assert anchors.anchor(5, ROOT, 0, ZERO).ok
    result = REFUSED[reason](anchors)
    assert (result.ok, result.reason) == (False, reason)
    assert anchors.latest() == (5, ROOT)


@pytest.mark.parametrize(
    ("size", "prev_size", "prev_root"),
    [(9, 0, ZERO), (9, 4, ROOT), (9, 5, ZERO), (4, 5, ROOT), (5, 0, ZERO), (9, 6, ZERO)],
)
def test_only_the_next_anchor_fits(anchors: Anchors, size: int, prev_size: int, prev_root: bytes) -> None:
    assert anchors.anchor(5, ROOT, 0, ZERO).ok
    assert not anchors.anchor(size, OTHER, prev_size, prev_root).ok
    assert anchors.latest() == (5, ROOT)


def test_an_annulled_anchor_stays(anchors: Anchors) -> None:
    assert anchors.anchor(5, ROOT, 0, ZERO).ok
    assert anchors.by(SUBMITTER, "annul(uint256,string)", 5, "mine").reason == "not the owner"
    (log,) = anchors.by(OWNER, "annul(uint256,string)", 5, "wrong hub key").events
    assert log.topics == (keccak(text="Annulled(uint256,bytes32,string)"), (5).to_bytes(32, "big"), ROOT)
    assert abi_decode(["string"], log.data) == ("wrong hub key",)
    assert (anchors.latest(), anchors.root_at(5)) == ((5, ROOT), ROOT)
    assert anchors.anchor(9, OTHER, 5, ROOT).ok


def test_submitters_come_and_go(anchors: Anchors) -> None:
    method = "set_submitter(address,bool)"
    assert anchors.by(OWNER, method, NEXT, True).ok
    assert anchors.by(OWNER, method, SUBMITTER, False).ok
    assert anchors.anchor(5, ROOT, 0, ZERO).reason == "not a submitter"
    assert anchors.anchor(5, ROOT, 0, ZERO, NEXT).ok
    assert anchors.view(AT, "submitters(address)", "bool", NEXT) == (True,)


def test_ownership_is_handed_over_in_two_steps(anchors: Anchors) -> None:
    assert anchors.by(STRANGER, "offer_ownership(address)", STRANGER).reason == "not the owner"
    assert anchors.by(OWNER, "offer_ownership(address)", NEXT).ok
    assert anchors.view(AT, "owner()", "address") == (OWNER,)
    assert anchors.by(STRANGER, "accept_ownership()").reason == "not offered to you"
    assert anchors.by(NEXT, "accept_ownership()").ok
    assert anchors.view(AT, "owner()", "address") == (NEXT,)
    assert anchors.by(OWNER, "set_submitter(address,bool)", OWNER, True).reason == "not the owner"
    assert anchors.by(NEXT, "accept_ownership()").reason == "not offered to you"


def test_an_offer_can_be_taken_back(anchors: Anchors) -> None:
    assert anchors.by(OWNER, "offer_ownership(address)", NEXT).ok
    assert anchors.by(OWNER, "offer_ownership(address)", bytes(20)).ok
    assert anchors.by(NEXT, "accept_ownership()").reason == "not offered to you"


def test_owning_does_not_submit_and_submitting_does_not_own(anchors: Anchors) -> None:
    assert anchors.anchor(5, ROOT, 0, ZERO, OWNER).reason == "not a submitter"
    assert anchors.by(SUBMITTER, "offer_ownership(address)", SUBMITTER).reason == "not the owner"
