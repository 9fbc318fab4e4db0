"""Merkle-Patricia tries over indexed lists: the transactions and the receipts of one block.

The key of item n is rlp(n), its value the item's trie value (bare RLP for a type 0 transaction or receipt, else type
byte ‖ RLP). Everything here is a pure function; the state of the chain has its own, stored trie in `ledger.state`,
which shares the node encoding below. Rules: Ethereum yellow paper, appendix C (hex prefix) and D (trie).

Paths are strings of lower-case hex digits, one a nibble: slicing and comparing them is done by C code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from ledger.codec import keccak256, rlp_decode, rlp_encode, rlp_int
from ledger.errors import Invalid

Item: TypeAlias = "bytes | list[Item]"

HEX_DIGITS = "0123456789abcdef"
PROOF_NODES_MAX = 16


def root(items: Sequence[bytes]) -> bytes:
    """The root hash of the trie of `items`; the well-known empty root for none."""
    return keccak256(_build(items, "", None))


def prove(items: Sequence[bytes], index: int) -> list[bytes]:
    """The nodes that lead from the root down to item `index`, each hashed node once; read back by `verify`.

    Raises IndexError when there is no such item.
    """
    if not 0 <= index < len(items):
        raise IndexError(f"no item {index} among {len(items)}")
    found: list[bytes] = []
    _build(items, key_of(index), found)
    # A node is encoded after its children, so the root comes last.
    found.reverse()
    return found


def verify(trie_root: bytes, index: int, nodes: Sequence[bytes]) -> bytes:
    """The value of item `index` under `trie_root`, shown by `nodes`; raises `Invalid` for anything else.

    `nodes` must be exactly what `prove` gives: root first, every hashed node once, none missing, none to spare, each
    in its one canonical encoding. A proof that an item is absent is not a proof of a value and is refused.
    """
    if not 1 <= len(nodes) <= PROOF_NODES_MAX:
        raise Invalid(f"a proof has {len(nodes)} nodes, expected 1 to {PROOF_NODES_MAX}")
    if index < 0:
        raise Invalid(f"a proof is for item {index}, expected 0 or more")
    used = 0
    path = key_of(index)
    reference: Item = trie_root
    while True:
        if isinstance(reference, bytes):
            node, used = _hashed_node(reference, nodes, used), used + 1
        else:
            node = reference
        if len(node) == 17:
            if not path:
                value = node[16]
                break
            reference, path = node[int(path[0], 16)], path[1:]
        else:
            steps, is_leaf = _unpacked(node[0])
            if is_leaf:
                if steps != path:
                    raise Invalid(f"the proof ends at another item than {index}")
                value = node[1]
                break
            if not path.startswith(steps):
                raise Invalid(f"the proof shows that there is no item {index}")
            reference, path = node[1], path[len(steps) :]
        if reference == b"":
            raise Invalid(f"the proof shows that there is no item {index}")
    if used != len(nodes):
        raise Invalid(f"a proof has {len(nodes)} nodes, {used} of them lead to item {index}")
    if not isinstance(value, bytes) or not value:
        raise Invalid(f"the proof shows no value for item {index}")
    return value


def key_of(index: int) -> str:
    """The path of item `index`: the nibbles of rlp(index)."""
    return rlp_encode(rlp_int(index)).hex()


def list_of(payload: bytes) -> bytes:
    """RLP of a list whose items, already encoded, are joined in `payload`."""
    length = len(payload)
    if length < 56:
        return bytes((0xC0 + length,)) + payload
    size = rlp_int(length)
    return bytes((0xF7 + len(size),)) + size + payload


def packed(path: str, *, leaf: bool) -> bytes:
    """The hex prefix encoding of `path`: two nibbles a byte, the first telling parity and kind of node."""
    if len(path) % 2:
        return bytes.fromhex(("3" if leaf else "1") + path)
    return bytes.fromhex(("20" if leaf else "00") + path)


def reference_to(node: bytes) -> bytes:
    """How a parent holds a node, already as RLP: the node itself below 32 bytes, else its hash."""
    return node if len(node) < 32 else b"\xa0" + keccak256(node)


def _build(items: Sequence[bytes], wanted: str, found: list[bytes] | None) -> bytes:
    """The encoded root; with `found`, collects the hashed nodes on the way to `wanted`, deepest first."""
    if not items:
        return rlp_encode(b"")
    pairs = sorted((key_of(index), item) for index, item in enumerate(items))
    encoded = _node(pairs, 0, wanted, found)
    if found is not None and len(encoded) < 32:
        found.append(encoded)
    return encoded


def _node(pairs: list[tuple[str, bytes]], depth: int, wanted: str, found: list[bytes] | None) -> bytes:
    """The node over `pairs`, sorted and equal in their first `depth` nibbles."""
    first, last = pairs[0][0], pairs[-1][0]
    if len(pairs) == 1:
        encoded = list_of(rlp_encode(packed(first[depth:], leaf=True)) + rlp_encode(pairs[0][1]))
    else:
        shared = depth
        while shared < len(first) and first[shared] == last[shared]:
            shared += 1
        if shared > depth:
            below = reference_to(_node(pairs, shared, wanted, found))
            encoded = list_of(rlp_encode(packed(first[depth:shared], leaf=False)) + below)
        else:
            encoded = _branch(pairs, depth, wanted, found)
    if found is not None and len(encoded) >= 32 and wanted[:depth] == first[:depth]:
        found.append(encoded)
    return encoded


def _branch(pairs: list[tuple[str, bytes]], depth: int, wanted: str, found: list[bytes] | None) -> bytes:
    groups: dict[str, list[tuple[str, bytes]]] = {}
    for pair in pairs:
        # Never past the end: no rlp(n) is the beginning of another, so a branch here holds no value itself.
        groups.setdefault(pair[0][depth], []).append(pair)
    payload = b"".join(
        reference_to(_node(groups[digit], depth + 1, wanted, found)) if digit in groups else b"\x80"
        for digit in HEX_DIGITS
    )
    return list_of(payload + b"\x80")


def _hashed_node(reference: bytes, nodes: Sequence[bytes], used: int) -> list[Item]:
    """The next node of a proof, which must be the one that `reference` names."""
    if used == len(nodes):
        raise Invalid(f"a proof of {used} nodes ends too early")
    encoded = nodes[used]
    if len(reference) != 32 or keccak256(encoded) != reference:
        raise Invalid(f"node {used} of a proof is not the one its parent names")
    if used and len(encoded) < 32:
        raise Invalid(f"node {used} of a proof has {len(encoded)} bytes and belongs inside its parent")
    return _decoded_node(encoded)


def _decoded_node(encoded: bytes) -> list[Item]:
    return _checked_node(rlp_decode(encoded), encoded)


def _checked_node(item: Item, encoded: bytes) -> list[Item]:
    if not isinstance(item, list) or len(item) not in (2, 17):
        raise Invalid(f"a trie node is neither a branch nor a leaf nor an extension: {encoded.hex()}")
    if len(item) == 2:
        _, is_leaf = _unpacked(item[0])
        children = [] if is_leaf else [item[1]]
        if not is_leaf and item[1] == b"":
            raise Invalid(f"a trie extension leads nowhere: {encoded.hex()}")
    else:
        children = item[:16]
    for child in children:
        if isinstance(child, list):
            _checked_node(child, encoded)
        elif len(child) not in (0, 32):
            raise Invalid(f"a trie node refers to {len(child)} bytes, expected a hash of 32: {encoded.hex()}")
    return item


def _unpacked(item: Item) -> tuple[str, bool]:
    """The path and whether it ends in a leaf, of a hex prefix in its one canonical form."""
    if not isinstance(item, bytes) or not item or item[0] >> 4 > 3 or (item[0] >> 4 in (0, 2) and item[0] & 15):
        raise Invalid("a trie node has a malformed path")
    digits = item.hex()
    path = digits[1:] if item[0] & 0x10 else digits[2:]
    is_leaf = bool(item[0] & 0x20)
    if not path and not is_leaf:
        raise Invalid("a trie extension has an empty path")
    return path, is_leaf
