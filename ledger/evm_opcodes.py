"""The Shanghai instruction set as data: what each instruction takes, gives, costs and computes.

Costs are the fixed part only; what depends on operands or on what was touched before is charged by the code that
`ledger.evm_compiler` writes or the functions of `ledger.evm_machine` that it calls. Source: yellow paper, appendix H,
with EIP-1884, 2929, 3198, 3855.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

WORD = (1 << 256) - 1
SIGN = 1 << 255


class Op(NamedTuple):
    """One instruction: name, how many words it takes, how many it gives, its fixed gas."""

    name: str
    takes: int
    gives: int
    gas: int


# Five columns: number, name, words taken, words given, gas.
_ROWS = """
    00 STOP 0 0 0          01 ADD 2 1 3           02 MUL 2 1 5           03 SUB 2 1 3        04 DIV 2 1 5
    05 SDIV 2 1 5          06 MOD 2 1 5           07 SMOD 2 1 5          08 ADDMOD 3 1 8     09 MULMOD 3 1 8
    0a EXP 2 1 10          0b SIGNEXTEND 2 1 5    10 LT 2 1 3            11 GT 2 1 3         12 SLT 2 1 3
    13 SGT 2 1 3           14 EQ 2 1 3            15 ISZERO 1 1 3        16 AND 2 1 3        17 OR 2 1 3
    18 XOR 2 1 3           19 NOT 1 1 3           1a BYTE 2 1 3          1b SHL 2 1 3        1c SHR 2 1 3
    1d SAR 2 1 3           20 SHA3 2 1 30         30 ADDRESS 0 1 2       31 BALANCE 1 1 0    32 ORIGIN 0 1 2
    33 CALLER 0 1 2        34 CALLVALUE 0 1 2     35 CALLDATALOAD 1 1 3  36 CALLDATASIZE 0 1 2
    37 CALLDATACOPY 3 0 3  38 CODESIZE 0 1 2      39 CODECOPY 3 0 3      3a GASPRICE 0 1 2
    3b EXTCODESIZE 1 1 0   3c EXTCODECOPY 4 0 0   3d RETURNDATASIZE 0 1 2
    3e RETURNDATACOPY 3 0 3                       3f EXTCODEHASH 1 1 0   40 BLOCKHASH 1 1 20
    41 COINBASE 0 1 2      42 TIMESTAMP 0 1 2     43 NUMBER 0 1 2        44 PREVRANDAO 0 1 2
    45 GASLIMIT 0 1 2      46 CHAINID 0 1 2       47 SELFBALANCE 0 1 5   48 BASEFEE 0 1 2
    50 POP 1 0 2           51 MLOAD 1 1 3         52 MSTORE 2 0 3        53 MSTORE8 2 0 3    54 SLOAD 1 1 0
    55 SSTORE 2 0 0        56 JUMP 1 0 8          57 JUMPI 2 0 10        58 PC 0 1 2         59 MSIZE 0 1 2
    5a GAS 0 1 2           5b JUMPDEST 0 0 1      f0 CREATE 3 1 0        f1 CALL 7 1 0       f2 CALLCODE 7 1 0
    f3 RETURN 2 0 0        f4 DELEGATECALL 6 1 0  f5 CREATE2 4 1 0       fa STATICCALL 6 1 0
    fd REVERT 2 0 0        ff SELFDESTRUCT 1 0 0
"""


def _table() -> dict[int, Op]:
    table: dict[int, Op] = {}
    rows = _ROWS.split()
    for at in range(0, len(rows), 5):
        code, name, takes, gives, gas = rows[at : at + 5]
        table[int(code, 16)] = Op(name, int(takes), int(gives), int(gas))
    for size in range(33):
        table[0x5F + size] = Op(f"PUSH{size}", 0, 1, 3 if size else 2)
    for depth in range(1, 17):
        table[0x7F + depth] = Op(f"DUP{depth}", 0, 1, 3)
        table[0x8F + depth] = Op(f"SWAP{depth}", 0, 0, 3)
    for topics in range(5):
        table[0xA0 + topics] = Op(f"LOG{topics}", 2 + topics, 0, 375 * (topics + 1))
    return table


OPS = _table()


def signed(value: int) -> int:
    """A word read as two's complement."""
    return value - (1 << 256) if value & SIGN else value


def sdiv(a: int, b: int) -> int:
    if not b:
        return 0
    one, other = signed(a), signed(b)
    quotient = abs(one) // abs(other)
    return (quotient if (one < 0) == (other < 0) else -quotient) & WORD


def smod(a: int, b: int) -> int:
    if not b:
        return 0
    one, other = signed(a), signed(b)
    rest = abs(one) % abs(other)
    return (-rest if one < 0 else rest) & WORD


def signextend(size: int, value: int) -> int:
    if size > 30:
        return value
    bits = 8 * size + 7
    return value | (WORD << bits & WORD) if value >> bits & 1 else value & ((1 << bits) - 1)


def byte(index: int, value: int) -> int:
    return value >> 8 * (31 - index) & 255 if index < 32 else 0


def sar(shift: int, value: int) -> int:
    number = signed(value)
    return (number >> shift) & WORD if shift < 256 else (WORD if number < 0 else 0)


# Instructions without effects, as Python expressions of their operands. {0} is the topmost word. In a condition
# (`CONDITIONS`) the expression is true or false instead of 1 or 0.
EXPRESSIONS: dict[str, str] = {
    "ADD": "({0} + {1}) & WORD",
    "MUL": "({0} * {1}) & WORD",
    "SUB": "({0} - {1}) & WORD",
    "DIV": "{0} // {1} if {1} else 0",
    "SDIV": "sdiv({0}, {1})",
    "MOD": "{0} % {1} if {1} else 0",
    "SMOD": "smod({0}, {1})",
    "ADDMOD": "({0} + {1}) % {2} if {2} else 0",
    "MULMOD": "{0} * {1} % {2} if {2} else 0",
    "SIGNEXTEND": "signextend({0}, {1})",
    "AND": "{0} & {1}",
    "OR": "{0} | {1}",
    "XOR": "{0} ^ {1}",
    "NOT": "WORD ^ {0}",
    "BYTE": "byte({0}, {1})",
    "SHL": "({1} << {0}) & WORD if {0} < 256 else 0",
    "SHR": "{1} >> {0} if {0} < 256 else 0",
    "SAR": "sar({0}, {1})",
}
CONDITIONS: dict[str, str] = {
    "LT": "{0} < {1}",
    "GT": "{0} > {1}",
    "SLT": "({0} ^ SIGN) < ({1} ^ SIGN)",
    "SGT": "({0} ^ SIGN) > ({1} ^ SIGN)",
    "EQ": "{0} == {1}",
    "ISZERO": "not {0}",
}
NAMES: dict[str, Callable[..., int] | int] = {
    "WORD": WORD,
    "SIGN": SIGN,
    "sdiv": sdiv,
    "smod": smod,
    "signextend": signextend,
    "byte": byte,
    "sar": sar,
}


def jump_targets(code: bytes) -> frozenset[int]:
    """Where `code` may jump to: every JUMPDEST that is not inside the bytes of a PUSH."""
    found = []
    at = 0
    while at < len(code):
        op = code[at]
        if op == 0x5B:
            found.append(at)
        at += op - 0x5E if 0x60 <= op <= 0x7F else 1
    return frozenset(found)
