"""« Connexion et sécurité »: what somebody who is signed in changes about how they come in, and what follows of it."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pyotp
import pytest
import time_machine

from server import devices, factors, sessions
from server.errors import PliError, Unauthorised
from storage.database import Tx
from tests.house import House
from tests.signing import IDENTIFIER, PASSWORD, Outside, hand, open_outside, settle

PAGE, NEW = "/account/security", "un tout autre air de printemps"
EMAIL = "dominique@courrier.example"


@pytest.fixture
async def outside(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Outside]:
    async with open_outside(tmp_path / "pli", sqlite_url) as opened:
        yield opened


async def test_a_new_password_asks_for_the_old_one_and_ends_every_other_way_in(house: House) -> None:
    person = await settle(house)
    elsewhere, token = await house.session("dominique"), await house.token("dominique")
    device = await devices.remember(house.app, person.account_id, "Firefox")
    async with hand(house, who="dominique") as browser:
        await browser.get(PAGE)
        await browser.fill("Changer le mot de passe", current="faux", password=NEW)
        assert browser.error == "Ce mot de passe n’est pas le bon."
        await browser.fill("Changer le mot de passe", current=PASSWORD, password=PASSWORD)
        assert browser.error == "C’est votre mot de passe actuel. Choisissez-en un autre."
        await browser.fill("Changer le mot de passe", current=PASSWORD, password="azerty")
        assert "15 caractères" in browser.error
        await browser.fill("Changer le mot de passe", current=PASSWORD, password=NEW)
        assert "Votre mot de passe est changé" in browser.page.said, "who changed it stays"
    for secret, of in ((elsewhere, sessions.actor_of_session), (token, sessions.actor_of_bearer)):
        with pytest.raises(Unauthorised):
            await of(house.app, secret)
    assert await devices.known(house.app, person.account_id, device) is None
    async with hand(house) as again:
        await again.knock()
        assert "incorrect" in again.error
        await again.knock(password=NEW)
        assert again.title == "Confirmez que c’est vous"

    def noted(tx: Tx) -> list[str]:
        rows = tx.run(
            "SELECT act, space_id FROM audit WHERE act IN ('password:changed', 'session:refused') ORDER BY at"
        )
        assert {row[1] for row in rows} == {house.dominique.space_id}
        return [row[0] for row in rows]

    assert await house.app.db.read(noted) == ["password:changed", "session:refused"]


async def test_the_page_asks_for_a_second_factor_again_and_changes_nothing_without(house: House) -> None:
    person = await settle(house)
    async with hand(house, who="dominique") as browser:
        assert (await browser.visitor.get(PAGE)).status == 200
        with time_machine.travel(time.time() + 20 * 60, tick=True):
            for method, form in (("GET", None), ("POST", {"do": "recovery"})):
                asked = await browser.visitor.ask(method, PAGE, data=form, headers={"Referer": house.http + PAGE})
                assert (asked.status, asked.place) == (303, "/step-up?back=/account/security")
            assert await factors.prove(house.app, person.account_id, "recovery", person.codes[0]), "they are as before"
    async with hand(house) as stranger:
        for method in ("GET", "POST"):
            refused = await stranger.visitor.ask(method, PAGE)
            assert (refused.status, refused.place) in {(303, "/sign-in"), (401, "")}
    async with hand(house, who="dominique") as acting:
        place = (await acting.visitor.get(f"/for/{house.camille.mailbox_id}{PAGE}")).place
        assert place == PAGE, "it is about her, in whoever's space she is"


async def test_an_app_is_added_and_the_last_one_stays(house: House) -> None:
    """Somebody who came in by another way has none yet."""
    async with hand(house, who="marcel") as browser:
        await browser.get(PAGE)
        assert "Il n’y en a pas encore." in browser.page.said
        await browser.fill("Ajouter une application")
        app = pyotp.TOTP(browser.key())
        assert await factors.ways(house.app, house.marcel.account_id) == [], "a wish is no factor"
        await browser.fill("Confirmer", given="123")
        assert browser.page.status == 422
        await browser.fill("Confirmer", given=app.now())
        assert len(browser.codes()) == 10
        await browser.get(PAGE)
        assert app.secret not in browser.page.text.replace(" ", ""), "nobody sees the key again"
        await browser.fill("Retirer")
        assert "C’est votre seule façon de confirmer" in browser.error
        await browser.fill("Ajouter une application")
        other = pyotp.TOTP(browser.key())
        await browser.fill("Confirmer", given=other.now())
        assert browser.page.text.count(">Retirer<") == 2
        await browser.fill("Retirer")
        assert "C’est fait" in browser.page.said
    later = int(time.time()) + 30
    assert not await factors.prove(house.app, house.marcel.account_id, "totp", app.at(later))
    assert await factors.prove(house.app, house.marcel.account_id, "totp", other.at(later))


async def test_new_recovery_codes_are_shown_once_and_the_old_are_dead(house: House) -> None:
    person = await settle(house)
    async with hand(house, who="dominique") as browser:
        await browser.get(PAGE)
        await browser.fill("Faire dix nouveaux codes")
        codes = browser.codes()
        assert len(set(codes)) == 10
        assert not set(codes) & set(person.codes)
        await browser.get(PAGE)
        assert "Il vous reste 10 codes." in browser.page.said
        assert codes[0] not in browser.page.text
    assert not await factors.prove(house.app, person.account_id, "recovery", person.codes[0])
    assert await factors.prove(house.app, person.account_id, "recovery", codes[0])


async def test_where_she_is_reached_counts_once_its_code_came_back(outside: Outside) -> None:
    house, mail, sms = outside.house, outside.mail, outside.sms
    person = await settle(house)
    async with hand(house, who="dominique") as browser:
        await browser.get(PAGE)
        await browser.send(PAGE, do="contact", kind="email", value="dominique@")
        assert "Cette adresse e-mail n’est pas complète" in browser.error
        assert 'value="dominique@"' in browser.page.text
        await browser.send(PAGE, do="contact", kind="email", value=EMAIL)
        code = await mail.code()
        await browser.fill("Vérifier", given="000000" if code != "000000" else "000001")
        assert browser.page.status == 422
        await browser.fill("Vérifier", given=code)
        assert "Vos coordonnées sont à jour." in browser.page.said
        assert "Vos coordonnées ont changé." in (await mail.next())[1]
        await browser.send(PAGE, do="contact", kind="phone", value="06 12 34 56 78")
        await browser.fill("Vérifier", given=sms.code())
        assert "SMS au +33612345678" in browser.page.said
        assert await factors.ways(house.app, person.account_id) == ["totp", "sms", "recovery"]
        told = {(await mail.next())[1].splitlines()[2] for _ in range(2)}
        assert told == {"Vos coordonnées ont changé.", "Une façon de confirmer votre connexion a changé."}
        point = re.findall(r'value="email"><input type="hidden" name="id" value="([\w-]+)"', browser.page.text)[0]
        await browser.send(PAGE, do="remove", kind="email", id=point)
        assert EMAIL not in browser.page.text
        assert (await mail.next())[0] == EMAIL, "the address that is gone hears of it too"


async def test_nobody_is_buried_in_codes_and_a_gateway_that_is_down_says_so(outside: Outside) -> None:
    house, sms = outside.house, outside.sms
    person = await settle(house)
    for _ in range(factors.SENT):
        async with hand(house, who="dominique") as browser:
            await browser.send(PAGE, do="contact", kind="phone", value="06 12 34 56 78")
    assert len(sms.calls) == factors.SENT
    async with hand(house, who="dominique") as browser:
        await browser.send(PAGE, do="contact", kind="phone", value="06 12 34 56 78")
        assert browser.error == "Trop de tentatives. Réessayez dans quelques minutes."
    assert len(sms.calls) == factors.SENT
    sms.status = 503
    async with hand(house, who="marcel") as browser:
        await browser.send(PAGE, do="contact", kind="phone", value="06 12 34 56 79")
        assert (browser.page.status, browser.error) == (
            503,
            "L’envoi n’a pas pu se faire. Réessayez dans quelques minutes.",
        )
    with pytest.raises(PliError):
        await factors.send_code(house.app, person.account_id, "session")


async def test_nothing_of_a_sign_in_stands_in_clear_on_the_disk_or_in_the_log(
    outside: Outside, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    house = outside.house
    person = await settle(house)
    async with hand(house, who="dominique") as browser:
        await browser.send(PAGE, do="contact", kind="email", value=EMAIL)
        code = await outside.mail.code()
        await browser.fill("Vérifier", given=code)
        await browser.send(PAGE, do="contact", kind="phone", value="06 12 34 56 78")
        await browser.knock(IDENTIFIER, PASSWORD)
    words = (IDENTIFIER, PASSWORD, EMAIL, "612345678", person.telephone.key, person.codes[0], outside.sms.code())
    database = Path(house.app.settings.database[10:])
    for path in database.parent.glob(f"{database.name}*"):
        content = path.read_bytes().decode("latin-1")
        assert [word for word in words if word in content] == [], path.name
    logged = caplog.text + "".join(capfd.readouterr())
    assert [word for word in words if word in logged] == []
