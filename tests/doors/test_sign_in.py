"""How patients come in: the first time, every day, and after something was lost; by forms alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pyotp
import pytest
import time_machine

from server import factors, logins, people, sessions, sign_in
from server.errors import PliError, Unauthorised
from storage import contact_points
from storage import factors as kept_factors
from storage.database import Tx
from tests.house import House
from tests.signing import IDENTIFIER, PASSWORD, Hand, Outside, hand, link_for, open_outside, settle

EMAIL, PHONE = "dominique@courrier.example", "+33612345678"


@pytest.fixture
async def outside(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Outside]:
    async with open_outside(tmp_path / "pli", sqlite_url) as opened:
        yield opened


async def reached(house: House, kind: str, value: str) -> None:
    """Dominique is reached there, verified."""

    def write(tx: Tx) -> None:
        account = house.dominique.account_id
        sealed = people.own_keys(house.app, tx, account).seal("contact", f"point-{kind}", value.encode())
        contact_points.insert(tx, account, f"point-{kind}", kind, sealed)
        contact_points.verify(tx, account, f"point-{kind}")

    await house.app.db.write(write)


async def first_login(browser: Hand) -> None:
    await browser.get(await link_for(browser.visitor.house, "dominique"))
    await browser.fill("Entrer")
    assert browser.title == "Choisir votre identifiant et votre mot de passe"
    await browser.fill("Continuer", identifier=IDENTIFIER, password=PASSWORD)
    assert browser.title == "Protéger votre espace"


async def test_the_first_time_with_an_app_then_every_day(outside: Outside) -> None:
    house = outside.house
    async with hand(house) as browser:
        await first_login(browser)
        assert "Votre mot de passe est solide." in browser.page.said
        await browser.fill("Choisir l’application")
        app = pyotp.TOTP(browser.key())
        assert "<svg" in browser.page.text
        wrong = await browser.fill("Confirmer", given="000000" if app.now() != "000000" else "000001")
        assert (wrong.status, browser.key()) == (422, app.secret)
        done = await browser.fill("Confirmer", given=app.now(), remember="1")
        codes = browser.codes()
        assert len(set(codes)) == 10
        assert done.headers["Cache-Control"] == "no-store"
        assert "Dominique PAT-TROIS" in (await browser.get("/account")).said
        await browser.send("/sign-out")
        assert "Vous êtes déconnecté" in browser.page.said
        # This browser was chosen to be remembered: it is what one has, the password what one knows.
        knocked = await browser.visitor.post("/sign-in", {"identifier": IDENTIFIER, "password": PASSWORD})
        assert (knocked.status, knocked.place) == (303, "/")
        assert "Dominique PAT-TROIS" in (await browser.get("/account")).said
    ways = await sessions.ways(house.app, house.dominique.account_id)
    assert {way.how for way in ways} == {"password+device"}, "signing out ended the other"
    async with hand(house) as elsewhere:
        await elsewhere.knock(IDENTIFIER.upper())
        assert elsewhere.title == "Confirmez que c’est vous"
        await elsewhere.fill("Continuer", given=app.now())
        assert "n’est pas le bon" in elsewhere.error, "it was given already"
        await elsewhere.get("/sign-in/step?with=recovery")
        await elsewhere.fill("Continuer", given=codes[3].upper().replace("-", " "))
        assert "Depuis votre dernière connexion, 1 essai" in elsewhere.page.said
        assert "Dominique PAT-TROIS" in (await elsewhere.get("/account")).said
    async with hand(house) as again:
        await again.knock()
        await again.get("/sign-in/step?with=recovery")
        await again.fill("Continuer", given=codes[3])
        assert again.page.status == 422, "a recovery code is good once"


async def test_the_first_time_by_sms(outside: Outside) -> None:
    house, sms = outside.house, outside.sms
    async with hand(house) as browser:
        await first_login(browser)
        await browser.fill("Recevoir un code", number="06 12 34")
        assert "Ce numéro n’est pas complet" in browser.error
        assert "06 12 34" in browser.page.text
        await browser.fill("Recevoir un code", number="06 12 34 56 78")
        assert sms.calls[-1].json["to"] == PHONE
        first = sms.code()
        await browser.fill("Choisir une autre façon")
        await browser.fill("Recevoir un code", number="06.12.34.56.78")
        second = sms.code()
        if first != second:
            await browser.fill("Confirmer", given=first)
            assert browser.page.status == 422, "a new code kills the one before"
        await browser.fill("Confirmer", given=f"{second[:3]} {second[3:]}")
        assert len(browser.codes()) == 10
    async with hand(house) as later:
        await later.knock()
        assert "•••• 78" in later.page.said
        assert "12 34 56" not in later.page.said
        await later.fill("Recevoir un SMS au •••• 78")
        code = sms.code()
        async with hand(house) as thief:  # who knows the password, and read the code over a shoulder
            await thief.knock()
            await thief.get("/sign-in/step?with=sms")
            stolen = await thief.send("/sign-in/step", do="give", kind="sms", given=code)
            assert stolen.status == 422, "it is bound to the browser that asked"
        with time_machine.travel(_in(11 * 60), tick=True):
            await later.fill("Continuer", given=code)
            assert later.page.status == 422, "ten minutes, not eleven"
        await later.fill("Renvoyer un SMS au •••• 78")
        await later.fill("Continuer", given=sms.code())
        await later.get("/account")
        assert "Dominique PAT-TROIS" in later.page.said


def _in(seconds: int) -> float:
    return time.time() + seconds


async def test_a_link_alone_signs_no_holder_in_who_has_a_login(outside: Outside) -> None:
    house = outside.house
    await settle(house)
    async with hand(house) as browser:
        link = await link_for(house, "dominique")
        await browser.get(link)
        await browser.fill("Entrer")
        assert browser.title == "Retrouver votre accès"
        assert (await browser.visitor.get("/")).place == "/sign-in"
        async with hand(house) as second:
            await second.send(link)
            assert second.page.status == 401, "it served"


async def test_a_lost_password_takes_an_e_mail_and_a_second_factor_and_ends_all_that_was_open(outside: Outside) -> None:
    house, mail = outside.house, outside.mail
    person = await settle(house)
    await reached(house, "email", EMAIL)
    was_open = await house.session("dominique")
    async with hand(house) as browser:
        await browser.get("/sign-in/lost")
        await browser.fill("Recevoir un code par e-mail", identifier=IDENTIFIER)
        await browser.fill("Continuer", given=await mail.code())
        assert browser.title == "Confirmez que c’est vous", "an e-mail alone is no sign-in"
        await browser.fill("Continuer", given=person.telephone.code())
        await browser.fill("Changer le mot de passe", password=PASSWORD)
        assert browser.error == "C’est votre mot de passe actuel. Choisissez-en un autre."
        await browser.fill("Changer le mot de passe", password="un tout autre air de printemps")
        assert "Votre mot de passe est changé" in browser.page.said
        assert (await browser.visitor.get("/")).place == "/sign-in", "recovering is not coming in"
        to, text = await mail.next()
        assert to == EMAIL
        assert "Le mot de passe de votre espace a changé." in text
        assert not {"Dominique", "PAT-TROIS", "Morel", house.ins("dominique")} & set(text.split())
        with pytest.raises(Unauthorised):
            await sessions.actor_of_session(house.app, was_open)
        await browser.knock()
        assert "incorrect" in browser.error
        await browser.knock(password="un tout autre air de printemps")
        await browser.fill("Continuer", given=person.telephone.code())
        await browser.get("/account")
        assert "Dominique PAT-TROIS" in browser.page.said


async def test_a_lost_telephone_takes_the_password_and_an_e_mail_and_the_old_one_does_no_more(outside: Outside) -> None:
    house, mail = outside.house, outside.mail
    person = await settle(house)
    await reached(house, "email", EMAIL)
    async with hand(house) as browser:
        await browser.knock()
        await browser.fill("Je n’ai plus mon téléphone")
        await browser.fill("Envoyer un code à d•••@courrier.example")
        await browser.fill("Continuer", given=await mail.code())
        assert browser.title == "Protéger votre espace"
        await browser.fill("Choisir l’application")
        app = pyotp.TOTP(browser.key())
        await browser.fill("Confirmer", given=app.now())
        assert len(browser.codes()) == 10
        assert "a changé" in (await mail.next())[1]
    for old in (("totp", person.telephone.code()), ("recovery", person.codes[0])):
        assert not await factors.prove(house.app, person.account_id, *old)
    assert await factors.prove(house.app, person.account_id, "totp", app.at(int(_in(30))))


async def test_a_link_and_one_other_proof_replace_what_was_lost(outside: Outside) -> None:
    house = outside.house
    person = await settle(house)
    async with hand(house) as browser:  # the identifier is forgotten, and the password
        await browser.get(await link_for(house, "dominique"))
        await browser.fill("Entrer")
        await browser.fill("J’ai perdu mon identifiant ou mon mot de passe")
        await browser.get("/sign-in/step?with=recovery")
        await browser.fill("Continuer", given=person.codes[0])
        await browser.fill("Changer le mot de passe", identifier="jonquille.bleue", password="encore une autre chanson")
        await browser.knock("jonquille.bleue", "encore une autre chanson")
        assert browser.title == "Confirmez que c’est vous"
    async with hand(house) as other:  # the telephone is lost
        await other.get(await link_for(house, "dominique"))
        await other.fill("Entrer")
        await other.fill("J’ai perdu mon téléphone")
        await other.fill("Continuer", given="un mauvais mot de passe")
        assert other.error == "Ce mot de passe n’est pas le bon."
        await other.fill("Continuer", given="encore une autre chanson")
        assert other.title == "Protéger votre espace"


async def test_twenty_at_once_with_one_code_let_one_in(outside: Outside) -> None:
    house, sms = outside.house, outside.sms
    person = await settle(house)
    await reached(house, "phone", PHONE)
    proof = await sign_in.begin(house.app, IDENTIFIER, PASSWORD, "10.0.0.1")
    assert isinstance(proof, str)
    await sign_in.send(house.app, proof, "sms", "10.0.0.1")
    for kind, code in (("totp", person.telephone.code()), ("sms", sms.code()), ("recovery", person.codes[0])):
        proofs = [proof if kind == "sms" else await _begun(house) for _ in range(10)]
        tries = [sign_in.give(house.app, one, kind, code, f"10.0.1.{n}") for n, one in enumerate(proofs + proofs)]
        outcomes = await asyncio.gather(*tries, return_exceptions=True)
        assert sum(isinstance(one, sign_in.Entered) for one in outcomes) == 1, kind
        assert all(isinstance(one, (sign_in.Entered, PliError)) for one in outcomes), outcomes


async def _begun(house: House) -> str:
    begun = await sign_in.begin(house.app, IDENTIFIER, PASSWORD, "10.0.0.2")
    assert isinstance(begun, str)
    return begun


async def test_an_operator_who_checked_who_it_is_lets_somebody_begin_again(outside: Outside) -> None:
    house, mail = outside.house, outside.mail
    person = await settle(house)
    await reached(house, "email", EMAIL)
    assert await logins.reset(house.app, person.account_id)
    assert not await logins.reset(house.app, person.account_id)
    assert (await mail.next())[0] == EMAIL
    async with hand(house) as browser:
        await browser.knock()
        assert "incorrect" in browser.error
        await first_login(browser)


async def test_nobody_takes_the_identifier_of_another(outside: Outside) -> None:
    house = outside.house
    await settle(house, "marcel", "jonquille.bleue")
    async with hand(house) as browser:
        await browser.get(await link_for(house, "dominique"))
        await browser.fill("Entrer")
        taken = await browser.fill("Continuer", identifier="Jonquille.Bleue", password=PASSWORD)
        assert (taken.status, browser.error) == (409, "Cet identifiant est déjà pris. Choisissez-en un autre.")
        assert 'value="Jonquille.Bleue"' in taken.text, "what was typed is kept"
        assert PASSWORD not in taken.text, "but for secrets"


async def test_no_step_is_reached_by_leaving_one_out(outside: Outside) -> None:
    """Forms made by hand: each of these would be somebody in with less than two kinds of proof."""
    house, mail = outside.house, outside.mail
    await settle(house)
    await reached(house, "email", EMAIL)
    new = {"do": "renew", "password": "un tout autre air de printemps"}

    async def refused(browser: Hand, **fields: str) -> None:
        told = await browser.visitor.post("/sign-in/step", fields)
        assert told.status == 422, (fields, told.said)
        assert "pli=" not in told.headers.get("Set-Cookie", "")

    async with hand(house) as browser:  # an identifier chosen by nobody
        await browser.get(await link_for(house, "camille"))
        await browser.fill("Entrer")
        for form in ({"do": "set_up", "kind": "app"}, {"do": "confirm", "given": "000000"}, new):
            await refused(browser, **form)
    async with hand(house) as browser:  # a link and nothing else
        await browser.get(await link_for(house, "dominique"))
        await browser.fill("Entrer")
        for goal in ("enter", "begin", "recover", "x"):
            await refused(browser, do="aim", goal=goal)
        for form in (new, {"do": "set_up", "kind": "app"}):
            await refused(browser, **form)
        await browser.fill("J’ai perdu mon téléphone")
        for form in (new, {"do": "set_up", "kind": "app"}, {"do": "aim", "goal": "enter"}):
            await refused(browser, **form)
    async with hand(house) as browser:  # a password and an e-mail let one set up a factor, not come in
        await browser.knock()
        for form in (
            new, {"do": "set_up", "kind": "app"}, {"do": "give", "kind": "link", "given": ""},
            {"do": "give", "kind": "email", "given": ""}, {"do": "aim", "goal": "password"},
        ):  # fmt: skip
            await refused(browser, **form)
        await browser.fill("Je n’ai plus mon téléphone")
        await refused(browser, do="give", kind="link", given="")
        await browser.fill("Envoyer un code à d•••@courrier.example")
        await browser.fill("Continuer", given=await mail.code())
        await browser.send("/sign-in/step", do="aim", goal="enter")
        assert browser.title == "Confirmez que c’est vous"
        await refused(browser, do="confirm", given="000000")
        assert (await browser.visitor.get("/account")).place == "/sign-in"
    async with hand(house) as browser:  # nothing at all
        for form in (new, {"do": "give", "kind": "totp", "given": "000000"}, {"do": "confirm", "given": "1"}):
            assert (await browser.visitor.post("/sign-in/step", form)).status == 401


async def test_whoever_has_but_a_passkey_is_shown_the_way_to_it(outside: Outside) -> None:
    house = outside.house
    person = await settle(house)

    def only_a_passkey(tx: Tx) -> None:
        for kind in ("totp", "recovery"):
            kept_factors.end_kind(tx, person.account_id, kind)
        keys = people.own_keys(house.app, tx, person.account_id)
        kept_factors.insert(tx, person.account_id, "key", "passkey", keys.seal("factor", "key", b"{}"))

    await house.app.db.write(only_a_passkey)
    async with hand(house) as browser:
        await browser.knock()
        assert "Avec ma clé d’accès" in browser.page.said
        await browser.send("/sign-in/step", do="give", kind="passkey", given="{}")
        assert browser.page.status == 422, "it signs in by itself, and here it is no code"
