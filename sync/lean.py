"""Blocks as they travel: without what follows from the parent, the meta and the transactions.

Left out are parent hash, height, extra data, the root of the transactions, every constant of the rule set, the fixed
fields of the transactions and the hash of a document that travels beside its transaction. State root, receipts root,
bloom and gas used stay, because only execution gives them, and the receiver must know the exact header before it
signs for it. Call data travels as short words, its lines column by column: equal things then stand side by side.

The sender takes its own encoding back before it uses it, and sends the plain block where the two differ: what arrives
is exactly what was sealed, or it is refused.

    block        [0, encoded block] or
                 [1, seconds since the parent, state root, receipts root, bloom, gas used, meta, signature,
                  [transaction…], [document…]]
    transaction  trie value, or [nonce, gas, to, y parity, r ‖ s, call]; nonce counts from the block's first one
    call         call data, or [selector, [word…]] or [selector, [word…], lines, [column…]]
    word         number | text id | bytes (padded with zeros on the right) | true (the hash of this one's document)
    column       [word] for a word that is the same in each line, else one word a line
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ledger import trie
from ledger.block import (
    BLOCK_BYTES_MAX,
    EMPTY_OMMERS,
    EMPTY_TRIE,
    GAS_LIMIT,
    TRANSACTIONS_MAX,
    Block,
    Header,
    Meta,
    document_hash,
)
from ledger.codec import rlp_decode, rlp_encode, rlp_int, rlp_uint
from ledger.errors import Invalid, Rejected
from ledger.ids import Origin, text_to_word, word_to_text
from ledger.wording import shown

PLAIN = 0
LEAN = 1

_WORD = 32
_SMALL_END = 1 << 63
_STRIDE_MAX = 16
_TYPE_2 = 2
_MANAGER = True
"""Stands for the contract that the meta names, where nearly every transaction goes."""


@dataclass(frozen=True, slots=True)
class Parent:
    """What a block is rebuilt from beside itself."""

    height: int
    hash: bytes
    timestamp: int

    @classmethod
    def of(cls, block: Block) -> Parent:
        """A whole block as the parent of the next."""
        header = Header.parse(block.header)
        return cls(header.height, header.hash, header.timestamp)


def encode(block: Block, parent: Parent | None) -> list[Any]:
    """The shortest value that `decode` turns back into exactly `block`. Genesis (no parent) travels plain."""
    if parent is not None:
        try:
            lean = _encode(block, parent)
            if decode(lean, parent) == block:
                return lean
        except (Invalid, Rejected):
            # Nothing is wrong: the block only has something in it that the short form has no place for.
            pass
    return [PLAIN, block.encode()]


def decode(value: Any, parent: Parent | None) -> Block:
    """The block that `encode` was given, if `parent` is the same; raises `Invalid` for anything malformed.

    With another parent the result is another header, whose signature then does not fit.
    """
    if not isinstance(value, list) or not value:
        raise Invalid("a travelling block is not a list")
    shape = value[0] if type(value[0]) is int else -1
    if shape == PLAIN and len(value) == 2 and isinstance(value[1], bytes):
        return Block.decode(value[1])
    if parent is None or shape != LEAN or len(value) != 10:
        raise Invalid("a travelling block has an unknown shape")
    _, seconds, state_root, receipts_root, bloom, gas_used, meta, signature, sent, documents = value
    for name, part, size in (
        ("state root", state_root, 32),
        ("receipts root", receipts_root, 32),
        ("bloom", bloom, 256),
        ("signature", signature, 64),
    ):
        if not isinstance(part, bytes) or len(part) != size:
            raise Invalid(f"the {name} of a travelling block is not {size} bytes")
    if not isinstance(meta, bytes) or not isinstance(sent, list) or not isinstance(documents, list):
        raise Invalid("a travelling block lacks its meta, transactions or documents")
    if len(sent) > TRANSACTIONS_MAX or not all(isinstance(item, bytes) for item in documents):
        raise Invalid(f"a travelling block has more than {TRANSACTIONS_MAX} transactions or a strange document")
    transactions = _Transactions(Meta.decode(meta), documents).decode_all(sent)
    header = Header(
        parent=parent.hash,
        ommers=EMPTY_OMMERS,
        coinbase=bytes(20),
        state_root=state_root,
        transactions_root=trie.root(transactions),
        receipts_root=receipts_root,
        bloom=bloom,
        difficulty=0,
        height=parent.height + 1,
        gas_limit=GAS_LIMIT,
        gas_used=_number(gas_used, "gas used"),
        timestamp=_number(parent.timestamp + _number(seconds, "time"), "time"),
        extra_data=document_hash(meta),
        mix_hash=bytes(32),
        nonce=bytes(8),
        base_fee=0,
        withdrawals_root=EMPTY_TRIE,
    )
    return Block(header.encode(), tuple(transactions), meta, signature, tuple(documents))


def _encode(block: Block, parent: Parent) -> list[Any]:
    header = Header.parse(block.header)
    coder = _Transactions(Meta.decode(block.meta), list(block.documents))
    return [
        LEAN,
        header.timestamp - parent.timestamp,
        header.state_root,
        header.receipts_root,
        header.bloom,
        header.gas_used,
        block.meta,
        block.signature,
        coder.encode_all(block.transactions),
        list(block.documents),
    ]


class _Transactions:
    """The transactions of one block, both ways."""

    def __init__(self, meta: Meta, documents: list[bytes]) -> None:
        self._chain_id = rlp_int(Origin.parse(meta.origin).chain_id)
        self._manager = meta.manager
        self._documents = documents
        self._first_nonce: int | None = None
        # Call data is counted twice: as words while they grow, and as part of its transaction.
        self._bytes_left = 2 * BLOCK_BYTES_MAX

    def encode_all(self, transactions: tuple[bytes, ...]) -> list[Any]:
        return [self._encode(index, raw) for index, raw in enumerate(transactions)]

    def decode_all(self, sent: list[Any]) -> list[bytes]:
        found = []
        for index, value in enumerate(sent):
            raw = value if isinstance(value, bytes) else self._decode(index, value)
            self._spend(len(raw))
            found.append(raw)
        return found

    def _encode(self, index: int, raw: bytes) -> Any:
        if not raw or raw[0] != _TYPE_2:
            return raw
        parts = rlp_decode(raw[1:])
        if not isinstance(parts, list) or len(parts) != 12:
            return raw
        chain_id, nonce, tip, fee, gas, to, amount, data, access, parity, r, s = parts
        if (chain_id, tip, fee, amount, access) != (self._chain_id, b"", b"", b"", []):
            return raw
        document = self._documents[index] if index < len(self._documents) else b""
        to = _MANAGER if to == self._manager else to
        signature = rlp_uint(r).to_bytes(32, "big") + rlp_uint(s).to_bytes(32, "big")
        call = _shorten(data, document)
        return [self._relative(rlp_uint(nonce)), rlp_uint(gas), to, rlp_uint(parity), signature, call]

    def _decode(self, index: int, value: Any) -> bytes:
        if not isinstance(value, list) or len(value) != 6:
            raise Invalid(f"transaction {index} of a travelling block has an unknown shape")
        nonce, gas, to, parity, signature, call = value
        if not isinstance(signature, bytes) or len(signature) != 64:
            raise Invalid(f"the signature of transaction {index} is not 64 bytes")
        if to is not _MANAGER and not isinstance(to, bytes):
            raise Invalid(f"the target of transaction {index} is not an address")
        document = self._documents[index] if index < len(self._documents) else b""
        numbers = [_number(part, "a transaction's number") for part in (nonce, gas, parity)]
        body: list[bytes | list[bytes]] = [
            self._chain_id,
            rlp_int(self._absolute(numbers[0])),
            b"",
            b"",
            rlp_int(numbers[1]),
            self._manager if isinstance(to, bool) else to,
            b"",
            self._lengthen(call, document),
            [],
            rlp_int(numbers[2]),
            rlp_int(int.from_bytes(signature[:32], "big")),
            rlp_int(int.from_bytes(signature[32:], "big")),
        ]
        return bytes([_TYPE_2]) + rlp_encode(body)

    def _relative(self, nonce: int) -> int:
        """The first nonce as it is, then the distance from what it would be if each followed the last."""
        if self._first_nonce is None:
            self._first_nonce = nonce + 1
            return nonce
        distance = nonce - self._first_nonce
        self._first_nonce = nonce + 1
        return distance

    def _absolute(self, sent: int) -> int:
        nonce = sent if self._first_nonce is None else self._first_nonce + sent
        self._first_nonce = nonce + 1
        return nonce

    def _lengthen(self, call: Any, document: bytes) -> bytes:
        if isinstance(call, bytes):
            return call
        if not isinstance(call, list) or len(call) not in (2, 4) or not isinstance(call[0], bytes):
            raise Invalid("travelling call data has an unknown shape")
        if len(call[0]) != 4 or not isinstance(call[1], list):
            raise Invalid("travelling call data lacks its selector or words")
        self._spend(_WORD * len(call[1]))
        words = [_long_word(word, document) for word in call[1]]
        if len(call) == 4:
            words += self._lines(call[2], call[3], document)
        return call[0] + b"".join(words)

    def _lines(self, lines: Any, columns: Any, document: bytes) -> list[bytes]:
        count = _number(lines, "the number of lines")
        if not isinstance(columns, list) or not 1 <= len(columns) <= _STRIDE_MAX:
            raise Invalid("travelling lines lack their columns")
        # One short word may stand for a whole column: bound what it grows to before it grows.
        self._spend(_WORD * count * len(columns))
        grown = []
        for column in columns:
            if not isinstance(column, list) or len(column) not in (1, count):
                raise Invalid(f"a column of travelling lines does not have 1 or {count} words")
            words = [_long_word(word, document) for word in column]
            grown.append(words * count if len(words) == 1 else words)
        return [column[line] for line in range(count) for column in grown]

    def _spend(self, size: int) -> None:
        self._bytes_left -= size
        if self._bytes_left < 0:
            raise Invalid(f"a travelling block grows beyond {BLOCK_BYTES_MAX} bytes")


def _shorten(data: bytes, document: bytes) -> Any:
    """Call data as short words, with the array at its end (the lines) turned into columns."""
    if len(data) % _WORD != 4:
        return data
    words = [data[at : at + _WORD] for at in range(4, len(data), _WORD)]
    place = _array_at_end(words)
    if place is None:
        return [data[:4], [_short_word(word, document) for word in words]]
    count = int.from_bytes(words[place], "big")
    lines = words[place + 1 :]
    stride = len(lines) // count
    columns = []
    for number in range(stride):
        column = lines[number::stride]
        same = all(word == column[0] for word in column)
        columns.append([_short_word(word, document) for word in (column[:1] if same else column)])
    return [data[:4], [_short_word(word, document) for word in words[: place + 1]], count, columns]


def _array_at_end(words: list[bytes]) -> int | None:
    """The index of the length word of an array of equal structs that reaches to the end and has an offset to it."""
    offsets = {int.from_bytes(word, "big") for word in words if not any(word[:24])}
    for place in range(1, len(words)):
        count = int.from_bytes(words[place], "big")
        rest = len(words) - place - 1
        if 2 <= count <= rest and rest % count == 0 and rest // count <= _STRIDE_MAX and _WORD * place in offsets:
            return place
    return None


def _short_word(word: bytes, document: bytes) -> Any:
    if not any(word[:24]) and word[24] < 0x80:
        return int.from_bytes(word, "big")
    if document and word == document_hash(document):
        return True
    try:
        return word_to_text(word)
    except Rejected:
        return word.rstrip(b"\0")


def _long_word(word: Any, document: bytes) -> bytes:
    if word is True:
        return document_hash(document)
    if isinstance(word, bytes) and len(word) <= _WORD:
        return word.ljust(_WORD, b"\0")
    if isinstance(word, str):
        try:
            return text_to_word(word)
        except Rejected as error:
            raise Invalid(str(error)) from error
    return _number(word, "a word").to_bytes(_WORD, "big")


def _number(value: Any, what: str) -> int:
    if type(value) is not int or not 0 <= value < _SMALL_END:
        raise Invalid(f"{what} of a travelling block is {shown(value)}: expected a whole number below 2^63")
    return value
