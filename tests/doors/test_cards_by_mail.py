"""A card as a mail: the question in text, in HTML, and for software, the same three times."""

from __future__ import annotations

import json
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from mail_gateway import cards
from mail_gateway.rendition import as_mail
from server import access, actions, reading
from server.drafts import Draft, Member
from server.posting import post
from tests.house import House
from tests.mail_house import bring, open_mail_house, plain

CARD: dict[str, Any] = {
    "type": "service", "title": "Partager <votre> dossier", "text": "Le CHU veut lire vos résultats.\n\nD’accord ?",
}  # fmt: skip


async def mailed(house: House, card: dict[str, Any]) -> EmailMessage:
    """The card as the mail that the admissions team reads of it."""
    sent = (await house.letter("admissions", "dominique", "Bonjour,\n\nvoici.", kind="card", card=card)).message
    keys = await house.app.db.read(lambda tx: reading.space_keys(house.app, tx, house.dominique.space_id))
    raw = await as_mail(house.app, keys, await reading.open_unchecked(house.app, keys, sent))
    assert raw == await as_mail(house.app, keys, await reading.open_unchecked(house.app, keys, sent))
    return message_from_bytes(raw, policy=policy.default)


async def test_a_card_is_read_as_text_as_html_and_by_software(tmp_path: Path, sqlite_url: str) -> None:
    async with open_mail_house(tmp_path, sqlite_url) as house:
        mail = await mailed(house, CARD)
    assert mail.get_content_type() == "multipart/alternative"
    text, html, machine = mail.iter_parts()
    assert [part.get_content_type() for part in (text, html, machine)] == ["text/plain", "text/html", cards.MACHINE]
    assert "voici." in text.get_content()
    assert "  1. Autoriser" in text.get_content()
    shown = html.get_content()
    assert "Partager &lt;votre&gt; dossier" in shown
    assert "<ol><li>Autoriser</li><li>Refuser</li></ol>" in shown
    assert not any(word in shown.lower() for word in ("href", "src", "style", "<script"))
    said = json.loads(machine.get_content())
    assert said["version"] == 1
    assert [(one["number"], one["label"]) for one in said["choices"]] == [(1, "Autoriser"), (2, "Refuser")]
    for one in said["choices"]:
        assert actions.choice(CARD, one["number"]) == one["action"], "the number that is sent back does this"


async def test_a_letter_without_a_card_stays_plain(tmp_path: Path, sqlite_url: str) -> None:
    async with open_mail_house(tmp_path, sqlite_url) as house:
        sent = (await house.letter("admissions", "dominique", "Bonjour")).message
        keys = await house.app.db.read(lambda tx: reading.space_keys(house.app, tx, house.dominique.space_id))
        raw = await as_mail(house.app, keys, await reading.open_unchecked(house.app, keys, sent))
    assert message_from_bytes(raw).get_content_type() == "text/plain"


@pytest.mark.parametrize("kind", sorted(actions.CARDS))
def test_every_card_says_the_same_thing_three_times(kind: str) -> None:
    card = {**CARD, "type": kind}
    labels = [actions.ACTIONS[name].fr for name in actions.numbered(card)]
    form, shown, machine = actions.letter_form(card), cards.as_html("", card), json.loads(cards.as_machine(card).data)
    assert [one["label"] for one in machine["choices"]] == labels
    for label in labels:
        assert label in form
        assert f"<li>{label}</li>" in shown


@pytest.mark.parametrize("said", ["2", "  2.\r\n\r\n> Autoriser ?", "2)\r\n-- \r\nDr Bertin"])
async def test_a_correspondent_elsewhere_answers_a_card_for_anyone_by_its_number(
    tmp_path: Path, sqlite_url: str, said: str
) -> None:
    async with open_mail_house(tmp_path, sqlite_url, deliver=False) as house:
        await bring(house, plain("Bonjour", subject="Suivi"))
        (first,) = await house.entries("dominique")
        conversation = await access.conversation(house.app, await house.mailbox("dominique"), first.conversation)
        desk = house.admissions
        member = Member(desk.account_id, desk.mailbox_id, desk.organisation_id, desk.name, desk.address)
        await post(house.app, house.dominique, Draft(to=conversation, text="Je mets le CHU.", members=(member,)))
        card = CARD | {"for": "anyone", "service": house.lab.account_id}
        asked = await house.answer("admissions", first.conversation, "Qui autorise ?", kind="card", card=card)
        answer = plain(
            said, subject="RE: Suivi", in_reply_to=f"<{asked.message}@pli.example>", message_id="<2@operator.example>"
        )
        assert (await bring(house, answer)).startswith("250")
        assert (await bring(house, answer)).startswith("250")  # brought again: answered once
        shown = {entry.message.id: entry.message for entry in await house.entries("dominique")}
        answered = shown[asked.message].card
        assert answered is not None
        assert (answered["answered"]["action"], answered["answered"]["by"]) == ("catalogue.refuse", "Dr Paul BERTIN")
        assert [message.kind for message in shown.values()] == ["text", "text", "card", "answer"]
