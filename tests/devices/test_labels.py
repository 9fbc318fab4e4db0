"""Labels: what is printed is what is read, by a reader that is not ours, from ZPL, PNG and PDF alike."""

from __future__ import annotations

import threading
from datetime import date
from pathlib import Path

import pypdfium2
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.decoders.labels import Labels, check_character
from devices.decoders.scan import decode
from devices.output import code128, font, page, zpl
from devices.output.labels import Bars, Label, Qr, Text, item_label, own_label, sscc_label, transfer_paper
from devices.output.printer import FilePrinter, Status, TransportPrinter, printer_at
from devices.output.printing import PrintQueue
from devices.protocols.keys import KeysProtocol
from devices.simulated import SimulatedScanner
from devices.simulated_keys import typed
from devices.simulated_printer import SimulatedPrinter, code128_values, read_zpl
from ledger import seams
from ledger.errors import Rejected, Unavailable
from ledger.seams import Killed
from tests.devices.rig import CLOCK, until

ON = date(2026, 1, 15)
ITEM = "09501101530003"
FORMATS = zxingcpp.BarcodeFormat.Code128 | zxingcpp.BarcodeFormat.QRCode
LABELS = {
    "bin": own_label("bin", "A-01-02", "Regal 1 – größer, é ø ß ^XZ~JR", on=ON),
    "unit": own_label("unit", "LP-7", on=ON),
    "control": own_label("control", "UNDO", on=ON),
    "item": item_label(ITEM, "Screw M4 × 20 (100)", on=ON),
    "lot": item_label(ITEM, "Milk", lot="AB-1", expiry=date(2027, 12, 31), on=ON),
    "everything": item_label(
        ITEM, "Vaccine", lot="LOT-4711-XYZ-00012", expiry=date(2027, 12, 31), serial="SN(000)_1", count=24, on=ON
    ),
    "sscc": sscc_label("123456789012345675", gtin=ITEM, count=24, lot="L1", on=ON),
    "lone-sscc": sscc_label("123456789012345675", on=ON),
    "transfer": transfer_paper(
        "T-000123", "Oslo", "Bergen", ["12 × Screw", "A_^~\\"] * 8, "tallyman:transfer:" + "x^~_" * 60, on=ON
    ),
}


def read(width: int, height: int, gray: bytes) -> list[bytes]:
    """What an independent reader finds, each as a scanner would report it, sorted."""
    # Halving a sharp picture makes the reader see a second, wrong code in some.
    image = memoryview(gray).cast("B", (height, width))
    found = zxingcpp.read_barcodes(image, formats=FORMATS, try_downscale=False)
    return sorted({code.symbology_identifier.encode() + code.bytes for code in found})


def as_scanned(label: Label) -> list[bytes]:
    return sorted(label.says)


@pytest.mark.parametrize("name", LABELS)
def test_a_pdf_is_read_back(name: str) -> None:
    label = LABELS[name]
    with_other = page.pdf([LABELS["bin"], label])
    document = pypdfium2.PdfDocument(with_other)
    try:
        assert len(document) == 2
        bitmap = document[1].render(scale=300 / 72, grayscale=True)
        raw = bytes(bitmap.buffer)
        rows = [raw[row * bitmap.stride : row * bitmap.stride + bitmap.width] for row in range(bitmap.height)]
        assert read(bitmap.width, bitmap.height, b"".join(rows)) == as_scanned(label)
        text = document[0].get_textpage().get_text_range()
        assert "A-01-02" in text and "größer, é ø ß" in text
    finally:
        document.close()


@pytest.mark.parametrize("name", LABELS)
def test_a_picture_is_read_back(name: str, tmp_path: Path) -> None:
    label = LABELS[name]
    # pdfium has no PNG reader: the picture goes in as its own rows, unpacked by the standard library.
    width, height, gray = unpacked(page.png(label))
    assert (width, height) == (round(label.width / 25.4 * 300), round(label.height / 25.4 * 300))
    assert read(width, height, gray) == as_scanned(label)


@pytest.mark.parametrize("name", LABELS)
@pytest.mark.parametrize("dpi", [203, 300])
def test_zpl_is_read_back_from_its_bytes(name: str, dpi: int) -> None:
    label = LABELS[name]
    papers = read_zpl(zpl.job(label, dpi=dpi, copies=3))
    assert len(papers) == 1 and papers[0].faults == [] and papers[0].copies == 3
    paper = papers[0]
    found = []
    for thing in paper.things:
        if thing.kind == "code128":
            widths = [int(width) for value in checked(thing.values) for width in code128._WIDTHS[value]]
            right = thing.x + (sum(widths) + code128.QUIET) * thing.module
            assert thing.x >= code128.QUIET * thing.module and right <= paper.width, "quiet zones on the paper"
            assert thing.y + thing.height <= paper.height
            found += read(*drawn(widths))
        elif thing.kind == "qr":
            found.append(b"]Q1" + thing.data)
    assert sorted(found) == as_scanned(label)
    texts = [thing.data.decode() for thing in paper.things if thing.kind == "text"]
    assert texts == [part.text for part in label.parts if isinstance(part, Text)]


