"""Golden blocks: chains of which every byte is settled, for this program, later ones, and engines that are not ours.

    python -m tests.vectors.make_blocks            write tests/vectors/blocks_*.json again
    python -m tests.vectors.make_blocks --check    only say whether they would be the same

`blocks_engine.json` exercises the rule set with small hand-written and random contracts; it may never change.
`blocks_site.json` is a day of a site under the real contracts: it changes when a contract changes before its release,
and never after. All bytes are hex, numbers are decimal.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path
from typing import Any

from ledger import calls, control, db
from ledger.block import Block, Header
from ledger.calls import Approval, ApprovedCall
from ledger.calls_goods import RECEIVE_ACT
from ledger.codec import keccak256
from ledger.counts import Compared, Counted
from ledger.documents import digest, part_op_id
from ledger.errors import Rejected
from ledger.evm import Account, Executor
from ledger.ids import Actor
from ledger.keys import TxKey
from ledger.moves import Freed, Goods, Line, Promised, UnitMove
from ledger.state import Alloc
from ledger.transfers import Accepted, Settled
from tests.ledger import chain_kit
from tests.ledger.chain_kit import ANN, BOB, Site, line, op
from tests.ledger.evm_fuzz import CONTRACTS, program
from tests.ledger.evm_kit import CHAIN_ID, SENDER, asm, chain, contract, deployment, extra, sign, word

FOLDER = Path(__file__).parent
KEYS = {ANN: TxKey(b"\x31" * 32), BOB: TxKey(b"\x32" * 32)}
CODES = {ANN: b"\x41" * 32, BOB: b"\x42" * 32}


def engine() -> dict[str, Any]:
    """Storage set, changed and cleared; calls that fail below; creation; time and hashes of blocks; random code."""
    dice = random.Random(20)
    store_code = asm("32 CALLDATALOAD 0 CALLDATALOAD SSTORE 0 0 LOG0")
    below = f"0 0 0 0 0 0x{contract(3).hex()} 50000 CALL 32 0 0 0 0 0x{contract(4).hex()} 30000 CALL ADD"
    block_code = asm(f"{below} NUMBER SSTORE NUMBER 1 SWAP1 SUB BLOCKHASH TIMESTAMP SSTORE")
    alloc = {
        contract(1): Account(nonce=1, code=store_code, storage={7: 7, 8: 9}),
        contract(2): Account(nonce=1, code=block_code),
        contract(3): Account(nonce=1, balance=5, code=asm("CALLER 0 SSTORE GAS 1 SSTORE 3 4 0 0 LOG2")),
        contract(4): Account(nonce=1, code=asm("1 5 SSTORE 0 0 LOG0 32 0 REVERT")),
        **{contract(10 + number): Account(nonce=1, code=program(dice)) for number in range(1, CONTRACTS + 1)},
    }
    store = db.memory()
    site = chain(alloc, store)
    blocks = [_block(site.head.header, [])]
    for height in range(1, 31):
        site.begin(site.head.timestamp + dice.choice([1, 2, 3_600]))
        taken: list[bytes] = []
        for _ in range(height % 5):
            raw = _engine_transaction(dice, site.nonce(SENDER))
            try:
                if site.execute(raw).ok:
                    taken.append(raw)
            except Rejected:
                continue
        with db.transaction(store):
            blocks.append(_block(site.seal(extra(height)).header, taken))
    return _file("engine", CHAIN_ID, alloc, blocks)


def _engine_transaction(dice: random.Random, nonce: int) -> bytes:
    kind = dice.randrange(6)
    if kind < 2:
        return sign(nonce, contract(1), word(dice.randrange(40)) + word(dice.choice([0, 0, 1, 2**256 - 1])))
    if kind == 2:
        return sign(nonce, contract(2))
    if kind == 3:
        return sign(nonce, b"", deployment(asm(f"{dice.randrange(99)} 0 SSTORE")))
    to = contract(10 + dice.randint(1, CONTRACTS))
    return sign(nonce, to, dice.randbytes(dice.choice([0, 32, 68])), gas=300_000)


def site() -> dict[str, Any]:
    """Every call of the contracts in a day of one site."""
    day = Site.new()
    day.deploy()
    day.furnish()
    day.control(control.ItemsPayload(items=(control.Item(item="DRILL", tracking=2, unit="pc", decimals=0),)))
    approver = control.PersonPayload(
        actor=BOB, roles=chain_kit.APPROVE, activation=keccak256(CODES[BOB]), valid_from=0, valid_until=2**40
    )
    day.control(approver)
    again = control.PersonPayload(
        actor=ANN, roles=chain_kit.EVERYTHING, activation=keccak256(CODES[ANN]), valid_from=0, valid_until=2**40
    )
    day.control(again)
    for number, person in enumerate((ANN, BOB)):
        day.call(op(1 + number), calls.Bind(actor=person, key=KEYS[person].address, code=CODES[person]))
    day.seal()
    _goods(day)
    _count(day)
    _transfers(day)
    _changes(day)
    _orders(day)
    day.control(control.NotePayload(kind="POLICY", subject=b"\x07" * 32, document=b"\x08" * 32))
    day.call(op(90), calls.Note(actor=ANN, kind="LOGIN", subject=bytes(32)))
    day.seal()
    blocks = [_block(block.header, list(block.transactions), block) for block in day.blocks]
    return _file("site", day.head.origin.chain_id, {}, blocks)


def _goods(day: Site) -> None:
    day.act(10, calls.Receive(actor=ANN, lines=(line(50), line(20, item="BOLT", target="A-02"))))
    paint = Line(item="PAINT", lot="L-7", quantity=6, source="SUPPLIER", target="A-01")
    drill = Line(item="DRILL", serial="SN-1", quantity=1, source="SUPPLIER", target="A-01")
    day.act(11, calls.Receive(actor=ANN, lines=(paint, drill)))
    day.seal()
    moved = (line(5, source="A-01", target="A-02"),)
    day.act(12, calls.Move(actor=ANN, lines=moved))
    _approved(day, 13, BOB, calls.Reverse(actor=ANN, of=op(12), lines=moved))
    _approved(day, 14, BOB, calls.Adjust(actor=ANN, lines=(line(2, source="A-02", target="SHRINKAGE"),)))
    lost = (line(900, source="A-01", target="A-02"),)
    day.act(15, calls.ExceptDocument(actor=ANN, location="A-01", reason="SHORT", lines=lost))
    day.seal()


def _count(day: Site) -> None:
    counted = (Counted(item="BOLT", counted=47), Counted(item="PAINT", lot="L-7", counted=8))
    record = calls.RecordCount(
        actor=ANN, session=op(20), bin="A-01", round=1, opened=0, whole=False, scans=b"\x05" * 32, lines=counted
    )
    day.act(21, record)
    day.seal()
    compared = (
        Compared(item="BOLT", counted=47, expected=50),
        Compared(item="PAINT", lot="L-7", counted=8, expected=6),
    )
    post = calls.PostCount(
        actor=ANN,
        count=op(21),
        session=op(20),
        bin="A-01",
        round=1,
        counter=ANN,
        stable=False,
        lines=compared,
        select=3,
    )
    _approved(day, 22, BOB, post)
    day.seal()


def _transfers(day: Site) -> None:
    sent = (Line(item="BOLT", quantity=10, source="A-01", target="IN_TRANSIT"),)
    _approved(day, 30, ANN, calls.Dispatch(actor=ANN, receiver="bergen", lines=sent))
    day.seal()
    settled = tuple(
        Settled(index=0, item="BOLT", quantity=quantity, target=target)
        for quantity, target in ((8, "CUSTOMER"), (2, "SHRINKAGE"))
    )
    for part in settled:
        day.control(control.SettlePayload(transfer=op(30), lines=(part,)))
    arrived = (Accepted(index=0, item="BOLT", quantity=4, missing=1, target="A-02"),)
    _approved(day, 31, ANN, calls.AcceptTransfer(actor=ANN, transfer=op(77), sender="bergen", lines=arrived))
    day.seal()


def _changes(day: Site) -> None:
    """Status, lots, handling units, and a receipt in two parts."""
    returned = Line(item="BOLT", status=1, quantity=2, source="CUSTOMER", target="A-01")
    day.act(40, calls.Receive(actor=ANN, lines=(returned,)))
    bolts = Goods(item="BOLT", quantity=3, location="A-01")
    drill = Goods(item="DRILL", serial="SN-1", quantity=1, location="A-01")
    day.act(41, calls.Hold(actor=ANN, held=2, lines=(bolts, drill)))
    for number, hold, freed in (
        (42, 40, Freed(index=0, item="BOLT", status=1, quantity=1, location="A-01")),
        (43, 41, Freed(index=3, item="DRILL", serial="SN-1", status=2, quantity=1, location="A-01")),
    ):
        _approved(day, number, BOB, calls.Release(actor=BOB, hold=op(hold), lines=(freed,)))
    paint = Goods(item="PAINT", lot="L-7", quantity=2, location="A-01")
    day.act(44, calls.Relabel(actor=ANN, lot="L-8", lines=(paint,)))
    units = (UnitMove(unit="PALLET-1", target="A-01"), UnitMove(unit="CASE-1", target="PALLET-1"))
    day.act(45, calls.MoveUnit(actor=ANN, lines=units))
    day.act(46, calls.Move(actor=ANN, lines=(line(4, source="A-01", target="CASE-1"),)))
    day.act(47, calls.MoveUnit(actor=ANN, lines=(UnitMove(unit="PALLET-1", source="A-01", target="A-02"),)))
    day.seal()
    parts = {1: (line(30),), 2: (line(40, target="A-02"),)}
    for number, lines in parts.items():
        part = calls.RecordPart(
            actor=ANN,
            document=digest(chain_kit.DOCUMENT),
            whole=op(50),
            number=number,
            count=2,
            act=RECEIVE_ACT,
            lines=lines,
        )
        day.call(part_op_id(op(50), number), part, chain_kit.DOCUMENT)
    for number, lines in parts.items():
        day.act(50 + number, calls.BookPart(actor=ANN, whole=op(50), number=number, act=RECEIVE_ACT, lines=lines))
    day.seal()


def _orders(day: Site) -> None:
    """Goods promised, picked, given back and issued; and a plan."""
    day.act(60, calls.Reserve(actor=ANN, lines=(Promised(item="BOLT", quantity=9, location="A-02"),)))
    day.act(61, calls.Pick(actor=ANN, reservation=op(60), lines=(line(5, source="A-02", target="CASE-1"),)))
    rest = (Promised(item="BOLT", quantity=1, location="A-02"),)
    day.act(62, calls.Unreserve(actor=ANN, reservation=op(60), lines=rest))
    day.act(63, calls.Issue(actor=ANN, lines=(line(5, source="CASE-1", target="CUSTOMER"),)))
    day.act(64, calls.Issue(actor=ANN, reservation=op(60), lines=(line(2, source="A-02", target="CUSTOMER"),)))
    day.act(65, calls.PlanCount(actor=ANN, scope=b"\x09" * 32, rule=b"\x0a" * 32, height=2))
    day.seal()


def _approved(day: Site, number: int, by: Actor, call: ApprovedCall) -> None:
    signed = call.digest(day.head.origin.chain_id, day.head.manager, op(number), by)
    signature = KEYS[by].sign_digest(signed)
    approval = Approval(actor=by, v=signature.v, r=signature.r.to_bytes(32, "big"), s=signature.s.to_bytes(32, "big"))
    day.act(number, calls.with_approval(call, approval))


def _block(header: bytes, transactions: list[bytes], whole: Block | None = None) -> dict[str, Any]:
    parsed = Header.parse(header)
    entry: dict[str, Any] = {
        "hash": keccak256(header).hex(),
        "header": header.hex(),
        "state_root": parsed.state_root.hex(),
        "gas_used": parsed.gas_used,
        "timestamp": parsed.timestamp,
        "extra_data": parsed.extra_data.hex(),
        "transactions": [raw.hex() for raw in transactions],
    }
    if whole is not None:
        entry["meta"] = whole.meta.hex()
        entry["signature"] = whole.signature.hex()
    return entry


def _file(name: str, chain_id: int, alloc: Alloc, blocks: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": name,
        "rule_set": "site-shanghai-1",
        "chain_id": chain_id,
        "alloc": {
            address.hex(): {
                "nonce": account.nonce,
                "balance": account.balance,
                "code": account.code.hex(),
                "storage": {str(slot): value for slot, value in account.storage.items()},
            }
            for address, account in sorted(alloc.items())
        },
        "blocks": blocks,
    }


def read(name: str) -> dict[str, Any]:
    """A stored file of golden blocks."""
    loaded: dict[str, Any] = json.loads((FOLDER / f"blocks_{name}.json").read_text(encoding="utf-8"))
    return loaded


def alloc_of(vector: dict[str, Any]) -> Alloc:
    """The genesis accounts of a file."""
    return {
        bytes.fromhex(address): Account(
            fields["nonce"],
            fields["balance"],
            bytes.fromhex(fields["code"]),
            {int(slot): value for slot, value in fields["storage"].items()},
        )
        for address, fields in vector["alloc"].items()
    }


def fresh(vector: dict[str, Any], connection: db.Connection) -> Executor:
    """An executor at the genesis of a file."""
    with db.transaction(connection):
        header = bytes.fromhex(vector["blocks"][0]["header"])
        return Executor.create(connection, vector["chain_id"], header, alloc_of(vector))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.vectors.make_blocks", description="write the golden blocks"
    )
    parser.add_argument("--check", action="store_true", help="compare with what is committed, write nothing")
    check = parser.parse_args(arguments).check
    wrong = []
    for name, make in (("engine", engine), ("site", site)):
        text = json.dumps(make(), indent=1) + "\n"
        path = FOLDER / f"blocks_{name}.json"
        if not check:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            wrong.append(path.name)
    if wrong:
        print(f"these golden blocks come out differently: {', '.join(wrong)}")
        print("write them again with: python -m tests.vectors.make_blocks")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
