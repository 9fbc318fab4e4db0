#pragma version 0.4.3
#pragma evm-version paris
"""
@title  AnchorRegistry: roots of the hub's log, on the main chain
@notice An anchor proves that a log of this size and root existed by then, and in this order; nothing about its content.
        Anchors only grow and are never deleted; one that should not have been made is annulled by a further event.
"""

event Anchored:
    size: indexed(uint256)
    root: indexed(bytes32)
    prev_size: uint256
    prev_root: bytes32
    manifest: bytes32
    submitter: address


event Annulled:
    size: indexed(uint256)
    root: indexed(bytes32)
    reason: String[256]


event SubmitterSet:
    submitter: indexed(address)
    allowed: bool


event OwnerOffered:
    owner: indexed(address)
    offered: indexed(address)


event OwnerChanged:
    before: indexed(address)
    owner: indexed(address)


owner: public(address)
offered: public(address)
submitters: public(HashMap[address, bool])
latest_size: uint256
roots: HashMap[uint256, bytes32]


@deploy
def __init__(owner_: address, submitter: address):
    assert owner_ != empty(address), "empty owner"
    self.owner = owner_
    log OwnerChanged(before=empty(address), owner=owner_)
    if submitter != empty(address):
        self.submitters[submitter] = True
        log SubmitterSet(submitter=submitter, allowed=True)


@external
def anchor(size: uint256, root: bytes32, prev_size: uint256, prev_root: bytes32, manifest: bytes32):
    """
    @notice Store the root of the hub's log at `size`.
    @param  prev_size size of the latest anchor, 0 before the first
    @param  prev_root root of the latest anchor, empty before the first
    @param  manifest hash of the list of what this anchor covers
    """
    assert self.submitters[msg.sender], "not a submitter"
    assert prev_size == self.latest_size and prev_root == self.roots[prev_size], "not the latest anchor"
    assert size > prev_size, "size must grow"
    assert root != empty(bytes32), "empty root"
    self.latest_size = size
    self.roots[size] = root
    log Anchored(
        size=size,
        root=root,
        prev_size=prev_size,
        prev_root=prev_root,
        manifest=manifest,
        submitter=msg.sender,
    )


@external
def annul(size: uint256, reason: String[256]):
    """
    @notice Say of an anchor that it should not count. It stays where it is.
    """
    assert msg.sender == self.owner, "not the owner"
    root: bytes32 = self.roots[size]
    assert root != empty(bytes32), "no such anchor"
    log Annulled(size=size, root=root, reason=reason)


@external
def set_submitter(submitter: address, allowed: bool):
    assert msg.sender == self.owner, "not the owner"
    self.submitters[submitter] = allowed
    log SubmitterSet(submitter=submitter, allowed=allowed)


@external
def offer_ownership(offered: address):
    """
    @notice First step of a hand-over; an empty address takes the offer back.
    """
    assert msg.sender == self.owner, "not the owner"
    self.offered = offered
    log OwnerOffered(owner=msg.sender, offered=offered)


@external
def accept_ownership():
    """
    @notice Second step of a hand-over, by the new owner.
    """
    assert msg.sender == self.offered, "not offered to you"
    log OwnerChanged(before=self.owner, owner=msg.sender)
    self.owner = msg.sender
    self.offered = empty(address)


@external
@view
def latest() -> (uint256, bytes32):
    """
    @return Size and root of the latest anchor; 0 and empty before the first
    """
    return (self.latest_size, self.roots[self.latest_size])


@external
@view
def root_at(size: uint256) -> bytes32:
    """
    @return The root anchored at exactly this size, empty if none was
    """
    return self.roots[size]
