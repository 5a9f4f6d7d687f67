"""BINARY (RFC 3516): parts of a mail with their encoding undone."""

from __future__ import annotations

import pytest

from mail_gateway import describe
from mail_gateway.imap.commands import Fetch
from mail_gateway.imap.fetch import Section, UnknownEncoding, cut, opening
from mail_gateway.imap.parser import parse

MIXED = (
    b"Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\nAwQ=\r\n"
    b"--b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nl=C3=A0=\r\n bas\r\n"
    b"--b\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nbegin\r\n"
    b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: y\r\nContent-Transfer-Encoding: base64\r\n\r\nb3Vp\r\n"
    b"--b--\r\n"
)


def asked(item: str) -> Section:
    fetch = parse([b"a FETCH 1 " + item.encode()]).what
    assert isinstance(fetch, Fetch)
    (section,) = fetch.wanted.sections
    return section


def piece(item: str, raw: bytes = MIXED) -> bytes | None:
    root = describe.tree(raw)
    return cut(asked(item), raw[: root.header_end], raw, root)


def test_a_part_comes_with_its_encoding_undone() -> None:
    assert piece("BINARY[1]") == bytes(range(5))
    assert piece("BODY[1]") == b"AAEC\r\nAwQ="
    assert piece("BINARY.PEEK[2]") == "là bas".encode()
    assert piece("BINARY[4.1]") == b"oui"
    assert piece("BINARY[1]", b"Content-Transfer-Encoding: base64\r\n\r\nb3Vp\r\n") == b"oui"
    assert piece("BINARY[5]") is None


def test_a_piece_is_of_what_is_decoded() -> None:
    """RFC 3516 § 4.2: the partial is applied after the encoding was undone."""
    assert piece("BINARY[1]<1.3>") == b"\x01\x02\x03"
    assert piece("BINARY[1]<9.3>") == b""
    assert piece("BINARY[1]<4.9223372036854775807>") == b"\x04"


def test_what_holds_parts_or_a_mail_comes_as_it_stands() -> None:
    assert piece("BINARY[]") == MIXED
    assert piece("BINARY[4]") == b"Subject: y\r\nContent-Transfer-Encoding: base64\r\n\r\nb3Vp"


def test_an_encoding_that_nobody_knows_is_said() -> None:
    """NO [UNKNOWN-CTE]; as it stands, the part can still be had."""
    for item in ("BINARY[3]", "BINARY.SIZE[3]"):
        with pytest.raises(UnknownEncoding):
            piece(item)
    assert piece("BODY[3]") == b"begin"


def test_the_answer_is_called_as_what_was_asked_and_says_nul_in_a_literal_of_its_own() -> None:
    assert opening(asked("BINARY[1]<1.3>"), b"\0\1") == b"BINARY[1]<1> ~{2}\r\n"
    assert opening(asked("BINARY.PEEK[2]"), b"la") == b"BINARY[2] {2}\r\n"
    assert opening(asked("BINARY[5]"), None) == b"BINARY[5] NIL"
    assert opening(asked("BINARY.SIZE[1]"), bytes(5)) == b"BINARY.SIZE[1] 5"
    assert opening(asked("BINARY.SIZE[9]"), None) == b"BINARY.SIZE[9] 0"
    assert opening(asked("BODY[1]"), b"\0") == b"BODY[1] {1}\r\n"
