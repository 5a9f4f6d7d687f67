"""Entries: message n in mailbox m, and the threads they make. Functions of one transaction.

A mailbox is an append-only sequence. `message` entries carry a message for the first time; `change` entries say that a
message already there has a new state. A reader asks for what lies after its cursor and keeps the last number it was
given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storage.database import Tx

# Flags, as bits. RFC 9051 § 2.3.2; the keywords that everybody knows; from place `FIRST_KEYWORD` to `LAST_KEYWORD`,
# those of the mailbox (table `keywords`); at place `CLOSED_KEYWORD`, that the team has finished.
SEEN, ANSWERED, FLAGGED, DELETED, DRAFT = 1, 2, 4, 8, 16
MDN_SENT, FORWARDED, JUNK, NOT_JUNK = 32, 64, 128, 256
FIRST_KEYWORD, LAST_KEYWORD, CLOSED_KEYWORD = 9, 61, 62
CLOSED = 1 << CLOSED_KEYWORD

# What a conversation holds, as bits of `threads.holds`: files, an appointment, words of a bot.
DOCUMENTS, APPOINTMENT, MACHINE = 1, 2, 4


@dataclass(frozen=True, slots=True)
class Entry:
    mailbox_id: str
    seq: int
    kind: str
    space_id: str
    conversation_id: str
    message_id: str
    of_seq: int
    flags: int
    folder: str
    modseq: int


_COLUMNS = "mailbox_id, seq, kind, space_id, conversation_id, message_id, of_seq, flags, folder, modseq"


def next_seq(tx: Tx, mailbox_id: str) -> int:
    """Taken inside the transaction; the row's lock puts writers of one mailbox in order."""
    return int(
        tx.run("UPDATE mailboxes SET last_seq = last_seq + 1 WHERE id = :id RETURNING last_seq", id=mailbox_id)[0][0]
    )


def hold(tx: Tx, mailbox_id: str) -> None:
    """One writer of a mailbox at a time from here to the commit: flags that are read next are still so when they are
    written, and an unread message is counted down once, however many devices read it at the same instant.
    """
    tx.run("UPDATE mailboxes SET last_seq = last_seq WHERE id = :id", id=mailbox_id)


def hold_to_read(tx: Tx, mailbox_id: str, seqs: Sequence[int]) -> None:
    """As `hold`, and with it the mailboxes of those who wrote what of these is unread: a first reading tells them. In
    the order in which a message takes its mailboxes, so that nobody waits for whom waits for them.
    """
    if not seqs:
        hold(tx, mailbox_id)
        return
    names = ", ".join(f":s{number}" for number in range(len(seqs)))
    authors = (
        "SELECT p.mailbox_id FROM entries e JOIN messages m ON m.space_id = e.space_id AND m.id = e.message_id"
        " JOIN participants p ON p.space_id = m.space_id AND p.conversation_id = m.conversation_id"
        " AND p.member_id = m.author_id"
        f" WHERE e.mailbox_id = :mailbox AND e.flags % 2 = 0 AND e.kind = 'message' AND e.seq IN ({names})"
    )
    for (held,) in tx.run(
        f"SELECT id FROM mailboxes WHERE id IN (SELECT CAST(:mailbox AS TEXT) UNION {authors}) ORDER BY id",
        mailbox=mailbox_id,
        **{f"s{number}": seq for number, seq in enumerate(seqs)},
    ):
        hold(tx, held)


