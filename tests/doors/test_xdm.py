"""IHE_XDM archives: the real ones read, the damaged ones refused, the deceiving ones never opened."""

from __future__ import annotations

import io
import struct
import time
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.formats import archive, cda, xdm
from server.formats.malformed import Malformed
from tests import letters

METADATA = "IHE_XDM/SUBSET01/METADATA.XML"


def refused(data: bytes) -> str:
    with pytest.raises(Malformed) as caught:
        xdm.open_xdm(data)
    assert caught.value.detail.endswith(".")
    return caught.value.code


def opened(data: bytes) -> list[bytes]:
    return [archive.read(data, entry) for entry in archive.entries(data)]


def rezipped(data: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as zipped:
        return letters.archive(
            [(name, change(name, zipped.read(name))) for name in zipped.namelist() if name[-1] != "/"]
        )


# ---- honest archives -------------------------------------------------------------------------------------------------


def test_the_discharge_letter_of_the_ans_is_one_document_about_dominique(samples: Path) -> None:
    package = xdm.open_xdm((samples / "xdm" / "LDL-SES_2022.01_IHE_XDM.ZIP").read_bytes())
    assert package.patients == (xdm.PatientId(letters.DOMINIQUE, letters.TEST_OID),)
    assert package.action == "original"
    assert package.author == "Charles DAVID"
    assert package.submission_time == datetime(2026, 5, 20, 16, 15, 33, tzinfo=UTC)
    (document,) = package.documents
    assert (document.type_code, document.class_code, document.uri) == ("11490-0", "10", "DOC0001.XML")
    assert document.path == "IHE_XDM/SUBSET01/DOC0001.XML"
    header = cda.read_header(document.content)
    assert header.id == document.unique_id  # the key duplicates are told by
    assert header.effective == document.created  # +0100 there, UTC here


def test_the_second_microbiology_report_of_the_ans_replaces_the_first(samples: Path) -> None:
    package = xdm.open_xdm((samples / "xdm" / "BIO-CR-BIO_2024.01_Microbiologie_V2_IHE_XDM.ZIP").read_bytes())
    assert package.action == "correct"
    header = cda.read_header(package.documents[0].content)
    assert header.version == 2
    assert header.replaces


def test_an_archive_of_two_documents_gives_both_in_order() -> None:
    first, second = letters.cda(title="Un"), letters.cda(title="Deux", document_id="1.2.3")
    package = xdm.open_xdm(letters.xdm_zip(documents=[first, second]))
    assert [document.content for document in package.documents] == [first, second]
    assert [document.uri for document in package.documents] == ["DOC0001.XML", "DOC0002.XML"]


@pytest.mark.parametrize(("slot", "action"), [("", "original"), ("C", "correct"), ("D", "delete")])
def test_a_correction_and_a_deletion_are_told_by_their_slot(slot: str, action: str) -> None:
    assert xdm.open_xdm(letters.xdm_zip(action=slot)).action == action


def test_the_class_is_computed_from_the_type_and_the_received_one_kept() -> None:
    (document,) = xdm.open_xdm(letters.xdm_zip(type_code="57057-2")).documents
    assert (document.class_code, document.received_class_code) == ("11", "10")


def test_an_archive_written_with_backslashes_and_small_letters_is_read() -> None:
    data = letters.xdm_zip()
    with zipfile.ZipFile(io.BytesIO(data)) as zipped:
        files = [(name.lower().replace("/", "\\"), zipped.read(name)) for name in zipped.namelist() if name[-1] != "/"]
    assert xdm.open_xdm(letters.archive(files)).documents[0].path == "ihe_xdm/subset01/doc0001.xml"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("IHE_XDM.ZIP", True),
        ("ihe_xdm.zip", True),
        ("IHE_XDM (1).Zip", True),
        ("photos.zip", False),
        ("IHE_XDM.pdf", False),
    ],
)
def test_the_archive_is_known_by_its_name_in_any_case(name: str, expected: bool) -> None:
    assert xdm.is_xdm(name, "application/zip") is expected


