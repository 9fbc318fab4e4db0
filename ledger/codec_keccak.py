"""Keccak-256 by the fastest way at hand.

A block hashes some forty trie nodes and dozens of storage keys. The general library spends three quarters of its time
on making objects, so its C code is called directly here, with one sponge a thread; `safe-pysha3` is faster still and
used where it is installed. Whatever is chosen must give the general library's answers when this module is loaded.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from typing import Any, TypeAlias

from eth_hash.auto import keccak as _general

Hash: TypeAlias = Callable[[bytes], bytes]

# Around the sponge's rate of 136 bytes, where an implementation would go wrong.
_PROBES = tuple(bytes([length % 251]) * length for length in (0, 1, 31, 32, 64, 135, 136, 137, 271, 272, 273, 1000))


def _by_extension() -> Hash:
    function: Any = importlib.import_module("sha3").keccak_256

    def keccak256(data: bytes) -> bytes:
        digest: bytes = function(data).digest()
        return digest

    return keccak256


def _by_sponge() -> Hash:
    library: Any = importlib.import_module("Crypto.Hash.keccak")
    foreign: Any = importlib.import_module("Crypto.Util._raw_api").ffi
    raw = library._raw_keccak_lib
    reset, absorb, squeeze = raw.keccak_reset, raw.keccak_absorb, raw.keccak_digest

    class Sponge(threading.local):
        """Each thread's own: the C calls let other threads run in between."""

        def __init__(self) -> None:
            self.owner = library.new(digest_bits=256)
            self.state = self.owner._state.get()
            self.out = foreign.new("uint8_t[32]")
            self.view = foreign.buffer(self.out)

    sponge = Sponge()

    def keccak256(data: bytes) -> bytes:
        mine = sponge
        state = mine.state
        if reset(state) or absorb(state, data, len(data)) or squeeze(state, mine.out, 32, 1):
            raise RuntimeError("the Keccak library reports a failure")
        digest: bytes = mine.view[:]
        return digest

    return keccak256


def _chosen() -> Hash:
    for make in (_by_extension, _by_sponge):
        try:
            found = make()
            if all(found(probe) == bytes(_general(probe)) for probe in _PROBES):
                return found
        except Exception:  # noqa: S112 - whatever is wrong with it, the general library remains
            continue
    return lambda data: bytes(_general(data))


keccak256 = _chosen()
