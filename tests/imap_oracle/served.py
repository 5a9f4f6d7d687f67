"""The same mailbox in both: letters reach Dr Leroy in Pli, and what his INBOX then holds is appended to Dovecot's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence

from mail_gateway import letterbox
from mail_gateway.acceptance import member
from mail_gateway.letterbox import Sent
from server import access, attachments
from server.drafts import Draft, Opening
from server.posting import post
from tests.house import House
from tests.imap_oracle.mails import Mail
from tests.imap_oracle.reader import fetched
from tests.imap_oracle.talk import Talk


async def bring(house: House, mails: Iterable[Mail]) -> list[str]:
    """Claire Petit writes each to Dominique with Dr Leroy in copy, as the submission door hands it on; their names.

    What the door would hold (a document about nobody known) is put into the conversation as it came.
    """
    space = await access.patient(house.app, house.petit, house.ins("dominique"))
    names = []
    for name, raw in mails:
        sent = Sent(house.petit, house.petit.address, raw, (member(house.leroy),))
        to = [(house.ins("dominique"), space)]
        # A letter's Bcc is nobody's to read, and the door takes it out: it would not be as it came.
        if b"\r\nBcc:" in raw or await letterbox.deliver(house.app, sent, await letterbox.read(raw), to):
            draft = Draft(to=Opening(space, name), text=name, raw=raw, members=sent.members)
            await post(house.app, house.petit, draft)
        names.append(name)
    return names


async def converse(house: House) -> list[str]:
    """Dr Leroy writes to Dominique, who answers twice in the chat, once with a file; the names of the answers."""
    app = house.app
    conversation = (
        await house.letter("leroy", "dominique", "Venez à jeun.", "Consignes avant l’opération")
    ).conversation
    await house.answer("dominique", conversation, "D’accord, merci.\n\nÀ bientôt")
    upload = await attachments.upload(app, house.dominique, "ordonnance é.pdf", "application/pdf", b"%PDF-1.7 " * 50)
    await house.answer("dominique", conversation, "Voici mon ordonnance.", uploads=(upload,))
    return ["answer", "answer with a file"]


async def copy(ours: Talk, theirs: Talk, mails: Sequence[Mail]) -> None:
    """Every message of our INBOX and Sent into theirs: octets, date, flags. Letters are there as they came."""
    came = [raw async for raw in _copied(ours, theirs, "INBOX")]
    assert came[: len(mails)] == [raw for _, raw in mails]
    assert len([raw async for raw in _copied(ours, theirs, "Sent")]) == 1


async def _copied(ours: Talk, theirs: Talk, folder: str) -> AsyncIterator[bytes]:
    await ours.say(f"EXAMINE {folder}")
    answer = await ours.say("FETCH 1:* (FLAGS INTERNALDATE BODY.PEEK[])")
    for row in (fetched(one.values[0]) for one in answer.named("FETCH")):
        raw, date, flags = row["BODY[]"], row["INTERNALDATE"], row["FLAGS"]
        assert isinstance(raw, bytes), row
        assert isinstance(date, bytes), row
        assert isinstance(flags, list), row
        said = await theirs.say(f'APPEND {folder} ({" ".join(map(str, flags))}) "{date.decode()}" {{}}', raw)
        assert said.result == "OK", said
        yield raw
    await ours.say("UNSELECT")
