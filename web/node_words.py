"""The chain's names in an operator's words."""

from __future__ import annotations

from web.languages import N_, said

CALLS = {
    "receive": N_("Goods received"),
    "move": N_("Stock moved"),
    "adjust": N_("Stock adjusted"),
    "hold": N_("Goods held"),
    "release": N_("Goods released"),
    "relabel": N_("Goods labelled anew"),
    "reserve": N_("Goods promised"),
    "unreserve": N_("Promise taken back"),
    "pick": N_("Goods picked"),
    "issue": N_("Goods issued"),
    "move_unit": N_("Unit moved"),
    "record_part": N_("Part stated"),
    "book_part": N_("Part booked"),
    "reverse": N_("Reversed"),
    "plan_count": N_("Count planned"),
    "record_count": N_("Bin counted"),
    "post_count": N_("Count posted"),
    "except_document": N_("Exception noted"),
    "dispatch": N_("Transfer sent"),
    "accept_transfer": N_("Transfer accepted"),
    "settle_transfer": N_("Transfer settled"),
    "apply": N_("Hub record applied"),
    "bind": N_("Key of a person bound"),
    "record": N_("Note"),
}

# How a document came about (`ledger.documents.MARKS`): in a list, and in a sentence.
MARKS = {
    "by-paper": (N_("on paper"), N_("It was counted on paper.")),
    "out-of-contact": (N_("came in later"), N_("It was done without contact to the node and came in later.")),
    "not-blind": (N_("not blind"), N_("Whoever counted could see what was expected.")),
    "not-opened": (N_("not opened"), N_("Units in it were confirmed by their label, not opened.")),
    "shared": (N_("shared"), N_("Several people counted parts of it.")),
    "beyond-limit": (N_("beyond the limit"), N_("It was done already, beyond the limit of the day.")),
    "frozen": (N_("in a frozen bin"), N_("It was done already, in a bin that was frozen for its count.")),
    "unexplained": (
        N_("unexplained codes"),
        N_("Codes that were scanned for it were never explained: their place is counted."),
    ),
}

# The proof ladder (product.md): name, shape, one sentence. The shape says it without colour.
LADDER = (
    (N_("recorded"), "◔", N_("Recorded: it is safe on this node's disk.")),
    (N_("sealed"), "◐", N_("Sealed: it stands in a block that this site has signed.")),
    (N_("delivered"), "◑", N_("Delivered: the hub holds the block and has said so with its signature.")),
    (N_("verified"), "◕", N_("Verified: the hub has executed the block again and got the same result.")),
    (N_("anchored"), "✓", N_("Anchored: its proof stands under a root on the company's chain.")),
)

