"""The same mailbox in both: letters reach Dr Leroy in Pli, and what her INBOX then holds is appended to Dovecot's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mail_gateway import letterbox
from mail_gateway.acceptance import member
from mail_gateway.letterbox import Sent
from server import access
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


async def copy(ours: Talk, theirs: Talk, mails: Sequence[Mail]) -> None:
    """Every message of our INBOX into theirs: octets, flags and date. They are those that came."""
    await ours.say("EXAMINE INBOX")
    answer = await ours.say("FETCH 1:* (FLAGS INTERNALDATE BODY.PEEK[])")
    rows = [fetched(one.values[0]) for one in answer.named("FETCH")]
    assert [row["BODY[]"] for row in rows] == [raw for _, raw in mails]
    for row in rows:
        raw, date = row["BODY[]"], row["INTERNALDATE"]
        assert isinstance(raw, bytes), row
        assert isinstance(date, bytes), row
        said = await theirs.say(f'APPEND INBOX () "{date.decode()}" {{}}', raw)
        assert said.result == "OK", said
    await ours.say("UNSELECT")
