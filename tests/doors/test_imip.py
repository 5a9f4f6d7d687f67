"""Appointments through the mail doors: versions in order, answers as organisers' software expects, and no spoof that
reaches an agenda.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mail_gateway import trust
from server import access
from server.actions import acting
from server.agenda import book
from server.agenda.book import AppointmentView
from server.errors import Conflict
from server.views import Entry
from tests import calendars
from tests.calendars import calendar, event, mail
from tests.mail_house import ELSEWHERE, TO_DOMINIQUE, TO_MARCEL, MailHouse, bring, open_mail_house

STRANGER = ("Dr Paul BERTIN", "un.autre@operator.example")  # the same name at another address
CLOSED: list[str] = []


@pytest.fixture
async def house(tmp_path: Path, sqlite_url: str) -> AsyncIterator[MailHouse]:
    async with open_mail_house(tmp_path, sqlite_url, deliver=False) as opened:
        yield opened


async def sent(house: MailHouse, ics: str, name: str, **more: Any) -> Entry:
    """Dr Bertin's calendar arrives; the message it made for Dominique."""
    raw = mail(ics, message_id=f"<{name}@operator.example>", **more)
    sender = more.get("from_", ELSEWHERE)[1]
    assert (await bring(house, raw, sender=sender)).startswith("250")
    return (await house.entries("dominique"))[-1]


async def again(house: MailHouse, entry: Entry) -> dict[str, Any]:
    """The card of that message as it stands now."""
    (found,) = [one for one in await house.entries("dominique") if one.message.id == entry.message.id]
    assert found.message.card is not None
    return found.message.card


async def act(house: MailHouse, entry: Entry, action: str, **values: str) -> None:
    box = await house.mailbox("dominique")
    await acting.act(house.app, box, entry.message.id, action, values, f"{action} {entry.message.id}")


async def listed(house: MailHouse, who: str = "dominique") -> list[AppointmentView]:
    return await book.appointments(house.app, await access.dossier(house.app, await house.mailbox(who)))


async def states(house: MailHouse) -> list[tuple[str, str]]:
    return [(one.state, one.start) for one in await listed(house)]


def choices(card: dict[str, Any]) -> list[str]:
    return [choice["action"].removeprefix("agenda.") for choice in card["choices"]]


MOVED: dict[str, Any] = {"start": "DTSTART:20991208T140000Z", "end": "DTEND:20991208T143000Z"}
FIRST, LATER = "2099-12-01T09:00:00+00:00", "2099-12-08T14:00:00+00:00"


# ---- versions --------------------------------------------------------------------------------------------------------


async def test_an_accepted_appointment_that_moves_is_to_be_accepted_again(house: MailHouse) -> None:
    first = await sent(house, calendar(*event()), "one")
    assert await states(house) == [], "nothing is booked without the patient"
    await act(house, first, "agenda.accept")
    assert await states(house) == [("accepted", FIRST)]

    second = await sent(house, calendar(*event(sequence=1, **MOVED)), "two")
    assert await states(house) == [("proposed", LATER)]
    old = await again(house, first)
    assert choices(old) == CLOSED
    assert old["answered"]["label"] == "Rendez-vous accepté"
    assert old["event"]["label"] == "Ce rendez-vous a changé. Répondez à sa nouvelle version."
    assert (old["event"]["message"], old["event"]["conversation"]) == (second.message.id, second.conversation)
    with pytest.raises(Conflict):
        await act(house, first, "agenda.decline")

    assert choices(await again(house, second)) == ["accept", "decline", "counter"]
    await act(house, second, "agenda.accept")
    assert await states(house) == [("accepted", LATER)]


async def test_a_card_that_nobody_answered_is_replaced_too(house: MailHouse) -> None:
    first = await sent(house, calendar(*event()), "one")
    await sent(house, calendar(*event(sequence=1, **MOVED)), "two")
    assert choices(await again(house, first)) == CLOSED
    assert await states(house) == []


