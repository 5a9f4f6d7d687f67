"""Consent is a conversation: asked for, given, refused, withdrawn; whom it covers, and who may not ask."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from time_machine import TimeMachineFixture

from mail_gateway import letterbox
from mail_gateway.smtp_syntax import Refusal
from server import access, reading
from server.actions import consent, letter_form
from server.actions.acting import act
from server.dossier import asking, consents, filing, standing
from server.dossier import documents as shelf
from server.dossier.consents import Giving
from server.drafts import FileFacts, Receipt
from server.errors import Invalid, NotAllowed, PliError, Refused
from server.handles import DossierHandle
from server.views import MessageView
from storage import conversations, delegations
from storage.database import Tx
from storage.ids import now_ms
from storage.vault import SpaceKeys
from tests.house import House
from tests.support.api import Api, open_api

WHY = "Préparer votre opération"


async def request(house: House, who: str = "morel", *things: str, days: int = 90) -> Receipt:
    """Somebody who exchanges with Dominique asks her to read, in their newest thread."""
    box = await house.mailbox(who)
    known = await house.app.db.read(conversations.newest_with, house.dominique.space_id, box.owner)
    assert known
    to = await access.conversation(house.app, box, known)
    return await asking.ask(house.app, box, to, consent.Wish(things, days, WHY))


async def ask_through(house: House, owner: str) -> Receipt:
    """Dr Morel asks, by herself or in the name of her team."""
    box = await house.mailbox("morel", house.people[owner].mailbox_id)
    known = await house.app.db.read(conversations.newest_with, house.dominique.space_id, box.owner)
    assert known
    to = await access.conversation(house.app, box, known)
    return await asking.ask(house.app, box, to, consent.Wish((), 90, WHY))


async def answer(house: House, asked: Receipt, action: str, **values: object) -> Receipt:
    return await act(house.app, await house.mailbox("dominique"), asked.message, f"consent.{action}", values, "")


async def seen_by(house: House, who: str, message: str) -> MessageView:
    box = await house.mailbox(who)
    handle = await access.conversation_of_message(house.app, box, message)
    return (await reading.message(house.app, handle, message)).message


async def file(house: House, category: str, type_code: str, title: str) -> str:
    """A document that came from nobody here."""
    own = await access.own_space(house.app, house.dominique)
    data = title.encode()
    facts = FileFacts(f"{title}.txt", "text/plain", len(data), title=title, category=category, document_type=type_code)
    ready = await filing.of_octets(house.app, own.keys, facts, data, source="import")

    def write(tx: Tx, keys: SpaceKeys) -> str:
        return filing.file(tx, house.app.vault, keys, ready, "import", now_ms())

    return await house.app.db.write(write, own.keys)


async def record(house: House, who: str) -> DossierHandle:
    return await access.record_of(house.app, await house.mailbox(who), house.dominique.space_id)


async def titles(house: House, who: str) -> list[str]:
    return sorted(one.title for one in await shelf.list_documents(house.app, await record(house, who)))


async def test_dr_morel_asks_in_the_thread_and_reads_what_dominique_allows_until_she_takes_it_back(core: House) -> None:
    await core.letter("morel", "dominique")
    await file(core, "prescriptions", "57833-6", "Ordonnance")
    await file(core, "imaging", "18748-4", "Radio")
    assert await titles(core, "morel") == []
    asked = await request(core, "morel", "prescriptions", "biology")
    card = (await seen_by(core, "dominique", asked.message)).card
    assert card
    assert card["title"] == "Dr Agathe MOREL demande à lire vos ordonnances et vos analyses pendant 3 mois"
    assert WHY in card["text"]
    assert [choice["action"] for choice in card["choices"]] == ["consent.allow", "consent.refuse"]

    line = await answer(core, asked, "allow")
    assert await titles(core, "morel") == ["Ordonnance"]
    told = (await seen_by(core, "morel", line.message)).text
    assert told.startswith("Dr Agathe MOREL peut lire dans le dossier : Ordonnances et soins, Biologie. Jusqu’au ")
    (patient,) = await consents.patients(core.app, core.morel)
    assert (patient.name, patient.kind, patient.through) == ("Dominique PAT-TROIS", "explicit", "")

    await answer(core, asked, "withdraw")
    assert await titles(core, "morel") == []
    assert await consents.patients(core.app, core.morel) == []
    (given,) = await consents.listed(core.app, await core.mailbox("dominique"))
    assert (given.running, given.ended_by, given.reason) == (False, "Dominique PAT-TROIS", WHY)


async def test_dominique_gives_less_than_was_asked_and_never_more(
    sqlite_core: House, time_machine: TimeMachineFixture
) -> None:
    house = sqlite_core
    await house.letter("morel", "dominique")
    await file(house, "prescriptions", "57833-6", "Ordonnance")
    await file(house, "biology", "11502-2", "Analyses")
    asked = await request(house, "morel", "prescriptions", "biology")
    for more in ({"things": "imaging"}, {"things": ""}, {"days": 91}, {"things": "secrets"}):
        with pytest.raises(Invalid):
            await answer(house, asked, "allow", **more)
    await answer(house, asked, "allow", things=["biology"], days=1)
    assert await titles(house, "morel") == ["Analyses"]
    time_machine.move_to(datetime.now(UTC) + timedelta(days=1))
    assert await titles(house, "morel") == []


async def test_the_letter_form_of_a_request_has_numbered_choices(sqlite_core: House) -> None:
    house = sqlite_core
    card, _ = consent.asking(house.morel, consent.Wish((), 365, WHY))
    form = letter_form(card)
    assert form.startswith("Dr Agathe MOREL demande à lire votre dossier pendant 1 an\n")
    assert "  1. Autoriser\n  2. Refuser" in form


async def test_nobody_nags(sqlite_core: House, time_machine: TimeMachineFixture) -> None:
    house = sqlite_core
    await house.letter("morel", "dominique")
    asked = await request(house)
    await house.letter("anesthesia", "dominique")
    for way in ("morel", "anesthesia"):  # nor through the team she works in
        with pytest.raises(NotAllowed, match="asked_already"):
            await ask_through(house, way)
    await answer(house, asked, "refuse")
    with pytest.raises(NotAllowed, match="asked_too_soon"):
        await request(house)
    await house.answer("dominique", asked.conversation, "Pourquoi voulez-vous lire mon dossier ?")
    again = await request(house)  # she wrote: they may explain, and ask
    await answer(house, again, "refuse")
    time_machine.move_to(datetime.now(UTC) + timedelta(days=30))
    await request(house)


async def test_who_is_blocked_or_has_no_such_profession_does_not_ask(sqlite_core: House) -> None:
    house = sqlite_core
    for who in ("morel", "admissions", "lab"):
        await house.letter(who, "dominique")
    await house.stand("morel", "dominique", "block", "blocked")
    with pytest.raises(NotAllowed, match="writer_blocked"):
        await request(house)
    for who, code in (("admissions", "not_habilitated"), ("lab", "not_a_reader")):
        with pytest.raises(NotAllowed, match=code):
            await request(house, who)
    assert await consents.candidates(house.app, await house.mailbox("dominique")) == []


async def test_a_team_that_is_allowed_covers_each_colleague_by_their_own_profession_and_says_so(
    sqlite_core: House,
) -> None:
    house = sqlite_core
    await house.letter("pharmacy", "dominique")
    await file(house, "prescriptions", "57833-6", "Ordonnance")
    await file(house, "summaries", "68599-0", "Synthèse psychiatrique")  # no pharmacist's
    asked = await request(house, "pharmacy")
    line = await answer(house, asked, "allow")
    assert (
        "Tous les soignants de cette équipe sont concernés." in (await seen_by(house, "dominique", line.message)).text
    )
    assert await titles(house, "rossi") == ["Ordonnance"]
    (patient,) = await consents.patients(house.app, house.rossi)
    assert patient.through == "Pharmacie du Port"


async def give(house: House, who: str, kind: str, box: str = "dominique", **more: object) -> None:
    giving = Giving(house.people[who].account_id, kind, **more)  # type: ignore[arg-type]
    await consents.give(house.app, await house.mailbox(box), giving)


async def test_there_is_one_medecin_traitant_at_a_time_and_it_is_a_doctor(core: House) -> None:
    for who in ("leroy", "morel", "lunel", "pharmacy"):
        await core.letter(who, "dominique")
    await give(core, "leroy", "treating")
    await give(core, "morel", "treating")
    box = await core.mailbox("dominique")
    assert [(one.name, one.running) for one in await consents.listed(core.app, box)] == [
        ("Dr Agathe MOREL", True), ("Dr Paul LEROY", False),
    ]  # fmt: skip
    for who, kind, code in (
        ("lunel", "treating", "not_a_doctor"),
        ("pharmacy", "administrator", "not_a_person"),
        ("morel", "emergency", "unknown_consent"),
        ("morel", "explicit", "bad_duration"),
    ):
        with pytest.raises(PliError, match=code):
            await give(core, who, kind)
    with pytest.raises(Refused):
        await give(core, "benali", "care_team")  # who never wrote


async def test_a_helper_never_settles_who_reads_and_a_representative_does(sqlite_core: House) -> None:
    house = sqlite_core
    helper, space = house.marcel, house.dominique.space_id
    await house.letter("leroy", "dominique")
    await house.app.db.write(
        delegations.grant, space, helper.account_id, "helper", None, house.dominique.account_id, delegations.EVERYTHING
    )
    box = await access.mailbox(house.app, helper, house.dominique.mailbox_id)
    giving = Giving(house.leroy.account_id, "treating")
    with pytest.raises(NotAllowed, match="holders_only"):
        await consents.give(house.app, box, giving)
    asked = await request(house, "leroy")
    with pytest.raises(NotAllowed, match="holders_only"):
        await act(house.app, box, asked.message, "consent.allow", {}, "")
    await house.letter("leroy", "camille")
    childs = await access.mailbox(house.app, house.dominique, house.camille.mailbox_id)
    await consents.give(house.app, childs, giving)
    (given,) = await consents.listed(house.app, childs)
    assert (given.name, given.by, given.running) == ("Dr Paul LEROY", "Dominique PAT-TROIS", True)


async def test_what_is_withdrawn_on_the_page_is_withdrawn_on_the_card_too(sqlite_core: House) -> None:
    house = sqlite_core
    await house.letter("morel", "dominique")
    asked = await request(house)
    await answer(house, asked, "allow")
    box = await house.mailbox("dominique")
    (given,) = await consents.listed(house.app, box)
    await consents.withdraw(house.app, box, given.id)
    for who in ("dominique", "morel"):
        card = (await seen_by(house, who, asked.message)).card
        assert card
        assert card["answered"]["action"] == "consent.withdraw"
    with pytest.raises(Refused):
        await consents.withdraw(house.app, box, given.id)


async def test_of_300_races_between_withdrawing_and_reading_none_reads_after_the_withdrawal(core: House) -> None:
    await core.letter("morel", "dominique")
    document = await file(core, "prescriptions", "57833-6", "Ordonnance")
    box, handle = await core.mailbox("dominique"), await record(core, "morel")
    late = 0
    for _ in range(30):
        await give(core, "morel", "care_team")
        (given, *_) = await consents.listed(core.app, box)
        committed = asyncio.Event()

        async def end(consent_id: str = given.id, done: asyncio.Event = committed) -> None:
            await consents.withdraw(core.app, box, consent_id)
            done.set()

        async def read(done: asyncio.Event = committed) -> tuple[bool, bool]:
            after = done.is_set()
            reader = await core.app.db.read(lambda tx: standing.reader(tx, handle))
            return after, bool(reader.grounds)

        assert await read() == (False, True)
        first = [asyncio.create_task(read()) for _ in range(5)]
        ending = asyncio.create_task(end())
        answers = [await read() for _ in range(3)]
        await ending
        answers += [await one for one in first] + [await read(), await read()]
        late += sum(after and may for after, may in answers)
    assert late == 0
    with pytest.raises(Refused):
        await shelf.open_document(core.app, handle, document)


# ---- the other ways to ask -------------------------------------------------------------------------------------------


async def mailed(house: House, who: str, subject: str, text: str) -> None:
    """From the mail program of a professional whose mailbox is here."""
    actor, address = house.people[who], house.address("dominique")
    raw = (
        f"From: {actor.address}\r\nTo: {address}\r\nSubject: {subject}\r\nMessage-ID: <{hash(text)}@ici>\r\n"
        f"Content-Type: text/plain; charset=utf-8\r\n\r\n{text}"
    ).encode()
    space = await access.patient(house.app, actor, house.ins("dominique"))
    sent = letterbox.Sent(actor, actor.address, raw)
    assert not await letterbox.deliver(house.app, sent, await letterbox.read(raw), [(house.ins("dominique"), space)])


async def newest(house: House, who: str) -> MessageView:
    return (await reading.since(house.app, await house.mailbox(who), 0)).entries[-1].message


async def test_dr_leroy_asks_from_a_mail_program(sqlite_core: House) -> None:
    house = sqlite_core
    text = "Je prends votre suivi en charge.\n\nQuoi : ordonnances, analyses et mesures\nDurée : 1 an\n-- \nDr Leroy"
    await mailed(house, "leroy", "[lire le dossier] Votre suivi", text)
    message = await newest(house, "dominique")
    assert message.card
    assert message.subject == "Votre suivi"
    assert message.text.startswith("Je prends votre suivi")  # what was written stays, as it was
    assert (message.card["things"], message.card["days"]) == (["prescriptions", "biology", "PLI-MEASURES"], 365)
    assert message.card["reason"] == "Je prends votre suivi en charge."
    box = await house.mailbox("dominique")
    await act(house.app, box, message.id, "consent.refuse", {}, "")
    assert (await newest(house, "leroy")).text == "Autorisation de lire le dossier refusée."  # where mail is read


async def test_a_mail_that_is_not_understood_goes_back_with_the_reason(sqlite_core: House) -> None:
    for text, why in (
        ("Quoi : tarot\nBonjour", "« tarot » n’est pas compris"),
        ("Durée : toujours\nBonjour", "1 jour, 3 mois"),
        ("Quoi : tout\n", "Écrivez pourquoi"),
    ):
        with pytest.raises(Refusal) as refused:
            await mailed(sqlite_core, "leroy", "[lire le dossier]", text)
        assert why in refused.value.text
    await mailed(sqlite_core, "leroy", "[lire le dossier]", "Je vous suis.")
    with pytest.raises(Refusal) as refused:  # and nobody nags by mail either
        await mailed(sqlite_core, "leroy", "[lire le dossier]", "Alors ?")
    assert "n’a pas répondu" in refused.value.text


async def test_a_pharmacy_s_software_asks_by_the_api_in_our_words(tmp_path: Path, sqlite_url: str) -> None:
    async with open_api(tmp_path, database_url=sqlite_url) as api:
        await _ask_by_api(api)


async def _ask_by_api(api: Api) -> None:
    card = {"type": "consent_request", "title": "Rien du tout", "things": ["prescriptions"], "days": 1,
            "reason": "Vérifier vos traitements"}  # fmt: skip
    await api.letter("pharmacy", "dominique", card=card)
    shown = (await api.get("dominique", "/entries")).json["entries"][0]["message"]["card"]
    assert shown["title"] == "Pharmacie du Port demande à lire vos ordonnances pendant 1 jour"
    said = {"to": api.house.ins("dominique"), "subject": "Consignes", "text": "Bonjour"}
    for who, asked, code in (
        ("pharmacy", card, "asked_already"),
        ("lab", card, "not_a_reader"),
        ("admissions", card | {"things": ["tarot"]}, "unknown_thing"),
    ):
        assert (await api.post(who, "/api/v1/conversations", {**said, "card": asked})).code == code
