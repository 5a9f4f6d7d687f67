"""What is read from an IMAP client: the ordinary commands, and whatever else somebody may send."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mail_gateway.imap.commands import Append, Authenticate, Command, Copy, Fetch, Login, Search, Store
from mail_gateway.imap.fetch import Wanted
from mail_gateway.imap.parser import parse, tag_of
from mail_gateway.imap.syntax import BadCommand, Ids, Literal, Part


def one(line: bytes) -> Command:
    return parse([line])


# ---- commands --------------------------------------------------------------------------------------------------------


def test_a_password_may_be_an_atom_a_quoted_string_or_a_literal_and_never_shows_in_a_log() -> None:
    for parts in (
        [b'a LOGIN morel "se cret\\""'],
        [b"a LOGIN ", Literal(b"morel", 5), b" ", Literal(b'se cret"', 8), b""],
        [b"a login morel ", Literal(b'se cret"', 8), b""],
    ):
        assert parse(parts).what == Login("morel", 'se cret"')  # type: ignore[arg-type]
    assert "secret" not in repr(one(b"a LOGIN morel secret"))
    assert "AHNlY3JldA==" not in repr(one(b"a AUTHENTICATE PLAIN AHNlY3JldA=="))
    assert one(b"a AUTHENTICATE plain").what == Authenticate("PLAIN", None)
    assert one('a LOGIN morel "mot de passé"'.encode()).what == Login("morel", "mot de passé")


def test_a_fetch_says_exactly_what_is_wanted() -> None:
    asked = one(b'a UID FETCH 4:6,9:* (FLAGS body.peek[header.fields ("Date" From)]<0.100> BODY[1.2.MIME] RFC822.SIZE)')
    assert asked.uid
    assert isinstance(asked.what, Fetch)
    assert asked.what.ids == Ids(((4, 6), (9, 0)))
    assert asked.what.wanted.names == {"FLAGS", "RFC822.SIZE"}
    first, second = asked.what.wanted.sections
    assert first.fields == {b"date", b"from"}
    assert (first.partial, first.peek) == ((0, 100), True)
    assert first.label == b"BODY[HEADER.FIELDS (Date From)]<0>"
    assert (second.part, second.kind, second.peek, second.label) == ("1.2", "MIME", False, b"BODY[1.2.MIME]")
    assert one(b"a FETCH 1 FULL").what == Fetch(
        Ids(((1, 1),)), Wanted(frozenset({"FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"}))
    )


def test_store_append_copy_and_search_are_read_to_their_end() -> None:
    both = frozenset({"\\seen", "$Vu"})
    assert one(b"a STORE 1 +FLAGS.SILENT (\\Seen $Vu)").what == Store(Ids(((1, 1),)), "+", True, both)
    assert one(b"a STORE 1 FLAGS \\Seen").what == Store(Ids(((1, 1),)), "", False, frozenset({"\\seen"}))
    assert one(b"a STORE 1 -FLAGS ()").what == Store(Ids(((1, 1),)), "-", False, frozenset())
    assert one(b'a UID COPY 1:2 "inbox"').what == Copy(Ids(((1, 2),)), "INBOX")
    letter = Literal(b"Subject: x\r\n\r\n", 14)
    assert parse([b'a APPEND Sent (\\Seen) " 1-Jan-2026 10:00:00 +0100" ', letter, b""]).what == Append(
        "Sent", frozenset({"\\seen"}), 1_767_258_000_000, letter
    )
    search = one(b"a SEARCH CHARSET utf-8 UNSEEN OR FROM x NOT (1:3 UID 5)").what
    assert isinstance(search, Search)
    assert search.charset == "UTF-8"
    assert [numbers.uid for numbers, _ in search.numbers] == [False, True]


# As programs are known to write them: Thunderbird, Apple Mail, Outlook, K-9, mutt, mbsync, offlineimap, imaplib.
_KNOWN = r"""
ID ("name" "Thunderbird" "version" "140.4.0")
ID ("name" "Mac OS X Mail" "version" "16.0" "os" "Mac OS X" "vendor" "Apple Inc.")
list (subscribed) "" "*" return (special-use)
list "" "" return (special-use)
lsub "" "*"
LIST "" "INBOX" RETURN (STATUS (MESSAGES UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ))
select "INBOX" (CONDSTORE)
SELECT INBOX (QRESYNC (1600000000 54 1:30))
getquotaroot "INBOX"
UID fetch 1:* (FLAGS)
UID fetch 31:* (FLAGS) (CHANGEDSINCE 54)
UID fetch 1,3,5 (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID Priority)])
UID fetch 1 (UID RFC822.SIZE BODY.PEEK[]<0.65536>)
uid store 1,2 +Flags (\Seen $label1 Junk)
UID STORE 1 (UNCHANGEDSINCE 3) +FLAGS.SILENT (\Deleted)
FETCH 1:* (FLAGS UID MODSEQ) (CHANGEDSINCE 0)
UID SEARCH RETURN (ALL) 1:* NOT DELETED
UID SEARCH UID 1:* SINCE 1-Jan-2026
UID SEARCH 1:* NOT DELETED
UID SEARCH CHARSET UTF-8 (OR SUBJECT "genou" FROM "marcel") UNDELETED
UID SEARCH HEADER Message-ID <a@b.example>
UID SEARCH KEYWORD X-OfflineIMAP
UID FETCH 2 (BODYSTRUCTURE ENVELOPE INTERNALDATE)
FETCH 1:5 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (DATE FROM SENDER X-LABEL)])
FETCH 1 (RFC822)
FETCH 1 RFC822.HEADER
UID MOVE 1:4 "Archive"
UID COPY 9 Trash
UID EXPUNGE 9
STATUS "Equipes/Accueil" (UIDNEXT MESSAGES UNSEEN RECENT)
STATUS Sent (UIDVALIDITY)
ENABLE QRESYNC
ENABLE UTF8=ACCEPT
AUTHENTICATE XOAUTH2 dXNlcj1tb3JlbAFhdXRoPUJlYXJlciB4AQE=
"""


@pytest.mark.parametrize("line", _KNOWN.strip().splitlines())
def test_what_known_programs_write_is_a_command(line: str) -> None:
    assert one(b"A0001 " + line.encode()).tag == "A0001"


_REFUSED = b"""
a
a NOOP x
* NOOP
a+b NOOP
a LOGIN x
a LOGIN x y z
a FETCH 0 FLAGS
a FETCH 1:0 FLAGS
a FETCH 1 ()
a FETCH 1 (FLAGS
a FETCH 1 BODY[MIME]
a FETCH 1 BODY[0]
a FETCH 1 BODY[1.]
a FETCH 1 BODY[]<0.0>
a FETCH 1 BODY[HEADER.FIELDS ()]
a FETCH 1 (ALL)
a FETCH 4294967296 FLAGS
a FETCH a FLAGS
a STORE 1 FLAGS
a STORE 1 +LABELS (x)
a SEARCH
a SEARCH NOT
a SEARCH ON 31-Feb-2026
a SEARCH LARGER x
a STATUS INBOX ()
a STATUS INBOX (WEIGHT)
a UID LOGIN x y
a APPEND Sent
a UID EXPUNGE
a ID (
a IDLE x
a FETCH 1 BODY[HEADER.FIELDS (a]b)]
"""


@pytest.mark.parametrize(
    "line", [*_REFUSED.strip().splitlines(), b"", b"a ", b" NOOP", b"a NOOP ", b'a LOGIN "x y', b"a LOGIN \x00 x"]
)
def test_what_is_not_a_command_is_refused_without_being_repeated(line: bytes) -> None:
    with pytest.raises(BadCommand) as refused:
        one(line)
    assert refused.value.text.isascii()
    assert not re.search(r"[\r\n]", refused.value.tag + refused.value.text)


def test_a_refusal_bears_the_tag_of_its_command() -> None:
    with pytest.raises(BadCommand) as refused:
        one(b"k7 NIMPORTE")
    assert refused.value.tag == "k7"
    assert tag_of(b"k7 LOGIN x") == "k7"
    assert tag_of(b"k7") == "*"
    assert tag_of(b"\xff\xff x") == "*"


_PLAIN = b"""
a ( ) * : , [ ] < > 0 1 4294967295 9223372036854775808 . $ {3} ~{3} UID FETCH STORE SEARCH LOGIN APPEND STATUS LIST COPY
EXPUNGE ID AUTHENTICATE FLAGS +FLAGS BODY BODY.PEEK HEADER.FIELDS MIME RFC822.SIZE ALL NOT OR FROM HEADER
BEFORE 1-Feb-2026 KEYWORD CHARSET INBOX NIL PLAIN = RETURN STATUS( CHANGEDSINCE VANISHED UNCHANGEDSINCE QRESYNC
CONDSTORE BINARY[1] BINARY.SIZE PREVIEW LAZY MODSEQ "/flags/a" all YOUNGER THREADID (SUBSCRIBED) RECURSIVEMATCH
SPECIAL-USE MIN SAVE UTF8 USE &AOk- & - "17-Jul-2026
"""
_WORDS = st.sampled_from([*_PLAIN.split(), b" ", b'"', b"\\", b"\r", b"\n", b"\x00", b"\xff", b"\xc3\xa9", b"\\Seen"])
_PIECES = st.lists(st.one_of(_WORDS, st.binary(max_size=6)), max_size=30).map(b"".join)
_PARTS = st.lists(st.one_of(_PIECES, st.builds(Literal, st.binary(max_size=20), st.integers(0, 30))), max_size=6)


@settings(max_examples=300)
@given(_PARTS)
@example([Literal(b"", 0)])
@example([b"a LOGIN ", Literal(b"x", 1)])
@example([b"a LOGIN ", Literal(b"x", 1), Literal(b"y", 1)])
@example([b"a SEARCH 1 ", b"2"])
def test_whatever_is_sent_is_a_command_or_refused(parts: list[Part]) -> None:
    try:
        found = parse(parts)
    except BadCommand:
        return
    assert found.tag.isascii()


@settings(max_examples=300)
@given(st.lists(st.one_of(_WORDS, st.just(b" ")), max_size=40).map(b"".join))
def test_whatever_follows_a_tag_and_a_name_is_a_command_or_refused(rest: bytes) -> None:
    for name in (b"FETCH 1 ", b"SEARCH ", b"UID STORE 1:* ", b"STATUS ", b"LIST ", b"APPEND ", b"ID ", b"SELECT a ("):
        try:
            parse([b"a " + name + rest], utf8=len(rest) % 2 == 0)
        except BadCommand:
            continue


@pytest.mark.parametrize(
    "line",
    [
        b"a SEARCH " + b"(" * 65_000,
        b"a SEARCH " + b"NOT " * 16_000 + b"ALL",
        b"a SEARCH " + b"OR " * 20_000,
        b"a SEARCH " + b"ALL " * 16_000 + b"ALL",
        b"a SEARCH FROM " + b'"' + b"\\\\" * 32_000,
        b"a FETCH " + b"1:*," * 16_000 + b"1 FLAGS",
        b"a FETCH 1 (" + b"FLAGS " * 10_000 + b")",
        b"a FETCH 1 (" + b"BODY[1] " * 8_000,
        b"a FETCH 1 BODY[" + b"1." * 32_000,
        b"a FETCH 1 BODY[HEADER.FIELDS (" + b"a " * 32_000,
        b"a LOGIN " + b"x" * 65_000,
        b"a ID (" + b'"a" ' * 16_000,
        b"a ENABLE" + b" X" * 32_000,
        b"a SELECT x (QRESYNC (1 2 " + b"1," * 30_000 + b"1))",
        b"a SELECT &" + b"AGEA" * 16_000,
        b"a SELECT " + b"&-" * 32_000,
        b'a LIST "" (' + b"* " * 32_000,
        b'a LIST "" * RETURN (' + b"STATUS (SIZE) " * 4_000,
        b"a STATUS x (" + b"SIZE " * 12_000,
        b"a STORE 1 FLAGS (" + b"a " * 32_000,
        b"a FETCH 1 PREVIEW (" + b"LAZY " * 12_000,
        b"a FETCH 1 FLAGS (" + b"CHANGEDSINCE 1 " * 4_000,
        b"a SEARCH RETURN (" + b"MIN " * 16_000,
        b"a SEARCH " + b"$,1," * 16_000 + b"1",
        b'a SEARCH SUBJECT "' + "\u0301\u0316".encode() * 16_000 + b'"',
        b"a APPEND x (" + b"\\Seen " * 10_000,
        b"a CREATE x (USE (" + b"\\Sent " * 10_000,
        b"x" * 65_000,
    ],
)
def test_the_longest_command_takes_no_time(line: bytes) -> None:
    started = time.process_time()
    try:
        parse([line])
    except BadCommand:
        pass
    assert time.process_time() - started < 0.5


# ---- numbers ---------------------------------------------------------------------------------------------------------

_RANGES = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=6).map(tuple)


@given(_RANGES, st.lists(st.integers(1, 30), unique=True).map(sorted))
def test_a_set_names_each_message_once_in_order(ranges: tuple[tuple[int, int], ...], uids: list[int]) -> None:
    """Against the definition, read slowly."""
    ids = Ids(ranges)

    def named(value: int, last: int) -> bool:
        return any(min(a or last, b or last) <= value <= max(a or last, b or last) for a, b in ranges)

    assert ids.among(uids) == [place for place, uid in enumerate(uids) if named(uid, uids[-1])]
    assert ids.positions(len(uids)) == [place for place in range(len(uids)) if named(place + 1, len(uids))]