def add(
    tx: Tx,
    mailbox_id: str,
    space_id: str,
    conversation_id: str,
    message_id: str,
    *,
    own: bool,
    holds: int = 0,
    asks: bool | None = None,
    opens: bool = False,
) -> int:
    """A message arrives in a mailbox, or is sent from it (`own`: already seen, in folder sent). Returns its number.

    `holds`: what it adds to what the conversation holds. `asks`: it waits for an answer from this mailbox (True), it is
    that answer (False), or neither (None). `opens`: a conversation that its team had closed is open again.
    """
    seq = next_seq(tx, mailbox_id)
    ((assigned,),) = tx.run(
        "INSERT INTO threads (mailbox_id, conversation_id, space_id, last_seq, unread, holds, asks)"
        " VALUES (:mailbox, :c, :s, :seq, :unread, :holds, :asks)"
        " ON CONFLICT (mailbox_id, conversation_id) DO UPDATE SET last_seq = excluded.last_seq,"
        " unread = threads.unread + excluded.unread, holds = threads.holds | excluded.holds"
        f"{'' if asks is None else ', asks = excluded.asks'} RETURNING assigned",
        mailbox=mailbox_id,
        c=conversation_id,
        s=space_id,
        seq=seq,
        unread=0 if own else 1,
        holds=holds,
        asks=seq if asks else 0,
    )
    if opens and assigned & CLOSED:
        assigned = _reopen(tx, mailbox_id, conversation_id, seq)
    tx.run(
        "INSERT INTO entries (mailbox_id, seq, kind, space_id, conversation_id, message_id, of_seq, flags, folder, "
        "modseq)"
        " VALUES (:mailbox, :seq, 'message', :s, :c, :m, :seq, :flags, :folder, :seq)",
        mailbox=mailbox_id,
        seq=seq,
        s=space_id,
        c=conversation_id,
        m=message_id,
        flags=(SEEN if own else 0) | assigned,
        folder="sent" if own else "inbox",
    )
    return seq


def _reopen(tx: Tx, mailbox_id: str, conversation_id: str, seq: int) -> int:
    """Nothing of the conversation is closed any more. Returns what its messages carry instead: nothing."""
    tx.run(
        f"UPDATE entries SET flags = flags - {CLOSED}, modseq = :seq WHERE mailbox_id = :mailbox"
        f" AND conversation_id = :c AND kind = 'message' AND (flags & {CLOSED}) <> 0",
        seq=seq,
        mailbox=mailbox_id,
        c=conversation_id,
    )
    tx.run(
        "UPDATE threads SET assigned = 0 WHERE mailbox_id = :mailbox AND conversation_id = :c",
        mailbox=mailbox_id,
        c=conversation_id,
    )
    return 0


def change(tx: Tx, mailbox_id: str, message_id: str) -> int | None:
    """The state of a message moved: tell this mailbox, if it has the message."""
    entry = of_message(tx, mailbox_id, message_id)
    if entry is None:
        return None
    seq = next_seq(tx, mailbox_id)
    tx.run(
        "INSERT INTO entries (mailbox_id, seq, kind, space_id, conversation_id, message_id, of_seq, flags, folder, "
        "modseq)"
        " VALUES (:mailbox, :seq, 'change', :s, :c, :m, :of_seq, 0, '', :seq)",
        mailbox=mailbox_id,
        seq=seq,
        s=entry.space_id,
        c=entry.conversation_id,
        m=message_id,
        of_seq=entry.seq,
    )
    return seq


def present(tx: Tx, mailbox_id: str, message_id: str) -> Entry | None:
    """As `of_message`, unless it is gone from this mailbox: what its owner expunged is absent to them."""
    found = of_message(tx, mailbox_id, message_id)
    return found if found is not None and found.folder != "gone" else None


def of_message(tx: Tx, mailbox_id: str, message_id: str) -> Entry | None:
    rows = tx.run(
        f"SELECT {_COLUMNS} FROM entries WHERE mailbox_id = :mailbox AND message_id = :m AND kind = 'message'",
        mailbox=mailbox_id,
        m=message_id,
    )
    return Entry(*rows[0]) if rows else None


