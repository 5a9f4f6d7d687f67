"""The two doors where mail comes in: who may speak, for whom, and to whom.

    MX door          trusted operators, by their certificate, to patients only
    submission door  professionals hosted here, by password, to patients (and, in copy, to professionals);
                     by STARTTLS, and at another port by TLS at once

The protocol is `smtp`'s, what becomes of a letter is `letterbox`'s; here stand the decisions.

Promises: a peer that proved nothing learns nothing (MAIL is refused before anything is looked up); the sender shown
is the one verified: certificate or password, envelope and From must agree (security items 16, 17); who asks after too
many unknown patients is answered nothing more (item 20, `brakes`); we relay to nobody on behalf of anybody (item 21).
"""

from __future__ import annotations

import hashlib
import os
import re
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

from mail_gateway import clamd, quarantine, relays, trust
from mail_gateway.acceptance import from_operator, from_professional, member
from mail_gateway.addresses import normalise, parse_patient
from mail_gateway.brakes import Brake, Pace
from mail_gateway.returned import Came
from mail_gateway.sasl import Given, same_person
from mail_gateway.sign_ins import SignIns
from mail_gateway.smtp import Door, Envelope, Path, Refusal, Session
from server import access, mail_sign_in, people
from server.drafts import Actor, Member
from server.errors import Refused
from server.formats.malformed import Malformed
from server.handles import SpaceHandle
from server.mail_sign_in import MailTokens

if TYPE_CHECKING:
    from server.app import App

RESERVE: Final = 32 * 1024 * 1024  # octets
_HELO = re.compile(r"[^A-Za-z0-9.:\[\]_-]")
_MESSAGE_ID = re.compile(rb"^message-id[ \t]*+:[ \t]*+<[^<>\s]", re.IGNORECASE | re.MULTILINE)
_DATE = re.compile(rb"^date[ \t]*+:", re.IGNORECASE | re.MULTILINE)
_NO_SPACE = Refusal(550, "5.1.1", "Ce patient n’a pas d’espace de santé ici")


class _Common:
    """What both doors do with a patient's address. `who`: the names that unknown recipients count for."""

    door = ""

    def __init__(self, app: App) -> None:
        self.app = app
        self.name = app.settings.mail_domain
        self.disk = app.settings.blob_dir
        self.brake = Brake(app, self.door)

    def room(self, size: int) -> None:
        """Refuses a letter, before it is sent, that would leave less than `RESERVE` on the disk: what is read, and who
        signs out, is written down too, and must go on.
        """
        try:
            disk = os.statvfs(self.disk)
        except OSError:
            return  # storing it will tell what is wrong
        if disk.f_bavail * disk.f_frsize < RESERVE + size:
            raise Refusal(452, "4.3.1", "Insufficient system storage")

    async def patient(self, who: Sequence[str], actor: Actor, address: str) -> SpaceHandle:
        """The space of the patient this address names, for somebody who may ask. Raises `Refusal`."""
        settings = self.app.settings
        self.brake.check(*who)
        try:
            named = parse_patient(address, (settings.patient_domain,), strict_key=settings.strict_ins_key)
        except Malformed as error:
            raise Refusal(553, "5.1.3", error.detail) from None
        try:
            return await access.patient(self.app, actor, named.ins, named.token)
        except Refused as error:
            if error.code == "no_thread":
                raise Refusal(550, "5.1.1", error.detail) from None
            if error.code == "closed":
                raise Refusal(550, "5.2.1", error.detail) from None
            self.brake.count(*who)
            raise Refusal(_NO_SPACE.code, _NO_SPACE.status, _NO_SPACE.text) from None

    async def colleague(self, who: Sequence[str], address: str) -> Member:
        """A professional hosted here, in copy of a letter to a patient. Raises `Refusal`."""
        self.brake.check(*who)
        found = await people.hosted(self.app, address)
        if found is None:
            self.brake.count(*who)
            raise Refusal(550, "5.1.1", "Cette adresse n’existe pas ici")
        return member(found)

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

    door = "smtp"
    signs_in = False

    async def tls(self) -> ssl.SSLContext:
        return (await trust.current(self.app)).incoming

    async def sign_in(self, session: Session, given: Given) -> Actor:
        raise Refusal(502, "5.5.1", "No AUTH at this door")

    async def _domains(self, session: Session) -> frozenset[str]:
        """The domains this peer may speak for, as of now. Raises `Refusal` when there is none."""
        trusted = await trust.current(self.app)
        domains = trusted.domains(session.certificate)
        if not domains and trusted.in_doubt(session.certificate):
            raise Refusal(451, "4.7.5", "La liste de révocation de votre autorité n’est pas à jour ici, réessayez")
        if not domains:
            raise Refusal(550, "5.7.1", "Seuls les opérateurs de l’espace de confiance peuvent écrire ici")
        return domains

    async def sender(self, session: Session, envelope: Envelope) -> None:
        domains = await self._domains(session)
        session.party = f"operator:{min(domains)}"
        address = envelope.sender.address
        if address and address.rpartition("@")[2].lower() not in domains:
            raise Refusal(550, "5.7.1", "Votre certificat ne vaut pas pour le domaine de cet expéditeur")
        self.room(envelope.sender.size)

    async def recipient(self, session: Session, envelope: Envelope, path: Path) -> None:
        domains = await self._domains(session)
        address = envelope.sender.address or f"postmaster@{min(domains)}"
        who = (f"operator:{min(domains)}", f"sender:{self.app.vault.lookup('brake', address.lower())[:16]}")
        if path.address.rpartition("@")[2].lower() == self.app.settings.mail_domain.lower():
            path.found = await self.colleague(who, path.address)
            return
        if not self.is_patients(path.address):
            raise Refusal(550, "5.7.1", "Cette porte ne prend que le courrier des patients, et de qui leur écrit")
        path.found = await self.patient(who, people.correspondent(address), path.address)

    async def letter(self, session: Session, envelope: Envelope, raw: bytes) -> None:
        domains = await self._domains(session)
        came = Came("mx", envelope.sender.address, domains=tuple(sorted(domains)), asked=envelope.asked)
        traced = self.traced(session, raw)
        await clamd.check(self.app, traced)
        await quarantine.take(self.app, came, raw, traced, self.spaces(envelope), from_operator)


