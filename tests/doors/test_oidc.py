"""Coming in by Pro Santé Connect and FranceConnect, played by npm oidc-provider over TLS: who does, who does
not, and what they are told.
"""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import pytest
import time_machine

from server import demo, people, sessions
from server.errors import Unauthorised
from tests.browser.visitor import visitor
from tests.house import House, open_house, settings_for
from tests.oidc_house import DOMINIQUE, MOREL, RPPS, opened_nothing, rows, signed_in
from tests.support.oidc_provider import Browser, Providers

STALE = "/sign-in?said=oidc_stale"
NOT_FOUND = "Nous ne vous retrouvons pas"


# ---- who comes in ----------------------------------------------------------------------------------------------------


async def test_dr_morel_comes_in_by_pro_sante_connect(known: House, idp: Providers, browser: Browser) -> None:
    left = await browser.get("/sign-in/psc?next=//evil.example/&redirect_uri=https://evil.example/")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(left.place).query).items()}
    assert left.place.startswith(f"{idp.issuer('psc')}/auth?")
    assert asked["redirect_uri"] == f"{idp.url}/sign-in/psc/back"
    assert (asked["scope"], asked["acr_values"], asked["response_type"]) == ("openid scope_all", "eidas1", "code")
    assert asked["code_challenge_method"] == "S256"
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    assert {len(asked[name]) for name in ("state", "nonce", "code_challenge")} == {43}, "256 bits each"

    page = await browser.sign_in("psc")
    assert (await signed_in(known, page)).account_id == known.morel.account_id
    (how, strong_at), *_ = await rows(known, "SELECT how, strong_at FROM credentials WHERE kind = 'session'")
    assert how == "psc"
    assert strong_at is not None
    kept = await rows(known, "SELECT issuer, subject_hash, account_id FROM identities WHERE issuer NOT LIKE 'traits:%'")
    assert [(issuer, account) for issuer, _, account in kept] == [(idp.issuer("psc"), known.morel.account_id)]
    assert RPPS not in kept[0][1], "who she is there is known by a keyed hash"
    assert await rows(known, "SELECT actor_id FROM audit WHERE act = 'session:opened' AND ground = 'psc'") == [
        (known.morel.account_id,)
    ]


async def test_a_number_written_without_its_prefix_is_hers_and_what_was_not_known_is_learnt(
    known: House, browser: Browser
) -> None:
    change = "UPDATE accounts SET national_id = :n, role = '', organisation = 'Clinique', profession = '' WHERE id = :a"
    await known.app.db.write(lambda tx: tx.run(change, n=RPPS[1:], a=known.morel.account_id))
    actor = await signed_in(known, await browser.sign_in("psc"))
    assert actor.account_id == known.morel.account_id
    assert (actor.role, actor.organisation) == ("Médecin", "Clinique"), "what the account says stays"
    assert ("G15_10/SM04",) in await rows(known, f"SELECT profession FROM accounts WHERE id = '{actor.account_id}'")


async def test_dominique_comes_in_by_franceconnect_however_registers_write_her_name(
    known: House, idp: Providers, browser: Browser
) -> None:
    page = await browser.sign_in("franceconnect")
    assert (await signed_in(known, page)).account_id == known.dominique.account_id
    (how, strong_at), *_ = await rows(known, "SELECT how, strong_at FROM credentials WHERE kind = 'session'")
    assert how == "franceconnect"
    assert strong_at is not None
    await idp.tell("franceconnect", claims=DOMINIQUE | {"family_name": "pat-trois", "given_name": "Dôminique"})
    async with idp.browser() as other:
        assert (await signed_in(known, await other.sign_in("franceconnect"))).account_id == known.dominique.account_id
    await idp.tell("franceconnect", acr="eidas3")
    async with idp.browser() as other:
        assert (await signed_in(known, await other.sign_in("franceconnect"))).account_id == known.dominique.account_id


