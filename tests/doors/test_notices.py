"""Notices outside Pli: told of what stays unread, at the wished hours, in words that say nothing; and no more."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import msgspec
import pytest
import time_machine
from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope

from server import access, demo, notices, people, posting, push, reading, wishes
from server.drafts import Draft, Opening
from server.settings import PLACE
from server.wishes import NEVER, Wishes
from storage import contact_points, deliveries, marks
from storage import notices as storage_notices
from storage.database import Tx
from storage.ids import new_id, now_ms
from tests.browser.visitor import visitor
from tests.house import House, open_core_house, open_house, settings_for

MINUTE, HOUR, DAY = 60, 3_600, 86_400
MORNING = datetime(2026, 11, 24, 10, 0, tzinfo=PLACE)


class Relay:
    """Takes every mail, and keeps it as it came. `refuses`: what it answers to the next recipients."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.refuses: list[str] = []

    async def handle_RCPT(self, _server: SMTP, _session: Any, envelope: Envelope, to: str, _options: list[str]) -> str:  # noqa: N802 - named by aiosmtpd
        if self.refuses:
            return self.refuses.pop(0)
        envelope.rcpt_tos.append(to)
        return "250 ok"

    async def handle_DATA(self, _server: SMTP, _session: Any, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.got.append(envelope.content)
        return "250 ok"


@dataclass
class Post:
    """The world outside: a relay and an SMS gateway, and all that reached them."""

    house: House
    clock: time_machine.Traveller
    relay: Relay
    texts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def mails(self) -> list[Message]:
        return [message_from_bytes(got) for got in self.relay.got]

    async def told(self) -> tuple[int, int]:
        """(e-mails, SMS) that left until now."""
        await settled(self.house)
        return len(self.relay.got), len(self.texts)

    async def after(self, seconds: float) -> tuple[int, int]:
        """As `told`, once the time has passed; whatever is due in between is done in its time."""
        until = now_ms() + int(seconds * 1000)
        while (due := await self.house.app.db.read(deliveries.next_due)) is not None and due <= until:
            self.clock.shift(max(0.0, (due - now_ms()) / 1000))
            await settled(self.house)
        self.clock.shift(max(0.0, (until - now_ms()) / 1000))
        return await self.told()


async def settled(house: House) -> None:
    """Until nothing that is due now is left."""
    due: int | None = 0
    while due is not None and due <= now_ms():
        idle = asyncio.Event()
        house.app.delivery.on_idle = idle.set
        house.app.delivery.wake()
        await asyncio.wait_for(idle.wait(), 30)
        due = await house.app.db.read(deliveries.next_due)


async def reached(house: House, name: str, kind: str, value: str) -> None:
    """Somebody proved an address or a number."""
    account, point = house.people[name].account_id, new_id()

    def write(tx: Tx) -> None:
        sealed = people.own_keys(house.app, tx, account).seal("contact", point, value.encode())
        contact_points.insert(tx, account, point, kind, sealed)
        contact_points.verify(tx, account, point)

    await house.app.db.write(write)


async def wish(house: House, name: str, **changes: Any) -> Wishes:
    return await wishes.save(
        house.app, house.people[name].account_id, lambda before: msgspec.structs.replace(before, **changes)
    )


async def read_all(house: House, name: str, conversation: str) -> None:
    handle = await access.conversation(house.app, await house.mailbox(name), conversation)
    page = await reading.thread(house.app, handle)
    await reading.mark_read(house.app, handle, page.entries[-1].seq)


@asynccontextmanager
async def outside(folder: Path, url: str, at: datetime = MORNING, doors: bool = False) -> AsyncIterator[Post]:
    """A Pli with a relay and a gateway, at an hour that the test moves."""
    texts: list[dict[str, Any]] = []

    async def take(request: web.Request) -> web.Response:
        texts.append(await request.json())
        return web.Response()

    gateway = web.Application()
    gateway.router.add_post("/sms", take)
    runner = web.AppRunner(gateway)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    relay = Relay()
    listening = await asyncio.get_running_loop().create_server(lambda: SMTP(relay), "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    settings = settings_for(
        folder / "pli",
        database_url=url,
        mail_retry_seconds="300",
        notice_smtp=f"127.0.0.1:{port}",
        notice_tls="none",
        notice_from="avis@pli.example",
        sms_url=f"http://127.0.0.1:{runner.addresses[0][1]}/sms",
        sms_body='{"to": "{number}", "text": "{text}"}',
        sms_private=True,
    )
    try:
        with time_machine.travel(at, tick=True) as clock:
            async with (open_house if doors else open_core_house)(settings) as house:
                if not doors:
                    for channel in notices.channels(house.app):
                        house.app.delivery.add(channel)
                    house.app.delivery.start()
                await reached(house, "dominique", "email", "dominique@exemple.fr")
                yield Post(house, clock, relay, texts)
    finally:
        listening.close()
        await runner.cleanup()


@pytest.fixture
async def post(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Post]:
    async with outside(tmp_path, sqlite_url) as opened:
        yield opened


# ---- the chain -------------------------------------------------------------------------------------------------------


async def test_a_letter_left_unread_is_told_by_mail_after_half_an_hour_and_once(post: Post) -> None:
    await post.house.letter("morel", "dominique")
    assert await post.after(29 * MINUTE) == (0, 0)
    assert await post.after(2 * MINUTE) == (1, 0)
    assert await post.after(3 * DAY) == (1, 0)


async def test_opening_it_anywhere_ends_the_chain(post: Post) -> None:
    await reached(post.house, "dominique", "phone", "+33612345678")
    await wish(post.house, "dominique", sms=60)
    sent = await post.house.letter("morel", "dominique")
    assert await post.after(31 * MINUTE) == (1, 0)
    await read_all(post.house, "dominique", sent.conversation)
    assert await post.after(DAY) == (1, 0)


async def test_the_next_way_is_taken_only_for_what_stays_unread(post: Post) -> None:
    await reached(post.house, "dominique", "phone", "+33612345678")
    await wish(post.house, "dominique", sms=240)
    await post.house.letter("morel", "dominique")
    assert await post.after(31 * MINUTE) == (1, 0)
    assert await post.after(3 * HOUR) == (1, 0)
    assert await post.after(HOUR) == (1, 1)
    assert post.texts[0]["to"] == "+33612345678"


async def test_a_burst_of_twenty_letters_is_one_notice(post: Post) -> None:
    first = await post.house.letter("morel", "dominique")
    for number in range(19):
        await post.house.answer("morel", first.conversation, f"n° {number}")
    assert await post.after(DAY / 4) == (1, 0)
    rows = "SELECT channel, COUNT(*) FROM deliveries GROUP BY channel ORDER BY channel"
    assert await post.house.app.db.read(lambda tx: tx.run(rows)) == [("notice", 1), ("notice_mail", 1)]


async def test_what_comes_after_one_looked_is_told_anew(post: Post) -> None:
    sent = await post.house.letter("morel", "dominique")
    assert await post.after(HOUR) == (1, 0)
    await read_all(post.house, "dominique", sent.conversation)
    await post.house.answer("morel", sent.conversation, "Encore un mot.")
    assert await post.after(HOUR) == (2, 0)


async def test_a_muted_conversation_tells_nothing(post: Post) -> None:
    sent = await post.house.letter("morel", "dominique")
    box, account = post.house.dominique.mailbox_id, post.house.dominique.account_id
    await post.house.app.db.write(marks.put, box, sent.conversation, marks.MUTED, "on", account, 1)
    assert await post.after(DAY) == (0, 0)


async def test_ones_own_words_and_people_without_an_address_are_told_of_nothing(post: Post) -> None:
    sent = await post.house.letter("morel", "dominique")
    await read_all(post.house, "dominique", sent.conversation)
    await post.house.answer("dominique", sent.conversation, "Merci docteur.")
    await post.house.letter("morel", "marcel")
    assert await post.after(DAY) == (0, 0)
    rows = "SELECT COUNT(*) FROM deliveries WHERE space_id = :s"
    spaces = (post.house.marcel.space_id, post.house.morel.space_id)
    assert await post.house.app.db.read(lambda tx: [tx.run(rows, s=one) for one in spaces]) == [[(0,)]] * 2


async def test_a_letter_that_arrives_while_the_clock_is_looked_at_is_not_lost(post: Post) -> None:
    await post.house.app.delivery.close()
    sent = await post.house.letter("morel", "dominique")
    post.clock.shift(10)
    (held,) = await post.house.app.db.write(deliveries.claim, 900_000, 10)
    await post.house.answer("morel", sent.conversation, "Et ceci.")
    keys = await post.house.app.db.read(lambda tx: people.own_keys(post.house.app, tx, post.house.dominique.account_id))
    sealed = keys.seal("delivery", held.id, keys.open("delivery", held.id, held.target))
    assert not await post.house.app.db.write(storage_notices.settle, held, sealed, None)
    post.clock.shift(10)
    assert len(await post.house.app.db.write(deliveries.claim, 900_000, 10)) == 1


async def test_a_professional_is_told_too_and_a_reminder_only_to_who_wants_services(post: Post) -> None:
    await reached(post.house, "morel", "email", "agathe@exemple.fr")
    sent = await post.house.letter("morel", "dominique")
    await read_all(post.house, "dominique", sent.conversation)
    await post.house.answer("dominique", sent.conversation, "Puis-je venir lundi ?")
    assert await post.after(HOUR) == (1, 0)
    assert post.mails[0]["To"] == "agathe@exemple.fr"
    await wish(post.house, "dominique", services=False)
    await post.house.letter("lab", "dominique", "Vos résultats sont là.")
    assert await post.after(HOUR) == (1, 0)


async def test_a_relay_that_is_busy_is_tried_again_and_one_that_refuses_is_not(post: Post) -> None:
    post.relay.refuses = ["451 later"]
    await post.house.letter("morel", "dominique")
    assert await post.after(31 * MINUTE) == (0, 0)
    assert await post.after(10 * MINUTE) == (1, 0)
    post.relay.refuses = ["550 unknown"]
    await wish(post.house, "dominique", mail=0)
    await post.house.letter("morel", "dominique", subject="Une autre")
    assert await post.after(2 * DAY) == (1, 0)


# ---- hours -----------------------------------------------------------------------------------------------------------


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=PLACE).timestamp() * 1000)


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        ("2026-11-24T20:59", "2026-11-24T20:59"),
        ("2026-11-24T21:00", "2026-11-25T08:00"),
        ("2026-11-25T07:59", "2026-11-25T08:00"),
        ("2026-11-25T08:00", "2026-11-25T08:00"),
        ("2026-10-24T22:00", "2026-10-25T08:00"),  # the night of 25 hours
        ("2027-03-27T22:00", "2027-03-28T08:00"),  # the night of 23 hours
    ],
)
def test_the_quiet_hours_end_when_clocks_in_paris_say_so(moment: str, told: str) -> None:
    assert wishes.quiet_until(Wishes(), at(moment)) == at(told)