async def test_a_change_of_words_alone_leaves_what_was_accepted(house: MailHouse) -> None:
    await act(house, await sent(house, calendar(*event()), "one"), "agenda.accept")
    await sent(house, calendar(*event(stamp="20261124T120000Z", summary="Anesthésie")), "two")
    (found,) = await listed(house)
    assert (found.state, found.start, found.title) == ("accepted", FIRST, "Anesthésie")


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        ({"sequence": 2, **MOVED}, {"sequence": 1}),
        ({"sequence": 1, "stamp": "20261124T120000Z", **MOVED}, {"sequence": 1, "stamp": "20261123T120000Z"}),
        ({"sequence": 10, **MOVED}, {"sequence": 9}),
    ],
    ids=["by sequence", "by stamp", "as a number"],
)
@pytest.mark.parametrize("method", ["REQUEST", "CANCEL"])
async def test_what_arrives_late_changes_nothing_and_says_so(
    newer: dict[str, Any], older: dict[str, Any], method: str, house: MailHouse
) -> None:
    last = await sent(house, calendar(*event(**newer)), "newer")
    await act(house, last, "agenda.accept")
    late = await sent(house, calendar(*event(**older), method=method), "older")
    assert await states(house) == [("accepted", LATER)]
    card = await again(house, late)
    assert card["event"]["label"] == "Une version plus récente de ce rendez-vous existe."
    assert card["event"]["message"] == last.message.id
    assert choices(card) == CLOSED
    assert choices(await again(house, last)) == ["decline", "counter"]


async def test_the_same_invitation_in_two_mails_is_answered_in_one_place(house: MailHouse) -> None:
    first = await sent(house, calendar(*event()), "one")
    await act(house, first, "agenda.accept")
    second = await sent(house, calendar(*event()), "two", text="Je vous le renvoie.")
    card = await again(house, second)
    assert (choices(card), card["event"]["label"]) == (CLOSED, "Vous avez déjà reçu ce rendez-vous.")
    assert await states(house) == [("accepted", FIRST)]
    assert choices(await again(house, first)) == ["decline", "counter"]


# ---- cancelled -------------------------------------------------------------------------------------------------------


async def test_a_cancelled_appointment_cannot_be_accepted_any_more(house: MailHouse) -> None:
    first = await sent(house, calendar(*event()), "one")
    told = await sent(house, calendar(*event(sequence=1), method="CANCEL"), "two")
    assert await states(house) == [], "what was never accepted is not in the agenda"
    assert (await again(house, first))["event"]["label"] == "Ce rendez-vous est annulé."
    assert choices(await again(house, first)) == CLOSED
    assert (await again(house, told))["title"] == "Rendez-vous annulé : Consultation d’anesthésie"
    late = await sent(house, calendar(*event()), "three")
    assert choices(await again(house, late)) == CLOSED


async def test_a_cancellation_of_what_was_never_here_is_a_letter(house: MailHouse) -> None:
    told = await sent(house, calendar(*event(), method="CANCEL"), "one", text="Le rendez-vous est annulé.")
    assert (told.message.kind, told.message.card, told.message.text.strip()) == (
        "text", None, "Le rendez-vous est annulé."
    )  # fmt: skip
    assert [one.name for one in told.message.attachments] == ["rendez-vous.ics"]


async def test_a_cancellation_that_overtakes_its_invitation_still_counts(house: MailHouse) -> None:
    told = await sent(house, calendar(*event(), method="CANCEL"), "two", text="Annulé.")
    late = await again(house, await sent(house, calendar(*event()), "one"))
    assert (choices(late), late["event"]["message"]) == (CLOSED, told.message.id)
    anew = await sent(house, calendar(*event(sequence=1, **MOVED)), "three", text="Finalement si.")
    assert choices(await again(house, anew)) == ["accept", "decline", "counter"]


async def test_an_invitation_that_says_it_is_cancelled_cancels(house: MailHouse) -> None:
    await act(house, await sent(house, calendar(*event()), "one"), "agenda.accept")
    await sent(house, calendar(*event(sequence=1), "STATUS:CANCELLED"), "two")
    assert await states(house) == [("cancelled", FIRST)]


