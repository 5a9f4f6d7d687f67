"""What a patient answers to an invitation, as it reaches the organiser's software at another operator; and what comes
of asking for another moment.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import icalendar
import pytest

from server import access, actions, reading
from server.actions import acting
from server.agenda import book
from server.errors import Invalid
from server.views import Entry
from tests import calendars, letters
from tests.calendars import calendar, event, mail
from tests.certificates import Certificates
from tests.house import PASSWORD
from tests.mail_house import ELSEWHERE, TO_DOMINIQUE, MailHouse, bring, open_mail_house
from tests.other_operator import OtherOperator, other_operator
from tests.wire import connected

Both = tuple[MailHouse, OtherOperator]
LEROY = ("Dr Paul LEROY", "paul.leroy@pli.example")
NEXT = datetime.now(UTC).year + 1
WISH = {"text": "Plutôt un après-midi, s’il vous plaît ; je travaille\nle matin."}


@pytest.fixture
async def both(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Both]:
    made = Certificates.at(tmp_path / "certificates")
    async with other_operator(made.operator(), made.ours.certificate) as operator:
        relay = f"127.0.0.1:{operator.port}"
        async with open_mail_house(tmp_path, sqlite_url, mail_relay=relay, mail_retry_seconds="0") as house:
            yield house, operator


async def invited(house: MailHouse, raw: bytes) -> Entry:
    assert (await bring(house, raw)).startswith("250")
    return (await house.entries("dominique"))[-1]


async def act(house: MailHouse, entry: Entry, action: str, values: dict[str, Any] | None = None) -> None:
    box = await house.mailbox("dominique")
    await acting.act(house.app, box, entry.message.id, action, values or {}, f"{action} {entry.message.id}")


async def card(house: MailHouse, entry: Entry) -> dict[str, Any]:
    (found,) = [one for one in await house.entries("dominique") if one.message.id == entry.message.id]
    assert found.message.card is not None
    return found.message.card


async def answered(both: Both) -> tuple[EmailMessage, Any]:
    """The last mail the organiser's operator took, and its calendar as another library reads it."""
    house, operator = both
    await house.delivered()
    letter = operator.got[-1].letter
    (part,) = [part for part in letter.walk() if part.get_content_type() == "text/calendar"]
    found = _calendar(part)
    assert part.get_param("method") == found["METHOD"], "RFC 6047 § 2.4"
    return letter, found


async def state(house: MailHouse) -> str:
    handle = await access.dossier(house.app, await house.mailbox("dominique"))
    (found,) = await book.appointments(house.app, handle)
    return found.state


# ---- yes and no ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [calendars.outlook, calendars.google, calendars.apple, calendars.hospital])
@pytest.mark.parametrize(("action", "partstat"), [("agenda.accept", "ACCEPTED"), ("agenda.decline", "DECLINED")])
async def test_each_client_recognises_the_answer_to_what_it_wrote(
    write: Any, action: str, partstat: str, both: Both
) -> None:
    asked = write()
    await act(both[0], await invited(both[0], asked), action)
    letter, found = await answered(both)
    (said,) = found.walk("VEVENT")
    (part,) = [
        one for one in message_from_bytes(asked, policy=SMTP).walk() if one.get_content_type() == "text/calendar"
    ]
    (was,) = _calendar(part).walk("VEVENT")
    assert (found["METHOD"], said["UID"], said.get("SEQUENCE", 0)) == ("REPLY", was["UID"], was.get("SEQUENCE", 0))
    assert said["ATTENDEE"].params["PARTSTAT"] == partstat
    assert str(said["ATTENDEE"]).lower() == f"mailto:{TO_DOMINIQUE}"
    assert "ORGANIZER" in said, "RFC 5546 § 3.2.3: also when the invitation named none"
    assert letter["To"].addresses[0].addr_spec == ELSEWHERE[1]


def _calendar(part: EmailMessage) -> Any:
    return icalendar.Calendar.from_ical(part.get_content())


