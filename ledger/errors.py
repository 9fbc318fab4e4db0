"""The whole error tree, by who must act.

    LedgerError
    ├── Rejected      the rules say no: tell the operator, nothing happened
    ├── Invalid       foreign bytes do not verify: quarantine them, keep the evidence
    └── Unavailable   not now: try again later, nothing is wrong
    Corrupt           we are broken: stop sealing, serve read-only, say so

`Corrupt` stands apart on purpose: code that handles expected failures must not swallow it.
"""

from __future__ import annotations


class LedgerError(Exception):
    """Expected failure. The message says what, the value, what was expected and what to do."""


class Rejected(LedgerError):
    """A rule refuses a wish of ours; nothing changed. Shown to the operator as it stands."""


class ReasonNeeded(Rejected):
    """The same wish with a reason is granted."""


class NotSigned(Rejected):
    """Whoever is to have signed it did not, or may not: nothing is said of the act itself."""


class Invalid(LedgerError):
    """Bytes from elsewhere are malformed, unsigned, or do not follow from what we hold."""


class Unavailable(LedgerError):
    """Something needed is not there at the moment: a link, a lock, a disk with room."""


class Corrupt(Exception):
    """Our own stored data or our own code contradicts itself. Continuing would sign an untruth."""