async def test_one_of_a_series_is_apart_and_the_end_of_the_series_is_its_end(house: MailHouse) -> None:
    series = [*event(), "RRULE:FREQ=WEEKLY;COUNT=5"]
    whole = await sent(house, calendar(*series), "series")
    assert (await again(house, whole))["repeats"], "who accepts is told that it is more than one"
    await act(house, whole, "agenda.accept")
    one = await sent(house, calendar(*event(**MOVED), "RECURRENCE-ID:20991208T090000Z"), "one")
    assert choices(await again(house, one)) == ["accept", "decline", "counter"]
    await act(house, one, "agenda.accept")
    assert await states(house) == [("accepted", FIRST), ("accepted", LATER)]

    other_spelling = "RECURRENCE-ID;TZID=Europe/Paris:20991208T100000"
    await sent(house, calendar(*event(sequence=1), other_spelling, method="CANCEL"), "without it")
    assert await states(house) == [("accepted", FIRST), ("cancelled", LATER)]

    two = await sent(house, calendar(*event(), "RECURRENCE-ID:20991215T090000Z"), "two")
    await act(house, two, "agenda.accept")
    await sent(house, calendar(*event(sequence=2), method="CANCEL"), "no more")
    assert {state for state, _ in await states(house)} == {"cancelled"}


# ---- what asks nothing of the patient --------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["REPLY", "COUNTER", "REFRESH", "ADD"])
@pytest.mark.parametrize("organizer", [ELSEWHERE, None])
async def test_the_answer_of_a_professional_is_a_letter_with_its_calendar(
    method: str, organizer: tuple[str, str] | None, house: MailHouse
) -> None:
    said = f"ATTENDEE;PARTSTAT=ACCEPTED:mailto:{ELSEWHERE[1]}"
    ics = calendar(*event(organizer=organizer, guest=None), said, method=method)
    entry = await sent(house, ics, "reply", text="Accepté : votre demande", method=method)
    assert (entry.message.kind, entry.message.card) == ("text", None)
    assert entry.message.text.strip() == "Accepté : votre demande"
    assert [(one.name, one.type) for one in entry.message.attachments] == [("rendez-vous.ics", "text/calendar")]
    assert await states(house) == []


async def test_what_is_only_announced_enters_the_agenda_by_the_patients_tap(house: MailHouse) -> None:
    entry = await sent(house, calendar(*event(), method="PUBLISH"), "one")
    assert (await again(house, entry))["type"] == "publication"
    assert choices(await again(house, entry)) == ["add"]
    assert await states(house) == []
    await act(house, entry, "agenda.add")
    assert await states(house) == [("added", FIRST)]
    await act(house, entry, "agenda.remove")
    assert await states(house) == []


# ---- what is missing -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameter", "lines", "kind"),
    [
        ("REQUEST", {"organizer": None, "guest": None}, "appointment"),
        ("request", {}, "appointment"),
        ("PUBLISH", {}, "publication"),
        ("", {}, "appointment"),  # an organiser and a guest: it asks
        ("", {"organizer": None}, "publication"),
        ("", {"guest": None}, "publication"),
    ],
)
async def test_an_invitation_without_method_is_what_its_envelope_or_its_guests_say(
    parameter: str, lines: dict[str, Any], kind: str, house: MailHouse
) -> None:
    entry = await sent(house, calendar(*event(**lines), method=""), "one", method=parameter)
    assert entry.message.card is not None
    assert entry.message.card["type"] == kind


async def test_an_invitation_without_organiser_is_its_verified_senders(house: MailHouse) -> None:
    entry = await sent(house, calendar(*event(organizer=None)), "one")
    card = await again(house, entry)
    assert (card["organizer"], card["organizer_name"], card["claimed"]) == (
        ELSEWHERE[1], f"{ELSEWHERE[0]} ({ELSEWHERE[1]})", ""
    )  # fmt: skip


@pytest.mark.parametrize(
    "how",
    [
        {"twin": "application/ics"},
        {"twin": "text/calendar"},
        {"place": "application/ics"},
        {"place": "application/octet-stream"},
        {"place": "text/calendar"},
    ],
    ids=["twin", "twin of the same type", "alone", "alone, of octets", "alone, of its type"],
)
async def test_twins_are_one_card_and_no_strange_file(how: dict[str, str], house: MailHouse) -> None:
    entry = await sent(house, calendar(*event()), "one", **how)
    assert len(await house.entries("dominique")) == 1
    assert (await again(house, entry))["title"] == "Consultation d’anesthésie"
    assert entry.message.attachments == []


