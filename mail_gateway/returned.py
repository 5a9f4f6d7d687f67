"""What the sender of a held letter is told, and how it reaches them.

    not shown   « [KO Intégration système !][904] … » for the codes of dossier integration (900-906), « Message non
                distribué : … » otherwise: a report (RFC 3464) with the headers of the original only
    shown later « Message remis : … », to whoever was told that it was not

Promises: nobody is told but the envelope's sender, and nobody when it is null (RFC 3834); nothing is said of the
patient but the address the sender wrote to; whoever is hosted here finds the report in their INBOX, in a conversation
of their own space that no patient has; it is owed in the transaction that decides (`commit`). NOTIFY=NEVER (RFC 3461
§ 4.1) is about delivery; that a document is about somebody else is said all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mail_gateway import notices
from mail_gateway.compose import OutLetter, compose, failure_report
from mail_gateway.headers import MAX_HEADER_BYTES, Headers, Mailbox, decode_words, message_ids
from mail_gateway.smtp_syntax import Asked, from_xtext
from server import access, posting
from server.drafts import Actor, Author, Draft, MailFacts, Member, Opening
from server.errors import Refused
from server.formats.malformed import Malformed
from server.handles import SpaceHandle
from storage.database import Tx
from storage.ids import new_id
from storage.vault import SpaceKeys

if TYPE_CHECKING:
    from server.app import App

INTEGRATION = frozenset(("900", "901", "902", "903", "904", "905", "906"))  # of the MSSanté volet; 906: other


@dataclass(frozen=True, slots=True)
class Came:
    """How a letter came, as its door established it. `door`: mx or submission. `sender`: of the envelope. `actor`: who
    signed in. `domains`: those the peer speaks for. The last two are an operator's decision.
    """

    door: str
    sender: str
    actor: Actor | None = None
    domains: tuple[str, ...] = ()
    members: tuple[Member, ...] = ()
    asked: Asked = field(default_factory=Asked)  # of reports
    ignore_references: bool = False
    despite_identity: bool = False


@dataclass(frozen=True, slots=True)
class Telling:
    """A mail to the sender. `actor`: whom it is for, when hosted here."""

    to: str
    actor: Actor | None
    message_id: str
    subject: str
    mail: bytes


def not_shown(app: App, came: Came, ins: str, original: bytes, detail: str, code: str = "") -> Telling | None:
    """The report on a letter that the patient does not see; None when there is nobody to tell."""
    if not came.sender:
        return None
    subject, message_id = _known_by(original)
    coded = code in INTEGRATION
    title = f"[KO Intégration système !][{code}] {subject}" if coded else f"Message non distribué : {subject}"
    identifier = f"{new_id()}@{app.settings.mail_domain}"
    mail = failure_report(
        message_id=identifier,
        date=datetime.now(UTC),
        from_=_ours(app),
        to=Mailbox("", came.sender),
        original=original,
        recipient=f"{ins}@{app.settings.patient_domain}",
        reason=f"[{code}] {detail}" if code else detail,
        status="5.6.0" if coded else "5.7.1",
        reporting_mta=app.settings.mail_domain,
        envelope_id=from_xtext(came.asked.envid),
        original_recipient=original_recipient(next((one[2] for one in came.asked.recipients if ins in one[0]), "")),
        whole=came.asked.whole(original),
        title=title,
        in_reply_to=message_id,
    )
    return Telling(came.sender, came.actor, identifier, title, mail)


def shown_later(app: App, came: Came, ins: str, original: bytes) -> Telling | None:
    """That a letter was given to its patient after all; None when there is nobody to tell."""
    if not came.sender:
        return None
    subject, message_id = _known_by(original)
    title = f"Message remis : {subject}"
    identifier = f"{new_id()}@{app.settings.mail_domain}"
    text = (
        "Votre message, dont nous vous avions dit qu’il n’était pas distribué, a été remis après vérification.\n\n"
        f"Destinataire : {ins}@{app.settings.patient_domain}\nObjet : {subject or '(sans objet)'}\n\n"
        "Cet avis est automatique ; il est inutile d’y répondre.\n"
    )
    letter = OutLetter(
        identifier, datetime.now(UTC), _ours(app), (Mailbox("", came.sender),), subject=title, text=text,
        in_reply_to=message_id, references=(message_id,) if message_id else (), auto_submitted="auto-replied",
    )  # fmt: skip
    return Telling(came.sender, came.actor, identifier, title, compose(letter))


async def commit(app: App, keys: SpaceKeys, telling: Telling | None, write: Callable[[Tx], None]) -> None:
    """`write` and what is owed to the sender, in one transaction. What `write` raises undoes both. `keys`: of the
    patient's space.
    """
    if telling is None:
        await app.db.write(write)
    elif telling.actor is None:
        told = telling

        def owe(tx: Tx) -> None:
            write(tx)
            notices.owe(tx, keys, "", told.to, told.mail)

        await app.db.write(owe)
        app.delivery.wake()
    else:
        await _post(app, telling.actor, telling, write)


async def _post(app: App, actor: Actor, telling: Telling, write: Callable[[Tx], None]) -> None:
    """The report as a message that one professional reads, in their own space."""
    system = replace(actor, kind="system", name="Pli", role="", organisation="")
    try:
        own = await access.own_space(app, actor)
        await posting.post(app, system, _report(app, actor, own, telling, write))
    except Refused:  # their account has ended since: nobody reads there any more
        await app.db.write(write)


def _report(app: App, actor: Actor, own: SpaceHandle, telling: Telling, write: Callable[[Tx], None]) -> Draft:
    return Draft(
        to=Opening(own, telling.subject),
        text="",
        kind="bounce",
        mail=MailFacts(message_id=telling.message_id, from_name="Pli", from_address=_ours(app).address),
        raw=telling.mail,
        only=frozenset({actor.account_id}),
        effect=lambda doing: write(doing.tx),
        author=Author("system", "Pli"),
    )


def original_recipient(orcpt: str) -> str:
    """ORCPT as a report says it (RFC 3464 § 2.3.1): the kind, and the address decoded."""
    kind, _, address = orcpt.partition(";")
    return f"{kind.lower()}; {from_xtext(address)}" if address else ""


def _ours(app: App) -> Mailbox:
    return Mailbox("Pli", f"postmaster@{app.settings.mail_domain}")


def _known_by(original: bytes) -> tuple[str, str]:
    """(subject, Message-ID): what the sender knows their letter by. Empty when they cannot be read."""
    end = original.find(b"\r\n\r\n", 0, MAX_HEADER_BYTES)
    try:
        headers = Headers(original[: end + 2] if end >= 0 else original[:MAX_HEADER_BYTES])
    except Malformed:
        return "", ""
    ids = message_ids(headers.get("message-id"))
    return decode_words(headers.get("subject") or "").strip()[:200], ids[0] if ids else ""
