"""Contract code as Python functions: one for each place where execution enters, made when it first does.

A function covers the straight way on from its entry, also through jumps whose target is known, up to a jump whose
target is not, an end, or `TRACE_OPS_MAX` instructions. Along the way the stack is not moved: words are Python locals,
and what is known is computed here once. At an exit the words go to the stack and the function returns where to go on.

Gas. Fixed costs are charged once for each stretch that is either executed to its end or fails as a whole: a stretch
ends at every exit and before every instruction that can see the gas left (GAS, SSTORE, calls). Failing for lack of
gas a few instructions early in a stretch is the same failure: all gas of the call is gone, its changes are undone.

Written code uses these locals: f the frame, s the stack (list of ints), m the memory (bytearray, always whole words),
g the gas left. `return n` goes on at n; DONE and REVERTED end the call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import CodeType

from ledger.block import GAS_LIMIT
from ledger.evm_opcodes import CONDITIONS, EXPRESSIONS, NAMES, OPS, Op
from ledger.evm_trace import Trace, constant

TRACE_OPS_MAX = 160
STACK_MAX_AT_ENTRY = 800
LOOK_AHEAD_OPS = 40
DONE, REVERTED = -1, -2
# An entry that a fall-through reaches although no jump may: its number is beyond every code.
FALL = 1 << 20

_WORD_NAMES = {
    "ADDRESS": "f.address_word", "ORIGIN": "f.origin_word", "CALLER": "f.caller_word", "CALLVALUE": "f.value",
    "CALLDATASIZE": "len(f.data)", "RETURNDATASIZE": "len(f.returned)", "TIMESTAMP": "f.block.timestamp",
    "NUMBER": "f.block.height", "CHAINID": "f.block.chain_id", "SELFBALANCE": "own_balance(f, f.address)",
    "MSIZE": "len(m)",
}  # fmt: skip
_CONSTANTS = {"GASPRICE": 0, "COINBASE": 0, "PREVRANDAO": 0, "BASEFEE": 0, "GASLIMIT": GAS_LIMIT}


def source(code: bytes, targets: frozenset[int], entry: int) -> str:
    """The text of the function for `entry`."""
    trace = Trace(code, targets)
    _follow(trace, entry)
    body = [f"if len(s) > {STACK_MAX_AT_ENTRY}: raise Unsupported", "g = f.gas", *trace.live_lines()]
    indented = "\n".join("    " + line for text in body for line in text.split("\n"))
    return f"def block(f, s, m):\n{indented}\n"


def compiled(code: bytes, targets: frozenset[int], entry: int) -> CodeType:
    """The module that defines the function `block` for `entry`."""
    return compile(source(code, targets, entry), f"<contract at {entry}>", "exec")


def _follow(trace: Trace, at: int) -> None:
    code, seen = trace.code, set[int]()
    trace.open_stretch()
    for _ in range(TRACE_OPS_MAX):
        seen.add(at)
        number = code[at] if at < len(code) else 0
        op = OPS.get(number)
        if op is None:
            trace.close_stretch()
            trace.do("raise InvalidInstruction")
            return
        name = op.name
        trace.charge += op.gas
        if 0x5F <= number <= 0x7F:
            size = number - 0x5F
            trace.stack.append(str(int.from_bytes(code[at + 1 : at + 1 + size].ljust(size, b"\0"), "big")))
            at += 1 + size
        elif name == "JUMP":
            to = trace.pop()
            target = constant(to)
            if target is None or target not in trace.targets or target in seen:
                trace.close_stretch()
                trace.do(_jump(trace, to))
                return
            at = target
        elif name == "JUMPI":
            target = _branch(trace, at + 1)
            if target is None:
                return
            if target in seen:
                trace.do(trace.leave(str(target)))
                return
            at = target
            trace.open_stretch()
        elif name in ("STOP", "RETURN", "REVERT", "SELFDESTRUCT", "CREATE", "CREATE2", "CALLCODE"):
            _end(trace, name)
            return
        else:
            _straight(trace, op, at)
            at += 1
    trace.close_stretch()
    trace.do(trace.leave(str(FALL + at)))


def _jump(trace: Trace, to: str) -> str:
    target = constant(to)
    if target is None:
        return f"if {to} >= {FALL}: raise InvalidJump\n" + trace.leave(to)
    return trace.leave(to) if target in trace.targets else "raise InvalidJump"


def _branch(trace: Trace, after: int) -> int | None:
    """JUMPI: a way out on one side; where the trace goes on, None if it ends here."""
    to, condition = trace.pop(), trace.pop()
    trace.close_stretch()
    target, known = constant(to), constant(condition)
    if known is not None:
        if not known:
            return after
        if target is not None and target in trace.targets:
            return target
        trace.do(_jump(trace, to))
        return None
    test = trace.conditions.get(condition, condition)
    if target is not None and target in trace.targets and _fails_soon(trace.code, after):
        trace.do(f"if not ({test}):\n" + trace.leave(str(FALL + after), "    "))
        return target
    inner = "\n".join("    " + line for line in _jump(trace, to).split("\n"))
    trace.do(f"if {test}:\n{inner}")
    return after


def _fails_soon(code: bytes, at: int) -> bool:
    """Whether the way on from `at` only makes a message and reverts: then the other side is the usual one."""
    for _ in range(LOOK_AHEAD_OPS):
        number = code[at] if at < len(code) else 0
        op = OPS.get(number)
        if op is None or op.name == "REVERT":
            return True
        if op.name in ("JUMP", "JUMPI", "JUMPDEST", "STOP", "RETURN"):
            return False
        at += 1 + (number - 0x5F if 0x5F <= number <= 0x7F else 0)
    return False


def _end(trace: Trace, name: str) -> None:
    if name == "STOP":
        trace.close_stretch()
        trace.do(f"f.output = b''\nf.gas = g\nreturn {DONE}")
    elif name in ("RETURN", "REVERT"):
        start, size = trace.pop(), trace.pop()
        trace.close_stretch()
        trace.ensure(start, size)
        output = "b''" if size == "0" else f"bytes(m[{start}:{start} + {size}])"
        trace.do(f"f.output = {output}\nf.gas = g\nreturn {DONE if name == 'RETURN' else REVERTED}")
    else:
        # Our contracts have none of these; the fallback runs the whole transaction again.
        trace.close_stretch()
        trace.do("raise Unsupported")


def _straight(trace: Trace, op: Op, at: int) -> None:
    """An instruction after which execution goes on at the next one."""
    name, stack = op.name, trace.stack
    if name.startswith("DUP"):
        depth = int(name[3:])
        trace.reach(depth)
        trace.stack.append(trace.stack[-depth])
    elif name.startswith("SWAP"):
        depth = int(name[4:]) + 1
        trace.reach(depth)
        trace.stack[-1], trace.stack[-depth] = trace.stack[-depth], trace.stack[-1]
    elif name == "JUMPDEST":
        pass
    elif name == "POP":
        trace.pop()
    elif name in EXPRESSIONS or name in CONDITIONS:
        stack.append(_computed(trace, name, [trace.pop() for _ in range(op.takes)]))
    elif name in _WORD_NAMES:
        stack.append(trace.let(_WORD_NAMES[name]))
    elif name in _CONSTANTS:
        stack.append(str(_CONSTANTS[name]))
    elif name == "PC":
        stack.append(str(at))
    elif name == "CODESIZE":
        stack.append(str(len(trace.code)))
    elif name == "GAS":
        trace.close_stretch()
        stack.append(trace.let("g", effect=True))
        trace.open_stretch()
    else:
        _EFFECTS[name](trace, name, [trace.pop() for _ in range(op.takes)])


def _computed(trace: Trace, name: str, words: Sequence[str]) -> str:
    known = [constant(word) for word in words]
    if None not in known:
        pattern = EXPRESSIONS.get(name) or CONDITIONS[name]
        return str(int(eval(pattern.format(*known), dict(NAMES))))  # noqa: S307 - our own patterns on integers
    if name in EXPRESSIONS:
        return trace.let(_simpler(name, words, known) or EXPRESSIONS[name].format(*words))
    if name == "ISZERO" and words[0] in trace.conditions:
        condition = f"not ({trace.conditions[words[0]]})"
    else:
        condition = CONDITIONS[name].format(*words)
    result = trace.let(f"1 if {condition} else 0")
    trace.conditions[result] = condition
    return result


def _simpler(name: str, words: Sequence[str], known: Sequence[int | None]) -> str | None:
    shift = known[0]
    if name in ("SHL", "SHR") and shift is not None and shift < 256:
        return f"{words[1]} >> {shift}" if name == "SHR" else f"({words[1]} << {shift}) & WORD"
    divisor = known[1] if len(known) > 1 else None
    if name in ("DIV", "MOD") and divisor:
        return f"{words[0]} {'//' if name == 'DIV' else '%'} {divisor}"
    return None


# ---------------------------------------------------------------- instructions that reach outside the stack


def _mload(trace: Trace, name: str, words: list[str]) -> None:
    start = words[0]
    trace.ensure(start, "32")
    place = constant(start)
    word = trace.memory.get(place) if place is not None else None
    if word is None:
        word = trace.let(f"from_bytes(m[{start}:{_end_of(start)}])")
        if place is not None:
            trace.memory[place] = word
    trace.stack.append(word)


def _mstore(trace: Trace, name: str, words: list[str]) -> None:
    start, word = words
    if name == "MSTORE8":
        trace.ensure(start, "1")
        trace.do(f"m[{start}] = {word} & 255")
        trace.written(start, "1")
        return
    trace.ensure(start, "32")
    trace.do(f"m[{start}:{_end_of(start)}] = {_raw(word)}")
    trace.written(start, "32")
    place = constant(start)
    if place is not None:
        trace.memory[place] = word


def _sha3(trace: Trace, name: str, words: list[str]) -> None:
    start, size = words
    trace.ensure(start, size)
    _charge_words(trace, size, 6)
    trace.stack.append(trace.let(f"sha3(bytes(m[{start}:{start} + {size}]))"))


def _copy(trace: Trace, name: str, words: list[str]) -> None:
    whole = {"CALLDATACOPY": "f.data", "CODECOPY": "f.code", "RETURNDATACOPY": "f.returned"}.get(name)
    account = words.pop(0) if whole is None else ""
    start, source_start, size = words
    trace.ensure(start, size)
    _charge_words(trace, size, 3)
    if whole is None:
        trace.do(f"g = warm_account(f, {account}, g)")
        whole = f"code_of(f, {account})"
    elif name == "RETURNDATACOPY":
        trace.do(f"if {source_start} + {size} > len(f.returned): raise OutOfBoundsRead")
    trace.do(f"if {size}: m[{start}:{start} + {size}] = part({whole}, {source_start}, {size})")
    trace.written(start, size)


def _sload(trace: Trace, name: str, words: list[str]) -> None:
    trace.do(f"g = warm_slot(f, {words[0]}, g)")
    trace.stack.append(trace.let(f"f.journal.get_storage(f.address, {words[0]})"))


def _sstore(trace: Trace, name: str, words: list[str]) -> None:
    trace.close_stretch()
    trace.do(f"g = sstore(f, {words[0]}, {words[1]}, g)")
    trace.open_stretch()


def _log(trace: Trace, name: str, words: list[str]) -> None:
    start, size, *topics = words
    trace.ensure(start, size)
    listed = "".join(_raw(topic) + ", " for topic in topics)
    trace.do(f"g = log(f, ({listed}), bytes(m[{start}:{start} + {size}]), g)")


def _call(trace: Trace, name: str, words: list[str]) -> None:
    trace.close_stretch()
    value = words.pop(2) if name == "CALL" else "0"
    gas, to, *areas = words
    trace.do(f"g = {name.lower()}(f, m, g, {gas}, {to}, {value}, {', '.join(areas)})")
    trace.written(areas[2], areas[3])
    trace.stack.append(trace.let("f.status", effect=True))
    trace.open_stretch()


def _exp(trace: Trace, name: str, words: list[str]) -> None:
    trace.do(f"g -= 50 * ((({words[1]}).bit_length() + 7) // 8)\nif g < 0: raise OutOfGas")
    trace.stack.append(trace.let(f"pow({words[0]}, {words[1]}, WORD + 1)"))


def _look_up(trace: Trace, name: str, words: list[str]) -> None:
    if name == "CALLDATALOAD":
        expression = f"word_at(f.data, {words[0]})"
    elif name == "BLOCKHASH":
        expression = f"ancestor(f, {words[0]})"
    else:
        trace.do(f"g = warm_account(f, {words[0]}, g)")
        expression = f"{name.lower()}(f, {words[0]})"
    trace.stack.append(trace.let(expression))


_EFFECTS: dict[str, Callable[[Trace, str, list[str]], None]] = {
    "MLOAD": _mload,
    "MSTORE": _mstore,
    "MSTORE8": _mstore,
    "SHA3": _sha3,
    "CALLDATACOPY": _copy,
    "CODECOPY": _copy,
    "RETURNDATACOPY": _copy,
    "EXTCODECOPY": _copy,
    "SLOAD": _sload,
    "SSTORE": _sstore,
    "CALL": _call,
    "DELEGATECALL": _call,
    "STATICCALL": _call,
    "EXP": _exp,
    "CALLDATALOAD": _look_up,
    "BLOCKHASH": _look_up,
    "BALANCE": _look_up,
    "EXTCODESIZE": _look_up,
    "EXTCODEHASH": _look_up,
    **{f"LOG{topics}": _log for topics in range(5)},
}


def _charge_words(trace: Trace, size: str, gas: int) -> None:
    count = constant(size)
    if count is None:
        trace.do(f"g -= {gas} * (({size} + 31) // 32)\nif g < 0: raise OutOfGas")
    elif count:
        trace.do(f"g -= {gas * ((count + 31) // 32)}\nif g < 0: raise OutOfGas")


def _end_of(start: str) -> str:
    place = constant(start)
    return f"{start} + 32" if place is None else str(place + 32)


def _raw(word: str) -> str:
    """The word as 32 bytes."""
    known = constant(word)
    return f"{word}.to_bytes(32)" if known is None else repr(known.to_bytes(32, "big"))
