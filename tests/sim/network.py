"""The network between the sites and the hub: it loses, delays, repeats, cuts and mixes up what it carries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ledger.errors import Unavailable
from sync.client import Answer
from tests.sim.machines import UNEXPECTED, Down

if TYPE_CHECKING:
    from tests.sim.world import World

FATES = ("lose request", "lose answer", "cut request", "cut answer", "hold up", "twice", "old answer")
KEPT = 6


@dataclass(slots=True)
class Weather:
    """How often, in hundredths, what befalls an exchange; `apart` are the sites that cannot reach the hub."""

    chances: dict[str, int] = field(default_factory=dict)
    apart: set[str] = field(default_factory=set)
    delay_ms_max: int = 0

    def clear(self) -> None:
        self.chances.clear()
        self.apart.clear()
        self.delay_ms_max = 0


class Network:
    """All lines, and what is still under way on them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.weather = Weather()
        self.under_way: list[tuple[str, bytes, str]] = []
        self.passed: dict[str, list[tuple[str, bytes, str]]] = {}
        self.answers: dict[str, list[Answer]] = {}

    def line(self, site: str) -> Line:
        return Line(self, site)

    def late(self, number: int) -> None:
        """Something that was held up arrives after all, or something comes a second time. Nobody waits for it."""
        waiting = self.under_way or [each for passed in self.passed.values() for each in passed]
        if not waiting:
            return
        path, body, media_type = waiting[number % len(waiting)]
        if self.under_way:
            self.under_way.pop(number % len(self.under_way))
        self.world.note(None, "late request", str(len(body)))
        try:
            self.deliver(path, body, media_type)
        except (Down, Unavailable):
            self.world.note(None, "late request lost")

    def deliver(self, path: str, body: bytes, media_type: str) -> Answer:
        """Let the hub answer. Raises Down when it is off or dies of it."""
        hub = self.world.hub
        answer = hub.run(lambda: hub.web.post(path, body, media_type))
        self.world.watch.still_true()
        if answer.status == 500:
            self.world.fail(UNEXPECTED, f"the hub answered 500 to a bundle: {answer.body[:300]!r}")
        return answer


@dataclass(frozen=True, slots=True)
class Line:
    """The transport of one site."""

    network: Network
    site: str

    def post(self, path: str, body: bytes, media_type: str) -> Answer:
        network, world = self.network, self.network.world
        fate = self._fate()
        if world.network.weather.delay_ms_max:
            world.pass_ms(world.dice.randrange(world.network.weather.delay_ms_max))
        world.interlude(self.site)
        world.note(None, f"{self.site} to hub", f"{len(body)} bytes {fate}".rstrip())
        if self.site in network.weather.apart or fate == "lose request":
            raise Unavailable("no answer")
        if fate == "hold up":
            network.under_way = [*network.under_way, (path, body, media_type)][-KEPT:]
            raise Unavailable("no answer in time")
        if fate == "cut request":
            body = body[: world.dice.randrange(len(body))]
        try:
            answer = network.deliver(path, body, media_type)
            if fate == "twice":
                answer = network.deliver(path, body, media_type)
        except Down:
            raise Unavailable("the connection broke") from None
        network.passed[self.site] = [*network.passed.get(self.site, []), (path, body, media_type)][-KEPT:]
        known = network.answers.setdefault(self.site, [])
        known[:] = [*known, answer][-KEPT:]
        world.interlude(self.site)
        if fate in ("lose answer", "cut request"):
            raise Unavailable("the answer did not arrive")
        if fate == "cut answer":
            return self._cut(answer)
        if fate == "old answer":
            return known[world.dice.randrange(len(known))]
        return answer

    def _cut(self, answer: Answer) -> Answer:
        left = answer.body[: self.network.world.dice.randrange(len(answer.body) + 1)]
        if not left:
            raise Unavailable("the answer did not arrive")
        return Answer(answer.status, answer.media_type, left, answer.retry_after_s)

    def _fate(self) -> str:
        world = self.network.world
        drawn = world.dice.randrange(100)
        for name in FATES:
            chance = self.network.weather.chances.get(name, 0)
            if drawn < chance:
                return name
            drawn -= chance
        return ""
