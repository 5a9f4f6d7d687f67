"""What a letter must be, once it is whole: for another operator's, and for that of somebody hosted here.

Of the facts its door established alone (`Came`), so that a letter that was kept is read again by the same rules
(`verdict`). Promises: From is who was verified (security items 16, 17); answers go where the author's own operator
vouches for; a letter is for the patients it came for, or is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from mail_gateway import dsn, letterbox, reports, trust
from mail_gateway.addresses import normalise, parse_patient
from mail_gateway.letterbox import Sent
from mail_gateway.mime import Letter, Mailbox
from mail_gateway.quarantine import Kept
from mail_gateway.returned import Came
from mail_gateway.sasl import same_person
from mail_gateway.smtp_syntax import Refusal
from server import access, people
from server.drafts import Actor, Member
from server.errors import Refused
from server.formats.malformed import Malformed
from server.handles import SpaceHandle

if TYPE_CHECKING:
    from server.app import App

MAX_COPIED: Final = 50  # addresses of To and Cc that are looked at
_NO_PATIENT: Final = "Aucun patient parmi les destinataires : cette messagerie sert à écrire aux patients"


async def from_operator(app: App, came: Came, raw: bytes, spaces: Sequence[tuple[str, SpaceHandle]]) -> list[Kept]:
    """A letter or a report of another operator. Returns who did not get it. Raises `Refusal` and our own errors."""
    found, domains = await _read(raw), frozenset(came.domains)
    letter = found[0]
    if letter.is_report:
        for _, space in spaces:
            await reports.take(app, raw, domains, space.keys)
        if not spaces:
            await reports.take(app, raw, domains, None)
        return []
    if not came.sender and not letter.auto_submitted:
        raise Refusal(550, "5.7.1", "Un message sans expéditeur doit être un avis automatique")
    author = _author(letter)
    if author.address.rpartition("@")[2] not in domains:
        raise Refusal(550, "5.7.1", "Le champ From n’est pas d’un domaine que votre certificat couvre")
    actor = people.correspondent(normalise(author.address), author.name)
    reply_to = _reply_to(letter, actor, domains)
    spaces = spaces or await _patients_of(app, letter, actor)
    if not spaces:
        raise Refusal(550, "5.7.1", _NO_PATIENT)
    members = await _copied(app, letter, {actor.address.lower(), reply_to.address.lower() if reply_to else ""})
    sent = Sent(actor, came.sender, raw, members, reply_to, came.ignore_references, came.despite_identity)
    return await _deliver(app, came, sent, found, spaces)


async def _deliver(
    app: App, came: Came, sent: Sent, found: letterbox.Read, spaces: Sequence[tuple[str, SpaceHandle]]
) -> list[Kept]:
    kept = await letterbox.deliver(app, sent, found, spaces)
    if came.asked.success:
        held = {one.ins for one in kept}
        shown = [one for one in spaces if one[0] not in held]
        await dsn.delivered(app, came, await letterbox.key_of(sent, found[0]), found[0], sent.raw, shown)
    return kept


async def _patients_of(app: App, letter: Letter, actor: Actor) -> list[tuple[str, SpaceHandle]]:
    """The patients a letter names, for the part of it that came to a hosted colleague in copy: their operator sends
    one to each domain, in any order. Whichever is first delivers it, and the other finds it there (`retry_key`).
    """
    found: dict[str, SpaceHandle] = {}
    for mailbox in (*letter.to, *letter.cc):
        try:
            ins = parse_patient(mailbox.address, (app.settings.patient_domain,), strict_key=False).ins
            found[ins] = found.get(ins) or await access.patient(app, actor, ins)
        except (Malformed, Refused):
            continue
    return list(found.items())


async def _copied(app: App, letter: Letter, but: set[str]) -> tuple[Member, ...]:
    """The professionals in To and Cc: they read the letter, so they read the answers. Nobody outside the trust
    circle joins.
    """
    trusted = await trust.current(app)
    members = []
    for mailbox in (*letter.to, *letter.cc)[:MAX_COPIED]:
        address = normalise(mailbox.address).lower()
        domain = address.rpartition("@")[2]
        if address in but or domain == app.settings.patient_domain.lower():
            continue
        if domain == app.settings.mail_domain.lower():
            hosted = await people.hosted(app, address)
            members += [member(hosted)] if hosted is not None else []
        elif trusted.knows(domain):
            members.append(Member(organisation=f"address:{address}", name=mailbox.name or address, address=address))
    return tuple(members)


async def from_professional(app: App, came: Came, raw: bytes, spaces: Sequence[tuple[str, SpaceHandle]]) -> list[Kept]:
    """A letter of somebody hosted here, who signed in. As `from_operator`."""
    actor, found = came.actor, await _read(raw)
    letter = found[0]
    if actor is None or same_person(_author(letter).address) != actor.address.lower():
        raise Refusal(550, "5.7.1", "Le champ From doit être l’adresse avec laquelle vous êtes connecté")
    if not spaces:
        raise Refusal(550, "5.7.1", _NO_PATIENT)
    others = tuple(
        _with_name(one, letter) for one in came.members if one.account_id != actor.account_id or not one.account_id
    )
    sent = Sent(actor, came.sender, raw, others, None, came.ignore_references, came.despite_identity, came.asked)
    return await _deliver(app, came, sent, found, spaces)


async def _read(raw: bytes) -> letterbox.Read:
    try:
        return await letterbox.read(raw)
    except Malformed as error:
        raise Refusal(550, "5.6.0", error.detail) from None


def _author(letter: Letter) -> Mailbox:
    """The one From mailbox; two are a trick as old as mail (VU#517845)."""
    if len(letter.from_) != 1:
        raise Refusal(550, "5.7.1", "Le message doit avoir un champ From et un seul expéditeur")
    return letter.from_[0]


def _reply_to(letter: Letter, actor: Actor, domains: frozenset[str]) -> Actor | None:
    """CNAM note § 9: answers go to Reply-To, who takes part instead of From. Only at the author's own domain: the
    operator vouches for that one.
    """
    if len(letter.reply_to) != 1:
        return None
    mailbox = letter.reply_to[0]
    domain = mailbox.address.rpartition("@")[2]
    same = domain == actor.address.rpartition("@")[2] and domain in domains
    return people.correspondent(normalise(mailbox.address), mailbox.name or actor.name) if same else None


def member(actor: Actor) -> Member:
    return Member(actor.account_id, actor.mailbox_id, access.organisation(actor), actor.name, actor.address, actor.role)


def _with_name(member: Member, letter: Letter) -> Member:
    """A correspondent elsewhere by the name the letter gives them."""
    if member.account_id:
        return member
    known = {mailbox.address.lower(): mailbox.name for mailbox in (*letter.to, *letter.cc)}
    return Member(
        organisation=member.organisation,
        name=known.get(member.address.lower()) or member.address,
        address=member.address.lower(),
    )
