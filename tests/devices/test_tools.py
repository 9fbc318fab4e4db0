"""What people do with devices by hand: calibrate, look, replay, print, and devices made of software."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pypdfium2
import pytest

from devices import calibration, doctor
from devices.calibration import GS1, LETTERS
from devices.cli import main
from devices.decoders.content import ALPHABET_82
from devices.decoders.elements import SEPARATORS
from devices.journal import Journal
from devices.protocols.keys import KeysProtocol
from devices.protocols.layouts import NAMES, layout
from devices.reads import NewRead
from devices.registry import Device, Registry
from devices.simulated import SimulatedScanner
from devices.simulated_keys import typed
from devices.simulated_printer import SimulatedPrinter
from devices.simulated_sides import SsiSide
from devices.simulated_wire import serve
from ledger.clock import SystemClock
from ledger.errors import Rejected, Unavailable
from ledger.seams import SystemRandom
from tests.devices.rig import CLOCK, until

ROOT = Path(__file__).resolve().parents[2]
ON = date(2026, 1, 15)
SECOND = GS1[0] + GS1[1] + GS1[2] + "\x1d" + GS1[3] + GS1[4]


def ran(*arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = main(list(arguments))
    return code, out.getvalue()


@contextmanager
def beside(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command of ours as a process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tallyman", "devices", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


# ---------------------------------------------------------------------------------------------------- calibration


def test_what_a_simulated_scanner_sent_is_not_called_read_while_it_is_on_its_way() -> None:
    with SimulatedScanner(clock=SystemClock()) as scanner:
        near = os.open(scanner.path, os.O_RDWR | os.O_NOCTTY)
        for _ in range(200):
            scanner.send(b"x")
            with pytest.raises(Unavailable, match="nobody reads"):
                scanner.drain(0)
            assert os.read(near, 10) == b"x"
            scanner.drain(0)
        os.close(near)


@pytest.mark.parametrize("name", NAMES)
def test_calibration_finds_every_layout(name: str) -> None:
    found = calibration.of_keys(typed(LETTERS + "\r", name), typed(SECOND + "\r", name))
    chosen = found.settings.get("layout", "us")
    # Two layouts may differ only where no label has characters; then either is right.
    protocol = KeysProtocol(chosen)
    for character in ALPHABET_82:
        assert protocol.feed(typed(character + "\r", name))[0].data == character.encode(), (name, chosen, character)
    assert found.suffix == "CR" and found.separator == "GS"


@pytest.mark.parametrize(
    ("before", "after", "separator", "settings", "suffix", "words"),
    [
        (b"]C0", b"\r", b"\x1d", {}, "CR", []),
        (b"]C0", b"\r\n", "\u241d".encode(), {}, "CR LF", []),
        (b"#1]C0", b"\t", b"^", {"prefix": "2331", "suffix": "tab", "gs": "5e"}, "TAB", []),
        (b"", b"", b"", {"suffix": "none"}, "none", ["identifier", "half a read", "drops GS"]),
        (b"\x02]C0", b"\x03", b"{GS}", {"protocol": "stx", "gs": "7b47537d"}, "ETX", []),
    ],
)
def test_calibration_of_what_a_serial_scanner_sends(
    before: bytes, after: bytes, separator: bytes, settings: dict[str, str], suffix: str, words: list[str]
) -> None:
    head = before.replace(b"]C0", b"]C1")
    second = head + (SECOND.encode().replace(b"\x1d", separator)) + after
    found = calibration.of_bytes(before + LETTERS.encode() + after, second)
    assert (found.settings, found.suffix) == (settings, suffix)
    assert all(any(word in advice for advice in found.advice) for word in words)
    assert len(found.advice) == len(words)
    # The settings found make the device read the second code as it is.
    device = Device.parse(found.address("serial:///dev/x"))
    protocol = device.framing()
    [frame] = protocol.feed(second) + protocol.tick(10_000)
    if separator:
        assert frame.data.decode().translate(SEPARATORS).endswith(SECOND), frame


def test_a_calibrated_address_keeps_what_was_not_looked_for() -> None:
    found = calibration.of_bytes(b"#]C0" + LETTERS.encode() + b"\t", b"#]C1" + SECOND.encode() + b"\t")
    given = "serial:///dev/x?baud=115200&station=pack-1&suffix=none&prefix=21&protocol=datalogic"
    address = found.address(given)
    assert address == "serial:///dev/x?baud=115200&station=pack-1&protocol=datalogic&prefix=23&suffix=tab"
    assert Device.parse(address).protocol_name == "datalogic"
    assert found.address("serial:///dev/x?protocol=stx") == "serial:///dev/x?prefix=23&suffix=tab"
    packed = found.fitted("ssi")
    assert Device.parse(packed.address("serial:///dev/x?protocol=ssi&baud=9600")).protocol_name == "ssi"
    assert any("prefix=23" in advice for advice in packed.advice)


def test_calibration_says_what_is_wrong() -> None:
    for first, second, word in (
        (LETTERS.swapcase().encode(), b"", "exchanged"),
        (b"5901234123457\r", b"", "not the first code"),
        (LETTERS.encode() + b"\r", b"5901234123457\r", "not the second code"),
    ):
        with pytest.raises(Rejected, match=word):
            calibration.of_bytes(first, second)
    with pytest.raises(Rejected, match="CapsLock"):
        calibration.of_keys(typed(LETTERS.swapcase(), "de"), b"")
    with pytest.raises(Rejected, match="no keyboard layout"):
        calibration.of_keys(typed("hello", "us"), b"")


def test_the_calibration_command_on_a_terminal(tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.pdf"
    with SimulatedScanner(clock=CLOCK) as scanner:

        def scan() -> None:
            scanner.wait_opened(5_000)
            scanner.scan("]C0" + LETTERS)
            CLOCK.sleep_ms(1_200)
            scanner.scan("]C1" + SECOND.replace("\x1d", "|"))

        thread = threading.Thread(target=scan)
        thread.start()
        code, out = ran("calibrate", scanner.url, "--sheet", str(sheet), "--json", "--timeout", "10")
        thread.join()
    shown = json.loads(out)
    assert code == 0 and shown["settings"] == {"gs": "7c"} and shown["url"] == f"{scanner.url}&gs=7c", (
        "and its port stays at the speed that worked"
    )
    assert json.loads(ran("calibrate", "--sheet", str(sheet), "--json")[1]) == {"sheet": str(sheet)}
    document = pypdfium2.PdfDocument(sheet)
    assert len(document) == 1
    document.close()


# --------------------------------------------------------------------------------------------------------- doctor


def test_the_doctor_finds_what_is_in_the_way(tmp_path: Path) -> None:
    fifo = tmp_path / "there"
    os.mkfifo(fifo)
    registry = Registry.parse(
        ["serial:///dev/ttyACM99?name=gone", f"pipe://{fifo}?name=here", f"evdev://{fifo}-kbd", "tcp://10.9.9.9:1"]
    )
    (tmp_path / "proc/12").mkdir(parents=True)
    (tmp_path / "proc/12/comm").write_text("ModemManager\n")
    findings = doctor.look(registry, root=tmp_path)
    told = {finding.what: (finding.verdict, finding.advice) for finding in findings}
    assert told["gone: there is no /dev/ttyACM99"][0] == "problem"
    assert told[f"here: {fifo} is there and may be opened"] == ("ok", "")
    (meddler,) = (found for what, found in told.items() if "ModemManager" in what)
    assert meddler[0] == "problem" and "udev rules" in meddler[1]
    (rules,) = (found for what, found in told.items() if "udev rules are not installed" in what)
    assert rules[0] == "look" and rules[1].endswith("udevadm control --reload && udevadm trigger")
    assert any("grab=yes" in advice for _, advice in told.values())
    assert all(finding.advice for finding in findings if finding.verdict != "ok")
    away = next(found for what, found in told.items() if "tcp://10.9.9.9:1" in what)
    assert away[0] == "ok" and "tallyman devices monitor 'tcp://10.9.9.9:1'" in away[1]
    folder = tmp_path / "etc/udev/rules.d"
    folder.mkdir(parents=True)
    (folder / doctor.RULES).write_text(doctor.rules())
    (tmp_path / "proc/12/comm").write_text("bash\n")
    quiet = doctor.look(Registry.parse([f"pipe://{fifo}"]), root=tmp_path)
    assert {finding.verdict for finding in quiet} == {"ok"}
    (folder / doctor.RULES).write_text("# older\n")
    assert any("differ from" in finding.what for finding in doctor.look(Registry(()), root=tmp_path))


def test_the_doctor_command(tmp_path: Path) -> None:
    config = tmp_path / "node.toml"
    config.write_text('devices = ["serial:///dev/none?name=gone"]\n')
    code, out = ran("doctor", "--config", str(config), "--json")
    assert code == 1 and any(finding["verdict"] == "problem" for finding in json.loads(out)["findings"])
    code, out = ran("doctor", "--config", str(config))
    problem, next_ = out.splitlines()[:2]
    assert (code, problem) == (1, "problem  gone: there is no /dev/none")
    assert next_ == (
        "         next: plug it in, or correct its address in the settings; "
        "`tallyman devices list` shows what is plugged in"
    )
    assert re.fullmatch(r"1 problem(, \d things? to look at)?", out.splitlines()[-1])
    code, out = ran("doctor")
    assert code == 0 and "no settings were named" in out and "next: tallyman devices doctor --config" in out
    code, rules = ran("doctor", "--rules")
    assert code == 0 and 'ENV{ID_MM_DEVICE_IGNORE}="1"' in rules and "hidraw" in rules
    for line in rules.splitlines():
        assert line.count('"') % 2 == 0, line
        # udev never lets an attribute that is not there pass, so this would be a rule for no device at all.
        assert not re.search(r'ATTRS?\{[^}]*\}!="\?\*"', line), line
    named = [line for line in rules.splitlines() if "SYMLINK" in line and "hidpos-" in line]
    assert any("serial" not in line and "ID_PATH" in line for line in named), "also those without a serial number"


# ------------------------------------------------------------------------------------------------ monitor, replay


def test_monitor_answers_a_scanner_that_waits_and_replay_reads_its_recording(tmp_path: Path) -> None:
    capture = tmp_path / "capture.bin"
    with SimulatedScanner(clock=CLOCK) as scanner:
        side = SsiSide()
        url = f"{scanner.url}&protocol=ssi"

        def act() -> None:
            scanner.wait_opened(5_000)
            for number in range(2):
                side.scan(b"BIN:%d" % number)
                with contextlib.suppress(Exception):
                    serve(
                        side, scanner, clock=CLOCK, random=SystemRandom(), until=lambda: not side.busy(),
                        timeout_ms=5_000,
                    )  # fmt: skip

        thread = threading.Thread(target=act)
        thread.start()
        code, out = ran("monitor", url, "--count", "2", "--timeout", "10", "--capture", str(capture), "--json")
        thread.join()
    assert code == 0 and [json.loads(line)["text"] for line in out.splitlines()] == ["0", "1"]
    assert side.known[:1] == [b"BIN:0"]
    code, again = ran("replay", str(capture), "--url", "pipe:///x?protocol=ssi", "--json")
    assert code == 0 and again == out


def test_replay_of_a_journal(tmp_path: Path) -> None:
    path = tmp_path / "reads.db"
    Journal.create(path)
    journal = Journal(path, clock=CLOCK, random=SystemRandom())
    journal.record([NewRead("a", b"BIN:1"), NewRead("b", b"]E05901234123457"), NewRead("a", b"half", "truncated")])
    journal.close()
    code, out = ran("replay", str(path), "--device", "a", "--json")
    shown = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [(row["means"], row["ok"], row["sequence"]) for row in shown] == [
        ("bin", True, 1),
        ("unknown", False, 2),
    ]
    assert ran("replay", str(path), "--after", "3", "--json") == (0, "")
    assert ran("replay", str(tmp_path / "none"))[0] == 2


def test_profiles_are_listed() -> None:
    assert "zebra-ssi-cdc" in ran("list", "--profiles")[1]
    assert "honeywell-hostack" in json.loads(ran("list", "--profiles", "--json")[1])["profiles"]


# ---------------------------------------------------------------------------------------------------------- label


def test_labels_by_command(tmp_path: Path) -> None:
    for name in ("l.pdf", "l.png", "l.zpl"):
        code, out = ran("label", "bin", "A-01", "--out", str(tmp_path / name), "--json")
        assert code == 0 and json.loads(out)["says"] == ["]C0BIN:A-01"]
        assert (tmp_path / name).stat().st_size > 100
    item = ("label", "item", "09501101530003", "--name", "Milk", "--lot", "L1", "--expiry", "2027-01-31", "--json")
    assert json.loads(ran(*item, "--out", str(tmp_path / "i.pdf"))[1])["says"] == [
        "]C1010950110153000317270131" + "10L1"
    ]
    assert ran("label", "sscc", "123456789012345675", "--out", str(tmp_path / "s.pdf"))[0] == 0
    transfer = ("label", "transfer", "T-1", "--sender", "Oslo", "--receiver", "Bergen", "--line", "2 x Milk")
    assert ran(*transfer, "--out", str(tmp_path / "t.pdf"))[0] == 0


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (2, ("bin", "A")),
        (2, ("bin", "--out", "x.pdf")),
        (1, ("bin", "A", "B", "--out", "x.png")),
        (2, ("bin", "A", "--out", "x.doc")),
        (2, ("bin", "A", "--out", "x.pdf", "--printer", "tcp://h")),
        (1, ("item", "09501101530004", "--out", "x.pdf")),
        (1, ("bin", "A", "--out", "/nonexistent/x.pdf")),
        (1, ("bin", "A", "--printer", "nowhere")),
        (2, ("again", "x")),
        (1, ("again", "77")),
        (1, ("jobs", "--jobs", "/nonexistent/prints.db")),
    ],
)
def test_mistakes_with_labels(
    code: int,
    arguments: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["label", *arguments]) == code
    assert capsys.readouterr().err.count("\n") == 1
    assert not list(tmp_path.glob("x.*"))


def test_printing_by_command(tmp_path: Path) -> None:
    jobs = ("--jobs", str(tmp_path / "prints.db"), "--json")
    with SimulatedPrinter() as paper:
        code, out = ran("label", "bin", "A-01", "A-02", "--copies", "2", "--printer", paper.address, *jobs)
        assert code == 0 and [json.loads(line)["state"] for line in out.splitlines()] == ["confirmed"] * 2
        assert [each.copies for each in paper.papers] == [2, 2]
        paper.hang_up_after = 40
        code, out = ran("label", "bin", "A-03", "--printer", paper.address, *jobs)
        assert code == 1 and json.loads(out)["state"] == "unknown"
        paper.hang_up_after = 0
        assert json.loads(ran("label", "again", "3", *jobs)[1])["state"] == "confirmed"
        assert len(ran("label", "jobs", *jobs)[1].splitlines()) == 4
        paper.paper_out = True
        assert main(["label", "bin", "A-04", "--printer", paper.address, *jobs]) == 3
        # It waits for paper, and then needs no other label to be printed.
        assert ran("label", "waiting", *jobs) == (3, "")
        paper.paper_out = False
        code, out = ran("label", "waiting", *jobs)
        assert code == 0 and (json.loads(out)["title"], json.loads(out)["state"]) == ("bin A-04", "confirmed")
        assert ran("label", "waiting", "--printer", paper.address, *jobs) == (0, "")


# ------------------------------------------------------------------------------------------------------------ sim


@pytest.mark.parametrize(
    ("arguments", "link"),
    [
        (["--protocol", "ssi", "--noisy", "50"], False),
        (["--protocol", "honeywell", "--piece", "3", "--gap-ms", "2"], False),
        (["--protocol", "datalogic"], False),
        (["--protocol", "keys", "--layout", "fr"], True),
        (["--protocol", "hidpos"], True),
    ],
)
def test_a_simulated_scanner_of_any_protocol(
    arguments: list[str], link: bool, tmp_path: Path, rigs: Callable[..., Any]
) -> None:
    script = tmp_path / "script"
    script.write_text("]C0BIN:A-01\n@wait 10\n]E05901234123457\n")
    more = ["--link", str(tmp_path / "node")] if link else []
    with beside("sim", *arguments, *more, "--script", str(script), "--json") as sim:
        assert sim.stdout is not None
        url = json.loads(sim.stdout.readline())["url"]
        rig = rigs(url)
        until(lambda: len(rig.journal.waiting()) >= 2, 15_000)
        assert [read.raw for read in rig.journal.waiting()] == [b"]C0BIN:A-01", b"]E05901234123457"]
        assert json.loads(sim.stdout.readline())["scans"] == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["--protocol", "line", "--listen", "0"],
        ["--protocol", "ssi", "--listen", "0", "--piece", "5", "--double", "20"],
        ["--protocol", "honeywell", "--call", "127.0.0.1:{port}"],
        ["--protocol", "datalogic", "--rfc2217", "0", "--piece", "7"],
        ["--protocol", "ssi", "--link", "{link}", "--lose", "20"],
        ["--protocol", "keys", "--layout", "be", "--link", "{link}", "--piece", "10", "--gap-ms", "1"],
        ["--protocol", "hidpos", "--link", "{link}", "--piece", "9"],
    ],
    ids=lambda arguments: "-".join(arguments[1:3]).replace("--", ""),
)
def test_a_simulated_scanner_comes_back_everywhere(
    arguments: list[str], tmp_path: Path, rigs: Callable[..., Any]
) -> None:
    """Half a read, the cable pulled, noise, and another read: on a terminal, in a node's place, on the network."""
    script = tmp_path / "script"
    script.write_text("]C0BIN:A-01\n@cut ]C0BIN:HALF\n@unplug 300\n@noise 20\n@wait 800\n]E05901234123457\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = [each.format(port=port, link=tmp_path / "link") for each in arguments]
    with beside("sim", *given, "--script", str(script), "--json") as sim:
        assert sim.stdout is not None
        rig = rigs(json.loads(sim.stdout.readline())["url"])
        whole = [b"]C0BIN:A-01", b"]E05901234123457"]
        until(lambda: [read.raw for read in rig.journal.waiting() if read.raw in whole] == whole, 20_000)
        assert json.loads(sim.stdout.readline())["scans"] == 2
        assert rig.health().counters["opened"] >= 2, "it was away"
        assert all(read.fault for read in rig.journal.waiting() if b"HALF" in read.raw)


def test_a_simulated_printer_has_its_moods(tmp_path: Path) -> None:
    jobs = ("--jobs", str(tmp_path / "p.db"), "--json")
    with beside("sim", "printer", "--port", "0", "--mood", "paper-out", "--json") as sim:
        assert sim.stdout is not None
        address = json.loads(sim.stdout.readline())["address"]
        assert ran("label", "bin", "A-01", "--printer", address, *jobs)[0] == 3
    with beside("sim", "printer", "--port", address.rpartition(":")[2], "--hang-up", "40", "--json") as sim:
        assert sim.stdout is not None and json.loads(sim.stdout.readline())["address"] == address
        code, out = ran("label", "waiting", *jobs)
        assert code == 1 and json.loads(out)["state"] == "unknown"


def test_a_simulated_printer_on_a_terminal(tmp_path: Path) -> None:
    jobs = ("--jobs", str(tmp_path / "p.db"), "--json")
    with beside("sim", "printer", "--link", str(tmp_path / "printer"), "--json") as sim:
        assert sim.stdout is not None
        address = json.loads(sim.stdout.readline())["address"]
        for name in ("A-01", "A-02"):
            code, out = ran("label", "bin", name, "--printer", address, *jobs)
            assert code == 0 and json.loads(out)["state"] == "confirmed"
            assert ["code128", f">:BIN:{name}"] in json.loads(sim.stdout.readline())["things"]


def test_a_simulated_scale_and_printer(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("~1.000\n1.234\n")
    with beside("sim", "scale", "--protocol", "8217", "--script", str(script), "--json") as sim:
        assert sim.stdout is not None
        url = json.loads(sim.stdout.readline())["url"]
        code, out = ran("monitor", url, "--count", "12", "--timeout", "10", "--json")
        weights = [(row["weight"], row["problem"]) for row in map(json.loads, out.splitlines())]
        assert code == 0 and weights[0] == ("0", "in motion") and ("1.234", "") in weights
    with beside("sim", "printer", "--port", "0", "--json") as sim:
        assert sim.stdout is not None
        address = json.loads(sim.stdout.readline())["address"]
        assert ran("label", "bin", "A-01", "--printer", address, "--jobs", str(tmp_path / "p.db"))[0] == 0
        assert ["code128", ">:BIN:A-01"] in json.loads(sim.stdout.readline())["things"]


def test_mistakes_with_simulated_devices(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "script"
    script.write_text("heavy\n")
    for arguments in (
        ["sim"],
        ["sim", "scale", "--script", str(script)],
        ["sim", "scale", "--protocol", "ssi", "--script", str(script)],
        ["sim", "--protocol", "keys", "--script", str(script)],
        ["sim", "--protocol", "morse", "--script", str(script)],
        ["sim", "--call", "nowhere", "--script", str(script)],
    ):
        assert main(arguments) == (1 if arguments[1:] else 2), arguments
        assert capsys.readouterr().err.count("\n") == 1
    assert layout("us").keys("\u4e2d") is None
