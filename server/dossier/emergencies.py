"""A dossier opened in an emergency, without a consent (CSP L.1111-17): « bris de glace » by a doctor, or by the doctor
who regulates the calls of a SAMU. Two grounds, each with the patient's own choice made beforehand.

    open()  →  second factor, reason, choice  →  the consent for some hours, its audit row, a review for the operator
    and the line that tells the patient: one transaction; then the médecin traitant is told, a debt of the same one

Promises: nothing is read in an emergency without all of these records, for nobody else makes these grounds; a patient
who opposed it, or blocked this person, is not opened, and the two answers look the same; it is one patient, one
account, some hours. What of the dossier may be read then: `server.dossier.habilitation`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from server import access, audit, posting, reading, space_news, step_up, undelivered
from server.audit import Act
from server.delegates import is_minor
from server.delivery import Parcel
from server.dossier import choices
from server.dossier.delays import DELAYS, HOUR
from server.dossier.habilitation import EMERGENCY, SAMU, TREATING
from server.dossier.standing import ConsentFacts
from server.dossier.words import moment
from server.drafts import Author, Draft, Later, MailFacts, Member, Opening
from server.errors import Conflict, Invalid, NotAllowed, Refused
from server.handles import ConversationHandle, DossierHandle, MailboxHandle
from server.people import traits
from storage import accounts, consents, delegations, exchanges, reviews, teams
from storage.accounts import Account
from storage.consents import Consent
from storage.database import Tx
from storage.ids import new_id, now_ms

if TYPE_CHECKING:
    from server.app import App
    from server.posting import Doing

GROUNDS: Final = (EMERGENCY, SAMU)
CHANNEL: Final = "emergency"
SUBJECT: Final = "Dossier ouvert en urgence"


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which professions (TRE_G15) may declare which emergency, and how long a reason is, in characters."""

    source: str
    professions: dict[str, tuple[str, ...]]
    reason_least: int
    reason_most: int


RULES: Final = msgspec.json.decode((Path(__file__).parent / "data" / "emergency.json").read_bytes(), type=Rules)


@dataclass(frozen=True, slots=True)
class Emergency:
    """An emergency that runs. `ground`: emergency or samu. `until`: ISO 8601. The page that shows a dossier by it says
    so for as long as it lasts (DMP EX_0.3-1050).
    """

    id: str
    ground: str
    until: str
    reason: str


async def grounds_of(app: App, box: MailboxHandle) -> tuple[str, ...]:
    """The emergencies that this professional may declare, whoever the patient is: emergency, samu, or none."""
    account = await app.db.read(accounts.by_id, box.actor.account_id)
    return tuple(ground for ground in GROUNDS if account is not None and _entitled(app, account, ground))


async def running(app: App, record: DossierHandle) -> Emergency | None:
    """The one by which this professional reads this dossier now."""
    return await app.db.read(lambda tx: _running(tx, record, GROUNDS))


async def open(
    app: App, box: MailboxHandle, space_id: str, reason: str, ground: str = EMERGENCY, *, session: str
) -> Emergency:
    """A professional at their own mailbox declares an emergency about one patient: whom they know, or found by their
    identity lately (`access.record_of`). `session`: the secret of their web session, which must have given a second
    factor just now. One that runs already is given back as it is.

    Raises `StepUp`; `Invalid` (the reason); `NotAllowed` (not their profession, or not this patient), `Refused`,
    `Throttled`.
    """
    await step_up.require(app, session)
    said = " ".join(reason.split())
    if not RULES.reason_least <= len(said) <= RULES.reason_most:
        raise Invalid("bad_reason", f"Écrivez pourquoi, en {RULES.reason_least} caractères au moins.")
    record = await access.record_of(app, box, space_id)
    account, news = await app.db.read(_prepared, app, record, ground)
    until = now_ms() + DELAYS.emergency_hours * HOUR
    consent = Consent(space_id, new_id(), account.id, ground, b"", now_ms(), until, account.id, "")
    facts = ConsentFacts(reason=said, place=account.organisation, name=account.name)
    sealed = record.keys.seal("consent", consent.id, msgspec.json.encode(facts))

    def effect(doing: Doing) -> None:
        tx = doing.tx
        delegations.lock(tx, space_id)
        _may(app, tx, record, ground)
        if _running(tx, record, (ground,)):
            raise Conflict("emergency_runs", "Ce dossier vous est déjà ouvert en urgence.")
        consents.insert(tx, replace(consent, message_id=doing.message_id), sealed)
        audit.record(tx, Act.EMERGENCY_OPENED, box.actor, space_id, ground, consent.id, why=consent.id)
        reviews.ask(tx, reviews.EMERGENCY, account.id, space_id=space_id, about=consent.id, by=account.id)

    later = (Later(CHANNEL, now_ms(), {"consent": consent.id}),)
    try:
        await space_news.tell(app, space_id, *_told(news, account, ground, said, until), effect, later)
    except Conflict as error:
        known = await app.db.read(lambda tx: _running(tx, record, (ground,)))
        if error.code != "emergency_runs" or known is None:
            raise
        return known
    return Emergency(consent.id, ground, reading.iso(until), said)


