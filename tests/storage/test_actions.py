"""What a card's answer changes, and that it changes it once; on both engines."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine

from mail_gateway import rendition
from server import access, actions, reading
from server.actions import catalogue
from server.actions.acting import act
from server.agenda import book, organiser
from server.bots import reminders
from server.delivery import DeliveryWorker
from server.dossier import documents as shelf
from server.drafts import Draft, File, FileFacts, Opening
from server.errors import Conflict, Invalid, NotAllowed, Refused
from server.handles import DossierHandle
from server.posting import post
from server.views import Entry
from storage import deliveries, documents
from storage.database import Tx
from tests.house import House

DAY_MS = 86_400_000
PNEUMOCOCCUS = "pneumococcus-65"


async def _entries(core: House, name: str) -> list[Entry]:
    return (await reading.since(core.app, await core.mailbox(name), 0)).entries


async def _dossier(core: House, name: str) -> DossierHandle:
    return await access.dossier(core.app, await core.mailbox(name))


async def _reminder(core: House) -> Entry:
    assert await reminders.remind(core.app, core.marcel.space_id, PNEUMOCOCCUS) == 1
    return (await _entries(core, "marcel"))[0]


async def test_already_done_is_filed_and_said_in_the_thread(core: House) -> None:
    asked = await _reminder(core)
    await act(core.app, await core.mailbox("marcel"), asked.message.id, "reminders.done", {"on": "2024-10-02"}, "tap")

    card, line = await _entries(core, "marcel")
    assert card.message.card is not None
    assert card.message.card["answered"]["label"] == "Noté comme fait"
    assert [one["action"] for one in card.message.card["choices"]] == ["reminders.undo"]
    assert line.message.kind == "answer"
    filed = await shelf.list_documents(core.app, await _dossier(core, "marcel"))
    assert [(item.category, item.author, item.created) for item in filed] == [
        ("prevention", "Marcel PAT-DEUX", "2024-10-02")
    ]
    facts, data = await shelf.open_document(core.app, await _dossier(core, "marcel"), filed[0].id)
    assert "pneumocoque" in data.decode()
    assert facts.type == "text/plain"
    assert await reminders.remind(core.app, core.marcel.space_id, PNEUMOCOCCUS) == 0, "he was already told"


@pytest.fixture
def monday() -> Iterator[None]:
    """In the hours of reminders."""
    with time_machine.travel("2026-11-23T10:00:00Z", tick=True):
        yield


async def test_later_comes_back_in_a_month_unless_it_was_answered(monday: None, core: House) -> None:
    asked = await _reminder(core)
    marcel = await core.mailbox("marcel")
    receipt = await act(core.app, marcel, asked.message.id, "reminders.later", {}, "tap")
    owed = await core.app.db.read(deliveries.of_message, receipt.space, receipt.message)
    assert owed == [("reminder", "due", 0)]
    due = await core.app.db.read(deliveries.next_due)
    assert due is not None

    def a_month_later(tx: Tx) -> None:
        tx.run("UPDATE deliveries SET due_at = due_at - :month", month=31 * DAY_MS)

    await core.app.db.write(a_month_later)
    await _work(core)
    texts = [entry.message.kind for entry in await _entries(core, "marcel")]
    assert texts == ["card", "answer", "card"]


async def test_not_concerned_is_not_spoken_of_again_but_can_be_changed(core: House) -> None:
    asked = await _reminder(core)
    marcel = await core.mailbox("marcel")
    await act(core.app, marcel, asked.message.id, "reminders.not_concerned", {}, "tap")
    assert await reminders.remind(core.app, core.marcel.space_id, PNEUMOCOCCUS) == 0
    await act(core.app, marcel, asked.message.id, "reminders.done", {}, "another tap")
    card = (await _entries(core, "marcel"))[0].message.card
    assert card is not None
    assert card["answered"]["action"] == "reminders.done"


async def _work(core: House) -> None:
    idle = asyncio.Event()
    worker = DeliveryWorker(core.app)
    worker.add(reminders.ReminderChannel(core.app))
    worker.on_idle = idle.set
    worker.start()
    await asyncio.wait_for(idle.wait(), 60)
    await worker.close()


async def test_of_two_answers_at_once_one_is_refused(core: House) -> None:
    asked = await _reminder(core)
    marcel = await core.mailbox("marcel")
    outcomes = await asyncio.gather(
        *(act(core.app, marcel, asked.message.id, "reminders.done", {}, f"device {number}") for number in range(8)),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 7
    assert len(await shelf.list_documents(core.app, await _dossier(core, "marcel"))) == 1


async def test_a_tap_sent_twice_is_one_answer(core: House) -> None:
    asked = await _reminder(core)
    marcel = await core.mailbox("marcel")
    first = await act(core.app, marcel, asked.message.id, "reminders.done", {}, "same tap")
    again = await act(core.app, marcel, asked.message.id, "reminders.done", {}, "same tap")
    assert (first.message, first.seq) == (again.message, again.seq)


@pytest.mark.parametrize("values", [{"on": "demain"}, {"on": "2999-01-01"}])
async def test_an_impossible_date_is_refused_with_its_reason(core: House, values: dict[str, str]) -> None:
    asked = await _reminder(core)
    with pytest.raises(Invalid):
        await act(core.app, await core.mailbox("marcel"), asked.message.id, "reminders.done", values, "tap")


async def test_nobody_answers_in_the_patients_place(core: House) -> None:
    space = await access.patient(core.app, core.lab, core.ins("marcel"))
    card = {"type": "reminder", "title": "Contrôle", "text": "", "rule": "x", "version": "1", "source": ""}
    sent = await post(core.app, core.lab, Draft(to=Opening(space, "Contrôle"), kind="card", text="Contrôle", card=card))
    with pytest.raises(NotAllowed):
        await act(core.app, await core.mailbox("lab"), sent.message, "reminders.done", {}, "tap")
    with pytest.raises(Refused):
        await act(core.app, await core.mailbox("dominique"), sent.message, "reminders.done", {}, "tap")


async def test_an_accepted_appointment_is_in_the_agenda_and_the_doctor_has_the_reply(core: House) -> None:
    card = book.appointment_card(
        title="Consultation", text="", uid="rdv-1@pli.example", sequence=0, start="2026-12-03T14:30:00+01:00",
        end="2026-12-03T15:00:00+01:00", all_day=False, location="CHU de Pli", organizer="agathe.morel@pli.example",
        ics=ICS,
    )  # fmt: skip
    sent = await core.letter("morel", "dominique", "Rendez-vous", kind="card", card=card)
    box = await core.mailbox("dominique")
    receipt = await act(core.app, box, sent.message, "agenda.accept", {}, "tap")

    listed = await book.appointments(core.app, await _dossier(core, "dominique"))
    assert [(item.title, item.state) for item in listed] == [("Consultation", "accepted")]
    handle = await access.conversation(core.app, await core.mailbox("morel"), sent.conversation)
    opened = await reading.open_unchecked(core.app, handle.keys, receipt.message)
    mail = (await rendition.as_mail(core.app, handle.keys, opened)).decode()
    for line in ("METHOD:REPLY", "UID:rdv-1@pli.example", "PARTSTAT=ACCEPTED", "279035121518989@patient.pli.example"):
        assert line in mail.replace("\r\n ", "")

    await act(core.app, box, sent.message, "agenda.decline", {}, "second thoughts")
    listed = await book.appointments(core.app, await _dossier(core, "dominique"))
    assert [(item.title, item.state) for item in listed] == [("Consultation", "declined")]


ICS = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//FR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:rdv-1@pli.example\r\n"
    "SEQUENCE:0\r\nDTSTAMP:20261123T000000Z\r\nDTSTART:20261203T133000Z\r\nDTEND:20261203T140000Z\r\nSUMMARY:Consultation\r\n"
    "ORGANIZER:mailto:agathe.morel@pli.example\r\nATTENDEE;RSVP=TRUE:mailto:279035121518989@patient.pli.example\r\n"
    "END:VEVENT\r\nEND:VCALENDAR\r\n"
)


def proposal(sequence: int = 0, start: str = "2099-12-03T14:30:00+01:00") -> dict[str, Any]:
    return book.appointment_card(
        title="Consultation", text="", uid="rdv-2", sequence=sequence, start=start, end="", all_day=False, location="",
        organizer="", ics="",
    )  # fmt: skip


def brought(card: dict[str, Any]) -> dict[str, Any]:
    """What the mail side says of an invitation that arrives from Dr Morel's address."""
    return {"kind": "card", "card": card, "raw": b"mail", "effect": lambda doing: organiser.offered(doing, card, "")}


