"""Sequences bound to an appointment, and their steps. Functions of one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Tx
from storage.vault import Sealed


@dataclass(frozen=True, slots=True)
class Journey:
    """`mailbox_id`: of the office that runs it. `state`: running, ended, cancelled. `plan` grows each time its times
    change. `facts`: sealed, what was prepared as it was that day (`server.journeys.planning`).
    """

    id: str
    appointment_id: str
    mailbox_id: str
    conversation_id: str
    state: str
    plan: int
    facts: bytes
    started_by: str
    started_at: int
    changed_at: int


@dataclass(frozen=True, slots=True)
class StepRow:
    """`state`: planned, sent, passed (its time was over before it could be sent), cancelled. Instants in ms.
    `silent_at`: when silence on it is looked at next; None when it is not. `told`: how far that went (push, sms, call).
    """

    number: int
    kind: str
    state: str
    due_at: int
    silent_at: int | None
    told: str
    message_id: str
    changed_at: int


_FIELDS = "id, appointment_id, mailbox_id, conversation_id, state, plan, facts, started_by, started_at, changed_at"
_STEP = "number, kind, state, due_at, silent_at, told, message_id, changed_at"


def add(tx: Tx, space_id: str, one: Journey, facts: Sealed) -> None:
    tx.run(
        f"INSERT INTO journeys (space_id, {_FIELDS}) VALUES (:s, :id, :appointment, :mailbox, :c, :state, :plan,"
        " :facts, :by, :started, :at)",
        s=space_id,
        id=one.id,
        appointment=one.appointment_id,
        mailbox=one.mailbox_id,
        c=one.conversation_id,
        state=one.state,
        plan=one.plan,
        facts=facts,
        by=one.started_by,
        started=one.started_at,
        at=one.changed_at,
    )


def change(tx: Tx, space_id: str, one: Journey, facts: Sealed) -> None:
    """Its state, its plan, its facts; of one that is held."""
    tx.run(
        "UPDATE journeys SET state = :state, plan = :plan, facts = :facts, conversation_id = :c, changed_at = :at"
        " WHERE space_id = :s AND id = :id",
        s=space_id,
        id=one.id,
        state=one.state,
        plan=one.plan,
        facts=facts,
        c=one.conversation_id,
        at=one.changed_at,
    )


def hold(tx: Tx, space_id: str, journey_id: str) -> Journey | None:
    """As `find`; its row is locked, so that a step is not sent while the appointment moves."""
    rows = tx.run(
        f"UPDATE journeys SET state = state WHERE space_id = :s AND id = :id RETURNING {_FIELDS}",
        s=space_id,
        id=journey_id,
    )
    return Journey(*rows[0]) if rows else None


def find(tx: Tx, space_id: str, journey_id: str) -> Journey | None:
    rows = tx.run(f"SELECT {_FIELDS} FROM journeys WHERE space_id = :s AND id = :id", s=space_id, id=journey_id)
    return Journey(*rows[0]) if rows else None


def of_appointment(tx: Tx, space_id: str, appointment_id: str) -> list[Journey]:
    """Every one that was bound to it, the oldest first."""
    rows = tx.run(
        f"SELECT {_FIELDS} FROM journeys WHERE space_id = :s AND appointment_id = :a ORDER BY started_at, id",
        s=space_id,
        a=appointment_id,
    )
    return [Journey(*row) for row in rows]


def steps(tx: Tx, space_id: str, journey_id: str) -> list[StepRow]:
    rows = tx.run(
        f"SELECT {_STEP} FROM journey_steps WHERE space_id = :s AND journey_id = :j ORDER BY number",
        s=space_id,
        j=journey_id,
    )
    return [StepRow(*row) for row in rows]


def put_step(tx: Tx, space_id: str, journey_id: str, step: StepRow) -> None:
    """A new step, or what became of one; of a journey that is held."""
    tx.run(
        f"INSERT INTO journey_steps (space_id, journey_id, {_STEP})"
        " VALUES (:s, :j, :number, :kind, :state, :due, :silent, :told, :m, :at)"
        " ON CONFLICT (space_id, journey_id, number) DO UPDATE SET kind = excluded.kind, state = excluded.state,"
        " due_at = excluded.due_at, silent_at = excluded.silent_at, told = excluded.told,"
        " message_id = excluded.message_id, changed_at = excluded.changed_at",
        s=space_id,
        j=journey_id,
        number=step.number,
        kind=step.kind,
        state=step.state,
        due=step.due_at,
        silent=step.silent_at,
        told=step.told,
        m=step.message_id,
        at=step.changed_at,
    )
