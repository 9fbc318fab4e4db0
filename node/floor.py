"""Floor work as one object: what the pages, the scanners and the demo talk to.

Floor(site, pepper, random)
  .people      log-in, personal keys, approvals            node/operators
  .counting    sessions, bins, rounds, close, review       node/counting, counting_close, counting_review
  .scanning    raw reads become lines of the open task     node/scanning
  .pairing     a scanner that reads a screen's code        node/pairing
  .undecided   reads that a person has to decide about     node/undecided
  .stock       receive, move, adjust, hold, issue, …       node/stock, stock_documents, stock_goods
  .deliveries  what suppliers announced                    node/deliveries
  .holds       what is held, and its signed release        node/holds
  .picking     pick lists, totes, short picks              node/picking
  .transfers   dispatch, arrivals, acceptance              node/transfers
  .reversing   an acceptance that is taken back            node/reversing
  .lookups     an item, a bin, an operation                node/lookups
  .tablets     what came out of their outboxes             node/tablets
  .attachments photos and files, erasable                  node/attachments
  .notes       free text of operations, erasable           node/notes
  .drafts      what people have begun and not sent      node/drafts
  .alerts      what is wrong, and who has seen it       node/alerts
  .hub         what waits for a signature of the hub       node/hub_approvals
"""

from __future__ import annotations

from collections.abc import Callable

from devices.decoders.labels import Labels
from devices.decoders.scan import OUR_LABELS
from ledger.seams import Random
from node import retention
from node.alerts import Alerts
from node.attachments import Attachments
from node.counting import Counting
from node.deliveries import Deliveries
from node.desk import Desk
from node.drafts import Drafts
from node.holds import Holds
from node.hub_approvals import HubApprovals
from node.listening import Listening
from node.lookups import Lookups
from node.notes import Notes
from node.operators import Operators
from node.pairing import Pairing
from node.parking import Parking
from node.picking import Picking
from node.proposals import Proposals
from node.reversing import Reversing
from node.scanning import Scanning
from node.site import Site
from node.stations import Devices
from node.stock import Stock
from node.tablets import Tablets
from node.transfers import Transfers
from node.undecided import Undecided


class Floor:
    """The floor work of one site. Its parts share the site's connection and lock; all state is in the database."""

    def __init__(
        self, site: Site, pepper: bytes, random: Random, labels: Labels = OUR_LABELS,
        devices: Callable[[], Devices] = lambda: (),
    ) -> None:  # fmt: skip
        self.desk = desk = Desk(site, random)
        self.site = site
        self.people = Operators(desk, pepper)
        self.counting = Counting(desk, self.people)
        self.stock = Stock(desk, self.counting, Proposals(desk, self.people, self.counting))
        self.parking = Parking(desk, self.people, self.counting, self.stock)
        self.deliveries = Deliveries(desk)
        self.holds = Holds(desk, self.people, self.counting)
        self.picking = Picking(desk, self.people, self.counting, self.stock)
        self.lookups = Lookups(desk, self.people, self.counting)
        self.listening = Listening()
        self.pairing = Pairing(site.clock, random, devices)
        self.scanning = Scanning(
            desk, self.people, self.counting, self.stock, self.lookups, self.listening, self.pairing, labels
        )
        self.undecided = Undecided(desk, self.scanning)
        self.transfers = Transfers(desk, self.people, self.counting)
        self.reversing = Reversing(desk, self.people, self.counting)
        self.tablets = Tablets(desk, self.people)
        self.alerts = Alerts(desk, self.tablets)
        self.attachments = Attachments(desk, self.people, self.lookups, site.storage)
        self.notes = Notes(desk, self.lookups)
        self.drafts = Drafts(desk, self.counting)
        self.hub = HubApprovals(desk, self.people, self.counting, self.stock.proposals)

    def erase_old(self) -> dict[str, int]:
        """What has been kept long enough goes (`node/retention`)."""
        return retention.erase_old(self.site)

    def free_revoked(self) -> None:
        """What people had open, or were to do, who may do it no more, is for others."""
        self.counting.free_revoked()
        self.parking.keep_unfinished()

    def resume(self) -> None:
        """After a start: finish what a crash left between two transactions."""
        self.counting.resume()
        retention.erase_again(self.site)