async def test_of_an_answer_and_a_change_at_once_neither_is_lost(core: House) -> None:
    """Accepted, then moved; or moved, and the answer to what it was refused: never accepted at a time nobody saw."""
    first = await core.letter("morel", "dominique", "Rendez-vous", **brought(proposal()))
    box = await core.mailbox("dominique")
    moved = core.letter("morel", "dominique", "Déplacé", **brought(proposal(1, "2099-12-10T14:30:00+01:00")))
    outcomes = await asyncio.gather(
        act(core.app, box, first.message, "agenda.accept", {}, "tap"), moved, return_exceptions=True
    )
    assert not isinstance(outcomes[1], BaseException)
    accepted = not isinstance(outcomes[0], BaseException)
    assert accepted or isinstance(outcomes[0], Conflict)
    listed = await book.appointments(core.app, await _dossier(core, "dominique"))
    assert [(one.state, one.start[:10]) for one in listed] == ([("proposed", "2099-12-10")] if accepted else [])
    old, new = [entry.message.card for entry in await _entries(core, "dominique") if entry.message.kind == "card"]
    assert old is not None
    assert new is not None
    assert (old["choices"], old["event"]["event"], len(new["choices"])) == ([], "agenda.moved", 3)


async def test_two_versions_at_once_leave_the_newer(core: House) -> None:
    starts = {number: f"2099-12-{number + 1:02}T14:30:00+01:00" for number in range(4)}
    await asyncio.gather(
        *(core.letter("morel", "dominique", "Rendez-vous", **brought(proposal(n, at))) for n, at in starts.items())
    )
    cards = [entry.message.card or {} for entry in await _entries(core, "dominique")]
    open_ = [card["sequence"] for card in cards if card["choices"]]
    assert open_ == [3]
    last = next(entry for entry in await _entries(core, "dominique") if (entry.message.card or {})["choices"])
    await act(core.app, await core.mailbox("dominique"), last.message.id, "agenda.accept", {}, "tap")
    listed = await book.appointments(core.app, await _dossier(core, "dominique"))
    assert [(one.state, one.start) for one in listed] == [("accepted", starts[3])]


