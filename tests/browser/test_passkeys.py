"""Passkeys in Chromium with its own virtual authenticator (WebAuthn Level 3 § 11), and the pages around them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from playwright.async_api import Browser, CDPSession, Page, expect

from server import devices, factors, passkeys, sessions
from storage.ids import now_ms
from tests.browser.chromium import Window, window
from tests.house import House

LIGHTS: tuple[Any, ...] = ("light", "dark")
SMALL: Any = {"width": 320, "height": 800}


@dataclass
class Phone:
    """A window at the address passkeys are made for, and the authenticator in it."""

    seen: Window
    page: Page
    cdp: CDPSession
    id: str

    async def go(self, path: str) -> None:
        await self.page.goto(passkeys.relying_party(self.seen.house.app)[1] + path)

    async def verifies(self, yes: bool) -> None:
        await self.cdp.send("WebAuthn.setUserVerified", {"authenticatorId": self.id, "isUserVerified": yes})

    async def credentials(self) -> list[Any]:
        found = await self.cdp.send("WebAuthn.getCredentials", {"authenticatorId": self.id})
        return list(found["credentials"])


@asynccontextmanager
async def phone(
    browser: Browser, house: House, who: str = "", *, offers: bool = False, **options: Any
) -> AsyncIterator[Phone]:
    """A telephone that recognises its owner. `offers`: it knows to offer passkeys in a field; its owner, who is
    simulated, then takes what is offered at once.
    """
    async with window(browser, house, **options) as seen:
        page = seen.page
        if not offers:
            await page.add_init_script("PublicKeyCredential.isConditionalMediationAvailable = async () => false")
        if who:
            url = passkeys.relying_party(house.app)[1]
            await page.context.add_cookies([{"name": "pli", "value": await house.session(who), "url": url}])
        cdp = await page.context.new_cdp_session(page)
        await cdp.send("WebAuthn.enable")
        made = await cdp.send(
            "WebAuthn.addVirtualAuthenticator",
            {
                "options": {
                    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
                    "isUserVerified": True, "automaticPresenceSimulation": True,
                }
            },
        )  # fmt: skip
        yield Phone(seen, page, cdp, made["authenticatorId"])


async def test_dominique_makes_a_passkey_signs_out_and_comes_back_with_it(browser: Browser, house: House) -> None:
    async with phone(browser, house, "dominique") as hers:
        page = hers.page
        await hers.go("/account/devices")
        await page.get_by_role("button", name="Ajouter une clé d’accès").click()
        await expect(page.get_by_role("status")).to_contain_text("Votre clé d’accès est enregistrée")
        assert len(await hers.credentials()) == 1
        await expect(page.get_by_role("heading", name="Chrome (Linux)", exact=True)).to_be_visible()

        await page.get_by_role("button", name="Ajouter une clé d’accès").click()
        await expect(page.get_by_role("alert")).to_have_text("Cet appareil a déjà une clé d’accès pour Pli.")

        await page.locator(".menu summary").click()
        await page.get_by_role("button", name="Se déconnecter", exact=True).click()
        await hers.go("/sign-in?out")
        await page.get_by_role("button", name="Entrer avec une clé d’accès").click()
        await expect(page.locator(".whose")).to_contain_text("Dominique PAT-TROIS")

        await hers.go("/account/devices")
        await page.get_by_role("button", name="Retirer, Chrome (Linux)").click()
        await expect(page.get_by_role("status")).to_contain_text("La clé d’accès est retirée")
        await page.get_by_role("button", name="Se déconnecter partout").click()
        await page.wait_for_url("**/sign-in?out")
        await page.get_by_role("button", name="Entrer avec une clé d’accès").click()
        await expect(page.get_by_role("alert")).to_contain_text("n’est pas reconnue ici")
        assert [said for said in hers.seen.complaints if "401" not in said] == []


async def test_a_telephone_that_does_not_check_who_holds_it_opens_nothing(browser: Browser, house: House) -> None:
    async with phone(browser, house, "dominique", offers=True) as hers:
        page = hers.page
        await hers.go("/account/devices")
        await page.get_by_role("button", name="Ajouter une clé d’accès").click()
        await expect(page.get_by_role("status")).to_be_visible()
        await page.context.clear_cookies()
        await hers.verifies(False)
        await hers.go("/sign-in")
        await page.get_by_role("button", name="Entrer avec une clé d’accès").click()
        await expect(page.get_by_role("alert")).to_contain_text("Rien n’a été fait")
        await hers.verifies(True)
        await hers.seen.go("/sign-in")
        await page.get_by_role("button", name="Entrer avec une clé d’accès").click()
        await expect(page.get_by_role("alert")).to_contain_text("à une seule adresse : http://localhost:")
        await hers.go("/sign-in")  # the field of the identifier offers it: nothing to type, nothing to press
        await expect(page.locator(".whose")).to_contain_text("Dominique PAT-TROIS")


async def test_before_a_dangerous_act_the_passkey_is_asked_for_again(browser: Browser, house: House) -> None:
    app, me = house.app, house.dominique.account_id
    codes = factors.new_recovery_codes()
    await app.db.write(lambda tx: factors.keep_recovery_codes(app, tx, me, codes))
    async with phone(browser, house, "dominique", viewport=SMALL) as hers:
        page = hers.page
        await hers.go("/account/devices")
        await page.get_by_role("button", name="Ajouter une clé d’accès").click()
        await expect(page.get_by_role("status")).to_be_visible()

        async def long_ago() -> None:
            await app.db.write(lambda tx: tx.run("UPDATE credentials SET strong_at = :at", at=now_ms() - 3_600_000))
            await page.get_by_role("button", name="Retirer, Chrome (Linux)").click()
            await expect(page.get_by_role("heading", level=1)).to_have_text("C’est bien vous ?")

        await long_ago()
        await page.get_by_text("Avec un code de secours").click()
        await page.get_by_label("Un de vos codes de secours").fill(codes[0].replace("-", " ").upper())
        assert await hers.seen.faults() == []
        assert not await hers.seen.wider_than_screen()
        await page.get_by_role("button", name="Confirmer").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Appareils et connexions")

        await long_ago()
        await page.get_by_role("button", name="Utiliser ma clé d’accès").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Appareils et connexions")
        await page.get_by_role("button", name="Retirer, Chrome (Linux)").click()
        await expect(page.get_by_role("status")).to_contain_text("La clé d’accès est retirée")
        assert hers.seen.complaints == []


async def test_the_page_of_devices_is_for_everybody(browser: Browser, house: House) -> None:
    me = house.dominique.account_id
    await sessions.open_session(house.app, me, browser="Safari (iPhone)")
    await sessions.new_token(house.app, me)
    await devices.remember(house.app, me, "Firefox (Windows)")
    async with phone(browser, house, "dominique", viewport=SMALL) as hers:
        page = hers.page
        await hers.go("/account/devices")
        await page.get_by_role("button", name="Ajouter une clé d’accès").click()
        await expect(page.get_by_role("status")).to_be_visible()
        await page.get_by_text("Renommer").click()
        for name in ("Cet appareil", "Safari (iPhone)", "Firefox (Windows)", "Service relié"):
            await expect(page.get_by_text(name).first).to_be_visible()
        for light in LIGHTS:
            await page.emulate_media(color_scheme=light)
            assert await hers.seen.faults() == []
        assert not await hers.seen.wider_than_screen()
        small = await page.locator("main button:visible, main summary:visible, main input:visible").evaluate_all(
            "all => all.map(e => e.getBoundingClientRect().height).filter(h => h < 44)"
        )
        assert small == []
        await page.get_by_role("button", name="Déconnecter, Safari (iPhone)").click()
        await expect(page.get_by_role("status")).to_have_text("C’est déconnecté.")
        await expect(page.get_by_text("Safari (iPhone)")).to_have_count(0)
        await page.get_by_role("button", name="Oublier, Firefox (Windows)").click()
        await expect(page.get_by_text("Firefox (Windows)")).to_have_count(0)


async def test_without_javascript_the_pages_say_so_and_offer_the_other_way(browser: Browser, house: House) -> None:
    async with window(browser, house, "dominique", java_script_enabled=False) as seen:
        page = await seen.go("/account/devices")
        await expect(page.get_by_text("Une clé d’accès demande JavaScript")).to_be_visible()
        await expect(page.get_by_role("button", name="Ajouter une clé d’accès")).to_have_count(0)
        await page.get_by_role("button", name="Se déconnecter partout").click()
        await expect(page.get_by_text("Une clé d’accès demande JavaScript")).to_be_visible()
        await expect(page.get_by_role("button", name="Entrer avec une clé d’accès")).to_have_count(0)
        assert (await seen.go("/account")).url.endswith("/sign-in")
