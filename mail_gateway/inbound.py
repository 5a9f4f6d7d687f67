"""The two doors where mail comes in: who may speak, for whom, and to whom.

    MX door          trusted operators, by their certificate, to patients only
    submission door  professionals hosted here, by password, to patients (and, in copy, to professionals)

The protocol is `smtp`'s, what becomes of a letter is `letterbox`'s; here stand the decisions.

Promises: a peer that proved nothing learns nothing (MAIL is refused before anything is looked up); the sender shown
is the one verified: certificate or password, envelope and From must agree (security items 16, 17); who asks after too
many unknown patients is answered nothing more (item 20); we relay to nobody on behalf of anybody (item 21).
"""

from __future__ import annotations

import hashlib
import os
import re
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

import structlog

from mail_gateway import clamd, letterbox, reports, trust
from mail_gateway.addresses import normalise, parse_patient
from mail_gateway.letterbox import Sent
from mail_gateway.malformed import Malformed
from mail_gateway.mime import Letter, Mailbox
from mail_gateway.smtp import Door, Envelope, Path, Refusal, Session
from server import access, people
from server.access import SpaceHandle
from server.drafts import Actor, Member
from server.errors import Refused

if TYPE_CHECKING:
    from server.app import App

log = structlog.get_logger()

UNKNOWN_AN_HOUR: Final = 20
RESERVE: Final = 32 * 1024 * 1024  # octets
_HELO = re.compile(r"[^A-Za-z0-9.:\[\]_-]")
_MESSAGE_ID = re.compile(rb"^message-id[ \t]*+:[ \t]*+<[^<>\s]", re.IGNORECASE | re.MULTILINE)
_DATE = re.compile(rb"^date[ \t]*+:", re.IGNORECASE | re.MULTILINE)
_NO_SPACE = Refusal(550, "5.1.1", "Ce patient n’a pas d’espace de santé ici")


class Brake:
    """Counts the unknown recipients that somebody asked for within the hour."""

    def __init__(self) -> None:
        self._asked: dict[str, deque[float]] = {}

    def check(self, who: str) -> None:
        """Raises `Refusal` once there were too many: then nobody's existence is told, known or not."""
        asked = self._asked.get(who)
        while asked and asked[0] < time.monotonic() - 3600:
            asked.popleft()
        if asked is not None and len(asked) >= UNKNOWN_AN_HOUR:
            log.warning("smtp.too_many_unknown", who=who)
            raise Refusal(450, "4.7.1", "Trop de destinataires inconnus, réessayez dans une heure")

    def count(self, who: str) -> None:
        self._asked.setdefault(who, deque()).append(time.monotonic())


class _Common:
    """What both doors do with a patient's address."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.name = app.settings.mail_domain
        self.brake = Brake()

    def room(self, size: int) -> None:
        """Refuses a letter, before it is sent, that would leave less than `RESERVE` on the disk: what is read, and who
        signs out, is written down too, and must go on.
        """
        try:
            disk = os.statvfs(self.app.settings.blob_dir)
        except OSError:
            return  # storing it will tell what is wrong
        if disk.f_bavail * disk.f_frsize < RESERVE + size:
            raise Refusal(452, "4.3.1", "Insufficient system storage")

    async def patient(self, who: str, actor: Actor, address: str) -> SpaceHandle:
        """The space of the patient this address names, for somebody who may ask. Raises `Refusal`."""
        settings = self.app.settings
        self.brake.check(who)
        try:
            ins = parse_patient(address, (settings.patient_domain,), strict_key=settings.strict_ins_key).ins
        except Malformed as error:
            raise Refusal(553, "5.1.3", error.detail) from None
        try:
            return await access.patient(self.app, actor, ins)
        except Refused as error:
            if error.code == "closed":
                raise Refusal(550, "5.2.1", error.detail) from None
            self.brake.count(who)
            raise Refusal(_NO_SPACE.code, _NO_SPACE.status, _NO_SPACE.text) from None

    def is_patients(self, address: str) -> bool:
        return address.rpartition("@")[2].lower() == self.app.settings.patient_domain.lower()

    def ins(self, path: Path) -> str:
        return parse_patient(path.address, (self.app.settings.patient_domain,), strict_key=False).ins

    def spaces(self, envelope: Envelope) -> list[tuple[str, SpaceHandle]]:
        """Each patient of the envelope once, in order."""
        found = {self.ins(path): path.found for path in envelope.recipients if isinstance(path.found, SpaceHandle)}
        return list(found.items())

    def traced(self, session: Session, raw: bytes) -> bytes:
        """RFC 5321 § 4.4: where it came from, without anybody's address."""
        kind = "ESMTPSA" if session.actor is not None else "ESMTPS"
        helo = _HELO.sub("", session.helo) or "unknown"
        now = format_datetime(datetime.now(UTC))
        return f"Received: from {helo} by {self.name} with {kind};\r\n\t{now}\r\n".encode("ascii") + raw


