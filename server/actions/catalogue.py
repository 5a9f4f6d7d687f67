"""The catalogue: services that a patient may let read something, for a time, and stop at any moment.

A service card holds `{"type": "service", "title", "text", "service"}`, `service` a name of `data/services.json`. It is
posted by the service's own bot; a grant is to that bot, for named scopes, dated, and ends by itself. Granting and
withdrawing are lines of the thread.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from server.actions.ask import Ask, Done
from server.agenda import book
from server.agenda.book import AppointmentView
from server.dossier import documents as shelf
from server.errors import Invalid, NotAllowed, Refused
from storage import accounts, documents
from storage.documents import Grant
from storage.ids import new_id, now_ms

if TYPE_CHECKING:
    from server.app import App
    from server.drafts import Actor
    from server.handles import DossierHandle
    from server.posting import Doing
    from storage.database import Tx
    from storage.vault import SpaceKeys

MAX_MONTHS = 12
MONTH_MS = 30 * 86_400_000


class GrantView(msgspec.Struct, frozen=True):
    """A grant as listed. Times ISO 8601; `withdrawn` empty while in force."""

    id: str
    service: str
    title: str
    scopes: list[str]
    granted: str
    until: str
    withdrawn: str
    message: str
    conversation: str


@lru_cache
def services() -> dict[str, Any]:
    """The services and scopes of the data file."""
    return dict(json.loads((Path(__file__).parent / "data" / "services.json").read_text()))


def service_card(name: str) -> dict[str, Any]:
    """The card that offers a service. Raises `Invalid`."""
    service = services()["services"].get(name)
    if service is None:
        raise Invalid("unknown_service", "Ce service n’est pas au catalogue.")
    return {
        "type": "service",
        "service": name,
        "scopes": service["scopes"],
        "months": service["months"],
        **{key: service[key] for key in ("title", "text", "title_en", "text_en")},
    }


async def _service_bot(ask: Ask) -> str:
    """The account that offered: the card's author, a bot."""
    message = ask.opened.message
    if message.author_kind != "bot":
        raise NotAllowed("not_a_service", "Seul un service peut recevoir une autorisation.")
    return message.author_id


def _day(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%d/%m/%Y")


async def prepare_grant(ask: Ask) -> Done:
    """Values: `{"scope": one of the offered (all when absent), "months": 1 to 12}`."""
    card = ask.card or {}
    known = services()["services"].get(card.get("service", ""))
    if known is None:
        raise Invalid("unknown_service", "Ce service n’est plus au catalogue.")
    scope = ask.values.get("scope")
    if scope is not None and scope not in known["scopes"]:
        raise Invalid("unknown_scope", f"Ce service demande : {', '.join(known['scopes'])}.")
    scopes = [scope] if scope else list(known["scopes"])
    months = ask.values.get("months", known["months"])
    if not str(months).isdecimal() or not 1 <= int(months) <= MAX_MONTHS:
        raise Invalid("bad_duration", f"La durée va de 1 à {MAX_MONTHS} mois.")
    bot, at = await _service_bot(ask), now_ms()
    until = at + int(months) * MONTH_MS
    keys = ask.conversation.keys
    grant = Grant(keys.space_id, new_id(), bot, b"", at, until, None)
    facts = {
        "service": card["service"],
        "title": known["title"],
        "scopes": scopes,
        "message": ask.opened.message.id,
        "conversation": ask.conversation.conversation_id,
    }

    def effect(doing: Doing) -> None:
        documents.withdraw_grants(doing.tx, keys.space_id, bot, doing.actor.account_id)
        documents.insert_grant(
            doing.tx, grant, keys.seal("grant", grant.id, msgspec.json.encode(facts)), doing.actor.account_id
        )

    named = ", ".join(services()["scopes"][name]["fr"] for name in scopes)
    return Done(
        f"Autorisation donnée à « {known['title']} » : {named}, jusqu’au {_day(until)}. Vous pouvez la retirer à tout "
        "moment.",
        effect,
    )


async def prepare_refuse(ask: Ask) -> Done:
    return Done(f"Autorisation refusée à « {(ask.card or {}).get('title', '')} ».")


async def prepare_withdraw(ask: Ask) -> Done:
    bot = await _service_bot(ask)
    space_id = ask.conversation.space_id

    def effect(doing: Doing) -> None:
        documents.withdraw_grants(doing.tx, space_id, bot, doing.actor.account_id)

    return Done(f"Autorisation retirée à « {(ask.card or {}).get('title', '')} ». Ce service ne lit plus rien.", effect)


async def grants(app: App, space: DossierHandle) -> list[GrantView]:
    """Every grant of a space, the newest first."""
    return [_view(space.keys, item) for item in await app.db.read(documents.grants, space.space_id)]


async def grants_to(app: App, service: Actor) -> list[GrantView]:
    """What a service is allowed now, grant by grant: the conversation of each is what it knows the patient by."""
    return [grant for _, grant in await granted_spaces(app, service)]


async def granted_spaces(app: App, service: Actor) -> list[tuple[str, GrantView]]:
    """As `grants_to`, each with the space it is about."""

    def look(tx: Tx) -> list[tuple[str, GrantView]]:
        found = []
        for item in documents.grants_in_force(tx, service.account_id):
            space = accounts.space(tx, item.space_id)
            if space is not None and space.wrapped_key:
                found.append((item.space_id, _view(app.vault.space(space.id, space.wrapped_key), item)))
        return found

    return await app.db.read(look)


def _view(keys: SpaceKeys, item: Grant) -> GrantView:
    facts = msgspec.json.decode(keys.open("grant", item.id, item.facts))
    return GrantView(
        item.id,
        facts["service"],
        facts["title"],
        facts["scopes"],
        _iso(item.granted_at),
        _iso(item.until_at),
        _iso(item.withdrawn_at) if item.withdrawn_at else "",
        facts["message"],
        facts["conversation"],
    )


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


async def granted_documents(app: App, service: Actor, grant_id: str) -> list[shelf.DocumentView]:
    """The list of documents that a grant with scope `documents:list` shows its service, now. Raises `Refused`."""
    return await shelf.list_documents(app, await granted(app, service, grant_id, "documents:list"))


async def granted_appointments(app: App, service: Actor, grant_id: str) -> list[AppointmentView]:
    """The agenda that a grant with scope `agenda:read` shows its service, now: when, where and what, without what the
    patient noted, nor where it was written of. Raises `Refused`.
    """
    found = await book.appointments(app, await granted(app, service, grant_id, "agenda:read"))
    return [msgspec.structs.replace(one, message="", conversation="", note="") for one in found]


async def granted(app: App, service: Actor, grant_id: str, scope: str) -> DossierHandle:
    """The dossier that this grant opens to its service for this scope, now; with its audit row. Raises `Refused`."""
    from server import audit
    from server.handles import DossierHandle

    def decide(tx: Tx) -> DossierHandle:
        grant = next((one for one in documents.grants_in_force(tx, service.account_id) if one.id == grant_id), None)
        space = accounts.space(tx, grant.space_id) if grant else None
        holder = accounts.holder_of(tx, grant.space_id) if grant else None
        if grant is None or space is None or holder is None or space.state != "open":
            raise Refused
        keys = app.vault.space(space.id, space.wrapped_key)
        if scope not in msgspec.json.decode(keys.open("grant", grant.id, grant.facts))["scopes"]:
            raise Refused
        audit.record(tx, audit.Act.DOSSIER_READ, service, space.id, "grant", grant.id)
        return DossierHandle(service, space.id, keys, "grant", holder.id, holder.mailbox_id)

    return await app.db.write(decide)