async def close(app: App, record: DossierHandle) -> None:
    """The professional needs it no more: it ends now, and the patient is told. Raises `Refused`."""
    known = await running(app, record)
    if known is None:
        raise Refused

    def effect(doing: Doing) -> None:
        if not consents.end(doing.tx, record.space_id, known.id, record.actor.account_id):
            raise Refused
        audit.record(doing.tx, Act.EMERGENCY_ENDED, record.actor, record.space_id, known.ground, known.id)

    name = record.actor.name
    fr, en = f"{name} a mis fin à son accès en urgence.", f"{name} ended their emergency access."
    await space_news.tell(app, record.space_id, fr, en, effect)


def _prepared(tx: Tx, app: App, record: DossierHandle, ground: str) -> tuple[Account, str]:
    """Who asks, and whose dossier it is: "" for somebody who reads of it themself, else the child's name."""
    account = _may(app, tx, record, ground)
    whose = traits(app, tx, record.space_id)
    return account, whose.name if whose is not None and is_minor(app, tx, record.space_id) else ""


def _may(app: App, tx: Tx, record: DossierHandle, ground: str) -> Account:
    """In the transaction. Raises `Refused`, `NotAllowed`: opposed and blocked are one answer."""
    account, space = accounts.by_id(tx, record.actor.account_id), accounts.space(tx, record.space_id)
    if account is None or space is None or account.kind != "professional" or ground not in GROUNDS:
        raise Refused
    if not _entitled(app, account, ground):
        raise NotAllowed("not_for_emergency", "Votre profession n’ouvre pas un dossier en urgence.")
    known = {account.id, *(team for team, _, _ in teams.of_account(tx, account.id))}
    blocked = any(exchanges.standing(tx, record.space_id, one).blocked for one in known)
    if space.state != "open" or blocked or not choices.chosen(tx, record.space_id)[ground]:
        raise NotAllowed("emergency_opposed", "Ce dossier ne s’ouvre pas en urgence.")
    return account


def _entitled(app: App, account: Account, ground: str) -> bool:
    """By profession; for SAMU by organisation too."""
    samu = {one.strip() for one in app.settings.samu_organisations.split(",") if one.strip()}
    there = ground != SAMU or account.organisation_id in samu
    return (
        account.kind == "professional" and there and account.profession.partition("/")[0] in RULES.professions[ground]
    )


def _running(tx: Tx, record: DossierHandle, grounds: tuple[str, ...]) -> Emergency | None:
    for one in consents.in_force(tx, record.space_id, [record.actor.account_id]):
        if one.kind in grounds and one.until_at is not None:
            facts = msgspec.json.decode(record.keys.open("consent", one.id, one.facts), type=ConsentFacts)
            return Emergency(one.id, one.kind, reading.iso(one.until_at), facts.reason)
    return None


# ---- who is told -----------------------------------------------------------------------------------------------------


def _told(child: str, account: Account, ground: str, reason: str, until: int) -> tuple[str, str]:
    who = ", ".join(filter(None, (account.role, account.organisation)))
    who = f"{account.name} ({who})" if who else account.name
    whose, whose_en = (
        (f"le dossier de {child}", f"the record of {child}") if child else ("votre dossier", "your record")
    )
    how, how_en = ("pour le SAMU", "for the SAMU") if ground == SAMU else ("en urgence", "in an emergency")
    return (
        f"{who} a ouvert {whose} {how}. Raison donnée : « {reason} ». Cet accès prend fin le {moment(until)}. Vous "
        "pouvez y mettre fin avant, dans « Qui peut lire mon dossier ».",
        f"{who} opened {whose_en} {how_en}. Reason given: “{reason}”. This access ends on {moment(until, 'en')}. You "
        "can end it sooner, in “Who can read my record”.",
    )


class EmergencyTold:
    """The channel named `emergency`: the médecin traitant, when there is one, is told by a letter of their own. Its
    target is `{"consent"}`. Why it was opened is the patient's to tell.
    """

    name = CHANNEL

    def __init__(self, app: App) -> None:
        self._app = app

    async def send(self, parcel: Parcel) -> None:
        """Once an emergency, however often it is called."""
        app, space_id, consent_id = self._app, parcel.keys.space_id, str(parcel.target["consent"])

        def find(tx: Tx) -> tuple[Consent | None, Account | None, Account | None, str]:
            consent = consents.one(tx, space_id, consent_id)
            given = [one for one in consents.of(tx, space_id) if one.kind == TREATING and one.in_force(now_ms())]
            whose = traits(app, tx, space_id)
            treating = accounts.by_id(tx, given[0].account_id) if given else None
            who = accounts.by_id(tx, consent.account_id) if consent else None
            return consent, who, treating, whose.name if whose else ""

        consent, who, treating, whose = await app.db.read(find)
        if consent is None or who is None or treating is None or treating.id == who.id:
            return
        reference = f"urgence.{consent_id}@{app.settings.mail_domain}"
        to = await undelivered.to_holder(app, space_id, reference)
        if isinstance(to, ConversationHandle):
            return  # told before
        member = Member(treating.id, treating.mailbox_id, treating.organisation_id, treating.name)
        at = moment(consent.from_at)
        place = f" ({who.organisation})" if who.organisation else ""
        text = (
            f"Le dossier de {whose} a été ouvert en urgence par {who.name}{place}, le {at}.\n\nVous recevez ce message "
            "comme médecin traitant (CSP L.1111-17). Le patient en est informé."
        )
        draft = Draft(
            to=Opening(to, SUBJECT, (member,)),
            text=text,
            mail=MailFacts(message_id=reference),
            retry_key=f"emergency:{consent_id}",
            author=Author("system", "Pli"),
        )
        await posting.post(app, undelivered.SYSTEM, draft)
