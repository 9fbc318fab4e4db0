"""Counts, from the session to the posting, by scans and by hand, with moves going on meanwhile."""

from __future__ import annotations

from devices.reads import NewRead
from ledger.documents import part_op_id
from ledger.ids import OpId
from ledger.moves import STATUSES
from ledger.plans import DRAWN
from node import rounds
from tests.sim.books import Doubt, Round, Thing, held_of, tagged
from tests.sim.founding import AUDITOR, COUNTERS
from tests.sim.machines import PIN, NodeMachine
from tests.sim.tablets import Act, Answer, Tablets, named

ROUNDS_MAX = 3
SAMPLE_CHANCE, DRAW_CHANCE = 0.4, 0.7
GTINS = {"BOLT": "4006381333931", "NUT": "9521234500018"}
BOX = "5012345678900"  # twelve bolts


class CountWork(Tablets):
    """Counting at one site."""

    def _count(self, site: str) -> Act | None:
        books = self.ledger.sites[site]
        if books.draws and self.dice.random() < DRAW_CHANCE:
            return self._draw_sample(site, self.dice.choice(list(books.draws)))
        live = [each for each in books.rounds.values() if each.state in ("waiting", "counting", "review")]
        if not live or (len(live) < 3 and self.dice.random() < 0.1):
            return self._open_session(site)
        # Bins that are open come first: a person finishes what they began.
        begun = [each for each in live if each.state == "counting"]
        round_ = self.dice.choice(begun or live)
        if round_.state == "waiting":
            return self._open_bin(site, round_)
        if round_.state == "review":
            return self._approve_count(site, round_)
        return self._count_on(site, round_)

    def _open_session(self, site: str) -> Act | None:
        books, dice, op = self.ledger.sites[site], self.dice, self.op()
        free = [bin_ for bin_ in self._bins(site) if bin_ not in books.blind]
        if not free:
            return None
        if len(free) > 1 and dice.random() < SAMPLE_CHANCE:
            return self._open_sample(site, op, free)
        bins = dice.sample(free, min(len(free), dice.randint(1, 2)))
        body = {"name": "count", "bins": bins, "rule": {"rounds_max": ROUNDS_MAX, "control_percent": 0}}

        def done(_: Answer) -> None:
            self._order(site, str(op), dict.fromkeys(bins, ()))

        return Act(
            site,
            "open session",
            op,
            lambda node: node.parts.floor.counting.open_session(op, node.who("eve"), body),
            done,
        )

    def _open_sample(self, site: str, op: OpId, free: list[str]) -> Act:
        """Some of these bins, by chance: drawn at once without a link, and otherwise when somebody asks for it."""
        books, many = self.ledger.sites[site], self.dice.randint(1, len(free) - 1)
        rule = {"rounds_max": ROUNDS_MAX, "control_percent": 0}
        body = {"name": "sample", "plan": {"areas": free, "sample": many}, "rule": rule}
        among = tuple(books.with_units(dict.fromkeys(free, ())))

        def done(answer: Answer) -> None:
            books.enter(str(op), "plan_count")
            if answer["drawing"]:
                books.draws[str(op)] = (many, among)
            else:
                self._drawn(site, str(op), many, among, answer["bins"])

        return Act(
            site,
            "open sample",
            op,
            lambda node: node.parts.floor.counting.open_session(op, node.who("eve"), body),
            done,
        )

    def _draw_sample(self, site: str, session: str) -> Act:
        books, op = self.ledger.sites[site], self.op()
        many, among = books.draws[session]
        drawn_as = str(part_op_id(OpId.parse(session), DRAWN))

        def done(answer: Answer) -> None:
            del books.draws[session]
            books.enter(drawn_as, "plan_count")
            self._drawn(site, session, many, among, answer["bins"])

        return Act(
            site,
            "draw",
            op,
            lambda node: node.parts.floor.counting.draw(op, node.who("eve"), {"session": session}),
            done,
            None if books.blind.intersection(among) else True,
            drawn_as,
        )

    def _drawn(self, site: str, session: str, many: int, among: tuple[str, ...], drawn: list[str]) -> None:
        """The sample of a session: of what was there when its rule was sealed, and in no other count now."""
        books = self.ledger.sites[site]
        free = set(among) - books.blind
        if not set(drawn) <= free or len(drawn) > many or (len(free) == len(among) and len(drawn) != many):
            self.world.fail("books predict answers", f"{site}: {drawn} was drawn, as {many} of {sorted(free)}")
        for place in drawn:
            books.rounds[place] = Round(session, place, since=len(books.acts))

    def _open_bin(self, site: str, round_: Round) -> Act | None:
        books, op = self.ledger.sites[site], self.op()
        busy = {each.who for each in books.rounds.values() if each.state == "counting"}
        barred = round_.counters | round_.told | (round_.movers if round_.number else set())
        able = [login for login in COUNTERS if login not in barred | busy]
        if not able:
            return self._leave_uncounted(site, round_) if set(COUNTERS) <= barred else None
        who = self.dice.choice(able)

        def done(_: Answer) -> None:
            round_.state, round_.who = "counting", who
            round_.touched = books.touched[round_.bin]
            round_.tally.clear()
            round_.entered.clear()
            round_.empty = False

        return Act(
            site,
            "open bin",
            op,
            lambda node: node.parts.floor.counting.open_bin(op, node.who(who), {"bin": round_.bin}),
            done,
        )

    def _test(self, site: str) -> Act | None:
        """An auditor counts a bin that nobody else counts. Whatever they find, nothing comes of it."""
        books, op = self.ledger.sites[site], self.op()
        free = [bin_ for bin_ in self._bins(site) if bin_ not in books.blind]
        if not free or any(each.test and each.state == "counting" for each in books.rounds.values()):
            return None
        bin_ = self.dice.choice(free)

        def done(answer: Answer) -> None:
            session = str(answer["session"])
            books.enter(session, "plan_count")
            books.rounds[bin_] = Round(
                session, bin_, True, state="counting", who=AUDITOR, touched=books.touched[bin_]
            )

        return Act(
            site,
            "open test",
            op,
            lambda node: node.parts.floor.counting.open_bin(op, node.who(AUDITOR), {"bin": bin_}),
            done,
        )

    def _leave_uncounted(self, site: str, round_: Round) -> Act:
        op = self.op()
        body = {"session": round_.session, "bin": round_.bin, "reason": "no-counter"}

        def done(_: Answer) -> None:
            round_.state = "uncounted"
            self._ended(site, op, round_, {})

        return Act(
            site,
            "uncounted",
            op,
            lambda node: node.parts.floor.counting.uncounted(op, node.who("eve"), body),
            done,
        )

    def _count_on(self, site: str, round_: Round) -> Act:
        """The next thing a counter does in an open bin."""
        books, dice = self.ledger.sites[site], self.dice
        left = [(thing, held) for thing, held in books.in_task(round_) if thing not in round_.entered]
        counted = any(round_.tally.values())
        if not counted and not left:
            return self._close_bin(site, round_) if round_.empty else self._say_empty(site, round_)
        if round_.empty or (counted and (not left or dice.random() < 0.25)):
            return self._close_bin(site, round_)
        thing, held = dice.choice(left) if left else (("BOLT", "", ""), 3)
        if dice.random() < 0.2:
            held = max(1, held + dice.choice((-4, -1, 2, 9))) if not thing[2] else 1
        if thing[0] in GTINS and not held_of(thing) and dice.random() < 0.4:
            return self._scan(site, round_, thing)
        round_.entered.add(thing)
        return self._enter(site, round_, thing, held)

    def _say_empty(self, site: str, round_: Round) -> Act:
        op, who = self.op(), round_.who

        def done(_: Answer) -> None:
            round_.empty = True
            round_.counters.add(who)

        return Act(
            site,
            "say empty",
            op,
            lambda node: node.parts.floor.counting.empty(op, node.who(who), {}),
            done,
        )

    def _enter(self, site: str, round_: Round, thing: Thing, quantity: int) -> Act:
        op, who = self.op(), round_.who
        body: dict[str, object] = {"status": STATUSES[0], **named(thing), "quantity": quantity, "mode": "set"}
        if thing[0] in GTINS or thing[2]:
            del body["status"]  # as most lines are, which are free all the same

        def done(_: Answer) -> None:
            round_.tally[thing] = quantity
            round_.counters.add(who)

        # A serial that was counted in another bin of the session is refused, and rightly.
        return Act(
            site,
            "enter",
            op,
            lambda node: node.parts.floor.counting.enter(op, node.who(who), body),
            done,
            None if thing[2] else True,
        )

    def _scan(self, site: str, round_: Round, thing: Thing) -> Act:
        """One trigger pull: journalled under the scanner's own id, then taken. Pulled again it is the same read."""
        op, who = self.op(), round_.who
        box = thing[0] == "BOLT" and self.dice.random() < 0.3
        read = NewRead(f"gun-{who}", b"]E0" + (BOX if box else GTINS[thing[0]]).encode(), client_id=str(op))

        def ask(node: NodeMachine) -> Answer:
            people = node.parts.floor.people
            with node.parts.site.writing() as connection:
                mine = people.owner_of(connection, read.device) is not None
            if not mine:
                people.bind_device(node.who(who), read.device)
            (known,) = node.journal.record([read])
            taken = [answer for each, answer in node.parts.floor.scanning.drain(node.journal) if each == known]
            return taken[0] if taken else node.parts.floor.scanning.take(known)

        def done(answer: Answer) -> None:
            if answer["outcome"] != "counted":
                self.world.fail("books predict answers", f"{site}: a scan into {round_.bin} was {answer}")
            round_.tally[thing] += 12 if box else 1
            round_.counters.add(who)

        return Act(site, "scan", op, ask, done)

    def _close_bin(self, site: str, round_: Round) -> Act:
        books, op, who = self.ledger.sites[site], self.op(), round_.who
        number = round_.number
        states: list[str] = []

        def ask(node: NodeMachine) -> Answer:
            answer = node.parts.floor.counting.close_bin(op, node.who(who), {"bin": round_.bin, "confirm": True})
            with node.parts.site.reading() as connection:
                latest = rounds.latest(connection, OpId.parse(round_.session), round_.bin)
                found = rounds.parts(connection, latest.session, round_.bin, number)
            states.append(latest.bin_state)
            lines = [
                (line.item, tagged(line.lot, STATUSES[line.status]), line.serial, line.counted, line.expected)
                for line in found[0].lines
            ]
            return {**answer, "lines": lines}

        def done(answer: Answer) -> None:
            round_.counters.add(who)
            round_.lines = books.close(round_)
            books.enter(str(op), "record_count")
            round_.recorded, round_.close = len(books.acts), str(op)
            if not round_.test:
                books.counted[round_.bin].append(str(op))
            expected = books.judge(round_, ROUNDS_MAX)
            lines = [(*line.thing, line.counted, line.expected) for line in round_.lines]
            if (answer["lines"], states[-1]) != (lines, expected):
                self.world.fail(
                    "books predict answers",
                    f"{site}: the count of {round_.bin} became {answer['lines']} and {states[-1]}: "
                    f"expected {lines} and {expected}",
                )
            books.newest[round_.session, round_.bin] = list(round_.lines)
            round_.state = expected
            if expected == "waiting":
                round_.number += 1

        return Act(site, "close bin", op, ask, done)

    def _approve_count(self, site: str, round_: Round) -> Act:
        books, op = self.ledger.sites[site], self.op()
        body = {"session": round_.session, "bin": round_.bin, "reason": "miscounted-before"}

        def done(_: Answer) -> None:
            flows, said = books.post(round_)
            books.enter(str(op), "post_count", flows)
            elsewhere = {}
            for kind, line in said:
                item, _, serial = round_.lines[line].thing
                doubts = []
                if kind == "count short":
                    doubts = [Doubt(str(op), round_.bin, frozenset((item,)), len(books.acts), posting=True)]
                else:
                    elsewhere[books.serials[item, serial]] = item
                self._report(site, kind, f"{op}:{line}", *doubts)
            self.ledger.reports -= books.explain(round_)
            round_.state = "posted"
            books.posted[round_.bin].append((round_.close, round_))
            self._ended(site, op, round_, elsewhere)

        return Act(
            site,
            "approve count",
            op,
            lambda node: node.parts.floor.counting.posting.approve(op, node.who("eve"), body, PIN),
            done,
        )
