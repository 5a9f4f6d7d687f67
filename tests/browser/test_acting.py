"""Acting for somebody, in a browser: whose space this is cannot be mistaken, nothing of the other one remains, the way
is short; looked at narrow and wide, by axe, with the keyboard alone.
"""

from __future__ import annotations

import re

import msgspec
import pytest
from playwright.async_api import Browser, Page, expect

from server import demo, people
from storage import delegations
from tests.browser.chromium import Window, window
from tests.house import House
from webchat import socket as live_door

NARROW, WIDE = {"width": 320, "height": 800}, {"width": 1280, "height": 900}


async def _sound(seen: Window, what: str) -> None:
    assert await seen.faults() == [], what
    assert not await seen.wider_than_screen(), what


async def _switch(page: Page, name: str) -> None:
    await page.locator(".spaces > summary").click()
    await page.locator(".spaces a", has_text=name).click()


async def test_dominique_goes_to_camilles_space_writes_for_her_and_comes_home(browser: Browser, house: House) -> None:
    await house.letter("morel", "dominique", "Pour Dominique seule", "Votre genou")
    letter = await house.letter("morel", "camille", "Comment va Camille ?", "Vaccin")
    async with window(browser, house, "dominique", viewport=NARROW) as seen:
        page = await seen.go("/")
        await seen.live()
        await expect(page.locator(".spaces > summary .count")).to_have_text("Non lus ailleurs : 1")
        await _switch(page, "Camille")
        await expect(page).to_have_title(re.compile(r"^Camille · "))
        await expect(page.locator(".whose")).to_contain_text("Vous agissez pour Camille PAT-TROIS")
        await expect(page.locator("html")).to_have_class(re.compile("acting"))
        await seen.live()
        assert "Votre genou" not in await page.content()
        await _sound(seen, "Camille's list")
        await page.get_by_role("link", name=re.compile("Vaccin")).first.click()
        await seen.live()
        await expect(page.locator(".for-whom")).to_have_text("Vous écrivez pour Camille")
        await page.locator("#text").fill("Elle va bien.")
        await page.get_by_role("button", name="Envoyer").click()
        await expect(page.locator(".bubble.mine").last).to_contain_text(
            "Écrit par Dominique PAT-TROIS, représentante de Camille PAT-TROIS"
        )
        await _sound(seen, "Camille's thread")
        await page.get_by_role("link", name="Revenir à votre espace").click()
        await expect(page).not_to_have_title(re.compile("Camille"))
        content = await page.content()
        assert "Elle va bien" not in content
        assert "Vaccin" not in content
        await page.go_back()  # a page that was kept aside is asked for again
        await expect(page.locator(".whose")).to_contain_text("Vous agissez pour Camille PAT-TROIS")
        assert letter.conversation in page.url
        assert seen.complaints == []


async def test_a_page_left_open_shows_nothing_more_once_the_right_has_ended(
    browser: Browser, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_door, "ROUND_S", 0.05)
    letter = await house.letter("morel", "camille", "Comment va Camille ?", "Vaccin")
    async with window(browser, house, "dominique") as seen:
        page = await seen.go(f"/for/{house.camille.mailbox_id}/c/{letter.conversation}")
        await seen.live()
        await house.app.db.write(delegations.end, house.camille.space_id, house.dominique.account_id)
        await expect(page.get_by_role("heading", level=1)).to_have_text("Cette page n’existe pas")
        assert "Comment va Camille" not in await page.content()


async def test_marcel_invites_dominique_by_a_code_and_ends_it(browser: Browser, house: House) -> None:
    async with (
        window(browser, house, "marcel", viewport=NARROW) as his,
        window(browser, house, "dominique", viewport=WIDE) as hers,
    ):
        page = await his.go("/account")
        await page.get_by_role("link", name="Les personnes qui agissent").click()
        await expect(page.locator("main")).to_contain_text("Personne n’agit pour vous.")
        await _sound(his, "nobody")
        await page.get_by_role("link", name="Inviter un aidant").click()
        await page.get_by_label("Son prénom et son nom").fill("Dominique")
        await page.get_by_label("Elle peut écrire et répondre, en signant de son nom").check()
        await _sound(his, "the invitation")
        await page.get_by_role("button", name="Obtenir le code").click()
        code = await page.locator(".code").inner_text()
        await _sound(his, "the code")
        await page.get_by_role("link", name="J’ai noté le code").click()
        await expect(page.get_by_role("status")).to_contain_text("L’invitation est prête")
        assert code.split()[0] not in await page.content()

        other = await hers.go("/account/people")
        await other.get_by_role("link", name="J’ai reçu un code").click()
        await _sound(hers, "where a code is typed")
        await other.get_by_label("Votre code").fill(code.lower())
        await other.get_by_role("button", name="Voir ce qui m’est demandé").click()
        await expect(other.get_by_role("heading", level=1)).to_have_text("Agir pour Marcel PAT-DEUX ?")
        await _sound(hers, "what is asked")
        assert code.split()[0] not in other.url
        await other.get_by_role("button", name="Accepter").click()
        await expect(other.locator(".whose")).to_contain_text("Vous agissez pour Marcel PAT-DEUX")
        await _sound(hers, "what she may")
        await other.get_by_role("link", name=re.compile("Attestation")).click()
        await expect(other.locator(".proof")).to_contain_text("Marcel PAT-DEUX")
        await expect(other.get_by_role("button", name="Imprimer")).to_be_visible()
        await _sound(hers, "the certificate")

        await page.reload()
        await page.get_by_role("link", name=re.compile("Modifier ou prolonger")).click()
        await page.get_by_label("Les rendez-vous").check()
        await page.get_by_label("Pendant combien de temps").select_option("1")
        await _sound(his, "what changes")
        await page.get_by_role("button", name="Enregistrer").click()
        await expect(page.locator(".one").first).to_contain_text("messages, agenda – lire et écrire")
        await page.get_by_text("Mettre fin", exact=True).click()
        await page.get_by_role("button", name="Oui, je confirme").click()
        await expect(page.get_by_role("status")).to_contain_text("n’a plus accès")
        await expect(page.locator("#history + ul")).to_contain_text("Accès de Dominique PAT-TROIS terminé")
        await _sound(his, "after the end")
        await page.goto(house.http + "/")
        await page.get_by_role("link", name=re.compile("Votre espace")).first.click()
        await expect(page.locator("main")).to_contain_text("Pli, service automatique")
        await _sound(his, "what Pli says")
        assert his.complaints == []


async def test_nineteen_people_stay_easy_to_find(browser: Browser, house: House) -> None:
    for number in range(18):
        traits = msgspec.structs.replace(
            demo.HOLDERS["camille"], ins=str(219_067_505_700_000 + number), given=f"Zoé-{number:02}"
        )
        child = await people.open_space(house.app, traits)
        await people.delegate(
            house.app, child.space_id, house.dominique.account_id, "representative", None, "operator"
        )  # fmt: skip
    async with window(browser, house, "dominique", viewport=NARROW) as seen:
        page = await seen.go("/documents")
        await page.locator(".spaces > summary").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("#space-list > li")).to_have_count(20)
        await _sound(seen, "twenty spaces")
        await page.keyboard.press("Tab")
        await page.keyboard.type("zoe 07")
        await expect(page.locator("#space-list > li:visible")).to_have_count(1)
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.locator(".whose")).to_contain_text("Zoé-07")
        await page.locator(".spaces > summary").click()
        await page.keyboard.press("Escape")
        await expect(page.locator(".spaces")).not_to_have_attribute("open", "")