class SubmissionDoor(_Common):
    """Mail of the professionals hosted here."""

    door = "submission"
    signs_in = True

    def __init__(self, app: App) -> None:
        super().__init__(app)
        self.pace = Pace(app)
        self.sign_ins = SignIns(app)
        self.tokens = MailTokens(app)
        relays.refused(app.settings)  # a table that cannot be read is said now

    async def tls(self) -> ssl.SSLContext:
        return trust.server_context(self.app.settings)

    async def sign_in(self, session: Session, given: Given) -> Actor:
        if relay := relays.refused(self.app.settings).at(session.peer):
            self.app.metrics.refused("submission", "relay")
            await mail_sign_in.relayed(self.app, given.address, relay.maker)
            raise Refusal(535, "5.7.1", " / ".join(relay.why))
        if given.bearer:
            signed = await self.tokens.sign_in(given.address, given.secret, session.peer)
            if signed.mailbox_id != signed.actor.mailbox_id:  # a team's own letters are the team's to sign
                raise Refusal(535, "5.7.8", "On écrit ici sous sa propre adresse, pas sous celle d’une équipe")
        else:
            signed = await mail_sign_in.sign_in_by_mail(self.app, given.address, given.secret, session.peer, "smtp")
        session.party, session.proof = f"account:{signed.actor.account_id}", signed.hash
        self.sign_ins.enter(session, signed.hash)
        return signed.actor

    async def sender(self, session: Session, envelope: Envelope) -> None:
        actor = await self._still_good(session)
        if same_person(envelope.sender.address) != actor.address.lower():
            raise Refusal(553, "5.7.1", "L’expéditeur doit être l’adresse avec laquelle vous êtes connecté")
        self.room(envelope.sender.size)

    async def recipient(self, session: Session, envelope: Envelope, path: Path) -> None:
        actor = _signed_in(session)
        self.pace.check(actor.account_id)
        path.found = await self._found(actor, path)
        self.pace.count(actor.account_id)

    async def _found(self, actor: Actor, path: Path) -> SpaceHandle | Member:
        who = (f"account:{actor.account_id}",)
        if self.is_patients(path.address):
            return await self.patient(who, actor, path.address)
        domain = path.address.rpartition("@")[2].lower()
        if domain == self.app.settings.mail_domain.lower():
            return await self.colleague(who, path.address)
        if not (await trust.current(self.app)).knows(domain):
            raise Refusal(550, "5.7.1", "Ce domaine ne fait pas partie des messageries de santé reconnues")
        address = normalise(path.address)
        return Member(address=address, organisation=f"address:{address.lower()}")

    async def _still_good(self, session: Session) -> Actor:
        """Who signed in, when nothing ended it since. Raises `Refusal`."""
        actor = _signed_in(session)
        if not await self.app.db.read(mail_sign_in.mail_still_good, session.proof):
            session.show_out()
            raise Refusal(530, "5.7.0", "Authentication required")
        return actor

    async def letter(self, session: Session, envelope: Envelope, raw: bytes) -> None:
        members = tuple(path.found for path in envelope.recipients if isinstance(path.found, Member))
        actor = await self._still_good(session)
        came = Came("submission", actor.address, actor, members=members, asked=envelope.asked)
        traced = self.traced(session, _named(raw, self.name))
        await clamd.check(self.app, traced)
        await quarantine.take(self.app, came, raw, traced, self.spaces(envelope), from_professional)


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


def _signed_in(session: Session) -> Actor:
    if session.actor is None:
        raise Refusal(530, "5.7.0", "Authentication required")
    return session.actor


@asynccontextmanager
async def mx_door(app: App) -> AsyncIterator[None]:
    """Open while the block lasts. Raises `BadSettings` without TLS material: a mail door is never opened in clear."""
    await trust.reload(app)
    async with _door(Door(MxDoor(app)), app, "smtp", app.settings.smtp_port):
        yield


@asynccontextmanager
async def submission_door(app: App) -> AsyncIterator[None]:
    """As `mx_door`. One handler for both ways in, by STARTTLS and by TLS at once: what it counts, it counts once."""
    trust.server_context(app.settings)
    settings, handler = app.settings, SubmissionDoor(app)
    # Who lets the system choose one port means to run beside others, and so for its twin.
    at_once = settings.submissions_port if settings.submission_port else 0
    door = Door(handler)
    async with (
        handler.sign_ins.rounds(),
        _door(door, app, "submission", settings.submission_port),
        _door(Door(handler, tls_at_once=True).beside(door), app, "submissions", at_once),
    ):
        yield


@asynccontextmanager
async def _door(door: Door, app: App, name: str, port: int) -> AsyncIterator[None]:
    try:
        await door.open(app.settings.host, port)
    except OSError:
        if not (app.settings.demo and door.tls_at_once):
            raise
        await door.open(app.settings.host, 0)  # another demonstration has this port: who plays both reads `demo.json`
    app.ports[name] = door.port
    try:
        yield
    finally:
        await door.close()
