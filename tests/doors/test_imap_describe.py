"""What IMAP says of a mail, and the pieces it is asked for: RFC 3501 § 6.4.5 and § 7.4.2, whatever the mail."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mail_gateway import describe
from mail_gateway.imap.fetch import Section, cut, internal_date

NESTED = (
    b'From: =?utf-8?Q?H=C3=A9l=C3=A8ne?= <labo@pli.example>\r\nTo: a@b.fr, "Le \\"Dr\\"" <c@d.fr>\r\n'
    b"Subject: =?utf-8?B?w6k=?=\r\n"
    b"Message-ID: <1@pli.example>\r\nContent-Type: multipart/mixed; boundary=out\r\n\r\n"
    b"--out\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nun\r\n"
    b"--out\r\nContent-Type: message/rfc822\r\n\r\n"
    b"From: x@y.fr\r\nSubject: dedans\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n"
    b"--in\r\n\r\ndeux\r\n--in\r\nContent-Type: text/html\r\n\r\n<p>trois</p>\r\n--in--\r\n"
    b"--out\r\nContent-Type: message/rfc822\r\n\r\nSubject: seul\r\n\r\nquatre\r\n--out--\r\n"
)


def piece(raw: bytes, part: str, kind: str = "") -> bytes | None:
    root = describe.tree(raw)
    return cut(Section(part, kind), raw[: root.header_end], raw, root)


def test_the_parts_of_a_mail_are_numbered_as_the_standard_does() -> None:
    """RFC 3501 § 6.4.5, the example's rules."""
    assert piece(NESTED, "1") == b"un"
    assert piece(NESTED, "2.1") == b"deux"
    assert piece(NESTED, "2.2") == b"<p>trois</p>"
    assert piece(NESTED, "2", "HEADER") == (
        b"From: x@y.fr\r\nSubject: dedans\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n"
    )
    assert piece(NESTED, "2", "MIME") == b"Content-Type: message/rfc822\r\n\r\n"
    assert piece(NESTED, "2.2", "MIME") == b"Content-Type: text/html\r\n\r\n"
    assert (piece(NESTED, "2", "TEXT") or b"").startswith(b"--in\r\n")
    assert piece(NESTED, "3", "TEXT") == b"quatre"
    assert piece(NESTED, "3.1") == b"quatre"
    assert piece(NESTED, "1", "HEADER") is None
    assert piece(NESTED, "4") is None
    assert piece(b"Subject: x\r\n\r\ncorps", "1") == b"corps"


def test_an_envelope_and_a_structure_say_what_is_in_a_mail() -> None:
    facts = describe.facts(NESTED)
    assert facts.envelope == (
        b'(NIL "=?utf-8?B?w6k=?=" (("=?utf-8?Q?H=C3=A9l=C3=A8ne?=" NIL "labo" "pli.example"))'
        b' (("=?utf-8?Q?H=C3=A9l=C3=A8ne?=" NIL "labo" "pli.example"))'
        b' (("=?utf-8?Q?H=C3=A9l=C3=A8ne?=" NIL "labo" "pli.example"))'
        b' ((NIL NIL "a" "b.fr")("Le \\"Dr\\"" NIL "c" "d.fr")) NIL NIL NIL "<1@pli.example>")'
    )
    assert facts.body.startswith(
        b'(("TEXT" "PLAIN" ("CHARSET" "utf-8") NIL NIL "7BIT" 2 0)("MESSAGE" "RFC822" NIL NIL NIL "7BIT" '
    )
    assert facts.body.endswith(b' "MIXED")')
    html = b'("TEXT" "HTML" ("CHARSET" "us-ascii") NIL NIL "7BIT" 12 0 NIL NIL NIL NIL)'
    assert html + b' "ALTERNATIVE" ("BOUNDARY" "in") NIL NIL NIL)' in facts.structure


def test_a_field_is_found_with_the_lines_that_continue_it() -> None:
    header = b"A: un\r\n deux\r\nB: trois\r\na: quatre\r\nC : cinq\r\n\r\n"

    def fields(kind: str, *names: bytes) -> bytes | None:
        return cut(Section("", kind, frozenset(names)), header, b"", None)

    assert fields("HEADER.FIELDS", b"a") == b"A: un\r\n deux\r\na: quatre\r\n\r\n"
    assert fields("HEADER.FIELDS", b"c") == b"C : cinq\r\n\r\n"
    assert fields("HEADER.FIELDS", b"z") == b"\r\n"
    assert fields("HEADER.FIELDS.NOT", b"a", b"c") == b"B: trois\r\n\r\n"
    # There is no blank line.
    assert cut(Section("", "HEADER.FIELDS", frozenset((b"a",))), b"A: fin", b"", None) == b"A: fin\r\n"


