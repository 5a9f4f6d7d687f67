"""Pli as an app, by HTTP: its manifest, its worker, and the copy that only a chosen browser of its person is given."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from io import BytesIO

import time_machine
from PIL import Image

from server import sessions
from storage import credentials
from tests.browser.visitor import Answer, Visitor, visitor
from tests.house import House


async def chosen(dominique: Visitor) -> None:
    """She keeps her last letters on this browser."""
    assert (await dominique.post("/account/notices/offline", {"keep": "1"})).place == "/account/notices#offline"


async def copy(dominique: Visitor, **headers: str) -> Answer:
    return await dominique.get("/offline/copy", headers=headers)


async def test_the_manifest_names_an_app_in_french_with_icons_that_are_what_they_say(house: House) -> None:
    async with visitor(house) as anybody:
        answer = await anybody.get("/manifest.webmanifest")
        assert answer.headers["Content-Type"].startswith("application/manifest+json")
        manifest = json.loads(answer.text)
        assert (manifest["lang"], manifest["start_url"], manifest["display"]) == ("fr", "/", "standalone")
        assert len(manifest["shortcuts"]) == 3
        for icon in manifest["icons"]:
            async with anybody.session.get(house.http + icon["src"]) as given:
                size = Image.open(BytesIO(await given.read())).size
            assert f"{size[0]}x{size[1]}" == icon["sizes"]
        assert {icon["purpose"] for icon in manifest["icons"]} == {"any", "maskable"}


async def test_the_worker_has_the_whole_house_for_scope_and_is_asked_for_each_time(house: House) -> None:
    async with visitor(house) as anybody:
        answer = await anybody.get("/sw.js")
        assert answer.headers["Service-Worker-Allowed"] == "/"
        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.headers["Content-Type"].startswith("text/javascript")
        shell = json.loads(answer.text.partition("self.SHELL = ")[2].partition(";\n")[0])
        for path in shell["files"]:
            kept = await anybody.get(path)
            assert kept.status == 200, path
            assert "Dominique" not in kept.text
        policy = answer.headers["Content-Security-Policy"]
        assert "worker-src 'self'" in policy
        assert "manifest-src 'self'" in policy


async def test_nobody_is_given_a_copy_who_did_not_choose_it(house: House) -> None:
    await house.letter("morel", "dominique")
    async with visitor(house, "dominique") as dominique, visitor(house) as nobody:
        assert (await copy(dominique)).status == 410
        assert (await copy(nobody)).status == 410
        assert (await nobody.post("/account/notices/offline", {"keep": "1"})).status == 401
        await chosen(dominique)
        assert (await copy(dominique)).status == 200
        await dominique.post("/account/notices/offline", {"keep": ""})
        assert (await copy(dominique)).status == 410


async def test_the_copy_holds_the_last_letters_and_takes_none_for_read(house: House) -> None:
    sent = await house.letter("morel", "dominique", "Ne mangez plus après minuit.", "Votre opération")
    await house.letter("morel", "camille", "Pour Camille", "Son vaccin")
    async with visitor(house, "dominique") as dominique:
        await chosen(dominique)
        given = await copy(dominique)
        assert "Hors connexion – messages du" in given.said
        assert "Ne mangez plus après minuit." in given.said
        assert f'id="c-{sent.conversation}"' in given.text
        assert "Son vaccin" not in given.text
        assert "<form" not in given.text
        assert "<script" not in given.text
        assert (await copy(dominique, **{"If-None-Match": given.headers["ETag"]})).status == 304
        assert "1 non lu" in (await dominique.get("/")).said
        await house.answer("morel", sent.conversation, "Apportez vos radiographies.")
        newer = await copy(dominique, **{"If-None-Match": given.headers["ETag"]})
        assert "Apportez vos radiographies." in newer.said


async def test_a_session_that_grew_old_keeps_the_copy_and_one_that_was_ended_does_not(house: House) -> None:
    async with visitor(house, "dominique") as dominique:
        await chosen(dominique)
        with time_machine.travel(datetime.now(UTC) + timedelta(hours=2), tick=True):
            assert (await copy(dominique)).status == 204
        assert (await copy(dominique)).status == 200
        secret = next(one.value for one in dominique.session.cookie_jar if one.key == "pli")
        await house.app.db.write(credentials.revoke, sessions.secret_hash(secret))
        assert (await copy(dominique)).status == 410


async def test_seven_days_without_a_word_and_every_way_out_end_the_copy(house: House) -> None:
    async with visitor(house, "dominique") as dominique, visitor(house, "dominique") as other:
        await chosen(dominique)
        await chosen(other)
        with time_machine.travel(datetime.now(UTC) + timedelta(days=7, minutes=1), tick=True):
            assert (await copy(other)).status == 410
        await sessions.sign_out_everywhere(house.app, house.dominique.account_id)
        assert (await copy(dominique)).status == 410


async def test_somebody_else_in_the_same_browser_gets_nothing_and_ends_it(house: House) -> None:
    await house.letter("morel", "dominique", "Pour elle seule")
    async with visitor(house, "dominique") as browser:
        await chosen(browser)
        browser.session.cookie_jar.update_cookies({"pli": await house.session("marcel")})
        assert (await copy(browser)).status == 410
        browser.session.cookie_jar.update_cookies({"pli": await house.session("dominique")})
        assert (await copy(browser)).status == 410, "it does not come back"


async def test_signing_out_ends_the_copy_and_a_doctor_keeps_no_letters(house: House) -> None:
    async with visitor(house, "dominique") as dominique:
        await chosen(dominique)
        secret = next(one.value for one in dominique.session.cookie_jar if one.key == "pli-offline")
        out = await dominique.post("/sign-out")
        assert out.headers["Clear-Site-Data"] == '"cache", "storage"'
        dominique.session.cookie_jar.update_cookies({"pli-offline": secret})
        assert (await copy(dominique)).status == 410
    async with visitor(house, "morel") as doctor:
        assert (await doctor.post("/account/notices/offline", {"keep": "1"})).status == 403
