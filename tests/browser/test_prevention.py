"""Marcel, 76, on a small phone without JavaScript: three questions, then what remains; and the vaccines of Camille's
life, as a picture and on paper.
"""

from __future__ import annotations

from msgspec.structs import replace
from playwright.async_api import Browser, expect

from server.formats.findings import Coded
from tests.browser.chromium import window
from tests.house import House
from tests.support import cda_documents as made
from tests.support.told import told

PHONE = {"width": 320, "height": 640}


async def test_three_questions_are_answered_on_a_small_phone_without_javascript(browser: Browser, house: House) -> None:
    async with window(browser, house, "marcel", viewport=PHONE, java_script_enabled=False) as seen:
        page = await seen.go("/")
        await page.get_by_role("link", name="Vos vaccins à jour en 3 questions").click()
        await page.get_by_label("Maladie chronique").check()
        await page.get_by_role("button", name="Continuer").click()
        await page.get_by_role("group", name="zona").get_by_label("Je ne sais pas").check()
        await page.get_by_role("group", name="pneumocoque").get_by_label("Oui").check()
        await page.get_by_role("button", name="Continuer").click()
        await page.get_by_label("Dans 1 mois").check()
        await page.get_by_role("button", name="Continuer").click()
        unknown = page.get_by_role("region", name="Ce qu’on ne sait pas")
        await expect(unknown).to_contain_text("zona")
        await expect(page.get_by_role("region", name="Ce qui est fait")).to_contain_text("pneumocoque")
        await page.get_by_role("link", name="Voir toute ma prévention").click()
        await expect(page.get_by_role("region", name="Remis à plus tard")).to_contain_text("Nous en reparlerons le")
        await page.get_by_role("link", name="Changer : Votre vaccin contre le zona").click()
        await page.get_by_role("button", name="Annuler cette réponse").click()
        await expect(page.get_by_role("status")).to_contain_text("Votre réponse est annulée")


async def test_the_vaccines_of_a_life_are_looked_at_read_and_printed(browser: Browser, house: House) -> None:
    days = ("2019-08-16", "2019-10-15", "2020-05-20")
    doses = [replace(made.TETANUS, at=day, rank="", atc=Coded("J07CA09", made.ATC, "Hexavalent")) for day in days]
    await told(house, "camille", made.cda(immunisations=doses, document_id="1.9.1"), "Carnet de santé")
    path = f"/for/{house.camille.mailbox_id}/prevention/vaccines"
    async with window(browser, house, "dominique", viewport=PHONE) as seen:
        page = await seen.go(path)
        picture = page.get_by_role("img", name="Les vaccins d’une vie")
        await expect(picture).to_have_accessible_name(
            "Les vaccins d’une vie, par maladie et par année 9 maladies, 18 doses faites, 7 possibles maintenant."
            " Le tableau dessous dit la même chose."
        )
        row = page.get_by_role("row", name="Hépatite B")
        await expect(row).to_contain_text("16 août 2019, 15 octobre 2019, 20 mai 2020")
        for light in ("light", "dark"):
            await page.emulate_media(color_scheme=light)
            assert await seen.faults("color-contrast", "svg-img-alt") == []
        assert not await seen.wider_than_screen()
        name = await picture.get_by_text("Haemophilus influenzae b").bounding_box()
        assert name
        assert 0 <= name["x"] < name["x"] + name["width"] <= PHONE["width"], "the longest name is read whole"
        await page.emulate_media(media="print")
        await expect(page.get_by_role("link", name="Le détail de chaque vaccination")).to_be_hidden()
        await expect(picture).to_be_visible()
        assert seen.complaints == []
