"""Calls, control records and events against a general ABI library, eth_account and the compiled contracts."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode as general_encode
from eth_account.messages import _hash_eip191_message, encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

import contracts
from ledger import call as call_module
from ledger import calls, control, deployment, events
from ledger.codec import keccak256
from ledger.errors import Invalid, Rejected
from ledger.ids import Actor, OpId, text_to_word
from ledger.keys import TxKey, recover
from ledger.moves import Line
from ledger.words import kinds, pack

COMPILED = Path(contracts.__file__).parent / "compiled"
OP = OpId(bytes(range(16)))
ANN = Actor(bytes([1]) * 32)
BOB = Actor(bytes([2]) * 32)
MANAGER = bytes([7]) * 20
APPROVAL = calls.Approval(actor=BOB, v=27, r=bytes([3]) * 32, s=bytes([4]) * 32)
LINE = Line(item="BOLT-M8", lot="L1", quantity=12, source="SUPPLIER", target="A-01")
GOODS = calls.Goods(item="BOLT-M8", lot="L1", quantity=12, location="A-01")
PROMISED = calls.Promised(item="BOLT-M8", lot="L1", quantity=12, location="A-01")
COMPARED = calls.Compared(item="BOLT-M8", counted=3, expected=4)

EXAMPLES: list[calls.Call] = [
    calls.Receive(actor=ANN, lines=(LINE,)),
    calls.Move(actor=ANN, document=bytes([9]) * 32, lines=(LINE, LINE)),
    calls.Pick(actor=ANN, reservation=OP, lines=(LINE,)),
    calls.Issue(actor=ANN, lines=(LINE,)),
    calls.Issue(actor=ANN, reservation=OP, lines=(LINE,)),
    calls.Adjust(actor=ANN, lines=(LINE,), approval=APPROVAL),
    calls.Hold(actor=ANN, held=2, lines=(GOODS,)),
    calls.Release(
        actor=BOB,
        hold=OP,
        lines=(calls.Freed(index=1, item="BOLT-M8", lot="L1", status=2, quantity=5, location="A-01"),),
        approval=APPROVAL,
    ),
    calls.Relabel(actor=ANN, lot="L2", lines=(GOODS,)),
    calls.Reserve(actor=ANN, lines=(PROMISED,)),
    calls.Unreserve(actor=ANN, reservation=OP, lines=(PROMISED,)),
    calls.MoveUnit(actor=ANN, lines=(calls.UnitMove(unit="PALLET-7", target="A-01"),)),
    calls.RecordPart(actor=ANN, whole=OP, number=1, count=3, act=1, lines=(LINE,)),
    calls.BookPart(actor=ANN, whole=OP, number=1, act=1, lines=(LINE,)),
    calls.PlanCount(actor=ANN, scope=bytes([7]) * 32, rule=bytes([8]) * 32, height=12),
    calls.RecordCount(
        actor=ANN,
        session=OP,
        bin="A-01",
        round=1,
        opened=7,
        whole=True,
        scans=bytes([5]) * 32,
        lines=(calls.Counted(item="BOLT-M8", serial="S1", counted=1),),
    ),
    calls.PostCount(
        actor=BOB,
        count=OP,
        session=OP,
        bin="A-01",
        round=0,
        counter=ANN,
        stable=False,
        lines=(COMPARED,),
        select=1,
        approval=APPROVAL,
    ),
    calls.Reverse(actor=ANN, of=OP, lines=(LINE,), approval=APPROVAL),
    calls.ExceptDocument(actor=ANN, location="A-01", reason="over-issued", lines=(LINE,)),
    calls.Dispatch(actor=ANN, receiver="bergen", lines=(LINE,), approval=APPROVAL),
    calls.AcceptTransfer(
        actor=ANN,
        transfer=OP,
        sender="oslo",
        lines=(calls.Accepted(index=0, item="BOLT-M8", quantity=10, missing=2, target="B-01"),),
        approval=APPROVAL,
    ),
    calls.SettleTransfer(transfer=OP, lines=(calls.Settled(index=0, item="X", quantity=1, target="SHRINKAGE"),)),
    calls.Apply(sequence=1, kind=1, payload=b"abc", signature=bytes(65)),
    calls.Rebase(origin="acme/site/oslo/2", node=MANAGER, signature=bytes(65)),
    calls.Bind(actor=ANN, key=MANAGER, code=bytes([6]) * 32),
    calls.Note(actor=ANN, kind="log-in", subject=bytes(32)),
    calls.Note(actor=None, kind="clock", subject=bytes(32)),
]


@pytest.mark.parametrize("call", EXAMPLES, ids=lambda call: type(call).__name__)
def test_every_call_goes_to_call_data_and_back(call: calls.Call) -> None:
    data = call.encode(OP)
    assert calls.decode(data) == (OP, call)
    assert data[4:36] == OP.word
    assert calls.gas_limit(call) <= 50_000_000


def test_every_kind_of_call_has_an_example() -> None:
    assert {type(call) for call in EXAMPLES} == set(calls.CALLS)


def test_call_data_is_what_a_general_library_writes() -> None:
    word = text_to_word
    line = (word("BOLT-M8"), word("L1"), word(""), 0, 12, word("SUPPLIER"), word("A-01"))
    types = ["bytes32", "bytes32", "bytes32", "(bytes32,bytes32,bytes32,uint256,uint256,bytes32,bytes32)[]"]
    signature = f"receive({','.join(types)})"
    expected = keccak256(signature.encode())[:4] + general_encode(types, [OP.word, ANN.raw, bytes(32), [line]])
    assert EXAMPLES[0].encode(OP) == expected


@settings(max_examples=100)
@given(st.sampled_from(EXAMPLES), st.data())
def test_a_changed_bit_of_call_data_is_another_call_or_none(call: calls.Call, data: st.DataObject) -> None:
    raw = bytearray(call.encode(OP))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with contextlib.suppress(Invalid):
        assert calls.decode(bytes(raw)) != (OP, call)


def test_a_call_without_its_approval_or_with_too_many_lines_is_not_written() -> None:
    with pytest.raises(Rejected, match="approval is missing"):
        calls.Adjust(actor=ANN, lines=(LINE,)).encode(OP)
    with pytest.raises(Rejected, match="at most 200"):
        calls.Move(actor=ANN, lines=(LINE,) * 201).encode(OP)
    with pytest.raises(Rejected, match="at most 100"):
        calls.Hold(actor=ANN, held=2, lines=(GOODS,) * 101).encode(OP)
    with pytest.raises(Rejected):
        calls.Move(actor=ANN, lines=(dataclasses.replace(LINE, quantity=-1),)).encode(OP)
    with pytest.raises(Rejected, match="too long: 31"):
        calls.Move(actor=ANN, lines=(dataclasses.replace(LINE, item="x" * 32),)).encode(OP)


def test_the_approval_digest_is_eip712() -> None:
    call = calls.Adjust(actor=ANN, lines=(LINE,))
    message = encode_typed_data(
        {"name": "Tallyman", "version": "1", "chainId": 77, "verifyingContract": "0x" + MANAGER.hex()},
        {
            "Approval": [
                {"name": "op_id", "type": "bytes32"},
                {"name": "actor", "type": "bytes32"},
                {"name": "call", "type": "bytes4"},
                {"name": "payload", "type": "bytes32"},
            ]
        },
        {
            "op_id": OP.word,
            "actor": BOB.raw,
            "call": calls.selector(calls.Adjust),
            "payload": keccak256(call.subject()),
        },
    )
    assert call.digest(77, MANAGER, OP, BOB) == bytes(_hash_eip191_message(message))


def test_an_approval_covers_operation_person_method_and_every_line() -> None:
    call = calls.Adjust(actor=ANN, lines=(LINE,))
    other = calls.Reverse(actor=ANN, of=OP, lines=(LINE,))
    digests = {
        call.digest(1, MANAGER, OP, BOB),
        call.digest(2, MANAGER, OP, BOB),
        call.digest(1, bytes(20), OP, BOB),
        call.digest(1, MANAGER, OpId(bytes(16)), BOB),
        call.digest(1, MANAGER, OP, ANN),
        other.digest(1, MANAGER, OP, BOB),
        dataclasses.replace(call, lines=(dataclasses.replace(LINE, quantity=13),)).digest(1, MANAGER, OP, BOB),
    }
    assert len(digests) == 7
    key = TxKey(bytes([8]) * 32)
    digest = call.digest(1, MANAGER, OP, BOB)
    assert recover(digest, key.sign_digest(digest)) == key.address


def test_a_signed_call_differs_only_in_its_approval() -> None:
    call = calls.Adjust(actor=ANN, lines=(LINE,))
    assert calls.with_approval(call, APPROVAL) in EXAMPLES


PAYLOADS: list[control.Payload] = [
    control.ItemsPayload(items=(control.Item(item="BOLT-M8", tracking=1, unit="pcs", decimals=0),)),
    control.LocationsPayload(locations=(control.Location(location="A-01", kind=control.BIN, parent="ZONE-A"),)),
    control.PersonPayload(actor=ANN, roles=5, activation=bytes([1]) * 32, valid_from=1, valid_until=2),
    control.SettlePayload(transfer=OP, lines=(calls.Settled(index=0, item="X", quantity=1, target="CUSTOMER"),)),
    control.ReleasePayload(manager=MANAGER, code_hash=bytes([2]) * 32),
    control.NotePayload(kind="verdict", subject=bytes(32), document=bytes(32)),
]


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: type(payload).__name__)
def test_control_records_are_named_by_the_hash_of_record_and_signature(payload: control.Payload) -> None:
    record = control.ControlRecord.make("acme/site/oslo/1", 3, payload)
    assert control.ControlRecord.decode(record.record) == record
    assert record.content == payload
    for signature in (bytes(65), b"\x01" * 65):
        assert record.op_id(signature).raw == hashlib.sha256(record.record + signature).digest()[:16]
    assert record.call(bytes(65)).payload == pack(payload)


def test_unknown_control_kinds_are_refused() -> None:
    record = control.ControlRecord(origin="acme/site/oslo/1", sequence=1, kind=9, payload=b"")
    with pytest.raises(Invalid, match="kind 9"):
        _ = record.content


def test_the_control_digest_is_eip712() -> None:
    record = control.ControlRecord.make("acme/site/oslo/1", 3, PAYLOADS[0])
    message = encode_typed_data(
        {"name": "Tallyman", "version": "1", "chainId": 77, "verifyingContract": "0x" + MANAGER.hex()},
        {
            "Control": [
                {"name": "origin", "type": "string"},
                {"name": "sequence", "type": "uint256"},
                {"name": "kind", "type": "uint256"},
                {"name": "payload", "type": "bytes"},
            ]
        },
        {"origin": record.origin, "sequence": 3, "kind": 1, "payload": record.payload},
    )
    assert record.digest(77, MANAGER) == bytes(_hash_eip191_message(message))


def test_contract_addresses_follow_from_the_node_key() -> None:
    # The well-known first contract of Ethereum's most used test account.
    sender = bytes.fromhex("6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0")
    assert deployment.create_address(sender, 0).hex() == "cd234a471b72ba2f1ccf0a70fcaba648a5eecd8d"
    assert deployment.create_address(sender, 1).hex() == "343c43a37d37dff08ae8c4a11544c718abb4fcf8"


@dataclass(frozen=True)
class PlainLog:
    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


def test_an_event_is_read_from_its_log() -> None:
    data = general_encode(
        ["uint256", "bytes32", "bytes32", "uint256", "uint256", "bytes32", "bytes32"],
        [4, text_to_word("L1"), bytes(32), 0, 12, text_to_word("A"), text_to_word("B")],
    )
    log = PlainLog(MANAGER, (events.topic(events.Moved), OP.word, text_to_word("BOLT-M8")), data)
    expected = events.Moved(
        op_id=OP, line=4, item="BOLT-M8", lot="L1", serial="", status=0, quantity=12, source="A", target="B"
    )
    assert events.decode_logs([log]) == [expected]
    for wrong in (
        dataclasses.replace(log, topics=()),
        dataclasses.replace(log, topics=(bytes(32), *log.topics[1:])),
        dataclasses.replace(log, topics=log.topics[:2]),
        dataclasses.replace(log, data=data[:-32]),
        dataclasses.replace(log, topics=(log.topics[0], bytes([1]) * 32, log.topics[2])),
    ):
        with pytest.raises(Invalid):
            events.decode_logs([wrong])


def abi_entries(kind: str) -> list[tuple[str, dict[str, Any]]]:
    names = ("UserRegistry", "StockLedger", "InventoryManager", "AuditLogger")
    found = [json.loads((COMPILED / f"{name}.json").read_text()) for name in names]
    return [(artifact["name"], entry) for artifact in found for entry in artifact["abi"] if entry["type"] == kind]


def abi_type(part: dict[str, Any]) -> str:
    if part["type"].startswith("tuple"):
        return f"({','.join(abi_type(inner) for inner in part['components'])}){part['type'][5:]}"
    return str(part["type"])


def test_every_call_is_a_method_of_its_compiled_contract() -> None:
    methods = {
        (contract, f"{entry['name']}({','.join(abi_type(part) for part in entry['inputs'])})")
        for contract, entry in abi_entries("function")
    }
    contract_names = {"manager": "InventoryManager", "registry": "UserRegistry", "audit": "AuditLogger"}
    for cls in calls.CALLS:
        assert (contract_names[cls.CONTRACT], call_module.signature(cls)) in methods


def test_every_compiled_event_is_known_with_its_topics() -> None:
    known = {f"{cls.__name__}({','.join(kinds(cls).types)})": kinds(cls).indexed for cls in events.EVENTS}
    compiled = {
        f"{entry['name']}({','.join(abi_type(part) for part in entry['inputs'])})": tuple(
            part["indexed"] for part in entry["inputs"]
        )
        for _, entry in abi_entries("event")
    }
    assert compiled == known
