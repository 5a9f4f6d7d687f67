"""Where a mailbox keeps its messages, as folders over IMAP: where they arrived, where they were moved or copied to,
what left, and when. Functions of one transaction.

A message is at home in the folder it arrived in (`inbox`, or `sent`), under its entry's number. Moved or copied, it has
a place in a folder under a number of its own, drawn from the mailbox's counter: within a folder numbers only rise
(RFC 9051 § 2.3.1.1). There is one entry however many places it has, so there is one read state. An entry's `folder` is
then `filed` when it has left home and has a place, `gone` when it has none: expunged by the professional, while the
conversation keeps the message for everybody else.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from storage import renditions
from storage.database import Tx
from storage.entries import DELETED, FLAGGED, SEEN, Entry, next_seq, of_message, set_flags

INBOX, SENT, ARCHIVE, TRASH = "inbox", "sent", "archive", "trash"
HOMES = frozenset({INBOX, SENT})
FILED, GONE = "filed", "gone"
TOGETHER = 500  # numbers named in one statement


@dataclass(frozen=True, slots=True)
class Place:
    r"""A message in a folder. `uid`: its number there; `seq`: its entry's; `flags`: with \Deleted of this place."""

    uid: int
    seq: int
    flags: int
    modseq: int
    space_id: str
    conversation_id: str
    message_id: str


class Mail(NamedTuple):
    """A message of a folder as its mail is opened. `at` in milliseconds; `blob_id` None until a mail was made of it;
    `structure` sealed, None unless facts were asked for.
    """

    uid: int
    space_id: str
    conversation_id: str
    message_id: str
    wrapped_key: bytes
    at: int
    blob_id: str | None
    size: int
    structure: bytes | None


_AT_HOME = (
    "SELECT e.seq AS uid, e.seq AS seq, e.flags AS flags, e.modseq AS modseq, e.space_id, e.conversation_id,"
    " e.message_id FROM entries e WHERE e.mailbox_id = :mailbox AND e.folder = :folder AND e.kind = 'message'"
)
_FILED = (
    f"SELECT p.uid AS uid, p.seq AS seq, e.flags - (e.flags & {DELETED}) + p.deleted * {DELETED} AS flags,"
    " CASE WHEN e.modseq > p.modseq THEN e.modseq ELSE p.modseq END AS modseq, e.space_id, e.conversation_id,"
    " e.message_id FROM placements p JOIN entries e ON e.mailbox_id = p.mailbox_id AND e.seq = p.seq"
    " WHERE p.mailbox_id = :mailbox AND p.folder = :folder"
)


def listed(tx: Tx, mailbox_id: str, folder: str) -> list[tuple[int, int, int, int]]:
    """(uid, seq, flags, modseq) of every message of a folder, in order of uid: what opening it needs, and no more."""
    here = f"SELECT uid, seq, flags, modseq FROM ({_AT_HOME}) h" if folder in HOMES else ""
    there = f"SELECT uid, seq, flags, modseq FROM ({_FILED}) f"
    both = f"{here} UNION ALL {there}" if here else there
    rows = tx.run(f"{both} ORDER BY 1", mailbox=mailbox_id, folder=folder)
    return [(row[0], row[1], row[2], row[3]) for row in rows]


def moved_since(tx: Tx, mailbox_id: str, folder: str, modseq: int) -> list[tuple[int, int, int, int]]:
    """As `listed`: what arrived in the folder, or whose flags moved, after `modseq`."""
    sources = [f"{_FILED} AND (p.modseq > :modseq OR e.modseq > :modseq)"]
    if folder in HOMES:  # said apart, so that each is a walk of an index
        sources += [f"{_AT_HOME} AND e.seq > :modseq", f"{_AT_HOME} AND e.modseq > :modseq AND e.modseq > e.seq"]
    named = {"mailbox": mailbox_id, "folder": folder, "modseq": modseq}
    return sorted({(row[0], row[1], row[2], row[3]) for source in sources for row in tx.run(source, **named)})