def test_a_night_of_a_change_of_clocks_has_its_own_length() -> None:
    hours = [wishes.quiet_until(Wishes(), at(f"{day}T21:00")) - at(f"{day}T21:00") for day in
             ("2026-10-23", "2026-10-24", "2027-03-27")]  # fmt: skip
    assert [length // 3_600_000 for length in hours] == [11, 12, 10]
    assert wishes.quiet_until(Wishes(quiet_from=0, quiet_to=0), at("2026-11-25T03:00")) == at("2026-11-25T03:00")
    noon = Wishes(quiet_from=12, quiet_to=14)
    assert wishes.quiet_until(noon, at("2026-11-25T13:30")) == at("2026-11-25T14:00")


async def test_a_letter_of_the_night_is_told_in_the_morning(post: Post) -> None:
    post.clock.move_to(datetime(2026, 10, 24, 23, 0, tzinfo=PLACE))
    await post.house.letter("morel", "dominique")
    assert await post.after(9.9 * HOUR) == (0, 0)  # 7 h 54 by the clocks, an hour later than on other nights
    assert await post.after(0.2 * HOUR) == (1, 0)


async def test_a_digest_is_one_mail_a_day_that_says_how_many(post: Post) -> None:
    await wish(post.house, "dominique", digest=18)
    for subject in ("Un", "Deux", "Trois"):
        await post.house.letter("morel", "dominique", subject=subject)
    assert await post.after(7.9 * HOUR) == (0, 0)
    assert await post.after(0.2 * HOUR) == (1, 0)
    assert "3 messages vous attendent" in body(post.mails[0])
    assert await post.after(3 * DAY) == (1, 0), "nothing new came"


async def test_a_pause_ends_with_what_is_still_unread(post: Post) -> None:
    await wish(post.house, "dominique", paused_until=now_ms() + 2 * DAY * 1000)
    await post.house.letter("morel", "dominique")
    assert await post.after(1.9 * DAY) == (0, 0)
    assert await post.after(0.2 * DAY) == (1, 0)


# ---- what leaves -----------------------------------------------------------------------------------------------------


def body(mail: Message) -> str:
    part = mail.get_payload()[0] if mail.is_multipart() else mail  # type: ignore[index]
    return bytes(part.get_payload(decode=True)).decode()  # type: ignore[union-attr]


async def test_what_leaves_says_that_a_message_waits_and_nothing_else(post: Post) -> None:
    await reached(post.house, "dominique", "phone", "+33612345678")
    await wish(post.house, "dominique", sms=60)
    await post.house.letter("morel", "dominique", "Votre opération du genou", "Consignes de chirurgie")
    assert await post.after(2 * HOUR) == (1, 1)
    mail = post.mails[0]
    assert (mail["From"], mail["Auto-Submitted"], mail["Subject"]) == (
        "avis@pli.example", "auto-generated", "Pli : un message vous attend",
    )  # fmt: skip
    link = re.search(r"http://\S+/notices/[\w-]+", body(mail))
    assert link is not None
    assert mail["List-Unsubscribe"] == f"<{link[0]}>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    plain, rich = (bytes(part.get_payload(decode=True)).decode() for part in mail.get_payload())  # type: ignore[union-attr]
    assert " ".join(re.sub(r"<[^>]+>", " ", rich).split()) == " ".join(plain.split())
    everything = (post.relay.got[0] + plain.encode() + rich.encode() + str(post.texts).encode()).decode().lower()
    personal = [word for person in demo.HOLDERS.values() for word in (person.ins, person.birth_name, person.given)]
    personal += [who["name"] for who in demo.WRITERS.values()] + [
        "morel",
        "genou",
        "opération",
        "chirurgie",
        "consigne",
    ]
    said = everything.replace("dominique@exemple.fr", "")
    assert [word for word in personal if word.lower() in said] == []


async def test_who_acts_for_a_child_is_told_when_they_wish_in_words_that_name_nobody(post: Post) -> None:
    await post.house.letter("morel", "camille")
    assert await post.after(HOUR) == (0, 0)
    await wish(post.house, "dominique", spaces=(post.house.camille.mailbox_id,))
    await post.house.letter("morel", "camille", subject="Vaccin")
    assert await post.after(HOUR) == (1, 0)
    assert "un espace dont vous vous occupez" in body(post.mails[0])
    assert "Camille" not in body(post.mails[0])


async def test_who_acts_no_longer_is_told_no_longer(post: Post) -> None:
    await wish(post.house, "dominique", spaces=(post.house.camille.mailbox_id,))
    await post.house.letter("morel", "camille")
    await post.house.app.db.write(lambda tx: tx.run("UPDATE delegations SET revoked_at = :now", now=now_ms()))
    assert await post.after(DAY) == (0, 0)


# ---- the pages -------------------------------------------------------------------------------------------------------


async def test_a_link_lessens_without_signing_in_and_never_adds(tmp_path: Path, sqlite_url: str) -> None:
    async with outside(tmp_path, sqlite_url, doors=True) as post:
        await post.house.letter("morel", "dominique")
        assert await post.after(HOUR) == (1, 0)
        found = re.search(r"/notices/[\w-]+", body(post.mails[0]))
        assert found is not None
        async with visitor(post.house) as anybody:
            page = await anybody.get(found[0])
            assert page.status == 200
            assert "Ne plus m’écrire par e-mail" in page.said
            assert "Dominique" not in page.text
            clicked = await anybody.post(found[0], {"List-Unsubscribe": "One-Click"})
            assert (clicked.status, clicked.text) == (200, "")
            paused = await anybody.post(found[0], {"less": "pause"})
            assert "une pause commence" in paused.said
            assert (await anybody.post(found[0], {"less": "push"})).status == 404
            assert (await anybody.get("/notices/autre")).status == 404
        kept = await post.house.app.db.read(lambda tx: wishes.of(post.house.app, tx, post.house.dominique.account_id))
        assert (kept.mail, kept.push, kept.paused_until > now_ms() + 6 * DAY * 1000) == (NEVER, 0, True)


FORM = {"push": "5", "mail": "60", "sms": "-1", "rhythm": "each", "hour": "18", "quiet": "1", "quiet_from": "22",
        "quiet_to": "7", "people": "1"}  # fmt: skip


async def test_dominique_settles_her_notices_by_plain_forms_and_tries_them(tmp_path: Path, sqlite_url: str) -> None:
    async with outside(tmp_path, sqlite_url, doors=True) as post, visitor(post.house, "dominique") as dominique:
        saved = await dominique.post("/account/notices", FORM)
        assert saved.place == "/account/notices?done=saved"
        page = await dominique.get(saved.place)
        assert "C’est enregistré." in page.said
        assert "d•••@exemple.fr" in page.said
        kept = await post.house.app.db.read(lambda tx: wishes.of(post.house.app, tx, post.house.dominique.account_id))
        assert (kept.push, kept.mail, kept.quiet_from, kept.quiet_to, kept.services) == (5, 60, 22, 7, False)
        assert (await dominique.post("/account/notices", {**FORM, "mail": "7"})).status == 422
        assert (await dominique.post("/account/notices/trial")).place == "/account/notices?done=tried"
        assert await post.told() == (1, 0)
        assert "Ceci est un essai" in body(post.mails[0])
        again = await dominique.post("/account/notices/trial")
        assert (again.status, "Attendez deux minutes" in again.said) == (429, True)
        assert (await dominique.post("/account/notices/pause", {"until": "2026-12-01"})).place.endswith("done=paused")
        assert "En pause jusqu’au 2 décembre 2026" in (await dominique.get("/account/notices")).said
        assert (await dominique.post("/account/notices/pause", {"until": "2020-01-01"})).status == 422
        assert (await dominique.post("/account/notices/pause", {"until": ""})).place.endswith("done=resumed")


async def test_who_acts_for_a_child_chooses_on_their_own_page_and_nobody_settles_it_for_them(house: House) -> None:
    camille, morel = house.camille.mailbox_id, house.morel.mailbox_id
    async with visitor(house, "dominique") as dominique:
        assert "Camille PAT-TROIS" in (await dominique.get("/account/notices")).said
        await dominique.post("/account/notices", {**FORM, f"space.{camille}": "1", f"space.{morel}": "1"})
        kept = await house.app.db.read(lambda tx: wishes.of(house.app, tx, house.dominique.account_id))
        assert kept.spaces == (camille,)
        for path in ("", "/pause", "/trial", "/push", "/push/end", "/offer", "/offline"):
            assert (await dominique.post(f"/for/{camille}/account/notices{path}", FORM)).status == 404, path
    nobodys = await house.app.db.read(lambda tx: storage_notices.wishes(tx, house.camille.account_id))
    assert nobodys is None


async def test_a_post_to_somebody_nobody_tells_costs_one_look_up(sqlite_core: House) -> None:
    said: list[str] = []

    class Counting:
        engine = "sqlite"

        def __init__(self, tx: Tx) -> None:
            self.tx = tx

        def run(self, sql: str, **params: Any) -> list[Any]:
            said.append(sql)
            return self.tx.run(sql, **params)

    space = await access.patient(sqlite_core.app, sqlite_core.morel, sqlite_core.ins("dominique"))
    box, account = sqlite_core.dominique.mailbox_id, sqlite_core.dominique.account_id

    def look(tx: Tx) -> bool:
        return storage_notices.owe(Counting(tx), sqlite_core.app.vault, space.keys, "m", account, box, 1)

    assert await sqlite_core.app.db.write(look) is False
    assert len(said) == 1
    plan = await sqlite_core.app.db.read(lambda tx: tx.run(f"EXPLAIN QUERY PLAN {said[0]}", a="a", s="s"))
    assert [row[3] for row in plan if "SCAN" in row[3] and "CONSTANT" not in row[3]] == []


async def test_a_post_tells_in_its_own_transaction(core: House) -> None:
    await wish(core, "dominique", mail=30)
    space = await access.patient(core.app, core.morel, core.ins("dominique"))
    sent = await posting.post(core.app, core.morel, Draft(to=Opening(space, "Consignes"), text="Bonjour"))
    assert await core.app.db.read(deliveries.of_message, core.dominique.space_id, sent.message) == [
        ("notice", "due", 0)
    ]


async def test_the_clock_runs_alike_on_both_engines(core: House) -> None:
    account, box = core.dominique.account_id, core.dominique.mailbox_id
    await push.subscribe(core.app, account, "https://push.example/1", "", "")
    sent = await core.letter("morel", "dominique")
    core.app.delivery.add(notices.Clock(core.app))
    states = "SELECT channel, state, attempts FROM deliveries WHERE channel LIKE 'notice%' ORDER BY channel"
    with time_machine.travel(datetime.now(PLACE).replace(hour=10) + timedelta(days=1), tick=True) as clock:
        core.app.delivery.start()
        await settled(core)
        assert await core.app.db.read(lambda tx: tx.run(states)) == [("notice", "done", 0), ("notice_push", "due", 1)]
        await core.answer("morel", sent.conversation, "Encore")
        clock.shift(6)
        await settled(core)
        found = await core.app.db.read(lambda tx: tx.run(states))
        assert found[0] == ("notice", "done", 0)
        assert len(found) == 2, "the first notice still speaks for it"
        await core.app.db.write(marks.put, box, sent.conversation, marks.MUTED, "on", account, 1)
        assert await core.app.db.read(storage_notices.unread, box, 0) == []
        assert await core.app.db.write(storage_notices.look_again, account) is False
