"""Typed audit entries: who did what, for whom, on which ground. Written in the transaction of what they are about.

An act is named `object:verb`. Each says how long it is kept; none holds a name, an address or a health word. Who reads
the rows: their patient (`server.journal`). That none is lost or changed: `server.audit_chain`.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from storage import access_notices, audit_rows
from storage.database import Tx
from storage.ids import now_ms

if TYPE_CHECKING:
    from server.drafts import Actor
    from server.handles import DossierHandle

ACCESS_YEARS = 3  # accesses to a record (CNIL 2021-122: up to three years when internal control justifies it)
TECHNICAL_MONTHS = 12
SEEN_AGAIN_MS = 600_000  # the pages and pictures of one reading are one reading


class Act(Enum):
    """(name, months it is kept)."""

    ACCOUNT_CREATED = ("account:created", ACCESS_YEARS * 12)
    ACTION_DONE = ("action:done", ACCESS_YEARS * 12)
    AGENDA_CHANGED = ("agenda:changed", ACCESS_YEARS * 12)  # outcome: noted, changed, removed
    ATTACHMENT_READ = ("attachment:read", ACCESS_YEARS * 12)
    CAMPAIGN_CHANGED = ("campaign:changed", ACCESS_YEARS * 12)  # outcome: the state; of no space
    CHOICE_CHANGED = ("choice:changed", ACCESS_YEARS * 12)
    CONSENT_ASKED = ("consent:asked", ACCESS_YEARS * 12)
    CONSENT_GIVEN = ("consent:given", ACCESS_YEARS * 12)
    CONSENT_REFUSED = ("consent:refused", ACCESS_YEARS * 12)
    CONSENT_WITHDRAWN = ("consent:withdrawn", ACCESS_YEARS * 12)
    CONTACT_CHANGED = ("contact:changed", ACCESS_YEARS * 12)
    CONVERSATION_ASSIGNED = ("conversation:assigned", ACCESS_YEARS * 12)
    CONVERSATION_CLOSED = ("conversation:closed", ACCESS_YEARS * 12)
    CONVERSATION_HANDED = ("conversation:handed", ACCESS_YEARS * 12)
    CONVERSATION_READ = ("conversation:read", ACCESS_YEARS * 12)
    DOCUMENT_ADDED = ("document:added", ACCESS_YEARS * 12)
    DOCUMENT_MARKED = ("document:marked", ACCESS_YEARS * 12)  # outcome: the mark, on or off
    DOCUMENT_READ = ("document:read", ACCESS_YEARS * 12)
    DOCUMENT_REMOVED = ("document:removed", ACCESS_YEARS * 12)
    DOCUMENT_RENAMED = ("document:renamed", ACCESS_YEARS * 12)
    DOCUMENT_SENT = ("document:sent", ACCESS_YEARS * 12)
    DELEGATION_ACCEPTED = ("delegation:accepted", ACCESS_YEARS * 12)
    DELEGATION_CHANGED = ("delegation:changed", ACCESS_YEARS * 12)
    DELEGATION_ENDED = ("delegation:ended", ACCESS_YEARS * 12)
    DELEGATION_INVITED = ("delegation:invited", ACCESS_YEARS * 12)
    DELEGATION_REFUSED = ("delegation:refused", ACCESS_YEARS * 12)
    DELEGATION_WITHDRAWN = ("delegation:withdrawn", ACCESS_YEARS * 12)
    DOSSIER_READ = ("dossier:read", ACCESS_YEARS * 12)
    EMERGENCY_ENDED = ("emergency:ended", ACCESS_YEARS * 12)
    EMERGENCY_OPENED = ("emergency:opened", ACCESS_YEARS * 12)
    FACTOR_CHANGED = ("factor:changed", ACCESS_YEARS * 12)
    FEED_ENDED = ("feed:ended", ACCESS_YEARS * 12)
    FEED_MADE = ("feed:made", ACCESS_YEARS * 12)  # outcome: how much it says
    FEED_READ = ("feed:read", TECHNICAL_MONTHS)
    JOURNEY_SETTLED = ("journey:settled", ACCESS_YEARS * 12)  # a call that was made; outcome: what came of it
    JOURNEY_STARTED = ("journey:started", ACCESS_YEARS * 12)
    JOURNEY_STOPPED = ("journey:stopped", ACCESS_YEARS * 12)
    FORM_FILLED = ("form:filled", ACCESS_YEARS * 12)
    MAILBOX_READ = ("mailbox:read", TECHNICAL_MONTHS)
    MAIL_DROPPED = ("mail:dropped", ACCESS_YEARS * 12)
    MAIL_EXAMINED = ("mail:examined", ACCESS_YEARS * 12)  # what stands around it, never what it says
    MAIL_HELD = ("mail:held", ACCESS_YEARS * 12)
    MAIL_PASSWORD_ENDED = ("mail-password:ended", ACCESS_YEARS * 12)
    MAIL_PASSWORD_MADE = ("mail-password:made", ACCESS_YEARS * 12)
    MAIL_RELEASED = ("mail:released", ACCESS_YEARS * 12)
    MEASURE_CORRECTED = ("measure:corrected", ACCESS_YEARS * 12)
    MEASURE_ENTERED = ("measure:entered", ACCESS_YEARS * 12)
    MEASURES_SENT = ("measure:sent", ACCESS_YEARS * 12)
    MESSAGE_POSTED = ("message:posted", ACCESS_YEARS * 12)
    MESSAGE_REMOVED = ("message:removed", ACCESS_YEARS * 12)  # from a professional's mailbox: the patient keeps it
    OPENINGS_STOPPED = ("openings:stopped", ACCESS_YEARS * 12)
    PATIENT_FOUND = ("patient:found", ACCESS_YEARS * 12)  # by their identity; of a search that failed no space
    PASSWORD_CHANGED = ("password:changed", ACCESS_YEARS * 12)
    PREVENTION_SAID = ("prevention:said", ACCESS_YEARS * 12)  # outcome: the answer
    PROFILE_CHANGED = ("profile:changed", ACCESS_YEARS * 12)  # outcome: entered, corrected, withdrawn, none
    REVIEW_CLOSED = ("review:closed", ACCESS_YEARS * 12)
    SEQUENCE_CHANGED = ("sequence:changed", ACCESS_YEARS * 12)  # outcome: current, withdrawn
    SIGNED_IN = ("session:opened", TECHNICAL_MONTHS)
    SIGNED_OUT = ("session:closed", TECHNICAL_MONTHS)
    SIGN_IN_REFUSED = ("session:refused", TECHNICAL_MONTHS)
    SPACE_CHANGED = ("space:changed", ACCESS_YEARS * 12)
    SPACE_COPIED = ("space:copied", ACCESS_YEARS * 12)
    SPACE_WRITTEN_TO = ("space:written-to", ACCESS_YEARS * 12)
    STEPPED_UP = ("session:stepped-up", TECHNICAL_MONTHS)
    WRITER_BLOCKED = ("writer:blocked", ACCESS_YEARS * 12)
    WRITER_FREED = ("writer:freed", ACCESS_YEARS * 12)
    WRITER_TURNED_AWAY = ("writer:turned-away", ACCESS_YEARS * 12)


_MONTHS = {act.value[0]: act.value[1] for act in Act}


def months_of(act: str) -> int:
    """How long rows of that name are kept; what no longer has a name here is kept as an access is."""
    return _MONTHS.get(act, ACCESS_YEARS * 12)


def record(
    tx: Tx, act: Act, actor: Actor, space_id: str, ground: str, subject: str = "", outcome: str = "done", why: str = ""
) -> None:
    """One row. `space_id`: whose record is touched ('' for none). `ground`: what gave the right; `why`: the id of the
    consent or emergency that did. `subject`: the object's id.
    """
    who = actor.account_id or "correspondent"
    audit_rows.insert(tx, space_id, who, actor.kind, act.value[0], ground, subject, outcome, why)


def owe_notice(tx: Tx, handle: DossierHandle) -> None:
    """In the transaction of an access to a dossier: its patient is told within a minute (`server.journal_notice`). Not
    of their own reading, nor of a service they allowed, which reads by itself.
    """
    if handle.ground not in {"self", "grant"} and handle.actor.kind != "bot":
        access_notices.owe(tx, handle.keys, handle.actor.account_id)


def record_once(
    tx: Tx,
    act: Act,
    actor: Actor,
    space_id: str,
    ground: str,
    subject: str,
    outcome: str = "done",
    *,
    why: str,
    within_ms: int = SEEN_AGAIN_MS,
) -> None:
    """As `record`, unless the same was recorded within that time: the pages of a document are one reading of it."""
    who = actor.account_id or "correspondent"
    if not audit_rows.lately(tx, space_id, who, act.value[0], subject, why, now_ms() - within_ms):
        record(tx, act, actor, space_id, ground, subject, outcome, why=why)
