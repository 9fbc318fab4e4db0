"""What `tallyman hub` prints for people; `--json` prints the same values for programs."""

from __future__ import annotations

import json
from typing import Any

from ledger.wording import counted, in_units

DAY_MS = 24 * 3_600_000
PACKS_SHOWN = 50
Result = dict[str, Any]


def nothing(_: Result) -> str:
    return ""


def line(result: Result) -> str:
    return ", ".join(
        f"{name}: {' '.join(value) if isinstance(value, list) else value}" for name, value in result.items()
    )


def init(result: Result) -> str:
    return (
        f"made the hub {result['name']} in {result['dir']}\n"
        f"its log key is {result['log_key']}\n"
        f"it anchors in {result['contract']} on chain {result['chain_id']}\n"
        f"console log-in: {result['login']}, password {result['password']} (shown this once)\n"
        "next: `tallyman hub run`, then `tallyman hub enrol SITE`"
    )


def enrol(result: Result) -> str:
    return f"{result['code']}\nenrols {result['origin']} once: run `tallyman node enrol CODE` at the site"


def status(result: Result) -> str:
    flying = result["anchor_in_flight"]
    lines = [
        f"hub {result['name']}: {'running' if result['running'] else 'not running'}, log {result['signed_size']} of "
        f"{result['log_size']} signed, {result['anchored_size']} anchored"
        + (f", an anchor of {flying['size']} is {flying['state']} {flying['reason']}" if flying else ""),
        counted(result["items"], "item")
        + ", "
        + counted(result["discrepancies"], "open discrepancy", "open discrepancies"),
    ]
    lines += [f"attention: {text}" for text in result["attention"]]
    lines += [f"cannot {job}: {reason}" for job, reason in result["troubles"].items()]
    for site in result["sites"]:
        lines.append(
            f"{site['site']:<20} {site['state']:<12} blocks {site['size']}, cosigned {site['cosigned']}, verified "
            f"{site['verified']}, logged {site['logged']}, anchored {site['anchored']}  {site['reason']}"
        )
    return "\n".join(lines)


def discrepancies(result: Result) -> str:
    if "entries" in result:
        lines = [f"{result['id']}  {result['kind']}  {result['state']}  {result['summary']}"]
        lines += [
            f"  {entry['number']}. {entry['kind']} by {entry['author']}: {entry['text']}"
            + (f"\n     {json.dumps(entry['evidence'], ensure_ascii=False)}" if entry["evidence"] else "")
            for entry in result["entries"]
        ]
        return "\n".join(lines)
    found = result["discrepancies"]
    if not found:
        return "nothing open"
    return "\n".join(
        f"{each['id']:>5}  {each['kind']:<26} {each['site']:<14} {each['state']:<8} {each['age_ms'] // DAY_MS:>4} d"
        f"  {each['owner'] or '-':<10} {each['summary']}"
        for each in found
    )


def anchor(result: Result) -> str:
    if not result["size"]:
        return "nothing to anchor yet"
    return f"anchored {counted(result['size'], 'log entry', 'log entries')} in block {result['block_number']}"


def verify(result: Result) -> str:
    looked = (
        f"{counted(result['chains'], 'chain')}, {counted(result['blocks'], 'block')}, "
        f"{counted(result['checkpoints'], 'checkpoint')}, "
        f"{counted(result['log_entries'], 'log entry', 'log entries')}, {counted(result['anchors'], 'anchor')}"
    )
    if result["ok"]:
        return f"everything holds: {looked} as this hub recorded them"
    return f"looked at {looked}\n" + "\n".join(f"WRONG: {text}" for text in result["complaints"])


def imported(result: Result) -> str:
    did = "would add" if result["dry_run"] else "added"
    lines = [
        f"{counted(result['rows'], 'row')}: {did} {counted(result['new'], 'item')}, changed {result['changed']}, "
        f"{counted(result['barcodes'], 'barcode')} in the file"
    ]
    repacked = result["repacked"]
    lines += [
        f"{each['gtin']}: {each['before']} of {each['sku']} becomes {each['now']} of {each['sku']};"
        " what was scanned before keeps the old meaning"
        for each in repacked[:PACKS_SHOWN]
    ]
    if len(repacked) > PACKS_SHOWN:
        lines.append(f"… and {len(repacked) - PACKS_SHOWN} more")
    if repacked:
        lines.append(
            "a pack that holds another number has a GTIN of its own by GS1's rules: see that this is no slip"
        )
    return "\n".join(lines)


def announced_file(result: Result) -> str:
    did = "would announce" if result["dry_run"] else "announced"
    return f"{counted(result['rows'], 'line')}: {did} {result['new']} new, changed {result['changed']}"


def announced(result: Result) -> str:
    found = result["announced"]
    if not found:
        return "nothing is announced"
    lines = []
    for each in found:
        lines.append(
            f"{each['site']:<14} {each['kind']:<9} {each['number']:<20} {each['due'] or '-':<11} {each['state']:<6}"
            f" {counted(len(each['lines']), 'line'):<10} {each['supplier']}".rstrip()
        )
        if "number" in result:
            lines += [
                f"  {line['item']}: {in_units(line['done'], line['decimals'])} of"
                f" {in_units(line['wanted'], line['decimals'])} {line['unit']}"
                for line in each["lines"]
            ]
    return "\n".join(lines)


def approvals(result: Result) -> str:
    if "lines" in result:
        head = f"{result['op_id']}  {result['site']}  {_act(result)}  by {', '.join(result['by'])}"
        marks = [f"  {', '.join(result['marks'])}"] if result["marks"] else []
        lines = [head, *marks, *(f"  {_approval_line(line)}" for line in result["lines"])]
        if result["count"] > len(result["lines"]):
            lines.append(f"  and {counted(result['count'] - len(result['lines']), 'more line')}")
        return "\n".join(lines)
    found = result["approvals"]
    if not found:
        return "nothing waits for the hub"
    return "\n".join(
        f"{each['op_id']}  {each['site']:<14} {_act(each):<24} {each['differs']} of {counted(each['count'], 'line')}"
        f"  {', '.join(each['by'])}"
        + (f"  {each['decided']}, on its way" if each["decided"] else "")
        + (f"  could not be booked: {each['why']}" if each["why"] else "")
        for each in found
    )


def _act(each: Result) -> str:
    return f"{each['act']} {each['bin']}".strip()


def _approval_line(line: Result) -> str:
    said = f"{line['item']} {line['lot'] or ''}{line['serial'] or ''}".strip()
    if "counted" in line:
        names = ("counted", "expected", "difference")
        amounts = (f"{name} {in_units(line[name], line['decimals'])}" for name in names)
        return f"{said}: {', '.join(amounts)} {line['unit']}"
    return (
        f"{said}: {in_units(line['quantity'], line['decimals'])} {line['unit']} {line['source']} → {line['target']}"
    )


def policies(result: Result) -> str:
    found = result["policies"]
    if not found:
        return "nothing decided: the program's own defaults hold"
    return "\n".join(
        f"{each['name']:<10} {each['site'] or 'all sites':<20} {json.dumps(each['value'], ensure_ascii=False)}"
        for each in found
    )


def person(result: Result) -> str:
    code = f"activation code {result['code']} (shown this once)" if result["code"] else "the old key stays valid"
    return f"{result['login']} at {result['site']}, actor {result['actor']}\n{code}"


def config(result: Result) -> str:
    return str(result["text"])