async def test_a_service_cannot_answer_for_an_appointment_of_another(core: House) -> None:
    """The card of an application says what it likes; its appointments stay its own (security item 30)."""
    first = await core.letter("morel", "dominique", "Rendez-vous", kind="card", card=proposal())
    box = await core.mailbox("dominique")
    await act(core.app, box, first.message, "agenda.accept", {}, "tap")
    other = await core.letter("lab", "dominique", "Rendez-vous", kind="card", card=proposal(9, "2099-12-31T09:00:00Z"))
    await act(core.app, box, other.message, "agenda.decline", {}, "another tap")
    listed = await book.appointments(core.app, await _dossier(core, "dominique"))
    assert [(one.state, one.start[:10]) for one in listed] == [("accepted", "2099-12-03"), ("declined", "2099-12-31")]


async def test_a_document_is_filed_once_with_what_its_header_says(core: House) -> None:
    space = await access.patient(core.app, core.lab, core.ins("dominique"))
    facts = FileFacts(
        "DOC0001.XML", "text/xml", 5, "Compte rendu de biologie", "11502-2", "CR de biologie", "biology",
        "Dr Marie CAMPARINI",
        "Laboratoire de Pli", "2026-11-20", "1.2.3.4",
    )  # fmt: skip
    files = (File(facts, await core.app.blobs.put(space.keys, b"<cda>")),)
    sent = await post(core.app, core.lab, Draft(to=Opening(space, "Résultat"), text="", files=files))
    box = await core.mailbox("dominique")
    attachment = (await _entries(core, "dominique"))[0].message.attachments[0]
    assert not attachment.filed

    await act(core.app, box, sent.message, "dossier.file", {"attachment": attachment.id}, "tap")
    entries = await _entries(core, "dominique")
    assert entries[0].message.attachments[0].filed
    assert "rangé dans votre dossier" in entries[1].message.text
    filed = await shelf.list_documents(core.app, await _dossier(core, "dominique"))
    assert [(item.title, item.label, item.author, item.created) for item in filed] == [
        ("Compte rendu de biologie", "CR de biologie", "Dr Marie CAMPARINI", "2026-11-20")
    ]
    with pytest.raises(Conflict):
        await act(core.app, box, sent.message, "dossier.file", {"attachment": attachment.id}, "again")
    assert len(await _entries(core, "lab")) == 1, "filing is the patient's own affair"


async def test_a_grant_is_dated_shows_what_it_says_and_stops_when_withdrawn(core: House) -> None:
    space = await access.patient(core.app, core.carnet, core.ins("dominique"))
    card = catalogue.service_card("carnet-sante")
    sent = await post(
        core.app, core.carnet, Draft(to=Opening(space, card["title"]), kind="card", text=card["text"], card=card)
    )
    box = await core.mailbox("dominique")
    with pytest.raises(Invalid):
        await act(core.app, box, sent.message, "catalogue.grant", {"scope": "everything"}, "greedy")
    await act(core.app, box, sent.message, "catalogue.grant", {"scope": "documents:list", "months": 3}, "yes")

    (grant,) = await core.app.db.read(documents.grants_in_force, core.carnet.account_id)
    assert grant.until_at - grant.granted_at == 90 * DAY_MS
    assert await catalogue.granted_documents(core.app, core.carnet, grant.id) == []
    with pytest.raises(Refused):
        await catalogue.granted_documents(core.app, core.lab, grant.id)

    await act(core.app, box, sent.message, "catalogue.withdraw", {}, "no more")
    with pytest.raises(Refused):
        await catalogue.granted_documents(core.app, core.carnet, grant.id)
    texts = [entry.message.text for entry in await _entries(core, "dominique")]
    assert texts[1].startswith("Autorisation donnée")
    assert texts[2].startswith("Autorisation retirée")
    shown = await catalogue.grants(core.app, await _dossier(core, "dominique"))
    assert len(shown) == 1
    assert shown[0].withdrawn


def test_every_card_is_also_a_letter_with_numbered_choices() -> None:
    for kind, after in actions.CARDS.items():
        card = {"type": kind, "title": "Titre", "text": "Texte"}
        letter = actions.letter_form(card)
        assert "Titre" in letter
        choices = actions.numbered(card)
        assert kind in actions.FILLED or choices[: len(after[""])] == after[""]
        for number, action in enumerate(choices, 1):
            assert f"{number}. {actions.ACTIONS[action].fr}" in letter
            assert actions.choice(card, number) == action
        assert actions.choice(card, len(choices) + 1) is None
        assert actions.choice(card, 0) is None
