"""What happens when a patient says nothing: a notice, an SMS, then the office's list of calls.

    a step was sent, and silence is looked at by a day  →  a delivery row  →  look(): read? answered?
    yes  →  over, and a call that waited is settled by itself
    no   →  the next way; when that one leads to nobody, the one after, at once

Promises: what leaves the house says that a message waits and nothing else, never by a way the person does not want, nor
in their quiet hours (`server.notices`); a call is entered once for a step; everything here is for the office: nothing
is shown to the patient but, of a message they read and did not answer, one line that asks for the answer. Nobody is
called about an appointment that is over, off, or has moved.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from server import access, audit, notices, people, posting
from server.audit import Act
from server.delivery import Parcel
from server.drafts import Draft, MailFacts
from server.errors import Invalid, NotAllowed, Refused, Unauthorised
from server.handles import MailboxHandle
from server.journeys import Step, planning, sending, standing
from server.journeys.planning import Bound
from storage import accounts, appointments, calls, deliveries, messages
from storage import journeys as rows
from storage.calls import Call
from storage.database import Tx
from storage.ids import new_id, now_ms
from storage.journeys import StepRow
from storage.vault import SpaceKeys

if TYPE_CHECKING:
    from server.app import App

OUTCOMES: Final = calls.OUTCOMES
MOST: Final = 500  # calls that an office is shown


@dataclass(frozen=True, slots=True)
class ToCall:
    """A call an office has to make. `title`, `start`: of the appointment; `step`: what met silence. Instants in ms."""

    id: str
    space_id: str
    patient: str
    title: str
    start: str
    step: str
    step_en: str
    at: int
    appointment_id: str
    conversation_id: str


class SilenceChannel:
    """Its target is `{"journey", "plan", "number"}`: silence on a step is looked at."""

    name = planning.SILENCE

    def __init__(self, app: App) -> None:
        self._app = app

    async def send(self, parcel: Parcel) -> None:
        app, keys = self._app, parcel.keys
        journey_id, plan, number = (parcel.target[name] for name in ("journey", "plan", "number"))

        def read(tx: Tx) -> tuple[Bound, StepRow, bool] | None:
            found = rows.find(tx, keys.space_id, journey_id)
            if found is None or found.plan != plan:
                return None
            bound = planning.opened(tx, keys, found)
            row = next(one for one in bound.steps if one.number == number)
            return bound, row, standing.is_read(tx, _mailbox(tx, keys), row.message_id)

        found = await app.db.read(read)
        if found is not None and found[1].state == "sent" and found[2] and found[1].kind in _ASKS:
            await _ask(app, found[0], found[1], keys)
        if await app.db.write(_look, app, keys, journey_id, plan, number):
            app.delivery.wake()


_ASKS: Final = frozenset({"confirmation", "questionnaire", "checklist"})


def _look(tx: Tx, app: App, keys: SpaceKeys, journey_id: str, plan: int, number: int) -> bool:
    """Whether anything is told now. What was done already finds `told` further, and does nothing again."""
    bound, now = planning.held(tx, keys, journey_id), now_ms()
    if bound is None or bound.journey.plan != plan or bound.journey.state != "running":
        return False
    row = next(one for one in bound.steps if one.number == number)
    step = next(one for one in bound.facts.sequence.steps if one.number == number)
    if row.silent_at is None or row.silent_at > now or step.silence is None:
        return False
    if _fulfilled(tx, keys, bound, number) or _over(tx, keys, bound, step):
        _settle(tx, bound, number, "", now)
        rows.put_step(tx, keys.space_id, journey_id, replace(row, silent_at=None, changed_at=now))
        return False
    ways = step.silence.ways
    left = ways[ways.index(row.told) + 1 :] if row.told in ways else ways
    told, message_id = row.told, _spoken_of(tx, keys, bound, row)
    for way in left:
        told = way
        if way == "call":
            call = Call(new_id(), keys.space_id, journey_id, number, now)
            calls.add(tx, bound.journey.mailbox_id, call)
            break
        if notices.again(app, tx, _mailbox(tx, keys), message_id, way):
            break
    more = told in ways and ways.index(told) + 1 < len(ways)
    due = now + step.silence.gap_hours * 3_600_000 if more else None
    put = replace(row, told=told, silent_at=due, changed_at=now)
    rows.put_step(tx, keys.space_id, journey_id, put)
    if due is not None:
        target = {"journey": journey_id, "plan": plan, "number": number}
        deliveries.insert(tx, keys, "", planning.SILENCE, due, target)
    return True


def _fulfilled(tx: Tx, keys: SpaceKeys, bound: Bound, number: int) -> bool:
    return any(one.number == number and one.fulfilled for one in standing.views(tx, keys, bound))


def _over(tx: Tx, keys: SpaceKeys, bound: Bound, step: Step) -> bool:
    """Whether the appointment that a step prepares has begun."""
    found = appointments.find(tx, keys.space_id, bound.journey.appointment_id)
    return found is None or (step.days <= 0 and (found.starts_at or 0) <= now_ms())


def _mailbox(tx: Tx, keys: SpaceKeys) -> str:
    holder = accounts.holder_of(tx, keys.space_id)
    return holder.mailbox_id if holder is not None else ""


# ---- read, and not answered ------------------------------------------------------------------------------------------


async def _ask(app: App, bound: Bound, row: StepRow, keys: SpaceKeys) -> None:
    """One line for what was read and not answered, so that a notice tells of something."""
    if await app.db.read(lambda tx: _fulfilled(tx, keys, bound, row.number)):
        return
    step = next(one for one in bound.facts.sequence.steps if one.number == row.number)
    try:
        place = await sending.place_of(app, bound, keys)
        english = place.language == "en"
        said = "We are waiting for your answer: “{}”." if english else "Nous attendons votre réponse : « {} »."
        title = (step.title_en or step.title) if english else step.title
        draft = Draft(
            to=place.to,
            text=said.format(title),
            retry_key=_key(bound, row),
            in_reply_to=row.message_id,
            mail=MailFacts(automatic=True),
            only=place.only,
        )
        await posting.post(app, place.actor, draft)
    except (NotAllowed, Refused, Unauthorised):
        return  # the patient wants no word of this office: what comes next is a call


def _key(bound: Bound, row: StepRow) -> str:
    return f"journey:{bound.journey.id}:{row.number}:{row.message_id}:silence"


def _spoken_of(tx: Tx, keys: SpaceKeys, bound: Bound, row: StepRow) -> str:
    """The message a notice speaks of: the line that asks again, when there is one, else the step's."""
    known = messages.retry_key(tx, keys.space_id, _key(bound, row))
    return known[1] if known is not None else row.message_id


