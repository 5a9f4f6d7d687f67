"""Writing to Pli itself, and what it answered: for tests without a worker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from server import access, reading, sending, space_news
from server.bots import hearing
from server.bots.assistant.answering import Assistant
from server.bots.assistant.names import Child, Known, Someone
from server.delivery import Parcel
from server.drafts import Receipt
from server.handles import ConversationHandle, MailboxHandle
from server.sending import Letter
from server.settings import PLACE
from server.views import MessageView
from storage import deliveries
from storage.deliveries import Delivery
from storage.ids import new_id
from tests.house import House

CORPUS = Path(__file__).parent / "corpus"
NOW = datetime(2026, 11, 23, 10, tzinfo=PLACE)  # a Monday, for which the sentences were written
KNOWN = Known(
    (
        Someone("1", "Dr Agathe MOREL", "Chirurgienne orthopédiste"),
        Someone("2", "Dr Paul LEROY", "Médecin généraliste"),
        Someone("3", "Louise LUNEL", "Opticienne"),
        Someone("4", "Marc ROSSI", "Pharmacien"),
        Someone("5", "Pharmacie du Port", "Pharmacie", "team"),
        Someone("6", "Admissions, CHU de Pli", "Bureau des admissions", "team"),
    ),
    (Child("c", "Camille"),),
)
Sentence = tuple[str, str, dict[str, str]]


def sentences(*names: str) -> Iterator[Sentence]:
    """(what is said, what it means: intents by « | », its slots) of these files of the corpus."""
    for name in names:
        yield from json.loads((CORPUS / f"{name}.json").read_text())


async def talk(house: House, who: str, mailbox: str = "") -> tuple[MailboxHandle, ConversationHandle]:
    """« Votre espace », to somebody of the cast."""
    box = await access.mailbox(house.app, house.people[who], mailbox)
    return box, await space_news.talk(house.app, box)


async def write(house: House, who: str, text: str, mailbox: str = "") -> Receipt:
    """A message there; its answer is owed, and nothing else happened."""
    box, to = await talk(house, who, mailbox)
    return await sending.send(house.app, box, to, Letter(text, new_id()))


async def answer_all(house: House, settle: bool = True) -> int:
    """What the worker would do with what is owed on the assistant's channel; how many there were."""
    due = [one for one in await house.app.db.write(deliveries.claim, 60_000, 100) if one.channel == hearing.CHANNEL]
    for one in due:
        await Assistant(house.app).send(await _parcel(house, one))
        if settle:
            await house.app.db.write(deliveries.done, one)
        else:
            await house.app.db.write(deliveries.put_back, one, 0, "stopped")
    return len(due)


async def _parcel(house: House, one: Delivery) -> Parcel:
    keys = await house.app.db.read(lambda tx: reading.space_keys(house.app, tx, one.space_id))
    return Parcel(one, keys, json.loads(keys.open("delivery", one.id, one.target)), 1)


async def said(house: House, who: str, mailbox: str = "") -> list[MessageView]:
    """What stands in « Votre espace », the oldest first."""
    _, to = await talk(house, who, mailbox)
    return [entry.message for entry in (await reading.thread(house.app, to, limit=100)).entries]


async def ask(house: House, who: str, text: str, mailbox: str = "") -> MessageView:
    """What Pli answers to that."""
    receipt = await write(house, who, text, mailbox)
    await answer_all(house)
    answers = [one for one in await said(house, who, mailbox) if one.in_reply_to == receipt.message]
    assert len(answers) == 1, "each message has one answer"
    return answers[0]


def card(message: MessageView) -> dict[str, Any]:
    assert message.card is not None
    return message.card