# ---- damaged ones ----------------------------------------------------------------------------------------------------


def test_a_document_whose_hash_is_not_the_announced_one_is_damaged() -> None:
    assert refused(letters.xdm_zip(damage=True)) == "xdm_damaged"


def test_a_document_changed_after_its_metadata_were_written_is_damaged() -> None:
    def change(name: str, content: bytes) -> bytes:
        return content.replace(b"CAMPARINI", b"CAMPARINO") if name.endswith("DOC0001.XML") else content

    assert refused(rezipped(letters.xdm_zip(), change)) == "xdm_damaged"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"DOC0001.XML</Value>", b"DOC0009.XML</Value>", "xdm_damaged"),
        (b"DOC0001.XML</Value>", b"../../README.TXT</Value>", "xdm_damaged"),
        (b'<Slot name="hash">', b'<Slot name="other">', "xdm_damaged"),
        (b'<Slot name="size"><ValueList><Value>', b'<Slot name="size"><ValueList><Value>1', "xdm_damaged"),
        (b'<Slot name="size"><ValueList><Value>', b'<Slot name="size"><ValueList><Value>-', "xdm_damaged"),
        (b"ExtrinsicObject", b"Extrinsic", "xdm_metadata"),
        (b"6b5aea1a-874d-4603-a4bc-96a0a7b38446", b"6b5aea1a-874d-4603-a4bc-96a0a7b38447", ""),
        (b"<RegistryObjectList", b"<!DOCTYPE a><RegistryObjectList", "xml"),
        (b"   <lcm:Submit", b"<!DOCTYPE a><lcm:Submit", "xml_doctype"),
        (b"</lcm:SubmitObjectsRequest>", b"", "xml"),
    ],
)
def test_metadata_that_do_not_describe_the_archive_are_refused(old: bytes, new: bytes, code: str) -> None:
    data = rezipped(letters.xdm_zip(), lambda name, content: content.replace(old, new) if name == METADATA else content)
    if code:
        assert refused(data) == code
    else:  # the patient of the document is enough
        assert [patient.ins for patient in xdm.open_xdm(data).patients] == [letters.DOMINIQUE]


def test_a_file_described_twice_is_refused_before_it_is_inflated_twice() -> None:
    def change(name: str, content: bytes) -> bytes:
        start, end = content.find(b"<ExtrinsicObject"), content.rfind(b"</RegistryObjectList>")
        return content[:end] + content[start:end] * 2 + content[end:] if name == METADATA else content

    assert refused(rezipped(letters.xdm_zip(), change)) == "xdm_damaged"


def test_an_archive_about_two_patients_or_nobody_says_so() -> None:
    data = letters.xdm_zip()

    def change(name: str, content: bytes) -> bytes:
        return content.replace(letters.DOMINIQUE.encode(), letters.CAMILLE.encode(), 1) if name == METADATA else content

    named = xdm.open_xdm(rezipped(data, change)).patients
    assert [patient.ins for patient in named] == [letters.CAMILLE, letters.DOMINIQUE]
    nobody = rezipped(data, lambda name, content: content.replace(b"279035121518989^^^&amp;", b"&amp;"))
    assert xdm.open_xdm(nobody).patients == ()


def test_metadata_too_long_to_be_honest_are_refused() -> None:
    data = rezipped(letters.xdm_zip(), lambda name, content: content + b"<!-- x -->" * 600_000 * (name == METADATA))
    assert refused(data) in ("xdm_metadata", "zip_unsafe")


def test_an_archive_that_is_none_is_refused() -> None:
    assert refused(letters.archive([("photo.jpg", b"x")])) == "xdm_metadata"
    assert refused(b"") == "zip"
    assert refused(letters.pdf()) == "zip"


# ---- deceiving ones (security.md item 33) ----------------------------------------------------------------------------


