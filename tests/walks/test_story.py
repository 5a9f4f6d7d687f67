"""The story Pli exists for, through every door: a letter in, live to the patient, the answer in the doctor's client."""

from __future__ import annotations

import asyncio
import imaplib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import socketio  # type: ignore[import-untyped]  # ships no types

from server.bots import reminders
from tests import letters
from tests.house import PASSWORD, House, open_house, settings_for
from tests.mail_operator import Operator
from tests.walks.mail import submit, trusting


def _inbox(house: House, who: str, folder: str = "INBOX") -> list[EmailMessage]:
    """Everything in a folder, as a mail client reads it."""
    with imaplib.IMAP4("127.0.0.1", house.app.ports["imap"], timeout=60) as client:
        client.starttls(trusting(house))
        client.login(house.address(who), PASSWORD)
        client.select(folder)
        _, found = client.uid("SEARCH", "ALL")
        mails = []
        for uid in found[0].split():
            _, parts = client.uid("FETCH", uid.decode(), "(BODY.PEEK[])")
            mails.append(message_from_bytes(parts[0][1], policy=policy.default))
        return mails


@dataclass
class Screen:
    """A patient's open chat: keeps every entry it is told of, as a browser does."""

    client: socketio.AsyncClient
    entries: list[Any] = field(default_factory=list)
    cursor: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, entries: list[Any], cursor: int) -> None:
        self.entries += entries
        self.cursor = max(self.cursor, cursor)
        self.news.set()

    async def sync(self) -> None:
        while True:
            page = await self.client.call("sync", {"cursor": self.cursor}, timeout=60)
            self.take(page["entries"], page["cursor"])
            if not page["more"]:
                return

    async def until(self, what: Callable[[Any], bool]) -> Any:
        """The newest entry that is so, once it is there."""
        async with asyncio.timeout(60):
            while True:
                for entry in reversed(self.entries):
                    if what(entry):
                        return entry
                self.news.clear()
                await self.news.wait()


@asynccontextmanager
async def screen(house: House, who: str) -> AsyncIterator[Screen]:
    """Sign in by token and keep in step."""
    client = socketio.AsyncClient()
    shown = Screen(client)
    client.on("entries", lambda data: shown.take(data["entries"], data["cursor"]))
    await client.connect(house.http, auth={"token": await house.token(who)}, transports=["websocket"])
    await shown.sync()
    try:
        yield shown
    finally:
        await client.disconnect()


@pytest.fixture
async def operator(tmp_path: Path) -> AsyncIterator[Operator]:
    """Another operator's mail server, which takes what is sent to its professionals."""
    async with Operator.open(tmp_path / "operator") as running:
        yield running


@pytest.fixture
async def town(sqlite_url: str, tmp_path: Path, operator: Operator) -> AsyncIterator[House]:
    """A whole Pli whose outgoing mail goes to that operator."""
    settings = settings_for(tmp_path / "pli", database_url=sqlite_url, mail_relay=operator.address)
    operator.use(settings)
    async with open_house(settings) as open_:
        yield open_