def since(tx: Tx, mailbox_id: str, cursor: int, limit: int) -> list[Entry]:
    """Entries after `cursor`, in order. A change of a message that is itself after the cursor is left out: the message
    arrives with its present state, once. What is gone from the mailbox is told no more.
    """
    rows = tx.run(
        f"SELECT {_COLUMNS} FROM entries WHERE mailbox_id = :mailbox AND seq > :cursor"
        " AND CASE kind WHEN 'message' THEN folder <> 'gone' ELSE of_seq <= :cursor AND NOT EXISTS (SELECT 1 FROM"
        " entries g WHERE g.mailbox_id = entries.mailbox_id AND g.seq = entries.of_seq AND g.folder = 'gone') END"
        " ORDER BY seq LIMIT :limit",
        mailbox=mailbox_id,
        cursor=cursor,
        limit=limit,
    )
    return [Entry(*row) for row in rows]


def page(tx: Tx, mailbox_id: str, conversation_id: str, before: int, limit: int) -> list[Entry]:
    """The `limit` newest message entries of a conversation numbered below `before`, newest first; none that is gone."""
    rows = tx.run(
        f"SELECT {_COLUMNS} FROM entries WHERE mailbox_id = :mailbox AND conversation_id = :c AND kind = 'message'"
        " AND seq < :before AND folder <> 'gone' ORDER BY seq DESC LIMIT :limit",
        mailbox=mailbox_id,
        c=conversation_id,
        before=before,
        limit=limit,
    )
    return [Entry(*row) for row in rows]


def last_seq(tx: Tx, mailbox_id: str) -> int:
    rows = tx.run("SELECT last_seq FROM mailboxes WHERE id = :id", id=mailbox_id)
    return int(rows[0][0]) if rows else 0


def last_seqs(tx: Tx, mailbox_ids: Sequence[str]) -> dict[str, int]:
    """`last_seq` of these (a few hundred at most)."""
    names = ", ".join(f":m{number}" for number in range(len(mailbox_ids)))
    values = {f"m{number}": one for number, one in enumerate(mailbox_ids)}
    return {row[0]: row[1] for row in tx.run(f"SELECT id, last_seq FROM mailboxes WHERE id IN ({names})", **values)}


def validity(tx: Tx, mailbox_id: str) -> int:
    return int(tx.run("SELECT validity FROM mailboxes WHERE id = :id", id=mailbox_id)[0][0])


def renumbered(tx: Tx, at: int) -> int:
    """Every mailbox says a UIDVALIDITY that it never said before: from `at`, in seconds since 1970. How many."""
    rows = tx.run(
        "UPDATE mailboxes SET validity = CASE WHEN validity < :at THEN :at ELSE validity + 1 END RETURNING id", at=at
    )
    return len(rows)


def unread(tx: Tx, mailbox_id: str) -> int:
    rows = tx.run("SELECT COALESCE(SUM(unread), 0) FROM threads WHERE mailbox_id = :mailbox", mailbox=mailbox_id)
    return int(rows[0][0])


def thread_unread(tx: Tx, mailbox_id: str, conversation_id: str) -> int:
    return _of_thread(tx, "unread", mailbox_id, conversation_id)


def thread_flagged(tx: Tx, mailbox_id: str, conversation_id: str) -> int:
    """How many messages of a conversation carry a star in this mailbox."""
    return _of_thread(tx, "flagged", mailbox_id, conversation_id)


def thread_last(tx: Tx, mailbox_id: str, conversation_id: str) -> int:
    """The number of the last message of a conversation in this mailbox; 0 when it has none."""
    return _of_thread(tx, "last_seq", mailbox_id, conversation_id)


def _of_thread(tx: Tx, column: str, mailbox_id: str, conversation_id: str) -> int:
    rows = tx.run(
        f"SELECT {column} FROM threads WHERE mailbox_id = :mailbox AND conversation_id = :c",
        mailbox=mailbox_id,
        c=conversation_id,
    )
    return int(rows[0][0]) if rows else 0


def unseen_up_to(tx: Tx, mailbox_id: str, conversation_id: str, up_to: int) -> list[Entry]:
    rows = tx.run(
        f"SELECT {_COLUMNS} FROM entries WHERE mailbox_id = :mailbox AND conversation_id = :c AND kind = 'message'"
        " AND seq <= :up_to AND flags % 2 = 0 ORDER BY seq",
        mailbox=mailbox_id,
        c=conversation_id,
        up_to=up_to,
    )
    return [Entry(*row) for row in rows]


