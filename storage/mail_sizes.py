"""What the mails of a mailbox weigh, how many they are, and where a mail of a known Message-ID stands. Functions of one
transaction. A message of which no mail was made yet weighs nothing here, and is said.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Tx
from storage.entries import DELETED, SEEN

_PLACES = (
    f"SELECT e.seq AS uid, e.space_id, e.message_id, e.flags & {SEEN} AS seen, (e.flags & {DELETED}) / {DELETED} AS"
    " deleted FROM entries e WHERE e.mailbox_id = :mailbox AND e.folder = :folder AND e.kind = 'message'"
    f" UNION ALL SELECT p.uid, e.space_id, e.message_id, e.flags & {SEEN}, p.deleted FROM placements p"
    " JOIN entries e ON e.mailbox_id = p.mailbox_id AND e.seq = p.seq"
    " WHERE p.mailbox_id = :mailbox AND p.folder = :folder"
)
_MAILS = "LEFT JOIN renditions r ON r.space_id = t.space_id AND r.message_id = t.message_id"


@dataclass(frozen=True, slots=True)
class Sums:
    r"""Of a folder. `deleted`: marked \Deleted; `octets`, `deleted_octets`: of the mails (RFC 8438, RFC 9208 § 4.1.4);
    `unmade`: messages of which no mail was made yet.
    """

    messages: int
    unseen: int
    deleted: int
    octets: int
    deleted_octets: int
    unmade: int


def of_folder(tx: Tx, mailbox_id: str, folder: str) -> Sums:
    (row,) = tx.run(
        "SELECT COUNT(*), COALESCE(SUM(1 - t.seen), 0), COALESCE(SUM(t.deleted), 0), COALESCE(SUM(r.size), 0),"
        f" COALESCE(SUM(r.size * t.deleted), 0), COUNT(*) - COUNT(r.size) FROM ({_PLACES}) t {_MAILS}",
        mailbox=mailbox_id,
        folder=folder,
    )
    return Sums(*(int(number) for number in row))


def unmade(tx: Tx, mailbox_id: str, folder: str, limit: int) -> list[int]:
    """The numbers in the folder of messages of which no mail was made yet, in order."""
    rows = tx.run(
        f"SELECT t.uid FROM ({_PLACES}) t {_MAILS} WHERE r.message_id IS NULL ORDER BY t.uid LIMIT :limit",
        mailbox=mailbox_id,
        folder=folder,
        limit=limit,
    )
    return [row[0] for row in rows]


def of_mailbox(tx: Tx, mailbox_id: str) -> tuple[int, int]:
    """(messages, octets of their mails) of a mailbox, each once however many folders it stands in."""
    ((messages, octets),) = tx.run(
        "SELECT COUNT(*), COALESCE(SUM(r.size), 0) FROM entries t"
        f" {_MAILS} WHERE t.mailbox_id = :mailbox AND t.kind = 'message' AND t.folder <> 'gone'",
        mailbox=mailbox_id,
    )
    return int(messages), int(octets)


def places_of(tx: Tx, mailbox_id: str, reference_hash: str) -> list[tuple[str, int]]:
    """(folder, number there) of the mails of this mailbox that have this Message-ID (hashed), the newest first."""
    known = (
        "entries e JOIN refs r ON r.space_id = e.space_id AND r.reference_hash = :hash AND r.message_id = e.message_id"
    )
    rows = tx.run(
        f"SELECT e.folder, e.seq FROM {known} WHERE e.mailbox_id = :mailbox AND e.kind = 'message'"
        " AND e.folder IN ('inbox', 'sent')"
        f" UNION ALL SELECT p.folder, p.uid FROM {known} JOIN placements p ON p.mailbox_id = e.mailbox_id"
        " AND p.seq = e.seq WHERE e.mailbox_id = :mailbox AND e.kind = 'message' ORDER BY 2 DESC",
        mailbox=mailbox_id,
        hash=reference_hash,
    )
    return [(row[0], row[1]) for row in rows]


def gone(tx: Tx, mailbox_id: str, reference_hash: str) -> str:
    """The message with this Message-ID (hashed) that this mailbox had, and that is gone from it; "" for none."""
    rows = tx.run(
        "SELECT e.message_id FROM entries e JOIN refs r ON r.space_id = e.space_id AND r.reference_hash = :hash"
        " AND r.message_id = e.message_id WHERE e.mailbox_id = :mailbox AND e.kind = 'message' AND e.folder = 'gone'",
        mailbox=mailbox_id,
        hash=reference_hash,
    )
    return str(rows[0][0]) if rows else ""