async def test_a_letter_reaches_the_open_chat_and_its_answer_the_doctors_mail_client(town: House) -> None:
    letter = letters.plain(
        "Bonjour Madame,\n\nRestez à jeun dès minuit.\n\nDr Morel", subject="Votre opération du 3 décembre",
        message_id="<letter-1@pli.example>",
        files=[
            ("consignes.pdf", "application/pdf", letters.pdf("Consignes avant l’opération")),
            ("IHE_XDM.ZIP", "application/zip", letters.xdm_zip(ins=town.ins("dominique"), title="Lettre de liaison")),
        ],
    )  # fmt: skip
    async with screen(town, "dominique") as chat:
        await asyncio.to_thread(submit, town, "morel", letter, [town.address("dominique")])
        entry = await chat.until(lambda e: e["message"]["subject"] == "Votre opération du 3 décembre")
        message = entry["message"]
        assert message["author"]["name"] == "Dr Agathe MOREL"
        assert message["author"]["role"] == "Chirurgienne orthopédiste"
        assert "Restez à jeun dès minuit." in message["text"]
        files = {file["type"]: file for file in message["attachments"]}
        document = next(file for file in message["attachments"] if file["title"] == "Lettre de liaison")

        async with aiohttp.ClientSession() as session, session.get(f"{town.http}/demo/sign-in/nobody") as unknown:
            assert unknown.status == 404
        pdf = await _download(town, files["application/pdf"]["id"])
        assert pdf.startswith(b"%PDF-")

        filed = await chat.client.call(
            "act",
            {
                "message": message["id"],
                "action": "dossier.file",
                "values": {"attachment": document["id"]},
                "client_key": "file",
            },
        )
        assert "error" not in filed
        line = await chat.until(lambda e: e["message"]["id"] == filed["message"])
        assert "rangé dans votre dossier" in line["message"]["text"]

        sent = await chat.client.call(
            "post",
            {"conversation": entry["conversation"], "text": "C’est noté, merci docteur.", "client_key": "answer"},
        )
        assert sent["conversation"] == entry["conversation"]

    answers = await asyncio.to_thread(_inbox, town, "morel")
    assert len(answers) == 1, "filing is the patient's own affair: only the answer is in the doctor's inbox"
    original = message_from_bytes(letter, policy=policy.default)
    assert answers[0]["In-Reply-To"] == original["Message-ID"]
    assert original["Message-ID"] in answers[0]["References"]
    assert town.address("dominique") in answers[0]["From"]
    assert "C’est noté, merci docteur." in answers[0].get_content()
    assert len(await asyncio.to_thread(_inbox, town, "morel", "Sent")) == 1

    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {await town.token('dominique')}"}) as session:
        async with session.get(f"{town.http}/api/v1/documents") as answer:
            (document,) = (await answer.json())["documents"]
    assert document["title"] == "Lettre de liaison"
    assert document["author"]
    assert document["created"]
    assert document["label"]