def left_since(tx: Tx, mailbox_id: str, folder: str, modseq: int) -> list[int]:
    """The numbers that left the folder after `modseq`, in the order they did."""
    rows = tx.run(
        "SELECT uid FROM vanished WHERE mailbox_id = :mailbox AND folder = :folder AND modseq > :modseq"
        " ORDER BY modseq",
        mailbox=mailbox_id,
        folder=folder,
        modseq=modseq,
    )
    return [row[0] for row in rows]


def found(tx: Tx, mailbox_id: str, folder: str, uids: Sequence[int]) -> list[Place]:
    """The messages of a folder with these numbers (`TOGETHER` at most), in order; those that left are not there."""
    names = ", ".join(f":u{number}" for number in range(len(uids)))
    if not names:
        return []
    values = {f"u{number}": uid for number, uid in enumerate(uids)}
    places: list[Place] = []
    if folder in HOMES:
        rows = tx.run(f"{_AT_HOME} AND e.seq IN ({names})", mailbox=mailbox_id, folder=folder, **values)
        places += [Place(*row) for row in rows]
    if len(places) < len(uids):
        rows = tx.run(f"{_FILED} AND p.uid IN ({names})", mailbox=mailbox_id, folder=folder, **values)
        places += [Place(*row) for row in rows]
    return sorted(places, key=lambda place: place.uid)


_MAIL = "{} AS uid, e.space_id, e.conversation_id, e.message_id, s.wrapped_key, m.at, NULL, 0, NULL"
_JOINED = (
    " JOIN messages m ON m.space_id = e.space_id AND m.id = e.message_id JOIN spaces s ON s.id = e.space_id"
    " WHERE {}.mailbox_id = :mailbox AND {} BETWEEN :first AND :last AND {}.folder = :folder AND e.kind = 'message'"
)


def mails(tx: Tx, mailbox_id: str, folder: str, first: int, last: int) -> list[Mail]:
    """The messages of a folder numbered `first` to `last`, in order; nothing yet of what is kept of their mails."""
    sources = [
        f"SELECT {_MAIL.format('p.uid')} FROM placements p JOIN entries e ON e.mailbox_id = p.mailbox_id"
        f" AND e.seq = p.seq{_JOINED.format('p', 'p.uid', 'p')}"
    ]
    if folder in HOMES:
        sources.append(f"SELECT {_MAIL.format('e.seq')} FROM entries e{_JOINED.format('e', 'e.seq', 'e')}")
    named = {"mailbox": mailbox_id, "folder": folder, "first": first, "last": last}
    rows = [Mail._make(row) for source in sources for row in tx.run(source, **named)]
    return sorted(rows, key=lambda mail: mail.uid)


def described(tx: Tx, some: list[Mail], known: Container[tuple[str, str]]) -> list[Mail]:
    """The same, with what is kept of their mails; but for those whose (space, message) is known already."""
    wanted = [(mail.space_id, mail.message_id) for mail in some if (mail.space_id, mail.message_id) not in known]
    kept = renditions.of(tx, wanted)
    both = [(mail, kept.get((mail.space_id, mail.message_id))) for mail in some]
    return [
        mail._replace(blob_id=of.blob_id, size=of.size, structure=of.structure) if of else mail for mail, of in both
    ]


def counts(tx: Tx, mailbox_id: str, folder: str) -> tuple[int, int, int]:
    r"""(messages, unseen, marked \Deleted) of a folder."""
    sums = (
        f"SELECT COUNT(*), COALESCE(SUM(1 - flags % 2), 0), COALESCE(SUM((flags & {DELETED}) / {DELETED}), 0)"
        " FROM ({}) t"
    )
    total = [0, 0, 0]
    for part in (_AT_HOME, _FILED) if folder in HOMES else (_FILED,):
        ((messages, unseen, deleted),) = tx.run(sums.format(part), mailbox=mailbox_id, folder=folder)
        total = [total[0] + int(messages), total[1] + int(unseen), total[2] + int(deleted)]
    return total[0], total[1], total[2]


