"""Reports of success that a sender asked for (RFC 3461): the letter is delivered here, or passed on.

    NOTIFY=SUCCESS  →  the letter is in the patient's mailbox         →  « Message remis », once for each recipient
                    →  another operator's server took our own letter  →  « Message transmis »

Promises: a report is owed in one transaction with the mark that it was, so that a letter that is brought again, or a
crash in between, gives one report and not two, and a letter that got its 250 gives one and not none; nobody is told but
the envelope's sender, and never when it is null; only the headers come back with good news (§ 4.3). A letter that is
held is no success. What is asked about recipients elsewhere is noted for the server that comes next (`noted`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec

from mail_gateway import returned
from mail_gateway.compose import failure_report
from mail_gateway.discretion import for_one
from mail_gateway.headers import Mailbox
from mail_gateway.mime import Letter
from mail_gateway.returned import Came, Telling
from mail_gateway.smtp_syntax import Asked, from_xtext
from server import people
from server.drafts import Actor, MailFacts
from server.errors import Conflict, Unauthorised
from server.handles import SpaceHandle
from storage import messages
from storage.database import Tx
from storage.vault import SpaceKeys

if TYPE_CHECKING:
    from server.app import App
    from server.reading import OpenMessage


async def delivered(
    app: App, came: Came, key: str, letter: Letter, raw: bytes, spaces: Sequence[tuple[str, SpaceHandle]]
) -> None:
    """Report what is now in the mailboxes of these patients, and of the colleagues hosted here, to a sender who asked.

    `key`: of the letter, the same when it comes again. A repeated call changes nothing.
    """
    if not came.sender or not spaces:
        return
    of_patients = dict(spaces)
    for address, words, original in came.asked.recipients:
        if "SUCCESS" not in words.split(","):
            continue
        ins = address.partition("@")[0].partition("+")[0].upper()
        space = of_patients.get(ins) if _domain(address) == app.settings.patient_domain.lower() else None
        if space is None and _domain(address) != app.settings.mail_domain.lower():
            continue  # held, or elsewhere: whoever delivers it says so
        place = space or spaces[0][1]
        own, envid = f"dsn:{key}:{ins if space else address.lower()}", came.asked.envid
        news = _News(
            came.sender, came.actor, own, "delivered", address, letter.subject, letter.message_id, envid, original
        )
        await _tell(app, place.keys, news, for_one(raw, ins, app.settings.patient_domain))


async def passed_on(app: App, keys: SpaceKeys, opened: OpenMessage, mail: bytes, address: str) -> None:
    """« Message transmis » (RFC 3461 § 5.2.2) to a professional hosted here who asked, once another server took her
    letter: that one is asked about failures only, and success it tells of is a record in the thread.
    """
    facts = opened.body.mail or MailFacts()
    if "SUCCESS" not in facts.dsn_notify.split(","):
        return
    try:
        author = await people.actor(app, opened.message.author_id)
    except Unauthorised:
        return  # the account has ended since
    key, subject = f"dsn:{opened.message.id}:{address.lower()}", opened.body.subject
    news = _News(author.address, author, key, "relayed", address, subject, facts.message_id, facts.dsn_envid)
    await _tell(app, keys, news, mail)


@dataclass(frozen=True, slots=True)
class _News:
    """What a report says. `key`: of this report, the same when it is due again. `envid`, `original`: as given."""

    to: str
    actor: Actor | None
    key: str
    action: str
    address: str
    subject: str
    message_id: str
    envid: str = ""
    original: str = ""


async def _tell(app: App, keys: SpaceKeys, news: _News, original: bytes) -> None:
    local = blake2b(news.key.encode(), digest_size=16).hexdigest()
    identifier = f"{local}@{app.settings.mail_domain}"
    report = failure_report(
        message_id=identifier,
        date=datetime.now(UTC),
        from_=Mailbox("Pli", f"postmaster@{app.settings.mail_domain}"),
        to=Mailbox("", news.to),
        original=original,
        recipient=news.address,
        reason="",
        status="2.0.0",
        reporting_mta=app.settings.mail_domain,
        envelope_id=from_xtext(news.envid),
        original_recipient=returned.original_recipient(news.original),
        action=news.action,
        in_reply_to=news.message_id,
    )

    def once(tx: Tx) -> None:
        if messages.claim_retry_key(tx, keys.space_id, news.key, "", local) is not None:
            raise Conflict

    title = f"{'Message remis' if news.action == 'delivered' else 'Message transmis'} : {news.subject}"
    try:
        telling = Telling(news.to, news.actor, identifier, title[:200].strip(), report)
        await returned.commit(app, keys, telling, once)
    except Conflict:
        pass  # it was told before


def noted(app: App, facts: MailFacts, asked: Asked) -> MailFacts:
    """The facts with what was asked about recipients elsewhere, who are told of by other servers."""
    ours = (app.settings.mail_domain.lower(), app.settings.patient_domain.lower())
    elsewhere = [words for address, words, _ in asked.recipients if words and _domain(address) not in ours]
    if not elsewhere and not asked.envid:
        return facts
    return msgspec.structs.replace(facts, dsn_envid=asked.envid, dsn_ret=asked.ret, dsn_notify=_together(elsewhere))


def _together(asked: Collection[str]) -> str:
    """NOTIFY for one letter of several recipients: whatever anyone is to be told of; NEVER when that is said of all."""
    words = sorted({word for one in asked for word in one.split(",")} - {"NEVER"})
    return ",".join(words) if words else ("NEVER" if asked else "")


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()
