"""What a client is told of a folder, and the numbers it keeps: the pure part, without a server."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from mail_gateway.imap import news
from mail_gateway.imap.enabled import Enabled
from mail_gateway.imap.shelves import News, Row, Standing
from mail_gateway.imap.view import Names, View
from storage.entries import ANSWERED, DELETED, FIRST_KEYWORD, FLAGGED, SEEN

_STEP = st.tuples(
    st.sampled_from(["arrive", "flag", "leave", "tell"]), st.integers(0, 9), st.sampled_from([0, SEEN, FLAGGED | SEEN])
)


def view_of(*rows: Row, names: Names | None = None) -> View:
    last = max((row.modseq for row in rows), default=0)
    return View(Standing(7, last + 1, last, list(rows)), names or Names({}), read_only=False)


class Mirror:
    """What a client believes, from untagged responses and nothing else: UIDs in order, None while unknown."""

    def __init__(self, uids: list[int], flags: dict[int, bytes]) -> None:
        self.uids: list[int | None] = list(uids)
        self.flags = flags

    def hear(self, said: bytes) -> None:
        for line in said.splitlines():
            if found := re.fullmatch(rb"\* (\d+) EXPUNGE", line):
                del self.uids[int(found[1]) - 1]
            elif found := re.fullmatch(rb"\* VANISHED ([\d:,]+)", line):
                gone = unset(found[1])
                self.uids = [uid for uid in self.uids if uid not in gone]
            elif found := re.fullmatch(rb"\* (\d+) EXISTS", line):
                assert int(found[1]) > len(self.uids)
                self.uids += [None] * (int(found[1]) - len(self.uids))
            else:
                told = re.fullmatch(rb"\* (\d+) FETCH \(UID (\d+) FLAGS (\(.*?\))(?: MODSEQ \(\d+\))?\)", line)
                assert told, line
                self.uids[int(told[1]) - 1] = int(told[2])
                self.flags[int(told[2])] = told[3]


def unset(written: bytes) -> set[int]:
    found: set[int] = set()
    for piece in written.split(b","):
        low, _, high = piece.partition(b":")
        found.update(range(int(low), int(high or low) + 1))
    return found


@settings(max_examples=200)
@given(st.lists(_STEP, max_size=30), st.booleans(), st.booleans())
def test_a_client_that_believes_what_it_is_told_has_the_folder(
    steps: list[tuple[str, int, int]], condstore: bool, held: bool
) -> None:
    """The store and a client's picture of it, joined by nothing but untagged responses."""
    store = {1: Row(1, 0, 1), 2: Row(2, SEEN, 2)}
    view, enabled = view_of(*store.values()), Enabled(condstore=condstore)
    mirror = Mirror([1, 2], {uid: view.names.listed(row.flags) for uid, row in store.items()})
    left: list[int] = []
    for last, (what, number, flags) in enumerate([*steps, ("tell", 1, 0)], start=3):
        here = list(store)
        if what == "arrive":
            store[last] = Row(last, flags, last)
        elif what == "flag" and here:
            uid = here[number % len(here)]
            store[uid] = Row(uid, flags, last)
        elif what == "leave" and here:
            left.append(here[number % len(here)])
            del store[left[-1]]
        elif what == "tell":
            moved = [row for row in store.values() if row.modseq > view.known]
            places, arrived = view.apply(News(last, moved, left), modseqs=condstore)
            mirror.hear(news.flags_of(view, places, enabled) + (news.exists(view) if arrived else b""))
            left.clear()
            if number or not held:
                mirror.hear(news.expunged(view, enabled))
    assert list(view.uids) == list(store)
    assert len(mirror.uids) == len(store)
    for believed, row in zip(mirror.uids, store.values(), strict=True):
        assert believed in (None, row.uid)  # a client asks of what it has just heard of
        if believed is not None:
            assert mirror.flags[row.uid] == view.names.listed(row.flags)


def test_what_left_is_told_by_uid_once_qresync_is_enabled() -> None:
    view = view_of(*(Row(uid, 0, uid) for uid in range(1, 10)))
    view.leave([3, 4, 5, 9, 12])
    assert news.expunged(view, Enabled(qresync=True, condstore=True)) == b"* VANISHED 3:5,9\r\n"
    assert list(view.uids) == [1, 2, 6, 7, 8]
    assert news.expunged(view, Enabled(qresync=True)) == b""


def test_the_number_of_a_change_is_told_once_the_client_knows_of_such_numbers() -> None:
    view = view_of(Row(4, 0, 5))
    places, _ = view.apply(News(9, [Row(4, SEEN, 8)], ()), modseqs=True)
    assert news.flags_of(view, places, Enabled()) == b"* 1 FETCH (UID 4 FLAGS (\\Seen))\r\n"
    assert news.flags_of(view, places, Enabled(condstore=True)).endswith(b"MODSEQ (8))\r\n")
    assert view.apply(News(9, [Row(4, SEEN, 8)], ()), modseqs=True) == ([], False)


def test_a_keyword_is_one_whatever_its_case_and_one_that_only_we_give_is_not_offered() -> None:
    names = Names({FIRST_KEYWORD: "Urgent", FIRST_KEYWORD + 1: "Pris-camille"})
    assert names.bits(["\\seen", "URGENT", "$forwarded", "Nouveau", "\\inconnu"])[1] == ["Nouveau"]
    assert names.bit("urgent") == 1 << FIRST_KEYWORD
    assert names.listed(names.bit("Urgent") | ANSWERED | DELETED) == b"(\\Answered \\Deleted Urgent)"
    assert names.words(names.bit("Urgent") | SEEN) == {"urgent"}
    assert b"Pris-camille" in names.all
    assert b"Pris-camille" not in names.permanent
    assert names.permanent.endswith(b" \\*)")
    assert not names.knows(1 << FIRST_KEYWORD + 2)


def test_a_set_of_numbers_is_written_shortly_and_in_order() -> None:
    assert news.uid_set([1, 2, 3, 7, 9, 10]) == b"1:3,7,9:10"
    assert news.uid_set([5, 4, 3]) == b"5,4,3"
