"""Answers to a prevention reminder: done, later, not concerned. Each is a record with its author, never a flag.

A reminder card holds `{"type": "reminder", "title", "text", "rule", "version", "source", …}`. « Déjà fait » files a
statement of the patient in the dossier; « dans un mois » owes a reminder; « pas concerné » silences the rule until the
patient changes it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from server.actions.ask import Ask, Done
from server.dossier import filing
from server.drafts import FileFacts, Later
from server.errors import Invalid
from storage import reminders as rows
from storage.ids import new_id, now_ms
from storage.reminders import Reminder

if TYPE_CHECKING:
    from server.posting import Doing

LATER_DAYS = 30


def rule_hash(app: Any, space_id: str, rule: str) -> str:
    """What a rule is found by in a space: its name would say something of the person's health."""
    return str(app.vault.lookup("rule", f"{space_id}|{rule}"))


def record(doing: Doing, card: dict[str, Any], state: str, facts: dict[str, Any]) -> None:
    """One more record of what is known of this rule for this person."""
    keys = doing.to.keys
    reminder_id = new_id()
    sealed = keys.seal("reminder", reminder_id, msgspec.json.encode({"rule": card["rule"], **facts}))
    reminder = Reminder(reminder_id, state, b"", doing.actor.account_id, doing.at)
    rows.add(doing.tx, keys.space_id, reminder, rule_hash(doing.app, keys.space_id, card["rule"]), sealed)


def _effect(card: dict[str, Any], state: str, facts: dict[str, Any]) -> Callable[[Doing], None]:
    return lambda doing: record(doing, card, state, facts)


def _when(values: dict[str, Any]) -> str:
    """The day it was done, as told: `{"on": "AAAA-MM-JJ"}`, optional, not in the future."""
    told = values.get("on") or ""
    if not told:
        return ""
    try:
        day = date.fromisoformat(str(told))
    except ValueError as error:
        raise Invalid("bad_date", "La date doit être de la forme AAAA-MM-JJ.") from error
    if day > datetime.now(UTC).date():
        raise Invalid("date_in_future", "Cette date n’est pas encore passée.")
    return day.isoformat()


async def prepare_done(ask: Ask) -> Done:
    card = ask.card or {}
    on = _when(ask.values)
    when = f"le {on}" if on else "à une date non précisée"
    who = ask.actor.name
    text = (
        f"{card['title']}\n\nDéclaré comme déjà fait par {who}, {when}.\n"
        "Ce document est une déclaration, pas une preuve de vaccination.\n"
    )
    data = text.encode()
    facts = FileFacts(
        "declaration.txt",
        "text/plain",
        len(data),
        f"{card['title']} (déclaré fait)",
        "EXPPAT_2",
        "Déclaration du patient",
        "prevention",
        who,
        "",
        on or datetime.now(UTC).date().isoformat(),
    )

    author = ask.conversation.holder
    ready = await filing.of_octets(ask.app, ask.conversation.keys, facts, data, author_id=author, source="patient")

    def effect(doing: Doing) -> None:
        record(doing, card, "done", {"on": on})
        ready_now = replace(ready, message_id=doing.message_id)
        filing.file(doing.tx, doing.app.vault, doing.to.keys, ready_now, doing.actor.account_id, doing.at)

    return Done("Noté comme déjà fait. Une déclaration est rangée dans votre dossier.", effect)


async def prepare_later(ask: Ask) -> Done:
    card = ask.card or {}
    due = now_ms() + LATER_DAYS * 86_400_000
    later = Later("reminder", due, {"rule": card["rule"], "conversation": ask.conversation.conversation_id})
    return Done(
        "D’accord, nous vous le rappellerons dans un mois.", _effect(card, "later", {"until": due}), later=(later,)
    )


async def prepare_not_concerned(ask: Ask) -> Done:
    return Done(
        "Noté : vous n’êtes pas concerné. Vous pouvez changer d’avis ici.", _effect(ask.card or {}, "not_concerned", {})
    )