async def _download(house: House, attachment: str) -> bytes:
    headers = {"Authorization": f"Bearer {await house.token('dominique')}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.get(f"{house.http}/api/v1/attachments/{attachment}") as answer:
            assert answer.status == 200
            return await answer.read()


async def test_an_answer_to_a_professional_elsewhere_leaves_for_their_operator(town: House, operator: Operator) -> None:
    await operator.vouch(town.app)
    letter = letters.plain(
        "Qu’en pensez-vous ?",
        from_=("Dr Loin", "dr.loin@operator.example"),
        subject="Avis",
        message_id="<avis-1@operator.example>",
    )
    await asyncio.to_thread(
        operator.send, town.app.ports["smtp"], "dr.loin@operator.example", [town.address("dominique")], letter
    )
    async with screen(town, "dominique") as chat:
        entry = await chat.until(lambda e: e["message"]["subject"] == "Avis")
        await chat.client.call(
            "post", {"conversation": entry["conversation"], "text": "Je suis d’accord.", "client_key": "1"}
        )
        received = await operator.next_mail()
        assert received.sender == town.address("dominique")
        assert received.recipients == ["dr.loin@operator.example"]
        mail = message_from_bytes(received.raw, policy=policy.default)
        assert mail["In-Reply-To"] == message_from_bytes(letter, policy=policy.default)["Message-ID"]
        assert "Je suis d’accord." in mail.get_content()
        await chat.until(lambda e: e["kind"] == "change" and e["message"]["status"] == "delivered")


async def test_an_invitation_is_accepted_in_the_chat_and_the_reply_is_in_the_doctors_mailbox(town: House) -> None:
    invitation = letters.invitation()
    async with screen(town, "dominique") as chat:
        await asyncio.to_thread(submit, town, "morel", invitation, [town.address("dominique")])
        entry = await chat.until(lambda e: e["message"].get("card") is not None)
        card = entry["message"]["card"]
        assert card["type"] == "appointment"
        assert card["organizer_name"] == "Dr Agathe MOREL"
        assert [choice["label"] for choice in card["choices"]] == ["Accepter", "Décliner", "Demander un autre moment"]
        accepted = await chat.client.call(
            "act", {"message": entry["message"]["id"], "action": "agenda.accept", "client_key": "yes"}
        )
        assert "error" not in accepted
        changed = await chat.until(lambda e: e["kind"] == "change" and e["message"]["id"] == entry["message"]["id"])
        assert changed["message"]["card"]["answered"]["label"] == "Rendez-vous accepté"

    (reply,) = await asyncio.to_thread(_inbox, town, "morel")
    calendar = next(part for part in reply.walk() if part.get_content_type() == "text/calendar")
    assert calendar.get_param("method") == "REPLY"
    text = calendar.get_content().replace("\r\n ", "").replace("\n ", "")
    assert "PARTSTAT=ACCEPTED" in text
    assert f"mailto:{town.address('dominique')}" in text


async def test_marcel_is_reminded_and_each_answer_has_its_effect(town: House) -> None:
    async with screen(town, "marcel") as chat:
        assert await reminders.remind(town.app, town.marcel.space_id, "pneumococcus-65") == 1
        entry = await chat.until(lambda e: e["message"].get("card") is not None)
        labels = [choice["label"] for choice in entry["message"]["card"]["choices"]]
        assert labels == ["Déjà fait", "Me le rappeler dans un mois", "Pas concerné"]
        done = await chat.client.call(
            "act", {"message": entry["message"]["id"], "action": "reminders.done", "values": {}, "client_key": "1"}
        )
        await chat.until(lambda e: e["message"]["id"] == done["message"])
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {await town.token('marcel')}"}) as session:
        async with session.get(f"{town.http}/api/v1/documents") as answer:
            (document,) = (await answer.json())["documents"]
    assert document["category"] == "prevention"


async def test_the_laboratory_posts_a_result_and_a_service_is_granted_then_withdrawn(town: House) -> None:
    headers = {"Authorization": f"Bearer {await town.token('lab')}", "Idempotency-Key": "result-1"}
    async with aiohttp.ClientSession() as session:
        body = {
            "to": town.ins("dominique"),
            "subject": "Votre bilan sanguin",
            "text": "Vos résultats sont prêts. Glycémie : 0,92 g/L.",
        }
        posted = []
        for _ in range(2):  # the same key gives the same receipt
            async with session.post(f"{town.http}/api/v1/conversations", json=body, headers=headers) as answer:
                assert answer.status == 201
                posted.append(await answer.json())
        assert posted[0]["message"] == posted[1]["message"]

        card = {"type": "service", "title": "Mon carnet de suivi", "service": "carnet-sante"}
        card["text"] = "Voir la liste de vos documents."
        offer = {"to": town.ins("dominique"), "subject": "Mon carnet de suivi", "text": "Un service.", "card": card}
        service = {"Authorization": f"Bearer {await town.token('carnet')}"}
        async with session.post(f"{town.http}/api/v1/conversations", json=offer, headers=service) as answer:
            assert answer.status == 201

        async with screen(town, "dominique") as chat:
            assert [e["message"]["subject"] for e in chat.entries] == ["Votre bilan sanguin", "Mon carnet de suivi"]
            card = chat.entries[1]["message"]["id"]
            grant = {
                "message": card,
                "action": "catalogue.grant",
                "values": {"scope": "documents:list"},
                "client_key": "g",
            }
            granted = await chat.client.call("act", grant)
            line = await chat.until(lambda e: e["message"]["id"] == granted["message"])
            assert line["message"]["text"].startswith("Autorisation donnée")
            async with session.get(f"{town.http}/api/v1/grants", headers=service) as answer:
                (shown,) = (await answer.json())["grants"]
            async with session.get(f"{town.http}/api/v1/grants/{shown['id']}/documents", headers=service) as answer:
                assert answer.status == 200
            withdrawn = await chat.client.call(
                "act", {"message": card, "action": "catalogue.withdraw", "client_key": "w"}
            )
            line = await chat.until(lambda e: e["message"]["id"] == withdrawn["message"])
            assert line["message"]["text"].startswith("Autorisation retirée")
            async with session.get(f"{town.http}/api/v1/grants/{shown['id']}/documents", headers=service) as answer:
                assert answer.status == 404


async def test_dominique_was_offline_and_has_everything_in_order_once(town: House) -> None:
    async with screen(town, "dominique") as chat:
        cursor = chat.cursor
    for number in range(5):
        mail = letters.plain(
            f"texte {number}", subject=f"Lettre {number}", message_id=f"<offline-{number}@pli.example>"
        )
        await asyncio.to_thread(submit, town, "morel", mail, [town.address("dominique")])
        await town.letter("lab", "dominique", f"résultat {number}")

    async with screen(town, "dominique") as chat:
        seqs = [entry["seq"] for entry in chat.entries]
        assert seqs == sorted(set(seqs))
        ids = [entry["message"]["id"] for entry in chat.entries]
        assert len(ids) == len(set(ids)) == 10
        assert [e["message"]["text"].strip() for e in chat.entries][::2] == [f"texte {number}" for number in range(5)]
        again = await chat.client.call("sync", {"cursor": cursor, "limit": 3})
        assert [entry["seq"] for entry in again["entries"]] == seqs[:3]
        assert again["more"]
