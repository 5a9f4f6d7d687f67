"""The grammar of the mail client's door, extension by extension: what is written, and what is understood."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mail_gateway.imap import names
from mail_gateway.imap.commands import (
    Append,
    Authenticate,
    Copy,
    Enable,
    Fetch,
    Folder,
    Identify,
    Listing,
    Resync,
    Search,
    Select,
    Status,
    Store,
    What,
)
from mail_gateway.imap.fetch import ITEMS, Section, Wanted, internal_date
from mail_gateway.imap.mailboxes import MAX_NAME
from mail_gateway.imap.parser import parse
from mail_gateway.imap.syntax import BadCommand, Ids, Literal, Part

ONE = Ids(((1, 1),))
ALL = Ids(((1, 0),))
SAVED = Ids((), saved=True)


def what(line: str, *, utf8: bool = False) -> What:
    return parse([b"a " + line.encode()], utf8=utf8).what


def refused(parts: Sequence[Part], *, utf8: bool = False) -> str:
    with pytest.raises(BadCommand) as bad:
        parse(parts, utf8=utf8)
    return bad.value.text


_UNDERSTOOD: dict[str, What] = {
    # RFC 2971, 5161, 4959
    "ID NIL": Identify(),
    'ID ("Name" "Thunderbird" "version" NIL)': Identify({"name": "Thunderbird", "version": ""}),
    "ID ()": Identify(),
    "ENABLE condstore UTF8=ACCEPT CONDSTORE": Enable(("CONDSTORE", "UTF8=ACCEPT")),
    "AUTHENTICATE xoauth2 =": Authenticate("XOAUTH2", b"="),
    # RFC 3501 and 9051 § 6.3
    "SELECT inbox": Select("INBOX"),
    'CREATE "Mes patients"': Folder("Mes patients"),
    r"CREATE Envoi (USE (\Sent \ARCHIVE))": Folder("Envoi", use=frozenset({"\\sent", "\\archive"})),
    "RENAME a b": Folder("a", to="b"),
    "GETQUOTA INBOX": Folder("INBOX"),
    'GETQUOTA ""': Folder(""),
    "GETQUOTAROOT inbox": Folder("INBOX"),
    "NAMESPACE": None,
    "UNSELECT": None,
    # RFC 7162
    "SELECT INBOX (CONDSTORE)": Select("INBOX", condstore=True),
    "SELECT INBOX (QRESYNC (67 9000000000))": Select("INBOX", resync=Resync(67, 9_000_000_000)),
    "EXAMINE INBOX (QRESYNC (67 8 41,43:211))": Select(
        "INBOX", resync=Resync(67, 8, Ids(((41, 41), (43, 211))), None)
    ),
    "SELECT INBOX (QRESYNC (67 8 1:2 (1,2 3:4)) CONDSTORE)": Select(
        "INBOX", condstore=True, resync=Resync(67, 8, Ids(((1, 2),)), (Ids(((1, 1), (2, 2))), Ids(((3, 4),))))
    ),
    "SELECT INBOX (QRESYNC (67 8 (1 3)))": Select("INBOX", resync=Resync(67, 8, None, (ONE, Ids(((3, 3),))))),
    "FETCH 1:* FLAGS (CHANGEDSINCE 0)": Fetch(ALL, Wanted(frozenset({"FLAGS", "MODSEQ"})), 0),
    "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 9 VANISHED)": Fetch(ALL, Wanted(frozenset({"FLAGS", "MODSEQ"})), 9, True),
    "STORE 1 (UNCHANGEDSINCE 0) -FLAGS.silent Seen": Store(ONE, "-", True, frozenset({"Seen"}), 0),
    # RFC 5258, 5819, 6154
    'LIST "" inbox%': Listing("", ("inbox%",)),
    'LIST "" ("INBOX" Equipes/*)': Listing("", ("INBOX", "Equipes/*"), extended=True),
    'LIST (SUBSCRIBED recursivematch) "" % RETURN (CHILDREN)': Listing(
        "", ("%",), frozenset({"SUBSCRIBED", "RECURSIVEMATCH"}), frozenset({"SUBSCRIBED", "CHILDREN"}), extended=True
    ),
    'LIST () "" * return ()': Listing("", ("*",), extended=True),
    'LIST (REMOTE SPECIAL-USE) "" *': Listing(
        "", ("*",), frozenset({"REMOTE", "SPECIAL-USE"}), frozenset({"SPECIAL-USE"}), extended=True
    ),
    'LIST "" % RETURN (SPECIAL-USE STATUS (MESSAGES SIZE))': Listing(
        "", ("%",), returns=frozenset({"SPECIAL-USE"}), status=("MESSAGES", "SIZE"), extended=True
    ),
    'LSUB "" *': Listing("", ("*",)),
    # RFC 9051 § 6.3.11, 7162, 8474, 7889
    "STATUS INBOX (size DELETED HIGHESTMODSEQ MAILBOXID APPENDLIMIT size)": Status(
        "INBOX", ("SIZE", "DELETED", "HIGHESTMODSEQ", "MAILBOXID", "APPENDLIMIT")
    ),
    # RFC 5182: what the last SEARCH saved stands wherever message numbers do
    "FETCH $ UID": Fetch(SAVED, Wanted(frozenset({"UID"}))),
    "UID STORE $,4 FLAGS ()": Store(Ids(((4, 4),), saved=True), "", False, frozenset()),
    "MOVE $ Trash": Copy(SAVED, "Trash"),
    "UID EXPUNGE $": SAVED,
    "UID MOVE 3:* Archive": Copy(Ids(((3, 0),)), "Archive"),
    # RFC 8474, 8970
    "FETCH 1 (EMAILID THREADID PREVIEW)": Fetch(ONE, Wanted(frozenset({"EMAILID", "THREADID", "PREVIEW"}))),
    "FETCH 1 (PREVIEW (lazy) UID)": Fetch(ONE, Wanted(frozenset({"PREVIEW", "UID"}), lazy=True)),
    "FETCH 1 PREVIEW (LAZY)": Fetch(ONE, Wanted(frozenset({"PREVIEW"}), lazy=True)),
    "FETCH 1 PREVIEW (CHANGEDSINCE 4)": Fetch(ONE, Wanted(frozenset({"PREVIEW", "MODSEQ"})), 4),
    "FETCH 1 (PREVIEW PREVIEW (LAZY))": Fetch(ONE, Wanted(frozenset({"PREVIEW"}))),
    # RFC 3516
    "FETCH 1 (BINARY[1.2]<0.9> BINARY.PEEK[] BINARY.SIZE[2])": Fetch(
        ONE,
        Wanted(
            frozenset(),
            (
                Section("1.2", partial=(0, 9), label=b"BINARY[1.2]<0>", decoded=True),
                Section("", peek=True, label=b"BINARY[]", decoded=True),
                Section("2", peek=True, label=b"BINARY.SIZE[2]", decoded=True, sized=True),
            ),
        ),
    ),
    "FETCH 1 BODY[]<9000000000.9223372036854775807>": Fetch(
        ONE,
        Wanted(frozenset(), (Section(partial=(9_000_000_000, 2**63 - 1), label=b"BODY[]<9000000000>"),)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("line", _UNDERSTOOD)
def test_what_a_client_writes_is_understood(line: str) -> None:
    assert what(line) == _UNDERSTOOD[line]


_REFUSED = r"""
ID ("name")
ID ("name" "x" "y")
ENABLE
ENABLE (CONDSTORE)
SELECT INBOX ()
SELECT INBOX (CONDSTORE CONDSTORE CONDSTORE)
SELECT INBOX (ANNOTATE)
SELECT INBOX (QRESYNC)
SELECT INBOX (QRESYNC (67))
SELECT INBOX (QRESYNC (67 8 1:*))
SELECT INBOX (QRESYNC (67 8 $))
SELECT INBOX (QRESYNC (67 8 (1:2 5)))
SELECT INBOX (QRESYNC (67 8 1 2))
SELECT INBOX (QRESYNC (67 9223372036854775808))
EXAMINE INBOX CONDSTORE
CREATE x (USE)
CREATE x (USE (Sent))
CREATE x (SIZE (1))
RENAME a
LIST "" (
LIST "" ()
LIST (UNKNOWN) "" *
LIST (RECURSIVEMATCH) "" *
LIST (RECURSIVEMATCH REMOTE) "" *
LIST "" * RETURN
LIST "" * RETURN CHILDREN
LIST "" * RETURN (MYRIGHTS)
LIST "" * RETURN (STATUS)
LIST "" * RETURN (STATUS ())
LIST "" * CHILDREN
LSUB "" (a b)
LSUB "" a RETURN ()
STATUS INBOX (MESSAGES SIZES)
STATUS INBOX MESSAGES
FETCH 1 FLAGS ()
FETCH 1 FLAGS (VANISHED)
FETCH 1 FLAGS (CHANGEDSINCE)
FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)
UID FETCH 1 FLAGS (VANISHED)
UID FETCH 1 FLAGS (PARTIAL 1:2)
FETCH 1 (FLAGS)(CHANGEDSINCE 1)
FETCH 1 BINARY
FETCH 1 BINARY[HEADER]
FETCH 1 BINARY[1.MIME]
FETCH 1 BINARY[1]<0.0>
FETCH 1 BINARY.SIZE[1]<0.9>
FETCH 1 (PREVIEW (FUZZY))
FETCH 1 PREVIEW ()
FETCH 1 BODY[]<0.9223372036854775808>
FETCH 1,$,, FLAGS
FETCH $$ FLAGS
FETCH $:4 FLAGS
STORE 1 (UNCHANGEDSINCE) FLAGS ()
STORE 1 (CHANGEDSINCE 1) FLAGS ()
STORE 1 (UNCHANGEDSINCE 1 UNCHANGEDSINCE 2) FLAGS ()
SEARCH RETURN (MEDIAN) ALL
SEARCH RETURN (MIN)
SEARCH RETURN MIN ALL
SEARCH MODSEQ
SEARCH MODSEQ "/flags/\\draft" 620
SEARCH MODSEQ "/flags/\\draft" most 620
SEARCH YOUNGER 0
SEARCH OLDER
SEARCH EMAILID
SEARCH THREADID é
SEARCH ON "1-Jan-2026
SEARCH KEYWORD
UID EXPUNGE
UID CAPABILITY
GETQUOTA
GETQUOTAROOT
SETQUOTA "" (STORAGE 1)
COMPRESS DEFLATE
"""


@pytest.mark.parametrize("line", _REFUSED.strip().splitlines())
def test_what_no_standard_has_is_refused(line: str) -> None:
    refused([b"a " + line.encode()])


def test_a_search_says_how_it_wants_to_be_answered() -> None:
    asked = what('SEARCH return (min COUNT save) charset utf-8 MODSEQ "/flags/\\\\draft" all 620 UID $')
    assert isinstance(asked, Search)
    assert (asked.returns, asked.charset, asked.modseq) == (frozenset({"MIN", "COUNT", "SAVE"}), "UTF-8", True)
    assert [numbers.ids for numbers, _ in asked.numbers] == [SAVED]
    asked = what("SEARCH RETURN () UNSEEN")
    assert isinstance(asked, Search)
    assert (asked.returns, asked.modseq) == (frozenset({"ALL"}), False)  # RFC 4731 § 3.1
    asked = what("SEARCH UNSEEN")
    assert isinstance(asked, Search)
    assert asked.returns is None


def test_a_search_in_an_unknown_charset_is_understood_so_that_it_can_be_answered() -> None:
    """NO [BADCHARSET], not BAD (RFC 9051 § 7.1)."""
    asked = parse([b"a SEARCH CHARSET KOI8-R SUBJECT ", Literal(b"\xcf\xd0", 2), b""]).what
    assert isinstance(asked, Search)
    assert asked.charset == "KOI8-R"
    assert refused([b"a SEARCH CHARSET UTF-8 SUBJECT ", Literal(b"\xcf\xd0", 2), b""]) == "Not in this charset"


# ---- APPEND ----------------------------------------------------------------------------------------------------------


def test_a_mail_is_appended_as_a_literal_a_binary_one_or_in_utf8() -> None:
    plain, binary = Literal(b"A: b\r\n\r\n", 8), Literal(b"A: b\r\n\r\n\0", 9, binary=True)
    assert parse([b"a APPEND Sent ", plain, b""]).what == Append("Sent", frozenset(), None, plain)
    assert parse([b"a APPEND Sent (\\Draft $Label1) ", binary, b""]).what == Append(
        "Sent", frozenset({"\\draft", "$Label1"}), None, binary
    )
    dated = parse([b'a APPEND Drafts "17-Jul-2026 02:44:25 -0730" utf8 (', binary, b")"]).what
    assert dated == Append("Drafts", frozenset(), 1_784_283_265_000, binary, utf8=True)


def test_one_message_is_appended_at_a_time_and_whole() -> None:
    plain, binary = Literal(b"x", 1), Literal(b"x", 1, binary=True)
    assert refused([b"a APPEND Sent ", plain, b" ", plain, b""]) == "One message at a time"
    refused([b"a APPEND Sent (\\Seen) ", plain, b" (\\Seen) ", plain, b""])
    refused([b"a APPEND Sent UTF8 (", plain, b")"])
    refused([b"a APPEND Sent UTF8 (", binary, b""])
    refused([b"a APPEND Sent CATENATE (", plain, b")"])
    refused([b'a APPEND Sent "41-Jan-2026 10:00:00 +0100" ', plain, b""])
    refused([b'a APPEND Sent "01-Jan-2026 10:00:00 +2400" ', plain, b""])
    refused([b'a APPEND Sent "01-Jan-2026 10:00:61 +0100" ', plain, b""])
    refused([b"a LOGIN ", binary, b" x"])  # a name is never binary


@given(st.integers(0, 253_402_214_400), st.integers(0, 999))
def test_a_date_that_we_said_comes_back_as_it_was(seconds: int, more: int) -> None:
    said = internal_date(seconds * 1000 + more)
    read = parse([b"a APPEND Sent " + said + b" ", Literal(b"", 0), b""]).what
    assert isinstance(read, Append)
    assert read.at == seconds * 1000


@pytest.mark.parametrize(
    "said", ["01-Jan-0001 00:00:00 +2359", "31-Dec-9999 23:59:60 -2359", " 1-jan-1970 00:00:00 +0100"]
)
def test_a_date_out_of_this_world_is_the_nearest_one_in_it(said: str) -> None:
    read = parse([f'a APPEND Sent "{said}" '.encode(), Literal(b"", 0), b""]).what
    assert isinstance(read, Append)
    assert read.at is not None
    assert internal_date(read.at)


# ---- names of mailboxes ----------------------------------------------------------------------------------------------


def test_a_mailbox_has_one_name_however_it_is_written() -> None:
    assert what('SELECT "Equipes/Cardiologie p&AOk-diatrique"') == Select("Equipes/Cardiologie pédiatrique")
    assert what('SELECT "Equipes/Cardiologie pédiatrique"', utf8=True) == Select("Equipes/Cardiologie pédiatrique")
    assert what("SELECT R&-D") == Select("R&D")
    assert what("SELECT R&D") == Select("R&D")  # what is no modified UTF-7 stands as it is
    assert what("SELECT &AGEAYg-") == Select("&AGEAYg-")  # nor is « ab » in base64: it has one form only
    assert what("SELECT R&-D", utf8=True) == Select("R&-D")
    assert what('LIST "" &AMk-quipes/%') == Listing("", ("Équipes/%",))
    assert what("RENAME iNbOx inbox") == Folder("INBOX", to="INBOX")


def test_a_name_cannot_slip_a_line_into_an_answer() -> None:
    refused([b"a SELECT ", Literal(b"x\r\n* BYE", 8), b""])
    refused([b"a SELECT x&AA0ACg-"])
    refused([b"a SELECT ", Literal(b"\0", 1), b""])
    refused([b"a SELECT ", Literal(b"\xe9", 1), b""])
    refused([b"a SELECT ", Literal("\u2028".encode(), 3), b""], utf8=True)
    refused([b"a SELECT " + b"x" * (MAX_NAME + 1)])
    assert names.said("a\r\nb", utf8=True) == '"a\ufffd\ufffdb"'.encode()
    assert names.said("a\r\nb", utf8=False) == b"a&AA0ACg-b"


@settings(max_examples=300)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), st.booleans())
@example("&", False)
@example("&-é&-", False)
@example("日本語 & 😀", False)
def test_a_name_comes_back_as_it_was_said(name: str, utf8: bool) -> None:
    assert names.encode(name).isascii()
    assert names.decode(names.encode(name)) == name
    if names.fit(name) and name.upper() != "INBOX":
        assert parse([b"a SELECT " + names.said(name, utf8=utf8)], utf8=utf8).what == Select(name)


# ---- sets ------------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)), max_size=8), st.booleans())
def test_a_set_is_read_as_it_is_written(ranges: list[tuple[int, int]], saved: bool) -> None:
    pieces = ["$"] * saved + [f"{low or '*'}:{high or '*'}" for low, high in ranges]
    if pieces:
        assert what(f"UID EXPUNGE {','.join(pieces)}") == Ids(tuple(ranges), saved)


def test_what_was_saved_is_found_by_number_or_by_uid_each_once() -> None:
    uids = [4, 7, 9, 12]
    assert SAVED.places(uids, uid=True, saved={7, 12, 99}) == [1, 3]
    assert SAVED.places(uids, uid=False) == []
    assert Ids(((2, 3),), saved=True).places(uids, uid=False, saved=[7, 4]) == [0, 1, 2]
    assert Ids(((9, 0),)).places(uids, uid=True) == [2, 3]
    assert Ids(((20, 0),)).places(uids, uid=True) == [3]  # `*` is the last one's, on either side (RFC 9051 § 9)


def test_a_number_that_no_message_has_is_told_from_one_that_is_there() -> None:
    assert not Ids(((1, 4), (0, 0))).beyond(4)
    assert Ids(((1, 5),)).beyond(4)
    assert Ids(((0, 0),)).beyond(0)
    assert Ids(((3, 0),)).beyond(2)
    assert not SAVED.beyond(0)


# ---- what is wanted of a message -------------------------------------------------------------------------------------


def test_what_must_be_opened_is_known_from_what_is_wanted() -> None:
    def wanted(items: str) -> Wanted:
        read = what(f"FETCH 1 {items}")
        assert isinstance(read, Fetch)
        return read.wanted

    assert not wanted("(FLAGS UID MODSEQ)").needs_facts
    assert wanted("THREADID").needs_ids
    assert not wanted("THREADID").needs_facts
    assert wanted("PREVIEW").needs_facts
    assert not wanted("BINARY.SIZE[1]").marks_seen
    assert wanted("BINARY.SIZE[1]").needs_octets
    assert wanted("BINARY[1]").marks_seen
    assert not wanted("BINARY.PEEK[1]").marks_seen
    assert wanted(f"({' '.join(ITEMS)})").names == frozenset(ITEMS)


# ---- memory ----------------------------------------------------------------------------------------------------------


def test_reading_commands_keeps_nothing_of_them() -> None:
    lines = [b"a " + line.encode() for line in (*_UNDERSTOOD, *_REFUSED.strip().splitlines())]

    def read(number: int) -> None:
        for line in lines:
            try:
                parse([b"%d%b" % (number, line)])
            except BadCommand:
                continue

    def kept_after(numbers: range) -> int:
        for number in numbers:
            read(number)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = kept_after(range(4))
        assert kept_after(range(4, 14)) - before < 4 * 1024
    finally:
        tracemalloc.stop()
