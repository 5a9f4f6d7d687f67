"""Identity providers that lie, fall silent or change their keys; and how we reach them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
import time_machine
from structlog.testing import capture_logs

from server import oidc_provider
from server.errors import Unauthorised
from server.oidc import Identified, RelyingParty
from server.safe_settings import CLIENT_AUTH
from tests.browser.visitor import visitor
from tests.house import House, open_house, settings_for
from tests.oidc_house import RPPS, opened_nothing, rows, signed_in
from tests.support.oidc_provider import Browser, Page, Providers

# ---- lies, silence, new keys ----------------------------------------------------------------------------

LIES = {  # what the provider does → the check that finds it
    "nonce": "nonce", "no_nonce": "nonce", "audience": "audience", "two_audiences": "azp", "azp": "azp",
    "issuer": "issuer", "expired": "expired", "old": "age", "future": "age", "no_exp": "missing", "at_hash": "at_hash",
    "no_sub": "sub", "none": "alg", "hs256": "alg", "forged": "signature", "tampered": "signature",
    "unknown_kid": "kid", "userinfo_sub": "userinfo_sub", "elsewhere": "token_http_307",
}  # fmt: skip


async def test_no_lie_opens_anything(known: House, idp: Providers) -> None:
    for fault, check in LIES.items():
        await idp.tell("psc", fault=fault)
        with capture_logs() as logged:
            async with idp.browser() as browser:
                page = await browser.sign_in("psc")
                said = await browser.get(page.place)
        assert page.place.endswith("/sign-in?said=oidc_failed"), fault
        assert opened_nothing(page)
        assert [line["why"] for line in logged if line["event"] == "sign_in.refused"] == [check], fault
    assert "Votre identité n’a pas pu être vérifiée. Rien n’a été ouvert." in said.text
    assert (await idp.tell("psc"))["account"] != "trapped", "a redirection was followed with our code in hand"
    assert await rows(known, "SELECT COUNT(*) FROM credentials WHERE kind = 'session'") == [(0,)]


@pytest.mark.parametrize(
    ("name", "state"), [("psc", {"fault": "acr"}), ("psc", {"fault": "no_acr"}), ("franceconnect", {"acr": "eidas1"})]
)
async def test_a_level_that_is_too_low_is_told_so(
    known: House, idp: Providers, browser: Browser, name: str, state: dict[str, str]
) -> None:
    await idp.tell(name, **state)
    page = await browser.sign_in(name)
    assert opened_nothing(page)
    assert "Ce moyen de connexion n’est pas assez sûr" in (await browser.get(page.place)).text


async def test_new_keys_are_asked_for_once_a_minute_at_most(known: House, idp: Providers) -> None:
    async def come() -> Page:
        async with idp.browser() as browser:
            return await browser.sign_in("psc")

    start = (await idp.tell("psc"))["jwks"]
    await signed_in(known, await come())
    await signed_in(known, await come())
    assert (await idp.tell("psc"))["jwks"] == start + 1, "keys are kept"
    await idp.tell("psc", fault="rotated")
    assert opened_nothing(await come()), "within the minute nobody is asked again"
    assert (await idp.tell("psc"))["jwks"] == start + 1
    with time_machine.travel(timedelta(seconds=61), tick=True):
        assert (await signed_in(known, await come())).account_id == known.morel.account_id
        await idp.tell("psc", fault="unknown_kid")
        for _ in range(3):
            assert opened_nothing(await come())
    assert (await idp.tell("psc"))["jwks"] == start + 2


ERRORS = {
    "access_denied": "Vous avez arrêté avant la fin.",
    "login_required": "que vous vous identifiiez de nouveau.",
    "server_error": "Le service de connexion ne répond pas pour le moment.",
    "invented_by_them": "Votre identité n’a pas pu être vérifiée.",
}


async def test_an_error_there_is_a_plain_sentence_here(known: House, idp: Providers) -> None:
    for error, sentence in ERRORS.items():
        await idp.tell("franceconnect", error=error)
        async with idp.browser() as browser:
            page = await browser.sign_in("franceconnect")
            door = await browser.get(page.place)
        assert opened_nothing(page)
        assert sentence in door.text
        assert 'href="/sign-in/franceconnect"' in door.text, "one can try again"
        assert "words of the provider" not in page.text + page.place + door.text


async def test_a_provider_that_is_down_or_silent_keeps_nobody_waiting(
    known: House, idp: Providers, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    down = "/sign-in?said=oidc_down"
    await idp.tell("psc", fault="down")
    assert (await browser.get("/sign-in/psc")).place.endswith(down)
    await idp.tell("psc", fault="")
    assert (await browser.get("/sign-in/psc")).place.endswith(down), "it just failed: nobody waits to learn it again"
    with time_machine.travel(timedelta(seconds=6), tick=True):
        back = await browser.leave("psc")
        await idp.tell("psc", fault="silent")
        monkeypatch.setattr(oidc_provider, "PATIENCE_S", 0.5)
        page = await browser.get(back)
        assert page.place.endswith(down)
        assert opened_nothing(page)
        assert "Le service de connexion ne répond pas" in (await browser.get(page.place)).text
        monkeypatch.undo()
        await idp.tell("psc", fault="")
        await signed_in(known, await browser.sign_in("psc"))


async def test_a_provider_that_says_to_be_another_is_left_alone(known: House, idp: Providers, browser: Browser) -> None:
    await idp.tell("franceconnect", fault="other_issuer")
    assert (await browser.get("/sign-in/franceconnect")).place.endswith("/sign-in?said=oidc_failed")


async def test_what_nobody_said_is_said_to_nobody(known: House, browser: Browser) -> None:
    door = await browser.get("/sign-in?said=<b>come in</b>&out=evil")
    assert "come in" not in door.text
    assert "/sign-out/evil" not in door.text
    browser.session.cookie_jar.update_cookies({"pli-out": "evil.token"})
    async with browser.session.post(f"{browser.providers.url}/sign-out", allow_redirects=False) as out:
        assert out.headers["Location"] == "/sign-in?out"


# ---- how we reach them -----------------------------------------------------------------------------------------------


async def test_we_prove_who_we_are_in_the_way_that_was_agreed(known: House, idp: Providers) -> None:
    ours = known.app.settings
    for way in CLIENT_AUTH:
        key = ours.psc_client_key if way == "tls" else ours.franceconnect_client_key
        known.app.settings = replace(ours, psc_client_auth=way, psc_client_id=f"pli-{way}", psc_client_key=key)
        assert (await come_by(known, idp)).claims["SubjectNameID"] == RPPS, way
    for way in ("basic", "post"):  # the secret is that of a client which must prove itself otherwise
        known.app.settings = replace(ours, psc_client_auth=way, psc_client_id="pli-tls")
        with pytest.raises(Unauthorised, match="oidc_failed"):
            await come_by(known, idp)


async def come_by(known: House, idp: Providers) -> Identified:
    """All of the way but for the pages."""
    party = RelyingParty(known.app, "psc")
    secret, place = await party.leave()
    async with idp.browser() as browser:
        back = await browser.leave("psc", place)
    return await party.come_back(secret, dict(parse_qsl(urlsplit(back).query)))


async def test_no_provider_is_looked_for_within_this_network(known: House, idp: Providers) -> None:
    known.app.settings = replace(known.app.settings, oidc_private=False)
    with pytest.raises(Unauthorised, match="oidc_down"):
        await RelyingParty(known.app, "psc").leave()
    known.app.settings = replace(known.app.settings, oidc_private=True, psc_ca="")
    with pytest.raises(Unauthorised, match="oidc_down"):
        await RelyingParty(known.app, "psc").leave()  # TLS: nobody we know vouches for that server


async def test_going_out_goes_out_there_too_if_one_wishes(known: House, idp: Providers, browser: Browser) -> None:
    for name, button in (("psc", "Fermer Pro Santé Connect"), ("franceconnect", "Fermer FranceConnect")):
        await signed_in(known, await browser.sign_in(name))
        async with browser.session.post(f"{idp.url}/sign-out", allow_redirects=False) as out:
            assert out.headers["Location"] == f"/sign-in?out={name}"
        door = await browser.get(f"/sign-in?out={name}")
        assert button in door.text
        away = await browser.get(f"/sign-out/{name}")
        asked = parse_qs(urlsplit(away.place).query)
        assert away.place.startswith(f"{idp.issuer(name)}/session/end?")
        assert asked["post_logout_redirect_uri"] == [f"{idp.url}/sign-in"]
        assert ("id_token_hint" in asked) == (name == "franceconnect"), "a professional's would put a name in a URL"
        assert (await browser.get(away.place)).status == 200, "the provider takes it"


async def test_a_provider_that_is_not_set_is_not_offered(sqlite_url: str, tmp_path: Path) -> None:
    async with open_house(settings_for(tmp_path / "pli", database_url=sqlite_url)) as house, visitor(house) as marcel:
        door = await marcel.get("/sign-in")
        assert "FranceConnect" not in door.said
        for path in ("/sign-in/psc", "/sign-in/psc/back?code=a&state=b", "/sign-out/franceconnect"):
            assert (await marcel.get(path)).place == "/sign-in"