async def test_what_is_only_announced_is_noted_without_a_word_to_anybody(both: Both) -> None:
    await act(both[0], await invited(both[0], calendars.site()), "agenda.add")
    await both[0].delivered()
    assert both[1].got == []


# ---- another moment --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "start", "end"),
    [
        ({"date": f"{NEXT}-12-09", "time": "15:30"}, f"{NEXT}-12-09T14:30:00+00:00", f"{NEXT}-12-09T15:00:00+00:00"),
        ({"start": f"{NEXT}-07-09T15:30:00+02:00"}, f"{NEXT}-07-09T13:30:00+00:00", f"{NEXT}-07-09T14:00:00+00:00"),
        (
            {"date": f"{NEXT}-07-09"},
            f"{NEXT}-07-09T08:00:00+00:00",
            f"{NEXT}-07-09T08:30:00+00:00",
        ),  # the hour as it was
        ({}, f"{NEXT}-12-01T09:00:00+00:00", f"{NEXT}-12-01T09:30:00+00:00"),  # nothing proposed: what was planned
    ],
    ids=["day and hour", "an instant", "a day", "words alone"],
)
async def test_another_moment_is_asked_for_as_calendars_understand(
    values: dict[str, str], start: str, end: str, both: Both
) -> None:
    asked = calendar(*event(start=f"DTSTART:{NEXT}1201T090000Z", end=f"DTEND:{NEXT}1201T093000Z", sequence=2))
    entry = await invited(both[0], mail(asked))
    await act(both[0], entry, "agenda.counter", WISH | values)
    letter, found = await answered(both)
    (said,) = found.walk("VEVENT")
    assert (found["METHOD"], said["UID"], said["SEQUENCE"]) == ("COUNTER", "rdv-1@operator.example", 2)
    assert (said["DTSTART"].dt.isoformat(), said["DTEND"].dt.isoformat()) == (start, end)
    assert str(said["COMMENT"]) == WISH["text"]
    assert ("X-MS-OLK-ORIGINALSTART" in said) == bool(values)
    body = letter.get_body(("plain",))
    assert body is not None
    assert "Autre moment demandé : Consultation d’anesthésie." in body.get_content()
    assert "je travaille\nle matin." in body.get_content().replace("\r\n", "\n")
    assert await state(both[0]) == "asked"
    assert (await card(both[0], entry))["answered"]["label"] == "Autre moment demandé"


async def test_another_day_for_a_whole_day_is_a_day(both: Both) -> None:
    asked = calendar(*event(start=f"DTSTART;VALUE=DATE:{NEXT}1201", end=f"DTEND;VALUE=DATE:{NEXT}1203"))
    await act(both[0], await invited(both[0], mail(asked)), "agenda.counter", {"date": f"{NEXT}-12-09"})
    _, found = await answered(both)
    (said,) = found.walk("VEVENT")
    assert (said["DTSTART"].dt.isoformat(), said["DTEND"].dt.isoformat()) == (f"{NEXT}-12-09", f"{NEXT}-12-11")
    assert "COMMENT" not in said


@pytest.mark.parametrize(
    "values",
    [
        {}, {"text": "  "}, {"time": "15:30"}, {"text": "x" * 2001},
        {"date": "demain"}, {"date": f"{NEXT}-02-30"}, {"start": f"{NEXT}-01-01T25:00"},
        {"date": "2001-01-01"}, {"date": "2999-01-01"}, {"start": "9999-12-31T23:59:59-23:00"},
    ],
)  # fmt: skip
async def test_a_wish_that_says_nothing_possible_is_refused_with_its_reason(values: dict[str, str], both: Both) -> None:
    entry = await invited(both[0], mail(calendar(*event())))
    with pytest.raises(Invalid) as caught:
        await act(both[0], entry, "agenda.counter", values)
    assert caught.value.detail.endswith((".", ")."))
    assert "answered" not in await card(both[0], entry)


