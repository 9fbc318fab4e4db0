"""Which main chain this hub uses: made at `init`, pinned in the database, opened and checked when first needed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from contracts import artifacts
from hub.anchoring import Pins
from hub.config import ChainConfig, HubConfig
from hub.mainchain import EmbeddedChain, MainChain, RpcChain
from hub.registry import GAS_DEPLOY, Registry, Signer, deploy_data
from hub.store import Session
from ledger.clock import Clock
from ledger.codec import keccak256
from ledger.errors import Rejected, Unavailable
from ledger.keys import TxKey
from ledger.seams import Random

EMBEDDED_FILE = "mainchain.db"
EMBEDDED_FEE_WEI = 10**12  # its money is made in its own genesis
DEPLOY_TRIES = 120
DEPLOY_PAUSE_MS = 500
_FACTS = ("chain_id", "genesis_hash", "contract", "code_hash")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A main chain with our contract on it."""

    chain: MainChain
    pins: Pins


def rules(config: HubConfig) -> ChainConfig:
    """The chain settings as anchoring needs them: the embedded chain is final at once."""
    return replace(config.chain, confirmations=0, resend_ms=100) if config.chain.kind == "embedded" else config.chain


def signer(config: HubConfig, key: TxKey) -> Signer:
    """Signs with the submitter's key for this hub's main chain."""
    fee_wei = EMBEDDED_FEE_WEI if config.chain.kind == "embedded" else 0
    return Signer(key, config.chain.chain_id, config.chain.transactions, fee_wei)


def prepare(config: HubConfig, key: TxKey, clock: Clock, random: Random, *, deploy: bool) -> Prepared:
    """Make or reach the main chain for a new hub, and put the contract there if it is told to.

    Raises Rejected when the chain is not the one of the settings, or holds no contract and `deploy` is false.
    """
    if config.chain.kind == "embedded":
        path = config.path(EMBEDDED_FILE)
        chain: MainChain = EmbeddedChain.create(
            path, chain_id=config.chain.chain_id, funded=key.address, clock=clock, random=random
        )
        deploy = True
    else:
        chain = RpcChain(config.chain.url, config.chain.timeout_ms)
    found = chain.chain_id()
    if found != config.chain.chain_id:
        raise Rejected(f"the main chain has id {found}: the settings say chain.chain_id = {config.chain.chain_id}")
    genesis = chain.genesis_hash()
    if config.chain.genesis_hash not in ("", "0x" + genesis.hex()):
        raise Rejected(f"the main chain begins with 0x{genesis.hex()}: the settings say {config.chain.genesis_hash}")
    contract = bytes.fromhex(config.chain.contract.removeprefix("0x"))
    if not contract:
        if not deploy:
            raise Rejected("no chain.contract is set: name the AnchorRegistry, or let `init --deploy` create one")
        contract = _deploy(chain, signer(config, key), clock)
    pins = Pins(config.chain.chain_id, genesis, contract, keccak256(chain.code(contract)))
    _check_contract(chain, pins, key.address)
    return Prepared(chain, pins)


def reach(config: HubConfig, pins: Pins, clock: Clock, random: Random) -> MainChain:
    """The main chain of an existing hub. Nothing is checked yet: `Pins.check` does, before anything is sent."""
    settings = config.chain
    if settings.chain_id != pins.chain_id or settings.contract not in ("", "0x" + pins.contract.hex()):
        raise Rejected(
            f"this hub anchors in 0x{pins.contract.hex()} on chain {pins.chain_id}; the settings name another"
        )
    if settings.kind == "embedded":
        return EmbeddedChain.open(config.path(EMBEDDED_FILE), clock=clock, random=random)
    return RpcChain(settings.url, settings.timeout_ms)


def save(session: Session, pins: Pins) -> None:
    """Remember which chain and contract this hub anchors in."""
    values = (str(pins.chain_id), pins.genesis_hash.hex(), pins.contract.hex(), pins.code_hash.hex())
    session.many(
        "INSERT INTO facts VALUES (:name, :value)",
        [{"name": f"mainchain.{name}", "value": value} for name, value in zip(_FACTS, values, strict=True)],
    )


def load(session: Session) -> Pins:
    """What `save` stored."""
    facts = {
        name: session.value("SELECT value FROM facts WHERE name = :name", name=f"mainchain.{name}") for name in _FACTS
    }
    if None in facts.values():
        raise Rejected("this hub has no main chain: create it with `tallyman hub init`")
    return Pins(
        int(facts["chain_id"]),
        bytes.fromhex(facts["genesis_hash"]),
        bytes.fromhex(facts["contract"]),
        bytes.fromhex(facts["code_hash"]),
    )


def _deploy(chain: MainChain, by: Signer, clock: Clock) -> bytes:
    data = deploy_data(artifacts.load("AnchorRegistry").bytecode, by.key.address, by.key.address)
    raw = by.sign(chain.nonce(by.key.address), None, data, GAS_DEPLOY)
    chain.send(raw)
    for _ in range(DEPLOY_TRIES):
        mined = chain.mined(keccak256(raw))
        if mined is not None:
            if not mined.ok or mined.contract is None:
                raise Rejected("the main chain did not create the AnchorRegistry: the transaction was reverted")
            return mined.contract
        clock.sleep_ms(DEPLOY_PAUSE_MS)
    raise Unavailable("the main chain took the AnchorRegistry's creation but did not mine it; try again later")


def _check_contract(chain: MainChain, pins: Pins, submitter: bytes) -> None:
    runtime = artifacts.load("AnchorRegistry").runtime
    if not chain.code(pins.contract).startswith(runtime):
        raise Rejected(f"the code at 0x{pins.contract.hex()} is not the AnchorRegistry of this version")
    if not Registry(chain, pins.contract).is_submitter(submitter):
        raise Rejected(
            f"the AnchorRegistry does not let 0x{submitter.hex()} anchor: its owner calls set_submitter first"
        )
