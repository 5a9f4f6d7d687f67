"""Fields of a mail: addresses, identifiers, dates and words, each in all the ways it is written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from mail_gateway import mime
from mail_gateway.headers import Headers, addresses, date, decode_words, message_ids

FROM = b"From: agathe.morel@pli.example\r\n"
BIDI = "\u202e\u2066\u2069\u200f"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("agathe.morel@Pli.Example", [("", "agathe.morel@pli.example")]),
        ("Dr Morel <a@b.fr>, labo@b.fr", [("Dr Morel", "a@b.fr"), ("", "labo@b.fr")]),
        ('"Morel, Agathe" <a@b.fr>', [("Morel, Agathe", "a@b.fr")]),
        ("a@b.fr (Agathe (Dr) Morel)", [("Agathe (Dr) Morel", "a@b.fr")]),
        ("Équipe: a@b.fr, C <c@d.fr>; e@f.fr", [("", "a@b.fr"), ("C", "c@d.fr"), ("", "e@f.fr")]),
        ("undisclosed-recipients:;", []),
        ("<@relay.fr,@other.fr:a@b.fr>", [("", "a@b.fr")]),
        ("=?utf-8?Q?=C3=89quipe?= <a@b.fr>", [("Équipe", "a@b.fr")]),
        ("=?utf-8?Q?x=40evil.fr=2C?= <a@b.fr>", [("x@evil.fr,", "a@b.fr")]),  # an encoded comma makes no address
        ("=?utf-8?Q?a=0D=0ABcc:_x?= <a@b.fr>", [("a  Bcc: x", "a@b.fr")]),
        ('"Dr Morel <a@b.fr>', []),  # everything after the quote is quoted
        ('Dr "Morel" <a@b.fr>', [("Dr Morel", "a@b.fr")]),
        ("<>", []),
        ("a@[1.2", []),
        ("a@b@c", []),
        ("Dr Morel", []),
        ("a@b.fr\x00", []),
        ('"un deux"@b.fr', [("", '"un deux"@b.fr')]),
        ("Agathe <a@b.fr", []),
        ("Dr. Agathe O'Morel <a@b.fr>", [("Dr. Agathe O'Morel", "a@b.fr")]),
        (",,;, a@b.fr ,,", [("", "a@b.fr")]),
    ],
)
def test_addresses_are_read_by_the_grammar_and_nothing_encoded_makes_one(
    value: str, expected: list[tuple[str, str]]
) -> None:
    assert [(mailbox.name, mailbox.address) for mailbox in addresses(value)] == expected


def test_at_most_two_hundred_addresses_are_taken_from_a_field() -> None:
    assert len(addresses(", ".join(f"a{n}@b.fr" for n in range(500)))) == 200


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("<a@b>", ("a@b",)),
        ("<a@b> <c@d>", ("a@b", "c@d")),
        ("<a@b><c@d>", ("a@b", "c@d")),
        ("<>", ()),
        ("", ()),
        (None, ()),
        ("a@b", ("a@b",)),
        ("Message from Dr Morel <a@b> of Monday", ("a@b",)),
        ("<a\r\n @b>", ("a@b",)),
        ("<" + "a" * 2000 + "@b>", ()),
        ("garbage", ()),
    ],
)
def test_message_identifiers_are_found_in_whatever_stands_around_them(
    value: str | None, expected: tuple[str, ...]
) -> None:
    assert message_ids(value) == expected


def test_of_a_very_long_thread_the_root_and_the_nearest_are_kept() -> None:
    found = message_ids(" ".join(f"<{n}@b>" for n in range(1000)))
    assert len(found) == 100
    assert (found[0], found[-1]) == ("0@b", "999@b")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Mon, 23 Nov 2026 10:12:13 +0100", datetime(2026, 11, 23, 10, 12, 13, tzinfo=timezone(timedelta(hours=1)))),
        ("23 Nov 2026 10:12 GMT", datetime(2026, 11, 23, 10, 12, tzinfo=UTC)),
        ("Mon, 23 Nov 26 10:12:60 -0000 (UTC)", datetime(2026, 11, 23, 10, 12, 59, tzinfo=UTC)),
        ("Mon, 23 Nov 9999 10:12:13 +0100", None),
        ("Mon, 31 Feb 2026 10:12:13 +0100", None),
        ("Mon, 23 Nov 2026 10:12:13 +9999", None),
        ("lundi", None),
        ("", None),
        (None, None),
    ],
)
def test_a_date_is_an_instant_or_none(value: str | None, expected: datetime | None) -> None:
    assert date(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("=?utf-8?B?w6k=?=", "é"),
        ("=?utf-8?Q?=C3?= =?utf-8?Q?=A9?=", "é"),  # a letter cut in two by a careless sender
        ("=?iso-8859-1?q?=E9t=E9?= =?utf-8?b?w6k=?=", "étéé"),
        ("a =?utf-8?Q?b?= c", "a b c"),
        ("=?utf-8?Q?a_b?=\r\n =?utf-8?Q?c?=", "a bc"),
        ("=?utf-8?X?a?=", "=?utf-8?X?a?="),
        ("=?utf-8?B?!!!?=", ""),
        ("=?utf-7?Q?+ADw-script+AD4-?=", "+ADw-script+AD4-"),
        ("=?unicode_escape?Q?=5Cu0041?=", "\\u0041"),
        ("=?utf-8?Q?=0D=0AX-MSS-MES:_FIN?=", "  X-MSS-MES: FIN"),
        ("=?utf-8?Q?=00a?=", "a"),
        ("=?utf-8*fr?Q?=C3=A9?=", "é"),
        (f"a{BIDI}b", "ab"),
    ],
)
def test_encoded_words_become_one_clean_line(value: str, expected: str) -> None:
    assert decode_words(value) == expected


@pytest.mark.parametrize(
    "charset", ["utf-7", "punycode", "unicode_escape", "rot13", "idna", "zlib", "utf-8", "", "x", "\udce9"]
)
def test_a_text_in_any_charset_is_readable_and_none_is_executed(charset: str) -> None:
    head = FROM + b'Content-Type: text/plain; charset="' + charset.encode("utf-8", "surrogatepass") + b'"\r\n\r\n'
    assert mime.read(head + b"+ADw-a\\u0041 caf\xe9").text == "+ADw-a\\u0041 caf" + (
        "é" if charset != "utf-8" else "\ufffd"
    )


@pytest.mark.parametrize(
    "charset", ["iso-8859-1", "windows-1252", "iso-8859-15", "utf-16", "macintosh", "cp850", "utf-8"]
)
def test_the_charsets_of_french_mail_are_read(charset: str) -> None:
    codec = {"macintosh": "mac_roman"}.get(charset, charset)
    raw = FROM + f"Content-Type: text/plain; charset={charset}\r\n\r\n".encode() + "Été à l'hôpital".encode(codec)
    assert mime.read(raw).text == "Été à l'hôpital"


# Item 27: (charset as announced, octets, words). None raises, none is executed, and all that can be read is.
CHARSETS = [
    ("iso-8859-2", "Dzień dobry".encode("iso8859_2"), "Dzień dobry"),
    ("windows-1250", "Przyjęcie".encode("cp1250"), "Przyjęcie"),
    ("iso-8859-5", "Привет".encode("iso8859_5"), "Привет"),
    ("windows-1251", "Привет".encode("cp1251"), "Привет"),
    ("KOI8-R", "Привет".encode("koi8_r"), "Привет"),
    ("koi8-u", "Київ".encode("koi8_u"), "Київ"),
    ("iso-8859-7", "Γειά".encode("iso8859_7"), "Γειά"),
    ("windows-1253", "Γειά".encode("cp1253"), "Γειά"),
    ("iso-8859-9", "İyi günler".encode("cp1254"), "İyi günler"),
    ("windows-1255", "שלום".encode("cp1255"), "שלום"),
    ("iso-8859-8-i", "שלום".encode("iso8859_8"), "שלום"),
    ("windows-1256", "مرحبا".encode("cp1256"), "مرحبا"),
    ("windows-1257", "Labas rytas ė".encode("cp1257"), "Labas rytas ė"),
    ("windows-1258", "Chào".encode("cp1258"), "Chào"),
    ("iso-8859-16", "Bună ziua ș".encode("iso8859_16"), "Bună ziua ș"),
    ("tis-620", "สวัสดี".encode("cp874"), "สวัสดี"),
    ("gb2312", "你好".encode("gb2312"), "你好"),
    ("gb2312", "你好镕".encode("gbk"), "你好镕"),  # more than it announces, as senders do
    ("gb18030", "你好㐀".encode("gb18030"), "你好㐀"),
    ("big5", "你好".encode("big5"), "你好"),
    ("shift_jis", "今日は①".encode("cp932"), "今日は①"),
    ("iso-2022-jp", "今日は".encode("iso2022_jp"), "今日は"),
    ("euc-jp", "今日は".encode("euc_jp"), "今日は"),
    ("ks_c_5601-1987", "안녕".encode("cp949"), "안녕"),
    ("utf-16le", "été".encode("utf-16-le"), "été"),
    ("utf-32", "été".encode("utf-32"), "été"),
    ("UTF-8", b"\xef\xbb\xbf\xc3\xa9t\xc3\xa9", "été"),
    ("iso-8859-1", b"l\x92h\xf4pital \x80", "l’hôpital €"),  # it is Windows-1252, whatever it says
    ("us-ascii", b"\xc3\xa9t\xc3\xa9", "été"),
    ("us-ascii", b"\xe9t\xe9", "été"),
    ("utf8mb4", b"\xc3\xa9t\xc3\xa9", "été"),
    ("x-unknown", b"\xe9t\xe9", "été"),
    (" utf-8 ", b"\xc3\xa9t\xc3\xa9", "été"),
    ("=?utf-8?q?utf-8?=", b"\xc3\xa9t\xc3\xa9", "été"),
    ("hz-gb-2312", b"~{VDND~}", "~{VDND~}"),
    ("utf-7", b"+ADw-script+AD4-", "+ADw-script+AD4-"),
    ("unicode_escape", b"\\u003cscript\\u003e", "\\u003cscript\\u003e"),
    ("base64", b"PHNjcmlwdD4=", "PHNjcmlwdD4="),
]
BROKEN = [
    ("utf-8", b"caf\xc3", "caf\ufffd"),
    ("utf-8", b"\xc0\xafetc", "\ufffd\ufffdetc"),
    ("utf-8", b"\xed\xa0\x80x", "\ufffd\ufffd\ufffdx"),
    ("utf-16", b"\x00\xd8", "\ufffd"),
    ("iso-2022-jp", b"\x1b$B\xffx", "\ufffd\ufffd"),
]


def test_a_text_in_thirty_eight_charsets_is_read_and_none_of_them_runs() -> None:
    assert len(CHARSETS) == 38
    for charset, octets, words in CHARSETS:
        letter = mime.read(FROM + f'Content-Type: text/plain; charset="{charset}"\r\n\r\n'.encode() + octets)
        assert (letter.text, letter.attachments) == (words, ()), charset


@pytest.mark.parametrize(("charset", "octets", "words"), BROKEN)
def test_a_text_that_is_not_what_it_says_is_read_as_far_as_it_goes_and_its_octets_are_at_hand(
    charset: str, octets: bytes, words: str
) -> None:
    raw = FROM + f"Content-Type: text/plain; charset={charset}\r\n\r\n".encode() + octets
    letter = mime.read(raw)
    assert letter.text == words
    assert [mime.part(raw, part.number)[1] for part in letter.attachments] == [octets]


def test_fields_keep_their_order_and_are_unfolded() -> None:
    fields = Headers(b"Received: a\r\nSubject: un\r\n deux\r\nreceived: b\r\nnot a field\r\nX-Y : z\r\n\r\n")
    assert list(fields) == [("Received", "a"), ("Subject", "un deux"), ("received", "b"), ("X-Y", "z")]
    assert fields.all("received") == ("a", "b")
    assert fields.get("subject") == "un deux"
    assert fields.get("missing") is None
