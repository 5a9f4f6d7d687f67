"""A professional asks to read a dossier, and the patient answers: a card of the thread.

    thread, first access, mail, API  →  asking(): the card in our words, and the effect that counts the request
    [Autoriser] [Choisir] [Refuser]  →  the consent, or none; the line says what, until when, and can take it back

The card holds `{"type": "consent_request", "title", "text", "things", "days", "reason"}`: things of
`server.dossier.things` (empty: all that may be shared), the time in days. Title and text are written here, whatever
came: what the patient reads is what they give. They may give less than was asked, never more.

Promises: who is blocked cannot ask; nobody nags, by themself or through a team: one open request a professional, and
after a refusal none for 30 days (`data/delays.json`) unless the patient writes to them meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from server import audit
from server.actions.ask import Ask, Done
from server.audit import Act
from server.dossier import consents
from server.dossier.consents import Giving
from server.dossier.delays import DAY, DELAYS
from server.dossier.habilitation import EXPLICIT
from server.dossier.things import checked, days, lasting, meant, phrase
from server.dossier.words import day
from server.drafts import Actor
from server.errors import Invalid, NotAllowed, Refused
from server.quotations import split_quoted
from storage import accounts, exchanges, teams
from storage.database import Tx
from storage.ids import now_ms

if TYPE_CHECKING:
    from server.posting import Doing

CARD: Final = "consent_request"
ASKED_DAYS: Final = 90  # when nothing is said
LONGEST_REASON: Final = 1_000
_LINE: Final = re.compile(r"^[ \t]*(quoi|durée|duree)[ \t]*:[ \t]*(.*)$", re.IGNORECASE | re.MULTILINE)
_SIGNATURE: Final = re.compile(r"^-- ?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a professional asks: what (empty: all that may be shared), for how many days, and why."""

    things: tuple[str, ...] = ()
    days: int = ASKED_DAYS
    reason: str = ""


def wish(things: Any, asked_days: Any, reason: Any) -> Wish:
    """Of what came in a form or in a card. Raises `Invalid`."""
    if not isinstance(things, list | tuple) or not all(isinstance(thing, str) for thing in things):
        raise Invalid("unknown_thing", "things : une liste de noms.")
    lasts = int(asked_days) if str(asked_days).isdecimal() and len(str(asked_days)) < 6 else 0
    if not 1 <= lasts <= DELAYS.consent_days_most:
        raise Invalid("bad_duration", f"Choisissez une durée de {DELAYS.consent_days_most} jours au plus.")
    why = " ".join(str(reason).split())
    if not 3 <= len(why) <= LONGEST_REASON:
        raise Invalid("no_reason", f"Écrivez pourquoi, en {LONGEST_REASON} caractères au plus : le patient le lira.")
    return Wish(checked(things), lasts, why)


def wish_of_letter(text: str) -> Wish:
    """Of a mail whose subject says [lire le dossier]: lines « Quoi : » and « Durée : », the rest is why. Raises
    `Invalid`.
    """
    own = _SIGNATURE.split(split_quoted(text.replace("\r\n", "\n"))[0])[0]
    said = {name.lower().replace("é", "e"): value for name, value in _LINE.findall(own)}
    things = meant(said["quoi"]) if said.get("quoi", "").strip() else ()
    lasts = days(said["duree"]) if said.get("duree", "").strip() else ASKED_DAYS
    return wish(things, lasts, _LINE.sub("", own)[:LONGEST_REASON])


def asking(actor: Actor, asked: Wish, name: str = "") -> tuple[dict[str, Any], Callable[[Doing], None]]:
    """The card, and what its draft does besides. `name`: of who asks, when that is a team."""
    who = name or actor.name
    card = {
        "type": CARD,
        "title": f"{who} demande à lire {phrase(asked.things)} pendant {lasting(asked.days)}",
        "title_en": f"{who} asks to read {phrase(asked.things, 'en')} for {lasting(asked.days, 'en')}",
        "text": f"Pourquoi : {asked.reason}\nVous pouvez refuser : vos soins n’en dépendent pas.",
        "text_en": f"Why: {asked.reason}\nYou may refuse: your care does not depend on it.",
        "things": list(asked.things),
        "days": asked.days,
        "reason": asked.reason,
    }
    return card, _count


