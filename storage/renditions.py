"""Renditions: a message as the mail it is read as over IMAP, and what is known of it. Functions of one transaction.

A mail's octets never change once a client has seen them (RFC 9051 § 2.3.1.1): the first rendition written stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storage import messages
from storage.database import Tx
from storage.messages import Message
from storage.vault import Sealed


@dataclass(frozen=True, slots=True)
class Rendition:
    """`size` in octets; `structure` sealed."""

    blob_id: str
    size: int
    structure: bytes


def find(tx: Tx, space_id: str, message_id: str) -> Rendition | None:
    rows = tx.run(
        "SELECT blob_id, size, structure FROM renditions WHERE space_id = :s AND message_id = :m",
        s=space_id,
        m=message_id,
    )
    return Rendition(*rows[0]) if rows else None


def of(tx: Tx, names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Rendition]:
    """Those of messages, each named by (space, message); of some hundred at most."""
    if not names:
        return {}
    wanted = ", ".join(f"(:s{number}, :m{number})" for number in range(len(names)))
    values = {f"s{number}": space_id for number, (space_id, _) in enumerate(names)}
    values |= {f"m{number}": message_id for number, (_, message_id) in enumerate(names)}
    rows = tx.run(
        f"WITH wanted (space_id, name) AS (VALUES {wanted}) SELECT r.space_id, r.message_id, r.blob_id, r.size,"
        " r.structure FROM wanted w JOIN renditions r ON r.space_id = w.space_id AND r.message_id = w.name",
        **values,
    )
    return {(row[0], row[1]): Rendition(*row[2:]) for row in rows}


def insert(tx: Tx, space_id: str, message_id: str, blob_id: str, size: int, structure: Sealed) -> bool:
    """False when somebody else's rendition was there first: that one counts."""
    return bool(
        tx.run(
            "INSERT INTO renditions (space_id, message_id, blob_id, size, structure)"
            " VALUES (:s, :m, :b, :size, :structure) ON CONFLICT DO NOTHING RETURNING message_id",
            s=space_id,
            m=message_id,
            b=blob_id,
            size=size,
            structure=structure,
        )
    )


def describe_again(tx: Tx, space_id: str, message_id: str, structure: Sealed) -> None:
    """A newer version describes the same octets otherwise."""
    tx.run(
        "UPDATE renditions SET structure = :structure WHERE space_id = :s AND message_id = :m",
        structure=structure,
        s=space_id,
        m=message_id,
    )


def opened_by_mail(tx: Tx, mailbox_id: str, at: int) -> None:
    """A mail client opened this mailbox."""
    tx.run("UPDATE mailboxes SET mail_at = :at WHERE id = :id", at=at, id=mailbox_id)


def read_by_mail(tx: Tx, mailbox_ids: Sequence[str], since: int) -> list[str]:
    """Those of these mailboxes that a mail client opened since then (milliseconds since 1970)."""
    names = ", ".join(f":m{number}" for number in range(len(mailbox_ids)))
    values = {f"m{number}": mailbox_id for number, mailbox_id in enumerate(mailbox_ids)}
    rows = tx.run(f"SELECT id FROM mailboxes WHERE id IN ({names}) AND mail_at >= :since", since=since, **values)
    return [row[0] for row in rows]


def wanting(tx: Tx, mailbox_id: str, above: int, before: int, limit: int) -> list[tuple[int, str, str, bytes]]:
    """(number, space, message, wrapped key) of messages of a mailbox numbered between the two that no mail was made of
    yet, the newest first: a client asks for those first.
    """
    rows = tx.run(
        "SELECT e.seq, e.space_id, e.message_id, s.wrapped_key FROM entries e JOIN spaces s ON s.id = e.space_id"
        " WHERE e.mailbox_id = :mailbox AND e.kind = 'message' AND e.seq > :above AND e.seq < :before AND NOT EXISTS"
        " (SELECT 1 FROM renditions r WHERE r.space_id = e.space_id AND r.message_id = e.message_id)"
        " ORDER BY e.seq DESC LIMIT :limit",
        mailbox=mailbox_id,
        above=above,
        before=before,
        limit=limit,
    )
    return [(row[0], row[1], row[2], row[3]) for row in rows]


def ancestors(tx: Tx, space_id: str, message: Message, most: int) -> list[Message]:
    """What was written before it in its conversation, oldest first: the first message, and the `most` - 1 nearest."""
    # Said so that the index is walked from this instant backwards: an OR here would read the conversation whole.
    where = "space_id = :s AND conversation_id = :c AND at <= :at AND NOT (at = :at AND id >= :id)"
    place = {"s": space_id, "c": message.conversation_id, "at": message.at, "id": message.id}
    first = tx.run(f"SELECT {messages.COLUMNS} FROM messages WHERE {where} ORDER BY at, id LIMIT 1", **place)
    nearest = tx.run(
        f"SELECT {messages.COLUMNS} FROM messages WHERE {where} ORDER BY at DESC, id DESC LIMIT :most",
        most=most,
        **place,
    )
    found = [Message(*row) for row in reversed(nearest)]
    if len(found) == most and first[0][0] != found[0].id:
        found = [Message(*first[0]), *found[1:]]
    return found