def checked(values: tuple[int, ...]) -> list[int]:
    check = (values[0] + sum(place * value for place, value in enumerate(values))) % 103
    return [*values, check, code128.STOP]


def drawn(widths: list[int]) -> tuple[int, int, bytes]:
    row = b"\xff" * 40
    for number, width in enumerate(widths):
        row += (b"\xff" if number % 2 else b"\0") * width * 4
    row += b"\xff" * 40
    return len(row), 60, row * 60


def unpacked(data: bytes) -> tuple[int, int, bytes]:
    import struct
    import zlib

    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    assert (depth, colour) == (1, 0)
    place, packed = 8, b""
    while place < len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        name, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        assert zlib.crc32(name + body) == int.from_bytes(data[place + 8 + length : place + 12 + length], "big")
        packed += body if name == b"IDAT" else b""
        place += 12 + length
    raw, stride = zlib.decompress(packed), (width + 7) // 8 + 1
    gray, grays = bytearray(), bytes.maketrans(b"01", b"\0\xff")
    for row in range(height):
        line = raw[row * stride + 1 : (row + 1) * stride]
        gray += f"{int.from_bytes(line, 'big'):0{8 * len(line)}b}".encode().translate(grays)[:width]
    return width, height, bytes(gray)


@settings(max_examples=150, deadline=None)
@given(
    text=st.one_of(
        st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=30),
        st.text("0123456789A\x1d>", min_size=1, max_size=40).filter(lambda text: text.strip("\x1d")),
    )
)
def test_any_text_as_code_128(text: str) -> None:
    """The optimised symbol holds exactly the text, by an independent reader; ZPL means the same symbol."""
    assert code128_values(code128.zpl_data(text).encode()) == code128.values(text)
    width, height, gray = drawn(code128.widths(text))
    found = zxingcpp.read_barcodes(memoryview(gray).cast("B", (height, width)), formats=FORMATS)[0]
    expected = text.encode()
    if text[0] == code128.FNC1:
        assert found.symbology_identifier == "]C1"
        expected = expected[1:]
    elif found.symbology_identifier == "]C2":  # FNC1 behind one letter or two digits is a mark of its own
        expected = expected.replace(b"\x1d", b"", 1)
    assert found.bytes == expected


def test_code_128_refuses_what_it_cannot_hold() -> None:
    for text in ("", "é", "a\tb", "x" * 81):
        with pytest.raises(Rejected):
            code128.widths(text)
    assert len(code128.values("1234567890")) == 6, "digits in pairs"


@pytest.mark.parametrize(
    "make",
    [
        lambda: own_label("bin", "SUPPLIER", on=ON),
        lambda: own_label("bin", "", on=ON),
        lambda: own_label("bin", "A" * 90, on=ON),
        lambda: own_label("control", "no", on=ON),
        lambda: own_label("shelf", "A", on=ON),
        lambda: own_label("bin", "A", "x" * 70, on=ON),
        lambda: own_label("bin", "A", "two\nlines", on=ON),
        lambda: own_label("unit", "A", labels=Labels(unit_prefix=""), on=ON),
        lambda: item_label("09501101530004", "wrong check digit", on=ON),
        lambda: item_label(ITEM, "x", lot="a b", on=ON),
        lambda: item_label(ITEM, "x", lot="x" * 21, on=ON),
        lambda: sscc_label("123456789012345670", on=ON),
        lambda: transfer_paper("T-1", "a", "b", [], "x" * 1_001, on=ON),
        lambda: zpl.job(LABELS["bin"], copies=0),
    ],
)
def test_what_would_not_scan_is_not_printed(make: object) -> None:
    assert callable(make)
    with pytest.raises(Rejected):
        label = make()
        zpl.job(label)


def test_text_stays_text_on_a_printer() -> None:
    evil = "^XA~JR^FS_5E\\"
    [paper] = read_zpl(zpl.job(item_label(ITEM, evil, on=ON)))
    assert paper.things[0].data.decode() == evil and paper.faults == []
    assert b"~JR" not in zpl.job(item_label(ITEM, evil, on=ON))


def test_the_alphabet_covers_latin_letters() -> None:
    box = font.columns("\u4e2d")[:5]
    for character in "AZaz09ÄÖÜäöüßéèêëàâçñåøæÅØÆ×–→~":
        assert font.columns(character) and font.columns(character)[:5] != box, character
    assert len({tuple(font.columns(chr(code))) for code in range(33, 127)}) == 94
    assert all(column < 1 << font.HEIGHT for column in font.columns("Ççéý"))


