"""The lease ratchet: no false alarm for lost, repeated and late requests; no second machine goes unnoticed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from hashlib import sha256

import pytest

from hub.leases import Leases, Ratchet, Verdict
from ledger.keys import SigningKey

KEY = SigningKey(bytes(range(32)))


@dataclass
class Machine:
    """What a node keeps: its lease and the requests it made with it."""

    lease: bytes = b""
    tried: list[bytes] = field(default_factory=list)
    challenge: bytes = b""

    def copy(self) -> Machine:
        return Machine(self.lease, list(self.tried), self.challenge)


@dataclass
class Request:
    shown: bytes
    tried: tuple[bytes, ...]
    digest: bytes
    challenge: bytes


class Lab:
    """One hub's ratchet for one chain."""

    def __init__(self) -> None:
        self.leases = Leases(KEY, "acme/site/oslo/1")
        self.ratchet = Ratchet(b"", ())
        self.number = 0
        self.frozen = False

    def request(self, machine: Machine) -> Request:
        self.number += 1
        digest = sha256(str(self.number).encode()).digest()
        made = Request(machine.lease, tuple(machine.tried[-32:]), digest, machine.challenge)
        machine.tried.append(digest[:16])
        return made

    def answer(self, request: Request) -> tuple[Verdict, bytes, bytes]:
        found = self.leases.judge(self.ratchet, request.shown, request.tried, request.digest, request.challenge)
        self.ratchet = found.ratchet
        self.frozen |= found.verdict is Verdict.CLONE
        return found.verdict, found.lease, found.challenge

    def take(self, machine: Machine, reply: tuple[Verdict, bytes, bytes]) -> None:
        verdict, lease, challenge = reply
        if verdict in (Verdict.GOOD, Verdict.RESTORED):
            machine.lease, machine.tried, machine.challenge = lease, [], b""
        elif verdict is Verdict.CHECK:
            machine.challenge = challenge

    def sync(self, machine: Machine) -> Verdict:
        """A whole cycle: a question by the hub is answered at once."""
        reply = self.answer(self.request(machine))
        self.take(machine, reply)
        if reply[0] is Verdict.CHECK:
            reply = self.answer(self.request(machine))
            self.take(machine, reply)
        return reply[0]


def test_each_answer_moves_the_ratchet_on() -> None:
    lab, machine = Lab(), Machine()
    shown = set()
    for _ in range(10):
        assert lab.sync(machine) is Verdict.GOOD
        shown.add(machine.lease)
    assert len(shown) == 10


def test_lost_answers_are_forgiven() -> None:
    lab, machine = Lab(), Machine()
    lab.sync(machine)
    for _ in range(50):
        assert lab.answer(lab.request(machine))[0] is Verdict.GOOD
    assert lab.sync(machine) is Verdict.GOOD


def test_the_same_request_gets_the_same_lease() -> None:
    lab, machine = Lab(), Machine()
    request = lab.request(machine)
    first = lab.answer(request)
    before = lab.ratchet
    assert lab.answer(request) == first
    assert lab.ratchet == before


def test_a_request_that_arrives_much_too_late_changes_nothing() -> None:
    lab, machine = Lab(), Machine()
    lab.sync(machine)
    late = lab.request(machine)
    for _ in range(3):
        lab.sync(machine)
    before = lab.ratchet
    assert lab.answer(late)[0] is Verdict.CHECK
    assert lab.ratchet == before
    assert lab.sync(machine) is Verdict.GOOD


@pytest.mark.parametrize("rounds", [0, 1, 4])
def test_two_machines_are_told_apart_when_both_have_synced_once(rounds: int) -> None:
    lab, first = Lab(), Machine()
    for _ in range(rounds):
        lab.sync(first)
    second = first.copy()
    assert lab.sync(first) is Verdict.GOOD
    assert lab.sync(second) is Verdict.CLONE


def test_a_machine_that_lost_its_lease_is_suspect() -> None:
    lab, machine = Lab(), Machine()
    lab.sync(machine)
    lab.sync(machine)
    assert lab.sync(Machine()) is Verdict.CLONE


def test_a_made_up_lease_is_not_newer_than_ours() -> None:
    lab, machine = Lab(), Machine()
    lab.sync(machine)
    forged = Machine((2**40).to_bytes(6, "big") + bytes(20))
    assert lab.answer(lab.request(forged))[0] is Verdict.CHECK


def test_a_hub_put_back_from_a_backup_takes_its_own_later_lease_up_again() -> None:
    lab, machine = Lab(), Machine()
    lab.sync(machine)
    backup = lab.ratchet
    for _ in range(3):
        lab.sync(machine)
    lab.ratchet = backup
    assert lab.sync(machine) is Verdict.RESTORED
    assert lab.sync(machine) is Verdict.GOOD


def _network(seed: int, machines: list[Machine], steps: int) -> tuple[Lab, int]:
    """Random loss of requests and answers, repeats and late arrivals; answers how often each side was served."""
    chance = random.Random(seed)
    lab = Lab()
    late: list[Request] = []
    for step in range(steps):
        machine = machines[chance.randrange(len(machines))]
        request = lab.request(machine)
        roll = chance.random()
        if roll < 0.2:
            if roll < 0.1:
                late.append(request)
            continue
        reply = lab.answer(request)
        if chance.random() < 0.2:
            lab.answer(request)
        if chance.random() < 0.3:
            continue
        lab.take(machine, reply)
        if late and chance.random() < 0.5:
            lab.answer(late.pop(chance.randrange(len(late))))
        if lab.frozen:
            return lab, step
    return lab, steps


def test_one_machine_behind_a_bad_network_is_never_accused() -> None:
    for seed in range(300):
        lab, _ = _network(seed, [Machine()], 60)
        assert not lab.frozen, seed


def test_two_machines_behind_a_bad_network_are_always_found() -> None:
    for seed in range(300):
        start = Machine()
        lab, steps = _network(seed, [start, start.copy()], 200)
        assert lab.frozen, seed
        assert steps < 150, seed
