"""Regular expressions that Python and a browser read alike: a tablet reads labels without its node.

Characters, sets of them, `.`, `\\d` `\\D` `\\w` `\\W` (ASCII), groups, `|` and repetitions. What the two write or
read differently is refused: what only the node knows for a label would be something else on a tablet without it.
"""

from __future__ import annotations

import re

from ledger.errors import Rejected

CODE = "(?P<code>"
_ESCAPED = r"\\[dDwW]|\\\W"
_TOKEN = re.compile(
    rf"""
      (?P<open> \( (?:\?:|\?P<code>|(?!\?)) )
    | (?P<close> \) )
    | (?P<often> (?:[*+?]|\{{\d+(?:,\d*)?\}}) \?? (?![*+?{{]) )
    | (?P<set> \[\^? (?: (?!--|&&|~~|\|\|) (?:{_ESCAPED}|[^\\\[\]]) )+ \] )
    | (?P<any> \. )
    | (?P<end> \A\^|\$\Z )                     # says nothing: the whole text has to fit
    | (?P<plain> {_ESCAPED}|[^\\\[\](){{}}.*+?^$] )
    """,
    re.VERBOSE | re.ASCII,
)
_PUNCTUATION = re.compile(r"\\(\W)", re.ASCII)


def parse(pattern: str, name: str) -> tuple[re.Pattern[str], str]:
    """The expression, and how a browser writes it (its flag `u`, between ^ and $). Raises Rejected with the setting's
    `name` for what is none, and for what a browser would read otherwise."""
    tokens, at = [], 0
    while at < len(pattern):
        token = _TOKEN.match(pattern, at) if pattern.isprintable() else None
        if token is None:
            raise Rejected(
                f"{name} {pattern!r}: tablets do not read {pattern[at : at + 8]!r} as the node does: "
                r"expected characters, sets as [A-Z], ., \d, \w, groups, | and repetitions"
            )
        tokens.append((token.lastgroup, token[0]))
        at = token.end()
    try:
        compiled = re.compile(pattern, re.ASCII)
    except (re.error, RecursionError, OverflowError) as error:
        raise Rejected(f"{name} {pattern!r} is not a regular expression: {error}") from error
    groups: list[bool] = []  # the open ones: whether `code` is in it
    closed = False
    for kind, text in tokens:
        if kind == "often" and closed and text[0] != "?":
            raise Rejected(f"{name} {pattern!r} repeats its group code: expected it once, since one bin has one code")
        closed = kind == "close" and groups.pop()
        if kind == "open":
            groups.append(text == CODE)
        elif closed and groups:
            groups[-1] = True
    return compiled, "".join(_in_a_browser(*token) for token in tokens)


def _in_a_browser(kind: str | None, text: str) -> str:
    if kind == "open":
        return text.replace("?P<", "?<")
    if kind == "any":
        return r"[^\n]"
    if kind == "end":
        return ""
    return _PUNCTUATION.sub(lambda found: f"\\u{{{ord(found[1]):x}}}", text)
