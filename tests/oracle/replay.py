"""Replay golden blocks with the executable specification of Ethereum (package `ethereum-execution`).

    .venv-oracle/bin/python tests/oracle/replay.py [--every N] tests/vectors/blocks_engine.json …

Runs in an environment of its own and imports nothing of ours: the only common ground is the file. Of the
specification exactly one rule is replaced, the base fee, which is constant 0 here; the constant gas limit of our
chains is within its rule. Prints one line a block and ends with 0 when every header is right in every field.

The specification hashes the whole state after each block. `--every N` has it do so after every N-th and the last;
a wrong state does not become right again until then, and all other fields are compared in every block.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ethereum.crypto.hash import keccak256
from ethereum.forks.shanghai import fork
from ethereum.forks.shanghai.blocks import Block, Header
from ethereum.forks.shanghai.fork_types import Account, Address
from ethereum.forks.shanghai.state import State, set_account, set_storage, state_root
from ethereum_rlp import rlp
from ethereum_types.bytes import Bytes, Bytes32
from ethereum_types.numeric import U64, U256, Uint


def no_base_fee(*_: object) -> Uint:
    """The one rule of ours: there is no fee, whatever the block before used."""
    return Uint(0)


def replay(path: Path, every: int) -> int:
    """How many blocks of the file the specification accepts; raises at the first that it does not."""
    vector = json.loads(path.read_text(encoding="utf-8"))
    genesis, *blocks = vector["blocks"]
    state = State()
    for address_hex, fields in vector["alloc"].items():
        address = Address(bytes.fromhex(address_hex))
        code = Bytes(bytes.fromhex(fields["code"]))
        set_account(state, address, Account(Uint(fields["nonce"]), U256(fields["balance"]), code))
        for slot, value in fields["storage"].items():
            set_storage(state, address, Bytes32(int(slot).to_bytes(32, "big")), U256(value))
    header = rlp.decode_to(Header, bytes.fromhex(genesis["header"]))
    if state_root(state) != header.state_root:
        raise SystemExit(f"{path.name}: the genesis accounts have another state root than the genesis header")
    chain = fork.BlockChain(
        blocks=[Block(header=header, transactions=(), ommers=(), withdrawals=())],
        state=state,
        chain_id=U64(vector["chain_id"]),
    )
    for entry in blocks:
        header = rlp.decode_to(Header, bytes.fromhex(entry["header"]))
        transactions = tuple(Bytes(bytes.fromhex(raw)) for raw in entry["transactions"])
        whole = header.number % Uint(every) == 0 or entry is blocks[-1]
        fork.state_root = state_root if whole else lambda _, header=header: header.state_root
        fork.state_transition(chain, Block(header=header, transactions=transactions, ommers=(), withdrawals=()))
        block_hash = keccak256(rlp.encode(header)).hex()
        if block_hash != entry["hash"]:
            raise SystemExit(f"{path.name}: block {header.number} has the hash {block_hash}")
        print(f"{path.name} block {header.number}: {len(transactions)} transactions, state {header.state_root.hex()}")
    return len(blocks)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("paths", nargs="+", type=Path)
    wish = parser.parse_args(argv)
    fork.calculate_base_fee_per_gas = no_base_fee
    count = sum(replay(path, wish.every) for path in wish.paths)
    print(f"accepted {count} blocks")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
