"""The chain's names in an operator's words."""

from __future__ import annotations

CALLS = {
    "receive": "Goods received",
    "move": "Stock moved",
    "adjust": "Stock adjusted",
    "hold": "Goods held",
    "release": "Goods released",
    "relabel": "Goods labelled anew",
    "reserve": "Goods promised",
    "unreserve": "Promise taken back",
    "pick": "Goods picked",
    "issue": "Goods issued",
    "move_unit": "Unit moved",
    "record_part": "Part stated",
    "book_part": "Part booked",
    "reverse": "Reversed",
    "plan_count": "Count planned",
    "record_count": "Bin counted",
    "post_count": "Count posted",
    "except_document": "Exception noted",
    "dispatch": "Transfer sent",
    "accept_transfer": "Transfer accepted",
    "settle_transfer": "Transfer settled",
    "apply": "Hub record applied",
    "bind": "Key of a person bound",
    "record": "Note",
}

# The proof ladder (product.md): name, shape, one sentence. The shape says it without colour.
LADDER = (
    ("recorded", "◔", "Recorded: it is safe on this node's disk."),
    ("sealed", "◐", "Sealed: it stands in a block that this site has signed."),
    ("delivered", "◑", "Delivered: the hub holds the block and has said so with its signature."),
    ("verified", "◕", "Verified: the hub has executed the block again and got the same result."),
    ("anchored", "✓", "Anchored: its proof stands under a root on the company's chain."),
)

# A bin of a count: shape, how loud, words.
BIN_STATES = {
    "waiting": ("○", "quiet", "waiting"),
    "counting": ("◐", "quiet", "being counted"),
    "closing": ("◐", "quiet", "being recorded"),
    "review": ("▲", "warn", "to approve"),
    "posted": ("✓", "good", "posted"),
    "uncounted": ("–", "quiet", "left uncounted"),
    "rejected": ("✕", "quiet", "rejected"),
}
SESSION_STATES = {
    "draft": ("○", "quiet", "draft"),
    "counting": ("◐", "quiet", "counting"),
    "recount": ("◐", "quiet", "recounting"),
    "review": ("▲", "warn", "to approve"),
    "posted": ("✓", "good", "posted"),
    "closed": ("✓", "good", "closed"),
    "cancelled": ("–", "quiet", "cancelled"),
    "rejected": ("–", "quiet", "rejected"),
}
SHEET_STATES = {
    "issued": ("○", "warn", "out"),
    "returned": ("✓", "good", "returned"),
    "void": ("–", "quiet", "void"),
    "missing": ("✕", "quiet", "missing"),
}
# Why a bin is counted once more.
AGAIN = {
    "variance": "it differs",
    "different": "two counts differ",
    "unstable": "stock moved",
    "control": "a control",
    "second": "second counter",
    "parked": "unknown codes",
    "ordered": "ordered",
}
SEVERITIES = {"info": "quiet", "warning": "warn", "urgent": "bad"}


def severity_level(severity: str) -> str:
    """How loud a finding is shown; an unknown severity is loud."""
    return SEVERITIES.get(severity, "bad")


def call_words(call: str) -> str:
    """What an operation was, for people."""
    return CALLS.get(call, call.replace("_", " ").capitalize())


def state_words(state: str) -> str:
    """One sentence on how far a proof has come."""
    return next((words for name, _, words in LADDER if name == state), "")


def ladder(state: str) -> list[dict[str, object]]:
    """The rungs in order; `reached` up to and with `state`."""
    names = [name for name, _, _ in LADDER]
    place = names.index(state) if state in names else -1
    return [
        {"name": name, "shape": shape, "words": words, "reached": number <= place}
        for number, (name, shape, words) in enumerate(LADDER)
    ]


def grouped(fingerprint: str) -> str:
    """Hex digits in fours, for two people to compare aloud."""
    return " ".join(fingerprint[at : at + 4].upper() for at in range(0, len(fingerprint), 4))
