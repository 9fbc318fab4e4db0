"""Keccak-256: every way to it gives the same answers, also from several threads at once."""

from __future__ import annotations

import threading

import pytest
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from ledger import codec_keccak
from ledger.codec import keccak256


@given(st.binary(max_size=600))
def test_it_is_the_general_function(data: bytes) -> None:
    assert keccak256(data) == keccak(data)


@given(st.binary(max_size=600))
def test_so_is_the_sponge(data: bytes) -> None:
    assert codec_keccak._by_sponge()(data) == keccak(data)


def test_threads_do_not_share_a_sponge() -> None:
    hash_of = codec_keccak._by_sponge()
    wrong: list[int] = []

    def work(number: int) -> None:
        data = bytes([number]) * 5_000
        expected = keccak(data)
        for _ in range(300):
            if hash_of(data) != expected:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_wrong_way_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec_keccak, "_by_extension", lambda: lambda data: bytes(32))
    monkeypatch.setattr(codec_keccak, "_by_sponge", lambda: None)
    assert codec_keccak._chosen()(b"data") == keccak(b"data")