class MxDoor(_Common):
    """Mail of other operators for the patients."""

    signs_in = False

    async def tls(self) -> ssl.SSLContext:
        return (await trust.current(self.app)).incoming

    async def sign_in(self, session: Session, address: str, password: str) -> Actor:
        raise Refusal(502, "5.5.1", "No AUTH at this door")

    async def _domains(self, session: Session) -> frozenset[str]:
        """The domains this peer may speak for, as of now. Raises `Refusal` when there is none."""
        trusted = await trust.current(self.app)
        domains = trusted.domains(session.certificate)
        if trusted.in_doubt(session.certificate):
            raise Refusal(451, "4.7.5", "La liste de révocation de votre autorité n’est pas à jour ici, réessayez")
        if not domains:
            raise Refusal(550, "5.7.1", "Seuls les opérateurs de l’espace de confiance peuvent écrire ici")
        return domains

    async def sender(self, session: Session, envelope: Envelope) -> None:
        domains = await self._domains(session)
        address = envelope.sender.address
        if address and address.rpartition("@")[2].lower() not in domains:
            raise Refusal(550, "5.7.1", "Votre certificat ne vaut pas pour le domaine de cet expéditeur")
        self.room(envelope.sender.size)

    async def recipient(self, session: Session, envelope: Envelope, path: Path) -> None:
        domains = await self._domains(session)
        if not self.is_patients(path.address):
            raise Refusal(550, "5.7.1", "Cette porte ne prend que le courrier des patients")
        sender = people.correspondent(envelope.sender.address or f"postmaster@{min(domains)}")
        path.found = await self.patient(f"domain:{min(domains)}", sender, path.address)

    async def letter(self, session: Session, envelope: Envelope, raw: bytes) -> None:
        domains = await self._domains(session)
        raw = self.traced(session, raw)
        await clamd.check(self.app, raw)
        found = await _read(raw)
        letter, spaces = found[0], self.spaces(envelope)
        if letter.is_report:
            for _, space in spaces:
                await reports.take(self.app, raw, domains, space)
            return
        if not envelope.sender.address and not letter.auto_submitted:
            raise Refusal(550, "5.7.1", "Un message sans expéditeur doit être un avis automatique")
        author = _author(letter)
        if author.address.rpartition("@")[2] not in domains:
            raise Refusal(550, "5.7.1", "Le champ From n’est pas d’un domaine que votre certificat couvre")
        actor = people.correspondent(normalise(author.address), author.name)
        sent = Sent(actor, envelope.sender.address, raw, reply_to=_reply_to(letter, actor, domains))
        await letterbox.deliver(self.app, sent, found, spaces)


