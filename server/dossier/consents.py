"""Who may read a dossier, on which ground, until when: given, withdrawn, listed.

    a card in a thread, a page of the holder  →  Giving  →  allow(): the consent, its audit row, in the transaction of
    the line that tells of it  →  standing.reader() finds it at the next reading; ended, it finds nothing

Kinds: treating (the médecin traitant, a doctor, one at a time), administrator (a named professional, who sees hidden
documents too), care_team and explicit (a professional or a team; explicit names things and a time). A consent to a team
is one to each colleague in it, each by their own profession, and says so. Of one kind an account has one at most: a new
one takes the place of the last.

Promises: withdrawing counts at once, for a reader works out their ground inside the transaction that reads. Only the
holder, or who represents them by law, gives or withdraws; a helper never does (product.md § 2.8). An emergency is
nobody's to give (`server.dossier.emergencies`), but the holder ends it here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import msgspec

from server import audit, reading, scopes, space_news
from server.audit import Act
from server.dossier import standing
from server.dossier.delays import DAY, DELAYS
from server.dossier.habilitation import ADMINISTRATOR, CARE_TEAM, EMERGENCY, EXPLICIT, SAMU, TREATING, matrix
from server.dossier.standing import ConsentFacts
from server.dossier.things import checked
from server.dossier.things import listed as listed_things
from server.dossier.words import day
from server.errors import Invalid, NotAllowed, PliError, Refused
from server.handles import MailboxHandle
from server.people import traits
from storage import accounts, consents, conversations, delegations, entries, exchanges, messages, teams
from storage.accounts import Account
from storage.consents import Consent
from storage.database import Tx
from storage.ids import new_id, now_ms

if TYPE_CHECKING:
    from server.app import App
    from server.drafts import Actor
    from server.posting import Doing

KINDS: Final = (TREATING, CARE_TEAM, EXPLICIT, ADMINISTRATOR)
STRONG: Final = frozenset({ADMINISTRATOR})  # a second factor first
DOCTOR: Final = "G15_10"


@dataclass(frozen=True, slots=True)
class Giving:
    """What is given to whom. `things`: of `server.dossier.things`, empty: all that may be shared; `days` 0: until it
    is withdrawn. Both count for `explicit` alone, which must end. `message`, `conversation`: the card it answers.
    """

    account_id: str
    kind: str
    things: tuple[str, ...] = ()
    days: int = 0
    reason: str = ""
    message: str = ""
    conversation: str = ""


@dataclass(frozen=True, slots=True)
class ConsentView:
    """A consent as its holder reads it. Times ISO 8601, "" for none: no end was set, or it has not ended. `by`,
    `ended_by`: names; "" when time ended it. `team`: every colleague of it is covered. `running`: it counts now.
    """

    id: str
    account_id: str
    kind: str
    name: str
    role: str
    organisation: str
    team: bool
    things: tuple[str, ...]
    since: str
    until: str
    ended: str
    ended_by: str
    by: str
    reason: str
    conversation: str
    running: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who wrote to this patient, and whom they may allow. `doctor`: may be the médecin traitant; `given`: the
    kinds that run already.
    """

    account_id: str
    name: str
    role: str
    organisation: str
    team: bool
    doctor: bool
    given: frozenset[str]


@dataclass(frozen=True, slots=True)
class PatientView:
    """A patient whose dossier a professional may read now. `birth`: ISO 8601; `through`: the team it was given to, by
    name, "" for themself.
    """

    space_id: str
    name: str
    birth: str
    kind: str
    until: str
    through: str


# ---- given -----------------------------------------------------------------------------------------------------------


