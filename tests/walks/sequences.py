"""Dr Morel’s invitations by mail, the sequence she binds to them, and what Dominique has of it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from server import reading
from server.journeys import Sequence, Silence, Step, sequences, standing
from server.journeys.planning import Bound
from server.settings import PLACE
from server.views import Entry
from storage import appointments
from storage.appointments import Appointment
from storage.database import Tx
from tests import calendars, letters
from tests.house import House
from tests.walks.mail import submit

CALL = Silence(-1, "12:00", ("push", "sms", "call"), 2)
KNEE = Sequence("Opération du genou", "Pour le bloc", (
    Step(1, "instructions", "Préparer votre opération", -7, "09:00", "Le {date} à {hour}, {place}.", essential=True,
         silence=Silence(-2)),
    Step(2, "confirmation", "À jeun : bien compris ?", -1, "09:00", "Demain {date}, à jeun.", essential=True,
         silence=CALL, at_once=True),
    Step(3, "message", "Comment allez-vous ?", 1, "10:00", "Dites-nous."),
))  # fmt: skip


async def prepare(house: House, who: str = "morel", sequence: Sequence = KNEE) -> str:
    return await sequences.save(house.app, await house.mailbox(who), sequence)


async def invite(
    house: House, at: datetime, version: int, *, subject: str = "Votre opération", method: str = "REQUEST",
    who: str = "morel", uid: str = "genou@chu", **more: str,
) -> None:  # fmt: skip
    """Her calendar program sends the invitation, or its next version."""
    ends = at + timedelta(hours=2)
    lines = calendars.event(
        uid, f"DTSTART;TZID=Europe/Paris:{at:%Y%m%dT%H%M%S}", f"DTEND;TZID=Europe/Paris:{ends:%Y%m%dT%H%M%S}",
        sequence=version, stamp=f"20261123T1200{version:02}Z", summary="Opération du genou",
        organizer=(house.people[who].name, house.address(who)),
    )  # fmt: skip
    ics = calendars.calendar(*lines, "LOCATION:Bloc B", method=method)
    raw = calendars.mail(
        ics, from_=(house.people[who].name, house.address(who)),
        subject=subject, message_id=f"<{uid}-{version}-{method}@chu>", method=method, headers=more or None,
    )  # fmt: skip
    await asyncio.to_thread(submit, house, who, raw, [house.address("dominique")])


async def write(house: House, subject: str, text: str, who: str = "morel") -> None:
    """A letter of hers, with no invitation."""
    raw = letters.plain(text, from_=(house.people[who].name, house.address(who)), subject=subject,
                        to=[house.address("dominique")], message_id=f"<{subject[:9].strip(' []')}@chu>")  # fmt: skip
    await asyncio.to_thread(submit, house, who, raw, [house.address("dominique")])


async def appointment(house: House) -> Appointment:
    (found,) = await house.app.db.read(appointments.of_space, house.dominique.space_id)
    return found


async def journeys(house: House) -> list[tuple[Bound, list[str]]]:
    """Each journey of her appointment, with « number state » of its steps."""
    one = await appointment(house)

    def look(tx: Tx) -> list[tuple[Bound, list[str]]]:
        keys = reading.space_keys(house.app, tx, house.dominique.space_id)
        return [(bound, [f"{step.number} {step.state}" for step in steps])
                for bound, steps in standing.steps_of(tx, keys, one.id)]  # fmt: skip

    return await house.app.db.read(look)


async def state(house: House) -> list[str]:
    ((_, steps),) = await journeys(house)
    return steps


async def ready(house: House) -> str:
    ((bound, _),) = await journeys(house)

    def look(tx: Tx) -> str:
        return standing.standing(tx, reading.space_keys(house.app, tx, house.dominique.space_id), bound).state

    return await house.app.db.read(look)


async def dues(house: House) -> list[str]:
    """When each step that waits is sent, in Paris."""
    ((bound, _),) = await journeys(house)
    return [f"{datetime.fromtimestamp(row.due_at / 1000, PLACE):%d/%m %H:%M}" for row in bound.steps
            if row.state == "planned"]  # fmt: skip


async def messages(house: House, who: str = "dominique") -> list[Entry]:
    """What came of her office since, the newest last; cards and words, no line of record."""
    page = await reading.since(house.app, await house.mailbox(who), 0, 200)
    return [one for one in page.entries if one.message.kind in ("text", "card")]


async def titles(house: House) -> list[str]:
    found = [one.message for one in await messages(house)]
    return [str(one.card["title"]) if one.card else one.text.strip().split("\n")[0] for one in found]


async def lines(house: House, who: str = "dominique") -> list[str]:
    page = await reading.since(house.app, await house.mailbox(who), 0, 200)
    return [one.message.text for one in page.entries if one.message.kind in ("line", "bounce")]
