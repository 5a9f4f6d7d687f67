"""Absence notes and confirmations: what answers by itself answers once, and never another machine; what a professional
asks to hear, the patient says or not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from server import absence, access, reading
from server.absence import AbsenceNotes
from server.actions.acting import act
from server.errors import Invalid
from server.views import MessageView
from tests.mail_house import MailHouse, bring, open_mail_house, plain

NOTE = "Je suis absente jusqu’au 4. En cas de besoin, écrivez au secrétariat."
ABSENT = {"Auto-Submitted": "auto-replied"}


@pytest.fixture
async def mail(tmp_path: Path, sqlite_url: str) -> AsyncIterator[MailHouse]:
    async with open_mail_house(tmp_path, sqlite_url) as house:
        house.app.delivery.add(AbsenceNotes(house.app))
        yield house


async def _away(house: MailHouse, name: str = "morel", days: int = 3) -> None:
    now = datetime.now(UTC)
    start, end = now - timedelta(days=1), now + timedelta(days=days)
    await absence.declare(house.app, house.people[name].account_id, start, end, NOTE)


async def _messages(house: MailHouse, name: str = "dominique") -> list[MessageView]:
    return [entry.message for entry in await house.entries(name)]


async def test_a_patient_who_writes_to_somebody_away_is_told_once(mail: MailHouse) -> None:
    sent = await mail.letter("morel", "dominique")
    await _away(mail)
    for text in ("Puis-je venir lundi ?", "Et mardi ?"):
        await mail.answer("dominique", sent.conversation, text)
        await mail.delivered()
    messages = await _messages(mail)
    said = ["Bonjour", "Puis-je venir lundi ?", NOTE, "Et mardi ?"]
    assert [message.text for message in messages] == said
    (note,) = [message for message in messages if message.automatic]
    assert (note.author.name, note.text) == ("Dr Agathe MOREL", NOTE)


async def test_another_patient_and_another_absence_are_told_again(mail: MailHouse) -> None:
    hers, his = await mail.letter("morel", "dominique"), await mail.letter("morel", "marcel")
    for _ in range(2):
        await _away(mail)
        await mail.answer("dominique", hers.conversation)
        await mail.answer("marcel", his.conversation)
        await mail.delivered()
    for name in ("dominique", "marcel"):
        assert [message.text for message in await _messages(mail, name) if message.automatic] == [NOTE, NOTE]


async def test_who_is_back_or_not_yet_away_says_nothing(mail: MailHouse) -> None:
    sent = await mail.letter("morel", "dominique")
    await _away(mail)
    assert await absence.end(mail.app, mail.morel.account_id) == 1
    later = datetime.now(UTC) + timedelta(days=2)
    await absence.declare(mail.app, mail.morel.account_id, later, later + timedelta(days=1), NOTE)
    await mail.answer("dominique", sent.conversation)
    await mail.delivered()
    assert not any(message.automatic for message in await _messages(mail))


@pytest.mark.parametrize(
    ("days", "text", "code"), [(-2, NOTE, "bad_dates"), (1, " ", "bad_note"), (1, "x" * 2001, "bad_note")]
)
async def test_an_absence_that_makes_no_sense_is_refused(mail: MailHouse, days: int, text: str, code: str) -> None:
    now = datetime.now(UTC)
    with pytest.raises(Invalid) as refused:
        await absence.declare(mail.app, mail.morel.account_id, now, now + timedelta(days=days), text)
    assert refused.value.code == code


async def test_two_absences_that_meet_say_one_word_each(mail: MailHouse) -> None:
    """Dr Bertin, elsewhere, and Dr Morel, here, are both away; Dominique writes to both."""
    await bring(mail, plain("Bonjour à vous deux", headers={"Cc": mail.address("morel")}))
    await _away(mail)
    (entry,) = await mail.entries("dominique")
    await mail.answer("dominique", entry.conversation, "Merci")
    await mail.delivered()
    for number in range(3):  # an answering machine that answers whatever it is sent
        theirs = plain(
            "Je suis absent.", subject="Absence : Re", headers=ABSENT, in_reply_to="<1@operator.example>",
            message_id=f"<absent-{number}@operator.example>",
        )  # fmt: skip
        assert (await bring(mail, theirs)).startswith("250")
        await mail.delivered()
    automatic = [message.text.strip() for message in await _messages(mail) if message.automatic]
    assert sorted(automatic) == sorted([NOTE, "Je suis absent."])
    assert len({entry.conversation for entry in await mail.entries("dominique")}) == 1
    owed = await mail.app.db.read(lambda tx: tx.run("SELECT channel, COUNT(*) FROM deliveries GROUP BY channel"))
    assert dict(owed) == {"absence": 1, "mail": 1}  # Dominique's own answer, and nothing that answers a machine


async def test_an_automatic_answer_that_says_something_else_is_shown(mail: MailHouse) -> None:
    for number, text in enumerate(("Je suis absent.", "Je suis absent.", "Résultats disponibles.")):
        await bring(mail, plain(text, headers=ABSENT, message_id=f"<a{number}@operator.example>"))
    assert await mail.texts("dominique") == ["Je suis absent.", "Résultats disponibles."]


# ---- confirmations ---------------------------------------------------------------------------------------------------


async def test_a_letter_that_asks_for_it_is_confirmed_in_two_taps_and_its_sender_hears_of_each(mail: MailHouse) -> None:
    letter = plain("Ne mangez plus après minuit.", subject="[À confirmer] Votre opération")
    assert (await bring(mail, letter)).startswith("250")
    (message,) = await _messages(mail)
    assert (message.subject, message.text.strip()) == ("Votre opération", "Ne mangez plus après minuit.")
    assert message.card is not None
    assert message.card["title"] == "Dr Paul BERTIN vous demande de confirmer"
    box = await mail.mailbox("dominique")
    for action in ("confirm.understood", "confirm.done"):
        await act(mail.app, box, message.id, action, {}, action)
    answers = [found.text for found in await _messages(mail) if found.kind == "answer"]
    assert answers == ["J’ai bien lu et compris ce message.", "C’est fait."]
    owed = await mail.app.db.read(lambda tx: tx.run("SELECT COUNT(*) FROM deliveries WHERE channel = 'mail'"))
    assert owed[0][0] == 2


async def test_an_answer_that_repeats_the_subject_asks_nothing(mail: MailHouse) -> None:
    await bring(mail, plain("Bien noté", subject="Re: [à confirmer] Votre opération"))
    (message,) = await _messages(mail)
    assert message.card is None


async def test_opening_a_letter_confirms_nothing(mail: MailHouse) -> None:
    await bring(mail, plain("Ne mangez plus.", subject="[à confirmer] Votre opération"))
    (entry,) = await mail.entries("dominique")
    box = await mail.mailbox("dominique")
    await reading.mark_read(mail.app, await access.conversation(mail.app, box, entry.conversation), entry.seq)
    (message,) = await _messages(mail)
    assert message.card is not None
    assert "answered" not in message.card
