"""The list in Chromium: two devices of one person, the keyboard alone, no JavaScript."""

from __future__ import annotations

import random

from playwright.async_api import Browser, Page, expect

from server import access, filing, marks
from storage import entries, placements
from tests.browser.chromium import window
from tests.browser.scenes import SUBJECT, letter_with_documents, offer
from tests.browser.visitor import visitor
from tests.house import House

PHONE = {"width": 320, "height": 800}
LOOKED_AT = """() => { const list = document.querySelector('ol.rows');
const counter = document.querySelector('[data-unread]');
return {
  title: document.title, unread: counter.checkVisibility() && counter.textContent,
  filters: [...document.querySelectorAll('[data-filters] a')].map(a => a.innerText),
  rows: [...list.children].map(li => [li.id, li.className, li.querySelector('.row').innerText,
    [...li.querySelectorAll('button')].map(b => b.value)]),
  none: document.querySelector('[data-none]').innerText.trim(),
  more: document.querySelector('[data-more]').innerText.trim() } }"""


async def keep(page: Page, subject: str, button: str) -> None:
    """Open the menu of a row, and press."""
    await page.get_by_label(f"Ranger « {subject} »").click()
    await page.get_by_role("button", name=button).locator("visible=true").click()


async def subjects(page: Page) -> list[str]:
    return await page.locator(".row-subject").all_inner_texts()


async def test_what_one_device_archives_pins_and_labels_shows_on_the_other_without_a_reload(
    browser: Browser, house: House
) -> None:
    knee = await letter_with_documents(house)
    await house.letter("lab", "dominique", "Votre bilan.", "Bilan")
    await house.letter("morel", "dominique", "Bonne journée.", "Nouvelles")
    async with (
        window(browser, house, "dominique") as phone,
        window(browser, house, "dominique", reduced_motion="reduce") as computer,
    ):
        here, there = await phone.go("/"), await computer.go("/")
        await phone.live()
        await computer.live()
        assert await subjects(there) == ["Nouvelles", "Bilan", SUBJECT]

        await keep(here, "Bilan", "Épingler en haut")
        await expect(there.locator(".row-subject")).to_have_text(["Bilan", "Nouvelles", SUBJECT])
        assert await here.evaluate("document.activeElement.closest('li').id") == await here.locator(
            "ol.rows > li"
        ).first.get_attribute("id")  # the hand stays on the row, which went up

        await keep(here, "Nouvelles", "Archiver")
        await expect(there.locator(".row-subject")).to_have_text(["Bilan", SUBJECT])
        assert await here.evaluate("document.activeElement.innerText.includes('Votre opération')")
        await expect(here.get_by_role("status").filter(has_text="est archivée")).to_be_visible()
        await here.get_by_role("button", name="Annuler").click()
        await expect(there.locator(".row-subject")).to_have_text(["Bilan", "Nouvelles", SUBJECT])
        await expect(here.get_by_role("button", name="Annuler")).to_have_count(0)

        box = await house.mailbox("dominique")
        handle = await access.conversation(house.app, box, knee.conversation)
        await marks.relabel(house.app, box, handle, {await marks.name_label(house.app, box, "Genou")})
        await expect(there.locator(f"#row-{knee.conversation} .label")).to_have_text("Genou")

        await there.goto(f"{house.http}/c/{knee.conversation}")  # read there, and less unread here
        await expect(here.locator("[data-unread]")).to_have_text("2 non lus")
        await expect(here.locator("[data-unread-said]")).to_have_text("2 non lus")
        await computer.live()
        await there.get_by_label("Ranger cette conversation").click()
        await there.get_by_role("button", name="Couper les notifications").click()
        await expect(there.locator("[data-thread-marks]")).to_contain_text("Sans notification")
        await expect(here.locator(f"#row-{knee.conversation}")).to_contain_text("Sans notification")
        assert await there.evaluate("document.activeElement.tagName") == "SUMMARY"
        assert phone.complaints == []


async def test_what_a_mail_client_follows_and_throws_away_is_seen_at_once(browser: Browser, house: House) -> None:
    sent = await house.letter("morel", "dominique", subject=SUBJECT)
    words = [await house.answer("dominique", sent.conversation, text) for text in ("Bonjour docteur.", "J’ai mal.")]
    box = await house.mailbox("morel")
    first, last = [seq for _, seq, _, _ in await house.app.db.read(placements.listed, box.mailbox_id, "inbox")]
    async with window(browser, house, "morel") as computer, window(browser, house, "morel") as phone:
        here, there = await computer.go("/"), await phone.go(f"/c/{sent.conversation}")
        await computer.live()
        await phone.live()
        await filing.store(house.app, box, "inbox", [last], lambda flags: flags | entries.FLAGGED)
        for page in (here, there):
            await expect(page.locator(".tag", has_text="À suivre").first).to_be_visible()
        assert await phone.faults() == []
        await there.get_by_label("Ranger cette conversation").click()
        await expect(there.get_by_text("le patient garde la conversation entière")).to_be_visible()
        await there.get_by_role("button", name="Ne plus suivre").click()
        await expect(here.locator("ol.rows .tag", has_text="À suivre")).to_have_count(0)
        await filing.store(house.app, box, "inbox", [first], lambda flags: flags | entries.DELETED)
        await filing.expunge(house.app, box, "inbox")
        await expect(there.locator(f"#m-{words[0].message}")).to_have_count(0)
        await expect(there.locator(f"#m-{words[1].message}")).to_be_visible()
        assert computer.complaints == phone.complaints == []