async def give(app: App, box: MailboxHandle, giving: Giving) -> None:
    """The holder allows somebody, from their own page; told by a line in « Votre espace ». For what is `STRONG` the
    door asks for a second factor first. Raises `NotAllowed`, `Invalid`, `Refused`.
    """
    giving = proper(giving)

    def find(tx: Tx) -> Account:
        scopes.own_affairs(tx, box)
        return may_have(tx, box.space_id, giving)

    account = await app.db.read(find)

    def effect(doing: Doing) -> None:
        scopes.own_affairs(doing.tx, box)
        allow(doing, giving, box.actor, box.ground)

    said, said_en = receipt(account, giving, now_ms()), receipt(account, giving, now_ms(), "en")
    await space_news.tell(app, box.space_id, said, said_en, effect)


def proper(giving: Giving) -> Giving:
    """With nothing that its kind has no use for. Raises `Invalid`."""
    if giving.kind not in KINDS:
        raise Invalid("unknown_consent", f"Choisissez parmi : {', '.join(KINDS)}.")
    if giving.kind != EXPLICIT:
        return replace(giving, things=(), days=0)
    if not 1 <= giving.days <= DELAYS.consent_days_most:
        raise Invalid("bad_duration", f"Choisissez une durée de {DELAYS.consent_days_most} jours au plus.")
    return replace(giving, things=checked(giving.things), days=giving.days)


def allow(doing: Doing, giving: Giving, actor: Actor, ground: str) -> str:
    """In the transaction of the line that tells of it; the right of who gives is for the caller. Raises `Refused`,
    `NotAllowed`.
    """
    tx, space_id, keys = doing.tx, doing.to.space_id, doing.to.keys
    delegations.lock(tx, space_id)
    account = may_have(tx, space_id, giving)
    for before in consents.of(tx, space_id):
        same = before.account_id == account.id or giving.kind == TREATING
        if before.kind == giving.kind and same and before.in_force(doing.at):
            _end(doing, before, actor)
    until = doing.at + giving.days * DAY if giving.days else None
    consent = Consent(
        space_id, new_id(), account.id, giving.kind, b"", doing.at, until, actor.account_id, giving.message
    )
    facts = ConsentFacts(giving.things, giving.reason, account.organisation, account.name, giving.conversation)
    consents.insert(tx, consent, keys.seal("consent", consent.id, msgspec.json.encode(facts)))
    audit.record(tx, Act.CONSENT_GIVEN, actor, space_id, ground, consent.id, giving.kind)
    return consent.id


def may_have(tx: Tx, space_id: str, giving: Giving) -> Account:
    """Somebody whom this patient may allow this way: who wrote to them, and is not blocked. Raises `Refused`,
    `NotAllowed`.
    """
    account, space = accounts.by_id(tx, giving.account_id), accounts.space(tx, space_id)
    if account is None or space is None or account.kind not in {"professional", "team"}:
        raise Refused
    if not conversations.knows(tx, space_id, account.id):
        raise Refused
    if space.state != "open":
        raise NotAllowed("closed", "Cet espace est fermé.")
    if exchanges.standing(tx, space_id, account.id).blocked:
        raise NotAllowed("reader_blocked", "Vous avez bloqué cette personne. Débloquez-la avant de l’autoriser à lire.")
    doctor = account.kind == "professional" and account.profession.partition("/")[0] == DOCTOR
    if giving.kind == TREATING and not doctor:
        raise NotAllowed("not_a_doctor", "Un médecin traitant est un médecin, nommé.")
    if giving.kind == ADMINISTRATOR and account.kind != "professional":
        raise NotAllowed("not_a_person", "Choisissez une personne, pas une équipe.")
    if not reads_anything(tx, account):
        raise NotAllowed("not_habilitated", "La profession de cette personne ne donne pas accès aux dossiers.")
    return account


def reads_anything(tx: Tx, account: Account) -> bool:
    """Whether the matrix lets this profession, or a colleague's of this team, read at all."""
    there = [account] if account.kind == "professional" else [accounts.by_id(tx, one.account_id) for one in
                                                              teams.members(tx, account.id)]  # fmt: skip
    known = matrix().pairs
    return any(bool(known.get(one.profession.partition("/")[0])) for one in there if one is not None)


