"""Web push: woken and told nothing; a token for one service alone; who is gone is forgotten, who is busy waited for."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest
import time_machine
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwt
from joserfc.jwk import ECKey

from server import notices, push, sessions
from server.errors import Invalid
from server.settings import PLACE
from storage import credentials, deliveries, subscriptions
from storage.ids import now_ms
from tests.browser.visitor import visitor
from tests.house import House, open_core_house, open_house, settings_for
from tests.notice_post import read_all, settled, wish

MORNING = datetime(2026, 11, 24, 10, 0, tzinfo=PLACE)


@dataclass
class Woken:
    """A call to the push service, judged as it judges."""

    path: str
    body: bytes
    ttl: str
    topic: str
    claims: dict[str, object]


@dataclass
class Service:
    """A push service (RFC 8030). `answers`: (status, Retry-After), once each; then 201."""

    base: str = ""
    woken: list[Woken] = field(default_factory=list)
    answers: list[tuple[int, str]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        scheme, _, rest = request.headers["Authorization"].partition(" ")
        facts = dict(part.strip().split("=", 1) for part in rest.split(","))
        assert scheme == "vapid"
        point = base64.urlsafe_b64decode(facts["k"] + "==")
        numbers: dict[str, str | list[str]] = {"kty": "EC", "crv": "P-256"}
        numbers |= {"x": _b64(point[1:33]), "y": _b64(point[33:])}
        token = jwt.decode(facts["t"], ECKey.import_key(numbers), algorithms=["ES256"])
        origin = f"http://{request.host}"
        wanted = jwt.JWTClaimsRegistry(aud={"essential": True, "value": origin}, exp={"essential": True})
        wanted.validate(token.claims)
        body = await request.read()
        self.woken.append(Woken(request.path, body, request.headers["TTL"], request.headers["Topic"], token.claims))
        status, wait = self.answers.pop(0) if self.answers else (201, "")
        return web.Response(status=status, headers={"Retry-After": wait} if wait else {})


def _b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


@dataclass
class Scene:
    house: House
    clock: time_machine.Traveller
    service: Service

    async def after(self, seconds: float) -> int:
        """How often the service was called until then."""
        self.clock.shift(seconds)
        await settled(self.house)
        return len(self.service.woken)

    async def told(self, name: str = "dominique") -> list[str]:
        return [one for one, _, _ in await push.browsers(self.house.app, self.house.people[name].account_id)]


@asynccontextmanager
async def scene(folder: Path, url: str, doors: bool = False, **settings: object) -> AsyncIterator[Scene]:
    service, site = Service(), web.Application()
    site.router.add_post("/{browser}", service.take)
    runner = web.AppRunner(site)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    service.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    opened = open_house if doors else open_core_house
    made = settings_for(folder / "pli", database_url=url, **{"push_private": True, **settings})
    try:
        with time_machine.travel(MORNING, tick=True) as clock:
            async with opened(made) as house:
                if not doors:
                    for channel in notices.channels(house.app):
                        house.app.delivery.add(channel)
                    house.app.delivery.start()
                yield Scene(house, clock, service)
    finally:
        await runner.cleanup()


@pytest.fixture
async def here(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Scene]:
    async with scene(tmp_path, sqlite_url) as opened:
        await push.subscribe(
            opened.house.app, opened.house.dominique.account_id, f"{opened.service.base}/phone", "device", "Chrome"
        )
        yield opened


async def test_a_browser_is_woken_at_once_by_a_call_that_holds_nothing(here: Scene) -> None:
    await here.house.letter("morel", "dominique", "Votre opération du genou")
    assert await here.after(6) == 1
    (woken,) = here.service.woken
    assert (woken.path, woken.body, woken.ttl) == ("/phone", b"", "86400")
    assert 0 < len(woken.topic) <= 32
    assert woken.claims["sub"] == "mailto:postmaster@pli.example"
    assert int(str(woken.claims["exp"])) - now_ms() // 1000 <= 86_400
    assert set(woken.claims) == {"aud", "exp", "sub"}


async def test_a_burst_is_one_call_and_a_letter_that_was_read_is_none(here: Scene) -> None:
    sent = await here.house.letter("morel", "dominique")
    for number in range(19):
        await here.house.answer("morel", sent.conversation, f"n° {number}")
    assert await here.after(6) == 1
    await read_all(here.house, "dominique", sent.conversation)
    await here.house.answer("morel", sent.conversation, "Encore")
    await read_all(here.house, "dominique", sent.conversation)
    assert await here.after(60) == 1


@pytest.mark.parametrize("status", [404, 410])
async def test_a_browser_that_is_gone_is_forgotten(here: Scene, status: int) -> None:
    here.service.answers = [(status, "")]
    await here.house.letter("morel", "dominique")
    assert await here.after(6) == 1
    assert await here.told() == []
    await here.house.letter("morel", "dominique", subject="Une autre")
    assert await here.after(3_600) == 1


@pytest.mark.parametrize("in_words", [False, True])
async def test_a_busy_service_is_waited_for_as_long_as_it_says(here: Scene, in_words: bool) -> None:
    wait = format_datetime(datetime.now(UTC).replace(minute=30), usegmt=True) if in_words else "1800"
    here.service.answers = [(429, wait)]
    await here.house.letter("morel", "dominique")
    assert await here.after(6) == 1
    due = await here.house.app.db.read(deliveries.next_due)
    assert due is not None
    assert due - now_ms() > 1_700_000
    assert await here.after(1_200) == 1
    assert await here.after(1_200) == 2
    assert await here.told() != []


async def test_what_was_read_while_the_service_was_busy_is_told_no_more(here: Scene) -> None:
    here.service.answers = [(503, "")]
    sent = await here.house.letter("morel", "dominique")
    assert await here.after(6) == 1
    await read_all(here.house, "dominique", sent.conversation)
    assert await here.after(7_200) == 1


async def test_an_address_of_our_own_network_is_never_called(here: Scene) -> None:
    app, account = here.house.app, here.house.dominique.account_id
    await push.subscribe(app, account, here.service.base.replace("127.0.0.1", "localhost") + "/name", "", "")
    allowed = app.settings
    app.settings = replace(allowed, push_private=False)
    for bad in (f"{here.service.base}/p", "javascript:alert(1)", "https://", "https://é.example/1", "x" * 3_000):
        with pytest.raises(Invalid):
            await push.subscribe(app, account, bad, "", "")
    await here.house.letter("morel", "dominique")
    assert await here.after(6) == 0
    failures = "SELECT last_error FROM deliveries WHERE channel = 'notice_push'"
    assert await app.db.read(lambda tx: tx.run(failures)) == [("push_down",)] * 2
    app.settings = allowed
    assert await here.after(3_600) == 2


async def test_our_key_is_made_once_or_is_the_one_of_the_settings(tmp_path: Path, sqlite_url: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    file = tmp_path / "vapid.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    async with scene(tmp_path, sqlite_url) as opened:
        made = await push.public_key(opened.house.app)
        assert made == await push.public_key(opened.house.app)
        assert len(base64.urlsafe_b64decode(made + "=")) == 65
    async with scene(tmp_path / "two", sqlite_url.replace("pli.sqlite", "two.sqlite"), vapid_key=str(file)) as opened:
        assert await push.public_key(opened.house.app) != made


async def test_a_browser_belongs_to_who_subscribed_it_last_and_ends_with_its_device(here: Scene) -> None:
    app, marcel = here.house.app, here.house.marcel.account_id
    await push.subscribe(app, marcel, f"{here.service.base}/phone", "his-device", "Firefox")
    assert (await here.told(), len(await here.told("marcel"))) == ([], 1)
    await app.db.write(credentials.unsubscribe_device, marcel, "his-device")
    assert await here.told("marcel") == []
    for number in range(12):
        await push.subscribe(app, marcel, f"{here.service.base}/{number}", "", "")
    assert len(await here.told("marcel")) == subscriptions.AT_MOST


async def test_dominique_subscribes_a_browser_and_ends_it_by_the_pages(tmp_path: Path, sqlite_url: str) -> None:
    async with scene(tmp_path, sqlite_url, doors=True) as opened, visitor(opened.house, "dominique") as dominique:
        offered = await dominique.get("/account/notices/offer")
        assert "Être prévenu d’un nouveau message" in offered.said
        json = {"Accept": "application/json"}
        bad = await dominique.post("/account/notices/push", {"endpoint": "ftp://x"}, headers=json)
        assert bad.status == 422
        good = await dominique.post("/account/notices/push", {"endpoint": f"{opened.service.base}/phone"}, headers=json)
        assert good.status == 200
        assert (await dominique.get("/account/notices/offer")).status == 204
        back = {"endpoint": f"{opened.service.base}/phone", "again": "1"}
        assert (await dominique.post("/account/notices/push", back, headers=json)).text == '{"told": true}'
        async with visitor(opened.house, "marcel") as marcel:  # on the same browser
            assert (await marcel.post("/account/notices/push", back, headers=json)).text == '{"told": false}'
        (one,) = await opened.told()
        await dominique.post("/account/notices/push/end", {"browser": one})
        assert await opened.told() == []
        await dominique.post("/account/notices/offer", headers=json)
        assert (await dominique.get("/account/notices/offer")).status == 204, "asked once and for all"
        async with visitor(opened.house) as nobody:
            assert (await nobody.post("/account/notices/push", {"endpoint": "https://x.example/"})).status == 401


async def test_a_browser_that_came_back_in_another_session_ends_with_that_one(here: Scene) -> None:
    app, account, place = here.house.app, here.house.dominique.account_id, f"{here.service.base}/phone"
    secret = await here.house.session("dominique")
    assert await push.again(app, account, place, sessions.secret_hash(secret))
    await sessions.close_session(app, secret)
    assert await here.told() == []
    assert not await push.again(app, account, place, "")


async def test_every_way_out_ends_the_push(here: Scene) -> None:
    await sessions.sign_out_everywhere(here.house.app, here.house.dominique.account_id)
    assert await here.told() == []
    await wish(here.house, "dominique", push=0)
    await here.house.letter("morel", "dominique")
    assert await here.after(60) == 0


@pytest.mark.parametrize(
    ("header", "seconds"), [("30", 30), ("", 300), ("soon", 300), ("0", 1), ("9" * 40, 86_400), ("-5", 300)]
)
def test_how_long_to_wait_is_read_or_guessed(header: str, seconds: int) -> None:
    assert push.retry_after(header) == seconds