def test_a_date_is_written_as_the_standard_asks() -> None:
    at = int(datetime(2026, 3, 7, 8, 9, 10, tzinfo=UTC).timestamp() * 1000)
    assert internal_date(at) == b'"07-Mar-2026 08:09:10 +0000"'


def well_formed(said: bytes) -> bool:
    """Parentheses balanced, strings quoted, 7-bit and on one line, nothing but NIL and numbers between."""
    rest = re.sub(rb'"(?:[^"\\\r\n\x00-\x1f\x7f-\xff]|\\["\\])*"', b"", said)
    while (shorter := re.sub(rb"\((?:NIL|[0-9]| )*\)", b"", rest)) != rest:
        rest = shorter
    return rest == b""


_NASTY = st.sampled_from(
    [
        b"Subject: ",
        b"From: ",
        b"To: ",
        b"Content-Type: ",
        b"Content-Disposition: attachment; filename=",
        b"multipart/mixed; boundary=b",
        b"message/rfc822",
        b'text/plain; charset="\\""',
        b"\r\n",
        b"\r\n\r\n",
        b"\n\n",
        b"--b\r\n",
        b"--b--",
        b"\xff",
        b"\x00",
        b'"',
        b"\\",
        b"=?utf-8?B?AA==?=",
        b"<a@b>",
        b"(",
        b")",
        b"\xe2\x80\xae",
        b"\r",
        b"{3}\r\nabc",
        b"Message-ID: <",
        b"Content-ID: <x>",
        b"name*=utf-8''%0d%0a",
    ]
)


@settings(max_examples=300)
@given(st.lists(st.one_of(_NASTY, st.binary(max_size=8)), max_size=40).map(b"".join))
@example(b"")
@example(NESTED)
@example(b'Content-Type: text/plain; name="\xff\r\n\x00"\r\n\r\n')
def test_whatever_the_mail_its_description_can_be_parsed(raw: bytes) -> None:
    facts = describe.facts(raw)
    for said in (facts.envelope, facts.body, facts.structure):
        assert well_formed(said), said
    assert raw.startswith(facts.header)
    root = describe.tree(raw)
    for kind in ("HEADER", "TEXT", ""):
        assert cut(Section("", kind), facts.header, raw, root) is not None
    for part in ("1", "1.1", "2"):
        for kind in ("", "MIME", "HEADER", "TEXT", "HEADER.FIELDS"):
            found = cut(Section(part, kind), facts.header, raw, root)
            assert found is None or isinstance(found, bytes)


def test_a_mail_nested_too_deep_is_still_one_text_to_read() -> None:
    levels = b"".join(b"Content-Type: multipart/mixed; boundary=b%dx\r\n\r\n--b%dx\r\n" % (n, n) for n in range(300))
    raw = b"Subject: abime\r\n" + levels + b"\r\nfond"
    facts = describe.facts(raw)
    assert facts.structure.startswith(b'("TEXT" "PLAIN" ')
    assert piece(raw, "1") == raw[len(facts.header) :]


def test_the_preview_of_a_mail_is_what_its_writer_says_first() -> None:
    """RFC 8970: at most 200 characters, of the text and not of what it quotes or encloses."""

    def shown(raw: bytes) -> str:
        return describe.facts(raw).preview

    assert shown(b"Subject: x\r\n\r\nBonjour,\r\n> cit\xe9\r\n  merci   docteur\r\n") == "Bonjour, merci docteur"
    assert shown(b"Content-Type: text/html\r\n\r\n<style>p{}</style><p>Bonjour <b>vous</b></p>") == "Bonjour vous"
    assert shown(NESTED) == "un"
    assert shown(b"Content-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\ndedans") == ""
    assert len(shown(b"\r\n" + b"mot " * 5000)) <= 200
    assert shown(b"\r\n\xe2\x80\xae\x00caf\xc3\xa9") == "café"
