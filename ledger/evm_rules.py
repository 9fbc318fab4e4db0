"""The rule set `site-shanghai-1`: Shanghai with constant zero fees and a constant gas limit.

What differs from Ethereum's Shanghai, and why:

- base fee 0 in every block, also after full ones: by the usual rule one block over half full would lift it to 1, from
  where it never falls again, and senders without a balance would be locked out for good;
- gas limit 60,000,000 in every block: the usual rule lets it decay by 1/1024 a block;
- no reward; coinbase, mix hash, nonce and difficulty 0; no ommers, no withdrawals; 32 bytes of extra data;
- only fee-less type 2 transactions of the chain's own id.

`SiteVM` states the same rules in the engine's own terms, so that its unmodified import of a block can judge ours.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

RULE_SET = "site-shanghai-1"
GAS_LIMIT = 60_000_000


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
from eth.abc import BlockHeaderAPI  # noqa: E402
from eth.vm.forks.shanghai import ShanghaiVM  # noqa: E402
from eth.vm.forks.shanghai.blocks import ShanghaiBlockHeader  # noqa: E402
from eth.vm.forks.shanghai.computation import ShanghaiComputation  # noqa: E402
from eth.vm.forks.shanghai.state import ShanghaiState  # noqa: E402
from eth_utils import ValidationError  # noqa: E402

SELFDESTRUCT = 0xFF


def _no_selfdestruct(computation: Any) -> None:
    raise NotImplementedError(f"a contract wants to destroy itself, which {RULE_SET} does not have")


class SiteComputation(ShanghaiComputation):
    """One message call. SELFDESTRUCT stops the executor plainly: state is kept in a way that cannot lose a contract."""

    opcodes = {**ShanghaiComputation.opcodes, SELFDESTRUCT: _no_selfdestruct}  # type: ignore[dict-item]


class SiteState(ShanghaiState):
    """State transitions of the rule set."""

    computation_class = SiteComputation


class SiteVM(ShanghaiVM):
    """The rule set for the engine's own chain classes."""

    fork = RULE_SET
    _state_class = SiteState

    @staticmethod
    def create_header_from_parent(parent: BlockHeaderAPI | None, **given: Any) -> BlockHeaderAPI:
        if parent is None:
            return ShanghaiBlockHeader(**{"difficulty": 0, "block_number": 0, "gas_limit": GAS_LIMIT, **given})
        fields: dict[str, Any] = {
            "parent_hash": parent.hash,
            "block_number": parent.block_number + 1,
            "timestamp": parent.timestamp + 1,
            "state_root": parent.state_root,
            "difficulty": 0,
            "gas_limit": GAS_LIMIT,
            "base_fee_per_gas": 0,
            "nonce": bytes(8),
        }
        return ShanghaiBlockHeader(**{**fields, **given})

    @classmethod
    def validate_gas(cls, header: BlockHeaderAPI, parent_header: BlockHeaderAPI) -> None:
        if header.gas_limit != GAS_LIMIT:
            raise ValidationError(f"gas limit is {header.gas_limit}, expected {GAS_LIMIT}")
        if header.base_fee_per_gas != 0:
            raise ValidationError(f"base fee is {header.base_fee_per_gas}, expected 0")