def place(tx: Tx, mailbox_id: str, seq: int, folder: str) -> int:
    """One more place for a message: COPY. Returns its number there."""
    uid = next_seq(tx, mailbox_id)
    tx.run(
        "INSERT INTO placements (mailbox_id, uid, folder, seq, deleted, modseq)"
        " VALUES (:mailbox, :uid, :folder, :seq, 0, :uid)",
        mailbox=mailbox_id,
        uid=uid,
        folder=folder,
        seq=seq,
    )
    return uid


def leave(tx: Tx, mailbox_id: str, folder: str, place: Place) -> None:
    """A message leaves a folder: EXPUNGE, or the first half of MOVE after `place`. Of its last place, it is gone from
    this mailbox, and nothing of it waits to be read or followed: unread is one number.
    """
    modseq = next_seq(tx, mailbox_id)
    tx.run(
        "INSERT INTO vanished (mailbox_id, folder, modseq, uid) VALUES (:mailbox, :folder, :modseq, :uid)",
        mailbox=mailbox_id,
        folder=folder,
        modseq=modseq,
        uid=place.uid,
    )
    if place.uid != place.seq:
        tx.run("DELETE FROM placements WHERE mailbox_id = :mailbox AND uid = :uid", mailbox=mailbox_id, uid=place.uid)
    ((others,),) = tx.run(
        "SELECT COUNT(*) FROM placements WHERE mailbox_id = :mailbox AND seq = :seq", mailbox=mailbox_id, seq=place.seq
    )
    entry = of_message(tx, mailbox_id, place.message_id)
    if entry is None or (entry.folder in HOMES and place.uid != place.seq):
        return
    if not others and entry.flags & (SEEN | FLAGGED) != SEEN:
        set_flags(tx, entry, (entry.flags | SEEN) & ~FLAGGED)
    tx.run(
        f"UPDATE entries SET folder = :folder, flags = flags - (flags & {DELETED}), modseq = :modseq"
        " WHERE mailbox_id = :mailbox AND seq = :seq",
        folder=FILED if others else GONE,
        modseq=next_seq(tx, mailbox_id),
        mailbox=mailbox_id,
        seq=place.seq,
    )


def bring_back(tx: Tx, entry: Entry, folder: str) -> int:
    """What was gone from its mailbox stands in a folder again. Returns its number there."""
    uid = place(tx, entry.mailbox_id, entry.seq, folder)
    tx.run(
        "UPDATE entries SET folder = :folder, modseq = :uid WHERE mailbox_id = :mailbox AND seq = :seq",
        folder=FILED,
        uid=uid,
        mailbox=entry.mailbox_id,
        seq=entry.seq,
    )
    return uid


def mark_deleted(tx: Tx, mailbox_id: str, place: Place, deleted: bool) -> int:
    r"""\Deleted of one place, when it is not where the message arrived. Returns the number of this move."""
    modseq = next_seq(tx, mailbox_id)
    tx.run(
        "UPDATE placements SET deleted = :deleted, modseq = :modseq WHERE mailbox_id = :mailbox AND uid = :uid",
        deleted=1 if deleted else 0,
        modseq=modseq,
        mailbox=mailbox_id,
        uid=place.uid,
    )
    return modseq


def of_conversation(tx: Tx, mailbox_id: str, folder: str, conversation_id: str) -> list[Place]:
    """The messages of a conversation in a folder, in order."""
    places: list[Place] = []
    for part in (_AT_HOME, _FILED) if folder in HOMES else (_FILED,):
        rows = tx.run(
            f"{part} AND e.conversation_id = :conversation",
            mailbox=mailbox_id,
            folder=folder,
            conversation=conversation_id,
        )
        places += [Place(*row) for row in rows]
    return sorted(places, key=lambda place: place.uid)


def entry_of(place: Place, mailbox_id: str, folder: str) -> Entry:
    """The entry of a place, as `entries.set_flags` takes it."""
    return Entry(
        mailbox_id, place.seq, "message", place.space_id, place.conversation_id, place.message_id, place.seq,
        place.flags, folder, place.modseq,
    )  # fmt: skip
