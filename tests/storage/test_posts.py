"""What a letter becomes in storage, on both engines."""

from __future__ import annotations

from server import access, reading
from tests.house import House


async def test_a_letter_is_in_both_mailboxes_and_its_answer_too(core: House) -> None:
    sent = await core.letter("morel", "dominique", "À jeun dès minuit.")
    answered = await core.answer("dominique", sent.conversation, "Merci docteur.")

    for name in ("dominique", "morel"):
        page = await reading.since(core.app, await core.mailbox(name), 0)
        assert [entry.message.text for entry in page.entries] == ["À jeun dès minuit.", "Merci docteur."]
        assert [entry.seq for entry in page.entries] == [1, 2]
        assert not page.more
    assert answered.conversation == sent.conversation
    conversation = await access.conversation(core.app, await core.mailbox("morel"), sent.conversation)
    assert await reading.mark_read(core.app, conversation, 99) == 0
