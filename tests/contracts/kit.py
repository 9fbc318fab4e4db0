"""What the contract tests share: the site's four contracts on the engine, called directly, without blocks.

Calls and events are the product's own values (`ledger.calls`, `ledger.events`); only the signing of transactions
and the making of blocks are left out, so that a property test can afford thousands of calls.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from eth.constants import BLANK_ROOT_HASH
from eth.db.atomic import AtomicDB
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.shanghai.state import ShanghaiState
from eth.vm.message import Message
from eth_utils import keccak

from contracts import artifacts
from ledger import calls, control, events
from ledger.abi import decode as abi_decode
from ledger.abi import encode as abi_encode
from ledger.deployment import CONTRACTS, Addresses, addresses, create_address
from ledger.ids import Actor, OpId, text_to_word, word_to_text
from ledger.keys import TxKey

CHAIN_ID = 0x7A11
ORIGIN = "acme/site/oslo/1"
START = 1_700_000_000
GAS_LIMIT = 60_000_000
NODE = TxKey(bytes([1]) * 32)
HUB = TxKey(bytes([2]) * 32)
STRANGER = bytes([9]) * 20

SLOTS = artifacts.load("StockLedger").slots

COUNT, RECEIVE, MOVE, ISSUE, ADJUST, HOLD, APPROVE, TRANSFER, ADMIN = (1 << bit for bit in range(9))


@dataclass(frozen=True, slots=True)
class Log:
    """One event as the engine gives it."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Result:
    """What a call did: `reason` is empty unless it reverted and left no trace."""

    ok: bool
    reason: str
    gas: int
    output: bytes
    events: list[Any]

    def of(self, kind: type[Any]) -> list[Any]:
        """The events of one kind, in order."""
        return [event for event in self.events if type(event) is kind]


@dataclass
class Chain:
    """A state of the engine at a settable time, and contracts by their address."""

    now: int = START
    state: Any = field(init=False)

    def __post_init__(self) -> None:
        self.state = ShanghaiState(AtomicDB(), self._context(), BLANK_ROOT_HASH)

    def at(self, now: int) -> None:
        """Let the contracts read `now` as the time."""
        self.now = now
        self.state.execution_context = self._context()

    def create(self, sender: bytes, address: bytes, code: bytes) -> Result:
        message = Message(gas=30_000_000, to=b"", sender=sender, value=0, data=b"", code=code, create_address=address)
        return self._run(message, create=True)

    def send(self, sender: bytes, to: bytes, data: bytes, gas: int = GAS_LIMIT) -> Result:
        """One call from outside: wholly done or not at all."""
        return self._run(
            Message(gas=gas, to=to, sender=sender, value=0, data=data, code=self.state.get_code(to)), create=False
        )

    def view(self, to: bytes, signature: str, returns: str, *arguments: Any) -> tuple[Any, ...]:
        """The answer of a view method such as `stock_of(bytes32,uint256)`; `returns` are its ABI types."""
        types = _types(signature[signature.index("(") + 1 : -1])
        data = keccak(text=signature)[:4] + abi_encode(types, arguments)
        result = self.send(bytes(20), to, data)
        assert result.ok, result.reason
        return abi_decode(_types(returns), result.output)

    def _run(self, message: Message, *, create: bool) -> Result:
        state = self.state
        state.lock_changes()
        snapshot = state.snapshot()
        context = state.get_transaction_context_class()(gas_price=0, origin=message.sender)
        apply = state.computation_class.apply_create_message if create else state.computation_class.apply_message
        computation = apply(state, message, context)
        gas = message.gas - computation.get_gas_remaining()
        if computation.is_error:
            state.revert(snapshot)
            return Result(False, _reason(bytes(computation.output)), gas, b"", [])
        state.commit(snapshot)
        logs = [
            Log(address, tuple(topic.to_bytes(32, "big") for topic in topics), bytes(data))
            for address, topics, data in computation.get_log_entries()
        ]
        return Result(True, "", gas, bytes(computation.output), logs)

    def _context(self) -> ExecutionContext:
        return ExecutionContext(bytes(20), self.now, 2, 0, bytes(32), GAS_LIMIT, [], CHAIN_ID, 0)


