"""Files that come in pieces. Functions of one transaction.

A piece is a blob of its own, named here until the file is whole; then the file is one blob, an attachment under the
same id as the upload, and the pieces go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from storage.database import Tx
from storage.vault import Sealed


@dataclass(frozen=True, slots=True)
class UploadRow:
    id: str
    account_id: str
    facts: bytes
    size: int
    received: int
    attachment_id: str
    until_at: int


_COLUMNS = "id, account_id, facts, size, received, attachment_id, until_at"


def insert(tx: Tx, space_id: str, upload: UploadRow, facts: Sealed, at: int) -> None:
    tx.run(
        "INSERT INTO uploads (space_id, id, account_id, facts, size, received, created_at, until_at)"
        " VALUES (:s, :id, :a, :facts, :size, 0, :at, :until)",
        s=space_id,
        id=upload.id,
        a=upload.account_id,
        facts=facts,
        size=upload.size,
        at=at,
        until=upload.until_at,
    )


def find(tx: Tx, space_id: str, upload_id: str, now: int) -> UploadRow | None:
    rows = tx.run(
        f"SELECT {_COLUMNS} FROM uploads WHERE space_id = :s AND id = :id AND until_at > :now",
        s=space_id,
        id=upload_id,
        now=now,
    )
    return UploadRow(*rows[0]) if rows else None


def unfinished(tx: Tx, space_id: str, account_id: str, now: int) -> list[UploadRow]:
    rows = tx.run(
        f"SELECT {_COLUMNS} FROM uploads WHERE space_id = :s AND account_id = :a AND attachment_id = ''"
        " AND until_at > :now ORDER BY created_at",
        s=space_id,
        a=account_id,
        now=now,
    )
    return [UploadRow(*row) for row in rows]


def take(tx: Tx, space_id: str, upload_id: str, offset: int, size: int, blob_id: str) -> bool:
    """A piece of `size` octets at `offset`; False when the file does not stand there any more."""
    rows = tx.run(
        "UPDATE uploads SET received = received + :size WHERE space_id = :s AND id = :id AND received = :offset"
        " AND attachment_id = '' RETURNING id",
        size=size,
        s=space_id,
        id=upload_id,
        offset=offset,
    )
    if not rows:
        return False
    tx.run(
        "INSERT INTO upload_parts (space_id, upload_id, position, size, blob_id) VALUES (:s, :u, :at, :size, :blob)",
        s=space_id,
        u=upload_id,
        at=offset,
        size=size,
        blob=blob_id,
    )
    return True


def parts(tx: Tx, space_id: str, upload_id: str) -> list[str]:
    """The blobs of its pieces, in order."""
    rows = tx.run(
        "SELECT blob_id FROM upload_parts WHERE space_id = :s AND upload_id = :u ORDER BY position",
        s=space_id,
        u=upload_id,
    )
    return [row[0] for row in rows]


def complete(tx: Tx, space_id: str, upload_id: str) -> bool:
    """It is whole, and an attachment of the same id: once."""
    rows = tx.run(
        "UPDATE uploads SET attachment_id = id WHERE space_id = :s AND id = :id AND attachment_id = ''"
        " AND received = size RETURNING id",
        s=space_id,
        id=upload_id,
    )
    if rows:
        forget_parts(tx, space_id, upload_id)
    return bool(rows)


def forget_parts(tx: Tx, space_id: str, upload_id: str) -> None:
    for blob_id in parts(tx, space_id, upload_id):
        tx.run("DELETE FROM blobs WHERE space_id = :s AND id = :id", s=space_id, id=blob_id)
    tx.run("DELETE FROM upload_parts WHERE space_id = :s AND upload_id = :u", s=space_id, u=upload_id)


def remove(tx: Tx, space_id: str, upload_id: str) -> None:
    """The upload, its pieces, and the file it became if no message took it; the sweep removes what lies in files."""
    forget_parts(tx, space_id, upload_id)
    rows = tx.run(
        "DELETE FROM attachments WHERE space_id = :s AND id = :id AND message_id = '' RETURNING blob_id",
        s=space_id,
        id=upload_id,
    )
    for row in rows:
        tx.run("DELETE FROM blobs WHERE space_id = :s AND id = :id", s=space_id, id=row[0])
    tx.run("DELETE FROM uploads WHERE space_id = :s AND id = :id", s=space_id, id=upload_id)


def keep_until(tx: Tx, space_id: str, account_id: str, upload_ids: Iterable[str], until: int) -> None:
    """Whole files of this account that stay until then, not sent."""
    for upload_id in upload_ids:
        tx.run(
            "UPDATE uploads SET until_at = :until WHERE space_id = :s AND id = :id AND account_id = :a"
            " AND attachment_id <> ''",
            until=until,
            s=space_id,
            id=upload_id,
            a=account_id,
        )


def waiting(tx: Tx, space_id: str, account_id: str) -> tuple[int, int]:
    """(uploads, octets announced) of this account that are not whole."""
    rows = tx.run(
        "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM uploads WHERE space_id = :s AND account_id = :a"
        " AND attachment_id = ''",
        s=space_id,
        a=account_id,
    )
    return int(rows[0][0]), int(rows[0][1])


def sweep(tx: Tx, now: int) -> int:
    """Remove what nobody finished or sent in time. Returns how many."""
    rows = tx.run("SELECT space_id, id FROM uploads WHERE until_at <= :now", now=now)
    for space_id, upload_id in rows:
        remove(tx, space_id, upload_id)
    return len(rows)