# -------------------------------------------------------------------------------------------- check characters


def test_checked_labels_find_a_wrong_layout() -> None:
    labels = Labels(check_character=True)
    printed = labels.printed("bin", "A-01-02")
    assert decode(b"]C0" + printed.encode(), on=ON, labels=labels).text == "A-01-02"
    assert decode(b"]C0BIN:A-01-02", on=ON, labels=labels).problems, "a label without it is refused"
    assert decode(b"]A0SKU-1", on=ON, labels=labels).ok, "codes of others have none"
    for wrong in (printed.replace("A", "Q", 1), printed.replace("0", "O", 1), printed.replace("1-0", "10-", 1) + "X"):
        assert decode(b"]C0" + wrong.encode(), on=ON, labels=labels).problems
    assert own_label("bin", "A-01-02", labels=labels, on=ON).says == [b"]C0" + printed.encode()]
    kept = 0
    for code in ("Y-01", "Z-77", "QM-1", "WAZ-9"):
        shifted = KeysProtocol("us").feed(typed(labels.printed("bin", code) + "\r", "de"))[0].data
        kept += decode(shifted, on=ON, labels=labels).kind == "bin"
    assert kept == 0


@settings(max_examples=200)
@given(text=st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=20), data=st.data())
def test_one_wrong_or_two_swapped_characters_are_found(text: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    wrong = text[:place] + other + text[place + 1 :]
    assert (check_character(wrong) == check_character(text)) == (wrong == text)
    swapped = text[:place] + text[place : place + 2][::-1] + text[place + 2 :]
    assert (check_character(swapped) == check_character(text)) == (swapped == text)


# ------------------------------------------------------------------------------------------------------ printing


@pytest.fixture
def queue(tmp_path: Path) -> PrintQueue:
    return PrintQueue(tmp_path / "prints.db", clock=CLOCK, patience_ms=600)


def test_two_that_print_at_once_print_each_job_once(tmp_path: Path, queue: PrintQueue) -> None:
    """As two terminals do that print from one file: the second must neither take the first one's job nor think it
    died."""
    queue.add("dock", "bin", zpl.job(LABELS["bin"]))
    seen: list[str] = []

    def other(address: str) -> None:
        second = PrintQueue(tmp_path / "prints.db", clock=CLOCK)
        seen.append(second.jobs()[0].state)
        second.print_next("dock", printer_at(address))
        second.close()

    with SimulatedPrinter() as paper:
        thread = threading.Thread(target=other, args=(paper.address,))

        def meanwhile(_: str) -> None:
            seams.disarm_failpoints()
            thread.start()
            until(lambda: bool(seen))

        seams.arm_failpoint("print.sending", meanwhile)
        printed = queue.print_next("dock", printer_at(paper.address))
        thread.join()
        assert seen == ["sending"] and printed is not None and printed.state == "confirmed"
        assert len(paper.jobs) == 1 and [job.state for job in queue.jobs()] == ["confirmed"]
    queue.close()


def test_a_job_is_confirmed_when_its_paper_is_out(queue: PrintQueue) -> None:
    with SimulatedPrinter() as paper:
        paper.left = 2
        queue.add("dock", "bin", zpl.job(LABELS["bin"]))
        threading.Timer(0.3, setattr, (paper, "left", 0)).start()
        job = queue.print_next("dock", printer_at(paper.address))
        assert job is not None and (job.state, job.note) == ("confirmed", "")
    queue.close()


def test_jobs_go_one_a_connection_and_are_confirmed(queue: PrintQueue) -> None:
    with SimulatedPrinter() as paper:
        for name in ("bin", "lot"):
            queue.add("dock", name, zpl.job(LABELS[name]))
        printer = printer_at(paper.address)
        states = [
            queue.print_next("dock", printer),
            queue.print_next("dock", printer),
            queue.print_next("dock", printer),
        ]
        assert [job and job.state for job in states] == ["confirmed", "confirmed", None]
        assert queue.print_next("office", printer) is None
        assert [thing.data for thing in paper.papers[0].things][1] == b">:BIN:A-01-02" and len(paper.jobs) == 2
    queue.close()


def test_a_printer_that_cannot_print_keeps_its_jobs_waiting(queue: PrintQueue) -> None:
    queue.add("dock", "bin", zpl.job(LABELS["bin"]))
    with SimulatedPrinter() as paper:
        printer = printer_at(paper.address)
        for mood, word in (("paper_out", "no paper"), ("head_open", "head is open"), ("paused", "paused")):
            setattr(paper, mood, True)
            with pytest.raises(Unavailable, match=word):
                queue.print_next("dock", printer)
            setattr(paper, mood, False)
        assert paper.jobs == [] and queue.jobs()[0].state == "queued"
        paper.left = 3
        job = queue.print_next("dock", printer)
        assert job is not None and (job.state, job.note) == ("sent", "3 labels are still to come")
    with pytest.raises(Unavailable, match="does not answer"):
        queue.add("dock", "bin", b"^XA^XZ")
        queue.print_next("dock", printer)
    queue.close()


def test_a_broken_connection_leaves_it_unknown_and_is_never_printed_again_by_itself(queue: PrintQueue) -> None:
    job = queue.add("dock", "bin", zpl.job(LABELS["bin"]))
    with SimulatedPrinter() as paper:
        printer = printer_at(paper.address)
        paper.hang_up_after = 50
        done = queue.print_next("dock", printer)
        assert done is not None and done.state == "unknown" and "hung up" in done.note
        paper.hang_up_after = 0
        assert queue.print_next("dock", printer) is None and paper.jobs == []
        again = queue.again(job.job)
        with pytest.raises(Rejected, match="not been printed yet"):
            queue.again(again.job)
        assert again.again == job.job and queue.print_next("dock", printer) is not None
        assert len(paper.papers) == 1
    with pytest.raises(Rejected):
        queue.get(99)
    queue.close()


def test_dying_while_sending_leaves_it_unknown(tmp_path: Path, queue: PrintQueue) -> None:
    queue.add("dock", "bin", zpl.job(LABELS["bin"]))

    def die(_: str) -> None:
        raise Killed("print.sending")

    seams.arm_failpoint("print.sending", die)
    with SimulatedPrinter() as paper, pytest.raises(Killed):
        queue.print_next("dock", printer_at(paper.address))
    seams.disarm_failpoints()
    queue.close()
    reopened = PrintQueue(tmp_path / "prints.db", clock=CLOCK)
    assert [job.state for job in reopened.jobs()] == ["unknown"]
    reopened.close()


def test_a_mute_printer_and_a_file_are_only_sent_to(tmp_path: Path, queue: PrintQueue) -> None:
    with SimulatedPrinter() as paper:
        paper.mute = True
        queue.add("dock", "bin", zpl.job(LABELS["bin"]))
        job = queue.print_next("dock", printer_at(paper.address))
        assert job is not None and job.state == "sent"
    queue.add("file", "bin", zpl.job(LABELS["bin"]))
    job = queue.print_next("file", FilePrinter(str(tmp_path / "out.zpl")))
    assert job is not None and job.state == "sent" and (tmp_path / "out.zpl").read_bytes() == job.data
    with pytest.raises(Unavailable):
        queue.add("file", "bin", b"x")
        queue.print_next("file", FilePrinter(str(tmp_path)))
    queue.close()


def test_a_printer_on_a_serial_port(queue: PrintQueue) -> None:
    with SimulatedScanner(clock=CLOCK) as far:
        queue.add("serial", "bin", zpl.job(LABELS["bin"]))
        printer = printer_at(f"serial://{far.path}?baud=115200")
        assert isinstance(printer, TransportPrinter)
        job = queue.print_next("serial", printer)
        assert job is not None and job.state == "sent"
        assert (b"~HS" + job.data).startswith(far.answers(500)[:100])
    queue.close()


def test_addresses_and_status() -> None:
    for wrong in (
        "",
        "dock",
        "tcp://",
        "tcp://h/x",
        "file://h/x",
        "http://h",
        "serial:///dev/x?speed=1",
        "tcp://h:x",
    ):
        with pytest.raises(Rejected):
            printer_at(wrong)
    with SimulatedPrinter() as paper:
        reply = paper.status()
    assert (
        Status.parse(reply) == Status() and Status.parse(reply[:-8]) is None and Status.parse(b"\x02\x03" * 9) is None
    )


def test_parts_are_told_apart() -> None:
    kinds = {type(part) for label in LABELS.values() for part in label.parts}
    assert kinds == {Text, Bars, Qr}


@pytest.mark.parametrize("checked", [False, True])
def test_of_a_badge_nothing_is_left_but_that_it_is_one(checked: bool) -> None:
    labels = Labels(badge_prefix="STAFF/", check_character=checked)
    for front in ("", "]C0", "]Q1", "]d1"):
        kept = labels.discreet(f"{front}{labels.printed('badge', 'AB-12')}".encode())
        scan = decode(kept, on=ON, labels=labels)
        assert scan.kind == "badge" and scan.symbology == front and b"12" not in kept
        assert labels.discreet(kept) == kept
    for other in (b"STAF", b"]C0BADGE:AB-12", b"]E04006381333931", b"]", b"", b"\xff\x00STAFF/"):
        assert labels.discreet(other) == other
    with pytest.raises(Rejected, match="check character"):
        Labels(badge_prefix="STAFF~", check_character=True)
    assert Labels(badge_prefix="").discreet(b"BADGE:AB-12") == b"BADGE:AB-12"
