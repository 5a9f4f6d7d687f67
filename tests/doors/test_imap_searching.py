"""SEARCH: which message each key finds, and what it must see of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from mail_gateway.imap.commands import Search
from mail_gateway.imap.parser import parse
from mail_gateway.imap.search import CHARSETS, DATE, HEADER, NUMBERS, TEXT, Subject
from mail_gateway.imap.syntax import Literal, Part
from storage.entries import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN


def searched(*parts: Part) -> Search:
    search = parse(parts).what
    assert isinstance(search, Search)
    return search


def matches(line: str, subject: Subject) -> bool:
    search = searched(b"a SEARCH " + line.encode())
    return all(key.matches(subject) for key in search.keys)


LETTER = Subject(
    0,
    7,
    SEEN,
    at=int(datetime(2026, 3, 7, 23, 30, tzinfo=UTC).timestamp() * 1000),
    size=9,
    header=b"Subject: =?utf-8?Q?Op=C3=A9ration?=\r\n du genou\r\nTo: A@B.fr\r\nX-Vide:\r\n"
    b"Date: Fri, 6 Mar 2026 23:50:00 -0500\r\n\r\n",
    text="Le GENOU\ndroit",
    keywords=frozenset({"$forwarded", "pris-camille"}),
    modseq=620,
    email_id="M7",
    thread_id="Tab_c-d",
)
_FOUND = """
SUBJECT operation
SUBJECT OP
SUBJECT "opÉration"
SUBJECT "opération du genou"
TO a@b.FR
BODY genou
BODY ""
TEXT "genou droit"
TEXT operation
TEXT "opération du"
HEADER x-vide ""
HEADER "To" b
SEEN
UNFLAGGED UNDRAFT UNANSWERED UNDELETED
OLD
KEYWORD $Forwarded
KEYWORD Pris-Camille
UNKEYWORD $Junk
LARGER 8 SMALLER 10
SMALLER 9000000000
ON 7-Mar-2026
ON "07-mar-2026"
SINCE 7-Mar-2026
BEFORE 8-Mar-2026
SENTON 6-Mar-2026
SENTSINCE 6-Mar-2026
SENTBEFORE 7-Mar-2026
MODSEQ 620
MODSEQ 0
MODSEQ "/flags/\\\\seen" priv 620
EMAILID M7
THREADID Tab_c-d
OR UNSEEN (SEEN ON 7-Mar-2026)
NOT (SEEN FLAGGED)
NOT NOT SEEN
"""
_MISSED = """
SUBJECT genoux
BODY operation
CC a
CC ""
HEADER X-Absent ""
UNSEEN
NOT SEEN
FLAGGED
RECENT
NEW
KEYWORD forwarded
UNKEYWORD pris-camille
LARGER 9
SMALLER 9
ON 8-Mar-2026
BEFORE 7-Mar-2026
SENTON 7-Mar-2026
SENTBEFORE 6-Mar-2026
MODSEQ 621
EMAILID m7
THREADID Tab_c-e
OR UNSEEN (SEEN ON 8-Mar-2026)
"""


@pytest.mark.parametrize("line", _FOUND.strip().splitlines())
def test_a_key_finds_its_message_whatever_the_case_the_accents_and_the_encoding(line: str) -> None:
    assert matches(line, LETTER)


@pytest.mark.parametrize("line", _MISSED.strip().splitlines())
def test_a_key_leaves_other_messages_out(line: str) -> None:
    assert not matches(line, LETTER)


def test_days_are_those_that_are_written_whatever_the_zone() -> None:
    """RFC 9051 § 6.4.4: « disregarding time and timezone ». A message without a date was sent on no day."""
    assert matches("NOT SENTON 7-Mar-2026", LETTER)  # 04:50 on the seventh, in Greenwich
    nameless = Subject(0, 1, 0, header=b"Subject: x\r\n\r\n")
    for key in ("SENTON", "SENTBEFORE", "SENTSINCE"):
        assert not matches(f"{key} 7-Mar-2026", nameless)


def test_the_young_and_the_old_are_counted_from_now() -> None:
    """RFC 5032 § 3."""
    with time_machine.travel(datetime(2026, 3, 7, 23, 31, tzinfo=UTC), tick=False):
        assert matches("YOUNGER 60 OLDER 60", LETTER)
        assert not matches("YOUNGER 59", LETTER)
        assert not matches("OLDER 61", LETTER)
        assert matches("YOUNGER 4294967295", LETTER)


def test_a_key_says_how_much_of_a_message_it_must_see() -> None:
    depths = {
        "SEEN": NUMBERS,
        "KEYWORD x": NUMBERS,
        "MODSEQ 1": NUMBERS,
        "1:*": NUMBERS,
        "UID $": NUMBERS,
        "YOUNGER 5": DATE,
        "EMAILID x": DATE,
        "THREADID x": DATE,
        "ON 1-Jan-2026": DATE,
        "SENTON 1-Jan-2026": HEADER,
        "LARGER 5": HEADER,
        "FROM x": HEADER,
        "BODY x": TEXT,
        "OR SEEN (FROM x ON 1-Jan-2026)": HEADER,
        "NOT TEXT x": TEXT,
    }
    for line, depth in depths.items():
        assert [key.depth for key in searched(b"a SEARCH " + line.encode()).keys] == [depth], line


def test_words_are_read_in_the_charset_they_come_in() -> None:
    for charset, codec in CHARSETS.items():
        words = ("operation" if charset == "US-ASCII" else "opération").encode(codec)
        line = f"a SEARCH CHARSET {charset} SUBJECT ".encode()
        assert all(key.matches(LETTER) for key in searched(line, Literal(words, len(words)), b"").keys), charset


def test_a_message_with_any_header_can_be_searched() -> None:
    """What no reader of headers accepts has no fields, and its text is still looked into."""
    strange = Subject(0, 1, 0, header=b"A: b\r\n" * 20_000 + b"Subject: genou\r\n\r\n", text="droit")
    assert not matches("SUBJECT genou", strange)
    assert matches("BODY droit", strange)
    assert matches("TEXT genou", strange)


_FLAGS = {"SEEN": SEEN, "ANSWERED": ANSWERED, "FLAGGED": FLAGGED, "DELETED": DELETED, "DRAFT": DRAFT}
_KEY = st.recursive(
    st.sampled_from([*_FLAGS, *(f"UN{name}" for name in _FLAGS), "ALL"]),
    lambda key: st.one_of(
        key.map(lambda one: f"NOT {one}"),
        st.tuples(key, key).map(lambda two: f"OR {two[0]} {two[1]}"),
        st.lists(key, min_size=1, max_size=3).map(lambda some: f"({' '.join(some)})"),
    ),
    max_leaves=8,
)


@given(_KEY, st.integers(0, 31))
def test_keys_are_joined_as_logic_has_it(line: str, flags: int) -> None:
    """Against the definition, read word by word."""
    words = line.replace("(", "( ").replace(")", " )").split()

    def value() -> bool:
        word = words.pop(0)
        if word == "NOT":
            return not value()
        if word == "OR":
            return any([value(), value()])
        if word == "(":
            found = [value()]
            while words[0] != ")":
                found.append(value())
            words.pop(0)
            return all(found)
        if word == "ALL":
            return True
        return bool(flags & _FLAGS[word.removeprefix("UN")]) is not word.startswith("UN")

    assert matches(line, Subject(0, 1, flags)) is value()