async def test_after_any_sequence_with_cuts_each_device_shows_what_a_reload_shows(
    browser: Browser, house: House
) -> None:
    choose = random.Random(20261123)
    sent = [await house.letter("morel", "dominique", f"Texte {n} ?", f"Lettre {n}") for n in range(6)]
    await offer(house)
    box = await house.mailbox("dominique")
    async with (
        window(browser, house, "dominique") as one,
        window(browser, house, "dominique", viewport={"width": 390, "height": 800}) as other,
    ):
        windows = [(one, await one.go("/")), (other, await other.go("/?filter=unread"))]
        for seen, _ in windows:
            await seen.live()
        async with visitor(house, "dominique") as third:
            for turn in range(12):
                page = windows[turn % 2][1]
                await page.context.set_offline(turn % 5 == 2)
                letter = choose.choice(sent)
                handle = await access.conversation(house.app, box, letter.conversation)
                kind, on = choose.choice(("archived", "pinned", "muted")), choose.random() < 0.7
                await marks.put(house.app, box, handle, kind, on, "")
                if turn % 3 == 0:
                    await house.answer("morel", letter.conversation, f"Encore {turn}")
                if turn % 4 == 1:
                    await third.get(f"/c/{choose.choice(sent).conversation}")
        for seen, page in windows:
            await page.context.set_offline(False)
            await seen.live()
            fresh = await page.context.new_page()
            await fresh.goto(page.url)
            wanted = await fresh.evaluate(f"JSON.stringify(({LOOKED_AT})())")
            assert "Lettre" in wanted
            await page.wait_for_function(f"wanted => JSON.stringify(({LOOKED_AT})()) === wanted", arg=wanted)


async def test_more_conversations_come_in_place_and_the_way_back_finds_them_again(
    browser: Browser, house: House
) -> None:
    for n in range(45):
        await house.letter("morel", "dominique", subject=f"Suivi {n}")
    async with window(browser, house, "dominique") as seen:
        page = await seen.go("/")
        await seen.live()
        await page.get_by_role("link", name="Afficher plus").click()
        await expect(page.locator("ol.rows > li")).to_have_count(45)
        assert await page.evaluate("document.activeElement.innerText.includes('Suivi 4\\n')")
        await house.letter("lab", "dominique", subject="Bilan")
        await expect(page.locator("ol.rows > li")).to_have_count(46)
        await page.get_by_role("link", name="Suivi 0").click()
        await page.wait_for_url("**/c/**")
        await page.go_back()
        await expect(page.locator("ol.rows > li")).to_have_count(46)


async def test_the_list_is_kept_by_the_keyboard_alone(browser: Browser, house: House) -> None:
    await letter_with_documents(house)
    await house.letter("lab", "dominique", "Votre bilan.", "Bilan")
    async with window(browser, house, "dominique") as seen:
        page = await seen.go("/")
        await seen.live()
        menu = page.get_by_label("Ranger « Bilan »")
        await menu.focus()
        await page.keyboard.press("Enter")
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("button", name="Archiver")).to_have_count(0)
        await expect(menu).to_be_focused()
        await page.keyboard.press("Space")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("button", name="Archiver")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.locator(".row-subject")).to_have_text([SUBJECT])
        await expect(page.get_by_role("link", name=SUBJECT)).to_be_focused()


async def test_without_javascript_the_list_is_kept_filtered_labelled_and_searched(
    browser: Browser, house: House
) -> None:
    await letter_with_documents(house)
    await house.letter("lab", "dominique", "Votre bilan est prêt.", "Bilan")
    async with window(browser, house, "dominique", java_script_enabled=False, viewport=PHONE) as seen:
        page = await seen.go("/")
        await keep(page, "Bilan", "Archiver")
        assert await subjects(page) == [SUBJECT]
        await page.get_by_role("button", name="Annuler").click()
        assert await subjects(page) == ["Bilan", SUBJECT]
        await page.get_by_label("Ranger « Bilan »").click()
        await page.get_by_role("link", name="Étiquettes…").locator("visible=true").click()
        await page.get_by_label("Nouvelle étiquette").fill("Analyses")
        await page.get_by_role("button", name="Enregistrer").click()
        await page.get_by_text("Autres filtres").click()
        await page.get_by_role("link", name="Analyses 1").click()
        assert await subjects(page) == ["Bilan"]
        await page.get_by_label("Chercher dans vos messages").fill("BILAN pret")
        await page.keyboard.press("Enter")
        await expect(page.locator("mark")).to_have_text(["Bilan", "bilan", "prêt"])
        await page.locator("a.found").click()
        await expect(page.locator(".entry:target")).to_contain_text("Votre bilan est prêt.")
        await page.get_by_label("Ranger cette conversation").click()
        await page.get_by_role("button", name="Épingler en haut").click()
        await expect(page.locator("[data-thread-marks]")).to_contain_text("Épinglée")
        assert seen.complaints == []