def _count(doing: Doing) -> None:
    """In the transaction of the request. Raises `NotAllowed`."""
    tx, space_id, member = doing.tx, doing.to.space_id, doing.to.member
    account = accounts.by_id(tx, member)
    if account is None or account.kind not in {"professional", "team"}:
        raise NotAllowed("not_a_reader", "Seul un professionnel de santé peut demander à lire un dossier.")
    if not consents.reads_anything(tx, account):
        raise NotAllowed("not_habilitated", "La profession de cette personne ne donne pas accès aux dossiers.")
    mine = {member, doing.actor.account_id, *(team for team, _, _ in teams.of_account(tx, doing.actor.account_id))}
    if any(exchanges.standing(tx, space_id, one).blocked for one in mine):
        raise NotAllowed("writer_blocked", "Ce patient ne souhaite pas recevoir vos messages.")
    for one in sorted(mine):
        _no_nagging(tx, space_id, doing.to.holder, one)
    exchanges.record(tx, space_id, member, exchanges.READING, "asked", doing.actor.account_id, doing.message_id)
    audit.record(tx, Act.CONSENT_ASKED, doing.actor, space_id, doing.to.ground, doing.message_id)


def _no_nagging(tx: Tx, space_id: str, holder: str, member: str) -> None:
    known = exchanges.newest(tx, space_id, member, exchanges.READING)
    if known is None or known[0] == "allowed":
        return
    state, at, _ = known
    again = at + DELAYS.ask_again_days * DAY
    if now_ms() >= again:
        return
    if state == "asked":
        raise NotAllowed(
            "asked_already", f"Vous avez demandé à lire ce dossier le {day(at)} : le patient n’a pas répondu."
        )
    if not exchanges.wrote_since(tx, space_id, holder, member, at):
        raise NotAllowed(
            "asked_too_soon",
            f"Le patient a refusé. Vous pourrez demander de nouveau le {day(again)}, ou dès qu’il vous écrit.",
        )


# ---- the answers -----------------------------------------------------------------------------------------------------


async def prepare_allow(ask: Ask) -> Done:
    """Values: `{"things": some of those asked, by commas or as a list; "days": as many as was asked at most}`; all of
    it when absent.
    """
    asked = _asked(ask)
    chosen = asked
    if "things" in ask.values or "days" in ask.values:
        chosen = _narrowed(asked, ask.values.get("things", list(asked.things)), ask.values.get("days", asked.days))
    message = ask.opened.message
    giving = consents.proper(
        Giving(
            message.author_id, EXPLICIT, chosen.things, chosen.days, asked.reason, message.id,
            ask.conversation.conversation_id,
        )
    )  # fmt: skip
    account = await ask.app.db.read(consents.may_have, ask.conversation.space_id, giving)

    def effect(doing: Doing) -> None:
        consents.allow(doing, giving, doing.actor, doing.to.ground)
        _record(doing, message.author_id, "allowed", message.id)

    at = now_ms()
    return Done(consents.receipt(account, giving, at), effect, text_en=consents.receipt(account, giving, at, "en"))


async def prepare_refuse(ask: Ask) -> Done:
    message = ask.opened.message

    def effect(doing: Doing) -> None:
        _record(doing, message.author_id, "refused", message.id)
        audit.record(doing.tx, Act.CONSENT_REFUSED, doing.actor, doing.to.space_id, doing.to.ground, message.id)

    return Done("Autorisation de lire le dossier refusée.", effect, text_en="Permission to read the record refused.")


async def prepare_withdraw(ask: Ask) -> Done:
    """What this card gave ends. Nothing to end is no mistake: it ended before."""
    message = ask.opened.message

    def effect(doing: Doing) -> None:
        consents.withdraw_given_by(doing, message.id, doing.to.ground)
        _record(doing, message.author_id, "withdrawn", message.id)

    return Done(
        "Autorisation de lire le dossier retirée. Elle ne compte plus dès maintenant.",
        effect,
        text_en="Permission to read the record withdrawn. It counts no more from now on.",
    )


def asked_of(card: dict[str, Any]) -> Wish:
    """What a card asks. Raises `Invalid`."""
    return wish(card.get("things", []), card.get("days", ASKED_DAYS), card.get("reason", ""))


def _asked(ask: Ask) -> Wish:
    if ask.opened.message.author_kind not in {"professional", "team"} or not ask.opened.message.author_id:
        raise Refused
    return asked_of(ask.card or {})


def _narrowed(asked: Wish, things: Any, lasts: Any) -> Wish:
    """Raises `Invalid` for more than was asked."""
    listed = [one.strip() for one in things.split(",") if one.strip()] if isinstance(things, str) else things
    found = wish(listed, lasts, asked.reason)
    if asked.things and not (found.things and set(found.things) <= set(asked.things)):
        raise Invalid("unknown_thing", f"Choisissez parmi ce qui est demandé : {phrase(asked.things)}.")
    if found.days > asked.days:
        raise Invalid("bad_duration", f"La durée demandée est de {lasting(asked.days)} : vous pouvez donner moins.")
    return found


def _record(doing: Doing, member: str, state: str, message_id: str) -> None:
    exchanges.record(doing.tx, doing.to.space_id, member, exchanges.READING, state, doing.actor.account_id, message_id)
