"""A form and a checklist asked of a correspondent elsewhere, who answers by mail with numbers."""

from __future__ import annotations

from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

from mail_gateway.rendition import as_mail
from server import access, reading
from server.drafts import Draft, Member, Receipt
from server.forms import cards
from server.posting import post
from storage import fillings
from storage.database import Tx
from tests.doors.test_forms import ASKED
from tests.mail_house import MailHouse, bring, open_mail_house, plain

FORM = cards.form_card(ASKED, "them")


async def asked_of_them(house: MailHouse, card: dict[str, Any]) -> Receipt:
    """Dr Bertin, elsewhere, writes to Dominique; she brings in the admissions team, which asks him."""
    await bring(house, plain("Bonjour", subject="Suivi"))
    (first,) = await house.entries("dominique")
    conversation = await access.conversation(house.app, await house.mailbox("dominique"), first.conversation)
    desk = house.admissions
    member = Member(desk.account_id, desk.mailbox_id, desk.organisation_id, desk.name, desk.address)
    await post(house.app, house.dominique, Draft(to=conversation, text="Je mets le CHU.", members=(member,)))
    return await house.answer("admissions", first.conversation, "Quelques questions", kind="card", card=card)


async def answered(house: MailHouse, asked: Receipt, text: str, number: int = 2) -> str:
    """The correspondent answers; what Pli mails back."""
    name = f"<{number}@operator.example>"
    letter = plain(text, subject="RE: Suivi", in_reply_to=f"<{asked.message}@pli.example>", message_id=name)
    assert (await bring(house, letter)).startswith("250")
    return await last_told(house, asked)


async def last_told(house: MailHouse, asked: Receipt) -> str:
    """The last line of Pli that is owed to the correspondent as a mail; "" when there is none."""

    def find(tx: Tx) -> str:
        query = (
            "SELECT m.id FROM messages m JOIN deliveries d ON d.space_id = m.space_id AND d.message_id = m.id"
            " WHERE m.space_id = :s AND m.kind = 'line' AND d.channel = 'mail' ORDER BY m.at DESC, m.id DESC LIMIT 1"
        )
        rows = tx.run(query, s=asked.space)
        return rows[0][0] if rows else ""

    found = await house.app.db.read(find)
    if not found:
        return ""
    keys = await house.app.db.read(lambda tx: reading.space_keys(house.app, tx, asked.space))
    raw = await as_mail(house.app, keys, await reading.open_unchecked(house.app, keys, found))
    body = message_from_bytes(raw, policy=policy.default).get_body(("plain",))
    assert body is not None
    return str(body.get_content())


async def standing(house: MailHouse, asked: Receipt) -> str:
    keys = await house.app.db.read(lambda tx: reading.space_keys(house.app, tx, asked.space))
    return await house.app.db.read(fillings.standing, keys, asked.message)


async def test_a_correspondent_elsewhere_answers_a_form_by_mail(tmp_path: Path, sqlite_url: str) -> None:
    async with open_mail_house(tmp_path, sqlite_url, deliver=False) as house:
        asked = await asked_of_them(house, FORM)
        told = await answered(house, asked, "1 : oui  2 : 10\n3 : soixante\n\nBien à vous")
        assert "2. Combien par jour ? : 10" in told
        assert "Pas compris" in told
        assert "« 3 : soixante »" in told
        assert "partiront avec ce qui manque : « Votre poids »" in told
        assert await standing(house, asked) == "begun"
        assert await answered(house, asked, "3) 61,5 kg\r\n-- \r\nDr Bertin", 3) == told, "nothing more to say"
        assert await standing(house, asked) == "completed"
        sent = [entry.message for entry in await house.entries("admissions") if entry.message.kind == "answer"]
        assert "3. Votre poids : 61,5 kg" in sent[-1].text
        assert {file.name for file in sent[-1].attachments} == {"reponses.pdf", "reponses.json"}
        await answered(house, asked, "3 = 62", 4)
        corrected = [entry.message for entry in await house.entries("admissions") if entry.message.kind == "answer"]
        assert len(corrected) == 2
        assert corrected[-1].text.startswith("Réponses corrigées")


async def test_a_letter_that_answers_nothing_stays_a_letter_and_is_told_nothing(
    tmp_path: Path, sqlite_url: str
) -> None:
    async with open_mail_house(tmp_path, sqlite_url, deliver=False) as house:
        asked = await asked_of_them(house, FORM)
        assert await answered(house, asked, "Je vous appelle demain à 15 heures.") == ""
        assert "Je vous appelle demain à 15 heures." in await house.texts("dominique")
        assert await standing(house, asked) == "none"


async def test_nobody_answers_by_mail_what_is_asked_of_the_patient(tmp_path: Path, sqlite_url: str) -> None:
    async with open_mail_house(tmp_path, sqlite_url, deliver=False) as house:
        asked = await asked_of_them(house, cards.form_card(ASKED))
        await answered(house, asked, "1 : oui\n3 : 60")
        assert await standing(house, asked) == "none"


async def test_a_checklist_is_ticked_by_numbers(tmp_path: Path, sqlite_url: str) -> None:
    async with open_mail_house(tmp_path, sqlite_url, deliver=False) as house:
        things = cards.checklist_card("À faire", "", ["Ordonnance", "Bilan sanguin", "Courrier"], whose="them")
        asked = await asked_of_them(house, things)
        await answered(house, asked, "1, 3")
        assert await standing(house, asked) == "begun"
        sent = [entry.message.text for entry in await house.entries("admissions") if entry.message.kind == "answer"]
        assert sent == ["Fait : Ordonnance ; Courrier. Reste : 1."]
        await answered(house, asked, "Tout.", 3)
        assert await standing(house, asked) == "completed"
