"""Receipts of reading (RFC 8098): « Lu », sent to whoever asked for one and whose letter the patient has opened.

    reading (a row of channel `receipt`, `server.receipts`)  →  the mail, made now  →  the asker's operator, null path
                                                                                   →  or their mailbox here

Promises: from the patient's address, with the header of the original and none of its content; « displayed » is all it
says: that it was understood is for the patient to say, in words. Made again after a lost 250, it is the same receipt
with the same Message-ID. A receipt that fails is dropped and counted; nothing answers it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mail_gateway.compose import OutLetter, read_receipt
from mail_gateway.headers import MAX_HEADER_BYTES, Headers, Mailbox
from server import attachments, posting, reading, undelivered
from server.delivery import Parcel, Permanent
from server.drafts import Author, Draft, MailFacts
from server.formats.malformed import Malformed
from server.reading import OpenMessage
from server.receipts import CHANNEL
from server.settings import PLACE

if TYPE_CHECKING:
    from server.app import App

DISPOSITION = "manual-action/MDN-sent-automatically; displayed"  # a person opened it, software tells
Send = Callable[[str, bytes], Awaitable[None]]


class ReceiptChannel:
    """The channel named `receipt`. Its target is `{"read_at": ms}`."""

    name = CHANNEL

    def __init__(self, app: App, send: Send) -> None:
        self._app, self._send = app, send

    async def send(self, parcel: Parcel) -> None:
        """Returns when the asker's server has it, or their mailbox here. Raises as the mail channel."""
        app, keys = self._app, parcel.keys
        opened = await reading.open_unchecked(app, keys, parcel.delivery.message_id)
        facts = opened.body.mail or MailFacts()
        original = await attachments.raw_unchecked(app, keys, opened.message)
        if original is None or not facts.receipt_to:
            raise Permanent("no_original", "")
        identifier = f"{parcel.delivery.id}@{app.settings.mail_domain}"
        mail = receipt(opened, facts, original, identifier, int(parcel.target["read_at"]), app.settings.mail_domain)
        if facts.receipt_to.rpartition("@")[2].lower() == app.settings.mail_domain.lower():
            await self._post(parcel, opened, identifier, mail)
        else:
            await self._send(facts.receipt_to, mail)

    async def _post(self, parcel: Parcel, opened: OpenMessage, identifier: str, mail: bytes) -> None:
        """For somebody hosted here: a mail that they alone read, in the thread."""
        app, keys = self._app, parcel.keys
        handle = await app.db.read(undelivered.to_writer, keys, opened.message)
        if handle is None:
            raise Permanent("no_asker", "")
        draft = Draft(
            to=handle,
            text="Votre message a été ouvert.",
            kind="bounce",
            mail=MailFacts(message_id=identifier),
            raw=mail,
            retry_key=f"receipt:{parcel.delivery.message_id}",
            in_reply_to=opened.message.id,
            only=frozenset({handle.member}),
            author=Author("system", "Pli"),
        )
        await posting.post(app, undelivered.SYSTEM, draft)


def receipt(
    opened: OpenMessage, facts: MailFacts, original: bytes, identifier: str, read_at: int, reporting: str
) -> bytes:
    """The mail. `read_at` in ms."""
    patient = next((one for one in opened.participants if one.kind == "holder"), None)
    if patient is None:
        raise Permanent("no_patient", "")
    at = datetime.fromtimestamp(read_at // 1000, UTC)
    text = (
        f"Votre message a été ouvert.\n\nPar : {patient.name}\nObjet : {opened.body.subject or '(sans objet)'}\n"
        f"Le : {at.astimezone(PLACE):%d/%m/%Y à %H h %M} (heure de Paris)\n\n"
        "Cela ne dit pas qu’il a été lu en entier ni compris. Cet avis est automatique ; il est inutile d’y répondre.\n"
        "\n--\nYour message was displayed.\n"
    )
    answered = (*facts.references, facts.message_id) if facts.message_id else facts.references
    letter = OutLetter(
        message_id=identifier,
        date=at,
        from_=Mailbox(patient.name, patient.address),
        to=(Mailbox(facts.from_name, facts.receipt_to),),
        subject=f"Lu : {opened.body.subject}".strip(),
        text=text,
        in_reply_to=facts.message_id,
        references=answered,
        auto_submitted="auto-replied",
    )
    return read_receipt(letter, original, reporting, patient.address, _original_recipient(original), DISPOSITION)


def _original_recipient(original: bytes) -> str:
    """§ 2.3: whom the asker wrote to, when a server on the way noted it."""
    end = original.find(b"\r\n\r\n", 0, MAX_HEADER_BYTES)
    try:
        return Headers(original[: end + 2] if end >= 0 else b"").get("original-recipient") or ""
    except Malformed:
        return ""