def _reason(output: bytes) -> str:
    """The text of a revert: `Error(string)`, or nothing."""
    if output[:4] != keccak(text="Error(string)")[:4]:
        return "" if not output else output.hex()
    return str(abi_decode(["string"], output[4:])[0])


def _types(text: str) -> list[str]:
    return [part for part in text.split(",") if part]


@dataclass
class Person:
    """Someone with an id and, once bound, a key of their own."""

    actor: Actor
    key: TxKey
    code: bytes

    @property
    def activation(self) -> bytes:
        return keccak(self.code)


@dataclass(frozen=True, slots=True)
class Frozen:
    """What `Site.thawed` begins from."""

    db: AtomicDB
    root: bytes
    sequence: int
    now: int
    serial: int


class Site(Chain):
    """A site's chain with its contracts, a hub that signs control records, and people."""

    def __init__(self, creation: Mapping[str, bytes] | None = None) -> None:
        """`creation` replaces the creation code of some contracts, to plant a fault."""
        super().__init__()
        self.contracts: Addresses = addresses(NODE.address)
        self.sequence = 0
        self.serial = itertools.count(1)
        at = self.contracts
        arguments = (
            abi_encode(
                ("string", "address", "address", "address", "address", "address"),
                (ORIGIN, HUB.address, NODE.address, at.ledger, at.manager, at.audit),
            ),
            abi_encode(("address", "address"), (at.registry, at.manager)),
            abi_encode(("address", "address"), (at.registry, at.ledger)),
            abi_encode(("address",), (at.registry,)),
        )
        for nonce, (name, given) in enumerate(zip(CONTRACTS, arguments, strict=True)):
            code = (creation or {}).get(name) or artifacts.load(name).bytecode
            result = self.create(NODE.address, create_address(NODE.address, nonce), code + given)
            assert result.ok, (name, result.reason)

    def frozen(self) -> Frozen:
        """The chain as it is now, to begin from as often as wanted."""
        self.state.persist()
        return Frozen(self.state._db, self.state.state_root, self.sequence, self.now, next(self.serial))

    @classmethod
    def thawed(cls, frozen: Frozen) -> Site:
        """A site of its own that begins where `frozen` is."""
        site = cls.__new__(cls)
        site.now, site.sequence, site.contracts = frozen.now, frozen.sequence, addresses(NODE.address)
        site.serial = itertools.count(frozen.serial)
        site.state = ShanghaiState(frozen.db, site._context(), frozen.root)
        return site

    def op(self) -> OpId:
        """An op_id never used before."""
        return OpId(next(self.serial).to_bytes(16, "big"))

    def do(self, call: calls.Call, op_id: OpId | None = None, sender: bytes = NODE.address) -> Result:
        """Make a call of the product as the node does."""
        raw = call.encode(op_id or self.op())
        result = self.send(sender, self.contracts.of(call.CONTRACT), raw, calls.gas_limit(call))
        return replace(result, events=events.decode_logs(result.events))

    def approve(self, call: Any, op_id: OpId, person: Person, *, key: TxKey | None = None) -> Any:
        """`call` with the person's signature for it under `op_id`."""
        digest = call.digest(CHAIN_ID, self.contracts.manager, op_id, person.actor)
        signature = (key or person.key).sign_digest(digest)
        approval = calls.Approval(
            actor=person.actor,
            v=signature.v,
            r=signature.raw[:32],
            s=signature.raw[32:64],
        )
        return calls.with_approval(call, approval)

    def do_approved(self, call: Any, person: Person, op_id: OpId | None = None) -> Result:
        op_id = op_id or self.op()
        return self.do(self.approve(call, op_id, person), op_id)

    def record(self, payload: control.Payload) -> control.ControlRecord:
        """The hub's next record with this content."""
        return control.ControlRecord.make(ORIGIN, self.sequence + 1, payload)

    def sign(self, record: control.ControlRecord, key: TxKey = HUB) -> bytes:
        """`key`'s signature of a record for this site."""
        return key.sign_digest(record.digest(CHAIN_ID, self.contracts.registry)).raw

    def apply_signed(self, record: control.ControlRecord, signature: bytes) -> Result:
        """Hand over a record with this signature, under the op_id that both have together."""
        return self.do(record.call(signature), record.op_id(signature))

    def apply(self, record: control.ControlRecord, key: TxKey = HUB) -> Result:
        """Hand over a record signed with `key`."""
        result = self.apply_signed(record, self.sign(record, key))
        if result.ok:
            self.sequence = record.sequence
        return result

    def order(self, payload: control.Payload) -> Result:
        """The hub's next record, applied; it must not be refused."""
        result = self.apply(self.record(payload))
        assert result.ok, result.reason
        assert result.of(events.ControlApplied), payload
        return result

    def refuse(self, payload: control.Payload) -> Result:
        """The hub's next record, which must take its place in the sequence without effect."""
        result = self.apply(self.record(payload))
        assert result.ok, result.reason
        assert [type(event) for event in result.events] == [events.ControlRefused]
        return result

    def person(self, number: int, roles: int, **given: Any) -> Person:
        """Make a person known and bind their key."""
        person = Person(Actor(bytes([number]) * 32), TxKey(bytes([100 + number]) * 32), bytes([number]) * 32)
        fields = {"valid_from": 0, "valid_until": 0, **given}
        self.order(control.PersonPayload(actor=person.actor, roles=roles, activation=person.activation, **fields))
        bound = self.do(calls.Bind(actor=person.actor, key=person.key.address, code=person.code))
        assert bound.ok, bound.reason
        return person

    # What the chain says, in the product's words.

    # Read from storage, not by a call: a property test asks thousands of times.

    def stock(self, location: str, item: str, lot: str = "", status: int = 0) -> int:
        words = text_to_word(location) + text_to_word(item) + text_to_word(lot) + status.to_bytes(32, "big")
        return int.from_bytes(self._stored("stock", keccak(words)), "big", signed=True)

    def reserved(self, location: str, item: str, lot: str = "", status: int = 0) -> int:
        """What reservations have of a stock."""
        words = text_to_word(location) + text_to_word(item) + text_to_word(lot) + status.to_bytes(32, "big")
        return int.from_bytes(self._stored("reserved", keccak(words)), "big")

    def parent_of(self, location: str) -> str:
        return word_to_text(self._stored("parents", text_to_word(location)))

    def place_of(self, item: str, serial: str) -> str:
        return word_to_text(self._stored("serials", keccak(text_to_word(item) + text_to_word(serial))))

    def store_stock(self, location: str, item: str, quantity: int) -> None:
        """Write a stock that millions of documents would be needed to reach. Free, without a lot."""
        words = (text_to_word(location), text_to_word(item), bytes(32), bytes(32))
        key = keccak(b"".join(words))
        self.state.set_storage(self.contracts.ledger, self._slot("stock", key), quantity % 2**256)

    def _stored(self, variable: str, key: bytes) -> bytes:
        return int(self.state.get_storage(self.contracts.ledger, self._slot(variable, key))).to_bytes(32, "big")

    @staticmethod
    def _slot(variable: str, key: bytes) -> int:
        return int.from_bytes(keccak(SLOTS[variable].to_bytes(32, "big") + key), "big")

    def changes(self, location: str) -> int:
        return int(self._ask("changes_of(bytes32)", "uint256", text_to_word(location)))

    def effect(self, op_id: OpId) -> bytes:
        return bytes(self._ask("effect_of(bytes32)", "bytes32", op_id.word))

    def _ask(self, signature: str, returns: str, *arguments: Any) -> Any:
        return self.view(self.contracts.manager, signature, returns, *arguments)[0]


def items(*rows: tuple[str, int]) -> control.ItemsPayload:
    """Items by name and tracking, counted in pieces."""
    return control.ItemsPayload(
        items=tuple(control.Item(item=name, tracking=tracking, unit="EA", decimals=0) for name, tracking in rows)
    )


def bins(*names: str, kind: int = control.BIN) -> control.LocationsPayload:
    """Locations of one kind, standing nowhere."""
    return control.LocationsPayload(locations=tuple(control.Location(location=name, kind=kind) for name in names))


def line(item: str, quantity: int, source: str, target: str, lot: str = "", serial: str = "", status: int = 0) -> Any:
    return calls.Line(
        item=item, lot=lot, serial=serial, status=status, quantity=quantity, source=source, target=target
    )