class SubmissionDoor(_Common):
    """Mail of the professionals hosted here."""

    signs_in = True

    async def tls(self) -> ssl.SSLContext:
        return trust.server_context(self.app.settings)

    async def sign_in(self, session: Session, address: str, password: str) -> Actor:
        return await people.sign_in(self.app, address, password, session.peer)

    async def sender(self, session: Session, envelope: Envelope) -> None:
        actor = _signed_in(session)
        if envelope.sender.address.lower() != actor.address.lower():
            raise Refusal(553, "5.7.1", "L’expéditeur doit être l’adresse avec laquelle vous êtes connecté")
        self.room(envelope.sender.size)

    async def recipient(self, session: Session, envelope: Envelope, path: Path) -> None:
        actor = _signed_in(session)
        who = f"account:{actor.account_id}"
        if self.is_patients(path.address):
            path.found = await self.patient(who, actor, path.address)
            return
        domain = path.address.rpartition("@")[2].lower()
        if domain == self.app.settings.mail_domain.lower():
            self.brake.check(who)
            found = await people.hosted(self.app, path.address)
            if found is None:
                self.brake.count(who)
                raise Refusal(550, "5.1.1", "Cette adresse n’existe pas ici")
            path.found = _member(found)
        elif (await trust.current(self.app)).knows(domain):
            path.found = Member(
                address=normalise(path.address), organisation=f"address:{normalise(path.address).lower()}"
            )
        else:
            raise Refusal(550, "5.7.1", "Ce domaine ne fait pas partie des messageries de santé reconnues")

    async def letter(self, session: Session, envelope: Envelope, raw: bytes) -> None:
        actor = _signed_in(session)
        raw = self.traced(session, _named(raw, self.name))
        await clamd.check(self.app, raw)
        found = await _read(raw)
        letter = found[0]
        if _author(letter).address.lower() != actor.address.lower():
            raise Refusal(550, "5.7.1", "Le champ From doit être l’adresse avec laquelle vous êtes connecté")
        spaces = self.spaces(envelope)
        if not spaces:
            raise Refusal(
                550, "5.7.1", "Aucun patient parmi les destinataires : cette messagerie sert à écrire aux patients"
            )
        members = tuple(path.found for path in envelope.recipients if isinstance(path.found, Member))
        others = tuple(
            _with_name(one, letter) for one in members if one.account_id != actor.account_id or not one.account_id
        )
        sent = Sent(actor, envelope.sender.address, raw, members=others)
        await letterbox.deliver(self.app, sent, found, spaces)


def _named(raw: bytes, host: str) -> bytes:
    """RFC 6409 § 8: a letter that its client gave no Message-ID or Date gets them here, the same ones when it comes
    again, so that what answers it finds it.
    """
    end = raw.find(b"\r\n\r\n")
    block = raw[: end + 2] if end >= 0 else raw
    if not _MESSAGE_ID.search(block):
        raw = f"Message-ID: <{hashlib.sha256(raw).hexdigest()[:32]}@{host}>\r\n".encode("ascii") + raw
    if not _DATE.search(block):
        raw = f"Date: {format_datetime(datetime.now(UTC))}\r\n".encode("ascii") + raw
    return raw


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


def _signed_in(session: Session) -> Actor:
    if session.actor is None:
        raise Refusal(530, "5.7.0", "Authentication required")
    return session.actor


def _member(actor: Actor) -> Member:
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


@asynccontextmanager
async def mx_door(app: App) -> AsyncIterator[None]:
    """Open while the block lasts. Raises `BadSettings` without TLS material: a mail door is never opened in clear."""
    await trust.reload(app)
    async with _door(Door(MxDoor(app)), app, "smtp", app.settings.smtp_port):
        yield


@asynccontextmanager
async def submission_door(app: App) -> AsyncIterator[None]:
    """As `mx_door`."""
    trust.server_context(app.settings)
    async with _door(Door(SubmissionDoor(app)), app, "submission", app.settings.submission_port):
        yield


@asynccontextmanager
async def _door(door: Door, app: App, name: str, port: int) -> AsyncIterator[None]:
    await door.open(app.settings.host, port)
    app.ports[name] = door.port
    try:
        yield
    finally:
        await door.close()
