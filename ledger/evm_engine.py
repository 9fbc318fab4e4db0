"""py-evm as the machine that runs one message call on our journal: fallback and judge of `ledger.evm_machine`.

The only module, with its tests, that imports `eth`. Importing it costs half a second, so it is imported when needed.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

from ledger.block import GAS_LIMIT, RULE_SET
from ledger.errors import Rejected
from ledger.evm_transition import BlockContext, Message, Result
from ledger.state_journal import Journal


class _LazyBls(ModuleType):
    """Stands in for the BLS12-381 precompiles until one is called, which no rule set of ours allows.

    Importing them computes a pairing, about a third of the engine's start.
    """

    NAMES = ("g1_add", "g1_msm", "map_fp_to_g1", "g2_add", "g2_msm", "map_fp2_to_g2", "pairing_check")

    def __getattr__(self, name: str) -> Any:
        if name not in {f"bls12_{short}" for short in self.NAMES}:
            raise AttributeError(name)

        def call(computation: Any, *arguments: Any, **options: Any) -> Any:
            sys.modules.pop(self.__name__, None)
            return getattr(importlib.import_module(self.__name__), name)(computation, *arguments, **options)

        return call


_BLS = "eth.precompiles.bls12_381"
if _BLS not in sys.modules:
    sys.modules[_BLS] = _LazyBls(_BLS)

# The engine raises the recursion limit to twelve times its usual value for contracts that call each other 1,024
# deep. Decoders bound their nesting themselves, so a hostile file cannot use that to exhaust the real stack.
from eth.exceptions import Revert  # noqa: E402
from eth.vm.execution_context import ExecutionContext  # noqa: E402
from eth.vm.forks.shanghai.computation import ShanghaiComputation  # noqa: E402
from eth.vm.forks.shanghai.state import ShanghaiState  # noqa: E402
from eth.vm.message import Message as EngineMessage  # noqa: E402

SELFDESTRUCT = 0xFF


def _no_selfdestruct(computation: Any) -> None:
    raise Rejected(f"a contract wants to destroy itself, which {RULE_SET} does not have")


def _the_journal(journal: Any, root: Any) -> Any:
    return journal


class SiteComputation(ShanghaiComputation):
    """One message call. SELFDESTRUCT stops the executor plainly: our state cannot lose a contract."""

    opcodes = {**ShanghaiComputation.opcodes, SELFDESTRUCT: _no_selfdestruct}  # type: ignore[dict-item]  # noqa: RUF012


class SiteState(ShanghaiState):
    """The engine's view of a journal, which stands where it expects its account database."""

    computation_class = SiteComputation
    account_db_class = staticmethod(_the_journal)  # type: ignore[assignment]


def run(journal: Journal, block: BlockContext, message: Message) -> Result:
    """Run `message` to its end. A failed one leaves the journal as it was, but for what it has touched."""
    context: Any = ExecutionContext
    state: Any = SiteState
    opened = state(
        journal,
        context(
            bytes(20), block.timestamp, block.height, 0, bytes(32), GAS_LIMIT, block.ancestors(), block.chain_id, 0
        ),
        b"",
    )
    make: Any = EngineMessage
    call = make(
        gas=message.gas, to=message.to, sender=message.sender, value=0, data=message.data, code=message.code,
        create_address=message.created,
    )  # fmt: skip
    transaction = opened.get_transaction_context_class()(gas_price=0, origin=message.sender)
    apply = SiteComputation.apply_message if message.created is None else SiteComputation.apply_create_message
    computation: Any = apply(opened, call, transaction)
    if computation.is_error:
        error = computation.error
        words = "" if isinstance(error, Revert) else f"{type(error).__name__}: {error}"
        return Result(False, computation.get_gas_remaining(), 0, bytes(computation.output), (), words)
    logs = tuple(
        (address, tuple(topic.to_bytes(32, "big") for topic in topics), bytes(data))
        for address, topics, data in computation.get_log_entries()
    )
    return Result(
        True, computation.get_gas_remaining(), computation.get_gas_refund(), bytes(computation.output), logs, ""
    )