async def test_a_wish_that_is_not_granted_leaves_the_planned_time_to_answer(both: Both) -> None:
    house, _ = both
    entry = await invited(house, mail(calendar(*event())))
    await act(house, entry, "agenda.counter", WISH)
    refusal = calendar(*event(), method="DECLINECOUNTER")
    told = await invited(house, mail(refusal, text="Pas d’autre place.", message_id="<no@operator.example>"))
    assert told.message.card is not None
    assert told.message.card["title"] == "Le moment prévu reste : Consultation d’anesthésie"
    assert told.message.card["text"] == "Pas d’autre place."
    now = await card(house, entry)
    assert now["event"]["event"] == "agenda.kept"
    assert now["event"]["message"] == told.message.id
    assert [choice["action"] for choice in now["choices"]] == ["agenda.accept", "agenda.decline", "agenda.counter"]
    assert await state(house) == "proposed"
    await act(house, entry, "agenda.accept")
    assert await state(house) == "accepted"
    assert "event" not in await card(house, entry)
    _, found = await answered(both)
    assert found["METHOD"] == "REPLY"


async def test_a_wish_that_is_granted_comes_as_a_new_version(both: Both) -> None:
    house, _ = both
    entry = await invited(house, mail(calendar(*event())))
    await act(house, entry, "agenda.counter", WISH)
    moved = calendar(*event(sequence=1, start="DTSTART:20991202T150000Z", end="DTEND:20991202T153000Z"))
    second = await invited(house, mail(moved, message_id="<yes@operator.example>"))
    assert (await card(house, entry))["event"]["event"] == "agenda.moved"
    await act(house, second, "agenda.accept")
    assert await state(house) == "accepted"


async def test_a_refusal_of_what_nobody_asked_is_a_letter(both: Both) -> None:
    house, _ = both
    entry = await invited(house, mail(calendar(*event())))
    await act(house, entry, "agenda.accept")
    told = await invited(house, mail(calendar(*event(), method="DECLINECOUNTER"), message_id="<no@operator.example>"))
    assert told.message.kind == "text"
    assert await state(house) == "accepted"


async def test_another_moment_is_asked_for_by_the_number_of_the_letter_form(both: Both) -> None:
    """Law 6, for a card that anyone in the conversation may answer: the words under the number are the wish."""
    house, _ = both
    offered = book.appointment_card(
        title="Réunion", text="", uid="r-1", sequence=0, start="2099-12-01T09:00:00Z", end="", all_day=False,
        location="", organizer="", ics="",
    )  # fmt: skip
    receipt = await house.letter("leroy", "dominique", "", "Réunion", kind="card", card=offered | {"for": "anyone"})
    handle = await access.conversation(house.app, await house.mailbox("leroy"), receipt.conversation)
    opened = await reading.open_unchecked(house.app, handle.keys, receipt.message)
    assert opened.body.mail is not None
    number = actions.open_choices(offered, "").index("agenda.counter") + 1
    raw = letters.plain(
        f"{number}\nPlutôt le soir.\nMerci\n-- \nDr Leroy\n\nLe 23 nov. 2026, Pli a écrit :\n> Réunion\n",
        from_=LEROY, subject="Re: Réunion", message_id="<r@pli.example>",
        in_reply_to=f"<{opened.body.mail.message_id}>",
    )  # fmt: skip
    async with connected(house.app.ports["submission"], house.client()) as wire:
        secret = base64.b64encode(f"\0{LEROY[1]}\0{PASSWORD}".encode()).decode()
        assert (await wire.say(f"AUTH PLAIN {secret}")).startswith("235")
        await wire.envelope(LEROY[1], TO_DOMINIQUE)
        assert (await wire.data(raw)).startswith("250")
    card_, line = [entry.message for entry in await house.entries("dominique")]
    assert card_.card is not None
    assert card_.card["answered"]["label"] == "Autre moment demandé"
    assert (line.kind, line.text) == ("answer", "Autre moment demandé : Réunion.\n\nPlutôt le soir.\nMerci")
