"""The appointments of a space, and which of them an office organises. Functions of one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Tx
from storage.vault import Sealed


@dataclass(frozen=True, slots=True)
class Appointment:
    """`state`: proposed, accepted, declined, asked (another moment), added, removed, cancelled, own. `starts_at`: ms;
    None when it has no date. `organiser_id`: the account that organises it, "" when it has none here.
    """

    id: str
    sequence: int
    state: str
    message_id: str
    facts: bytes
    changed_at: int
    organiser_id: str = ""
    starts_at: int | None = None


_FIELDS = "id, sequence, state, message_id, facts, changed_at, organiser_id, starts_at"


def add(tx: Tx, space_id: str, appointment: Appointment, uid_hash: str, facts: Sealed, changed_by: str) -> bool:
    """False when one with this UID is known."""
    return bool(
        tx.run(
            "INSERT INTO appointments (space_id, id, uid_hash, sequence, state, message_id, facts, changed_by,"
            " changed_at, organiser_id, starts_at) VALUES (:s, :id, :uid, :sequence, :state, :m, :facts, :by, :at,"
            " :organiser, :starts) ON CONFLICT DO NOTHING RETURNING id",
            **_values(space_id, appointment, facts, changed_by),
            uid=uid_hash,
        )
    )


def change(tx: Tx, space_id: str, appointment: Appointment, facts: Sealed, changed_by: str) -> None:
    tx.run(
        "UPDATE appointments SET sequence = :sequence, state = :state, message_id = :m, facts = :facts,"
        " changed_by = :by, changed_at = :at, organiser_id = :organiser, starts_at = :starts"
        " WHERE space_id = :s AND id = :id",
        **_values(space_id, appointment, facts, changed_by),
    )


def _values(space_id: str, appointment: Appointment, facts: Sealed, changed_by: str) -> dict[str, object]:
    return {
        "s": space_id,
        "id": appointment.id,
        "sequence": appointment.sequence,
        "state": appointment.state,
        "m": appointment.message_id,
        "facts": facts,
        "by": changed_by,
        "at": appointment.changed_at,
        "organiser": appointment.organiser_id,
        "starts": appointment.starts_at,
    }


def hold(tx: Tx, space_id: str, uid_hash: str) -> Appointment | None:
    """As `by_uid`; its row is locked, so that a patient and an organiser act on it one after the other."""
    rows = tx.run(
        f"UPDATE appointments SET state = state WHERE space_id = :s AND uid_hash = :u RETURNING {_FIELDS}",
        s=space_id,
        u=uid_hash,
    )
    return Appointment(*rows[0]) if rows else None


def hold_one(tx: Tx, space_id: str, appointment_id: str) -> Appointment | None:
    """As `find`; its row is locked, as `hold` does."""
    rows = tx.run(
        f"UPDATE appointments SET state = state WHERE space_id = :s AND id = :id RETURNING {_FIELDS}",
        s=space_id,
        id=appointment_id,
    )
    return Appointment(*rows[0]) if rows else None


def of_message(tx: Tx, space_id: str, message_id: str) -> Appointment | None:
    """The one whose last card, or line, is that message."""
    rows = tx.run(
        f"SELECT {_FIELDS} FROM appointments WHERE space_id = :s AND message_id = :m", s=space_id, m=message_id
    )
    return Appointment(*rows[0]) if rows else None


def by_uid(tx: Tx, space_id: str, uid_hash: str) -> Appointment | None:
    rows = tx.run(f"SELECT {_FIELDS} FROM appointments WHERE space_id = :s AND uid_hash = :u", s=space_id, u=uid_hash)
    return Appointment(*rows[0]) if rows else None


def find(tx: Tx, space_id: str, appointment_id: str) -> Appointment | None:
    rows = tx.run(f"SELECT {_FIELDS} FROM appointments WHERE space_id = :s AND id = :id", s=space_id, id=appointment_id)
    return Appointment(*rows[0]) if rows else None


def of_space(tx: Tx, space_id: str) -> list[Appointment]:
    rows = tx.run(f"SELECT {_FIELDS} FROM appointments WHERE space_id = :s ORDER BY changed_at", s=space_id)
    return [Appointment(*row) for row in rows]


# ---- what an office organises ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Organised:
    """An appointment as the office that organises it, or follows it, finds it. `state`: as the appointment's.
    `until_at`: when the last date of a series begins (ms); None of one date.
    """

    space_id: str
    appointment_id: str
    starts_at: int
    state: str
    until_at: int | None = None


def put_organised(tx: Tx, mailbox_id: str, one: Organised) -> None:
    tx.run(
        "INSERT INTO organised (mailbox_id, space_id, appointment_id, starts_at, state, until_at)"
        " VALUES (:mailbox, :s, :a, :at, :state, :until)"
        " ON CONFLICT (mailbox_id, space_id, appointment_id) DO UPDATE SET starts_at = :at, state = :state,"
        " until_at = COALESCE(:until, organised.until_at)",
        mailbox=mailbox_id,
        s=one.space_id,
        a=one.appointment_id,
        at=one.starts_at,
        state=one.state,
        until=one.until_at,
    )


def offices(tx: Tx, space_id: str, appointment_id: str) -> list[str]:
    """The mailboxes of the offices that organise or follow an appointment."""
    query = "SELECT mailbox_id FROM organised WHERE space_id = :s AND appointment_id = :a ORDER BY mailbox_id"
    return [row[0] for row in tx.run(query, s=space_id, a=appointment_id)]


def space_of(tx: Tx, mailbox_id: str, appointment_id: str) -> str:
    """The space of an appointment of an office; "" when it has no such one."""
    query = "SELECT space_id FROM organised WHERE mailbox_id = :m AND appointment_id = :a"
    found = tx.run(query, m=mailbox_id, a=appointment_id)
    return str(found[0][0]) if found else ""


def organised(tx: Tx, mailbox_id: str, since: int, until: int, most: int) -> list[Organised]:
    """Those of an office that begin from `since` until before `until` (ms), in order of time; `most` at most."""
    rows = tx.run(
        "SELECT space_id, appointment_id, starts_at, state FROM organised WHERE mailbox_id = :m"
        " AND starts_at >= :since AND starts_at < :until ORDER BY starts_at, appointment_id LIMIT :most",
        m=mailbox_id,
        since=since,
        until=until,
        most=most,
    )
    return [Organised(*row) for row in rows]


def offices_between(tx: Tx, since: int, until: int) -> list[str]:
    """The mailboxes of the offices that have an appointment then."""
    rows = tx.run(
        "SELECT DISTINCT mailbox_id FROM organised WHERE starts_at >= :since AND starts_at < :until"
        " ORDER BY mailbox_id",
        since=since,
        until=until,
    )
    return [row[0] for row in rows]


def series(tx: Tx, mailbox_id: str, since: int, most: int) -> list[Organised]:
    """Those of an office that began before `since` and repeat until then or later (ms); `most` at most."""
    rows = tx.run(
        "SELECT space_id, appointment_id, starts_at, state, until_at FROM organised WHERE mailbox_id = :m"
        " AND until_at >= :since AND starts_at < :since ORDER BY starts_at, appointment_id LIMIT :most",
        m=mailbox_id,
        since=since,
        most=most,
    )
    return [Organised(*row) for row in rows]
