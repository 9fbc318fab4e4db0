"""Our own machine for message calls: runs contracts as the Python functions that `ledger.evm_compiler` writes.

It knows what our contracts use. At anything else (CREATE, a call with value, an odd precompile, a very deep stack or
call) it gives up with `Unsupported`, and the whole message runs again on py-evm, which is also its judge: the tests
run random code and every block of the product's own tests on both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from ledger import evm_builtins as builtin
from ledger.evm_builtins import Frame, Halt, InvalidJump, Unsupported
from ledger.evm_compiler import FALL, REVERTED, compiled
from ledger.evm_opcodes import NAMES, jump_targets
from ledger.evm_transition import BlockContext, Message, Result
from ledger.state_journal import Journal

# Below this the machine cannot meet Python's own limit of nested calls; contracts of ours nest four deep.
DEPTH_MAX = 100
CODE_BYTES_MAX = 24_576
PROGRAMS_MAX = 64


Block: TypeAlias = "Callable[[Frame, list[int], bytearray], int]"


class Program(dict[int, Block]):
    """One contract's code: its functions by entry, each made when execution first comes to it."""

    __slots__ = ("code", "targets")

    def __init__(self, code: bytes) -> None:
        super().__init__()
        self.code = code
        self.targets = jump_targets(code)

    def __missing__(self, entry: int) -> Block:
        if entry < FALL and entry not in self.targets:
            raise InvalidJump
        space = dict(_GLOBALS)
        exec(compiled(self.code, self.targets, entry % FALL), space)  # noqa: S102 - written by our own compiler
        block: Block = space["block"]
        self[entry] = block
        return block


_programs: dict[bytes, Program] = {}


def _program(code: bytes) -> Program:
    program = _programs.get(code)
    if program is None:
        if len(_programs) >= PROGRAMS_MAX:
            _programs.clear()
        program = _programs[code] = Program(code)
    return program


def run(journal: Journal, block: BlockContext, message: Message) -> Result:
    """Run `message` to its end. A failed one leaves the journal as it was."""
    start = journal.record()
    frame = Frame(
        journal, block, message.sender, message.sender, message.created or message.to, message.code, message.data,
        message.gas, 0, False,
    )  # fmt: skip
    try:
        ok = _created(frame) if message.created is not None else _ran(frame)
    except (Unsupported, RecursionError):
        journal.discard(start)
        return _on_the_other(journal, block, message)
    if not ok:
        journal.discard(start)
        return Result(False, frame.gas, 0, frame.output, (), frame.error)
    return Result(True, frame.gas, frame.refund, frame.output, tuple(frame.logs), "")


def _on_the_other(journal: Journal, block: BlockContext, message: Message) -> Result:
    from ledger import evm_engine  # half a second and 35 MB that our own contracts never need

    return evm_engine.run(journal, block, message)


def _ran(frame: Frame) -> bool:
    """Run the frame's code; whether it succeeded. The caller undoes the changes of one that did not."""
    program = _program(frame.code)
    stack: list[int] = []
    memory = bytearray()
    at = FALL
    try:
        while True:
            at = program[at](frame, stack, memory)
            if at < 0:
                break
    except Halt as halt:
        frame.gas = 0
        frame.output = b""
        frame.error = type(halt).__name__
        return False
    return at != REVERTED


def _created(frame: Frame) -> bool:
    """Run creation code and keep what it gives as the new contract's (EIP-170, 3541, 3860)."""
    journal = frame.journal
    journal.increment_nonce(frame.address)
    frame.gas -= 2 * ((len(frame.code) + 31) // 32)
    if frame.gas < 0:
        frame.gas, frame.error = 0, "OutOfGas"
        return False
    if not _ran(frame):
        return False
    code = frame.output
    cost = 200 * len(code)
    if len(code) > CODE_BYTES_MAX or code[:1] == b"\xef" or cost > frame.gas:
        frame.gas, frame.output, frame.error = 0, b"", "OutOfGas" if cost > frame.gas else "InvalidCode"
        return False
    frame.gas -= cost
    if code:
        journal.set_code(frame.address, code)
    return True


def _call(
    f: Frame, m: bytearray, g: int, wanted: int, to: int, value: int, a: int, n: int, out: int, size: int
) -> int:
    if value:
        raise Unsupported
    address = builtin.address(to)
    return _message(f, m, g, wanted, address, address, f.address, f.static, a, n, out, size)


def _staticcall(
    f: Frame, m: bytearray, g: int, wanted: int, to: int, value: int, a: int, n: int, out: int, size: int
) -> int:
    address = builtin.address(to)
    return _message(f, m, g, wanted, address, address, f.address, True, a, n, out, size)


def _delegatecall(
    f: Frame, m: bytearray, g: int, wanted: int, to: int, value: int, a: int, n: int, out: int, size: int
) -> int:
    return _message(f, m, g, wanted, builtin.address(to), f.address, f.caller, f.static, a, n, out, size)


def _message(
    f: Frame,
    m: bytearray,
    g: int,
    wanted: int,
    code_at: bytes,
    address: bytes,
    caller: bytes,
    static: bool,
    start: int,
    count: int,
    out: int,
    size: int,
) -> int:
    """A call from a contract: its result goes to `f.status` and `f.returned`, the gas that is left is returned."""
    if count and len(m) < start + count:
        g = builtin.grow(m, start + count, g)
    if size and len(m) < out + size:
        g = builtin.grow(m, out + size, g)
    word = int.from_bytes(code_at)
    g = builtin.warm_account(f, word, g)
    gas = min(wanted, g - g // 64)
    g -= gas
    if f.depth >= DEPTH_MAX:
        raise Unsupported
    data = bytes(m[start : start + count]) if count else b""
    if 1 <= word <= 9:
        left, output = builtin.precompile(word, data, gas)
        ok = left >= 0
        g += max(left, 0)
    else:
        journal = f.journal
        code = journal.get_code(code_at)
        if not code:
            ok, output = True, b""
            g += gas
        else:
            begun = len(journal.undo)
            child = Frame(journal, f.block, f.origin, caller, address, code, data, gas, f.depth + 1, static)
            ok = _ran(child)
            if ok:
                f.logs += child.logs
                f.refund += child.refund
            else:
                journal.discard(begun)
            output = child.output
            g += child.gas
    f.status = 1 if ok else 0
    f.returned = output
    if size and output:
        written = output[:size]
        m[out : out + len(written)] = written
    return g


_GLOBALS: dict[str, Any] = {
    **NAMES,
    "from_bytes": int.from_bytes,
    "grow": builtin.grow,
    "sha3": builtin.sha3,
    "word_at": builtin.word_at,
    "part": builtin.part,
    "warm_slot": builtin.warm_slot,
    "sstore": builtin.sstore,
    "log": builtin.log,
    "warm_account": builtin.warm_account,
    "code_of": builtin.code_of,
    "extcodesize": builtin.code_size,
    "extcodehash": builtin.code_hash,
    "own_balance": builtin.own_balance,
    "balance": builtin.balance_of,
    "ancestor": builtin.ancestor,
    "call": _call,
    "staticcall": _staticcall,
    "delegatecall": _delegatecall,
    "OutOfGas": builtin.OutOfGas,
    "StackUnderflow": builtin.StackUnderflow,
    "InvalidJump": InvalidJump,
    "InvalidInstruction": builtin.InvalidInstruction,
    "OutOfBoundsRead": builtin.OutOfBoundsRead,
    "Unsupported": Unsupported,
    "__builtins__": {"len": len, "bytes": bytes, "pow": pow},
}
