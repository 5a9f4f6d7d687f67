"""What an office organises, for the pages that are looked at: three moments to choose from, and a wish to answer."""

from __future__ import annotations

from datetime import datetime, timedelta

from server import access
from server.actions import acting
from server.agenda import organising
from server.agenda.proposals import Moment, Proposal
from server.settings import PLACE
from storage import appointments
from tests.house import House


async def made(house: House) -> dict[str, str]:
    """`moments`: the conversation of a card with three of them; `wished`: an appointment to be at another moment."""
    app, box = house.app, await house.mailbox("morel")
    day = (datetime.now(PLACE) + timedelta(days=9)).date()
    at = [Moment(f"{day}T{hour}:00", f"{day}T{hour}:30") for hour in ("09", "14", "18")]
    space = await access.patient(app, house.morel, house.ins("dominique"))
    several = await organising.propose(app, box, space, Proposal("Contrôle après l’opération", tuple(at), "Bâtiment B"))
    sessions = Proposal("Pansement", tuple(at[:1]), text="Apportez l’ordonnance.", rrule="FREQ=WEEKLY;COUNT=10")
    asked = await organising.propose(app, box, space, sessions)
    wish = {"text": "Plutôt le soir.", "start": f"{day}T18:15:00"}
    await acting.act(app, await house.mailbox("dominique"), asked.message, "agenda.counter", wish, "wish")
    found = await app.db.read(appointments.of_message, space.space_id, asked.message)
    assert found is not None
    return {"moments": several.conversation, "sessions": asked.conversation, "wished": found.id, "in_nine": f"{day}"}