def set_flags(tx: Tx, entry: Entry, flags: int) -> int:
    """Flags of one entry; the unread count of its thread follows. Returns the number of this move
    (MODSEQ, RFC 7162).
    """
    modseq = next_seq(tx, entry.mailbox_id)
    tx.run(
        "UPDATE entries SET flags = :flags, modseq = :modseq WHERE mailbox_id = :mailbox AND seq = :seq",
        flags=flags,
        modseq=modseq,
        mailbox=entry.mailbox_id,
        seq=entry.seq,
    )
    read, was_read = flags & SEEN, entry.flags & SEEN
    if read != was_read:
        tx.run(
            "UPDATE threads SET unread = unread + :step WHERE mailbox_id = :mailbox AND conversation_id = :c",
            step=-1 if read else 1,
            mailbox=entry.mailbox_id,
            c=entry.conversation_id,
        )
    flagged, was_flagged = flags & FLAGGED, entry.flags & FLAGGED
    if flagged != was_flagged:
        tx.run(
            "UPDATE threads SET flagged = flagged + :step WHERE mailbox_id = :mailbox AND conversation_id = :c",
            step=1 if flagged else -1,
            mailbox=entry.mailbox_id,
            c=entry.conversation_id,
        )
    return modseq


def copy(tx: Tx, from_mailbox: str, to_mailbox: str, conversation_id: str, limit: int) -> None:
    """Give another mailbox the `limit` newest messages of a conversation that this one has, in order. Those that came
    after the last word sent from here are unread there: they wait for an answer.
    """
    hold(tx, to_mailbox)
    found = _written(tx, from_mailbox, conversation_id, limit)
    ((holds, asks),) = tx.run(
        "SELECT holds, asks FROM threads WHERE mailbox_id = :mailbox AND conversation_id = :c",
        mailbox=from_mailbox,
        c=conversation_id,
    ) or [(0, 0)]
    last_sent = max((entry.seq for entry, own in found if own), default=0)
    for entry, _ in reversed(found):
        if of_message(tx, to_mailbox, entry.message_id) is not None:
            continue
        waits = True if entry.seq == asks else None
        add(tx, to_mailbox, entry.space_id, conversation_id, entry.message_id, own=False, holds=holds, asks=waits)
        given = of_message(tx, to_mailbox, entry.message_id)
        if given is not None and entry.seq <= last_sent:
            set_flags(tx, given, SEEN)


def _written(tx: Tx, mailbox_id: str, conversation_id: str, limit: int) -> list[tuple[Entry, bool]]:
    """The newest messages, newest first, also those gone from here; whether each was sent from this mailbox."""
    columns = ", ".join(f"e.{name.strip()}" for name in _COLUMNS.split(","))
    rows = tx.run(
        f"SELECT {columns}, CASE WHEN m.author_id = b.account_id AND m.kind <> 'bounce' THEN 1 ELSE 0 END"
        " FROM entries e JOIN mailboxes b ON b.id = e.mailbox_id"
        " JOIN messages m ON m.space_id = e.space_id AND m.id = e.message_id"
        " WHERE e.mailbox_id = :mailbox AND e.conversation_id = :c AND e.kind = 'message'"
        " ORDER BY e.seq DESC LIMIT :limit",
        mailbox=mailbox_id,
        c=conversation_id,
        limit=limit,
    )
    return [(Entry(*row[:-1]), bool(row[-1])) for row in rows]


def numbered(tx: Tx, mailbox_id: str, first: int, last: int) -> list[Entry]:
    """Message entries numbered `first` to `last`, in order."""
    rows = tx.run(
        f"SELECT {_COLUMNS} FROM entries WHERE mailbox_id = :mailbox AND seq BETWEEN :first AND :last"
        " AND kind = 'message' ORDER BY seq",
        mailbox=mailbox_id,
        first=first,
        last=last,
    )
    return [Entry(*row) for row in rows]