def made(*files: tuple[zipfile.ZipInfo | str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as zipped:
        for name, content in files:
            zipped.writestr(name, content)
    return out.getvalue()


def symlink(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = 0o120777 << 16
    return info


def device(name: str) -> zipfile.ZipInfo:
    info = symlink(name)
    info.external_attr = 0o020666 << 16
    return info


def zip64(data: bytes) -> bytes:
    """With the end record and locator of ZIP64, which other readers believe before the ordinary one."""
    at = data.rindex(b"PK\x05\x06")
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, 47, data.index(b"PK\x01\x02"))
    return data[:at] + record + struct.pack("<4sLQL", b"PK\x06\x07", 0, at, 1) + data[at:]


def overlapping() -> bytes:
    """Two central entries over one local file: a kilobyte that would inflate to as much as one cares to declare."""
    data = made(("a", b"x" * 5000))
    end = data.rindex(b"PK\x05\x06")
    central = data.index(b"PK\x01\x02")
    entry = data[central:end]
    twin = entry[:-1] + b"b"
    return data[:end] + twin + data[end : end + 8] + struct.pack("<HHLL", 2, 2, len(entry) * 2, central) + b"\0\0"


def nested() -> bytes:
    """A file whose stored bytes are a second file: read once as content, once as an entry of its own."""
    inner = made(("b", b"y" * 100))
    outer = made(("a", inner), compression=zipfile.ZIP_STORED)
    central, end = outer.index(b"PK\x01\x02", outer.rindex(b"PK\x05\x06") - 60), outer.rindex(b"PK\x05\x06")
    first = outer[central:end]
    at = inner.index(b"PK\x01\x02")
    second = inner[at : inner.index(b"PK\x05\x06")]
    second = second[:42] + struct.pack("<L", outer.index(inner)) + second[46:]
    directory = first + second
    return outer[:central] + directory + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 2, 2, len(directory), central, 0)


def contradicting() -> bytes:
    """The local header names another file than the central directory."""
    data = made(("IHE_XDM/A.XML", b"x"))
    return data.replace(b"IHE_XDM/A.XML", b"IHE_XDM/B.XML", 1)


def patched(data: bytes, mark: bytes, offset: int, value: bytes) -> bytes:
    at = data.index(mark) + offset
    return data[:at] + value + data[at + len(value) :]


DECEIVING = {
    "a link": made((symlink("passwd"), b"/etc/passwd")),
    "an absolute name": made(("/etc/passwd", b"x")),
    "a way up": made(("../../a", b"x")),
    "a way up inside": made(("IHE_XDM/../../a", b"x")),
    "a way up with backslashes": made(("IHE_XDM\\..\\a", b"x")),
    "a drive": made(("C:a", b"x")),
    "a control in a name": made(("a\x1bb", b"x")),
    "one name twice": made(("a", b"x"), ("b", b"y")).replace(b"b", b"a"),
    "one name twice, capitals aside": made(("a", b"x"), ("A", b"y")),
    "101 files": made(*((f"f{n}", b"x") for n in range(101))),
    "a hundredfold": made(("a", bytes(2_000_000))),
    "two contents": contradicting(),
    "overlapping files": overlapping(),
    "a file within a file": nested(),
    "an encrypted file": patched(
        patched(made(("a", b"x")), b"PK\x01\x02", 8, b"\x01\x00"), b"PK\x03\x04", 6, b"\x01\x00"
    ),
    "an encrypted file, said only once": patched(made(("a", b"x")), b"PK\x01\x02", 8, b"\x01\x00"),
    "a device": made((device("null"), b"")),
    "200 MB, announced": patched(
        made(*((f"f{n}", b"x" * 90_000) for n in range(3))), b"PK\x01\x02", 24, struct.pack("<L", 200_000_001)
    ),
    "another size in each table": patched(made(("a", b"x" * 1000)), b"PK\x01\x02", 24, struct.pack("<L", 999)),
    "another checksum in each table": patched(made(("a", b"x" * 1000)), b"PK\x03\x04", 14, b"\1\2\3\4"),
    "another compression in each table": patched(made(("a", b"x" * 1000)), b"PK\x03\x04", 8, b"\0\0"),
    "sizes after the data, said only once": patched(made(("a", b"x")), b"PK\x03\x04", 6, b"\x08\x00"),
    "another compression": made(("a", b"x" * 100), compression=zipfile.ZIP_LZMA),
    "more than announced": patched(
        patched(made(("a", b"x" * 1000)), b"PK\x01\x02", 24, struct.pack("<L", 10)),
        b"PK\x03\x04",
        22,
        struct.pack("<L", 10),
    ),
}


@pytest.mark.parametrize("data", DECEIVING.values(), ids=DECEIVING.keys())
def test_an_archive_that_could_deceive_is_not_opened(data: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        opened(data)
    assert caught.value.code == "zip_unsafe"


BROKEN = {
    "cut in the middle": letters.xdm_zip()[:2000],
    "a byte after its end": letters.xdm_zip() + b"x",
    "a byte before its start": b"x" + letters.xdm_zip(),
    "a wrong checksum": patched(
        patched(made(("a", b"x" * 100)), b"PK\x01\x02", 16, b"\0\0\0\0"), b"PK\x03\x04", 14, b"\0\0\0\0"
    ),
    "less than announced": patched(
        patched(made(("a", b"x" * 100)), b"PK\x01\x02", 24, b"\xf4\x01\0\0"), b"PK\x03\x04", 22, b"\xf4\x01\0\0"
    ),
    "a directory cut short": patched(made(("a", b"x")), b"PK\x05\x06", 8, b"\x02\x00\x02\x00"),
    "entries left over": patched(made(("a", b"x")), b"PK\x05\x06", 8, b"\x00\x00\x00\x00"),
    "a directory elsewhere": patched(made(("a", b"x")), b"PK\x05\x06", 16, b"\x00\x00\x00\x00"),
    "a file beyond the end": patched(made(("a", b"x")), b"PK\x01\x02", 42, b"\xf0\x00\x00\x00"),
    "sizes of ZIP64": patched(made(("a", b"x")), b"PK\x01\x02", 20, b"\xff" * 8),
    "a place of ZIP64": patched(made(("a", b"x")), b"PK\x01\x02", 42, b"\xff" * 4),
    "a count of ZIP64": patched(made(("a", b"x")), b"PK\x05\x06", 8, b"\xff" * 4),
    "a directory of ZIP64 before the end": zip64(made(("a", b"x"))),
    "a second disk": patched(made(("a", b"x")), b"PK\x05\x06", 4, b"\1\0"),
    "a name in no charset": patched(made(("é", b"x")), b"PK\x01\x02", 46, b"\xff"),
}  # fmt: skip


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_archive_is_not_opened(data: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        opened(data)
    assert caught.value.code in ("zip", "zip_unsafe")


def test_what_the_archive_module_of_python_writes_is_read_byte_for_byte() -> None:
    files = [("vide", b""), ("IHE_XDM/a", b"x" * 70_000), ("été", bytes(range(256))), ("b", b"1")]
    for compression in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
        data = made(*files, compression=compression)
        assert [(entry.name, archive.read(data, entry)) for entry in archive.entries(data)] == files


def test_an_archive_written_to_a_pipe_with_sizes_after_the_data_is_read() -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.data = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, piece: bytes) -> int:  # type: ignore[override]  # any buffer, here bytes
            self.data += piece
            return len(piece)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("a", b"x" * 1000)
        zipped.writestr("b", b"y" * 1000)
    data = bytes(pipe.data)
    assert opened(data) == [b"x" * 1000, b"y" * 1000]


def test_a_bomb_costs_no_time_and_no_memory() -> None:
    bomb = patched(overlapping(), b"PK\x01\x02", 24, struct.pack("<L", 0xFFFFFF00))
    started = time.process_time()
    assert refused(bomb) == "zip_unsafe"
    assert time.process_time() - started < 0.5


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_damage_to_an_archive_raises_anything_but_a_refusal(data: st.DataObject) -> None:
    raw = bytearray(letters.xdm_zip(body=b"", narrative="x"))
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        package = xdm.open_xdm(bytes(raw))
    except Malformed:
        return
    assert package.documents[0].content == letters.cda(body=b"", narrative="x")  # what got through is undamaged