# A bin of a count: shape, how loud, words.
BIN_STATES = {
    "waiting": ("○", "quiet", N_("waiting")),
    "counting": ("◐", "quiet", N_("being counted")),
    "closing": ("◐", "quiet", N_("being recorded")),
    "review": ("▲", "warn", N_("to approve")),
    "posted": ("✓", "good", N_("posted")),
    "uncounted": ("–", "quiet", N_("left uncounted")),
    "rejected": ("✕", "quiet", N_("rejected")),
    "tested": ("◇", "quiet", N_("tested")),
    "sealed": ("▣", "quiet", N_("sealed, not opened")),
}
SESSION_STATES = {
    "drawing": ("◌", "quiet", N_("being drawn")),
    "draft": ("○", "quiet", N_("draft")),
    "counting": ("◐", "quiet", N_("counting")),
    "recount": ("◐", "quiet", N_("recounting")),
    "review": ("▲", "warn", N_("to approve")),
    "posted": ("✓", "good", N_("posted")),
    "closed": ("✓", "good", N_("closed")),
    "cancelled": ("–", "quiet", N_("cancelled")),
    "rejected": ("–", "quiet", N_("rejected")),
}
SHEET_STATES = {
    "issued": ("○", "warn", N_("out")),
    "returned": ("✓", "good", N_("returned")),
    "void": ("–", "quiet", N_("void")),
    "missing": ("✕", "quiet", N_("missing")),
}
# Why a bin is counted once more.
AGAIN = {
    "variance": N_("it differs"),
    "different": N_("two counts differ"),
    "unstable": N_("stock moved"),
    "control": N_("a control"),
    "second": N_("second counter"),
    "parked": N_("unknown codes"),
    "ordered": N_("ordered"),
}
# Why goods are held: the statuses of the chain.
HELD = (
    ("damage", N_("It is damaged")),
    ("quality", N_("Its quality is in doubt")),
    ("expired", N_("It has expired")),
)
# Why an operation is booked backwards: codes of `ledger.documents.reason_code`.
WRONG = (
    ("wrong-goods", N_("The goods are others")),
    ("wrong-quantity", N_("The quantity is another")),
    ("wrong-place", N_("The place is another")),
    ("twice", N_("It was booked twice")),
)
SEVERITIES = {"info": "quiet", "warning": "warn", "urgent": "bad"}
# Codes that pages show as words.
SHOWN = (
    N_("info"),
    N_("warning"),
    N_("urgent"),
    N_("ready"),
    N_("absent"),
    N_("opening"),
    N_("degraded"),
    N_("backoff"),
    N_("ended"),
    N_("stopped"),
    N_("waiting"),
    N_("quality"),
    N_("damage"),
    N_("expired"),
)

# Why a count sheet does not come back.
LOST = (("lost", N_("It was lost")), ("torn", N_("It cannot be read")), ("not-used", N_("It was not used")))

# The limits of a count's rule: what a group of them is about, and of each its name, its words, and the decimals of
# its number. Those of what differs can be left out: then they limit nothing.
LIMITS = (
    (
        N_("A line differs by more than"),
        (
            ("line_quantity_max", N_("Quantity, in smallest units"), 0),
            ("line_percent_max", N_("Per cent of what the books have"), 0),
            ("line_value_max", N_("Value of a line"), 2),
        ),
    ),
    (
        N_("Its bin or the whole count differs, more and less added up, by more than"),
        (
            ("bin_quantity_max", N_("Quantity in a bin, in smallest units"), 0),
            ("bin_value_max", N_("Value in a bin"), 2),
            ("session_value_max", N_("Value in the whole count"), 2),
        ),
    ),
    (
        N_("How often"),
        (
            ("counters", N_("People who count each bin in any case"), 0),
            ("rounds_max", N_("Counts of a bin at most"), 0),
            ("control_percent", N_("Per cent of the bins that agree, as a control"), 0),
            ("open_percent", N_("Per cent of the unopened units to be opened"), 0),
        ),
    ),
)


def severity_level(severity: str) -> str:
    """How loud a finding is shown; an unknown severity is loud."""
    return SEVERITIES.get(severity, "bad")


def call_words(call: str) -> str:
    """What an operation was, for people."""
    return CALLS.get(call, call.replace("_", " ").capitalize())


def state_words(state: str) -> str:
    """One sentence on how far a proof has come."""
    return said(next((words for name, _, words in LADDER if name == state), ""))


def rung(state: str) -> tuple[str, str]:
    """The shape and the name of where a proof stands."""
    return next(((shape, name) for name, shape, _ in LADDER if name == state), ("○", state))


def ladder(state: str) -> list[dict[str, object]]:
    """The rungs in order; `reached` up to and with `state`."""
    names = [name for name, _, _ in LADDER]
    place = names.index(state) if state in names else -1
    return [
        {"name": name, "shape": shape, "words": said(words), "reached": number <= place}
        for number, (name, shape, words) in enumerate(LADDER)
    ]


def grouped(fingerprint: str) -> str:
    """Hex digits in fours, for two people to compare aloud."""
    return " ".join(fingerprint[at : at + 4].upper() for at in range(0, len(fingerprint), 4))