# ---- the office's calls ----------------------------------------------------------------------------------------------


async def to_call(app: App, box: MailboxHandle) -> list[ToCall]:
    """The calls an office has to make, the oldest first. What the patient did since is settled by itself."""

    def look(tx: Tx) -> list[ToCall]:
        access.office_keys(app, tx, box)
        known: dict[str, SpaceKeys] = {}
        found = []
        for call in calls.waiting(tx, box.mailbox_id, MOST):
            shown = _to_call(tx, app, call, known)
            if shown is None:
                calls.settle(tx, box.mailbox_id, call.id, "", "settled", now_ms())
            else:
                found.append(shown)
        return found

    return await app.db.write(look)


def _to_call(tx: Tx, app: App, call: Call, known: dict[str, SpaceKeys]) -> ToCall | None:
    """None when nothing is to be said any more."""
    space = accounts.space(tx, call.space_id)
    if space is None:
        return None
    keys = known.get(call.space_id) or app.vault.space(space.id, space.wrapped_key)
    known[call.space_id] = keys
    row = rows.find(tx, call.space_id, call.journey_id)
    if row is None or row.state != "running":
        return None
    bound = planning.opened(tx, keys, row)
    step = next(one for one in bound.facts.sequence.steps if one.number == call.number)
    if _fulfilled(tx, keys, bound, call.number) or _over(tx, keys, bound, step):
        return None
    if next(one for one in bound.steps if one.number == call.number).told != "call":
        return None  # it moved: another one is sent in time
    traits, facts = people.traits(app, tx, call.space_id), bound.facts
    name = traits.name if traits is not None else ""
    return ToCall(call.id, call.space_id, name, facts.title, facts.start, step.title, step.title_en or step.title,
                  call.at, row.appointment_id, row.conversation_id)  # fmt: skip


async def settle(app: App, box: MailboxHandle, call_id: str, outcome: str) -> None:
    """Somebody of the office called. `outcome`: of `OUTCOMES`. Raises `Invalid`, `Refused` (settled already, or not
    theirs).
    """
    if outcome not in OUTCOMES:
        raise Invalid("call_outcome", "Dites ce qu’a donné l’appel.")

    def write(tx: Tx) -> None:
        access.office_keys(app, tx, box)
        call = calls.find(tx, box.mailbox_id, call_id)
        if call is None or not calls.settle(tx, box.mailbox_id, call_id, box.actor.account_id, outcome, now_ms()):
            raise Refused
        audit.record(tx, Act.JOURNEY_SETTLED, box.actor, call.space_id, box.ground, call.journey_id, outcome)

    await app.db.write(write)


def _settle(tx: Tx, bound: Bound, number: int, by: str, at: int) -> None:
    for call in calls.of_journey(tx, bound.journey.mailbox_id, bound.journey.id):
        if call.number == number:
            calls.settle(tx, bound.journey.mailbox_id, call.id, by, "settled", at)
