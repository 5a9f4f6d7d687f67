"""The dossier, the agenda, reminders and grants: what actions write. Functions of one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Tx
from storage.ids import now_ms
from storage.vault import Sealed


@dataclass(frozen=True, slots=True)
class Document:
    """`state`: current; replaced or deleted by its author, in the message `replaced_by`."""

    id: str
    message_id: str
    attachment_id: str
    blob_id: str
    category: str
    facts: bytes
    filed_by: str
    filed_at: int
    state: str = "current"
    replaced_by: str = ""


_DOCUMENT = "id, message_id, attachment_id, blob_id, category, facts, filed_by, filed_at, state, replaced_by"


def file(tx: Tx, space_id: str, document: Document, unique_hash: str, facts: Sealed) -> bool:
    """False when the same document (unique id, else content) is already in the dossier."""
    return bool(
        tx.run(
            f"INSERT INTO documents (space_id, unique_hash, {_DOCUMENT})"
            " VALUES (:s, :hash, :id, :m, :a, :blob, :category, :facts, :by, :at, :state, :replaced)"
            " ON CONFLICT DO NOTHING RETURNING id",
            s=space_id,
            hash=unique_hash,
            id=document.id,
            m=document.message_id,
            a=document.attachment_id,
            blob=document.blob_id,
            category=document.category,
            facts=facts,
            by=document.filed_by,
            at=document.filed_at,
            state=document.state,
            replaced=document.replaced_by,
        )
    )


def documents(tx: Tx, space_id: str) -> list[Document]:
    """Newest filed first."""
    rows = tx.run(f"SELECT {_DOCUMENT} FROM documents WHERE space_id = :s ORDER BY filed_at DESC, id", s=space_id)
    return [Document(*row) for row in rows]


def document(tx: Tx, space_id: str, document_id: str) -> Document | None:
    rows = tx.run(f"SELECT {_DOCUMENT} FROM documents WHERE space_id = :s AND id = :id", s=space_id, id=document_id)
    return Document(*rows[0]) if rows else None


@dataclass(frozen=True, slots=True)
class Appointment:
    id: str
    sequence: int
    state: str
    message_id: str
    facts: bytes
    changed_at: int


def add_appointment(
    tx: Tx, space_id: str, appointment: Appointment, uid_hash: str, facts: Sealed, changed_by: str
) -> bool:
    """False when one with this UID is known."""
    return bool(
        tx.run(
            "INSERT INTO appointments (space_id, id, uid_hash, sequence, state, message_id, facts, changed_by, "
            "changed_at) VALUES (:s, :id, :uid, :sequence, :state, :m, :facts, :by, :at)"
            " ON CONFLICT DO NOTHING RETURNING id",
            s=space_id,
            id=appointment.id,
            uid=uid_hash,
            sequence=appointment.sequence,
            state=appointment.state,
            m=appointment.message_id,
            facts=facts,
            by=changed_by,
            at=appointment.changed_at,
        )
    )


def change_appointment(tx: Tx, space_id: str, appointment: Appointment, facts: Sealed, changed_by: str) -> None:
    tx.run(
        "UPDATE appointments SET sequence = :sequence, state = :state, message_id = :m, facts = :facts,"
        " changed_by = :by, changed_at = :at WHERE space_id = :s AND id = :id",
        s=space_id,
        id=appointment.id,
        sequence=appointment.sequence,
        state=appointment.state,
        m=appointment.message_id,
        facts=facts,
        by=changed_by,
        at=appointment.changed_at,
    )


def hold_appointment(tx: Tx, space_id: str, uid_hash: str) -> Appointment | None:
    """As `appointment_by_uid`; its row is locked, so that a patient and an organiser act on it one after the other."""
    rows = tx.run(
        "UPDATE appointments SET state = state WHERE space_id = :s AND uid_hash = :u"
        " RETURNING id, sequence, state, message_id, facts, changed_at",
        s=space_id,
        u=uid_hash,
    )
    return Appointment(*rows[0]) if rows else None


def appointment_by_uid(tx: Tx, space_id: str, uid_hash: str) -> Appointment | None:
    rows = tx.run(
        "SELECT id, sequence, state, message_id, facts, changed_at FROM appointments WHERE space_id = :s AND uid_hash "
        "= :u",
        s=space_id,
        u=uid_hash,
    )
    return Appointment(*rows[0]) if rows else None


def appointments(tx: Tx, space_id: str) -> list[Appointment]:
    rows = tx.run(
        "SELECT id, sequence, state, message_id, facts, changed_at FROM appointments WHERE space_id = :s ORDER BY "
        "changed_at",
        s=space_id,
    )
    return [Appointment(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Reminder:
    id: str
    state: str
    facts: bytes
    by: str
    at: int


def add_reminder(tx: Tx, space_id: str, reminder: Reminder, rule_hash: str, facts: Sealed) -> None:
    tx.run(
        "INSERT INTO reminders (space_id, id, rule_hash, state, facts, by, at) VALUES (:s, :id, :rule, :state, "
        ":facts, :by, :at)",
        s=space_id,
        id=reminder.id,
        rule=rule_hash,
        state=reminder.state,
        facts=facts,
        by=reminder.by,
        at=reminder.at,
    )


def reminder_state(tx: Tx, space_id: str, rule_hash: str) -> str:
    """The newest state of a rule for this person; '' when it was never spoken of."""
    rows = tx.run(
        "SELECT state FROM reminders WHERE space_id = :s AND rule_hash = :rule ORDER BY at DESC, id DESC LIMIT 1",
        s=space_id,
        rule=rule_hash,
    )
    return rows[0][0] if rows else ""


@dataclass(frozen=True, slots=True)
class Grant:
    space_id: str
    id: str
    service_account: str
    facts: bytes
    granted_at: int
    until_at: int
    withdrawn_at: int | None


_GRANT = "space_id, id, service_account, facts, granted_at, until_at, withdrawn_at"


def insert_grant(tx: Tx, grant: Grant, facts: Sealed, granted_by: str) -> None:
    tx.run(
        "INSERT INTO grants (space_id, id, service_account, facts, granted_by, granted_at, until_at)"
        " VALUES (:s, :id, :service, :facts, :by, :at, :until)",
        s=grant.space_id,
        id=grant.id,
        service=grant.service_account,
        facts=facts,
        by=granted_by,
        at=grant.granted_at,
        until=grant.until_at,
    )


def withdraw_grants(tx: Tx, space_id: str, service_account: str, by: str) -> int:
    """End every grant in force of a service; returns how many."""
    return len(
        tx.run(
            "UPDATE grants SET withdrawn_at = :at, withdrawn_by = :by WHERE space_id = :s AND service_account = "
            ":service"
            " AND withdrawn_at IS NULL RETURNING id",
            at=now_ms(),
            by=by,
            s=space_id,
            service=service_account,
        )
    )


def grants(tx: Tx, space_id: str) -> list[Grant]:
    return [
        Grant(*row)
        for row in tx.run(f"SELECT {_GRANT} FROM grants WHERE space_id = :s ORDER BY granted_at DESC", s=space_id)
    ]


def grants_in_force(tx: Tx, service_account: str) -> list[Grant]:
    """What a service may do now, space by space."""
    rows = tx.run(
        f"SELECT {_GRANT} FROM grants WHERE service_account = :service AND withdrawn_at IS NULL AND until_at > :now",
        service=service_account,
        now=now_ms(),
    )
    return [Grant(*row) for row in rows]
