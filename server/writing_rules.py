"""May I write to whom, and why not: said before anything is typed.

A patient writes to professionals and teams who wrote first (CNAM note § 2), unless they ended the exchange (§ 7), were
blocked, or are no longer here; a service that is a machine is answered, not written to. A professional writes to the
patients they exchange with, or to one whose INS and birth date they both know.

Does not: decide. `access.correspondent`, `access.patient` and `post()` do, again, when the letter is sent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from stdnum.fr import nir

from server import access, people, reading
from server.drafts import Actor
from server.errors import Invalid, Refused
from server.handles import ConversationHandle, MailboxHandle, SpaceHandle
from storage import accounts, conversations, exchanges
from storage.database import Tx
from storage.vault import SpaceKeys

if TYPE_CHECKING:
    from server.app import App

_INS = re.compile(r"\d{5}[0-9AB]{2}\d{8}", re.ASCII)
LOOKED_AT = 400  # threads of an office, the latest


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody this mailbox knows. `why`: "" when a letter may be written, else ended, blocked, blocked_by_them, gone,
    machine or closed; `since`: ISO 8601, "" when unknown. `conversation`: the latest with them; `whom`: their member
    id when others take part there too. `last`: when something was last written there.
    """

    member_id: str
    kind: str
    name: str
    role: str
    organisation: str
    conversation: str
    whom: str
    last: str
    why: str = ""
    since: str = ""


async def known(app: App, box: MailboxHandle) -> list[Known]:
    """Everybody, those one may write to first, the latest exchange first."""
    find = _known_to_holder if box.owner_kind == "holder" else _known_to_office
    found = await app.db.read(find, app, box)
    return sorted(found, key=lambda one: bool(one.why))


def _known_to_holder(tx: Tx, app: App, box: MailboxHandle) -> list[Known]:
    keys = reading.space_keys(app, tx, box.space_id)
    told = exchanges.told(tx, box.space_id)
    found: dict[str, Known] = {}
    for member, kind, conversation, count, last in conversations.correspondents(tx, box.space_id, box.owner):
        if member in found and (not found[member].whom or count > 2):
            continue  # the latest, and better one where nobody else takes part
        person = _contact(tx, keys, member) if kind == "contact" else _account(tx, member)
        if person is None or person.kind in {"operator", "holder"}:
            continue
        why, since = (person.why, person.since) if person.why else _why(told.get(member, {}))
        at = found[member].last if member in found else reading.iso(last)
        found[member] = Known(
            member, person.kind, person.name, person.role, person.organisation, conversation,
            member if count > 2 else "", at, why, since,
        )  # fmt: skip
    return list(found.values())


def _why(told: dict[str, tuple[str, int]]) -> tuple[str, str]:
    for kind, state, why in ((exchanges.BLOCK, "blocked", "blocked"), (exchanges.REPLIES, "ended", "ended")):
        if told.get(kind, ("", 0))[0] == state:
            return why, reading.iso(told[kind][1])
    return "", ""


def _contact(tx: Tx, keys: SpaceKeys, member: str) -> Known | None:
    card = conversations.contact_card(tx, keys.space_id, member)
    if card is None:
        return None
    facts = msgspec.json.decode(keys.open("contact", member, card))
    return Known(member, "professional", facts["name"], facts.get("role", ""), facts["address"], "", "", "")


def _account(tx: Tx, member: str) -> Known | None:
    found = accounts.even_ended(tx, member)
    if found is None:
        return None
    account, ended = found
    why = "gone" if ended is not None else "machine" if account.kind == "bot" else ""
    since = reading.iso(ended) if ended is not None else ""
    return Known(member, account.kind, account.name, account.role, account.organisation, "", "", "", why, since)


def _known_to_office(tx: Tx, app: App, box: MailboxHandle) -> list[Known]:
    found: dict[str, Known] = {}
    for space_id, conversation, last in conversations.exchanged(tx, box.mailbox_id, LOOKED_AT):
        holder, space = accounts.holder_of(tx, space_id), accounts.space(tx, space_id)
        if space_id in found or space is None or holder is None:
            continue
        traits = people.traits(app, tx, space_id)
        why, since = ("closed", "") if space.state != "open" else ("", "")
        told = exchanges.told(tx, space_id).get(box.owner, {}).get(exchanges.BLOCK, ("", 0))
        if told[0] == "blocked" and app.settings.blocked_senders == "told":
            why, since = "blocked_by_them", reading.iso(told[1])
        found[space_id] = Known(
            holder.id, "holder", traits.name if traits else "", traits.birth_date if traits else "", "",
            conversation, holder.id, reading.iso(last) if last else "", why, since,
        )  # fmt: skip
    return list(found.values())


async def closed_since(app: App, to: ConversationHandle) -> tuple[str, str]:
    """Who ended the exchange last, or was blocked, where the holder may not answer: (name, ISO 8601), or ("", "")."""
    people_in = [one for one in await reading.people_in(app, to) if one.member_id != to.member]
    told = await app.db.read(exchanges.told, to.space_id)
    found = [(since, one.name) for one in people_in if (since := _why(told.get(one.member_id, {}))[1])]
    return (max(found)[1], max(found)[0]) if found else ("", "")


async def patient(app: App, actor: Actor, box: MailboxHandle, ins: str, birth: str) -> SpaceHandle:
    """The space of the patient with this INS, born on that day (ISO 8601), for a professional. An INS nobody has, a
    closed space and another birth date are one answer, and count towards the same brake. Raises `Invalid`, `Refused`,
    `Throttled`.
    """
    ins = "".join(ins.split()).upper()
    good = _INS.fullmatch(ins) and (not app.settings.strict_ins_key or nir.calc_check_digits(ins[:13]) == ins[13:])
    if not good:
        raise Invalid("bad_ins", "Vérifiez le matricule INS : 15 chiffres, clé comprise.")
    app.lookups.may_look_up(actor.account_id)
    try:
        space = await access.patient(app, actor, ins, through=box)
        traits = await app.db.read(lambda tx: people.traits(app, tx, space.space_id))
        if traits is None or traits.birth_date != birth.strip():
            raise Refused
    except Refused:
        app.lookups.unknown(actor.account_id)
        raise Refused(
            "no_such_patient", "Aucun espace ouvert ne correspond à ce matricule et à cette date de naissance."
        ) from None
    return space