async def test_a_session_this_browser_had_ends_when_another_begins(known: House, browser: Browser) -> None:
    before = await known.session("marcel")
    browser.session.cookie_jar.update_cookies({"pli": before})
    assert (await signed_in(known, await browser.sign_in("psc"))).account_id == known.morel.account_id
    with pytest.raises(Unauthorised):
        await sessions.actor_of_session(known.app, before)


async def test_a_proof_given_hours_ago_elsewhere_is_no_second_factor_given_now(
    known: House, idp: Providers, browser: Browser
) -> None:
    await idp.tell("psc", fault="auth_time")
    await signed_in(known, await browser.sign_in("psc"))
    assert await rows(known, "SELECT strong_at FROM credentials WHERE kind = 'session'") == [(None,)]
    known.app.settings = replace(known.app.settings, demo=False)  # where who has no other factor would pass
    page = await browser.get("/step-up?back=/account/devices")
    (anew,) = re.findall(r'href="(/sign-in/psc\?[^"]+)">Confirmer avec Pro Santé Connect', page.text)
    await idp.tell("psc", fault="")
    left = await browser.get(html.unescape(anew))
    assert parse_qs(urlsplit(left.place).query)["prompt"] == ["login"]
    back = await browser.get(await browser.leave("psc", left.place))
    assert back.place == f"{idp.url}/account/devices"
    now = await rows(known, "SELECT strong_at FROM credentials WHERE kind = 'session' AND revoked_at IS NULL")
    assert len(now) == 1
    assert now[0][0] is not None


async def test_nobody_is_led_elsewhere_after_a_proof_given_again(
    known: House, idp: Providers, browser: Browser
) -> None:
    for place in ("//evil.example/", "https://evil.example/", "/\\evil.example", "/%09/evil.example"):
        left = await browser.get(f"/sign-in/psc?{urlencode({'anew': '1', 'back': unquote(place)})}")
        page = await browser.get(await browser.leave("psc", left.place))
        assert page.place == f"{idp.url}/", place


# ---- who does not ----------------------------------------------------------------------------------------------------


async def test_a_professional_without_a_mailbox_is_told_how_to_get_one(
    known: House, idp: Providers, browser: Browser
) -> None:
    await idp.tell("psc", claims=MOREL | {"SubjectNameID": "810199999999", "preferred_username": "810199999999"})
    before = await rows(known, "SELECT COUNT(*) FROM accounts")
    page = await browser.sign_in("psc")
    assert page.status == 403
    assert opened_nothing(page)
    assert "Vous n’avez pas encore de boîte ici" in page.text
    assert "Agathe MOREL, Médecin, CHU de Pli" in page.text
    assert "Demandez une boîte à votre établissement" in page.text
    assert await rows(known, "SELECT COUNT(*) FROM accounts") == before


OTHERS: tuple[dict[str, Any], ...] = (
    {"given_name": "Dominique Marie"},
    {"family_name": "PAT TROI"},
    {"birthdate": "1979-03-29"},
    {"birthplace": "51216"},
    {"birthplace": ""},
    {"gender": "male"},
    {"gender": ["female"]},
)


async def test_who_differs_by_one_trait_is_somebody_else(known: House, idp: Providers) -> None:
    for differs in OTHERS:
        await idp.tell("franceconnect", claims=DOMINIQUE | differs)
        async with idp.browser() as browser:
            page = await browser.sign_in("franceconnect")
        assert page.status == 403, differs
        assert opened_nothing(page)
        assert NOT_FOUND in page.text
    assert await rows(known, "SELECT COUNT(*) FROM identities WHERE issuer NOT LIKE 'traits:%'") == [(0,)]


async def test_two_holders_with_the_same_traits_are_nobody(known: House, browser: Browser) -> None:
    twin = replace_ins(demo.HOLDERS["dominique"])
    await people.open_space(known.app, twin)
    page = await browser.sign_in("franceconnect")
    assert page.status == 403
    assert opened_nothing(page)
    assert NOT_FOUND in page.text


def replace_ins(traits: people.Traits) -> people.Traits:
    return people.Traits("279035121518990", *[getattr(traits, name) for name in traits.__struct_fields__[1:]])


