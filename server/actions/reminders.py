"""Answers to a prevention reminder: done, later, not concerned, not wished; and taken back. Each is a record with its
author (`server.prevention.statuses`), never a flag.

A reminder card holds `{"type": "reminder", "title", "text", "rule", "version", "source", …}`. « Déjà fait » files a
statement of the patient in the dossier, unless they name the document that proves it; « me le rappeler » owes a
reminder; the others silence the rule until the patient changes it. Its page, `/prevention`, says the same and more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from server import access
from server.actions.ask import Ask, Done
from server.dossier import documents as shelf
from server.dossier import filing
from server.drafts import FileFacts, Later
from server.errors import Conflict
from server.prevention import statuses
from server.prevention.statuses import Saying, rule_hash
from server.settings import PLACE
from storage import documents
from storage.ids import new_id

if TYPE_CHECKING:
    from server.posting import Doing

__all__ = ["prepare_done", "prepare_later", "prepare_not_concerned", "prepare_refused", "prepare_undo", "record",
           "rule_hash"]  # fmt: skip

CHANNEL: Final = "reminder"


def record(doing: Doing, card: dict[str, Any], state: str, facts: dict[str, Any]) -> None:
    """One more record of what is known of this rule for this person. `facts`: of `statuses.Facts`."""
    statuses.add(doing.app, doing.tx, doing.to, str(card["rule"]), state, facts, doing.at)


def _effect(card: dict[str, Any], said: Saying) -> Callable[[Doing], None]:
    return lambda doing: record(doing, card, said.state, said.facts())


async def prepare_done(ask: Ask) -> Done:
    """Values, optional: `{"on": "AAAA-MM-JJ", "document": id}`: when, and what proves it in the dossier."""
    card = ask.card or {}
    said = statuses.checked(
        Saying("done", str(ask.values.get("on") or ""), document=str(ask.values.get("document") or ""))
    )
    if said.document:
        return await _proved(ask, card, said)
    ready = await _declaration(ask, card, said)

    def effect(doing: Doing) -> None:
        ready_now = replace(ready, message_id=doing.message_id)
        document = filing.file(doing.tx, doing.app.vault, doing.to.keys, ready_now, doing.actor.account_id, doing.at)
        record(doing, card, "done", {**said.facts(), "declaration": document})

    return Done("Noté comme déjà fait. Une déclaration est rangée dans votre dossier.", effect)


async def _proved(ask: Ask, card: dict[str, Any], said: Saying) -> Done:
    """The document is there for who says so, in the transaction too. Raises `Refused`."""
    box = await access.mailbox(ask.app, ask.actor, ask.conversation.mailbox_id, ("dossier",))
    handle = await access.dossier(ask.app, box)

    def effect(doing: Doing) -> None:
        shelf.one_seen(doing.tx, handle, said.document)
        record(doing, card, "done", said.facts())

    return Done("Noté comme fait, avec le document de votre dossier.", effect, text_en="Noted, with your document.")


async def _declaration(ask: Ask, card: dict[str, Any], said: Saying) -> filing.Filing:
    who, today = ask.actor.name, datetime.now(PLACE).date()
    when = f"le {statuses.said_on(said.on)}" if said.on else "à une date non précisée"
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
        said.on or today.isoformat(),
        unique_id=f"declaration:{new_id()}",  # said again after it was taken back, it is another
    )
    holder = ask.conversation.holder
    return await filing.of_octets(ask.app, ask.conversation.keys, facts, data, author_id=holder, source="patient")


async def prepare_later(ask: Ask) -> Done:
    """Values, optional: `{"months": "1"}`: when it is said again, of `statuses.MONTHS`."""
    card = ask.card or {}
    said = statuses.later(str(ask.values.get("months") or ""))
    due = statuses.due_at(said)
    later = Later(CHANNEL, due, {"rule": card["rule"], "conversation": ask.conversation.conversation_id})
    fr, en = (statuses.said_on(said.until, language) for language in ("fr", "en"))
    return Done(
        f"D’accord, nous vous le rappellerons le {fr}.",
        _effect(card, said),
        later=(later,),
        text_en=f"All right, we will remind you on {en}.",
    )


async def prepare_not_concerned(ask: Ask) -> Done:
    return Done(
        "Noté : vous n’êtes pas concerné. Vous pouvez changer d’avis ici.",
        _effect(ask.card or {}, Saying("not_concerned")),
    )


async def prepare_refused(ask: Ask) -> Done:
    return Done(
        "Noté : vous ne le souhaitez pas. Nous n’en parlerons plus. Vous pouvez changer d’avis ici.",
        _effect(ask.card or {}, Saying("refused")),
        text_en="Noted: you do not wish it. We will not speak of it again. You can change your mind here.",
    )


async def prepare_undo(ask: Ask) -> Done:
    """The answer is taken back, and the declaration that it filed is marked so."""
    card = ask.card or {}

    def effect(doing: Doing) -> None:
        taken = statuses.take_back(doing.app, doing.tx, doing.to, str(card["rule"]), doing.at)
        if taken is None:
            raise Conflict("nothing_to_take_back", "Cette réponse a déjà été annulée.")
        if taken.facts.declaration:
            documents.outdate(doing.tx, doing.to.space_id, taken.facts.declaration, "deleted", doing.message_id)

    return Done("Réponse annulée.", effect, text_en="Answer taken back.")
