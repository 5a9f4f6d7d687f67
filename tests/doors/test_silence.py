"""A patient who says nothing: a notice, an SMS, then the office's list of calls; no more once they read or answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from server import notices, push
from server.actions import acting
from server.errors import Invalid, Refused
from server.journeys import Sequence, Silence, Step, silence
from server.journeys.silence import ToCall
from server.settings import PLACE
from storage import deliveries
from storage.database import Tx
from storage.ids import now_ms
from tests.doors.test_push import Scene, scene
from tests.gateways import Gateway, gateway
from tests.house import House
from tests.notice_post import reached, read_all, settled, wish
from tests.walks import sequences as walk

AT = datetime(2026, 12, 10, 8, 0, tzinfo=PLACE)
ANSWERS = {"pain": "2", "fever": "false", "bleeding": "false", "eating": "true", "alone": "false"}
MONTH = 60 * 24 * 31  # minutes: the ordinary notices stay out of the way


@dataclass
class Outside:
    """The push service and the SMS gateway, and what reached them until an hour."""

    scene: Scene
    sms: Gateway

    @property
    def house(self) -> House:
        return self.scene.house

    async def until(self, month: int, day: int, hour: int, minute: int = 0) -> tuple[int, int, int]:
        """(browsers woken, SMS, calls to make) since the last time one asked, at that instant in Paris."""
        self.scene.service.woken.clear()
        self.sms.calls.clear()
        end = int(datetime(2026, month, day, hour, minute, tzinfo=PLACE).timestamp() * 1000)
        while (due := await self.house.app.db.read(deliveries.next_due)) is not None and due <= end:
            self.scene.clock.shift(max(0.0, (due - now_ms()) / 1000))
            await settled(self.house)
        self.scene.clock.shift(max(0.0, (end - now_ms()) / 1000))
        await settled(self.house)
        return len(self.scene.service.woken), len(self.sms.calls), len(await self.calls())

    async def calls(self, who: str = "morel") -> list[ToCall]:
        return await silence.to_call(self.house.app, await self.house.mailbox(who))

    async def card(self) -> str:
        """The last message that asks for something."""
        return [one.message.id for one in await walk.messages(self.house) if one.message.card][-1]


@asynccontextmanager
async def opened(folder: Path, url: str, sequence: Sequence = walk.KNEE) -> AsyncIterator[Outside]:
    settings = {"sms_private": True, "sms_body": '{"to": "{number}", "text": "{text}"}'}
    async with gateway() as sms, scene(folder, url, doors=True, sms_url=sms.url, **settings) as found:
        account = found.house.dominique.account_id
        await push.subscribe(found.house.app, account, f"{found.service.base}/phone", "device", "Chrome")
        await reached(found.house, "dominique", "phone", "+33612345678")
        await wish(found.house, "dominique", push=0, sms=MONTH, mail=-1)
        await walk.prepare(found.house, sequence=sequence)
        await walk.invite(found.house, AT, 0, subject="[parcours Opération du genou] Votre opération")
        await settled(found.house)
        invited = (await walk.messages(found.house))[0]
        await read_all(found.house, "dominique", invited.conversation)
        yield Outside(found, sms)


@pytest.fixture
async def out(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Outside]:
    async with opened(tmp_path, sqlite_url) as found:
        yield found


async def test_unread_by_two_days_before_it_is_told_by_push_then_sms_then_somebody_has_to_call(out: Outside) -> None:
    assert await out.until(12, 3, 9, 5) == (1, 0, 0), "the ordinary notice"
    assert await out.until(12, 8, 9, 59) == (0, 0, 0)
    assert await out.until(12, 8, 10, 1) == (1, 0, 0)
    assert await walk.ready(out.house) == "waiting"
    assert await out.until(12, 8, 13, 1) == (0, 1, 0)
    text = out.sms.calls[0].json["text"]
    assert text.startswith("Un message vous attend dans votre espace Pli.")
    assert not any(word in text.lower() for word in ("genou", "opération", "rendez-vous", "chu", "morel"))
    assert await out.until(12, 8, 16, 1) == (0, 0, 1)
    assert await walk.ready(out.house) == "to_call"
    (call,) = await out.calls()
    assert (call.patient, call.title, call.step) == (
        out.house.dominique.name, "Opération du genou", "Préparer votre opération",
    )  # fmt: skip
    assert await out.until(12, 8, 23) == (0, 0, 1), "once"


async def test_what_is_read_ends_it_and_a_call_that_waited_is_settled_by_itself(out: Outside) -> None:
    assert await out.until(12, 8, 16, 1) == (2, 1, 1)
    (call,) = await out.calls()
    await read_all(out.house, "dominique", call.conversation_id)
    assert await out.calls() == []
    assert await walk.ready(out.house) == "ready"
    with pytest.raises(Refused):
        await silence.settle(out.house.app, await out.house.mailbox("morel"), call.id, "reached")


async def test_what_is_read_but_not_answered_is_asked_once_more_in_words(out: Outside) -> None:
    await out.until(12, 9, 9, 5)
    conversation = (await walk.messages(out.house))[-1].conversation
    await read_all(out.house, "dominique", conversation)
    assert await out.until(12, 9, 12, 1) == (2, 0, 0), "the line is news, and its notice is told again"
    assert (await walk.titles(out.house))[-1] == "Nous attendons votre réponse : « À jeun : bien compris ? »."
    asked = await out.card()
    await acting.act(out.house.app, await out.house.mailbox("dominique"), asked, "confirm.understood", {}, "yes")
    await read_all(out.house, "dominique", conversation)
    assert await out.until(12, 9, 23) == (0, 0, 0)
    assert await walk.ready(out.house) == "ready"


async def test_somebody_of_the_office_says_what_the_call_gave(out: Outside) -> None:
    await out.until(12, 8, 16, 1)
    app, (call,) = out.house.app, await out.calls()
    with pytest.raises(Invalid):
        await silence.settle(app, await out.house.mailbox("morel"), call.id, "maybe")
    for other in ("leroy", "petit"):
        assert await out.calls(other) == []
        with pytest.raises(Refused):
            await silence.settle(app, await out.house.mailbox(other), call.id, "reached")
    with pytest.raises(Refused):
        await silence.to_call(app, await out.house.mailbox("dominique"))
    await silence.settle(app, await out.house.mailbox("morel"), call.id, "reached")
    assert await out.calls() == []
    assert await walk.ready(out.house) == "ready", "they were told by telephone"


async def test_a_way_that_is_not_wanted_is_never_taken_and_the_next_one_is(out: Outside) -> None:
    await wish(out.house, "dominique", push=-1, sms=-1)
    assert await out.until(12, 8, 10, 1) == (0, 0, 1)


async def test_nothing_is_told_in_the_quiet_hours(tmp_path: Path, sqlite_url: str) -> None:
    late = Silence(-2, "23:00", ("push", "call"), 12)
    night = Sequence("Opération du genou", "", (
        Step(1, "instructions", "Consignes", -7, "09:00", "À lire.", silence=late, essential=True),
    ))  # fmt: skip
    async with opened(tmp_path, sqlite_url, night) as out:
        await out.until(12, 8, 22)
        assert await out.until(12, 9, 7, 59) == (0, 0, 0)
        assert await out.until(12, 9, 10) == (1, 0, 0), "soon after eight"
        assert await out.until(12, 9, 11, 1) == (0, 0, 1)


async def test_an_appointment_that_moves_takes_its_silence_along_and_one_that_is_off_has_none(out: Outside) -> None:
    assert await out.until(12, 8, 16, 1) == (2, 1, 1)
    await walk.invite(out.house, AT.replace(day=17), 1)
    await settled(out.house)
    assert await out.calls() == [], "it is sent again in time"
    assert await out.until(12, 15, 16, 1) == (3, 1, 1), "what changes, the step, and its silence"
    await walk.invite(out.house, AT.replace(day=17), 2, method="CANCEL", subject="Annulé")
    await settled(out.house)
    assert await out.calls() == []


async def test_somebody_who_blocked_the_office_is_called_about(out: Outside) -> None:
    await out.house.stand("morel", "dominique", "block", "blocked")
    assert (await out.until(12, 3, 9, 5))[2] == 1
    assert await walk.state(out.house) == ["1 passed", "2 planned", "3 planned"]
    assert await walk.ready(out.house) == "to_call"


async def test_what_is_told_of_a_child_reaches_the_parent_who_wishes_it(out: Outside) -> None:
    house = out.house
    sent = await house.letter("morel", "camille")

    def again(tx: Tx) -> bool:
        return notices.again(house.app, tx, house.camille.mailbox_id, sent.message, "push")

    assert not await house.app.db.write(again), "she never said that she wants to hear of that"
    await wish(house, "dominique", spaces=(house.camille.mailbox_id,))
    await settled(house)
    out.scene.service.woken.clear()
    assert await house.app.db.write(again)
    await settled(house)
    assert len(out.scene.service.woken) == 1


async def test_a_questionnaire_and_a_list_are_done_once_the_patient_filled_and_ticked_them(
    tmp_path: Path, sqlite_url: str
) -> None:
    asks = Sequence("Opération du genou", "", (
        Step(1, "questionnaire", "Vos réponses", -7, "09:00", "Quelques questions.", essential=True,
             questionnaire="lendemain-operation", silence=Silence(-2, "10:00", ("call",))),
        Step(2, "checklist", "À préparer", -7, "09:05", "Cochez.", items=("Mes papiers", "Mes radios"), essential=True),
    ))  # fmt: skip
    async with opened(tmp_path, sqlite_url, asks) as out:
        await out.until(12, 3, 9, 10)
        house, box = out.house, await out.house.mailbox("dominique")
        form, listed = [one.message.card for one in await walk.messages(house)][-2:]
        assert form
        assert (form["type"], form["title"], form["text"]) == ("form", "Vos réponses", "Quelques questions.")
        assert listed
        assert (listed["type"], listed["items"]) == ("checklist", ["Mes papiers", "Mes radios"])
        assert await walk.ready(house) == "waiting"
        ids = [one.message.id for one in await walk.messages(house)][-2:]
        await acting.act(house.app, box, ids[1], "checklists.done", {}, "ticked")
        await read_all(house, "dominique", (await walk.messages(house))[-1].conversation)
        assert await out.until(12, 8, 10, 1) == (1, 0, 1), "the form is missing"
        assert (await walk.titles(house))[-1] == "Nous attendons votre réponse : « Vos réponses »."
        await silence.settle(house.app, await house.mailbox("morel"), (await out.calls())[0].id, "reached")
        assert await walk.ready(house) == "waiting", "a call fills in no form"
        await acting.act(house.app, box, ids[0], "forms.send", {"answers": ANSWERS}, "sent")
        assert await walk.ready(house) == "ready"