async def test_a_link_counts_only_as_long_as_the_traits_agree(known: House, idp: Providers, browser: Browser) -> None:
    await signed_in(known, await browser.sign_in("franceconnect"))
    marcel = {"family_name": "PAT-DEUX", "given_name": "Marcel", "birthdate": "1950-01-09", "gender": "male"}
    await idp.tell("franceconnect", claims=DOMINIQUE | marcel | {"birthplace": "75056"})
    async with idp.browser() as other:
        page = await other.sign_in("franceconnect")
        assert (page.status, opened_nothing(page)) == (403, True), "Dominique's link never opens Marcel's space"
    await idp.tell("franceconnect", account="of-marcel")
    async with idp.browser() as other:
        assert (await signed_in(known, await other.sign_in("franceconnect"))).account_id == known.marcel.account_id


async def test_a_space_older_than_the_index_is_found_once_its_holder_came_in_another_way(
    known: House, idp: Providers, browser: Browser
) -> None:
    await known.app.db.write(lambda tx: tx.run("DELETE FROM identities"))
    assert (await browser.sign_in("franceconnect")).status == 403
    await known.session("dominique")
    async with idp.browser() as other:
        assert (await signed_in(known, await other.sign_in("franceconnect"))).account_id == known.dominique.account_id


# ---- whose request it is ---------------------------------------------------------------------------------------------


async def test_a_code_serves_once_in_the_browser_that_left(known: House, idp: Providers, browser: Browser) -> None:
    back = await browser.leave("psc")
    async with idp.browser() as victim:
        for page in (await victim.get(back), await victim.get(back.replace("/psc/", "/franceconnect/"))):
            assert page.place.endswith(STALE), "somebody else's code"
            assert opened_nothing(page)
        await victim.leave("psc")
        assert (await victim.get(back)).place.endswith(STALE), "not even with a sign-in of their own under way"
    for spoiled in (back.replace("state=", "state=x"), back.replace("state=", "stat="), f"{back}&state=twice"):
        assert (await browser.get(spoiled)).place.endswith(STALE)
    page = await browser.get(back)
    assert (await signed_in(known, page)).account_id == known.morel.account_id
    again = await browser.get(back)
    assert again.place.endswith(STALE)
    assert opened_nothing(again)


async def test_a_sign_in_left_for_ten_minutes_is_over(known: House, browser: Browser) -> None:
    back = await browser.leave("psc")
    kept = next(cookie.value for cookie in browser.session.cookie_jar if cookie.key == "pli-psc")
    with time_machine.travel(timedelta(minutes=11), tick=True):
        browser.session.cookie_jar.update_cookies({"pli-psc": kept})
        page = await browser.get(back)
    assert page.place.endswith(STALE)
    await browser.leave("psc")
    assert len(await rows(known, "SELECT hash FROM proofs WHERE kind = 'oidc'")) == 2
    with time_machine.travel(timedelta(minutes=11), tick=True):
        await browser.get("/sign-in/psc")
        assert len(await rows(known, "SELECT hash FROM proofs WHERE kind = 'oidc'")) == 1, "swept by the way"


async def test_what_the_browser_holds_is_bound_to_it_and_written_nowhere(
    idp: Providers, sqlite_url: str, tmp_path: Path
) -> None:
    secure = idp.settings | {"public_url": "https://espace.chu-de-pli.fr", "http_port": 0}
    async with open_house(settings_for(tmp_path / "pli", database_url=sqlite_url, **secure)) as house:
        async with visitor(house) as morel:
            left = await morel.get("/sign-in/psc")
        (cookie,) = left.headers.getall("Set-Cookie")
        name, _, rest = cookie.partition("=")
        assert name == "__Host-pli-psc"
        assert {"HttpOnly", "Secure", "Path=/", "SameSite=Lax", "Max-Age=600"} <= set(rest.split("; "))
        asked = {value for values in parse_qs(urlsplit(left.place).query).values() for value in values}
        held = {text for row in await rows(house, "SELECT * FROM proofs") for text in row if isinstance(text, str)}
        assert held & (asked | {rest.split(";")[0]}) == set(), "who reads the table can finish nobody's sign-in"