def receipt(account: Account, giving: Giving, at: int, language: str = "fr") -> str:
    """What was given, to whom, until when, and whom that covers: the sentence of the line, which both sides read."""
    name, team = account.name, account.kind == "team"
    what = listed_things(giving.things, language)
    until = day(at + giving.days * DAY, language) if giving.days else ""
    if language == "fr":
        covers = " Tous les soignants de cette équipe sont concernés." if team else ""
        said = {
            TREATING: f"{name} est noté médecin traitant et peut lire le dossier.",
            ADMINISTRATOR: f"{name} peut lire tout le dossier, documents masqués compris.",
            CARE_TEAM: f"{name} fait partie de l’équipe de soins et peut lire le dossier.",
            EXPLICIT: f"{name} peut lire dans le dossier : {what}. Jusqu’au {until}.",
        }
        return f"{said[giving.kind]}{covers} Cette autorisation peut être retirée à tout moment."
    covers = " This covers every carer of this team." if team else ""
    said = {
        TREATING: f"{name} is noted as the own doctor and may read the record.",
        ADMINISTRATOR: f"{name} may read all of the record, hidden documents too.",
        CARE_TEAM: f"{name} is in the care team and may read the record.",
        EXPLICIT: f"{name} may read in the record: {what}. Until {until}.",
    }
    return f"{said[giving.kind]}{covers} This permission can be withdrawn at any time."


# ---- withdrawn -------------------------------------------------------------------------------------------------------


async def withdraw(app: App, box: MailboxHandle, consent_id: str) -> None:
    """It counts no more from this instant, an emergency's neither. Raises `NotAllowed`, `Refused`."""

    def find(tx: Tx) -> str:
        scopes.own_affairs(tx, box)
        known = consents.one(tx, box.space_id, consent_id)
        account = accounts.even_ended(tx, known.account_id) if known and known.in_force(now_ms()) else None
        if account is None:
            raise Refused
        return account[0].name

    name = await app.db.read(find)

    def effect(doing: Doing) -> None:
        scopes.own_affairs(doing.tx, box)
        known = consents.one(doing.tx, box.space_id, consent_id)
        if known is None or not _end(doing, known, box.actor, box.ground):
            raise Refused

    fr = f"{name} n’a plus accès à votre dossier par cette autorisation."
    en = f"{name} no longer has access to your record by this permission."
    await space_news.tell(app, box.space_id, fr, en, effect)


def withdraw_given_by(doing: Doing, message_id: str, ground: str) -> bool:
    """Those that answering this card gave. Whether any was running."""
    given = [one for one in consents.of(doing.tx, doing.to.space_id) if one.message_id == message_id]
    ended = [_end(doing, one, doing.actor, ground, on_card=False) for one in given]
    return any(ended)


def _end(doing: Doing, consent: Consent, actor: Actor, ground: str = "", *, on_card: bool = True) -> bool:
    """Whether it was still running. Where a card gave it, the card says that it ended (`on_card`)."""
    tx, space_id = doing.tx, consent.space_id
    if not consent.in_force(doing.at) or not consents.end(tx, space_id, consent.id, actor.account_id):
        return False
    act = Act.EMERGENCY_ENDED if consent.kind in {EMERGENCY, SAMU} else Act.CONSENT_WITHDRAWN
    audit.record(tx, act, actor, space_id, ground or consent.kind, consent.id, consent.kind)
    card = messages.find(tx, space_id, consent.message_id) if consent.message_id and on_card else None
    if card is None or card.kind != "card":
        return True
    answer_id = new_id()
    detail = msgspec.json.encode({"by": actor.name, "values": {}})
    answer = messages.Answer(answer_id, "consent.withdraw", actor.account_id, doing.at, b"")
    messages.insert_answer(tx, space_id, card.id, answer, doing.to.keys.seal("answer", answer_id, detail))
    exchanges.record(tx, space_id, consent.account_id, exchanges.READING, "withdrawn", actor.account_id, card.id)
    for member in conversations.participants(tx, space_id, card.conversation_id):
        if member.mailbox_id and entries.change(tx, member.mailbox_id, card.id) is not None:
            doing.wake.add(member.mailbox_id)
    return True