@pytest.mark.parametrize(
    ("write", "title", "start", "place", "kind"),
    [
        (calendars.outlook, "Pose d’un plâtre", "2099-12-01T10:00:00+01:00", "Salle des plâtres", "appointment"),
        (calendars.google, "Téléconsultation", "2099-12-01T09:00:00+00:00", "", "appointment"),
        (calendars.apple, "Bilan orthoptique", "2099-12-01T10:00:00+01:00", "", "appointment"),
        (calendars.site, "Rendez-vous : Dr Bertin", "2099-12-01T10:00:00+01:00", "2 rue du Port, Pli", "publication"),
        (calendars.hospital, "Admission en chirurgie", "2099-12-01T10:00:00+01:00", "Bureau des entrées",
         "appointment"),
    ],
    ids=["Outlook", "Google", "Apple", "an appointment site", "hospital software"],
)  # fmt: skip
async def test_what_each_client_writes_is_one_card(
    write: Any, title: str, start: str, place: str, kind: str, house: MailHouse
) -> None:
    assert (await bring(house, write())).startswith("250")
    (entry,) = await house.entries("dominique")
    card = entry.message.card
    assert card is not None
    assert (card["title"], card["start"], card["location"], card["type"]) == (title, start, place, kind)
    assert (card["organizer"], card["claimed"]) == (ELSEWHERE[1], "")
    assert entry.message.attachments == []
    await act(house, entry, "agenda.accept" if kind == "appointment" else "agenda.add")
    assert [one.title for one in await listed(house)] == [title]


# ---- spoofs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["CANCEL", "REQUEST", "PUBLISH", "DECLINECOUNTER"])
async def test_nobody_else_moves_or_cancels_an_appointment(method: str, house: MailHouse) -> None:
    first = await sent(house, calendar(*event()), "one")
    await act(house, first, "agenda.accept")
    spoof = calendar(*event(sequence=9, **MOVED), method=method)  # its ORGANIZER is Dr Bertin, as he wrote it
    await sent(house, spoof, "spoof", from_=STRANGER)
    await sent(house, spoof, "as if to", from_=STRANGER, headers={"Reply-To": ELSEWHERE[1]})
    assert await states(house) == [("accepted", FIRST)]
    assert choices(await again(house, first)) == ["decline", "counter"]


async def test_who_an_invitation_says_organises_it_is_shown_as_a_claim(house: MailHouse) -> None:
    minister = ("Pr Le MINISTRE", "ministre@pli.example")
    card = await again(house, await sent(house, calendar(*event(organizer=minister)), "one"))
    assert card["organizer_name"] == f"{ELSEWHERE[0]} ({ELSEWHERE[1]})"
    assert card["claimed"] == "Pr Le MINISTRE (ministre@pli.example)"


async def test_an_appointment_of_the_same_name_is_another_patients_own(house: MailHouse) -> None:
    await act(house, await sent(house, calendar(*event()), "one"), "agenda.accept")
    cancel = mail(calendar(*event(sequence=1), method="CANCEL"), message_id="<marcel@operator.example>")
    assert (await bring(house, cancel, TO_MARCEL)).startswith("250")
    assert await states(house) == [("accepted", FIRST)]


async def test_the_other_guests_are_not_shown_to_a_patient(house: MailHouse) -> None:
    other = f"ATTENDEE;CN=Marcel:mailto:{TO_MARCEL}"
    card = await again(house, await sent(house, calendar(*event(), other), "one"))
    assert TO_MARCEL not in str(card)
    assert TO_DOMINIQUE in card["ics"].replace("\r\n ", "")


async def test_an_operator_that_is_trusted_for_another_domain_moves_nothing(house: MailHouse) -> None:
    await trust.add(house.app, "autre.example", house.certificates.operator("autre.example")[0].read_bytes())
    await act(house, await sent(house, calendar(*event()), "one"), "agenda.accept")
    spoof = mail(calendar(*event(sequence=1), method="CANCEL"), message_id="<x@autre.example>")
    said = await bring_as(house, spoof, "autre.example")
    assert said.startswith("5"), said
    assert await states(house) == [("accepted", FIRST)]


async def bring_as(house: MailHouse, letter: bytes, domain: str) -> str:
    """As another operator than the one whose doctor it says it is of."""
    from tests.wire import connected

    async with connected(house.app.ports["smtp"], house.peer(house.certificates.operator(domain))) as wire:
        for said in await wire.envelope(f"someone@{domain}", TO_DOMINIQUE):
            if not said.startswith("250"):
                return said
        return await wire.data(letter)