# ---- listed ----------------------------------------------------------------------------------------------------------


async def listed(app: App, box: MailboxHandle) -> list[ConsentView]:
    """Every consent of this space, those that run first, the newest first. Raises `NotAllowed`, `Refused`."""

    def pull(tx: Tx) -> list[ConsentView]:
        scopes.own_affairs(tx, box)
        keys = reading.space_keys(app, tx, box.space_id)
        found = [_view(app, tx, one, standing.consent_facts(keys, one)) for one in consents.of(tx, box.space_id)]
        return sorted(found, key=lambda one: not one.running)

    return await app.db.read(pull)


async def candidates(app: App, box: MailboxHandle) -> list[Candidate]:
    """Who may be allowed, the latest exchange first. Raises `NotAllowed`, `Refused`."""

    def pull(tx: Tx) -> list[Candidate]:
        scopes.own_affairs(tx, box)
        found: dict[str, Candidate] = {}
        for member, kind, *_ in conversations.correspondents(tx, box.space_id, box.owner):
            if kind != "account" or member in found:
                continue
            try:
                one = may_have(tx, box.space_id, Giving(member, CARE_TEAM))
            except PliError:
                continue
            given = frozenset(known.kind for known in consents.in_force(tx, box.space_id, [member]))
            doctor = one.profession.partition("/")[0] == DOCTOR and one.kind == "professional"
            found[member] = Candidate(member, one.name, one.role, one.organisation, one.kind == "team", doctor, given)
        return list(found.values())

    return await app.db.read(pull)


def _view(app: App, tx: Tx, consent: Consent, facts: ConsentFacts) -> ConsentView:
    known = accounts.even_ended(tx, consent.account_id)
    account = known[0] if known else None
    ended = consent.ended_at
    if ended is None and consent.until_at is not None and consent.until_at <= now_ms():
        ended = consent.until_at
    return ConsentView(
        consent.id,
        consent.account_id,
        consent.kind,
        facts.name or (account.name if account else ""),
        account.role if account else "",
        facts.place or (account.organisation if account else ""),
        account is not None and account.kind == "team",
        facts.things,
        reading.iso(consent.from_at),
        reading.iso(consent.until_at) if consent.until_at is not None else "",
        reading.iso(ended) if ended is not None else "",
        name_of(app, tx, consent.ended_by),
        name_of(app, tx, consent.by),
        facts.reason,
        facts.conversation,
        consent.in_force(now_ms()),
    )


def name_of(app: App, tx: Tx, account_id: str) -> str:
    """The name of an account; "" for none."""
    known = accounts.even_ended(tx, account_id) if account_id else None
    if known is None:
        return ""
    whose = traits(app, tx, known[0].space_id) if known[0].kind == "holder" else None
    return whose.name if whose else known[0].name


async def patients(app: App, actor: Actor) -> list[PatientView]:
    """Whose dossier this professional may read now, by their own account or a team they work in, by name."""

    def pull(tx: Tx) -> list[PatientView]:
        found = []
        mine = (actor.account_id, *(team for team, _, _ in teams.of_account(tx, actor.account_id)))
        for account_id in mine:
            through = "" if account_id == actor.account_id else name_of(app, tx, account_id)
            for one in consents.of_account(tx, account_id):
                space, whose = accounts.space(tx, one.space_id), traits(app, tx, one.space_id)
                blocked = any(exchanges.standing(tx, one.space_id, me).blocked for me in mine)
                if space is None or space.state != "open" or whose is None or blocked:
                    continue
                until = reading.iso(one.until_at) if one.until_at is not None else ""
                found.append(PatientView(one.space_id, whose.name, whose.birth_date, one.kind, until, through))
        return sorted(found, key=lambda one: (one.name, one.birth, one.space_id))

    return await app.db.read(pull)
